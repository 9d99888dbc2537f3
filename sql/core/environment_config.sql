-- One software environment, by its newest record.
-- depends: stage.environment_config
CREATE OR REPLACE TABLE main.environment_config (
    env_id BIGINT PRIMARY KEY, -- stable id of all columns from env_hash to container_image
    env_hash VARCHAR, -- A-LEMS's own hash over python_version, git_commit, numpy_version, os_name; not unique
    python_version VARCHAR, -- Python version
    python_implementation VARCHAR, -- CPython, PyPy, …
    os_name VARCHAR, -- Linux, Darwin, …
    os_version VARCHAR, -- OS version
    kernel_version VARCHAR, -- kernel release
    llm_framework VARCHAR, -- LLM framework of the measured program
    framework_version VARCHAR, -- its version
    git_commit VARCHAR, -- commit of the measured program's working tree
    git_branch VARCHAR, -- its branch
    git_dirty BOOLEAN, -- uncommitted changes present
    numpy_version VARCHAR, -- NumPy version
    torch_version VARCHAR, -- PyTorch version
    transformers_version VARCHAR, -- transformers version
    container_runtime VARCHAR, -- docker, podman, …
    container_image VARCHAR, -- container image
    created_at TIMESTAMPTZ -- when the source first recorded it
);

INSERT INTO main.environment_config BY NAME
SELECT
    env_id,
    env_hash,
    python_version,
    python_implementation,
    os_name,
    os_version,
    kernel_version,
    llm_framework,
    framework_version,
    git_commit,
    git_branch,
    git_dirty,
    numpy_version,
    torch_version,
    transformers_version,
    container_runtime,
    container_image,
    created_at
FROM stage.environment_config
QUALIFY row_number() OVER (PARTITION BY env_id ORDER BY recorded_at DESC, landing_date DESC) = 1;
