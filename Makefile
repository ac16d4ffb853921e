# Everything a newcomer or CI needs. `make help` lists the targets.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet --no-input
# Most tests wait for timers and peers most of their time: two workers a core keep it busy.
JOBS   ?= $(shell echo $$(( 2 * $$(nproc) )))

# Compiled once, or every test process would compile all of it again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := all
.PHONY: all help demo setup fix check fast test bench simulate fuzz lock proto schema clean

all: check fast  ## check + the fast tests

help:  ## list the targets
	@grep -hE '^[a-z]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

$(VENV)/.base:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "podwire needs Python 3.11 or later; set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "this Python has no venv module; on Debian or Ubuntu: apt install python3-venv"; exit 1; }
	@echo "setting up $(VENV) …"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.base requirements.lock pyproject.toml
	@echo "installing locked dependencies …"
	@$(PIP) install --require-hashes --no-deps -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q src
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@echo "installing locked test and lint tools …"
	@$(PIP) install --require-hashes --no-deps -r requirements-dev.lock
	@touch $@

setup: $(VENV)/.runtime  ## create .venv with the locked dependencies

demo: $(VENV)/.runtime  ## start a cluster, serve traffic, kill a node, watch it recover
	@$(BIN)/podwire demo

fix: $(VENV)/.dev  ## rewrite what tools can rewrite
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

check: $(VENV)/.dev  ## look, change nothing: format, lint, types, layers, tidy
	@$(BIN)/ruff format --check --quiet . || { echo "run: make fix"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy & typed=$$!; \
	  { $(BIN)/lint-imports --no-logo >$(VENV)/lint-imports.log || { cat $(VENV)/lint-imports.log; false; }; } && \
	  $(BIN)/pytest -q tests/tidy; rest=$$?; \
	  wait $$typed && exit $$rest

fast: $(VENV)/.dev  ## the tests that start no cluster
	@$(BIN)/pytest -q -n $(JOBS) --dist worksteal -m "not cluster" tests

test: check  ## everything: what CI runs
	@$(BIN)/pytest -q -n $(JOBS) --dist loadgroup tests

bench: $(VENV)/.dev  ## measure, and rewrite docs/benchmarks.md
	@$(BIN)/python -m benchmarks

simulate: $(VENV)/.dev  ## run seeds of a network in virtual time (SEEDS=100 of each scenario)
	@$(BIN)/python -m simulator run --seeds $(or $(SEEDS),100)

fuzz: $(VENV)/.dev  ## let a coverage-guided fuzzer at every parser (SECONDS=10 each)
	@$(BIN)/python tests/fuzz/run.py --seconds $(or $(SECONDS),10)

lock:  ## resolve the dependencies anew (needs uv)
	@UV_PYTHON_DOWNLOADS=never uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-header --upgrade --extra dev pyproject.toml -o requirements-dev.lock
	@UV_PYTHON_DOWNLOADS=never uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-header --extra build --extra etcd -c requirements-dev.lock pyproject.toml -o requirements.lock

proto: $(VENV)/.dev  ## generate the messages of the etcd client anew
	@$(BIN)/python -m grpc_tools.protoc -I src --python_out=src --pyi_out=src \
	  src/controlplane/storage/etcd/rpc.proto

clean:  ## remove .venv and caches (not your clusters)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
