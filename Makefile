# Every target sets up .venv from the lock file first; see .ci/set-up. Needs python3-venv and nothing else.
PYTHON ?= python3
SECONDS ?= 60
# More than the processors of a small machine: tests with real servers wait for a good part of their time.
WORKERS ?= 4
BIN := .venv/bin
RUFF := $(BIN)/ruff
PYTEST := $(BIN)/python -m pytest
SOURCES := src tests fuzz bench tools interop recipes
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help set-up demo test interop lint check bench bench-gate fuzz docs format

help:
	@echo "make demo      every protection and every attack once, on this machine (under a minute)"
	@echo "make test      all tests"
	@echo "make interop   against real Postfix, nsd and unbound (installs Debian packages, wants root)"
	@echo "make check     what a change must pass: format, lint, types, layers, rules, docs, tests"
	@echo "make lint      format, lint, types, layers"
	@echo "make docs      write the generated pages again"
	@echo "make bench     measure; make bench ONLY=name for one"
	@echo "make bench-gate  fails when a message costs 15 % more processor time than bench/gate.json says"
	@echo "make fuzz      every fuzz target for SECONDS=$(SECONDS); make fuzz ONLY=name for one"
	@echo "make format    put sources into the common format"

set-up:
	@sh .ci/set-up

demo: set-up
	@$(BIN)/danelaw demo

test: set-up
	$(PYTEST) -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder

interop: set-up
	@if [ -x interop/run ]; then interop/run; else echo "interop: there is no interop/run in this tree"; fi

format: set-up
	$(RUFF) check --fix-only --quiet $(wildcard $(SOURCES))
	$(RUFF) format --quiet $(wildcard $(SOURCES))

lint: set-up
	$(RUFF) format --check --output-format=concise $(wildcard $(SOURCES)) || { echo "next: make format"; exit 1; }
	$(RUFF) check --quiet $(wildcard $(SOURCES))
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

check: lint
	$(PYTEST) -q -p no:randomly tests/rules
	$(BIN)/python tools/generate_docs.py --check
	$(PYTEST) -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder --ignore=tests/rules

docs: set-up
	$(BIN)/python tools/generate_docs.py

bench: set-up
	@$(BIN)/python tools/run_each.py bench "$(ONLY)"

bench-gate: set-up
	@$(BIN)/python bench/gate.py

fuzz: set-up
	@$(BIN)/python tools/run_each.py fuzz "$(ONLY)" -max_total_time=$(SECONDS) -timeout=20 -rss_limit_mb=1024 -print_final_stats=1
