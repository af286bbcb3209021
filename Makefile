# Every command of the project; each makes the environment first when it is not there, or not whole.
# Written for GNU make 3.81, which is what a Mac has.

# `make PYTHON=/path/to/python3.12 env` chooses another Python than the one that `env` finds.
PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
LOCK := envs/requirements.lock
CORES ?= 4
# A user's own modules are none of ours; and modules are compiled once, not by each of three processes a date.
unexport PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE

.PHONY: help env demo test test-newcomer test-lowest test-newest test-later test-slurm test-container test-objects objects-env slurm-env bench bench-fill proof defects soak fuzz mutants mutants-env lint audit \
	coverage sbom lock nautilus nautilus-env wheel-test wheels-check mac-check release-check docs rulegraph checks pictures recordings clean clean-data

help:
	@echo "make demo      fill a week from the simulated terminal, then look at it"
	@echo "make test      the tests, in eleven minutes on two cores; those of test-newcomer are beside it"
	@echo "make test-newcomer  the installation, what the documentation has people type, and pages in a browser, in three minutes"
	@echo "make test-objects, objects-env  publishing to moto's and rclone's servers with faults between, both in an environment of their own"
	@echo "make bench     what everything costs, in about two hours (DAYS=…, CHAINS=…, TINY_DATES=…, RUNS=…)"
	@echo "make bench-fill  a fill beside the network's floor and other scripts, and tiny dates (DATES=20 SERVICE_MS=250,1000 takes three hours)"
	@echo "make proof     10,000 stops of a fill, 10,000 damaged bytes and 300 killed jobs, as tables (TRIALS=…, KILLS=…)"
	@echo "make defects   1,100 defects at the source and 500 clean days (DEFECTS=…, CLEAN=…)"
	@echo "make soak      1,000 histories of a hostile terminal (HISTORIES=…, SEED=…)"
	@echo "make fuzz      100,000 inputs that nobody should send, for every parser (FUZZ=…, SEED=…)"
	@echo "make mutants, mutants-env  whether tests notice 300 small changes to three rooms, in hours (MUTANTS=…, SEED=…); what draws them"
	@echo "make lint      ruff, snakefmt, mypy, the rooms (import-linter), audit; it says so where nothing could be audited"
	@echo "make audit     known vulnerabilities of the pinned dependencies; fails (Error 3) where nobody can tell"
	@echo "make sbom      what an installation consists of, as CycloneDX in dist/: releases, licences, hashes, what needs what"
	@echo "make test-lowest, test-newest  unit tests and a fill with the oldest releases that pyproject.toml allows, or the newest"
	@echo "make test-later  tests of dates and sessions with the clock a year and five years ahead (needs faketime)"
	@echo "make slurm-env the environment for a Slurm cluster, in .venv-slurm: all that fills and shows, and Snakemake's plugin"
	@echo "make test-slurm  fills on a Slurm of one node that the tests start (as root; Debian: slurmd, slurmctld)"
	@echo "make test-container  builds the image of the Containerfile and fills in it (as root; Debian: buildah, mmdebstrap)"
	@echo "make nautilus, nautilus-env  the tests of NautilusTrader's catalogues, in an environment of their own (Python 3.11 to 3.13)"
	@echo "make wheel-test  the wheel in a fresh environment: begins, fills, shows and reads a lake; what it pulls"
	@echo "make wheels-check  whether the lock installs on macOS arm64 and Linux, Python 3.11 to 3.14"
	@echo "make mac-check what a Mac has otherwise, imitated, and wheels-check"
	@echo "make release-check  version, changelog and tag agree"
	@echo "make coverage  the tests with line coverage; below 97 % fails"
	@echo "make env       the environment alone, in $(VENV); made anew when it was moved, half made or damaged"
	@echo "make lock      new pins from pyproject.toml, with their hashes"
	@echo "make docs      the documentation as a site in dist/site; a warning or a dead link fails"
	@echo "make rulegraph the picture of the rules in docs/how-it-works.md"
	@echo "make checks    the tables of checks in docs/quality.md"
	@echo "make pictures  the pictures of the pages in README.md, in about four minutes"
	@echo "make recordings  the recordings of the simulator in tests/recordings, anew"
	@echo "make clean     remove the environments and what tests left; data stay"
	@echo "make clean-data  remove the demo's data and the benchmarks' bodies"

WHOLE := $(BIN)/python -I -S envs/environment.py whole --venv $(VENV) --lock $(LOCK)
PYTHONS := python3.13 python3.12 python3.11 python3.14 python3
FIT := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))

