-- Names that no registry knows: a line in sql/registry maps them, history included. `alems keys unmapped` lists them.
-- severity: warn
-- depends: ops.unmapped_keys, ops.unknown_metrics
SELECT
    'ops.unmapped_keys' AS table_name,
    count(*) || ' ' || kind || ' name(s) that no registry knows, most often '
        || coalesce(nullif(arg_max(raw_value, n_rows), ''), '(none given)')
        || ' in ' || max(n_rows) || ' row(s); rows with any of them' AS problem,
    sum(n_rows)::BIGINT AS n
FROM ops.unmapped_keys
GROUP BY kind
UNION ALL
SELECT
    'ops.unknown_metrics' AS table_name,
    'metrics that sql/registry/metrics.csv does not know; they are kept' AS problem,
    count(DISTINCT metric) AS n
FROM ops.unknown_metrics
HAVING count(*) > 0
ORDER BY ALL;
