# Each target does its own set-up: a virtual environment, and Debian packages when root.
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: help demo test unit fuzz faults heavy bench lint format cloud clean setup

help:
	@echo "make demo    one stack, from a template to a server and back, on real services"
	@echo "make test    every test: unit, contract, end to end (about an hour)"
	@echo "make unit    the unit tests alone (four minutes)"
	@echo "make fuzz    hostile input to every parser that faces the network, for long (20 minutes)"
	@echo "make faults  what is lost when things die: not part of make test (about 16 minutes)"
	@echo "make heavy   8 MiB of metadata, 60 deployments of one server: not part of it either"
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
	@$(BIN)/python -m pytest

unit: setup
	@$(BIN)/python -m pytest tests/unit

fuzz: setup
	@HEAT_ZAQAR_FUZZ=50 $(BIN)/python -m pytest tests/unit/fuzz

faults: setup
	@$(BIN)/python -m pytest tests/faults

heavy: setup
	@$(BIN)/python -m pytest tests/heavy -s

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
