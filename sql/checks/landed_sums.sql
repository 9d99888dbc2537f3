-- Nothing that landed is lost: rows landed = stored + merged + duplicate + quarantined, each day of each dataset.
-- severity: error
-- depends: ops.landing_days, ops.quarantine
SELECT
    dataset AS table_name,
    'rows landed are not the rows stored, merged, duplicate and quarantined, first on ' || min(landing_date) AS problem,
    sum(abs(n_landed - n_stored - n_merged - n_duplicate - n_quarantined))::BIGINT AS n
FROM ops.landing_days
WHERE n_landed <> n_stored + n_merged + n_duplicate + n_quarantined
GROUP BY dataset
UNION ALL
SELECT
    days.dataset AS table_name,
    'rows quarantined are not the rows explained, first on ' || min(days.landing_date) AS problem,
    sum(abs(days.n_quarantined - coalesce(reasons.n_rows, 0)))::BIGINT AS n
FROM ops.landing_days AS days
LEFT JOIN (
    SELECT dataset, landing_date, sum(n_rows) AS n_rows
    FROM ops.quarantine
    GROUP BY dataset, landing_date
) AS reasons
    ON reasons.dataset = days.dataset
    AND reasons.landing_date = days.landing_date
WHERE days.n_quarantined <> coalesce(reasons.n_rows, 0)
GROUP BY days.dataset;
