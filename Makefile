# The commands of README.md. What they need, they install: see scripts/bootstrap.sh.

.DEFAULT_GOAL := help
.PHONY: help demo demo-down test bench clean

# A part or several: make test ONLY=unit,lint
export ONLY

# The environment that scripts/bootstrap.sh makes; scripts/lib.sh knows where.
PYTHON = "$$(. scripts/lib.sh && printf '%s' "$$BULKHEAD_CACHE")/venv/bin/python"
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

help: ## Print this
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1@\2/p' Makefile | while IFS=@ read -r name text; do printf '%-16s %s\n' "$$name" "$$text"; done

demo: ## Start a broken stack, find what is wrong, mend it, show before and after
	@scripts/demo.sh

demo-down: ## Remove the demo, and name what stays installed
	@scripts/demo-down.sh

test: ## Run every test (ONLY=lint, sanity, unit, system, build or a scenario)
	@scripts/bootstrap.sh all
	@$(PYTHON) tests/run.py

bench: ## Run the benchmarks and hold them to their bounds (ONLY=site, backup, …)
	@scripts/bootstrap.sh all
	@$(PYTHON) tests/bench.py

clean: ## Remove the demo, the images and the cache folder
	@scripts/clean.sh
