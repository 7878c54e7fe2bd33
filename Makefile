# `make run` opens the wizard. `make test` checks everything. Both do all the set-up.
# A Linux machine without a GPU can have PyTorch's small CPU build:
#   make run TORCH_INDEX=https://download.pytorch.org/whl/cpu

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH_INDEX ?=
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
export OMP_NUM_THREADS ?= 2

.DEFAULT_GOAL := help
.PHONY: help run test check format browser bench bench-peers planted golden clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

$(VENV)/.installed: pyproject.toml
	@echo "Setting up $(VENV) (some minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch==2.13.0
	@$(PIP) -e .
	@touch $@

$(VENV)/.tested: $(VENV)/.installed
	@$(PIP) -e '.[dev]'
	@touch $@

browser: $(VENV)/.tested ## find or install a Chromium for the tests
	@$(BIN)/python tests/ui/browser.py

run: $(VENV)/.installed ## open the wizard in the browser
	@$(BIN)/wizard app

check: $(VENV)/.tested ## format, lint, types, layers, docs, fast tests (under two minutes)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --verbose | tail -n 4
	@$(BIN)/cog --check README.md requirements.txt
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m "not slow and not browser" --ignore=tests/slow -n auto --maxprocesses 2 --dist worksteal

test: check browser ## everything: the fast checks, the browser walk, the real runs
	@$(BIN)/python -m pytest -q -m "browser and not slow"
	@$(BIN)/python -m pytest -q -m "slow and alone" --durations=8
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m "slow and not alone" --durations=16 -n auto --maxprocesses 2 --dist loadfile

format: $(VENV)/.tested ## format the code and bring generated docs up to date
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(BIN)/cog -r README.md requirements.txt

bench: $(VENV)/.tested browser ## the figures we promise, measured (some minutes, alone on the machine)
	@$(BIN)/python tests/benchmarks/figures.py

bench-peers: $(VENV)/.tested ## other tools and ours on the same models and rows (an hour, 6 GB; goes on where it was stopped)
	@TORCH_INDEX=$(TORCH_INDEX) $(BIN)/python -m tests.benchmarks.peers

planted: $(VENV)/.tested ## put faults into real artifacts: is each caught and named, is no healthy one accused
	@$(BIN)/python -m tests.planted.bench

golden: $(VENV)/.tested ## write the golden plans anew after a change of rules (review the diff)
	@$(BIN)/python -m tests.golden.update

clean: ## remove what the tools made
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache tests/artifacts dist