# Whole already (a quarter of a second), or made by the newest Python here that is fit.
env:
	@$(WHOLE) >/dev/null 2>&1 && exit; \
	set -- $(PYTHONS); test -z "$(PYTHON)" || set -- "$(PYTHON)"; \
	for python; do \
		"$$python" -c "$(FIT)" 2>/dev/null && exec "$$python" -I envs/environment.py make --venv $(VENV) --lock $(LOCK); \
	done; \
	echo "make env: no Python 3.11 or newer with venv and pip among: $$*. Install one (python.org, Homebrew, apt-get install python3-venv), or name it: make PYTHON=/path/to/python3.12 env" >&2; exit 1

# The simulated terminal has another address each time: its locks are no user's.
demo: export SPX_DATA_SLOTS = $(CURDIR)/data/demo/slots
demo: env
	$(BIN)/python -m theta_simulator --size small -- \
		$(BIN)/snakemake --cores $(CORES) --configfile config/demo.yaml
	$(BIN)/spx-data --configfile config/demo.yaml status --offline
	$(BIN)/python docs/examples/query.py docs/examples/atm_straddle.sql data/demo/parquet
	@echo "The same as a page: data/demo/report/dashboard.html"

PYTEST ?= $(BIN)/pytest
# What people meet before they know anything: three minutes.
NEWCOMER := tests/docs tests/browser tests/install
EVERY := $(shell sed -n 's|^ *"\(tests/[a-z]*\)",$$|\1|p' pyproject.toml)
TESTS ?= $(filter-out $(NEWCOMER),$(EVERY))
# Three on two cores: tests wait for terminals that are slow on purpose, and for processes that end.
WORKERS := $(shell test "$$(getconf _NPROCESSORS_ONLN)" -lt 3 && echo 3 || echo 4)
# Lakes of tests lie in memory where there is 6 GB of it for files: each write of theirs would wait for a disk.
SCRATCH := $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 6000000 { print "TMPDIR=/dev/shm" }')

test: env
	$(SCRATCH) $(PYTEST) --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(TESTS)

test-newcomer: env
	$(MAKE) test TESTS="$(NEWCOMER)"

# What the ranges of pyproject.toml allow, in an environment of its own, by a resolver: the lock has no part in it.
# All extras but nautilus, which holds pandas back, and slurm, which Snakemake would load at each start.
EXTRAS := fill report sql alerts delta postgres publish simulator docs dev
LANE = LANE=$(1) && \
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-$$LANE && \
	$(BIN)/uv pip compile --quiet $(EXTRAS:%=--extra %) --resolution $(2) --upgrade --python $(BIN)/python --no-header --no-annotate \
		--output-file .venv-$$LANE/pins.txt pyproject.toml >/dev/null && \
	$(BIN)/uv pip install --quiet --python .venv-$$LANE --requirement .venv-$$LANE/pins.txt && \
	$(BIN)/uv pip install --quiet --python .venv-$$LANE --no-deps --no-build-isolation --editable . && \
	.venv-$$LANE/bin/pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(UNIT) "$(ONE_FILL)"
UNIT ?= tests/unit
ONE_FILL := tests/workflow/test_fill.py::test_every_session_is_sealed_as_the_market_has_it_and_a_second_run_does_nothing[v3]

test-lowest: env
	$(call LANE,lowest,lowest-direct)

test-newest: env
	$(call LANE,newest,highest)

# Those whose answers hang on the day. libfaketime moves the clock of a process, not that of its timers.
DATED ?= tests/unit/market/test_sessions.py tests/unit/market/test_dates.py tests/unit/ops/test_gaps.py \
	tests/unit/lake/test_session_states.py tests/unit/config/test_config.py tests/unit/lake/test_acceptance.py \
	tests/unit/fill/test_witnesses.py tests/unit/quality/test_hours.py tests/unit/sources/test_source.py \
	tests/unit/store/test_journal.py tests/unit/store/test_archive.py tests/unit/sources/test_retry.py \
	tests/unit/test_recipes.py tests/install/test_later.py

AHEAD ?= 1y 5y

# Its bug with `time.sleep`, in all that waits with a limit, is mended by tests/faketime.
AWAY := PYTHONPATH="$(CURDIR)/tests/faketime" FAKETIME_DONT_FAKE_MONOTONIC=1

test-later: env
	@command -v faketime >/dev/null || { echo "make test-later: faketime is not here (Debian: apt-get install faketime; a Mac: brew install libfaketime)" >&2; exit 1; }
	for ahead in $(AHEAD); do \
		$(AWAY) faketime -f "+$$ahead" $(PYTEST) --numprocesses 2 --dist loadfile $(DATED) || exit 1; \
	done

# Of the system's packages, and as root: servers are started, with a configuration in /etc/slurm for as long.
ON_SLURM ?= tests/slurm
SLURM := .venv-slurm
SLURM_LOCK := envs/slurm.lock
ON_CLUSTER := fill report sql alerts delta postgres publish slurm

