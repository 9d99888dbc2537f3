-- On which days there is a result for which model, lengths, precision, hardware, framework and speculation.
-- depends: inference.valid_points, inference.configs
CREATE OR REPLACE TABLE inference.availability (
    model VARCHAR NOT NULL, -- model
    isl BIGINT NOT NULL, -- input tokens per request
    osl BIGINT NOT NULL, -- output tokens per request
    precision VARCHAR NOT NULL, -- precision
    hardware VARCHAR NOT NULL, -- GPU type
    framework VARCHAR NOT NULL, -- serving framework
    spec_method VARCHAR NOT NULL, -- speculative decoding; none where there is none
    disagg BOOLEAN NOT NULL, -- prefill and decode are served apart
    date DATE NOT NULL -- UTC day of the workflow run
);

INSERT INTO inference.availability BY NAME
WITH days AS (
    SELECT DISTINCT config_id, isl, osl, date
    FROM inference.valid_points(DATE '9999-12-31')
)
SELECT DISTINCT
    configs.model, days.isl, days.osl, configs.precision, configs.hardware, configs.framework, configs.spec_method,
    configs.disagg, days.date
FROM days
JOIN inference.configs AS configs ON configs.config_id = days.config_id
ORDER BY ALL;
