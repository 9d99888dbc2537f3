-- A table of tracked stores whose rows stand for themselves: the newest record of each key, until it was found to be gone.
-- A template; runs and experiments that are gone are kept, with removed_at.
WITH newest AS (
    SELECT *, concat_ws(chr(31), {key_texts}) AS row_key
    FROM stage.{dataset}
    QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY recorded_at DESC, landing_date DESC) = 1
),
removed AS (
    SELECT store, row_key, max(recorded_at) AS removed_at
    FROM stage.mlflow_removed
    WHERE table_name = {table}
    GROUP BY store, row_key
),
read_whole AS (
    SELECT store, max(whole_since) AS whole_since
    FROM stage.mlflow_imports
    GROUP BY store
),
dated AS (
    SELECT
        newest.*,
        CASE
            WHEN removed.removed_at > newest.recorded_at THEN removed.removed_at
            WHEN read_whole.whole_since > newest.recorded_at THEN read_whole.whole_since
        END AS removed_at
    FROM newest
    LEFT JOIN removed ON removed.store = newest.store AND removed.row_key = newest.row_key
    LEFT JOIN read_whole ON read_whole.store = newest.store
)
SELECT * EXCLUDE (row_key)
FROM dated
WHERE {kept} OR removed_at IS NULL
