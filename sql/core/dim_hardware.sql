-- A canonical GPU type: a line of sql/registry/hardware.csv, with the figures of the latest epoch.
-- group: inference
-- depends: dim_hardware_figures
CREATE OR REPLACE TABLE main.dim_hardware (
    hardware_key VARCHAR PRIMARY KEY CHECK (hardware_key = lower(hardware_key)), -- canonical key
    vendor VARCHAR, -- who makes it
    arch VARCHAR, -- its architecture
    label VARCHAR, -- name for people
    sort_order INTEGER, -- its place in lists
    tdp_w DOUBLE, -- thermal design power of one GPU, W
    power_kw DOUBLE, -- provisioned all-in power per GPU, kW; not measured
    cost_hyperscaler_usd_h DOUBLE, -- cost of ownership to a hyperscaler, $ per GPU-hour
    cost_neocloud_usd_h DOUBLE, -- cost of ownership to a neocloud, $ per GPU-hour
    cost_rental_usd_h DOUBLE -- price of renting, $ per GPU-hour
);

INSERT INTO main.dim_hardware BY NAME
WITH latest AS (
    SELECT * EXCLUDE (epoch, position, valid_from)
    FROM main.dim_hardware_figures
    QUALIFY row_number() OVER (PARTITION BY hardware_key ORDER BY position DESC) = 1
)
SELECT
    hardware.hardware_key,
    hardware.vendor,
    hardware.arch,
    hardware.label,
    hardware.sort_order::INTEGER AS sort_order,
    hardware.tdp_w::DOUBLE AS tdp_w,
    latest.* EXCLUDE (hardware_key)
FROM read_csv({registry:hardware}, header = true, all_varchar = true) AS hardware
LEFT JOIN latest ON latest.hardware_key = hardware.hardware_key
ORDER BY hardware.hardware_key;
