-- One way of serving a model: hardware, framework, model, precision, speculation and layout, the natural key of results.
-- depends: inference.mapped_rows, inference.mapped_evals
CREATE OR REPLACE TABLE inference.configs (
    config_id BIGINT PRIMARY KEY, -- stable id of the 17 columns that follow
    hardware VARCHAR NOT NULL CHECK (hardware = lower(hardware)), -- GPU type
    framework VARCHAR NOT NULL CHECK (framework = lower(framework)), -- serving framework
    model VARCHAR NOT NULL CHECK (model = lower(model)), -- model
    precision VARCHAR NOT NULL CHECK (precision = lower(precision)), -- precision
    spec_method VARCHAR NOT NULL CHECK (spec_method = lower(spec_method)), -- speculative decoding; none where there is none
    disagg BOOLEAN NOT NULL, -- prefill and decode are served apart
    is_multinode BOOLEAN NOT NULL, -- more than one host
    prefill_tp BIGINT NOT NULL, -- tensor parallelism of prefill
    prefill_ep BIGINT NOT NULL, -- expert parallelism of prefill
    prefill_dp_attention BOOLEAN NOT NULL, -- data-parallel attention in prefill
    prefill_num_workers BIGINT NOT NULL, -- workers of prefill; 0 where one layout serves both
    decode_tp BIGINT NOT NULL, -- tensor parallelism of decode
    decode_ep BIGINT NOT NULL, -- expert parallelism of decode
    decode_dp_attention BOOLEAN NOT NULL, -- data-parallel attention in decode
    decode_num_workers BIGINT NOT NULL, -- workers of decode; 0 where one layout serves both
    num_prefill_gpu BIGINT NOT NULL, -- as the artifact counts, else tp × ep: the GPUs in use are physical_gpus
    num_decode_gpu BIGINT NOT NULL, -- as num_prefill_gpu, of decode
    hw_key VARCHAR NOT NULL, -- name of a curve: hardware, framework and speculation
    composite_key VARCHAR NOT NULL -- hw_key and precision: points of two precisions never share a curve
);

INSERT INTO inference.configs BY NAME
WITH found AS (
    SELECT config_id, hardware, framework, model, precision, spec_method, disagg, is_multinode, prefill_tp, prefill_ep, prefill_dp_attention, prefill_num_workers, decode_tp, decode_ep, decode_dp_attention, decode_num_workers, num_prefill_gpu, num_decode_gpu
    FROM inference.mapped_rows
    WHERE reason IS NULL
    UNION ALL
    SELECT config_id, hardware, framework, model, precision, spec_method, disagg, is_multinode, prefill_tp, prefill_ep, prefill_dp_attention, prefill_num_workers, decode_tp, decode_ep, decode_dp_attention, decode_num_workers, num_prefill_gpu, num_decode_gpu
    FROM inference.mapped_evals
    WHERE reason IS NULL
),
different AS (
    SELECT config_id, any_value(hardware) AS hardware, any_value(framework) AS framework, any_value(model) AS model, any_value(precision) AS precision, any_value(spec_method) AS spec_method, any_value(disagg) AS disagg, any_value(is_multinode) AS is_multinode, any_value(prefill_tp) AS prefill_tp, any_value(prefill_ep) AS prefill_ep, any_value(prefill_dp_attention) AS prefill_dp_attention, any_value(prefill_num_workers) AS prefill_num_workers, any_value(decode_tp) AS decode_tp, any_value(decode_ep) AS decode_ep, any_value(decode_dp_attention) AS decode_dp_attention, any_value(decode_num_workers) AS decode_num_workers, any_value(num_prefill_gpu) AS num_prefill_gpu, any_value(num_decode_gpu) AS num_decode_gpu
    FROM found
    GROUP BY config_id
),
named AS (
    SELECT *, concat_ws('_', nullif(hardware, ''), nullif(framework, ''), nullif(nullif(spec_method, 'none'), '')) AS hw_key
    FROM different
)
SELECT
    config_id,
    lower(hardware) AS hardware,
    lower(framework) AS framework,
    lower(model) AS model,
    lower(precision) AS precision,
    lower(spec_method) AS spec_method,
    disagg,
    is_multinode,
    prefill_tp,
    prefill_ep,
    prefill_dp_attention,
    prefill_num_workers,
    decode_tp,
    decode_ep,
    decode_dp_attention,
    decode_num_workers,
    num_prefill_gpu,
    num_decode_gpu,
    hw_key,
    hw_key || '__' || precision AS composite_key
FROM named
ORDER BY config_id;
