-- One call of a language model.
-- depends: stage.llm_interactions
CREATE OR REPLACE TABLE main.llm_interactions (
    interaction_id BIGINT PRIMARY KEY, -- stable id of the run and the call's id in its source
    run_id BIGINT NOT NULL, -- run that made the call
    step_index BIGINT, -- step that made the call
    workflow_type VARCHAR, -- linear or agentic
    prompt VARCHAR, -- prompt, where the source keeps it
    response VARCHAR, -- response, where the source keeps it
    model_name VARCHAR, -- model as the source writes it
    provider VARCHAR, -- provider as the source writes it
    prompt_tokens BIGINT, -- prompt tokens
    completion_tokens BIGINT, -- completion tokens
    total_tokens BIGINT, -- all tokens
    api_latency_ms DOUBLE, -- latency of the API call
    compute_time_ms DOUBLE, -- compute time
    app_throughput_kbps DOUBLE, -- application throughput
    total_time_ms DOUBLE, -- whole duration of the call
    preprocess_ms DOUBLE, -- time before the call
    non_local_ms DOUBLE, -- time spent waiting for somebody else's computer
    local_compute_ms DOUBLE, -- time spent computing on the measured host
    postprocess_ms DOUBLE, -- time after the call
    cpu_percent_during_wait DOUBLE, -- CPU utilisation while waiting
    bytes_sent_approx BIGINT, -- bytes sent
    bytes_recv_approx BIGINT, -- bytes received
    tcp_retransmits BIGINT, -- TCP segments sent again
    error_message VARCHAR, -- error
    status VARCHAR, -- success or error
    created_at TIMESTAMPTZ, -- when the call was made
    source_interaction_id VARCHAR NOT NULL -- the call's id in its source
);

INSERT INTO main.llm_interactions BY NAME
SELECT
    ops.stable_id(concat_ws(chr(31), run_id, source_interaction_id)) AS interaction_id,
    run_id,
    step_index,
    workflow_type,
    prompt,
    response,
    model_name,
    provider,
    prompt_tokens,
    completion_tokens,
    total_tokens,
    api_latency_ms,
    compute_time_ms,
    app_throughput_kbps,
    total_time_ms,
    preprocess_ms,
    non_local_ms,
    local_compute_ms,
    postprocess_ms,
    cpu_percent_during_wait,
    bytes_sent_approx,
    bytes_recv_approx,
    tcp_retransmits,
    error_message,
    status,
    created_at,
    source_interaction_id
FROM stage.llm_interactions
WHERE run_id IS NOT NULL;
