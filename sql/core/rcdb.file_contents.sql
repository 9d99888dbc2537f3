-- The content of files, each once however many paths and runs have it.
-- depends: stage.rcdb_file_contents, rcdb.file_paths
CREATE OR REPLACE TABLE rcdb.file_contents (
    content_sha256 VARCHAR PRIMARY KEY, -- SHA-256 of the content in UTF-8, in base64
    content VARCHAR NOT NULL -- content
);

INSERT INTO rcdb.file_contents BY NAME
SELECT contents.sha256 AS content_sha256, any_value(contents.content) AS content
FROM stage.rcdb_file_contents AS contents
SEMI JOIN rcdb.file_paths AS paths ON paths.content_sha256 = contents.sha256
GROUP BY contents.sha256;
