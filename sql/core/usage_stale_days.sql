-- The days of a table kept by day that are to be made again, since what they are made from has changed, or to be emptied.
-- Two months of them, the oldest first: the sums of a year would not fit into memory.
-- group: usage
-- depends: usage_day_inputs, ops.usage_days
CREATE OR REPLACE MACRO main.usage_stale_days(table_of_days) AS TABLE
WITH stale AS (
    SELECT coalesce(inputs.usage_day, built.usage_day) AS usage_day, inputs.fingerprint
    FROM main.usage_day_inputs AS inputs
    FULL JOIN (SELECT usage_day, fingerprint FROM ops.usage_days WHERE table_name = table_of_days) AS built
        ON built.usage_day = inputs.usage_day
    WHERE built.fingerprint IS DISTINCT FROM inputs.fingerprint
)
SELECT
    usage_day, -- UTC day
    fingerprint -- hash of what it is to be made from; NULL: nothing of it is left
FROM stale
WHERE usage_day < (SELECT min(usage_day) FROM stale) + 62;
