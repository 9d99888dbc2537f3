-- A moment that bounds a run or one of its events: where the energy counters have to be known.
-- depends: stage.runs, stage.orchestration_events
CREATE TABLE IF NOT EXISTS daily.run_edges (
    run_id BIGINT NOT NULL, -- run
    run_date DATE NOT NULL, -- landing date of the run
    at_ns BIGINT NOT NULL -- the moment, ns UTC; each once per run
);

DELETE FROM daily.run_edges
WHERE run_date = getvariable('day');

INSERT INTO daily.run_edges BY NAME
WITH day_runs AS (
    SELECT run_id, start_time_ns, end_time_ns
    FROM stage.runs
    WHERE landing_date = getvariable('day')
),
day_events AS (
    SELECT events.run_id, events.start_time_ns, events.end_time_ns
    FROM stage.orchestration_events AS events
    JOIN day_runs ON day_runs.run_id = events.run_id
    WHERE events.landing_date = getvariable('day')
),
moments AS (
    SELECT run_id, start_time_ns AS at_ns FROM day_runs
    UNION
    SELECT run_id, end_time_ns AS at_ns FROM day_runs
    UNION
    SELECT run_id, start_time_ns AS at_ns FROM day_events
    UNION
    SELECT run_id, end_time_ns AS at_ns FROM day_events
)
SELECT run_id, getvariable('day') AS run_date, at_ns
FROM moments;
