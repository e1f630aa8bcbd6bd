# One door. `make demo` shows the main job, `make test` runs everything; both set up what they need.
# A machine needs Python 3.11 or later with its venv module, make and git; nothing else.

PYTHON ?= python3
UV_VERSION := 0.13.8
VENV := .venv
UV := .tools/bin/uv
TOOLS := .tools/contract
TYPED := packages/mt_paas/mt_paas packages/service_market/service_market services/sample_service/sample_service services/plain_service/plain_service docs/generate.py docs/generator

export UV_PYTHON_DOWNLOADS := never
export UV_PYTHON := $(PYTHON)

.DEFAULT_GOAL := help
.PHONY: help setup tools demo up test check format bench docs clean

help:  ## Show this list.
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

setup: $(VENV)/.synced  ## Install the locked dependencies into .venv.

tools: $(TOOLS)/.synced  ## Install the public tools of tests/contract into .tools: linter, generators, Node, Go, Java.

demo: setup  ## Run the main job from nothing and leave the market running; DEMO=once ends it and exits.
	@$(VENV)/bin/market demo $(if $(filter once,$(DEMO)),--once)

up: setup  ## Start the market: API, worker and embedded database.
	@$(VENV)/bin/market up

test: setup tools  ## Run every test.
	@$(VENV)/bin/pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

check: setup tools  ## Lint, types, import rules, lock file and generated docs.
	@$(UV) lock --check --quiet
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/ruff format --check --quiet .
	@$(VENV)/bin/mypy $(TYPED)
	@said=$$($(VENV)/bin/lint-imports --no-logo) || { echo "$$said" >&2; exit 1; }
	@$(VENV)/bin/python docs/generate.py --check
	@$(VENV)/bin/python tests/contract/tools.py lint docs/reference/standard-api.openapi.json
	@echo "check: all is well"

format: setup  ## Put the code in its form.
	@$(VENV)/bin/ruff check --fix --quiet .
	@$(VENV)/bin/ruff format --quiet .

bench: setup  ## Run the benchmarks, each beside its peer.
	@for each in bench/*.py; do echo "== $$each"; $(VENV)/bin/python $$each || exit 1; done

docs: setup  ## Write the generated reference pages.
	@$(VENV)/bin/python docs/generate.py

clean:  ## Remove what these targets made, the demo's data included.
	@rm -rf $(VENV) .tools .demo .mypy_cache .ruff_cache .import_linter_cache

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or later is needed; name one: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -m venv .tools \
	  || { echo "Python's venv module is needed (on Debian and Ubuntu: apt install python3-venv)" >&2; rm -rf .tools; exit 1; }
	@.tools/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) || { rm -rf .tools; exit 1; }

$(VENV)/.synced: $(UV) uv.lock pyproject.toml $(wildcard packages/*/pyproject.toml) $(wildcard services/*/pyproject.toml)
	@$(UV) sync --frozen --quiet --all-packages
	@touch $@

$(TOOLS)/.synced: $(UV) uv.lock $(wildcard tests/contract/node/package*.json)
	@UV_PROJECT_ENVIRONMENT=$(TOOLS) $(UV) sync --frozen --quiet --only-group contract
	@$(TOOLS)/bin/python tests/contract/tools.py install
	@touch $@
