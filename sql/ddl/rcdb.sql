-- Run conditions, with the table and column names of RCDB, so that its raw SQL runs as written after `USE rcdb`.
-- A second store gets the same tables in schema `rcdb_<name>`: this file with another name before each dot.
CREATE SCHEMA IF NOT EXISTS rcdb;

-- Every run that has conditions: runs of an imported store under their number there, measured runs under their run_id.
CREATE TABLE IF NOT EXISTS rcdb.runs (
    number BIGINT PRIMARY KEY, -- run number; run_id of a measured run
    started TIMESTAMPTZ, -- when the run started
    finished TIMESTAMPTZ -- when it ended
);

-- The names that conditions may have, and the type of their values.
CREATE TABLE IF NOT EXISTS rcdb.condition_types (
    id BIGINT PRIMARY KEY, -- condition type
    name VARCHAR NOT NULL UNIQUE, -- its name, case-sensitive
    value_type VARCHAR NOT NULL CHECK (value_type IN ('json', 'string', 'float', 'int', 'bool', 'time', 'blob')), -- type of its values
    created TIMESTAMPTZ, -- when it was created
    description VARCHAR -- what it means
);

-- One value of one condition of one run: the column of the type is set, the others are NULL. One row per run and type,
-- which a check guards: an index over millions of rows would cost more than they do. Written in the order of type and
-- run, so that the row groups of one type lie together: a query reads only the types that it names.
CREATE TABLE IF NOT EXISTS rcdb.conditions (
    id BIGINT NOT NULL, -- condition
    text_value VARCHAR, -- value of a string, json or blob
    int_value BIGINT, -- value of an int
    float_value DOUBLE CHECK (NOT isnan(float_value)), -- value of a float
    bool_value BOOLEAN, -- value of a bool
    time_value TIMESTAMPTZ, -- value of a time
    run_number BIGINT NOT NULL, -- run
    condition_type_id BIGINT NOT NULL, -- condition type
    created TIMESTAMPTZ -- when the value was written
);

-- What a value was before another replaced it, and the rows of a store that stood beside a newer one.
CREATE TABLE IF NOT EXISTS rcdb.condition_history (
    run_number BIGINT NOT NULL, -- run
    condition_type_id BIGINT NOT NULL, -- condition type
    text_value VARCHAR, -- value of a string, json or blob
    int_value BIGINT, -- value of an int
    float_value DOUBLE, -- value of a float
    bool_value BOOLEAN, -- value of a bool
    time_value TIMESTAMPTZ, -- value of a time
    created TIMESTAMPTZ, -- when the value was written
    loaded_at TIMESTAMPTZ NOT NULL, -- when the pipeline found that it no longer holds
    reason VARCHAR NOT NULL CHECK (reason IN ('replaced', 'duplicate')) -- another value came, or the store had two rows
);

-- The content of files, each once however many paths and runs have it.
CREATE TABLE IF NOT EXISTS rcdb.file_contents (
    sha256 VARCHAR PRIMARY KEY, -- SHA-256 of the content, as RCDB writes it
    content VARCHAR NOT NULL -- content
);

-- The files themselves: `files` joins them to their content.
CREATE TABLE IF NOT EXISTS rcdb.file_paths (
    id BIGINT PRIMARY KEY, -- file
    path VARCHAR NOT NULL, -- path on the host that wrote it
    sha256 VARCHAR NOT NULL, -- SHA-256 of its content
    description VARCHAR, -- what it is
    importance INTEGER NOT NULL -- 0 high, 1 low
);

-- Configuration and log files of runs.
CREATE OR REPLACE VIEW rcdb.files AS
SELECT
    id, -- file
    path, -- path on the host that wrote it
    sha256, -- SHA-256 of its content
    content, -- content
    description, -- what it is
    importance -- 0 high, 1 low
FROM rcdb.file_paths
LEFT JOIN rcdb.file_contents USING (sha256);

-- Which runs a file belongs to.
CREATE TABLE IF NOT EXISTS rcdb.files_have_runs (
    files_id BIGINT NOT NULL, -- file
    run_number BIGINT NOT NULL, -- run
    PRIMARY KEY (files_id, run_number)
);

-- Named ranges of runs, both ends included.
CREATE TABLE IF NOT EXISTS rcdb.run_periods (
    id BIGINT PRIMARY KEY, -- run period
    name VARCHAR NOT NULL, -- its name
    description VARCHAR, -- what was done in it
    run_min BIGINT NOT NULL, -- first run
    run_max BIGINT NOT NULL, -- last run
    start_date DATE, -- first day
    end_date DATE -- last day
);

-- What was done to the store, when and by whom.
CREATE TABLE IF NOT EXISTS rcdb.logs (
    id BIGINT PRIMARY KEY, -- log record
    table_ids VARCHAR, -- rows concerned, as table_id
    description VARCHAR, -- what was done
    related_run BIGINT, -- run concerned
    created TIMESTAMPTZ, -- when
    user_name VARCHAR -- by whom
);

-- Names for pieces of queries: @name stands for its code.
CREATE TABLE IF NOT EXISTS rcdb.aliases (
    id BIGINT PRIMARY KEY, -- alias
    name VARCHAR NOT NULL UNIQUE, -- its name, without the @
    code VARCHAR NOT NULL, -- the expression that it stands for
    description VARCHAR -- what it means
);

-- Versions of the store's own schema.
CREATE TABLE IF NOT EXISTS rcdb.schema_versions (
    version BIGINT PRIMARY KEY, -- version
    created TIMESTAMPTZ, -- when the store got it
    comment VARCHAR -- comment
);
