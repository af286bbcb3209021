# Every command of the project; each makes the environment first when it is not there.
# Written for GNU make 3.81, which is what a Mac has.

# The newest Python that is here and new enough; `make PYTHON=… env` chooses another.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3.14 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
CORES ?= 4

.PHONY: help env demo test bench bench-fill proof defects soak lint audit coverage lock rulegraph checks pictures clean

help:
	@echo "make demo      fill a week from the simulated terminal, then look at it"
	@echo "make test      the whole test suite"
	@echo "make bench     what everything costs, in about two hours (DAYS=…, CHAINS=…, TINY_DATES=…, RUNS=…)"
	@echo "make bench-fill  a fill beside the network's floor and other scripts (DATES=20 SERVICE_MS=250,1000 takes three hours)"
	@echo "make proof     10,000 stops of a fill, 10,000 damaged bytes and 300 killed jobs, as tables (TRIALS=…, KILLS=…)"
	@echo "make defects   1,100 defects at the source and 500 clean days (DEFECTS=…, CLEAN=…)"
	@echo "make soak      1,000 histories of a hostile terminal (HISTORIES=…, SEED=…)"
	@echo "make lint      ruff, snakefmt, mypy, audit"
	@echo "make audit     known vulnerabilities of the pinned dependencies"
	@echo "make coverage  the tests with line coverage; below 90 % fails"
	@echo "make env       the environment alone, in $(VENV)"
	@echo "make lock      new pins from pyproject.toml, for pip and for conda"
	@echo "make rulegraph the picture of the rules in README.md"
	@echo "make checks    the tables of checks in docs/quality.md"
	@echo "make pictures  the pictures of the pages in README.md, in about four minutes"
	@echo "make clean     remove the environment, the demo's data and the benchmarks' bodies"

env: $(READY)

$(READY): envs/requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "spx-data needs Python 3.11 or newer: install one (python.org, Homebrew, your distribution), or name it: make PYTHON=/path/to/python3.12 env" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement envs/requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY)
	$(BIN)/python -m theta_simulator --size small -- \
		$(BIN)/snakemake --cores $(CORES) --configfile config/demo.yaml
	$(BIN)/spx-data --configfile config/demo.yaml status --offline
	$(BIN)/python docs/examples/query.py docs/examples/atm_straddle.sql data/demo/parquet
	@echo "The same as a page: data/demo/report/dashboard.html"

PYTEST ?= $(BIN)/pytest

test: $(READY)
	$(PYTEST) --numprocesses auto --maxprocesses 4 --dist loadfile

DAYS ?= 2500
RUNS ?= 5
CHAINS ?= 73
DATES ?= 1
SERVICE_MS ?= 0,250,1000
TINY_DATES ?= 100,1000
# Where the simulated terminal keeps its answers: 0.9 GB for the first date, 0.45 GB for each other one.
BODIES ?= data/bodies
BENCH := PYTHONPATH=scripts $(BIN)/python benchmarks
RECORD := --record benchmarks/RESULTS.md

bench: bench-fill
	$(BENCH)/commands.py --days $(DAYS) --runs $(RUNS) $(RECORD)
	$(BENCH)/judging.py --chains $(CHAINS) $(RECORD)
	$(BENCH)/steps.py --runs $(RUNS) --bodies $(BODIES) $(RECORD)
	$(BENCH)/memory.py --bodies $(BODIES) $(RECORD)
	$(BENCH)/slots.py --runs $(RUNS) --bodies $(BODIES) $(RECORD)
	$(BENCH)/staging_formats.py $(RECORD)
	$(BENCH)/encodings.py --rounds $(RUNS) $(RECORD)
	$(BENCH)/output.py --runs $(RUNS) $(RECORD)
	$(BENCH)/pages.py --days $(DAYS) --runs $(RUNS) --bodies $(BODIES) $(RECORD)
	$(BENCH)/jobs.py --dates $(TINY_DATES) $(RECORD)

bench-fill: $(READY)
	$(BENCH)/fill.py --dates $(DATES) --service-ms $(SERVICE_MS) --runs $(RUNS) --bodies $(BODIES) $(RECORD)

TRIALS ?= 10000
KILLS ?= 300
HISTORIES ?= 1000
SEED ?= 0

proof: $(READY)
	$(BIN)/python -m tests.proof stops --trials $(TRIALS) --seed $(SEED)
	$(BIN)/python -m tests.proof damage --trials $(TRIALS) --seed $(SEED)
	$(BIN)/python -m tests.proof jobs --trials $(KILLS) --seed $(SEED)

DEFECTS ?= 1100
CLEAN ?= 500

defects: $(READY)
	$(BIN)/python -m tests.proof seeded --trials $(DEFECTS) --seed $(SEED)
	$(BIN)/python -m tests.proof clean --trials $(CLEAN) --seed $(SEED)

soak: $(READY)
	$(BIN)/python -m tests.proof hostile --trials $(HISTORIES) --seed $(SEED)

lint: $(READY) audit
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/mypy

coverage: $(READY)
	$(BIN)/coverage erase
	$(MAKE) test PYTEST="$(BIN)/coverage run -m pytest"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

audit: $(READY)
	$(BIN)/python envs/audit.py

lock: $(READY)
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --all-extras \
		--upgrade --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet --output-file envs/requirements.lock
	$(BIN)/python envs/conda.py

rulegraph: $(READY)
	$(BIN)/python docs/rulegraph.py

checks: $(READY)
	$(BIN)/python docs/checks.py

pictures: $(READY)
	$(BIN)/python -m docs.pictures

clean:
	rm -rf $(VENV) data/demo data/bodies .coverage .coverage.*
