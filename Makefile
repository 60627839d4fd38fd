# The verbs of this project. Every target installs what it needs first; `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

CACHE := $(or $(MACPOOL_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/kubemacpool)
# By content and not by time: checkouts share it, and one that is newer must not take it away under the others' feet.
UV_HOME := $(CACHE)/uv-$(shell cksum < requirements/uv.txt | cut -d ' ' -f 1)
UV := $(UV_HOME)/bin/uv
PYTHON3 ?= python3
PY := .venv/bin/python
DEVCLUSTER := PYTHONPATH=cluster $(PY) -m devcluster
INSTALLED := .venv/.installed

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# -- installing ---------------------------------------------------------------------------------------------------

$(UV):
	@echo "installing uv into $(UV_HOME)"
	@$(PYTHON3) -c 'import sys; sys.exit("Python 3.11 or later is needed, this is %d.%d" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@mkdir -p $(UV_HOME)
	@flock $(UV_HOME)/.lock sh -ec 'test -x $(UV) || { $(PYTHON3) -m venv $(UV_HOME); \
		$(UV_HOME)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt; }'

$(INSTALLED): $(UV) requirements/dev.txt pyproject.toml
	@echo "installing the locked dependencies into .venv"
	@$(UV) venv --quiet --allow-existing --python $(PYTHON3) .venv
	@$(UV) pip sync --quiet --python $(PY) --require-hashes requirements/dev.txt
	@$(UV) pip install --quiet --python $(PY) --no-deps --no-build-isolation --editable .
	@touch $@

DOCS := _out/docs/venv
DOCS_INSTALLED := $(DOCS)/.installed

$(DOCS_INSTALLED): $(UV) requirements/docs.txt
	@echo "installing the generator of the documentation site into $(DOCS)"
	@$(UV) venv --quiet --allow-existing --python $(PYTHON3) $(DOCS)
	@$(UV) pip sync --quiet --python $(DOCS)/bin/python --require-hashes requirements/docs.txt
	@touch $@

.PHONY: install
install: $(INSTALLED) ## Install uv and the locked dependencies into .venv

COMPILE = $(UV) pip compile --quiet --universal --upgrade --generate-hashes --no-emit-index-url --python-version 3.11

.PHONY: lock
lock: $(UV) ## Resolve the dependencies anew and write the lock files
	$(COMPILE) pyproject.toml --extra manager -o requirements/runtime.txt
	$(COMPILE) pyproject.toml -o requirements/cli.txt
	$(COMPILE) pyproject.toml --extra manager --group dev -o requirements/dev.txt
	for name in build docs go mutation servers uv; do $(COMPILE) requirements/$$name.in -o requirements/$$name.txt || exit; done

# -- the development cluster --------------------------------------------------------------------------------------

.PHONY: cluster-up cluster-sync cluster-down
cluster-up: $(INSTALLED) ## Start the development cluster (MACPOOL_PROVIDER, MACPOOL_NUM_NODES, KUBERNETES_VERSION)
	@$(DEVCLUSTER) up

cluster-sync: $(INSTALLED) ## Install KubeMacPool in the development cluster, or upgrade it
	@$(DEVCLUSTER) sync

cluster-down: $(INSTALLED) ## Stop the development cluster and forget its state
	@$(DEVCLUSTER) down

.PHONY: demo
demo: $(INSTALLED) ## Show the main job on a real control plane
	@PYTHONPATH=cluster $(PY) -m demo

# -- what is released -----------------------------------------------------------------------------------------------

IMAGE = $(PY) -m image --uv $(UV) --cache $(CACHE)/image
OUT ?= _out/image

.PHONY: plugin
plugin: $(INSTALLED) ## Build the command line as a wheel, as a single file and for krew, in _out/plugin
	@$(PY) -m plugin --uv $(UV)

.PHONY: image image-lock
image: $(INSTALLED) ## Build the image for amd64 and arm64 as an OCI archive in _out/image (PLATFORM=linux/amd64, OUT=directory, ROOT=directory for its files)
	@$(IMAGE) $(PLATFORM:%=--platform %) $(ROOT:%=--root %) --out $(OUT) build

image-lock: $(INSTALLED) ## Lock the newest versions of the Debian packages in the image
	@$(IMAGE) lock

# -- checking -----------------------------------------------------------------------------------------------------

.PHONY: manifests
manifests: $(INSTALLED) ## Make the release manifests, and what is generated in the Helm chart, from the kustomize bases in config
	@$(PY) -m manifests

.PHONY: references
references: $(INSTALLED) ## Make the pages in docs/reference from the code
	@$(PY) -m references

.PHONY: format
format: $(INSTALLED) ## Format the code and mend what can be mended
	@.venv/bin/ruff check --fix --quiet || true
	@.venv/bin/ruff format

.PHONY: check lint unit
check: $(INSTALLED) ## Everything that takes less than a minute: lint, format, types, layers, unit tests
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint unit

lint: $(INSTALLED)
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@git ls-files -z '*.sh' | xargs -0 -r .venv/bin/shellcheck
	@.venv/bin/zizmor --offline --quiet --no-progress .github

unit: $(INSTALLED)
	@$(PY) -m pytest tests/unit -q --numprocesses=auto --durations=0 --durations-min=1 --cov=kubemacpool.core --cov=kubemacpool.wire --cov-branch --cov-fail-under=100

# More than cores: a test waits more than it computes.
WORKERS ?= $(shell expr 3 \* $$(nproc) / 2)

.PHONY: test
test: check $(DOCS_INSTALLED) ## All tests on a real control plane, but those that `make nightly` runs (WORKERS=3)
	@$(DEVCLUSTER) build
	@$(PY) -m pytest tests --ignore=tests/unit -m "not nightly" --numprocesses=$(WORKERS)
	@echo 'Left for `make nightly`: a minute of chaos, real nodes that break, a run of every benchmark, and a sample of small mistakes.'

.PHONY: bench
bench: $(INSTALLED) ## Measure the webhook and the control plane with and without it (BENCH="--only webhook"; BENCH=--help)
	@$(PY) bench/run.py $(BENCH)

.PHONY: bench-docs
bench-docs: $(INSTALLED) ## Make docs/benchmarks.md from docs/benchmarks.json and its template
	@PYTHONPATH=cluster $(PY) -m bench.page

.PHONY: chaos
chaos: $(INSTALLED) ## Inflict faults on a real control plane while pods are created (CHAOS="--seconds 60 --seed 1")
	@PYTHONPATH=cluster $(PY) -m chaos $(CHAOS)

.PHONY: soak
soak: $(INSTALLED) ## An hour of faults, load and exchanged certificates, and what grew meanwhile (SOAK="--seconds 600 --seed 1")
	@PYTHONPATH=cluster $(PY) -m chaos --soak --seconds 3600 --json _out/soak.json --work _out/soak $(SOAK)

.PHONY: docs
docs: $(INSTALLED) $(DOCS_INSTALLED) ## Build the documentation site into _out/docs/site
	@$(PY) -m website

.PHONY: diagrams
diagrams: $(INSTALLED) ## Draw the diagrams of the documents that changed (needs npm and a Chromium)
	@$(PY) -m website.drawing

.PHONY: picture
picture: $(INSTALLED) ## Take the picture of the README, of a real run
	@PYTHONPATH=cluster $(PY) -m website.picture

SERVERS := _out/bench/servers/venv
SERVERS_INSTALLED := $(SERVERS)/.installed

$(SERVERS_INSTALLED): $(INSTALLED) requirements/servers.txt
	@echo "installing the locked dependencies and other HTTP servers into $(SERVERS)"
	@$(UV) venv --quiet --allow-existing --python $(PYTHON3) $(SERVERS)
	@$(UV) pip sync --quiet --python $(SERVERS)/bin/python --require-hashes requirements/dev.txt
	@$(UV) pip install --quiet --python $(SERVERS)/bin/python --require-hashes -r requirements/servers.txt
	@$(UV) pip install --quiet --python $(SERVERS)/bin/python --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: bench-servers
bench-servers: $(SERVERS_INSTALLED) ## Compare our HTTP server with aiohttp, uvicorn and granian (BENCH="--rounds 7")
	@PYTHONPATH=cluster:. $(SERVERS)/bin/python -m bench.servers $(BENCH)

MUTATION := _out/mutation/venv
MUTATION_INSTALLED := $(MUTATION)/.installed

$(MUTATION_INSTALLED): $(INSTALLED) requirements/mutation.txt
	@echo "installing the locked dependencies and mutmut into $(MUTATION)"
	@$(UV) venv --quiet --allow-existing --python $(PYTHON3) $(MUTATION)
	@$(UV) pip sync --quiet --python $(MUTATION)/bin/python --require-hashes requirements/dev.txt
	@$(UV) pip install --quiet --python $(MUTATION)/bin/python --require-hashes -r requirements/mutation.txt
	@$(UV) pip install --quiet --python $(MUTATION)/bin/python --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: mutation
mutation: $(MUTATION_INSTALLED) ## Make small mistakes in the code that decides, and see which no test notices (MUTATION_ONLY="--only core/ledger.py")
	@$(MUTATION)/bin/python -m mutation $(MUTATION_ONLY)

SAMPLE := --sample 12 --work _out/mutation/sample/tree

.PHONY: nodes-test
nodes-test: $(INSTALLED) ## All tests on real nodes, and those that break them while pods are created (as root)
	@$(DEVCLUSTER) build
	@$(PY) -m pytest tests/nodes

.PHONY: nightly
nightly: $(MUTATION_INSTALLED) ## What takes longer than a change should wait for: a minute of chaos, real nodes that break, every benchmark once, a sample of small mistakes
	@$(DEVCLUSTER) build
	@$(PY) -m pytest tests -m nightly
	@$(MUTATION)/bin/python -m mutation $(SAMPLE)

.PHONY: clean
clean: ## Remove what was built here; the cache outside the tree stays
	@rm -rf .venv _out dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage
