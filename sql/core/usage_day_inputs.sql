-- What the facts of each day are made from, as one hash: of its windows, of who held the hosts, of power and intensity.
-- group: usage
-- depends: daily.usage_window_keys, usage_own_windows, host_holders, usage_statements, carbon_intensity, country_intensity, usage_settings
CREATE OR REPLACE TABLE main.usage_day_inputs (
    usage_day DATE PRIMARY KEY, -- UTC day of the windows
    fingerprint UBIGINT NOT NULL -- hash of all that its facts are made from
);

INSERT INTO main.usage_day_inputs BY NAME
WITH keys AS (
    SELECT
        usage_day,
        machine_name,
        hash(source_system, host, port, cloud_project_name, machine_name, country_code, window_s, content_hash)
            AS content_hash
    FROM daily.usage_window_keys
    WHERE set_aside IS NULL
    UNION ALL
    SELECT
        usage_day,
        host AS machine_name,
        hash(window_start, host, country_code, busy_s, idle_s, covered_s, is_partial, is_shared) AS content_hash
    FROM main.usage_own_windows
    WHERE set_aside IS NULL
),
days AS (
    SELECT DISTINCT
        usage_day,
        make_timestamptz(epoch_us(usage_day)) AS day_start,
        make_timestamptz(epoch_us(usage_day + 1)) AS day_end
    FROM keys
),
bounds AS (
    SELECT min(day_start) AS first_start, max(day_end) AS last_end
    FROM days
),
machines AS (
    SELECT
        machine_name,
        hash(country_code, busy_watts, idle_watts, valid_from, valid_to) AS content_hash,
        coalesce(valid_from, TIMESTAMPTZ '-infinity') AS valid_from,
        coalesce(valid_to, TIMESTAMPTZ 'infinity') AS valid_to
    FROM main.usage_statements
    WHERE kind = 'machine'
),
window_hashes AS (
    SELECT usage_day, bit_xor(content_hash) AS content_hash
    FROM keys
    GROUP BY usage_day
),
holders AS (
    SELECT
        host_holders.*,
        unnest(generate_series(
            greatest(held_from, first_start)::DATE, least(held_to, last_end)::DATE, INTERVAL 1 DAY
        ))::DATE AS usage_day
    FROM main.host_holders
    CROSS JOIN bounds
    WHERE held_from < last_end AND coalesce(held_to > first_start, TRUE)
),
holder_hashes AS (
    SELECT
        usage_day,
        bit_xor(hash(
            host, held_from, held_to, workspace_id, user_id, cloud_project_name, machine_name, part
        )) AS content_hash
    FROM holders
    GROUP BY usage_day
),
day_machines AS (
    SELECT usage_day, machine_name FROM keys
    UNION
    SELECT usage_day, machine_name FROM holders
),
machine_hashes AS (
    SELECT days.usage_day, bit_xor(hash(machines.machine_name, machines.content_hash)) AS content_hash
    FROM days
    JOIN day_machines ON day_machines.usage_day = days.usage_day
    JOIN machines
        ON machines.machine_name = day_machines.machine_name
        AND machines.valid_from < days.day_end
        AND machines.valid_to > days.day_start
    GROUP BY days.usage_day
),
grid_days AS (
    SELECT
        hash(region, window_start, window_end, intensity_gco2eq_kwh, intensity_source) AS content_hash,
        unnest(generate_series(window_start::DATE, window_end::DATE, INTERVAL 1 DAY))::DATE AS usage_day
    FROM main.carbon_intensity
),
grid_hashes AS (
    SELECT usage_day, bit_xor(content_hash) AS content_hash
    FROM grid_days
    GROUP BY usage_day
),
shared AS (
    SELECT
        (SELECT bit_xor(hash(country_code, carbon_gco2eq_kwh)) FROM main.country_intensity) AS countries,
        (SELECT bit_xor(hash(usage_settings)) FROM main.usage_settings) AS settings
)
SELECT
    window_hashes.usage_day,
    hash(
        window_hashes.content_hash, holder_hashes.content_hash, machine_hashes.content_hash, grid_hashes.content_hash,
        shared.countries, shared.settings
    ) AS fingerprint
FROM window_hashes
CROSS JOIN shared
LEFT JOIN holder_hashes ON holder_hashes.usage_day = window_hashes.usage_day
LEFT JOIN machine_hashes ON machine_hashes.usage_day = window_hashes.usage_day
LEFT JOIN grid_hashes ON grid_hashes.usage_day = window_hashes.usage_day;
