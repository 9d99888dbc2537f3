-- What is known of a GPU type in one epoch: provisioned power and prices, gaps inherited from the epoch before. On a day
-- the epoch of the greatest position counts whose valid_from is empty or not after it.
-- group: inference
CREATE OR REPLACE TABLE main.dim_hardware_figures (
    hardware_key VARCHAR NOT NULL, -- GPU type
    epoch VARCHAR NOT NULL, -- name of the epoch
    position INTEGER NOT NULL, -- its place, oldest first
    valid_from DATE, -- first day on which it counts; NULL: from the start
    power_kw DOUBLE, -- provisioned all-in power per GPU, kW; not measured
    cost_hyperscaler_usd_h DOUBLE, -- cost of ownership to a hyperscaler, $ per GPU-hour
    cost_neocloud_usd_h DOUBLE, -- cost of ownership to a neocloud, $ per GPU-hour
    cost_rental_usd_h DOUBLE, -- price of renting, $ per GPU-hour
    PRIMARY KEY (hardware_key, epoch)
);

INSERT INTO main.dim_hardware_figures BY NAME
WITH epochs AS (
    SELECT epoch, position::INTEGER AS position, valid_from::DATE AS valid_from
    FROM read_csv({registry:hardware_epochs}, header = true, all_varchar = true)
),
hardware AS (
    SELECT hardware_key
    FROM read_csv({registry:hardware}, header = true, all_varchar = true)
),
given AS (
    SELECT *
    FROM read_csv({registry:hardware_values}, header = true, all_varchar = true)
)
SELECT
    hardware.hardware_key,
    epochs.epoch,
    epochs.position,
    epochs.valid_from,
    last_value(given.power_kw::DOUBLE IGNORE NULLS) OVER so_far AS power_kw,
    last_value(given.cost_hyperscaler_usd_h::DOUBLE IGNORE NULLS) OVER so_far AS cost_hyperscaler_usd_h,
    last_value(given.cost_neocloud_usd_h::DOUBLE IGNORE NULLS) OVER so_far AS cost_neocloud_usd_h,
    last_value(given.cost_rental_usd_h::DOUBLE IGNORE NULLS) OVER so_far AS cost_rental_usd_h
FROM hardware
CROSS JOIN epochs
LEFT JOIN given ON given.hardware_key = hardware.hardware_key AND given.epoch = epochs.epoch
WINDOW so_far AS (
    PARTITION BY hardware.hardware_key
    ORDER BY epochs.position
    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
)
ORDER BY hardware.hardware_key, epochs.position;
