-- What a GPU type costs: at an interactivity (question cost_at_interactivity), cheapest first; and the highest interactivity
-- that a limit of cost allows (interactivity_at_cost), fastest first. Of the newest curves, for all tokens.
-- depends: inference.latest_curves
-- made by: alems_pipeline/inference_curves.py, alems_pipeline/benchmarks/*.py, alems_pipeline/keys/*.py, sql/registry/hardware*.csv, sql/registry/interpolation_targets.csv
CREATE OR REPLACE TABLE inference.tco (
    question VARCHAR NOT NULL CHECK (question IN ('cost_at_interactivity', 'interactivity_at_cost')), -- what is asked
    cost_basis VARCHAR NOT NULL, -- hyperscaler, neocloud or rental
    model VARCHAR NOT NULL, -- model
    isl BIGINT NOT NULL, -- input tokens per request
    osl BIGINT NOT NULL, -- output tokens per request
    composite_key VARCHAR NOT NULL, -- the curve: hw_key and precision
    hw_key VARCHAR NOT NULL, -- hardware, framework and speculation
    hardware VARCHAR NOT NULL, -- GPU type
    precision VARCHAR NOT NULL, -- precision
    asked DOUBLE NOT NULL, -- interactivity, tok/s per user; or the limit of cost, $ per million tokens
    interactivity DOUBLE NOT NULL, -- tok/s per user
    tput_per_gpu DOUBLE, -- tok/s per GPU there
    cost_usd_per_mtok DOUBLE NOT NULL, -- $ per million tokens there
    rank BIGINT NOT NULL, -- place among the curves of this model and these lengths
    ratio_to_best DOUBLE NOT NULL, -- cost / the cheapest; or interactivity / the fastest
    PRIMARY KEY (question, cost_basis, model, isl, osl, composite_key, asked)
);
