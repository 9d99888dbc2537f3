# Needs Python 3.11 or newer and make; everything else is installed into .venv here.
PYTHON ?= python3
DUCKDB15 := 1.5.5
LOCKED_DUCKDB := $(shell sed -n 's/^duckdb==//p' requirements.lock)
COMMA := ,
export ALEMS_WAREHOUSE ?= $(CURDIR)/warehouse
# Dagster asks for an absolute home; the instance lives in the warehouse that it works on.
export DAGSTER_HOME = $(ALEMS_WAREHOUSE)/.dagster

LOCK := $(shell sha256sum requirements.lock pyproject.toml | sha256sum | cut -c1-16)
RUN_STAMP := .venv/.pipeline-$(LOCK)
TEST_STAMP := .venv/.test-$(LOCK)
TEST15_STAMP := .venv-duckdb15/.test-$(LOCK)
# A file of tests stays on one worker, for its tests share what was built for them; the long files come first.
IN_PARALLEL := -n auto --dist loadfile --no-loadscope-reorder
PIP_QUIET := --quiet --disable-pip-version-check

.PHONY: run dev test test-duckdb15 lint soak bench docs clean

run: $(RUN_STAMP)  ## measure a short session here, build, publish, print the tax by task
	.venv/bin/alems demo

dev: $(RUN_STAMP)  ## the Dagster UI on http://127.0.0.1:3000, with daemon, sensor and schedules
	mkdir -p $(DAGSTER_HOME) && cp dagster.yaml $(DAGSTER_HOME)/
	.venv/bin/dagster dev --host 127.0.0.1 --workspace workspace.yaml

test: lint  ## lint, types, tests
	.venv/bin/pytest $(IN_PARALLEL)

lint: $(TEST_STAMP)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

test-duckdb15: $(TEST15_STAMP)  ## the tests on DuckDB $(DUCKDB15)
	.venv-duckdb15/bin/pytest $(IN_PARALLEL)

soak: $(TEST_STAMP)  ## the long versions of the tests that kill and disturb the pipeline
	.venv/bin/pytest -m soak

bench: $(TEST_STAMP)  ## speed and memory, as ratios measured in one run
	.venv/bin/python -m tests.benchmarks

docs: $(TEST_STAMP)  ## write docs/data_dictionary.md anew from the contract and sql/
	.venv/bin/python -m alems_pipeline.dictionary > docs/data_dictionary.md

clean:
	rm -rf .venv .venv-duckdb15

# The stamp is written last and named by the lock: an install that failed or is out of date is made again.
define install
	@echo "Installing into $(1): about two minutes, once."
	@rm -rf $(1)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: $$($(PYTHON) --version) is here; set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(1) \
		|| { rm -rf $(1); echo "No virtual environment could be made. On Debian: apt-get install python3-venv"; exit 1; }
	@sed 's/^duckdb==.*/duckdb==$(3)/' requirements.lock > $(1)/constraints.txt
	@$(1)/bin/pip install $(PIP_QUIET) -c $(1)/constraints.txt -e '.[$(2)]' \
		|| { rm -rf $(1); echo "The install failed; see the message above, then run make again."; exit 1; }
endef

$(RUN_STAMP):
	$(call install,.venv,pipeline,$(LOCKED_DUCKDB))
	@touch $@

$(TEST_STAMP): $(RUN_STAMP)
	@.venv/bin/pip install $(PIP_QUIET) -c requirements.lock -e '.[pipeline,test]' \
		|| { rm -rf .venv; echo "The install failed; see the message above, then run make again."; exit 1; }
	@touch $@

$(TEST15_STAMP):
	$(call install,.venv-duckdb15,pipeline$(COMMA)test,$(DUCKDB15))
	@touch $@
