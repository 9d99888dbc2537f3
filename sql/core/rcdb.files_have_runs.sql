-- Which runs a file belongs to.
-- depends: stage.rcdb_files_have_runs, stage.rcdb_removed, rcdb.file_paths, rcdb.runs
CREATE OR REPLACE TABLE rcdb.files_have_runs (
    files_id BIGINT NOT NULL, -- file
    run_number BIGINT NOT NULL, -- run
    PRIMARY KEY (files_id, run_number)
);

INSERT INTO rcdb.files_have_runs BY NAME
SELECT DISTINCT links.file_id AS files_id, links.run_number
FROM stage.rcdb_files_have_runs AS links
ANTI JOIN stage.rcdb_removed AS removed
    ON removed.schema_name = links.schema_name
    AND removed.table_name = 'files_have_runs'
    AND removed.row_id = links.file_id
    AND removed.run_number = links.run_number
    AND removed.recorded_at > links.recorded_at
SEMI JOIN rcdb.file_paths AS paths ON paths.id = links.file_id
SEMI JOIN rcdb.runs AS runs ON runs.number = links.run_number
WHERE links.schema_name = {store}
ORDER BY files_id, run_number;
