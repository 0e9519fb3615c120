# Every target sets up what it needs; a fresh machine with Python 3.11 is enough.
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*\#\#.*/\1/p' $(firstword $(MAKEFILE_LIST)))

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 14

setup: $(STAMP) system model ## create .venv, install everything, fetch the model once

$(STAMP): pyproject.toml scripts/setup-venv
	@PYTHON=$(PYTHON) scripts/setup-venv $(VENV)
	@touch $(STAMP)

system: ## Debian packages that the tests and the demo need (apt where the user is root)
	@scripts/setup-system

model: $(STAMP) ## fetch and verify the model file, kept in a cache folder
	@$(BIN)/python -m serving_stub.fetch_model

demo: setup ## the whole loop on a real model; ARGS=--headless ends by itself
	@$(BIN)/opsbot demo $(ARGS)

demo-fleet: setup ## a launch day over 24 simulated clusters; ARGS=--headless ends by itself
	@$(BIN)/opsbot demo-fleet $(ARGS)

test: setup check ## what every change must pass: lint, types, YAML, tests; minutes more are in test-all
	@$(BIN)/pytest -q -n 2 --dist loadfile -m "not e2e and not runbooks and not fault and not long" $(ARGS)

test-runbooks: setup ## each shipped runbook on a real server under real load, 20 minutes; ARGS="--runbooks-subset 4" some of them
	@$(BIN)/pytest -p no:randomly -m runbooks tests/runbooks $(ARGS)

test-long: setup ## the tests that wait or reckon for half a minute and more; 6 minutes
	@$(BIN)/pytest -q -n 2 --dist loadfile -m "long and not alone" tests/integration $(ARGS)
	@$(BIN)/pytest -q -m alone tests/integration $(ARGS)

test-all: export OPSBOT_KILLS = all
test-all: test test-long fault e2e test-runbooks bench ## every test, with every moment of a run at which it can be killed; then the benches

e2e: setup ## the tests that drive processes and a browser
	@$(BIN)/pytest -q -m e2e tests/e2e $(ARGS)

fault: setup ## the tests that kill, stall and cut things; OPSBOT_KILLS=all at every moment at which a run can be killed
	@$(BIN)/pytest -q -n 2 --dist loadfile -m fault tests/fault $(ARGS)

check: $(STAMP) ## format, lint, types, import contracts, shipped YAML and the tests of shipped runbooks
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/opsbot check
	@$(BIN)/opsbot test --min-coverage 100

format: $(STAMP) ## let ruff rewrite the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: bench-serving ## every side-by-side measurement; each prints its conditions
	@$(BIN)/python bench/batch_limit.py
	@$(BIN)/python bench/busy.py

bench-serving: setup ## the engine beside transformers; minutes, on an idle machine
	@$(BIN)/python bench/engine.py $(ARGS)

bench-frontdoor: setup ## the door beside a bare proxy: added time to first token, tokens relayed; three minutes
	@$(BIN)/python -m bench.frontdoor $(ARGS)

bench-watch: setup ## the watching path beside Prometheus and Alertmanager: cost, scale, breach to action, storms; 15 minutes
	@$(BIN)/python -m bench.watch $(ARGS)
	@$(BIN)/python -m bench.exposition
	@$(BIN)/python -m bench.rules_scale
	@$(BIN)/python -m bench.alert_storm
	@$(BIN)/python -m bench.breach

bench-fleet: setup ## virtual time beside taking every step, and the router's time for a decision; a minute
	@$(BIN)/python bench/fleet_speed.py $(ARGS)

bench-fleet-live: setup ## whether a live fleet of 24 full clusters keeps up with real time on one core; a minute
	@$(BIN)/python -m bench.fleet_live $(ARGS)

bench-calibration: setup ## the simulation beside the real engine and beside published figures; ten minutes
	@$(BIN)/python -m bench.calibration --clock processor $(ARGS)
	@$(BIN)/python -m bench.published
	@$(BIN)/python -m bench.calibration --clock wall $(ARGS)

bench-peers: setup ## the engine beside transformers, llama.cpp and a real vLLM; installs those, an hour in all
	@PYTHON=$(PYTHON) scripts/setup-peers .peers
	@$(BIN)/python bench/engine.py --batch 1 --batch 4 --batch 8 --batch 16 --batch 32 --llama-python .peers/llama/bin/python
	@$(BIN)/python bench/over_http.py --vllm-python .peers/vllm/bin/python

bench-slack: setup ## from a change to what Slack's page shows, 500 changes in 10 s, acknowledgements in a storm; three minutes
	@$(BIN)/python -m bench.slack_latency $(ARGS)
	@$(BIN)/python -m bench.slack_home

bench-runbooks: setup ## runbooks beside Chaos Toolkit and DBOS: the command line, a run, a step, a hundred at once; 3 minutes
	@PYTHON=$(PYTHON) scripts/setup-peers .peers chaos
	-@$(BIN)/python -m bench.runbook_cli $(ARGS)
	-@$(BIN)/python -m bench.runbook_run
	@$(BIN)/python -m bench.runbook_engine

bench-vitals: setup ## a fleet's vitals and a picture: how long each takes, and how long the loop waits; half a minute
	@$(BIN)/python -m bench.vitals $(ARGS)

schema: $(STAMP) ## write the JSON Schemas that editors use
	@$(BIN)/opsbot schema docs/schema

screenshots: setup ## take the pictures of README and docs/seat.md anew, by the test that presses the buttons
	@$(BIN)/pytest -q tests/e2e/test_seat_story.py --screenshots docs/images

clean: ## remove what the targets made (the model cache stays)
	rm -rf $(VENV) .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
