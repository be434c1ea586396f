# Every target installs or builds what it lacks and says what it is doing. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
RELEASE := $(TARGET_DIR)/$(HOST)/release
LISTEN ?= 127.0.0.1:8080
DATA ?= ./data
export SWIFT_VENV ?= $(CURDIR)/target/venv
export SWIFT_TEST_VENV ?= $(CURDIR)/target/venv
export SWIFT_SDIST ?= $(CURDIR)/target/swift-2.38.3
export SWIFTLET ?= $(abspath $(RELEASE))/swiftlet

.PHONY: help
help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

.PHONY: run
run: build-node ## a whole cluster in one process on 127.0.0.1:8080, data in ./data (LISTEN=, DATA=)
	@exec $(SWIFTLET) dev --data $(DATA) --listen $(LISTEN)

# One set of static release binaries serves `run`, the suites, the benchmarks and the images.
CARGO_RELEASE = RUSTFLAGS="-C target-feature=+crt-static" cargo build -q --release --target $(HOST)

.PHONY: build-node build
build-node: rust
	@[ -x $(RELEASE)/swiftlet ] || echo "building (first time: about 4 minutes) …"
	@$(CARGO_RELEASE) -p swiftlet
build: build-node ## release binaries of everything
	@$(CARGO_RELEASE) -p swiftlet-operator

.PHONY: rust swift
rust:
	@tests/setup/rust.sh
swift:
	@tests/setup/swift.sh

.PHONY: test
test: lint unit interop conformance chaos-short e2e ## everything CI runs

.PHONY: lint
lint: rust ## format, clippy, licences, arrows between packages, generated files in step
	@echo "== lint"
	@cargo fmt --all --check
	@cargo clippy -q --workspace --all-targets -- -D warnings
	@tests/setup/arrows.sh
	@tests/setup/deny.sh
	@$(MAKE) -s crds-check

.PHONY: unit
unit: rust swift ## unit, property and interoperability tests (real Python Swift on the other side)
	@echo "== unit"
	@cargo test -q --workspace

.PHONY: interop
interop: build-node swift ## Python Swift's tools and real clients on `swiftlet dev`
	@echo "== interop"
	@$(SWIFT_TEST_VENV)/bin/python -m pytest -q -p no:cacheprovider tests/interop tests/clients

.PHONY: conformance conformance-all
conformance: build-node swift ## Swift's functional suite on `swiftlet dev`, test by test against Swift's own outcome
	@echo "== conformance"
	@python3 tests/conformance/run.py
conformance-all: build-node swift ## the same for every file of test/functional but s3api
	@python3 tests/conformance/run.py --all

.PHONY: chaos-short chaos
chaos-short: build-node ## kill -9 of everything 20 times under load
	@echo "== chaos"
	@python3 tests/chaos/kill9.py --kills 20
chaos: build-node ## kill -9 of everything 200 times under load
	@python3 tests/chaos/kill9.py --kills 200 --strict-listing | tee tests/results/chaos-kill9.txt

.PHONY: e2e
e2e: image ## on a real three-node Kubernetes (or your KUBECONFIG)
	@echo "== e2e"
	@tests/e2e/run.sh

.PHONY: bench bench-ring
bench: build-node ## the same load on Python Swift and on ours, in one run
	@python3 tests/bench/run.py --check-sync --json tests/results/bench.json | tee tests/results/bench.txt
bench-ring: build-node swift ## ring builder: time, balance, dispersion and memory beside Swift's
	@tests/bench/ring.sh | tee tests/results/bench-ring.txt

.PHONY: image
image: build ## container images: target/image/swiftlet.tar and swiftlet-operator.tar
	@deploy/image/build.sh $(VERSION) $(RELEASE)

.PHONY: crds crds-check
crds: ## writes crds/ from the resource types
	@cargo run -q -p swiftlet-operator --bin swiftlet-operator -- crds --out crds
crds-check:
	@cargo run -q -p swiftlet-operator --bin swiftlet-operator -- crds --out crds --check
