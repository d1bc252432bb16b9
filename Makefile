# make demo   installs into .venv and runs the main job on real data
# make test   installs what the tests need and runs them
# make check  lint and types        make lock  compiles requirements/*.in anew
# make test-backends  runs the tests of the networks under TensorFlow and under JAX

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell requirements/find-python)
LOCK = requirements/py$(shell $(BIN)/python -c 'import sys; print("%d%d" % sys.version_info[:2])').txt

VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
# Byte code is written once, here: every process that imports TensorFlow starts twice as fast for it.
INSTALL = env -u PYTHONDONTWRITEBYTECODE $(BIN)/uv pip install --quiet --no-deps --compile-bytecode --python $(BIN)/python

.PHONY: help python install install-dev demo test test-slow test-backends check lint types format lock clean

help:
	@sed -n 's/^# //p' Makefile | head -n 4

python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "Convoy needs Python 3.11 with venv (from glibc 2.39 on, 3.12 and 3.13 do too); found: $$(python3 --version 2>&1)."; \
		echo "Install it (Debian: apt-get install python3.11-venv; elsewhere: pyenv install 3.11) or name it: make demo PYTHON=python3.11"; \
		exit 2; fi

$(BIN)/uv: | python
	@echo "Convoy: making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(VENV)/.runtime: $(BIN)/uv requirements/py311.txt requirements/py312.txt requirements/py313.txt setup.py
	@echo "Convoy: installing the locked packages (once, about 3.5 GB; a minute or two)"
	@$(INSTALL) -r $(LOCK)
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt
	@$(INSTALL) -r requirements/dev.txt
	@touch $@

$(VENV)/.jax: $(VENV)/.dev requirements/jax.txt
	@$(INSTALL) -r requirements/jax.txt
	@touch $@

install: $(VENV)/.runtime

install-dev: $(VENV)/.dev

demo: install
	@$(BIN)/python -m pipeline.demo

# File by file, since a file's tests share what its fixtures made; in the order of tests/conftest.py.
test: install-dev
	@$(BIN)/python -m pytest --numprocesses=logical --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

test-slow: install-dev
	@$(BIN)/python -m pytest -m slow

test-backends: $(VENV)/.jax
	@for backend in tensorflow jax; do echo "Convoy: the networks under $$backend"; KERAS_BACKEND=$$backend $(BIN)/python -m pytest tests/models; done

check: lint types

lint: install-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: install-dev
	@$(BIN)/mypy

format: install-dev
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

COMPILE = $(BIN)/uv pip compile --quiet --upgrade --no-header --no-annotate
lock: $(BIN)/uv
	@$(COMPILE) requirements/runtime.in --override requirements/overrides.txt --python-version 3.11 --python-platform x86_64-manylinux_2_28 -o requirements/py311.txt
	@for minor in 12 13; do $(COMPILE) requirements/runtime.in --python-version 3.$$minor --python-platform x86_64-manylinux_2_39 -o requirements/py3$$minor.txt; done
	@for extra in dev jax postgresql; do $(COMPILE) requirements/$$extra.in -c requirements/py311.txt --python-version 3.11 --python-platform x86_64-manylinux_2_28 -o requirements/$$extra.txt; done

clean:
	rm -rf $(VENV) workspace build dist *.egg-info
