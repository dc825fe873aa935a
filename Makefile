# The commands of this project. Build output is kept in the user's cache, so that a fresh clone builds quickly.
CACHE := $(or $(DROVER_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/drover)
export CARGO_TARGET_DIR ?= $(CACHE)/target

.PHONY: help bed demo demo-down test soak bench crds fmt lint

help: ## shows this
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

bed: ## brings in the real servers that tests and demo run against
	@tests/bed/provision.sh

demo: ## a control plane, a secured Elasticsearch and Drover, with the examples applied
	@demo/up.sh

demo-down: ## stops the demo and removes what it made
	@demo/down.sh

test: bed ## all tests: pure, then scripted, then on real processes
	@tests/run.sh

# The bed is to know, too.
soak: export DROVER_SOAK := 1
soak: bed ## the same with the long campaigns: more cases, crash points and versions, what is ignored else, and the demo
	@PROPTEST_CASES=$(or $(PROPTEST_CASES),4096) tests/run.sh

bench: bed ## how long, how much memory, how many requests
	@cargo bench --bench operator

crds: ## writes crds/ anew from the types
	@cargo build --quiet
	@cargo run --quiet -- crd | tests/bed/split-crds.sh crds

fmt: ## formats the code
	@cargo fmt

lint: ## what CI finds fault with
	@cargo fmt --check
	@cargo clippy --quiet --all-targets -- -D warnings
