# Each target does its own set-up: a virtual environment, and Debian packages when root.
VENV ?= .venv
BIN = $(VENV)/bin
PYTEST = $(BIN)/python -m pytest
# Processes that the tests are spread over: they mostly wait, so that there may be twice as many as
# cores. tests/support/scheduling.py says which tests run last and alone.
WORKERS ?= 4
SPREAD = --dist loadgroup --no-loadscope-reorder -n
SEEDS ?= 30

.PHONY: help demo test test-all unit engine seeds fuzz faults heavy bench lint format cloud clean setup

help:
	@echo "make demo    one stack, from a template to a server and back, on real services"
	@echo "make test    every test that CI runs: unit, engine, contract, Zaqar, end to end"
	@echo "make test-all  the same with make fuzz, make faults and make heavy, and one summary"
	@echo "make unit    the unit tests (a minute)"
	@echo "make engine  the resource classes in Heat's own engine, without services (two minutes)"
	@echo "make seeds   what draws at random, with $(SEEDS) seeds (SEEDS=n for others)"
	@echo "make fuzz    hostile input to every parser that faces the network, for long (20 minutes)"
	@echo "make faults  what is lost when things die: not part of make test (about 16 minutes)"
	@echo "make heavy   8 MiB of metadata, 60 deployments of one server, 300 servers: not part either"
	@echo "make bench   latencies, side by side with the released software (about 15 minutes)"
	@echo "make lint    ruff, mypy --strict, shellcheck"
	@echo "make format  let ruff format the code"
	@echo "make cloud   a local cloud to play with, until Ctrl-C"
	@echo "make clean   delete what the others made here"

setup:
	@tools/setup.sh $(VENV)

demo: setup
	@$(BIN)/python -m demo

test: setup
	@$(PYTEST) $(SPREAD) $(WORKERS)

test-all: setup
	@HEAT_ZAQAR_FUZZ=50 $(PYTEST) $(SPREAD) $(WORKERS) tests

unit: setup
	@$(PYTEST) $(SPREAD) 2 tests/unit

engine: setup
	@$(PYTEST) $(SPREAD) 2 tests/engine

seeds: setup
	@for seed in $$(seq $(SEEDS)); do \
		echo "seed $$seed"; \
		$(PYTEST) $(SPREAD) 2 -q -m hypothesis --hypothesis-seed=$$seed tests/unit || exit 1; \
	done

fuzz: setup
	@HEAT_ZAQAR_FUZZ=50 $(PYTEST) $(SPREAD) 2 tests/unit/fuzz

faults: setup
	@$(PYTEST) tests/faults

heavy: setup
	@$(PYTEST) tests/heavy -s

bench: setup
	@$(BIN)/python -m bench latency

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	tools/lint-shell.sh

format: setup
	$(BIN)/ruff format .

cloud: setup
	@$(BIN)/python -m localcloud up

clean:
	rm -rf $(VENV) .venv-compute .venv-compute.lock build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
