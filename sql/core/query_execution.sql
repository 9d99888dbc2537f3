-- One query that a run was to answer: as an imported store has it, or by the conditions `success` (a bool) and `attempts`
-- (an int) that a measured program attached to its run.
-- depends: stage.query_execution, stage.run_conditions, runs
CREATE OR REPLACE TABLE main.query_execution (
    exec_id BIGINT PRIMARY KEY, -- stable id of the run and the query's id in its source
    run_id BIGINT NOT NULL, -- run
    goal_description VARCHAR, -- what was asked
    start_time TIMESTAMPTZ, -- start: as the source gives it; of a measured program that of its run
    end_time TIMESTAMPTZ, -- end, likewise
    success BOOLEAN, -- whether it was answered; NULL: nobody said
    total_energy_uj BIGINT, -- total energy of the run where this is its only query; NULL where it has more
    num_attempts BIGINT, -- attempts that it took
    created_at TIMESTAMPTZ, -- when the source recorded it
    reported_total_energy_uj BIGINT, -- energy that the source had written
    source_exec_id VARCHAR NOT NULL -- the query's id in its source; '' of a measured program
);

INSERT INTO main.query_execution BY NAME
WITH stated AS (
    SELECT
        run_id,
        bool_value AS success,
        recorded_at AS created_at
    FROM stage.run_conditions
    WHERE name = 'success' AND value_type = 'bool'
),
queries AS (
    SELECT
        run_id,
        source_exec_id,
        goal_description,
        start_time,
        end_time,
        success,
        num_attempts,
        created_at,
        reported_total_energy_uj
    FROM stage.query_execution
    UNION ALL BY NAME
    SELECT
        stated.run_id,
        '' AS source_exec_id,
        make_timestamptz(runs.start_time_ns // 1000) AS start_time,
        make_timestamptz(runs.end_time_ns // 1000) AS end_time,
        stated.success,
        attempts.int_value AS num_attempts,
        stated.created_at
    FROM stated
    JOIN main.runs AS runs ON runs.run_id = stated.run_id
    LEFT JOIN stage.run_conditions AS attempts
        ON attempts.run_id = stated.run_id
        AND attempts.name = 'attempts'
)
SELECT
    ops.stable_id(concat_ws(chr(31), queries.run_id, queries.source_exec_id)) AS exec_id,
    queries.run_id,
    queries.goal_description,
    queries.start_time,
    queries.end_time,
    queries.success,
    CASE WHEN count(*) OVER (PARTITION BY queries.run_id) = 1 THEN runs.total_energy_uj END AS total_energy_uj,
    queries.num_attempts,
    queries.created_at,
    queries.reported_total_energy_uj,
    queries.source_exec_id
FROM queries
JOIN main.runs AS runs ON runs.run_id = queries.run_id;
