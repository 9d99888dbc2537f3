-- A judgement whether the answer of an attempt was made up, where a source records them.
-- depends: stage.hallucination_events, query_attempt
CREATE OR REPLACE TABLE main.hallucination_events (
    id BIGINT PRIMARY KEY, -- stable id of the run and the judgement's id in its source
    attempt_id BIGINT NOT NULL, -- attempt
    is_hallucination BOOLEAN, -- whether it was made up
    detection_method VARCHAR, -- how that was found
    confidence_score DOUBLE, -- how sure the method is, as the source gives it
    verified_answer VARCHAR, -- the right answer, where it is known
    created_at TIMESTAMPTZ, -- when the source recorded it
    source_event_id VARCHAR NOT NULL -- the judgement's id in its source
);

INSERT INTO main.hallucination_events BY NAME
SELECT
    ops.stable_id(concat_ws(chr(31), events.run_id, events.source_event_id)) AS id,
    attempts.attempt_id,
    events.is_hallucination,
    events.detection_method,
    events.confidence_score,
    events.verified_answer,
    events.created_at,
    events.source_event_id
FROM stage.hallucination_events AS events
JOIN main.query_attempt AS attempts
    ON attempts.attempt_id = ops.stable_id(concat_ws(chr(31), events.run_id, events.source_attempt_id));
