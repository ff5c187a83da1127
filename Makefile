# Everything a person or a machine does with this repository. Needs Python 3.11 or newer, nothing else installed by hand.

PYTHON ?= python3
PORT ?= 8000
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
UV := UV_PROJECT_ENVIRONMENT=$(VENV) $(BIN)/uv
# Two workers: the suite is meant for two cores. On PostgreSQL three, as they wait for it.
PYTEST := $(BIN)/pytest -q -n 2 --dist loadfile
CONTRACTS := PYTHONPATH=packages/server/testkit $(BIN)/python -m ensign_testkit.contracts
SOURCES := $(wildcard packages/*/pyproject.toml) pyproject.toml uv.lock

.DEFAULT_GOAL := help
.PHONY: help setup develop run test test-all bench lint assets system-packages

help:
	@echo 'make run              serve on http://localhost:$(PORT) (PORT=8001 for another port)'
	@echo 'make test             the whole suite on SQLite, then control and delivery again on PostgreSQL'
	@echo 'make test-all         the same with the slow tests; writes docs/reference/clients.md (Java, Go, Rust, Ruby)'
	@echo 'make lint             ruff, mypy, import contracts'
	@echo 'make bench            measurements, against peers in the same run'
	@echo 'make assets           rebuild the vendored files (Node; nobody needs it to run Ensign)'
	@echo 'make system-packages  PostgreSQL, Chromium, Node, NATS and SimpleSAMLphp from Debian, where missing (for tests)'

$(BIN)/uv:
	@PYTHON='$(PYTHON)' UV_VERSION='$(UV_VERSION)' VENV='$(VENV)' scripts/bootstrap

$(VENV)/.serves: $(BIN)/uv $(SOURCES)
	@$(UV) sync --frozen --inexact --no-default-groups --quiet
	@touch $@

$(VENV)/.develops: $(BIN)/uv $(SOURCES)
	@$(UV) sync --frozen --inexact --all-groups --all-extras --quiet
	@touch $@

setup: $(VENV)/.serves

develop: $(VENV)/.develops

run: setup
	@$(BIN)/ensign serve --port $(PORT)

test: develop system-packages
	$(PYTEST) -m 'not slow'
	$(PYTEST) -n 3 -m 'not slow and not browser and not interface' --db postgres packages/server/tests

# What the clients were tried with is forgotten first and written down last: the page says what this run did.
test-all: develop
	@scripts/system-packages --all
	@$(CONTRACTS) forget
	$(PYTEST)
	$(PYTEST) -m 'not browser' --db postgres packages/server/tests
	@$(CONTRACTS)

bench: develop system-packages
	$(BIN)/python -m bench.peers.install
	$(BIN)/python -m bench

lint: develop
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

assets:
	packages/server/assets/build.sh

system-packages:
	@scripts/system-packages
