# The two commands are `make demo` and `make test`; each makes the environment by itself.
# PYTHON=… chooses the interpreter, VENV=… another folder than .venv.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test environments check format clean

help:
	@echo "make demo    make the environment, run the whole job on the embedded digits"
	@echo "make test    make the environment, run the tests"
	@echo "make environments  prove each kit in an environment of its own (network, minutes)"
	@echo "make check   lint, types and the layer contract"
	@echo "make format  format the code"
	@echo "make clean   remove the environment and caches (runs/ stays)"

install: $(INSTALLED)

$(INSTALLED): pyproject.toml
	@test -n "$(PYTHON)" || { echo "edgecls needs Python 3.11 or newer: install it, or say make PYTHON=/path/to/python3" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "python's venv is missing: on Debian, apt-get install python3-venv" >&2; exit 1; }
	@echo "installing into $(VENV): about 5.5 GB with PyTorch's CUDA parts, some minutes"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[all,dev]'
	@touch $@

demo: $(INSTALLED)
	@$(BIN)/edgecls run

test: $(INSTALLED)
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

environments: $(INSTALLED)
	@EDGECLS_ENVIRONMENTS=1 $(BIN)/python -m pytest tests/export/test_environments.py

check: $(INSTALLED)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: $(INSTALLED)
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
