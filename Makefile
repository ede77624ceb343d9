# Everything a clone needs: `make` lists it. Only python3 (3.11 to 3.14) and make must be there already.
# Locked packages and the project itself are installed into .venv, which every other target makes first.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
LOCKED := $(VENV)/.locked
READY := $(VENV)/.ready
# The first of these that is Python 3.11 to 3.14 and can make a virtual environment; PYTHON=... chooses another.
PYTHONS := $(if $(PYTHON),$(PYTHON),python3 python3.13 python3.12 python3.11 python3.14)
USABLE := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
PIP := $(BIN)/python -m pip --disable-pip-version-check
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" pyproject.toml

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(READY) ## Make .venv with everything, so that .venv/bin/tally runs
	@echo "$(BIN)/tally is ready"

# Made anew whenever the lock changes or an earlier attempt did not finish: half an environment is never used.
$(LOCKED): requirements/all.txt
	@rm -f $(READY)
	@found=; for python in $(PYTHONS); do \
		if "$$python" -c "$(USABLE)" 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "No usable Python among: $(PYTHONS)." >&2; \
		echo "Install Python 3.11 to 3.14 with its venv module (Debian: python3 python3-venv)," >&2; \
		echo "or name one: make setup PYTHON=/path/to/python3.12" >&2; \
		exit 1; \
	fi; \
	echo "Setting up $(VENV) with $$("$$found" --version): several hundred MB of packages, once; one or two minutes."; \
	"$$found" -m venv --clear $(VENV)
	@$(PIP) install --quiet --require-hashes --requirement requirements/all.txt
	@touch $@

$(READY): $(LOCKED) pyproject.toml
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: check
check: $(READY) ## Format, lint, import rules and types; what fails fastest comes first
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

.PHONY: format
format: $(READY) ## Format the code and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: docs
docs: $(READY) ## Write the generated parts of docs/ anew
	$(BIN)/python -m pipeline.cli.reference docs

.PHONY: test
test: $(READY) ## Run all tests, real Kafka and ClickHouse engine included (ARGS="-k name" for some)
	@$(BIN)/python -m tests.everything $(ARGS)

.PHONY: soak
soak: $(READY) ## Run the properties with new seeds until one fails (MINUTES=30: so long; ARGS="-k name" for some)
	@$(BIN)/python -m tests.soak $(MINUTES) -- $(ARGS)

.PHONY: torture
torture: $(READY) ## Kill, stop, cut and fill everything under load, then compare all numbers (ROUNDS=10 SEED=7)
	@$(BIN)/python -m tests.torture $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: weakened
weakened: $(READY) ## Take each protection away in a copy: torture must notice (ARGS='--only "chain rule"')
	@$(BIN)/python -m tests.torture.weakened $(ARGS)

.PHONY: limits
limits: $(READY) ## Measure each process's memory under outages, a backlog and large messages (docs/limits.md)
	@$(BIN)/python -m tests.limits $(ARGS)

.PHONY: backtest
backtest: $(READY) ## Hold the forecast against synthetic histories (docs/forecast.md; ARGS="--histories 2000 --seed 7")
	@$(BIN)/python -m tests.backtest $(ARGS)

.PHONY: bench
bench: $(READY) ## Measure all of it against floors, aims and peers; writes docs/benchmarks.md (ARGS="--only core,sink")
	@$(BIN)/python -m tests.bench $(ARGS)

.PHONY: bench-quick
bench-quick: $(READY) ## Compare this code's speed with a stored baseline, in under two minutes (ARGS=--update-baseline)
	@$(BIN)/python -m tests.bench.quick $(ARGS)

.PHONY: bench-collect
bench-collect: $(READY) ## Measure the collector: events/s, p99 and CPU an event at 1 and 100 a request (docs/collect.md)
	@$(BIN)/python -m tests.bench.collect_bench --write docs/collect.md $(ARGS)

.PHONY: mutants
mutants: $(READY) ## Put deliberate faults into copies of the core: which test notices which (docs/mutants.md)
	$(BIN)/python -m tests.mutation $(ARGS)

.PHONY: demo
demo: $(READY) ## Show the whole pipeline on this machine, with a report at the end (ARGS=--kill, ARGS=--keep)
	@$(BIN)/tally demo $(ARGS)

.PHONY: up
up: $(READY) ## Start the local Kafka and ClickHouse engine; their data is kept in .tally
	@$(BIN)/tally up

.PHONY: down
down: $(READY) ## Stop the local Kafka and ClickHouse engine
	@$(BIN)/tally down

.PHONY: lock
lock: $(READY) ## Resolve pyproject.toml's dependencies into requirements/ (ARGS=--upgrade for newer ones)
	$(COMPILE) $(ARGS) --all-extras --output-file requirements/all.txt
	$(COMPILE) --constraints requirements/all.txt --output-file requirements/runtime.txt

.PHONY: clean
clean: ## Remove .venv and what tools left behind; .tally with its data stays
	@if [ -x $(BIN)/tally ]; then $(BIN)/tally down || true; fi
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.tally/*' -prune -exec rm -rf {} +
