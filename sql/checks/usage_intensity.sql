-- Hours whose carbon is by another intensity than the measured one.
-- severity: warn
-- depends: fact_usage
SELECT
    'fact_usage' AS table_name,
    'hours with carbon by ' || CASE intensity_source
        WHEN 'forecast' THEN 'forecast'
        WHEN 'partial' THEN 'the intensity of a part of the hour'
        WHEN 'country' THEN 'the mean of the country'
        ELSE 'the mean of the world'
    END AS problem,
    count(*) AS n
FROM main.fact_usage
WHERE scope = 'ada' AND intensity_source <> 'actual'
GROUP BY intensity_source
ORDER BY intensity_source;
