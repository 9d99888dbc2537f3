-- A network endpoint that was measured or that a workspace answers on: one row per host and port.
-- group: usage
-- depends: workspace_claims, usage_own_windows, daily.usage_window_keys
CREATE OR REPLACE TABLE main.dim_instance (
    instance_id BIGINT PRIMARY KEY, -- stable id of host and port
    host VARCHAR NOT NULL, -- host
    port BIGINT, -- port; NULL where no source gives one
    raw_label VARCHAR -- the source's newest label of it
);

INSERT INTO main.dim_instance BY NAME
WITH endpoints AS (
    SELECT host, port, raw_label, last_start AS seen_at
    FROM daily.usage_window_keys
    UNION ALL
    SELECT host, NULL AS port, NULL AS raw_label, window_start AS seen_at
    FROM main.usage_own_windows
    UNION ALL
    SELECT coalesce(host, '(no host)') AS host, port, NULL AS raw_label, started_at AS seen_at
    FROM main.workspace_claims
)
SELECT
    ops.stable_id(concat_ws(chr(31), host, coalesce(port::VARCHAR, ''))) AS instance_id,
    host,
    port,
    arg_max(raw_label, (seen_at, raw_label)) FILTER (raw_label IS NOT NULL) AS raw_label
FROM endpoints
GROUP BY host, port
ORDER BY host, port;
