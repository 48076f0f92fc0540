# make campaign   run the default campaign on this machine; CONFIG=config/water.yaml for another one
# make unlock     let a campaign that was killed run again
# make test       run the tests; with SLOW=yes also the slow ones
# make lint       check types, and the style of Python and Snakemake files
# make docs       build the documentation: docs/_build/html/index.html
# make rulegraph  draw the rules in docs/images/rulegraph.svg; needs Graphviz
# make results    write tables and figures of a finished campaign to docs/results; CONFIG as above
# make clean      remove the environment; results stay

PYTHON ?= python3
CONFIG ?= config/config.yaml
CORES ?= $(shell nproc 2>/dev/null || echo 2)

BIN := .venv/bin
# The Slurm tests, which are slow ones, mostly wait and leave time for two more processes. A process that crashes is
# not restarted, because pytest-xdist would then wait for ever.
PYTEST := $(BIN)/python -m pytest -q --numprocesses $(if $(SLOW),3,2) --dist loadfile --no-loadscope-reorder \
	--max-worker-restart 0
# Most of what is installed is never imported; envs/write_bytecode.py compiles what is.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES) --configfile $(CONFIG)

.PHONY: campaign unlock test lint lint-snakemake lint-types lint-snakefmt lint-ruff docs rulegraph results clean
.DEFAULT_GOAL := campaign

campaign: .venv/ready
	@$(BIN)/python -m dynrefine.config $(CONFIG)
	$(SNAKEMAKE) --logger dynrefine

unlock: .venv/ready
	$(SNAKEMAKE) --unlock

test: .venv/ready
	$(PYTEST) $(if $(SLOW),,-m "not slow")

lint: lint-snakemake lint-types lint-snakefmt lint-ruff

lint-snakemake: .venv/ready
	$(BIN)/snakemake --lint

lint-types: .venv/ready
	$(BIN)/ty check

lint-snakefmt: .venv/ready
	$(BIN)/snakefmt --check Snakefile workflow/rules

lint-ruff: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

docs: .venv/ready
	$(BIN)/python -m sphinx -b html -q --fresh-env --write-all --fail-on-warning --keep-going docs docs/_build/html

rulegraph: .venv/ready
	$(BIN)/snakemake --rulegraph | $(BIN)/python docs/rulegraph.py | dot -Tsvg -o docs/images/rulegraph.svg

results: .venv/ready
	$(BIN)/python docs/results.py $(CONFIG) docs/results

clean:
	rm -rf .venv

.venv/ready: envs/requirements.txt envs/write_bytecode.py pyproject.toml
	@echo "Setting up the environment in .venv"
	@$(PYTHON) -m venv .venv
	@$(INSTALL) -r envs/requirements.txt
	@$(INSTALL) --no-deps --editable .
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python envs/write_bytecode.py
	@touch $@
