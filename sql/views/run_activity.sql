-- What the processor and the system did during a run: idle states, cache, page faults, swap, interrupts, scheduling and
-- network. Idle states are shares of time, mean over CPUs: from the counted times, else from the samples.
-- depends: runs, run_telemetry
CREATE OR REPLACE VIEW main.run_activity AS
WITH states AS (
    SELECT
        runs.*,
        nullif(runs.duration_ns, 0) / 1e9 AS duration_s,
        coalesce(c2_time_seconds * 1e11 / nullif(duration_ns, 0), telemetry.c2_residency) AS c2_percent,
        coalesce(c3_time_seconds * 1e11 / nullif(duration_ns, 0), telemetry.c3_residency) AS c3_percent,
        coalesce(c6_time_seconds * 1e11 / nullif(duration_ns, 0), telemetry.c6_residency) AS c6_percent,
        coalesce(c7_time_seconds * 1e11 / nullif(duration_ns, 0), telemetry.c7_residency) AS c7_percent,
        telemetry.pkg_c8_residency AS pkg_c8_percent,
        telemetry.pkg_c9_residency AS pkg_c9_percent,
        telemetry.pkg_c10_residency AS pkg_c10_percent,
        telemetry.cpu_util_percent
    FROM main.runs AS runs
    LEFT JOIN main.run_telemetry AS telemetry
        ON telemetry.run_id = runs.run_id
        AND telemetry.run_date = runs.run_date
)
SELECT
    run_id, -- run
    workflow_type, -- linear or agentic
    duration_s, -- duration, s
    cpu_util_percent, -- mean utilisation of all CPUs
    c2_percent, -- time in core C2, percent
    c3_percent, -- time in core C3, percent
    c6_percent, -- time in core C6, percent
    c7_percent, -- time in core C7 or deeper, percent
    CASE
        WHEN c6_percent IS NOT NULL OR c7_percent IS NOT NULL THEN coalesce(c6_percent, 0) + coalesce(c7_percent, 0)
    END AS deep_sleep_percent, -- time in core C6 or deeper, percent
    pkg_c8_percent, -- time in package C8, percent
    pkg_c9_percent, -- time in package C9, percent
    pkg_c10_percent, -- time in package C10, percent
    ipc, -- instructions / cycles
    cache_miss_rate, -- last-level cache misses / references
    cache_misses * 1000.0 / nullif(instructions, 0) AS cache_misses_per_1000_instructions, -- last-level cache misses
    page_faults / duration_s AS page_faults_per_s, -- page faults
    major_page_faults / nullif(page_faults, 0)::DOUBLE AS major_fault_share, -- faults that read from disk
    swap_end_used_mb - swap_start_used_mb AS swap_growth_mb, -- swap used at the end − at the start, of the host
    swap_end_percent, -- swap used at the end, percent
    interrupt_rate, -- mean interrupts per second of the host
    total_context_switches / duration_s AS context_switches_per_s, -- voluntary and involuntary
    context_switches_involuntary / nullif(total_context_switches, 0)::DOUBLE AS involuntary_switch_share, -- preempted
    thread_migrations / duration_s AS migrations_per_s, -- moves of a thread to another CPU
    bytes_sent, -- bytes sent
    bytes_recv, -- bytes received
    (bytes_sent + bytes_recv) / duration_s AS network_bytes_per_s, -- both
    tcp_retransmits, -- TCP segments sent again
    api_latency_ms * 1e6 / nullif(duration_ns, 0) AS api_time_share -- latency of all API calls / duration
FROM states;
