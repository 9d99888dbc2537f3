-- How CPU time becomes energy and carbon where nothing else is said: one row, changed here.
-- group: usage
CREATE OR REPLACE TABLE main.usage_settings (
    default_busy_watts DOUBLE NOT NULL, -- power of a busy CPU of a machine whose power nobody has stated
    default_idle_watts DOUBLE NOT NULL, -- power of an idle CPU, likewise
    default_country_code VARCHAR NOT NULL, -- grid of a machine whose country nobody has stated: ISO 3166
    iowait_is_busy BOOLEAN NOT NULL, -- whether a CPU that waits for I/O counts as busy
    clock_tolerance_s DOUBLE NOT NULL -- windows of a source whose clock is farther off are flagged as estimated
);

INSERT INTO main.usage_settings BY NAME
SELECT
    12.0 AS default_busy_watts,
    1.0 AS default_idle_watts,
    'GB' AS default_country_code,
    FALSE AS iowait_is_busy,
    60.0 AS clock_tolerance_s;
