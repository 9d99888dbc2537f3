-- Configuration and log files of runs.
-- depends: rcdb.file_paths, rcdb.file_contents
CREATE OR REPLACE VIEW rcdb.files AS
SELECT
    paths.id, -- file
    paths.path, -- path on the host that wrote it
    paths.sha256, -- SHA-256 of the file, in base64, as its store says
    contents.content, -- content
    paths.description, -- what it is
    paths.importance -- 0 high, 1 low
FROM rcdb.file_paths AS paths
LEFT JOIN rcdb.file_contents AS contents ON contents.content_sha256 = paths.content_sha256;