slurm-env: env
	@$(SLURM)/bin/python -I -S envs/environment.py whole --venv $(SLURM) --lock $(SLURM_LOCK) >/dev/null 2>&1 || \
		$(BIN)/python -I envs/environment.py make --venv $(SLURM) --lock $(SLURM_LOCK)

test-slurm: slurm-env
	SPX_DATA_SLURM="$(CURDIR)/$(SLURM)" $(SCRATCH) $(PYTEST) --timeout 600 $(ON_SLURM)

# Likewise; a build downloads 200 MB and takes minutes.
test-container: env
	SPX_DATA_CONTAINER=1 $(PYTEST) --timeout 3600 tests/container

# Servers of object storage that are not ours, in an environment of their own: only their programs are called.
OBJECTS := .venv-objects
OBJECTS_LOCK := envs/objects.lock
ON_OBJECTS ?= tests/objects

objects-env: env
	@$(OBJECTS)/bin/python -I -S envs/environment.py whole --venv $(OBJECTS) --lock $(OBJECTS_LOCK) >/dev/null 2>&1 || \
		$(BIN)/python -I envs/environment.py make --venv $(OBJECTS) --lock $(OBJECTS_LOCK) --apart

test-objects: objects-env
	SPX_DATA_OBJECTS="$(CURDIR)/$(OBJECTS)" $(SCRATCH) $(PYTEST) --numprocesses 2 --dist loadfile $(ON_OBJECTS)

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

bench: bench-fill nautilus-env
	$(BENCH)/commands.py --days $(DAYS) --runs $(RUNS) $(RECORD)
	$(BENCH)/judging.py --chains $(CHAINS) $(RECORD)
	$(BENCH)/greeks.py --runs $(RUNS) $(RECORD)
	$(BENCH)/steps.py --runs $(RUNS) --bodies $(BODIES) $(RECORD)
	$(BENCH)/memory.py --bodies $(BODIES) $(RECORD)
	$(BENCH)/quotes.py --runs $(RUNS) --bodies $(BODIES) $(RECORD)
	$(BENCH)/as_terminal.py --runs $(RUNS) --bodies $(BODIES) $(RECORD)
	$(BENCH)/slots.py --runs $(RUNS) --bodies $(BODIES) $(RECORD)
	$(BENCH)/pacing.py --http 120 $(RECORD)
	$(BENCH)/calibration.py $(RECORD)
	$(BENCH)/staging_formats.py $(RECORD)
	$(BENCH)/encodings.py --rounds $(RUNS) $(RECORD)
	PYTHONPATH=scripts $(NAUTILUS)/bin/python benchmarks/exports.py --runs $(RUNS) $(RECORD)
	$(BENCH)/output.py --runs $(RUNS) $(RECORD)
	$(BENCH)/layouts.py --runs $(RUNS) $(RECORD)
	$(BENCH)/pages.py --days $(DAYS) --runs $(RUNS) --bodies $(BODIES) $(RECORD)
	PYTHONPATH=scripts:. $(BIN)/python benchmarks/team.py --dates $(DAYS) --runs $(RUNS) $(RECORD)

bench-fill: env
	$(BENCH)/fill.py --dates $(DATES) --service-ms $(SERVICE_MS) --runs $(RUNS) --bodies $(BODIES) $(RECORD)
	$(BENCH)/jobs.py --dates $(TINY_DATES) --bodies $(BODIES) $(RECORD)

TRIALS ?= 10000
KILLS ?= 300
HISTORIES ?= 1000
SEED ?= 0

proof: env
	$(BIN)/python -m tests.proof stops --trials $(TRIALS) --seed $(SEED)
	$(BIN)/python -m tests.proof damage --trials $(TRIALS) --seed $(SEED)
	$(BIN)/python -m tests.proof jobs --trials $(KILLS) --seed $(SEED)

DEFECTS ?= 1100
CLEAN ?= 500

defects: env
	$(BIN)/python -m tests.proof seeded --trials $(DEFECTS) --seed $(SEED)
	$(BIN)/python -m tests.proof clean --trials $(CLEAN) --seed $(SEED)

soak: env
	$(BIN)/python -m tests.proof hostile --trials $(HISTORIES) --seed $(SEED)

FUZZ ?= 100000

fuzz: env
	$(BIN)/python -m tests.fuzz --inputs $(FUZZ) --seed $(SEED)

# What draws the changes has an environment of its own. Which tests ran which line is measured once, in $(DRAWN).
MUTANTS ?= 300
DRAWN := data/mutants
DRAWING := .venv-mutants
DRAWING_LOCK := envs/mutants.lock
ROOMS := $(addprefix scripts/spx_data/,fill lake quality)
MIRRORS := $(patsubst %,tests/unit/%,fill lake quality) tests/rules/fill tests/rules/lake
JOBS ?= 2

