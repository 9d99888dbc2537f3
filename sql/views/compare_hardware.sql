-- Two ways of serving beside each other at each interactivity that both reach: compare_hardware(hw_a, hw_b), each a GPU
-- type or a hw_key. Of several curves of one name the one with the most tokens per GPU there.
-- depends: inference.interpolated_metrics
CREATE OR REPLACE MACRO inference.compare_hardware(hw_a, hw_b) AS TABLE
WITH named AS (
    SELECT 'a' AS side, *
    FROM inference.interpolated_metrics
    WHERE is_latest AND hw_a IN (hardware, hw_key) AND tput_per_gpu IS NOT NULL
    UNION ALL
    SELECT 'b' AS side, *
    FROM inference.interpolated_metrics
    WHERE is_latest AND hw_b IN (hardware, hw_key) AND tput_per_gpu IS NOT NULL
),
best AS (
    SELECT *
    FROM named
    QUALIFY row_number() OVER (
        PARTITION BY side, model, isl, osl, precision, interactivity
        ORDER BY tput_per_gpu DESC, hw_key
    ) = 1
)
SELECT
    a.model, -- model
    a.isl, -- input tokens per request
    a.osl, -- output tokens per request
    a.precision, -- precision
    a.interactivity, -- tok/s per user
    a.hw_key AS hw_key_a, -- the first
    b.hw_key AS hw_key_b, -- the second
    a.tput_per_gpu AS tput_per_gpu_a, -- tok/s per GPU
    b.tput_per_gpu AS tput_per_gpu_b, -- tok/s per GPU
    a.tput_per_gpu / nullif(b.tput_per_gpu, 0) AS tput_ratio, -- a / b
    a.cost_hyperscaler_total_usd_per_mtok AS cost_a_usd_per_mtok, -- $ per million tokens, hyperscaler
    b.cost_hyperscaler_total_usd_per_mtok AS cost_b_usd_per_mtok, -- $ per million tokens, hyperscaler
    a.cost_hyperscaler_total_usd_per_mtok / nullif(b.cost_hyperscaler_total_usd_per_mtok, 0) AS cost_ratio, -- a / b
    a.joules_per_total_token AS joules_per_token_a, -- J per token, of provisioned power
    b.joules_per_total_token AS joules_per_token_b, -- J per token, of provisioned power
    a.joules_per_total_token / nullif(b.joules_per_total_token, 0) AS joules_ratio, -- a / b
    a.measured_joules_per_total_token AS measured_joules_per_token_a, -- J per token, of measured power
    b.measured_joules_per_total_token AS measured_joules_per_token_b -- J per token, of measured power
FROM best AS a
JOIN best AS b
    ON b.model = a.model
    AND b.isl = a.isl
    AND b.osl = a.osl
    AND b.precision = a.precision
    AND b.interactivity = a.interactivity
WHERE a.side = 'a' AND b.side = 'b';
