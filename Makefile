# make run, make test: all that a newcomer needs. Both install into .venv first, with pinned versions.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
RUNS ?= $(wildcard outputs multirun)

.PHONY: help setup run test bench report claims lint clean

help: ## Show what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(STAMP) ## Install into .venv with the pinned versions of constraints.txt

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Python 3.11 or newer is needed; try make PYTHON=python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(STAMP)

run: $(STAMP) ## Train the default job: a random GPT-2 with a pretrained number embedding
	$(BIN)/python train.py

test: $(STAMP) ## Run the whole test suite
	$(BIN)/python -m pytest

bench: $(STAMP) ## Measure training speed, memory, start-up and the instruments' cost; writes bench*.json
	$(BIN)/python -m scripts.bench
	$(BIN)/python -m scripts.bench_instruments

report: $(STAMP) ## One HTML file about the runs in RUNS (default: outputs/ and multirun/)
	$(BIN)/fourier-lightning report $(RUNS) --output report.html

claims: $(STAMP) ## Which of the paper's claims hold in the runs in RUNS?
	$(BIN)/fourier-lightning claims $(RUNS)

lint: $(STAMP) ## ruff, and mypy on the pure-maths floor
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean: ## Remove the environment and caches (never outputs/ or multirun/)
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache
