# make run, make test: all that a newcomer needs. Both install into .venv first, with pinned versions.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Those that hold something: a sweep that was refused leaves multirun/DATE behind.
RUNS ?= $(foreach top,outputs multirun,$(if $(wildcard $(top)/*/*/*),$(top)))
SEED ?= 0
# Nothing is compiled below (that takes minutes on a slow machine): what is imported is compiled once and kept.
unexport PYTHONDONTWRITEBYTECODE
# uv, where it is on the path, installs the same files several times as fast; PIP_FIND_LINKS counts for it as for pip.
UV := $(shell command -v uv)
INSTALL := $(if $(UV),$(UV) pip install --quiet --python $(BIN)/python $(if $(PIP_FIND_LINKS),--find-links $(PIP_FIND_LINKS)),$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check)

.PHONY: help setup run test quicktest mutants bench report claims lint clean

help: ## Show what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## Install into .venv with the pinned versions of constraints.txt

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Python 3.11 or newer is needed; try make PYTHON=python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --constraint constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) torch
	$(INSTALL) --constraint constraints.txt --editable '.[dev]'
	@touch $(STAMP)

run: $(STAMP) ## Train the default job: a random GPT-2 with a pretrained number embedding
	$(BIN)/python train.py

test: $(STAMP) ## Run the whole test suite on two cores: who is done takes tests from the other
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

# Maths, data, readings, figures and verdicts: the files that no training is needed for, less what takes seconds.
QUICK := $(addprefix tests/test_,$(addsuffix .py,ablation answer_phase arm basis claims_command contrasts \
	controls direct_path extremes few_waves figures figures_command filtering filters golden hooks input_waves \
	intervals measured measures measures_of_tables metrics mutants number_rows one_row optim reading_waves \
	readings selection spectrum split tasks thresholds tokens verdict))

quicktest: $(STAMP) ## The part of the suite that answers within a minute
	$(BIN)/python -m pytest -q -m "not trains" $(QUICK)

mutants: $(STAMP) ## Change the code line by line: how many changes do the tests notice? Hours; SAMPLE=400: less than one
	rm -rf mutants
	OMP_NUM_THREADS=1 $(BIN)/python -m scripts.mutants $(if $(SAMPLE),--sample $(SAMPLE) --seed $(SEED)) $(MUTANTS)

bench: $(STAMP) ## What training, instruments, start-up and report cost, beside what others run; a table and bench.json
	$(BIN)/python -m scripts.bench $(BENCH)

report: $(STAMP) ## One HTML file about the runs in RUNS (default: outputs/ and multirun/)
	$(BIN)/fourier-lightning report $(RUNS) --output report.html

claims: $(STAMP) ## Which of the paper's claims hold in the runs in RUNS?
	$(BIN)/fourier-lightning claims $(RUNS)

lint: $(STAMP) ## ruff, mypy on the pure-maths floor, and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean: ## Remove the environment and caches (never outputs/ or multirun/)
	rm -rf $(VENV) mutants .pytest_cache .ruff_cache .mypy_cache .import_linter_cache
