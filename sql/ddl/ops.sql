-- The pipeline's own books, made once per warehouse. Kept across re-materialisation; `alems reset` empties them.
CREATE SCHEMA IF NOT EXISTS ops;
CREATE SCHEMA IF NOT EXISTS stage;

-- Every landing file that a lake run has seen.
CREATE TABLE IF NOT EXISTS ops.landing_files (
    path VARCHAR PRIMARY KEY, -- relative to the landing folder
    dataset VARCHAR NOT NULL, -- landing dataset, from the path
    landing_date DATE, -- partition, from the path; NULL where it is no date
    host VARCHAR, -- host that dropped it
    producer VARCHAR, -- program that dropped it
    producer_version VARCHAR, -- its version
    contract_version INTEGER, -- contract it was written by
    created_at TIMESTAMPTZ, -- when it was dropped
    bytes BIGINT NOT NULL, -- file size
    n_rows BIGINT, -- rows in the file; NULL where it cannot be read
    status VARCHAR NOT NULL CHECK (status IN ('accepted', 'quarantined')),
    reason VARCHAR, -- why it was quarantined
    unknown_columns VARCHAR[] -- columns outside the contract, kept aside in the landing file
);

-- The books of each day of each dataset: rows landed = stored + merged + duplicate + quarantined.
CREATE TABLE IF NOT EXISTS ops.landing_days (
    dataset VARCHAR NOT NULL, -- landing dataset
    landing_date DATE NOT NULL, -- day
    n_files BIGINT NOT NULL, -- accepted files
    n_landed BIGINT NOT NULL, -- rows in them
    n_stored BIGINT NOT NULL, -- rows in the lake file or stage table
    n_merged BIGINT NOT NULL, -- rows summed into another row of the same sample (one per further CPU package)
    n_duplicate BIGINT NOT NULL, -- exact duplicates, and records that a newer one replaces
    n_quarantined BIGINT NOT NULL, -- rows that broke the contract
    PRIMARY KEY (dataset, landing_date)
);

-- The Parquet files that make up the lake now.
CREATE TABLE IF NOT EXISTS ops.lake_files (
    dataset VARCHAR NOT NULL, -- lake dataset
    landing_date DATE NOT NULL, -- day
    path VARCHAR NOT NULL, -- relative to the lake folder
    n_rows BIGINT NOT NULL, -- rows
    bytes BIGINT NOT NULL, -- file size
    min_run_id BIGINT, -- smallest run id
    max_run_id BIGINT, -- greatest run id
    source_files VARCHAR[] NOT NULL, -- landing files that it was made from
    PRIMARY KEY (dataset, landing_date)
);

-- Rows that broke the contract, counted by reason; the rows themselves stand in the file named.
CREATE TABLE IF NOT EXISTS ops.quarantine (
    dataset VARCHAR NOT NULL, -- landing dataset
    landing_date DATE NOT NULL, -- day
    reason VARCHAR NOT NULL, -- rule that was broken, and the remedy
    n_rows BIGINT NOT NULL, -- rows
    path VARCHAR NOT NULL, -- Parquet file with the rows, relative to the lake folder
    PRIMARY KEY (dataset, landing_date, reason)
);

-- Runs and experiments whose time-ordered id was taken, and the id they got instead.
CREATE TABLE IF NOT EXISTS ops.id_collisions (
    kind VARCHAR NOT NULL, -- run or experiment
    natural_key VARCHAR NOT NULL, -- source system, host, source id, time
    base_id BIGINT NOT NULL, -- id wanted
    given_id BIGINT NOT NULL, -- id given
    PRIMARY KEY (kind, natural_key)
);

-- What each raw name resolved to, and by which rule.
CREATE TABLE IF NOT EXISTS ops.key_resolutions (
    kind VARCHAR NOT NULL, -- model, hardware, framework or precision
    raw_value VARCHAR NOT NULL, -- name as the source writes it
    key VARCHAR NOT NULL, -- canonical key
    rule VARCHAR NOT NULL, -- rule that matched
    PRIMARY KEY (kind, raw_value, key, rule)
);

-- Raw names that no registry resolves.
CREATE TABLE IF NOT EXISTS ops.unmapped_keys (
    kind VARCHAR NOT NULL, -- model, hardware, framework or precision
    raw_value VARCHAR NOT NULL, -- name as the source writes it
    n_rows BIGINT NOT NULL, -- rows that carry it
    first_seen TIMESTAMPTZ, -- earliest row
    last_seen TIMESTAMPTZ, -- latest row
    example_path VARCHAR, -- an artifact, or a landing folder, that carries it
    PRIMARY KEY (kind, raw_value)
);

-- The result of each check in its last run.
CREATE TABLE IF NOT EXISTS ops.check_results (
    check_name VARCHAR PRIMARY KEY, -- file in sql/checks, or the check's name
    blocking BOOLEAN NOT NULL, -- whether a failure keeps the build file from being published
    n_failed BIGINT NOT NULL, -- findings; 0 is passed
    problem VARCHAR, -- what was found, the first findings
    checked_at TIMESTAMPTZ NOT NULL -- when
);

-- Every publication.
CREATE TABLE IF NOT EXISTS ops.publications (
    published_at TIMESTAMPTZ PRIMARY KEY, -- when
    code_hash VARCHAR -- code and SQL of core, marts, views and checks that made it
);

-- What each table that is kept from run to run was made from: it is made again where that has changed.
CREATE TABLE IF NOT EXISTS ops.kept_tables (
    table_name VARCHAR PRIMARY KEY, -- with its schema
    code_hash VARCHAR NOT NULL -- of the code that made it and, for imported stores, of what had landed
);

-- The columns that each table and view must have, by its file in sql/ or, for stage, by the landing contract.
CREATE TABLE IF NOT EXISTS ops.contract_columns (
    table_name VARCHAR NOT NULL, -- with its schema
    column_name VARCHAR NOT NULL, -- column
    data_type VARCHAR, -- type; NULL where the file does not say one
    PRIMARY KEY (table_name, column_name)
);

-- Which code built each day: a day built by other code than today's is built again.
CREATE TABLE IF NOT EXISTS ops.day_builds (
    landing_date DATE PRIMARY KEY, -- day
    code_hash VARCHAR NOT NULL, -- code and SQL that built it
    built_at TIMESTAMPTZ NOT NULL -- when
);

-- A time from milliseconds since 1970; NULL where no calendar has it.
CREATE OR REPLACE MACRO ops.time_of_ms(ms) AS
    CASE WHEN ms BETWEEN -62135596800000 AND 253402300799999 THEN make_timestamptz(ms * 1000) END;

-- From which rows and by which code and registries each day of a mapped table was made: a day of others is mapped anew.
CREATE TABLE IF NOT EXISTS ops.mapped_days (
    table_name VARCHAR NOT NULL, -- with its schema
    landing_date DATE NOT NULL, -- day of the landing folder
    fingerprint UBIGINT NOT NULL, -- hash of the rows that the day was made from
    code_version VARCHAR NOT NULL, -- version of the code and registries that mapped it
    PRIMARY KEY (table_name, landing_date)
);

-- Metrics that the registry does not know: kept under their own names, and reported here.
CREATE TABLE IF NOT EXISTS ops.unknown_metrics (
    landing_date DATE NOT NULL, -- day of the landing folder
    metric VARCHAR NOT NULL, -- name as the artifact writes it
    n_rows BIGINT NOT NULL, -- benchmark rows that have it
    PRIMARY KEY (landing_date, metric)
);