mutants-env: env
	@$(DRAWING)/bin/python -I -S envs/environment.py whole --venv $(DRAWING) --lock $(DRAWING_LOCK) >/dev/null 2>&1 || \
		$(BIN)/python -I envs/environment.py make --venv $(DRAWING) --lock $(DRAWING_LOCK) --apart

mutants: mutants-env
	mkdir -p $(DRAWN)
	$(DRAWING)/bin/python tests/mutants/sample.py $(ROOMS) --number $(MUTANTS) --seed $(SEED) >$(DRAWN)/sample.jsonl
	COVERAGE_FILE=$(DRAWN)/lines $(SCRATCH) $(PYTEST) --numprocesses $(JOBS) --dist loadfile $(ROOMS:%=--cov=%) \
		--cov-config=tests/mutants/coveragerc --cov-context=test --cov-report= $(MIRRORS) --ignore tests/rules/fill/test_habits.py
	$(SCRATCH) nice -n 5 $(BIN)/python -m tests.mutants $(DRAWN)/sample.jsonl $(DRAWN)/lines --jobs $(JOBS)

# The same commands stand in .pre-commit-config.yaml; a test holds the two equal.
lint: env
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache
	@$(BIN)/python envs/audit.py --lenient

# Measured, a process takes half as long again, and more. What runs in these runs in the others as well.
MEASURED := deaths fill remote watch
UNMEASURED := $(filter-out $(MEASURED:%=tests/workflow/test_%.py),$(wildcard tests/workflow/test_*.py)) \
	$(NEWCOMER) tests/proof tests/fuzz tests/volumes tests/mac \
	tests/rules/fill/test_habits.py tests/rules/sources/test_profiles.py

coverage: env
	$(BIN)/coverage erase
	SPX_DATA_FORKS=none $(MAKE) test PYTEST="$(BIN)/coverage run -m pytest" \
		TESTS="$(filter-out $(UNMEASURED),$(EVERY)) $(patsubst %,--ignore=%,$(filter %.py,$(UNMEASURED)))"
	$(MAKE) test TESTS="$(UNMEASURED)"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

audit: env
	$(BIN)/python envs/audit.py

sbom: env
	$(BIN)/python envs/sbom.py

PINS := $(BIN)/uv pip compile --universal --python-version 3.11 --upgrade --generate-hashes --no-emit-index-url \
	--no-header --no-annotate --quiet

lock: env
	$(PINS) pyproject.toml $(EXTRAS:%=--extra %) --output-file $(LOCK)
	$(PINS) pyproject.toml envs/nautilus.in --extra nautilus --extra simulator --extra sql --output-file $(NAUTILUS_LOCK)
	$(PINS) pyproject.toml envs/slurm.in $(ON_CLUSTER:%=--extra %) --constraint $(LOCK) --output-file $(SLURM_LOCK)
	$(PINS) envs/objects.in --output-file $(OBJECTS_LOCK)
	$(PINS) envs/mutants.in --output-file $(DRAWING_LOCK)

NAUTILUS := .venv-nautilus
NAUTILUS_LOCK := envs/nautilus.lock

nautilus-env: env
	@$(NAUTILUS)/bin/python -I -S envs/environment.py whole --venv $(NAUTILUS) --lock $(NAUTILUS_LOCK) >/dev/null 2>&1 || \
		$(BIN)/python -I envs/environment.py make --venv $(NAUTILUS) --lock $(NAUTILUS_LOCK)

nautilus: nautilus-env
	$(NAUTILUS)/bin/pytest tests/nautilus

# The theme says at each build that it has a successor (docs/decisions/0050-documentation-as-a-site.md).
docs: env
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "make docs: open dist/site/index.html"

rulegraph: env
	$(BIN)/python docs/rulegraph.py

checks: env
	$(BIN)/python docs/checks.py

pictures: env
	$(BIN)/python -m docs.pictures

recordings: env
	$(BIN)/python -m tests.recordings

# From a registry, as a user installs it: some 400 MB, and some minutes.
wheel-test: env
	SPX_DATA_FRESH=1 $(PYTEST) --capture=no --timeout 3600 tests/install/test_wheel.py

wheels-check: env
	$(BIN)/python envs/wheels.py

mac-check: env wheels-check
	$(PYTEST) tests/mac

release-check: env
	$(BIN)/python .ci/release.py

clean:
	rm -rf $(VENV) $(NAUTILUS) $(SLURM) $(OBJECTS) $(DRAWING) .venv-lowest .venv-newest .coverage .coverage.* .pytest_cache .hypothesis .mypy_cache .ruff_cache

clean-data:
	rm -rf data/demo data/bodies
