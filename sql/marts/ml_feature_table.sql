-- The rows of ml_features as a table, with splits for models. Runs of one session always fall into one split, so that a
-- held-out error is of sessions that the model has never seen; where a run falls depends on the session's name alone.
-- Which columns are targets, features or give the target away says ml_feature_dictionary.
-- depends: ml_features
CREATE OR REPLACE TABLE main.ml_feature_table (
    run_id BIGINT PRIMARY KEY, -- time-ordered id: the greatest is the newest run
    exp_id BIGINT, -- experiment
    group_id VARCHAR, -- session that it belongs to
    run_number BIGINT, -- position in the experiment; a linear and an agentic run with one number are a pair
    workflow_type VARCHAR, -- linear or agentic
    task_name VARCHAR, -- task identifier
    provider VARCHAR, -- provider as the source writes it
    model_name VARCHAR, -- model name as the source writes it
    country_code VARCHAR, -- ISO 3166 code of the grid region
    optimization_enabled BIGINT, -- 0 or 1
    cpu_model VARCHAR, -- CPU model name
    cpu_cores BIGINT, -- physical cores
    cpu_threads BIGINT, -- logical CPUs
    cpu_architecture VARCHAR, -- x86_64, aarch64, …
    cpu_vendor VARCHAR, -- GenuineIntel, AuthenticAMD, …
    cpu_family BIGINT, -- CPU family id
    cpu_model_id BIGINT, -- CPU model id
    cpu_stepping BIGINT, -- CPU stepping
    has_avx2 BOOLEAN, -- AVX2 present
    has_avx512 BOOLEAN, -- AVX-512F present
    has_vmx BOOLEAN, -- hardware virtualisation present
    gpu_model VARCHAR, -- model of the first GPU
    gpu_driver VARCHAR, -- GPU driver version
    gpu_count BIGINT, -- number of GPUs
    ram_gb DOUBLE, -- installed memory, GiB
    system_type VARCHAR, -- laptop, desktop, server, vm, …
    system_manufacturer VARCHAR, -- DMI system vendor
    system_product VARCHAR, -- DMI product name
    virtualization_type VARCHAR, -- none, kvm, vmware, docker, …
    microcode_version VARCHAR, -- CPU microcode
    python_version VARCHAR, -- Python version
    git_commit VARCHAR, -- commit of the measured program's working tree
    git_branch VARCHAR, -- its branch
    git_dirty BOOLEAN, -- uncommitted changes present
    numpy_version VARCHAR, -- NumPy version
    torch_version VARCHAR, -- PyTorch version
    transformers_version VARCHAR, -- transformers version
    start_time_ns BIGINT, -- start of the workload, ns UTC
    end_time_ns BIGINT, -- end of the workload, ns UTC
    duration_ns BIGINT, -- end − start
    duration_ms DOUBLE, -- end − start, ms
    total_energy_uj BIGINT, -- package, DRAM where measured and GPU where measured; or the model: see energy_source
    total_energy_j DOUBLE, -- package, DRAM where measured and GPU where measured; or the model: see energy_source, J
    dynamic_energy_uj BIGINT, -- total − baseline; may be negative
    dynamic_energy_j DOUBLE, -- total − baseline; may be negative, J
    baseline_energy_uj BIGINT, -- mean idle power × duration, of the domains of the total
    baseline_energy_j DOUBLE, -- mean idle power × duration, of the domains of the total, J
    avg_power_watts DOUBLE, -- total energy / duration
    pkg_energy_j DOUBLE, -- all CPU packages, J
    core_energy_j DOUBLE, -- all cores, a part of package, J
    uncore_energy_j DOUBLE, -- RAPL's uncore domain, a part of package; NULL where there is none, J
    dram_energy_j DOUBLE, -- DRAM, J
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
    frequency_mhz DOUBLE, -- mean CPU frequency
    ring_bus_freq_mhz DOUBLE, -- ring bus frequency
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
    rss_memory_mb DOUBLE, -- peak resident memory of the measured processes
    vms_memory_mb DOUBLE, -- peak virtual memory of the measured processes
    wakeup_latency_us DOUBLE, -- wake-up latency of the scheduler
    interrupt_rate DOUBLE, -- mean interrupts per second of the host, over the run's samples
    thermal_throttle_flag BIGINT, -- 1 where a sample of the run saw throttling
    total_tokens BIGINT, -- all tokens: as the source gives them, else summed over the LLM calls
    prompt_tokens BIGINT, -- prompt tokens: as the source gives them, else summed over the LLM calls
    completion_tokens BIGINT, -- completion tokens: as the source gives them, else summed over the LLM calls
    dns_latency_ms DOUBLE, -- DNS latency
    api_latency_ms DOUBLE, -- latency of all API calls: as the source gives it, else summed over the LLM calls
    compute_time_ms DOUBLE, -- local compute time: as the source gives it, else summed over the LLM calls
    bytes_sent BIGINT, -- bytes sent: as the source gives them, else summed over the LLM calls
    bytes_recv BIGINT, -- bytes received: as the source gives them, else summed over the LLM calls
    tcp_retransmits BIGINT, -- TCP segments sent again
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
    tools_used BIGINT, -- different tools used
    steps BIGINT, -- steps of the workflow: as the source gives them, else those of its events
    avg_step_time_ms DOUBLE, -- execution time / steps
    complexity_level BIGINT, -- 1: at most one tool call, 2: at most three, 3: more
    complexity_score DOUBLE, -- .4 LLM calls (of 10) + .3 tool calls (of 10) + .3 tokens (of 1000), each at most 1
    carbon_g DOUBLE, -- CO2e of the dynamic energy
    water_ml DOUBLE, -- water of the dynamic energy
    methane_mg DOUBLE, -- methane of the dynamic energy
    energy_per_instruction DOUBLE, -- dynamic J / instructions
    energy_per_cycle DOUBLE, -- dynamic J / cycles
    energy_per_token DOUBLE, -- dynamic J / tokens
    instructions_per_token DOUBLE, -- instructions / tokens
    interrupts_per_second DOUBLE, -- the same as interrupt_rate, by A-LEMS's other name
    baseline_package_power DOUBLE, -- of the idle baseline: mean idle power of all packages
    baseline_core_power DOUBLE, -- of the idle baseline: mean idle power of the cores
    baseline_uncore_power DOUBLE, -- of the idle baseline: mean idle power of the uncore
    baseline_dram_power DOUBLE, -- of the idle baseline: mean idle power of DRAM
    baseline_governor VARCHAR, -- of the idle baseline: CPU frequency governor
    baseline_turbo VARCHAR, -- of the idle baseline: enabled or disabled
    baseline_background_cpu DOUBLE, -- of the idle baseline: CPU utilisation while idle, percent
    baseline_process_count BIGINT, -- of the idle baseline: processes present
    orchestration_tax_j DOUBLE, -- agentic − linear; may be negative, J
    tax_percent DOUBLE, -- tax / agentic × 100: a share; NULL where agentic ≤ 0 or linear < 0
    run_state_hash VARCHAR, -- SHA-256 of governor|turbo|hw_id|baseline_id with the source's ids
    energy_j DOUBLE, -- dynamic energy, J: the target that A-LEMS's documents name
    energy_lo_j DOUBLE, -- the total energy is certainly not less, J
    energy_hi_j DOUBLE, -- the total energy is certainly not more, J
    dynamic_energy_u_j DOUBLE, -- standard uncertainty (1 σ) of the dynamic energy, J
    gpu_energy_j DOUBLE, -- all GPUs, J
    energy_source VARCHAR, -- what the total is: rapl, nvml, rapl+nvml or model:cpu_time
    is_estimated BOOLEAN, -- the energy is modelled, not measured; NULL where there is no energy
    sample_coverage DOUBLE, -- share of the run's time that lies between energy samples, gaps taken off
    tax_multiplier DOUBLE, -- agentic / linear; NULL where linear ≤ 0
    tax_pct_of_linear DOUBLE, -- tax / linear × 100; NULL where linear ≤ 0
    hw_id BIGINT, -- hardware that it ran on
    env_id BIGINT, -- software environment
    baseline_id VARCHAR, -- idle baseline used; NULL where none is fit
    run_date DATE, -- day under which the run and its samples landed
    model_key VARCHAR, -- canonical model; NULL where the registry does not know its name
    hardware_key VARCHAR, -- canonical GPU type; NULL without a GPU, or where the registry does not know it
    framework_key VARCHAR, -- canonical framework; of an unknown one its lower-case name
    source_system VARCHAR, -- what measured or recorded the run
    source_run_id VARCHAR, -- the run's id in its source
    quality_flags VARCHAR, -- JSON list of codes, explained in sql/core/runs.sql
    total_carbon_g DOUBLE, -- CO2e of the total energy
    methane_co2e_20y_g DOUBLE, -- CO2e of methane_mg over 20 years
    methane_co2e_100y_g DOUBLE, -- CO2e of methane_mg over 100 years
    split_group VARCHAR NOT NULL, -- runs of one group are never split: the session, else the experiment
    fold BIGINT NOT NULL, -- 0 to 4, from the hash of split_group
    split VARCHAR NOT NULL -- test (fold 0), validation (fold 1) or train
);

INSERT INTO main.ml_feature_table BY NAME
WITH groups AS (
    SELECT run_id, coalesce(group_id, exp_id::VARCHAR) AS split_group
    FROM main.ml_features
),
folds AS (
    SELECT run_id, split_group, ops.stable_id(split_group) % 5 AS fold
    FROM groups
),
splits AS (
    SELECT
        run_id,
        split_group,
        fold,
        CASE fold WHEN 0 THEN 'test' WHEN 1 THEN 'validation' ELSE 'train' END AS split
    FROM folds
)
SELECT features.*, splits.split_group, splits.fold, splits.split
FROM main.ml_features AS features
JOIN splits ON splits.run_id = features.run_id
ORDER BY features.run_id;
