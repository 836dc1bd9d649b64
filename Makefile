# Yunzhuo's commands. `make run` is all that a fresh machine needs; see README.md.

SHELL := /bin/bash
# Compiled modules are kept, whatever the shell says: without them every process compiles all of Yunzhuo again.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help
.PHONY: help run setup setup-run setup-test image light-image cloud cloud-down cloud-wipe cloud-lock test test-fast test-image test-mariadb test-chaos test-month test-hour lint format docs screenshots docs-pages settings-file lock clean fuzz bench-tools test-cloud test-cloud-pretended test-windows test-people test-people-cloud coverage coverage-told mutation wheel guest-deb

# The first Python that is new enough; its own words when there is none. `make PYTHON=... run` names another.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && exit; done; echo python3)
ARGS ?=
SECONDS ?= 600
BIN := .venv/bin
SETUP = $(PYTHON) -m infras.setup
SLOW := slow or machine or browser or servers
# In no ordinary run: each takes many minutes.
LONG := image or chaos or cloud or windows or people
ON_CLOUD := -m "cloud and not people" -k "not pretended and not outages"
STATEFUL := tests/integration/services tests/integration/api tests/unit/portal
# More than there are cores: many tests wait for something.
FAST = $(BIN)/pytest -n 3 -m "not ($(SLOW) or $(LONG))"

help: ## Show this
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-14s %s\n", $$1, $$2 }'

run: setup-run ## Set up what is missing and start Yunzhuo (ARGS="--port 9000" for flags)
	@exec $(BIN)/yunzhuo up $(ARGS)

setup: setup-test image light-image ## All the set-up alone, for running and for the tests

setup-run:
	@$(SETUP) run

setup-test:
	@$(SETUP) test

image: setup-run ## Build the image that desktops start from, unless it stands
	@$(BIN)/yunzhuo image build

# The small one is enough for all tests but those of the other's own, `make test-image`.
light-image: setup-run
	@$(BIN)/yunzhuo image build light

# Virtual machines are waited for most of the time, so two tests of them at once take little more than one.
test: lint light-image ## Set up what is missing, lint, and run all tests
	@$(FAST) $(ARGS)
	@$(BIN)/pytest -n 2 --dist loadgroup -m "($(SLOW)) and not (machine or $(LONG))" $(ARGS)
	@$(BIN)/pytest -n 2 --dist loadfile -m "machine and not (alone or $(LONG))" $(ARGS)
	@$(BIN)/pytest -m "machine and alone and not ($(LONG))" $(ARGS)

test-image: setup-test ## Build images and goldens, boot them, look into them; takes minutes, for whoever changes recipes
	@$(BIN)/pytest -m image $(ARGS)

test-mariadb: setup-test ## The tests of services, API and pages once more, on MariaDB
	@$(BIN)/pytest -n 3 --database mariadb -m "not (machine or browser or servers or $(LONG))" $(STATEFUL) $(ARGS)

test-chaos: setup-test ## Three kills at every moment of every step of every operation; about half an hour
	@$(BIN)/pytest -m chaos -s $(ARGS)

test-people: setup-test light-image ## Twelve people in twelve browsers at real machines for ten minutes, of which some are killed
	@$(BIN)/pytest -m people -s tests/e2e/test_twelve_people.py $(ARGS)

test-people-cloud: setup-test ## The same at desktops of the OpenStack of `make cloud`
	@$(BIN)/pytest -m people -s tests/cloud/test_cloud_people.py $(ARGS)

test-month: setup-test ## A month of pools, leases and schedules with a fast clock; `make test` takes twelve days of it
	@YUNZHUO_TEST_DAYS=31 $(BIN)/pytest -s tests/integration/services/test_pool_month.py $(ARGS)

test-hour: setup-test ## An hour of SPICE through a gateway that changes under it, and a manager that is away for five minutes
	@YUNZHUO_TEST_SPICE_SECONDS=3600 YUNZHUO_TEST_AWAY_SECONDS=300 $(BIN)/pytest --timeout 5400 tests/gateway/test_holding_out.py $(ARGS)

test-fast: setup-test ## Under a minute: what needs no virtual machine, browser or server, and does not look closely at one part
	@$(FAST) $(ARGS)

# All of `make test` without a browser, and `make test-cloud` where that cloud is up: without it phoenix/cloud is under its mark. Over
# an hour. Each process that Yunzhuo starts leaves a file of counts in the folder; a test that fails fails this in the end.
COUNTED = $(BIN)/coverage run -m pytest
coverage: export COVERAGE_FILE := $(CURDIR)/.coverage/data
coverage: setup-test light-image ## Which branches the tests take, package by package; fails under the marks
	@rm -rf .coverage && mkdir .coverage
	@$(COUNTED) -n 2 --dist loadgroup -m "not (machine or browser or $(LONG))" $(ARGS) || touch .coverage/failed
	@$(COUNTED) -n 2 --dist loadfile -m "machine and not (alone or $(LONG))" $(ARGS) || touch .coverage/failed
	@$(COUNTED) -m "machine and alone and not ($(LONG))" $(ARGS) || touch .coverage/failed
	@if $(PYTHON) -m infras.openstack status > /dev/null; then $(COUNTED) $(ON_CLOUD) $(ARGS) || touch .coverage/failed; fi
	@$(MAKE) --no-print-directory coverage-told
	@test ! -e .coverage/failed

