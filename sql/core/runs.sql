-- One measured run: the main fact table. Its energies come from the samples; what a source had computed itself stands in
-- the reported_* columns. quality_flags is a JSON list of what a reader of the figures should know:
-- run_failed, run_partial: the measured command failed, or was ended early;
-- hardware_unknown, environment_unknown: the record that the run names did not land, its id is NULL;
-- duplicate_run_number: another run of the experiment has this number, so run_number is NULL and nothing is paired by it;
-- no_samples: no energy samples, no energies; not_covered: they do not reach the run's start or end, no energies;
-- reported: no energy samples, the total is what the source had written, by its own rule, without bounds;
-- nearest_sample: start or end lies just outside the samples, the nearest counter value is taken;
-- gaps, resets, hidden_wraps: energy samples are missing in the run; a counter was reset (the energy before it is lost); a
-- counter may have wrapped unseen (the energy is a lower bound);
-- gpu_unread: a GPU answered, but never with its energy or power. It is in no total: where other GPUs were read, there is
-- none (not_covered); else energy_source says that the total has no GPU;
-- estimated: the energy is modelled from CPU time, not measured;
-- no_baseline: the run names none; baseline_unknown: its record did not land; baseline_other_hardware: or, of a live run,
-- not known to be of the same; baseline_too_old: measured longer from a live run than energy_settings allows; baseline_impossible: negative, or above 100 kW;
-- baseline_lacks_domain: lacks a domain of the total;
-- negative_dynamic: less energy than idling would take; throttled: the CPU was throttled before or in the run;
-- background_cpu: more than 20 % of the host's CPU time went to others, whose energy is in the run's;
-- no_country: the experiment names none, no carbon, water or methane; no_grid_factor: one of the three is not known for
-- it, and is NULL; forecast_intensity: the carbon intensity of the run's time was forecast, not measured.
-- depends: stage.runs, stage.orchestration_events, experiments, hardware_config, environment_config, idle_baselines, llm_interactions, run_energy, event_energy, run_telemetry, run_grid_factors, energy_settings, sustainability_settings, global_warming_potentials, name_keys
-- unique: exp_id, hw_id, run_number, workflow_type
CREATE OR REPLACE TABLE main.runs (
    run_id BIGINT PRIMARY KEY, -- time-ordered id: the greatest is the newest run
    exp_id BIGINT NOT NULL, -- experiment
    hw_id BIGINT, -- hardware that it ran on
    env_id BIGINT, -- software environment
    baseline_id VARCHAR, -- idle baseline used; NULL where none is fit
    run_number BIGINT, -- position in the experiment; a linear and an agentic run with one number are a pair
    workflow_type VARCHAR NOT NULL, -- linear or agentic
    start_time_ns BIGINT, -- start of the workload, ns UTC
    end_time_ns BIGINT, -- end of the workload, ns UTC
    duration_ns BIGINT, -- end − start
    total_energy_uj BIGINT, -- package, DRAM where measured and GPU where measured; or the model: see energy_source
    dynamic_energy_uj BIGINT, -- total − baseline; may be negative
    baseline_energy_uj BIGINT, -- mean idle power × duration, of the domains of the total
    avg_power_watts DOUBLE, -- total energy / duration
    pkg_energy_uj BIGINT, -- all CPU packages
    core_energy_uj BIGINT, -- all cores, a part of package
    uncore_energy_uj BIGINT, -- RAPL's uncore domain, a part of package; NULL where there is none
    dram_energy_uj BIGINT, -- DRAM
    instructions BIGINT, -- instructions retired by the measured processes
    cycles BIGINT, -- CPU cycles of the measured processes
    ipc DOUBLE, -- instructions / cycles
    cache_misses BIGINT, -- last-level cache misses
    cache_references BIGINT, -- last-level cache references
    cache_miss_rate DOUBLE, -- misses / references
    page_faults BIGINT, -- page faults, major and minor
    major_page_faults BIGINT, -- page faults that read from disk
    minor_page_faults BIGINT, -- page faults served from memory
    context_switches_voluntary BIGINT, -- voluntary context switches
    context_switches_involuntary BIGINT, -- involuntary context switches
    total_context_switches BIGINT, -- both
    thread_migrations BIGINT, -- moves of a thread to another CPU
    run_queue_length DOUBLE, -- mean number of runnable tasks on the host
    kernel_time_ms DOUBLE, -- CPU time in the kernel
    user_time_ms DOUBLE, -- CPU time in user mode
    frequency_mhz DOUBLE, -- mean CPU frequency: as the source gives it, else that while busy over the run's samples
    ring_bus_freq_mhz DOUBLE, -- mean ring bus frequency; NULL where the kernel does not tell it
    cpu_busy_mhz DOUBLE, -- mean frequency while busy, over the run's samples
    cpu_avg_mhz DOUBLE, -- mean frequency over busy and idle time, over the run's samples
    package_temp_celsius DOUBLE, -- mean package temperature over the run's samples
    baseline_temp_celsius DOUBLE, -- package temperature before the run
    start_temp_c DOUBLE, -- first package temperature of the run
    max_temp_c DOUBLE, -- highest package temperature of the run
    min_temp_c DOUBLE, -- lowest package temperature of the run
    thermal_delta_c DOUBLE, -- highest − first
    thermal_during_experiment BOOLEAN, -- the CPU was throttled during the run; NULL where nothing looked for it
    thermal_now_active BOOLEAN, -- the CPU was being throttled when the run began
    thermal_since_boot BOOLEAN, -- the CPU had been throttled since boot when the run began
    experiment_valid BOOLEAN, -- no throttling during the run and none known before it
    c2_time_seconds DOUBLE, -- time in core C2, mean over CPUs
    c3_time_seconds DOUBLE, -- time in core C3, mean over CPUs
    c6_time_seconds DOUBLE, -- time in core C6, mean over CPUs
    c7_time_seconds DOUBLE, -- time in core C7 or deeper, mean over CPUs
    swap_total_mb DOUBLE, -- swap size
    swap_end_free_mb DOUBLE, -- swap free at the end
    swap_start_used_mb DOUBLE, -- swap used at the start
    swap_end_used_mb DOUBLE, -- swap used at the end
    swap_start_cached_mb DOUBLE, -- swap cached at the start
    swap_end_cached_mb DOUBLE, -- swap cached at the end
    swap_end_percent DOUBLE, -- swap used at the end, percent
    wakeup_latency_us DOUBLE, -- wake-up latency of the scheduler; NULL of live runs: the kernel keeps none by process
    interrupt_rate DOUBLE, -- mean interrupts per second of the host, over the run's samples
    thermal_throttle_flag BIGINT, -- 1 where a sample of the run saw throttling
    rss_memory_mb DOUBLE, -- peak resident memory of the measured processes
    vms_memory_mb DOUBLE, -- peak virtual memory of the measured processes
    total_tokens BIGINT, -- all tokens: as the source gives them, else summed over the LLM calls
    prompt_tokens BIGINT, -- prompt tokens: as the source gives them, else summed over the LLM calls
    completion_tokens BIGINT, -- completion tokens: as the source gives them, else summed over the LLM calls
    dns_latency_ms DOUBLE, -- DNS latency; NULL of live runs: only the program could say it
    api_latency_ms DOUBLE, -- latency of all API calls: as the source gives it, else summed over the LLM calls
    compute_time_ms DOUBLE, -- local compute time: as the source gives it, else that of the LLM calls, local inference included
    bytes_sent BIGINT, -- bytes sent: as the source gives them, else summed over the LLM calls that say it
    bytes_recv BIGINT, -- bytes received: likewise
    tcp_retransmits BIGINT, -- TCP segments sent again: likewise
    governor VARCHAR, -- CPU frequency governor
    turbo_enabled BOOLEAN, -- turbo allowed
    is_cold_start BOOLEAN, -- first run of its workload in the session, not warmed up
    background_cpu_percent DOUBLE, -- CPU use of everything but the measured processes, percent of the host
    process_count BIGINT, -- processes present at the start
    planning_time_ms DOUBLE, -- time in events of the planning phase; nested events count once; NULL without events
    execution_time_ms DOUBLE, -- time in events of the execution phase
    synthesis_time_ms DOUBLE, -- time in events of the synthesis phase
    phase_planning_ratio DOUBLE, -- planning time / duration
    phase_execution_ratio DOUBLE, -- execution time / duration
    phase_synthesis_ratio DOUBLE, -- synthesis time / duration
    llm_calls BIGINT, -- LLM calls: as the source gives them, else its LLM calls or events counted
    tool_calls BIGINT, -- tool calls: as the source gives them, else its events counted
    tools_used BIGINT, -- different tools used: as the source gives it, else those that its tool calls name
    steps BIGINT, -- steps of the workflow: as the source gives them, else those of its events
    avg_step_time_ms DOUBLE, -- execution time / steps
    orchestration_cpu_ms DOUBLE, -- duration not spent in local compute or waiting for an LLM, at least 0; NULL without LLM calls, or where one says neither
    complexity_level BIGINT, -- 1: at most one tool call, 2: at most three, 3: more
    complexity_score DOUBLE, -- .4 LLM calls (of 10) + .3 tool calls (of 10) + .3 tokens (of 1000), each at most 1
    carbon_g DOUBLE, -- CO2e of the dynamic energy, by run_grid_factors and sustainability_settings
    water_ml DOUBLE, -- water of the dynamic energy
    methane_mg DOUBLE, -- methane of the dynamic energy, mg
    energy_per_instruction DOUBLE, -- dynamic J / instructions
    energy_per_cycle DOUBLE, -- dynamic J / cycles
    energy_per_token DOUBLE, -- dynamic J / tokens
    instructions_per_token DOUBLE, -- instructions / tokens
    interrupts_per_second DOUBLE, -- the same as interrupt_rate, by A-LEMS's other name
    run_state_hash VARCHAR, -- SHA-256 of governor|turbo|hw_id|baseline_id with the source's ids
    run_date DATE, -- day under which the run and its samples landed
    model_key VARCHAR, -- canonical model; NULL where the registry does not know its name
    hardware_key VARCHAR, -- canonical GPU type; NULL without a GPU, or where the registry does not know it
    framework_key VARCHAR, -- canonical framework; of an unknown one its lower-case name
    gpu_energy_uj BIGINT, -- all GPUs
    energy_source VARCHAR, -- what the total is: rapl, nvml, rapl+nvml or model:cpu_time; reported: see quality_flags
    is_estimated BOOLEAN, -- the energy is modelled, not measured; NULL where there is no energy, or where only its source knows
    sample_coverage DOUBLE, -- share of the run's time that lies between energy samples, gaps taken off
    energy_lo_uj BIGINT, -- the total energy is certainly not less
    energy_hi_uj BIGINT, -- the total energy is certainly not more; NULL where there is no bound
    dynamic_energy_u_uj DOUBLE, -- standard uncertainty (1 σ) of the dynamic energy
    source_system VARCHAR, -- what measured or recorded the run
    source_run_id VARCHAR, -- the run's id in its source
    reported_total_energy_uj BIGINT, -- total energy that the source had written
    reported_dynamic_energy_uj BIGINT, -- dynamic energy that the source had written
    quality_flags VARCHAR, -- JSON list of codes, explained in sql/core/runs.sql
    total_carbon_g DOUBLE, -- CO2e of the total energy
    methane_co2e_20y_g DOUBLE, -- CO2e of methane_mg over 20 years
    methane_co2e_100y_g DOUBLE, -- CO2e of methane_mg over 100 years
    UNIQUE (exp_id, hw_id, run_number, workflow_type)
);

