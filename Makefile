# One place for every command; CONTRIBUTING.md says when to use which.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo demo-weights docs test suite test-slow lint format golden fuzz audit clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt "$$(grep '^torch==' constraints.txt)"
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(STAMP)

demo: setup
	$(BIN)/python -m pid_lvlm.data.demo --out out/demo

demo-weights: setup
	$(BIN)/python -m pid_lvlm.extract.training --out data/demo

# Uses no network; a wrong link fails.
docs: setup
	$(BIN)/python docs/site/build.py out/site

# Readers of source files do not follow `pid_lvlm/__init__.py` to the folders beside it: they get a tree of links.
lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	mkdir -p .lint/pid_lvlm
	ln -sfn $(CURDIR)/data $(CURDIR)/extract $(CURDIR)/analysis $(CURDIR)/pid_lvlm/*.py .lint/pid_lvlm/
	ln -sfn $(CURDIR)/pid_jax .lint/
	cd .lint && $(CURDIR)/$(BIN)/mypy --config-file ../pyproject.toml
	cd .lint && $(CURDIR)/$(BIN)/lint-imports --no-logo ../pyproject.toml

# Side by side: mypy has one thread, and the suite waits for nothing that it says.
test: setup
	$(MAKE) --no-print-directory -j 2 lint suite

suite: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: setup
	$(BIN)/python -m pytest -m slow -rs -n 2 --dist loadfile --no-loadscope-reorder

golden: setup
	$(BIN)/python -m tests.golden tests/golden/*.npz

# Ten minutes for each parser that reads files or options; FUZZ="manifest npz --minutes 1" for some of them.
FUZZ ?= all
fuzz: setup
	$(BIN)/python -m tests.hostile.fuzz $(FUZZ)

# Asks the advisory database on the network; not part of any test.
audit:
	test -x .audit/bin/pip-audit || { $(PYTHON) -m venv .audit && .audit/bin/pip install --quiet --disable-pip-version-check pip-audit; } \
	  || { echo "make audit: pip-audit cannot be installed; it needs a network" >&2; exit 2; }
	sed '/^#/d' constraints.txt > .audit/requirements.txt
	.audit/bin/pip-audit --requirement .audit/requirements.txt --no-deps --disable-pip --progress-spinner off \
	  || { echo "make audit: an advisory matches (above), or the advisory database cannot be reached" >&2; exit 1; }

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .lint .audit out
