-- What the usage tables share: sums that come out the same in whatever order the rows are added.

-- Sum of doubles that does not depend on the order of rows, so that rebuilt tables are identical: added up as whole
-- multiples of 2^-60, which no kWh, second or gram here is too fine for.
CREATE OR REPLACE MACRO ops.exact_sum(x) AS
    sum((x * 1152921504606846976.0)::HUGEINT) / 1152921504606846976.0;

-- From which inputs each day of a usage table was made: a day whose inputs are others by now is made again.
CREATE TABLE IF NOT EXISTS ops.usage_days (
    table_name VARCHAR NOT NULL, -- fact_usage or usage_daily
    usage_day DATE NOT NULL, -- UTC day of the windows
    fingerprint UBIGINT NOT NULL, -- hash of all that the day's rows were made from
    PRIMARY KEY (table_name, usage_day)
);

-- A time of UTC from a time or its text: with Z, an offset or neither (then it is UTC), to the minute or finer, or a day.
-- DuckDB 1.5 reads no text to the minute by itself.
CREATE OR REPLACE MACRO main.utc(moment) AS
    coalesce(
        try_cast(moment::VARCHAR AS TIMESTAMPTZ),
        regexp_replace(moment::VARCHAR, '([T ]\d\d:\d\d)(Z|[+-]\d\d(:?\d\d)?)?$', '\1:00\2')::TIMESTAMPTZ
    );
