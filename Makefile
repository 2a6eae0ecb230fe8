# `make` lists the targets. They install what they need, except Rust and make (and, for some, Terraform).
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run pictures test test-aws aws-local bench bench-cost soak simulate fuzz deny build plan deploy destroy infra-init check-config invoke redrive rollback check check-infra fmt

LOCAL := --locked --no-default-features --features cli,sandbox

# For the deployment: the function's architecture, the configuration, the event to invoke it with.
ARCH ?= arm64
CONFIG ?= exports.json
EVENT ?= events/schedule.json
# Another program than Terraform: TERRAFORM=tofu.
export TERRAFORM ?= terraform
CARGO_LAMBDA := cargo-lambda==1.9.2
ZIP := target/lambda/autopilot-export-lambda/bootstrap.zip
BOM := $(dir $(ZIP))bom.json
TARGET = $(if $(filter arm64,$(ARCH)),aarch64,$(ARCH))-unknown-linux-gnu
INPUTS = -var=config_file=$(abspath $(CONFIG)) -var=function_zip=$(abspath $(ZIP)) -var=architecture=$(ARCH) $(OPTIONS)

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

run: ## try it on this machine: a local Autopilot, a bundled segment, then tomorrow's; then Ortto
	cargo build $(LOCAL) --bin autopilot-export
	scripts/demo target/debug/autopilot-export

test: ## run all tests; those of the pages need Chromium, Node and npm
	@scripts/chromium --install >/dev/null || echo "test: the pages will not be looked at in a browser"
	cargo test --locked

pictures: ## take the pictures of the page in docs/pictures again; needs Chromium, Node and npm
	cargo build $(LOCAL) --bin autopilot-export
	scripts/pictures target/debug/autopilot-export

bench: ## measure speed and memory against typical scripts; ROWS=20000 for a short run
	cargo build --release --locked --bins --example generate_segment --example floor --example hello
	[ -x .venv/bin/python ] || python3 -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check -r benches/requirements.txt
	.venv/bin/python benches/run --rows $(or $(ROWS),100000) $(PARTS)

bench-cost: ## compare plan's cost forecast with a run on the emulated AWS
	@command -v $(TERRAFORM) >/dev/null || { echo "bench-cost: $(TERRAFORM): not found; install Terraform 1.9 or later" >&2; exit 2; }
	cargo build --release --locked --bins
	LAMBDA_BINARY=$(CURDIR)/target/release/autopilot-export-lambda CLI_BINARY=$(CURDIR)/target/release/autopilot-export \
	  scripts/local/python benches/cost

aws-local: ## deploy to an emulated AWS on this machine, until Ctrl-C; settings: scripts/local/up.py
	@command -v $(TERRAFORM) >/dev/null || { echo "aws-local: $(TERRAFORM): not found; install Terraform 1.9 or later" >&2; exit 2; }
	cargo build --locked --bins
	scripts/aws-local

test-aws: ## test the deployment on the emulated AWS; takes minutes
	@command -v $(TERRAFORM) >/dev/null || { echo "test-aws: $(TERRAFORM): not found; install Terraform 1.9 or later" >&2; exit 2; }
	cargo test --locked --test it --no-run # builds the programs as well, as `make test` does
	STORES_TEST="cargo test --locked --test it stores" scripts/local/python tests/aws/run.py --durations=3

build: ## build the function's zip and its bill of materials; ARCH=arm64 (default) or x86_64
	@[ -x .venv/bin/cargo-lambda ] || { python3 -m venv .venv && .venv/bin/pip install --quiet --disable-pip-version-check $(CARGO_LAMBDA); }
	PATH="$(CURDIR)/.venv/bin:$$PATH" cargo lambda build --locked --profile lambda --no-default-features --features lambda --bin autopilot-export-lambda \
	  --target $(TARGET) --output-format zip
	scripts/sbom $(TARGET) $(BOM)
	@ls -l $(ZIP) $(BOM)

plan deploy destroy: infra-init
plan deploy: check-config
plan: ## show what a deployment would change; CONFIG=exports.json OPTIONS="-var=..."
	$(TERRAFORM) -chdir=infra plan $(INPUTS)

deploy: ## deploy the function that `make build` built, with Terraform
	@[ -f $(ZIP) ] || { echo "deploy: $(ZIP): not there; make build makes it" >&2; exit 2; }
	scripts/recover-secrets infra $(INPUTS)
	$(TERRAFORM) -chdir=infra apply $(INPUTS)

destroy: ## remove the deployment
	@scripts/may-destroy infra $(INPUTS)
	$(TERRAFORM) -chdir=infra destroy $(INPUTS)

check-config: # a typo must not reach the bucket
	@cargo run --quiet $(LOCAL) --bin autopilot-export -- --config $(CONFIG) check --offline

infra-init:
	@$(TERRAFORM) -chdir=infra init -input=false $$(scripts/terraform-init) >/dev/null

invoke: ## invoke the deployed function and print its answer; EVENT=events/schedule.json
	@scripts/invoke "$$($(TERRAFORM) -chdir=infra output -raw live)" $(EVENT)

redrive: ## send the events in the dead-letter queue again
	@scripts/redrive "$$($(TERRAFORM) -chdir=infra output -raw dead_letters_url)" "$$($(TERRAFORM) -chdir=infra output -raw live)"

rollback: ## let the version before the present one work again, until the next deploy; VERSION=12 for another
	@scripts/rollback "$$($(TERRAFORM) -chdir=infra output -raw live)" $(VERSION)

simulate: ## replay what one seed does to an export; SEED=1, or several: SEED=1-500; API=ortto for one destination
	SEED=$(or $(SEED),1) cargo test --locked --test it simulate::whatever_happens_ends -- --nocapture

soak: ## run the long suites; takes up to an hour
	cargo test --locked --release --test it -- --ignored --nocapture

fuzz: ## fuzz each decoder; SECONDS=60 for each of them
	scripts/fuzz $(or $(SECONDS),60)

deny: ## check all crates: licences, bans, sources, known advisories
	scripts/check-supply-chain

check: ## check format, lints, documentation, architecture, infrastructure
	cargo fmt --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --locked --all-targets -- -D warnings
	# With the feature that the tests use, so that the crates which clippy has checked are not checked once more.
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --lib --features tokio/test-util
	scripts/check-architecture
	@if command -v $(TERRAFORM) >/dev/null; then scripts/check-infra; else echo "check: Terraform is not installed, infra/ was not checked"; fi

check-infra: ## check the infrastructure alone; needs Terraform
	scripts/check-infra

fmt: ## format everything
	cargo fmt
	cargo fmt --manifest-path fuzz/Cargo.toml
	@if command -v $(TERRAFORM) >/dev/null; then $(TERRAFORM) fmt -recursive infra scripts/local; fi
