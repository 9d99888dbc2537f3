-- The category of a task, by its newest record.
-- depends: stage.task_categories
CREATE OR REPLACE TABLE main.task_categories (
    task_id VARCHAR PRIMARY KEY, -- task identifier
    category VARCHAR NOT NULL -- reasoning, coding, …
);

INSERT INTO main.task_categories BY NAME
SELECT task_id, category
FROM stage.task_categories
QUALIFY row_number() OVER (
    PARTITION BY task_id
    ORDER BY recorded_at DESC, landing_date DESC, source_system, host
) = 1;