INSERT INTO main.runs BY NAME
WITH recorded AS (
    SELECT *, end_time_ns - start_time_ns AS duration_ns
    FROM stage.runs
    QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY recorded_at DESC, landing_date DESC) = 1
),
placed AS (
    SELECT
        recorded.* EXCLUDE (hw_id, env_id, baseline_id),
        experiments.exp_id,
        experiments.model_key,
        hardware_config.hw_id,
        devices.key AS hardware_key,
        environment_config.env_id,
        frameworks.key AS framework_key,
        recorded.hw_id IS NOT NULL AND hardware_config.hw_id IS NULL AS lacks_hardware,
        recorded.env_id IS NOT NULL AND environment_config.env_id IS NULL AS lacks_environment,
        recorded.baseline_id AS named_baseline_id,
        idle_baselines.baseline_id AS known_baseline_id,
        CASE
            WHEN recorded.baseline_id IS NULL THEN 'no_baseline'
            WHEN idle_baselines.baseline_id IS NULL THEN 'baseline_unknown'
            WHEN source_hw_id <> coalesce(recorded.hw_id, experiments.hw_id) THEN 'baseline_other_hardware'
            -- An imported run keeps the baseline that its store names, however old, and be it of hardware not named.
            WHEN recorded.source_system = 'alems-collect'
                AND (source_hw_id IS NULL OR coalesce(recorded.hw_id, experiments.hw_id) IS NULL)
                THEN 'baseline_other_hardware'
            WHEN recorded.source_system = 'alems-collect'
                AND abs(recorded.start_time_ns / 1e9 - idle_baselines.timestamp) > baseline_max_age_h * 3600
                THEN 'baseline_too_old'
            WHEN least(
                package_power_watts, core_power_watts, uncore_power_watts, dram_power_watts, gpu_power_watts,
                model_power_watts
            ) < 0 THEN 'baseline_impossible'
            WHEN greatest(
                package_power_watts, core_power_watts, uncore_power_watts, dram_power_watts, gpu_power_watts,
                model_power_watts
            ) > 1e5 THEN 'baseline_impossible'
        END AS baseline_flag
    FROM recorded
    CROSS JOIN main.energy_settings
    JOIN main.experiments AS experiments ON experiments.exp_key = recorded.exp_key
    LEFT JOIN main.hardware_config AS hardware_config
        ON hardware_config.hw_id = coalesce(recorded.hw_id, experiments.hw_id)
    LEFT JOIN main.environment_config AS environment_config
        ON environment_config.env_id = coalesce(recorded.env_id, experiments.env_id)
    LEFT JOIN main.name_keys AS devices
        ON devices.kind = 'hardware'
        AND devices.raw_value = hardware_config.gpu_model
    LEFT JOIN main.name_keys AS frameworks
        ON frameworks.kind = 'framework'
        AND frameworks.raw_value = environment_config.llm_framework
    LEFT JOIN main.idle_baselines AS idle_baselines
        ON idle_baselines.source_system = recorded.source_system
        AND idle_baselines.host = recorded.host
        AND idle_baselines.source_baseline_id = recorded.baseline_id
),
numbered AS (
    SELECT
        *,
        CASE WHEN baseline_flag IS NULL THEN known_baseline_id END AS baseline_id,
        -- Of two runs with one number the one that ended well keeps it: the other is what it replaced.
        run_number IS NOT NULL AND row_number() OVER (
            PARTITION BY exp_id, hw_id, run_number, workflow_type
            ORDER BY status <> 'completed', start_time_ns, run_id
        ) > 1 AS has_taken_number
    FROM placed
),
calls AS (
    SELECT
        run_id,
        count(*) AS n_calls,
        count(*) FILTER (WHERE local_compute_ms IS NULL AND non_local_ms IS NULL) AS n_untimed,
        try_cast(sum(coalesce(total_tokens, try(prompt_tokens + completion_tokens))) AS BIGINT) AS total_tokens,
        try_cast(sum(prompt_tokens) AS BIGINT) AS prompt_tokens,
        try_cast(sum(completion_tokens) AS BIGINT) AS completion_tokens,
        sum(api_latency_ms ORDER BY interaction_id) AS api_latency_ms,
        sum(coalesce(compute_time_ms, local_compute_ms) ORDER BY interaction_id) AS compute_time_ms,
        sum(local_compute_ms ORDER BY interaction_id) AS local_compute_ms,
        sum(non_local_ms ORDER BY interaction_id) AS non_local_ms,
        try_cast(sum(bytes_sent_approx) AS BIGINT) AS bytes_sent,
        try_cast(sum(bytes_recv_approx) AS BIGINT) AS bytes_recv,
        try_cast(sum(tcp_retransmits) AS BIGINT) AS tcp_retransmits
    FROM main.llm_interactions
    GROUP BY run_id
),
events AS (
    SELECT
        run_id,
        count(*) FILTER (WHERE event_type = 'llm_call') AS n_llm_calls,
        count(*) FILTER (WHERE event_type = 'tool_call') AS n_tool_calls,
        nullif(count(DISTINCT step_index), 0) AS n_steps,
        coalesce(sum(own_ns) FILTER (WHERE phase = 'planning'), 0) / 1e6 AS planning_time_ms,
        coalesce(sum(own_ns) FILTER (WHERE phase = 'execution'), 0) / 1e6 AS execution_time_ms,
        coalesce(sum(own_ns) FILTER (WHERE phase = 'synthesis'), 0) / 1e6 AS synthesis_time_ms
    FROM main.event_energy
    GROUP BY run_id
),
tools AS (
    SELECT
        run_id,
        count(DISTINCT coalesce(detail_json ->> '$."gen_ai.tool.name"', detail_json ->> '$.tool')) AS n_tools
    FROM stage.orchestration_events
    WHERE event_type = 'tool_call' AND json_valid(detail_json)
    GROUP BY run_id
),
-- Idle energy over the run per domain, cut to whole µJ as A-LEMS does; and of the domains that the total is made of.
idle AS (
    SELECT
        numbered.run_id,
        trunc(package_power_watts * duration_ns / 1e3) AS package_uj,
        trunc(dram_power_watts * duration_ns / 1e3) AS dram_uj,
        trunc(gpu_power_watts * duration_ns / 1e3) AS gpu_uj,
        trunc(model_power_watts * duration_ns / 1e3) AS model_uj,
        sample_count,
        sample_count * (1 - coalesce(package_autocorr_lag1, 0)) / (1 + coalesce(package_autocorr_lag1, 0))
            AS n_effective,
        package_std,
        dram_std
    FROM numbered
    JOIN main.idle_baselines AS idle_baselines ON idle_baselines.baseline_id = numbered.baseline_id
),
baselines AS (
    SELECT
        idle.run_id,
        try_cast(
            CASE run_energy.energy_source
                WHEN 'reported' THEN package_uj -- what A-LEMS reports is the package
                WHEN 'rapl' THEN package_uj + CASE WHEN dram_energy_uj IS NULL THEN 0 ELSE dram_uj END
                WHEN 'rapl+nvml' THEN package_uj + CASE WHEN dram_energy_uj IS NULL THEN 0 ELSE dram_uj END + gpu_uj
                WHEN 'nvml' THEN gpu_uj
                WHEN 'model:cpu_time' THEN model_uj
            END AS BIGINT
        ) AS baseline_energy_uj,
        -- Variance of the mean idle power, W²: the windows are correlated. Unknown for GPUs, whose spread is not kept.
        CASE
            WHEN run_energy.energy_source IN ('rapl', 'model:cpu_time') AND sample_count > 1 AND n_effective > 0
                THEN (package_std ** 2 + CASE WHEN dram_energy_uj IS NULL THEN 0 ELSE dram_std ** 2 END) / n_effective
        END AS idle_power_variance
    FROM idle
    JOIN main.run_energy AS run_energy ON run_energy.run_id = idle.run_id
),
warming AS (
    SELECT
        max(kg_co2e_kg) FILTER (horizon_years = 20) AS methane_20y,
        max(kg_co2e_kg) FILTER (horizon_years = 100) AS methane_100y
    FROM main.global_warming_potentials
    WHERE gas = 'CH4'
),
measured AS (
    SELECT
        numbered.* EXCLUDE (
            total_tokens, prompt_tokens, completion_tokens, api_latency_ms, compute_time_ms, bytes_sent, bytes_recv,
            tcp_retransmits, llm_calls, tool_calls, tools_used, steps, frequency_mhz
        ),
        coalesce(numbered.total_tokens, try(numbered.prompt_tokens + numbered.completion_tokens), calls.total_tokens)
            AS total_tokens,
        coalesce(numbered.prompt_tokens, calls.prompt_tokens) AS prompt_tokens,
        coalesce(numbered.completion_tokens, calls.completion_tokens) AS completion_tokens,
        coalesce(numbered.api_latency_ms, calls.api_latency_ms) AS api_latency_ms,
        coalesce(numbered.compute_time_ms, calls.compute_time_ms) AS compute_time_ms,
        coalesce(numbered.bytes_sent, calls.bytes_sent) AS bytes_sent,
        coalesce(numbered.bytes_recv, calls.bytes_recv) AS bytes_recv,
        coalesce(numbered.tcp_retransmits, calls.tcp_retransmits) AS tcp_retransmits,
        coalesce(numbered.llm_calls, calls.n_calls, events.n_llm_calls) AS llm_calls,
        coalesce(numbered.tool_calls, events.n_tool_calls) AS tool_calls,
        coalesce(numbered.tools_used, nullif(tools.n_tools, 0)) AS tools_used,
        coalesce(numbered.steps, events.n_steps) AS steps,
        coalesce(numbered.frequency_mhz, run_telemetry.cpu_busy_mhz) AS frequency_mhz,
        CASE
            WHEN calls.n_untimed = 0 THEN greatest(
                duration_ns / 1e6 - coalesce(calls.local_compute_ms, 0) - coalesce(calls.non_local_ms, 0), 0
            )
        END AS orchestration_cpu_ms,
        events.planning_time_ms,
        events.execution_time_ms,
        events.synthesis_time_ms,
        run_energy.* EXCLUDE (run_id, run_date, psys_energy_uj, model_energy_uj, n_packages),
        CASE WHEN run_energy.energy_source <> 'reported' THEN run_energy.energy_source = 'model:cpu_time' END
            AS is_estimated,
        run_telemetry.cpu_busy_mhz,
        run_telemetry.cpu_avg_mhz,
        run_telemetry.mean_temp_c AS package_temp_celsius,
        run_telemetry.start_temp_c,
        run_telemetry.max_temp_c,
        run_telemetry.min_temp_c,
        run_telemetry.interrupt_rate,
        run_telemetry.is_throttled,
        baselines.baseline_energy_uj,
        run_energy.total_energy_uj - baselines.baseline_energy_uj AS dynamic_energy_uj,
        baselines.idle_power_variance,
        (run_energy.total_energy_uj - baselines.baseline_energy_uj) / 3.6e12 * settings.pue AS dynamic_site_kwh,
        settings.pue,
        settings.embodied_share,
        factors.country_code,
        factors.carbon_gco2eq_kwh,
        factors.water_l_kwh,
        factors.methane_g_kwh,
        factors.carbon_source,
        warming.methane_20y,
        warming.methane_100y
    FROM numbered
    CROSS JOIN main.sustainability_settings AS settings
    CROSS JOIN warming
    LEFT JOIN main.run_grid_factors AS factors ON factors.run_id = numbered.run_id
    LEFT JOIN calls ON calls.run_id = numbered.run_id
    LEFT JOIN events ON events.run_id = numbered.run_id
    LEFT JOIN tools ON tools.run_id = numbered.run_id
    LEFT JOIN baselines ON baselines.run_id = numbered.run_id
    LEFT JOIN main.run_energy AS run_energy
        ON run_energy.run_id = numbered.run_id
        AND run_energy.run_date = numbered.landing_date
    LEFT JOIN main.run_telemetry AS run_telemetry
        ON run_telemetry.run_id = numbered.run_id
        AND run_telemetry.run_date = numbered.landing_date
)
SELECT
    run_id,
    exp_id,
    hw_id,
    env_id,
    baseline_id,
    CASE WHEN NOT has_taken_number THEN run_number END AS run_number,
    workflow_type,
    start_time_ns,
    end_time_ns,
    duration_ns,
    total_energy_uj,
    dynamic_energy_uj,
    baseline_energy_uj,
    total_energy_uj * 1e3 / nullif(duration_ns, 0) AS avg_power_watts,
    pkg_energy_uj,
    core_energy_uj,
    uncore_energy_uj,
    dram_energy_uj,
    instructions,
    cycles,
    instructions / nullif(cycles, 0)::DOUBLE AS ipc,
    cache_misses,
    cache_references,
    cache_misses / nullif(cache_references, 0)::DOUBLE AS cache_miss_rate,
    page_faults,
    major_page_faults,
    minor_page_faults,
    context_switches_voluntary,
    context_switches_involuntary,
    try(context_switches_voluntary + context_switches_involuntary) AS total_context_switches,
    thread_migrations,
    run_queue_length,
    kernel_time_ms,
    user_time_ms,
    frequency_mhz,
    ring_bus_freq_mhz,
    cpu_busy_mhz,
    cpu_avg_mhz,
    package_temp_celsius,
    baseline_temp_celsius,
    start_temp_c,
    max_temp_c,
    min_temp_c,
    max_temp_c - start_temp_c AS thermal_delta_c,
    is_throttled AS thermal_during_experiment,
    thermal_now_active,
    thermal_since_boot,
    NOT (is_throttled OR coalesce(thermal_now_active, false)) AS experiment_valid,
    c2_time_seconds,
    c3_time_seconds,
    c6_time_seconds,
    c7_time_seconds,
    swap_total_mb,
    swap_end_free_mb,
    swap_start_used_mb,
    swap_end_used_mb,
    swap_start_cached_mb,
    swap_end_cached_mb,
    swap_end_percent,
    wakeup_latency_us,
    interrupt_rate,
    is_throttled::BIGINT AS thermal_throttle_flag,
    rss_memory_mb,
    vms_memory_mb,
    total_tokens,
    prompt_tokens,
    completion_tokens,
    dns_latency_ms,
    api_latency_ms,
    compute_time_ms,
    bytes_sent,
    bytes_recv,
    tcp_retransmits,
    governor,
    turbo_enabled,
    is_cold_start,
    background_cpu_percent,
    process_count,
    planning_time_ms,
    execution_time_ms,
    synthesis_time_ms,
    planning_time_ms * 1e6 / nullif(duration_ns, 0) AS phase_planning_ratio,
    execution_time_ms * 1e6 / nullif(duration_ns, 0) AS phase_execution_ratio,
    synthesis_time_ms * 1e6 / nullif(duration_ns, 0) AS phase_synthesis_ratio,
    llm_calls,
    tool_calls,
    tools_used,
    steps,
    execution_time_ms / nullif(steps, 0) AS avg_step_time_ms,
    orchestration_cpu_ms,
    CASE WHEN tool_calls <= 1 THEN 1 WHEN tool_calls <= 3 THEN 2 WHEN tool_calls > 3 THEN 3 END AS complexity_level,
    0.4::DOUBLE * CASE WHEN llm_calls < 10 THEN llm_calls / 10.0::DOUBLE WHEN llm_calls >= 10 THEN 1 END
        + 0.3::DOUBLE * CASE WHEN tool_calls < 10 THEN tool_calls / 10.0::DOUBLE WHEN tool_calls >= 10 THEN 1 END
        + 0.3::DOUBLE * CASE WHEN total_tokens < 1000 THEN total_tokens / 1000.0::DOUBLE WHEN total_tokens >= 1000 THEN 1 END
        AS complexity_score,
    dynamic_site_kwh * carbon_gco2eq_kwh / (1 - embodied_share) AS carbon_g,
    dynamic_site_kwh * water_l_kwh * 1e3 AS water_ml,
    dynamic_site_kwh * methane_g_kwh * 1e3 AS methane_mg,
    dynamic_energy_uj / 1e6 / nullif(instructions, 0) AS energy_per_instruction,
    dynamic_energy_uj / 1e6 / nullif(cycles, 0) AS energy_per_cycle,
    dynamic_energy_uj / 1e6 / nullif(total_tokens, 0) AS energy_per_token,
    instructions / nullif(total_tokens, 0)::DOUBLE AS instructions_per_token,
    interrupt_rate AS interrupts_per_second,
    -- An imported store's hw_id is no longer known here, but the hash that it wrote is. Python writes True and None.
    coalesce(
        json_extract_string(reported_json, '$.run_state_hash'),
        sha256(
            concat_ws(
                '|',
                coalesce(governor, 'None'),
                CASE turbo_enabled WHEN true THEN 'True' WHEN false THEN 'False' ELSE 'None' END,
                coalesce(hw_id::VARCHAR, 'None'),
                coalesce(named_baseline_id, 'None')
            )
        )
    ) AS run_state_hash,
    landing_date AS run_date,
    model_key,
    hardware_key,
    framework_key,
    gpu_energy_uj,
    energy_source,
    is_estimated,
    sample_coverage,
    energy_lo_uj,
    energy_hi_uj,
    -- u²(total) + T²·u²(idle power) + (idle power)²·u²(T). The total's own uncertainty is that of a window cut out of
    -- equal sampling intervals, √(1/6) of one; the time's is the part of the run that was not observed.
    sqrt(
        (total_energy_uj * sqrt(1 / 6) * coalesce(median_interval_ns, 100000000) / nullif(duration_ns, 0)) ** 2
        + (duration_ns / 1e3) ** 2 * idle_power_variance
        + (baseline_energy_uj * (1 - sample_coverage)) ** 2 / 12
    ) AS dynamic_energy_u_uj,
    source_system,
    source_run_id,
    reported_total_energy_uj,
    reported_dynamic_energy_uj,
    total_energy_uj / 3.6e12 * pue * carbon_gco2eq_kwh / (1 - embodied_share) AS total_carbon_g,
    dynamic_site_kwh * methane_g_kwh * methane_20y AS methane_co2e_20y_g,
    dynamic_site_kwh * methane_g_kwh * methane_100y AS methane_co2e_100y_g,
    '[' || concat_ws(
        ', ',
        CASE WHEN status IN ('failed', 'partial') THEN '"run_' || status || '"' END,
        CASE WHEN lacks_hardware THEN '"hardware_unknown"' END,
        CASE WHEN lacks_environment THEN '"environment_unknown"' END,
        CASE WHEN has_taken_number THEN '"duplicate_run_number"' END,
        CASE WHEN energy_source IS NULL THEN '"no_samples"' WHEN energy_source = 'reported' THEN '"reported"' WHEN total_energy_uj IS NULL THEN '"not_covered"' END,
        CASE WHEN start_missing_ns > 0 OR end_missing_ns > 0 THEN '"nearest_sample"' END,
        CASE WHEN n_gaps > n_resets THEN '"gaps"' END,
        CASE WHEN n_resets > 0 THEN '"resets"' END,
        CASE WHEN n_hidden_wrap_gaps > 0 THEN '"hidden_wraps"' END,
        CASE WHEN n_gpus_unread > 0 THEN '"gpu_unread"' END,
        CASE WHEN is_estimated THEN '"estimated"' END,
        '"' || baseline_flag || '"',
        CASE
            WHEN baseline_flag IS NULL AND energy_source IS NOT NULL AND baseline_energy_uj IS NULL
                THEN '"baseline_lacks_domain"'
        END,
        CASE WHEN dynamic_energy_uj < 0 THEN '"negative_dynamic"' END,
        CASE WHEN is_throttled OR thermal_now_active THEN '"throttled"' END,
        CASE WHEN background_cpu_percent > 20 THEN '"background_cpu"' END,
        CASE
            WHEN country_code IS NULL THEN '"no_country"'
            WHEN carbon_gco2eq_kwh IS NULL OR water_l_kwh IS NULL OR methane_g_kwh IS NULL THEN '"no_grid_factor"'
        END,
        CASE WHEN carbon_source = 'forecast' THEN '"forecast_intensity"' END
    ) || ']' AS quality_flags
FROM measured;
