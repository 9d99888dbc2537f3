-- Two runs beside each other: every parameter, latest metric and tag that either of them has.
-- `compare_runs('run_uuid', 'other run_uuid')`
-- depends: mlflow.params, mlflow.latest_metrics, mlflow.tags
CREATE OR REPLACE MACRO mlflow.compare_runs(one, other) AS TABLE
WITH facts AS (
    SELECT 'param' AS kind, p.key, p.run_uuid, p.value, NULL::DOUBLE AS number
    FROM mlflow.params AS p
    WHERE p.run_uuid IN (one, other)
    UNION ALL
    SELECT 'metric', m.key, m.run_uuid, CASE WHEN m.is_nan THEN 'NaN' ELSE m.value::VARCHAR END, m.value
    FROM mlflow.latest_metrics AS m
    WHERE m.run_uuid IN (one, other)
    UNION ALL
    SELECT 'tag', t.key, t.run_uuid, t.value, NULL
    FROM mlflow.tags AS t
    WHERE t.run_uuid IN (one, other)
)
SELECT
    facts.kind, -- param, metric or tag
    facts.key, -- its name
    any_value(facts.value) FILTER (facts.run_uuid = one) AS one_value, -- value of the first run; NULL: it has none
    any_value(facts.value) FILTER (facts.run_uuid = other) AS other_value, -- value of the second run
    one_value IS DISTINCT FROM other_value AS differs, -- they differ
    any_value(facts.number) FILTER (facts.run_uuid = other) - any_value(facts.number) FILTER (facts.run_uuid = one)
        AS difference -- of a metric: second − first
FROM facts
GROUP BY facts.kind, facts.key
ORDER BY facts.kind, facts.key;
