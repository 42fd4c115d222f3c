# Commands for users and developers; `make help` lists them.

PYTHON ?= python3
# Another build of torch, such as one for a GPU: make demo TORCH='torch==2.13.0 --index-url <index>'
TORCH ?= torch==2.13.0
# Arguments for pytest: make test ARGS='-k stream', or ARGS='-n 0' for a single process
ARGS ?=
ZOO ?= configs/demo.yaml

BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test lint types fmt web web-modules models options bench bench-web clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

demo: .venv/installed ## Install, get the built-in model, start two workers and the page
	$(BIN)/chatzoo fetch
	$(BIN)/chatzoo up $(ZOO)

test: .venv/tools web-modules web ## All tests, browser tests included
	scripts/chromium
	scripts/npm test
	OMP_NUM_THREADS=1 $(BIN)/pytest -n logical --maxprocesses 8 --dist loadfile $(ARGS)

lint: .venv/tools web-modules ## Style and import rules, Python and page
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	scripts/npm run lint
	@! grep -n '"resolved"' webui/package-lock.json

types: .venv/tools ## mypy, strict
	$(BIN)/mypy

fmt: .venv/tools web-modules ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	scripts/npm run format

web: .venv/python web-modules server/hub/page/index.html ## Build the page

server/hub/page/index.html: $(shell find webui -type f -not -path '*/node_modules/*')
	scripts/npm run build

web-modules: .venv/python webui/node_modules/.package-lock.json

webui/node_modules/.package-lock.json: webui/package-lock.json
	scripts/npm ci --no-audit --no-fund

models: .venv/tools ## Compare all golden checkpoints; writes the table in docs/models.md
	CHATZOO_WRITE_MODELS=1 $(BIN)/pytest -q tests/bots/test_golden.py

options: .venv/tools ## Write the table of options in docs/protocol.md
	CHATZOO_WRITE_OPTIONS=1 $(BIN)/pytest -q tests/docs/test_options.py

# Another server to compare with: make bench VLLM=path/to/a/python/that/has/vllm
bench: .venv/tools ## Measure streaming, decoding, serving (half an hour); writes docs/benchmarks.md
	$(BIN)/python -m benchmarks.decode --dtype float32 bfloat16 --write
	$(BIN)/python -m benchmarks.serve $(if $(VLLM),--vllm-python $(VLLM)) --write
	$(BIN)/python -m benchmarks.streams --write
	$(BIN)/python -m benchmarks.panes --write
	$(BIN)/python -m benchmarks.idle --write
	$(BIN)/python -m benchmarks.quantized $(if $(GPTQ),--gptq $(GPTQ)) --write

bench-web: .venv/tools web ## Measure the page in Chromium (ten minutes); writes docs/benchmarks.md
	scripts/chromium
	$(BIN)/python -m benchmarks.web --write

clean: ## Remove what was installed and built here
	rm -rf .venv webui/node_modules server/hub/page build dist *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "ChatZoo needs Python 3.11 or newer; name it: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

# torch first and by itself: as a dependency it would bring gigabytes of CUDA packages.
.venv/installed: pyproject.toml hatch_build.py | .venv/python
	$(BIN)/pip install $(TORCH)
	$(BIN)/pip install -e '.[transformers,llamacpp]'
	@touch $@

.venv/tools: pyproject.toml | .venv/installed
	$(BIN)/pip install -e '.[transformers,llamacpp,test,lint]'
	@touch $@
