# make run         set up once, start the app on 127.0.0.1 and print its address
# make test        everything that must be green: lint, types, import contract, unit, page and browser tests
# make test-slow   the tests that take minutes
# make lint        the first three of `make test`
# make clean       remove the environment and all caches; your data in FINESIFT_HOME stays
#
# Without make, and on Windows: see README.md; the scripts run everywhere.
# ARGS go to the script behind a target: make run ARGS="--home /tmp/trial", make test ARGS="-k attention"

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$p; break; }; done)
VENV := .venv/bin/python

.PHONY: run test test-slow lint clean python

run: python
	@"$(PYTHON)" scripts/setup.py
	@$(VENV) scripts/run.py $(ARGS)

test: python
	@"$(PYTHON)" scripts/setup.py --dev
	@$(VENV) -m scripts.check $(ARGS)

test-slow: python
	@"$(PYTHON)" scripts/setup.py --dev
	@$(VENV) -m scripts.check --slow $(ARGS)

lint: python
	@"$(PYTHON)" scripts/setup.py --dev
	@$(VENV) -m scripts.check --lint

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis test-results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

python:
	@test -n "$(PYTHON)" || { \
	echo "Finesift needs Python 3.11 or newer, and none was found. Install it, or name one: make run PYTHON=/path/to/python3" >&2; \
	exit 1; }
