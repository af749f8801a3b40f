# Every command of this repository. Only Python 3.13 and make are needed: begin with `make demo`.
.DEFAULT_GOAL := help
.PHONY: help install demo run test relays chaos mutants openapi schemas check validate build bench lock clean

# The first of these commands that is Python 3.13. With pyenv, .python-version selects it.
PYTHON ?= $(shell for python in python3.13 "$${PYENV_ROOT:-$$HOME/.pyenv}/shims/python3.13" python3 python; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null && echo "$$python" && break; done)
BIN := .venv/bin
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
# SAM looks for python3.13 on the PATH. It needs a region even for commands that do not call AWS.
SAM := PATH="$(CURDIR)/$(BIN):$$PATH" SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=$${AWS_DEFAULT_REGION:-us-east-1} .venv-sam/bin/sam

help:
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

install: .venv/installed ## create .venv with everything that the other targets need

demo: install ## send messages through the embedded stack and check every result; exits 0 only if all are right
	$(BIN)/python -m local demo

run: install ## run the embedded stack until Ctrl-C
	$(BIN)/python -m local run

# All tests of a file run in one process, because they share fixtures that start slowly. Many tests wait for I/O, so more
# processes than cores are faster.
PYTEST_WORKERS ?= --numprocesses 4 --dist loadfile
test: install ## run every test
	$(BIN)/python -m pytest -ra $(PYTEST_WORKERS) --ignore=tests/relays $(PYTEST_ARGS)

relays: install ## test against Postfix, Exim, OpenSMTPD and Dovecot from Debian's packages, unpacked in .local/relays; needs root
	$(BIN)/python -m pytest -ra tests/relays $(PYTEST_ARGS)

SEEDS ?= 1 2 3
chaos: install ## run ten thousand events with random faults for each of SEEDS="1 2 3"; SEEDS=30 is 1 to 30
	$(BIN)/python -m tests.chaos $(if $(word 2,$(SEEDS)),$(SEEDS),$(shell seq $(SEEDS)))

mutants: install ## break copies of the code in every way of tests/mutants, and check that each is detected; SAMPLE=6 tries six
	$(BIN)/python -m tests.mutants $(if $(SAMPLE),--sample $(SAMPLE)) $(MUTANTS)

openapi: install ## write docs/openapi.json from the code
	$(BIN)/python -m local openapi

schemas: install ## write the schemas of all events, in docs/events and in the template
	$(BIN)/python -m local schemas

check: install ## run linter, formatter, type checker and import rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

validate: install .venv-sam/installed ## check the template with SAM and cfn-lint
	$(SAM) validate --lint

build: install .venv-sam/installed ## build what `sam deploy` uploads, in .aws-sam/build
	$(SAM) build

bench: install ## compare the speed with other clients; ARGS=--quick is a short run
	$(BIN)/python -m benchmarks $(ARGS)

lock: .venv-sam/installed ## write the lock files from the ranges in pyproject.toml
	.venv-sam/bin/uv pip compile pyproject.toml $(UV_LOCK) -o requirements.lock
	.venv-sam/bin/uv pip compile pyproject.toml cli/pyproject.toml --group dev -c requirements.lock $(UV_LOCK) -o requirements-dev.lock
	.venv-sam/bin/uv pip compile --group sam $(UV_LOCK) -o requirements-sam.lock
UV_LOCK := --upgrade --quiet --generate-hashes --no-emit-index-url --no-header --python-version 3.13

clean: ## remove everything that these targets create, environments included
	rm -rf .venv .venv-sam .aws-sam .local .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -r {} +

.venv/installed: requirements-dev.lock pyproject.toml cli/pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.13 is needed and was not found: install it, or set PYTHON=/path/to/python3.13" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python $(PIP_INSTALL) --require-hashes --requirement requirements-dev.lock
	$(BIN)/python $(PIP_INSTALL) --no-deps --no-build-isolation --editable . --editable ./cli
	@touch $@

.venv-sam/installed: requirements-sam.lock
	@test -n "$(PYTHON)" || { echo "Python 3.13 is needed and was not found: install it, or set PYTHON=/path/to/python3.13" >&2; exit 1; }
	$(PYTHON) -m venv .venv-sam
	.venv-sam/bin/python $(PIP_INSTALL) --require-hashes --requirement requirements-sam.lock
	@touch $@
