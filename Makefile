# The project's verbs.  `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help demo test test-bench test-oldest test-examples test-clients test-matrix test-engines fuzz lint types bench docs clean stack stack-run stack-up stack-down test-stack test-clickhouse

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

help:  ## List what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "flowspan needs Python 3.11 or newer; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { echo "Making an environment in $(VENV) …"; $(PYTHON) -m venv $(VENV); } || \
	  { echo "python3 cannot make environments here; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Installing flowspan and what its tests need (a minute, once) …"
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --editable . --group test --group lint --group stack
	@touch $@

demo: $(STAMP)  ## Run an example agent under opentelemetry-instrument and show its run
	@$(BIN)/python examples/demo.py

CONFORMANCE := tests/clients/conformance

test: $(STAMP)  ## Run the tests (under five minutes)
	@$(BIN)/python -m pytest -n auto --dist worksteal -q tests --ignore tests/stack --ignore tests/benchmarks --ignore tests/examples --ignore $(CONFORMANCE)

test-examples: $(STAMP)  ## Run every example, alone and watched
	@$(BIN)/python -m pytest -n auto -q tests/examples

stack: $(STAMP)  ## Build collector, Jaeger and Prometheus (once), prove that they start
	@$(BIN)/python -m stack check

stack-run: $(STAMP)  ## The same, and keep them running until Ctrl-C, without containers
	@$(BIN)/python -m stack run

test-stack: $(STAMP)  ## Run the tests that need what `make stack` builds
	@$(BIN)/python -m pytest -n 2 --dist loadfile --timeout 300 -q --durations 10 tests/stack

test-clickhouse: $(STAMP)  ## Run the tests of a store in ClickHouse, on its engine in process
	@$(BIN)/python -m pip install --quiet --group clickhouse
	@$(BIN)/python -m pytest -n 2 -q tests/store/clickhouse

stack-up:  ## Collector, Jaeger, Prometheus and Grafana by docker compose
	@docker compose version >/dev/null 2>&1 || \
	  { echo "docker compose is not here; without containers there is: make stack-run"; exit 1; }
	@docker compose up --detach --wait
	@. ./.env; echo "Grafana http://127.0.0.1:$$GRAFANA_PORT  Jaeger http://127.0.0.1:$$JAEGER_PORT"; \
	  echo "Programs send to OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:$$OTLP_HTTP_PORT"

stack-down:  ## Stop them; their volumes stay
	@docker compose --profile '*' down

OLDEST := .venv-oldest
# Tests of single clients that speak of what their oldest versions do not have.
NEWER := google_genai google_genai_interactions google_generativeai mistralai ollama

test-bench: $(STAMP)  ## Run the tests of what flowspan costs
	@$(BIN)/python -m pytest -n auto -q tests/benchmarks

test-oldest:  ## Run the tests with the oldest supported versions of everything
	@test -x $(OLDEST)/bin/python || $(PYTHON) -m venv $(OLDEST)
	@$(OLDEST)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(OLDEST)/bin/python -m pip install --quiet --editable . --constraint tests/oldest.txt \
	  pytest pytest-asyncio pytest-timeout pytest-xdist hypothesis dill jsonschema pyyaml \
	  aiohttp anthropic boto3 cohere google-generativeai httpx httpx2 huggingface_hub \
	  mistralai ollama openai requests urllib3 opentelemetry-exporter-otlp-proto-grpc
	@$(OLDEST)/bin/python -m pytest -n auto -q -p no:cacheprovider \
	  tests/instrumentation tests/clients tests/distro tests/store tests/report tests/test_cost.py \
	  --ignore $(CONFORMANCE) $(NEWER:%=--ignore tests/clients/test_%.py)

test-clients: $(STAMP)  ## Ask every model client everything (a few minutes)
	@$(BIN)/python -m pytest -n auto -q $(CONFORMANCE)

test-matrix: $(STAMP)  ## The same of older versions, and beside others, each in an environment of its own
	@$(BIN)/python -m pip install --quiet --group matrix
	@$(BIN)/python -m conformance matrix $(ENVIRONMENTS)

test-engines: $(STAMP)  ## Test engines that live in environments of their own, old and new ones
	@$(BIN)/python -m pip install --quiet --group matrix
	@$(BIN)/python -m conformance engines $(ENVIRONMENTS)

MINUTES ?= 10
SEED ?= $(shell date +%s)

fuzz: $(STAMP)  ## Throw mutated requests and answers at plain HTTP (MINUTES=10 SEED=…)
	@$(BIN)/python -m fuzz --minutes $(MINUTES) --seed $(SEED)

lint: $(STAMP)  ## Check style and layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports

types: $(STAMP)  ## Check types
	@$(BIN)/mypy

bench: $(STAMP)  ## Measure what flowspan costs, as ratios to hand-written code
	@$(BIN)/python -m benchmarks

docs: $(STAMP)  ## Make dashboards, generated parts of documents and the picture anew
	@$(BIN)/python -m dashboards
	@$(BIN)/python docs/generate.py

clean:  ## Remove what was made
	rm -rf build dist .demo .coverage* htmlcov .pytest_cache .mypy_cache .ruff_cache .hypothesis
