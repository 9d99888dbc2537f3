-- Energy of all machines by day and hour, kWh; an hour without any window, or of which a part is unknown, is empty: from_utc=2026-01-01 to_utc=2026-02-01
WITH hours AS (
    SELECT
        (ts AT TIME ZONE 'UTC')::DATE AS day,
        hour(ts AT TIME ZONE 'UTC') AS hour,
        busy_kwh + idle_kwh AS amount
    FROM fact_usage
    WHERE scope = 'ada'
        AND ts >= $from_utc
        AND ts < $to_utc
)
SELECT
    day,
    sum(amount) FILTER (hour = 0) AS "00",
    sum(amount) FILTER (hour = 1) AS "01",
    sum(amount) FILTER (hour = 2) AS "02",
    sum(amount) FILTER (hour = 3) AS "03",
    sum(amount) FILTER (hour = 4) AS "04",
    sum(amount) FILTER (hour = 5) AS "05",
    sum(amount) FILTER (hour = 6) AS "06",
    sum(amount) FILTER (hour = 7) AS "07",
    sum(amount) FILTER (hour = 8) AS "08",
    sum(amount) FILTER (hour = 9) AS "09",
    sum(amount) FILTER (hour = 10) AS "10",
    sum(amount) FILTER (hour = 11) AS "11",
    sum(amount) FILTER (hour = 12) AS "12",
    sum(amount) FILTER (hour = 13) AS "13",
    sum(amount) FILTER (hour = 14) AS "14",
    sum(amount) FILTER (hour = 15) AS "15",
    sum(amount) FILTER (hour = 16) AS "16",
    sum(amount) FILTER (hour = 17) AS "17",
    sum(amount) FILTER (hour = 18) AS "18",
    sum(amount) FILTER (hour = 19) AS "19",
    sum(amount) FILTER (hour = 20) AS "20",
    sum(amount) FILTER (hour = 21) AS "21",
    sum(amount) FILTER (hour = 22) AS "22",
    sum(amount) FILTER (hour = 23) AS "23"
FROM hours
GROUP BY day
ORDER BY day;