# Of what the folder has by now. Errors: copies that tests built of the package elsewhere are gone.
coverage-told: export COVERAGE_FILE := $(CURDIR)/.coverage/data
coverage-told:
	@$(BIN)/coverage json --quiet --ignore-errors --keep-combined -o .coverage/told.json
	@$(BIN)/python -m tests.scores.packages .coverage/told.json

mutation: setup-test ## Which small faults in services/rules their unit tests notice, module by module (ARGS=--fresh, --survivors)
	@$(BIN)/python -m tests.scores.mutation $(ARGS)

fuzz: setup-test ## Ten minutes of changed and random bytes at the gateway's protocol code (SECONDS=600)
	@$(BIN)/python -m tests.gateway.fuzz $$(($(SECONDS) / 4))
	@$(BIN)/python -m tests.gateway.fuzz_guided $$(($(SECONDS) * 3 / 4)) --keep

bench-tools: setup-run ## What benchmarks compare with: websockify and kerbside (into .venv-bench), HAProxy and nginx
	@$(SETUP) bench

cloud: ## A real OpenStack on this computer, for `make test-cloud`: as root, takes 3 GiB of memory
	@$(PYTHON) -m infras.openstack up

cloud-down: ## Stop it; what it knows is kept (`make cloud-wipe` forgets that, too)
	@$(PYTHON) -m infras.openstack down

cloud-wipe:
	@$(PYTHON) -m infras.openstack wipe

test-cloud: setup-test ## The tests on that OpenStack, or on the one that OPENSTACK_TEST_CLOUDS (a clouds.yaml) names
	@$(BIN)/pytest $(ON_CLOUD) $(ARGS)
	@[ -n "$(ARGS)" ] || printf '%s %s\n' "$$(.ci/cloud-digest)" "$$(date -u +%F)" > tests/cloud/passed

# What hosts that only pretend are enough for: the contract once more, and parts of the cloud that die.
test-cloud-pretended: setup-test
	@$(BIN)/pytest -m cloud -k "pretended or outages" $(ARGS)

# As tests/cloud/passed: with which files it last passed.
test-windows: setup-test ## The service on Windows: its own Python, under Wine
	@$(SETUP) windows
	@$(BIN)/pytest -m windows tests/windows $(ARGS)
	@[ -n "$(ARGS)" ] || printf '%s %s\n' "$$(.ci/windows-digest)" "$$(date -u +%F)" > tests/windows/passed

wheel: setup-run ## A package of Yunzhuo with its pages and languages, for computers that have no clone: in dist/
	@$(BIN)/python -m pip --disable-pip-version-check wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

guest-deb: ## The agent that goes into desktops of other clouds, as a Debian package in dist/; the same bytes each time
	@$(PYTHON) guest/build.py dist

# Whatever runs on Windows, too, as its types are there.
ON_WINDOWS = --platform win32 --cache-dir .mypy_cache/windows --follow-imports silent \
	-p yunzhuo.scheduler -p yunzhuo.web -p yunzhuo.webkit -p yunzhuo.services -p yunzhuo.phoenix -p yunzhuo.cli \
	--exclude 'phoenix/cloud/local/|scheduler/platform/systemd|cli/machine_checks'

lint: setup-test ## ruff, mypy, bandit, import-linter, djlint
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/mypy $(ON_WINDOWS)
	@$(BIN)/mypy -p infras.setup
	@$(BIN)/mypy -p infras.openstack --exclude infras/openstack/inside
	@$(BIN)/mypy -p yunzhuo_agent
	@$(BIN)/mypy tests bench docs/screenshots.py
# It warns of every part of an expression that an exception on its line was not needed for.
	@$(BIN)/bandit --quiet --recursive src guest infras docs 2> >(grep -v "nosec encountered" >&2)
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/djlint --lint --quiet src/yunzhuo

format: setup-test ## Put the code in form
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: setup-test ## Build the documentation into docs/_build
	@$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

screenshots: image setup-test ## Photograph every page; the best become the documentation's pictures
	@$(BIN)/python docs/screenshots.py $(ARGS)

docs-pages: setup-test ## Write the pages anew that are made from the code, the recorded click among them
	@REFRESH_DOCS=1 $(BIN)/pytest tests/integration/docs

settings-file: setup-run ## Make etc/yunzhuo.toml from the settings
	@$(BIN)/yunzhuo config template > etc/yunzhuo.toml.partial && mv etc/yunzhuo.toml.partial etc/yunzhuo.toml

# The exact versions and checksums of all Python packages, anew from PyPI.
COMPILE = $(BIN)/uv pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header --group build
lock: setup-test ## Bring requirements.lock and requirements-dev.lock up to date
	@UV_NO_CONFIG=1 $(COMPILE) --output-file requirements.lock
	@UV_NO_CONFIG=1 $(COMPILE) --group dev --constraint requirements.lock --output-file requirements-dev.lock

# The services of the test cloud are of one release: their own versions stand in requirements.in.
cloud-lock: setup-test
	@UV_NO_CONFIG=1 $(BIN)/uv pip compile infras/openstack/requirements.in --quiet --upgrade --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-annotate --no-header --output-file infras/openstack/requirements.lock

clean: ## Remove what was built (not var/, the state)
	@rm -rf .venv .venv-bench node_modules src/yunzhuo/webkit/static/dist docs/_build .mypy_cache .ruff_cache .pytest_cache .coverage
