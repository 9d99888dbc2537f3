-- The files of runs, without their content: `files` joins it.
-- depends: stage.rcdb_files, stage.rcdb_removed
CREATE OR REPLACE TABLE rcdb.file_paths (
    id BIGINT PRIMARY KEY, -- file
    path VARCHAR NOT NULL, -- path on the host that wrote it
    sha256 VARCHAR NOT NULL, -- SHA-256 of the file, in base64, as its store says
    content_sha256 VARCHAR NOT NULL, -- SHA-256 of its content as text
    description VARCHAR, -- what it is
    importance INTEGER NOT NULL -- 0 high, 1 low
);

INSERT INTO rcdb.file_paths BY NAME
SELECT file_id AS id, path, sha256, content_sha256, description, importance
FROM stage.rcdb_files AS landed
ANTI JOIN stage.rcdb_removed AS removed
    ON removed.schema_name = landed.schema_name
    AND removed.table_name = 'files'
    AND removed.row_id = landed.file_id
    AND removed.recorded_at > landed.recorded_at
WHERE landed.schema_name = {store}
QUALIFY row_number() OVER (PARTITION BY file_id ORDER BY recorded_at DESC, landing_date DESC) = 1
ORDER BY id;
