-- A row per run, a typed column per condition, named as it is; of names that differ only in case, all but the first end in
-- _2, _3, …. The columns are made from rcdb.condition_types each time that it changes.
-- depends: rcdb.runs, rcdb.conditions
-- made by: alems_pipeline/condition_tables.py
CREATE OR REPLACE VIEW rcdb.v_run_conditions AS
SELECT
    runs.number AS run_number, -- run number; run_id of a measured run
    runs.started, -- when the run started
    runs.finished, -- when it ended
    {condition names}
FROM rcdb.runs AS runs
LEFT JOIN (
    SELECT
        run_number,
        {condition values}
    FROM rcdb.conditions
    GROUP BY run_number
) AS wide ON wide.run_number = runs.number;
