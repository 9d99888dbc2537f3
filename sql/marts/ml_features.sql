-- Everything known of a run in one row, for models: A-LEMS's 144 columns in its order, then ours.
-- depends: runs, experiments, hardware_config, environment_config, idle_baselines, orchestration_tax_summary
CREATE OR REPLACE VIEW main.ml_features AS
SELECT
    runs.run_id, -- time-ordered id: the greatest is the newest run
    runs.exp_id, -- experiment
    experiments.group_id, -- session that it belongs to
    runs.run_number, -- position in the experiment; a linear and an agentic run with one number are a pair
    runs.workflow_type, -- linear or agentic
    experiments.task_name, -- task identifier
    experiments.provider, -- provider as the source writes it
    experiments.model_name, -- model name as the source writes it
    experiments.country_code, -- ISO 3166 code of the grid region
    experiments.optimization_enabled, -- 0 or 1
    hardware.cpu_model, -- CPU model name
    hardware.cpu_cores, -- physical cores
    hardware.cpu_threads, -- logical CPUs
    hardware.cpu_architecture, -- x86_64, aarch64, …
    hardware.cpu_vendor, -- GenuineIntel, AuthenticAMD, …
    hardware.cpu_family, -- CPU family id
    hardware.cpu_model_id, -- CPU model id
    hardware.cpu_stepping, -- CPU stepping
    hardware.has_avx2, -- AVX2 present
    hardware.has_avx512, -- AVX-512F present
    hardware.has_vmx, -- hardware virtualisation present
    hardware.gpu_model, -- model of the first GPU
    hardware.gpu_driver, -- GPU driver version
    hardware.gpu_count, -- number of GPUs
    hardware.ram_gb, -- installed memory, GiB
    hardware.system_type, -- laptop, desktop, server, vm, …
    hardware.system_manufacturer, -- DMI system vendor
    hardware.system_product, -- DMI product name
    hardware.virtualization_type, -- none, kvm, vmware, docker, …
    hardware.microcode_version, -- CPU microcode
    environment.python_version, -- Python version
    environment.git_commit, -- commit of the measured program's working tree
    environment.git_branch, -- its branch
    environment.git_dirty, -- uncommitted changes present
    environment.numpy_version, -- NumPy version
    environment.torch_version, -- PyTorch version
    environment.transformers_version, -- transformers version
    runs.start_time_ns, -- start of the workload, ns UTC
    runs.end_time_ns, -- end of the workload, ns UTC
    runs.duration_ns, -- end − start
    runs.duration_ns / 1e6 AS duration_ms, -- end − start, ms
    runs.total_energy_uj, -- package, DRAM where measured and GPU where measured; or the model: see energy_source
    runs.total_energy_uj / 1e6 AS total_energy_j, -- package, DRAM where measured and GPU where measured; or the model: see energy_source, J
    runs.dynamic_energy_uj, -- total − baseline; may be negative
    runs.dynamic_energy_uj / 1e6 AS dynamic_energy_j, -- total − baseline; may be negative, J
    runs.baseline_energy_uj, -- mean idle power × duration, of the domains of the total
    runs.baseline_energy_uj / 1e6 AS baseline_energy_j, -- mean idle power × duration, of the domains of the total, J
    runs.avg_power_watts, -- total energy / duration
    runs.pkg_energy_uj / 1e6 AS pkg_energy_j, -- all CPU packages, J
    runs.core_energy_uj / 1e6 AS core_energy_j, -- all cores, a part of package, J
    runs.uncore_energy_uj / 1e6 AS uncore_energy_j, -- RAPL's uncore domain, a part of package; NULL where there is none, J
    runs.dram_energy_uj / 1e6 AS dram_energy_j, -- DRAM, J
    runs.instructions, -- instructions retired by the measured processes
    runs.cycles, -- CPU cycles of the measured processes
    runs.ipc, -- instructions / cycles
    runs.cache_misses, -- last-level cache misses
    runs.cache_references, -- last-level cache references
    runs.cache_miss_rate, -- misses / references
    runs.page_faults, -- page faults, major and minor
    runs.major_page_faults, -- page faults that read from disk
    runs.minor_page_faults, -- page faults served from memory
    runs.context_switches_voluntary, -- voluntary context switches
    runs.context_switches_involuntary, -- involuntary context switches
    runs.total_context_switches, -- both
    runs.thread_migrations, -- moves of a thread to another CPU
    runs.run_queue_length, -- mean number of runnable tasks on the host
    runs.kernel_time_ms, -- CPU time in the kernel
    runs.user_time_ms, -- CPU time in user mode
    runs.frequency_mhz, -- mean CPU frequency
    runs.ring_bus_freq_mhz, -- ring bus frequency
    runs.cpu_busy_mhz, -- mean frequency while busy, over the run's samples
    runs.cpu_avg_mhz, -- mean frequency over busy and idle time, over the run's samples
    runs.package_temp_celsius, -- mean package temperature over the run's samples
    runs.baseline_temp_celsius, -- package temperature before the run
    runs.start_temp_c, -- first package temperature of the run
    runs.max_temp_c, -- highest package temperature of the run
    runs.min_temp_c, -- lowest package temperature of the run
    runs.thermal_delta_c, -- highest − first
    runs.thermal_during_experiment, -- the CPU was throttled during the run; NULL where nothing looked for it
    runs.thermal_now_active, -- the CPU was being throttled when the run began
    runs.thermal_since_boot, -- the CPU had been throttled since boot when the run began
    runs.experiment_valid, -- no throttling during the run and none known before it
    runs.c2_time_seconds, -- time in core C2, mean over CPUs
    runs.c3_time_seconds, -- time in core C3, mean over CPUs
    runs.c6_time_seconds, -- time in core C6, mean over CPUs
    runs.c7_time_seconds, -- time in core C7 or deeper, mean over CPUs
    runs.swap_total_mb, -- swap size
    runs.swap_end_free_mb, -- swap free at the end
    runs.swap_start_used_mb, -- swap used at the start
    runs.swap_end_used_mb, -- swap used at the end
    runs.swap_start_cached_mb, -- swap cached at the start
    runs.swap_end_cached_mb, -- swap cached at the end
    runs.swap_end_percent, -- swap used at the end, percent
    runs.rss_memory_mb, -- peak resident memory of the measured processes
    runs.vms_memory_mb, -- peak virtual memory of the measured processes
    runs.wakeup_latency_us, -- wake-up latency of the scheduler
    runs.interrupt_rate, -- mean interrupts per second of the host, over the run's samples
    runs.thermal_throttle_flag, -- 1 where a sample of the run saw throttling
    runs.total_tokens, -- all tokens: as the source gives them, else summed over the LLM calls
    runs.prompt_tokens, -- prompt tokens: as the source gives them, else summed over the LLM calls
    runs.completion_tokens, -- completion tokens: as the source gives them, else summed over the LLM calls
    runs.dns_latency_ms, -- DNS latency
    runs.api_latency_ms, -- latency of all API calls: as the source gives it, else summed over the LLM calls
    runs.compute_time_ms, -- local compute time: as the source gives it, else summed over the LLM calls
    runs.bytes_sent, -- bytes sent: as the source gives them, else summed over the LLM calls
    runs.bytes_recv, -- bytes received: as the source gives them, else summed over the LLM calls
    runs.tcp_retransmits, -- TCP segments sent again
    runs.governor, -- CPU frequency governor
    runs.turbo_enabled, -- turbo allowed
    runs.is_cold_start, -- first run of its workload in the session, not warmed up
    runs.background_cpu_percent, -- CPU use of everything but the measured processes, percent of the host
    runs.process_count, -- processes present at the start
    runs.planning_time_ms, -- time in events of the planning phase; nested events count once; NULL without events
    runs.execution_time_ms, -- time in events of the execution phase
    runs.synthesis_time_ms, -- time in events of the synthesis phase
    runs.phase_planning_ratio, -- planning time / duration
    runs.phase_execution_ratio, -- execution time / duration
    runs.phase_synthesis_ratio, -- synthesis time / duration
    runs.llm_calls, -- LLM calls: as the source gives them, else its LLM calls or events counted
    runs.tool_calls, -- tool calls: as the source gives them, else its events counted
    runs.tools_used, -- different tools used
    runs.steps, -- steps of the workflow: as the source gives them, else those of its events
    runs.avg_step_time_ms, -- execution time / steps
    runs.complexity_level, -- 1: at most one tool call, 2: at most three, 3: more
    runs.complexity_score, -- .4 LLM calls (of 10) + .3 tool calls (of 10) + .3 tokens (of 1000), each at most 1
    runs.carbon_g, -- CO2e of the dynamic energy
    runs.water_ml, -- water of the dynamic energy
    runs.methane_mg, -- methane of the dynamic energy
    runs.energy_per_instruction, -- dynamic J / instructions
    runs.energy_per_cycle, -- dynamic J / cycles
    runs.energy_per_token, -- dynamic J / tokens
    runs.instructions_per_token, -- instructions / tokens
    runs.interrupts_per_second, -- the same as interrupt_rate, by A-LEMS's other name
    baseline.package_power_watts AS baseline_package_power, -- of the idle baseline: mean idle power of all packages
    baseline.core_power_watts AS baseline_core_power, -- of the idle baseline: mean idle power of the cores
    baseline.uncore_power_watts AS baseline_uncore_power, -- of the idle baseline: mean idle power of the uncore
    baseline.dram_power_watts AS baseline_dram_power, -- of the idle baseline: mean idle power of DRAM
    baseline.governor AS baseline_governor, -- of the idle baseline: CPU frequency governor
    baseline.turbo AS baseline_turbo, -- of the idle baseline: enabled or disabled
    baseline.background_cpu AS baseline_background_cpu, -- of the idle baseline: CPU utilisation while idle, percent
    baseline.process_count AS baseline_process_count, -- of the idle baseline: processes present
    tax.orchestration_tax_uj / 1e6 AS orchestration_tax_j, -- agentic − linear; may be negative, J
    tax.tax_percent, -- tax / agentic × 100: a share; NULL where agentic ≤ 0 or linear < 0
    runs.run_state_hash, -- SHA-256 of governor|turbo|hw_id|baseline_id with the source's ids
    runs.dynamic_energy_uj / 1e6 AS energy_j, -- dynamic energy, J: the target that A-LEMS's documents name
    runs.energy_lo_uj / 1e6 AS energy_lo_j, -- the total energy is certainly not less, J
    runs.energy_hi_uj / 1e6 AS energy_hi_j, -- the total energy is certainly not more, J
    runs.dynamic_energy_u_uj / 1e6 AS dynamic_energy_u_j, -- standard uncertainty (1 σ) of the dynamic energy, J
    runs.gpu_energy_uj / 1e6 AS gpu_energy_j, -- all GPUs, J
    runs.energy_source, -- what the total is: rapl, nvml, rapl+nvml or model:cpu_time
    runs.is_estimated, -- the energy is modelled, not measured; NULL where there is no energy
    runs.sample_coverage, -- share of the run's time that lies between energy samples, gaps taken off
    tax.tax_multiplier, -- agentic / linear; NULL where linear ≤ 0
    tax.tax_pct_of_linear, -- tax / linear × 100; NULL where linear ≤ 0
    runs.hw_id, -- hardware that it ran on
    runs.env_id, -- software environment
    runs.baseline_id, -- idle baseline used; NULL where none is fit
    runs.run_date, -- day under which the run and its samples landed
    runs.model_key, -- canonical model; NULL where the registry does not know its name
    runs.hardware_key, -- canonical GPU type; NULL without a GPU, or where the registry does not know it
    runs.framework_key, -- canonical framework; of an unknown one its lower-case name
    runs.source_system, -- what measured or recorded the run
    runs.source_run_id, -- the run's id in its source
    runs.quality_flags, -- JSON list of codes, explained in sql/core/runs.sql
    runs.total_carbon_g, -- CO2e of the total energy
    runs.methane_co2e_20y_g, -- CO2e of methane_mg over 20 years
    runs.methane_co2e_100y_g -- CO2e of methane_mg over 100 years
FROM main.runs AS runs
JOIN main.experiments AS experiments ON experiments.exp_id = runs.exp_id
LEFT JOIN main.hardware_config AS hardware ON hardware.hw_id = runs.hw_id
LEFT JOIN main.environment_config AS environment ON environment.env_id = runs.env_id
LEFT JOIN main.idle_baselines AS baseline ON baseline.baseline_id = runs.baseline_id
LEFT JOIN main.orchestration_tax_summary AS tax ON tax.agentic_run_id = runs.run_id;
