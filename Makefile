# The two commands: `make demo` and `make test`. Each makes .venv, installs what it needs there and does its job.
# Nothing need be there before but Python 3.11 or newer, a C and a C++ compiler, and make.
#
#   make demo        a small experiment; its last line names the picture it drew
#   make test        the suite, without what takes minutes
#   make test-long   what takes minutes
#   make lint        formatting, lint and types
#   make wheel-test  build the wheel, install it elsewhere, compile and run a function from it
#   make clean       remove .venv and everything that was built
#
#   make test PYTHON=python3.12 WORKERS=4 TESTS="tests/graph -k verify"

PYTHON ?= python3
WORKERS ?= $(shell workers=$$(nproc 2>/dev/null || echo 2); \
	if [ $$workers -lt 2 ]; then workers=2; elif [ $$workers -gt 8 ]; then workers=8; fi; echo $$workers)
TESTS ?=

VENV := .venv
RUN := $(VENV)/bin/python
# Workers that are done take over tests of others: given out by file, the longest file alone would be the end of a run.
PYTEST := $(RUN) -m pytest -n $(WORKERS) --dist worksteal

.PHONY: demo test test-long lint wheel-test clean
.DELETE_ON_ERROR:

demo: $(VENV)/installed-demo
	@$(RUN) experiments/log_softmax.py --small

test: $(VENV)/installed-dev
	@$(PYTEST) -m "not long" $(TESTS)

test-long: $(VENV)/installed-dev
	@$(PYTEST) -m long --hypothesis-profile=graphopt-long $(TESTS)

lint: $(VENV)/installed-dev
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@.ci/typecheck $(RUN)

wheel-test: $(VENV)/installed-dev
	@.ci/wheel-test $(RUN)

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp a set of extras; both live in the one environment. A changed pyproject.toml installs anew.
$(VENV)/installed-demo: pyproject.toml Makefile
	@.ci/require $(PYTHON) python c
	@.ci/install $(PYTHON) $(VENV) "report"
	@touch $@

$(VENV)/installed-dev: pyproject.toml Makefile
	@.ci/require $(PYTHON) python c c++-for-emulation
	@.ci/install $(PYTHON) $(VENV) "dev"
	@touch $@
