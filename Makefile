# A fresh clone needs Python 3.11 or later and make. Everything else is installed into .venv once, and again only
# after pyproject.toml has changed.

PYTHON ?= python3
VENV ?= .venv

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
NEEDS_PYTHON := This needs Python 3.11 or later; choose one, as in: make demo PYTHON=python3.12

.DEFAULT_GOAL := help
.PHONY: help demo test slow check docs bench workflows nightly fuzz soak mutants requests wire clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1 - /p' Makefile

demo: $(VENV)/.package ## create an element on the built-in simulator; needs no account
	@$(BIN)/kling-mcp demo

test: check ## everything that CI checks: `make check`, then the tests with branch coverage
	$(BIN)/pytest -n auto --dist worksteal --cov

slow: $(VENV)/.checkers ## all tests without coverage, and then the ten that took longest
	$(BIN)/pytest -n auto --dist worksteal --quiet --durations=10

# Some containers forbid Python to keep what it compiled. Then every test that starts a program compiles all of it, and
# every worker all tests.
test slow nightly requests: export PYTHONDONTWRITEBYTECODE =

check: $(VENV)/.checkers workflows ## formatting, lint, types, import rules, declared dependencies and workflows
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	MYPYPATH=tests $(BIN)/mypy benchmarks
	$(BIN)/lint-imports
	$(BIN)/deptry kling_mcp

SCHEMA := $(BIN)/check-jsonschema --quiet --builtin-schema

workflows: $(VENV)/.checkers ## lint the workflows and forms for the host, and compare the versions; fetches nothing
	PATH="$(BIN):$$PATH" $(BIN)/actionlint .github/workflows/*.yml
	$(BIN)/zizmor --offline --no-progress --quiet --pedantic .github
	$(SCHEMA) vendor.github-workflows .github/workflows/*.yml
	$(SCHEMA) vendor.github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	$(SCHEMA) vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(SCHEMA) vendor.dependabot .github/dependabot.yml
	$(BIN)/python tools/check_release.py

docs: $(VENV)/.docs ## build the documentation in build/site, with warnings as errors, and check its links
	@rm -rf build/site
	$(BIN)/sphinx-build --builder html --fresh-env --write-all --nitpicky --fail-on-warning --quiet docs build/site
	@$(BIN)/python tools/check_site.py build/site

nightly: $(VENV)/.checkers ## the tests with many more random histories; takes long
	HYPOTHESIS_PROFILE=nightly $(BIN)/pytest -n auto

MINUTES ?= 10

INPUTS ?= 1000000

fuzz: $(VENV)/.checkers ## guided search with 1,000,000 inputs, then fuzz for 10 minutes (or INPUTS=0 MINUTES=60)
	-@$(PIP) --group fuzz >/dev/null 2>&1
	@PYTHONPATH=tests $(BIN)/python -m fuzz.search --inputs $(INPUTS)
	$(BIN)/python tests/fuzz/campaign.py $(MINUTES) -n auto

WISHES ?= 10000
FIRST ?= 1

soak: $(VENV)/.checkers ## 10,000 wishes in a storm of faults and kills: none twice, none lost; SEED=7 WISHES=500 repeats
	@PYTHONPATH=tests $(BIN)/python -m soak --wishes $(WISHES) --first $(FIRST) $(if $(SEED),--seed $(SEED)) $(SOAK)

bench: $(VENV)/.package ## compare with plain alternatives and other servers; only some: BENCH="start context"
	@$(BIN)/python benchmarks $(BENCH)

mutants: $(VENV)/.checkers ## change the core in small ways and list the changes that no test notices; MUTANTS="--most 60"
	@$(BIN)/python tools/mutants.py $(MUTANTS)

requests: $(VENV)/.checkers ## replay typical user requests; see tests/requests/README.md for running them with a model
	$(BIN)/pytest -n auto tests/requests

wire: $(VENV)/.package ## show what changed for users since the last release, and what the changelog lacks
	@$(BIN)/python tools/wire.py

clean: ## remove everything that these targets made
	rm -rf .venv benchmarks/.environments build dist .coverage .coverage.* htmlcov .pytest_cache .mypy_cache .ruff_cache \
		.hypothesis .fuzz .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --group came with pip 25.1; the pip that a new environment starts with may be older.
$(VENV)/.pip:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "$(NEEDS_PYTHON)")'
	@echo "Preparing $(VENV); this happens once."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.package: $(VENV)/.pip pyproject.toml
	@$(PIP) --editable .
	@touch $@

$(VENV)/.checkers: $(VENV)/.package
	@$(PIP) --group check
	@touch $@

$(VENV)/.docs: $(VENV)/.package
	@$(PIP) --group docs
	@touch $@
