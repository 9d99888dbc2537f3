-- The latest attempt of each run of a benchmark workflow.
-- depends: inference.workflow_runs
CREATE OR REPLACE VIEW inference.latest_workflow_runs AS
SELECT
    workflow_run_id, -- stable id of run_name and run_attempt
    run_name, -- the GitHub run id where known, else the commit or what was collected
    github_run_id, -- the run's id at GitHub
    run_attempt, -- attempt, from 1
    name, -- the workflow's name
    status, -- completed, …
    conclusion, -- success, failure or cancelled
    head_sha, -- commit that it ran on
    head_branch, -- branch that it ran on
    html_url, -- its page
    created_at, -- when it was created
    run_started_at, -- when this attempt began
    date -- UTC day of its creation
FROM inference.workflow_runs
QUALIFY row_number() OVER (PARTITION BY run_name ORDER BY run_attempt DESC) = 1;
