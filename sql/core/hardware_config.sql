-- One host's hardware, by its newest record.
-- depends: stage.hardware_config
-- unique: hardware_hash, hostname
CREATE OR REPLACE TABLE main.hardware_config (
    hw_id BIGINT PRIMARY KEY, -- stable id of hardware_hash and hostname
    hardware_hash VARCHAR NOT NULL, -- hardware class: two hosts of one model share it
    hostname VARCHAR NOT NULL, -- host name
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
    gpu_power_available BOOLEAN, -- GPU power readable
    ram_gb DOUBLE, -- installed memory, GiB
    kernel_version VARCHAR, -- kernel release
    microcode_version VARCHAR, -- CPU microcode
    rapl_domains VARCHAR, -- JSON list of the RAPL domains present
    rapl_has_dram BOOLEAN, -- RAPL measures DRAM
    rapl_has_uncore BOOLEAN, -- RAPL measures uncore
    system_manufacturer VARCHAR, -- DMI system vendor
    system_product VARCHAR, -- DMI product name
    system_type VARCHAR, -- laptop, desktop, server, vm, …
    virtualization_type VARCHAR, -- none, kvm, vmware, docker, …
    detected_at TIMESTAMPTZ, -- when the fingerprint was taken
    created_at TIMESTAMPTZ, -- when the source first recorded it
    UNIQUE (hardware_hash, hostname)
);

INSERT INTO main.hardware_config BY NAME
SELECT
    hw_id,
    hardware_hash,
    hostname,
    cpu_model,
    cpu_cores,
    cpu_threads,
    cpu_architecture,
    cpu_vendor,
    cpu_family,
    cpu_model_id,
    cpu_stepping,
    has_avx2,
    has_avx512,
    has_vmx,
    gpu_model,
    gpu_driver,
    gpu_count,
    gpu_power_available,
    ram_gb,
    kernel_version,
    microcode_version,
    rapl_domains,
    rapl_has_dram,
    rapl_has_uncore,
    system_manufacturer,
    system_product,
    system_type,
    virtualization_type,
    detected_at,
    created_at
FROM stage.hardware_config
QUALIFY row_number() OVER (PARTITION BY hw_id ORDER BY recorded_at DESC, landing_date DESC) = 1;
