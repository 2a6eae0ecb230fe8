# `make` lists the targets. Everything they need is installed by them, but for Rust and make (and, for some, Terraform).
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run test soak deny check check-infra fmt

LOCAL := --locked --no-default-features --features cli,sandbox

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

run: ## the main job on this machine: a local Autopilot, a bundled segment, then tomorrow's
	cargo build $(LOCAL) --bin autopilot-export
	scripts/demo target/debug/autopilot-export

test: ## all tests
	cargo test --locked

soak: ## the long suites: minutes to an hour
	cargo test --locked --release --test it -- --ignored --nocapture

deny: ## licences, bans and sources of all crates, and known advisories
	scripts/check-supply-chain

check: ## format, lints, documentation, architecture, infrastructure
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --lib
	scripts/check-architecture
	@if command -v terraform >/dev/null; then scripts/check-infra; else echo "check: no Terraform here, infra/ is not checked"; fi

check-infra: ## infrastructure alone: needs Terraform
	scripts/check-infra

fmt: ## format everything
	cargo fmt
	@if command -v terraform >/dev/null; then terraform fmt -recursive infra scripts/local; fi
