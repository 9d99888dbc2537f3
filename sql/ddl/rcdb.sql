-- Run conditions, with the table and column names of RCDB, so that its raw SQL runs as written after `USE rcdb`.
-- A second store gets the same tables in schema rcdb_<name>, made by the same files.
CREATE SCHEMA IF NOT EXISTS rcdb;
