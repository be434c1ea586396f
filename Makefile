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
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

.PHONY: run
run: build-node ## a whole cluster in one process on 127.0.0.1:8080, data in ./data (LISTEN=, DATA=)
	@exec $(SWIFTLET) dev --data $(DATA) --listen $(LISTEN)

# One set of static release binaries serves `run`, the suites, the benchmarks and the images. Cargo settles the features of
# dependencies by what is built together, so all but `run` build both in one go, and none makes another compile anew.
CARGO_RELEASE = RUSTFLAGS="-C target-feature=+crt-static" cargo build -q --release --target $(HOST)
PROGRAMS = -p swiftlet -p swiftlet-operator
run: PROGRAMS = -p swiftlet

.PHONY: build-node build
build-node: rust
	@[ -x $(RELEASE)/swiftlet ] || echo "building (the first time under ten minutes on two cores) …"
	@$(CARGO_RELEASE) $(PROGRAMS)
build: build-node ## release binaries of everything: swiftlet, swiftlet-operator, kubectl-swift

BINDIR ?= /usr/local/bin
.PHONY: plugin
plugin: build ## installs kubectl-swift, so that `kubectl swift` works (BINDIR=)
	@install -m 755 $(RELEASE)/kubectl-swift $(BINDIR)/kubectl-swift && echo "$(BINDIR)/kubectl-swift"

.PHONY: rust swift
rust:
	@tests/setup/rust.sh
swift:
	@tests/setup/swift.sh

.PHONY: test
test: lint unit interop conformance chaos-short e2e ## everything CI runs

.PHONY: lint
lint: rust ## format, clippy, licences, arrows between packages
	@echo "== lint"
	@cargo fmt --all --check
	@cargo clippy -q --workspace --all-targets -- -D warnings
	@tests/setup/arrows.sh
	@tests/setup/deny.sh

.PHONY: unit
unit: rust swift ## unit, property and interoperability tests (real Python Swift on the other side)
	@echo "== unit"
	@cargo test -q --workspace --lib --bins --tests --no-fail-fast

.PHONY: interop
interop: build-node swift ## Python Swift's tools and real clients on `swiftlet dev`
	@echo "== interop"
	@tests/setup/apt.sh curl motion ffmpeg openssl rclone restic duplicity python3-swiftclient
	@$(SWIFT_TEST_VENV)/bin/python -m pytest -q -p no:cacheprovider tests/interop tests/clients

.PHONY: conformance conformance-matrix
conformance: build-node swift ## Swift's functional suite on `swiftlet dev`, test by test against Swift's own outcome
	@echo "== conformance"
	@python3 tests/conformance/run.py
conformance-matrix: build-node swift ## the same three times, on ext4, on XFS, and with one storage node of three down (root)
	@{ echo "== three runs"; python3 tests/conformance/run.py --runs 3; \
		for disk in ext4 xfs; do echo "== $$disk"; python3 tests/conformance/run.py --disk $$disk; done; \
		echo "== a node down"; python3 tests/conformance/run.py --node-down; } | tee tests/results/conformance-matrix.txt

.PHONY: wire
wire: build-node swift ## edge cases of HTTP and of the API, byte for byte against Python Swift (root)
	@echo "== wire"
	@tests/wire/run.sh --out tests/results/wire.txt

.PHONY: probe
probe: build-node swift ## Swift's probe suite: our servers, daemons and tools in place of Swift's, under its swift-init (root)
	@echo "== probe"
	@tests/probe/run.sh 2>&1 | tee tests/results/probe.txt

.PHONY: chaos-short chaos
chaos-short: build-node ## kill -9 of everything 20 times under load
	@echo "== chaos"
	@python3 tests/chaos/kill9.py --kills 20
chaos: build-node ## kill -9 of everything 200 times under load; power cuts below XFS and ext4 (root)
	@python3 tests/chaos/kill9.py --kills 200 --strict-listing | tee tests/results/chaos-kill9.txt
	@(python3 tests/chaos/power.py --fs xfs --cuts 20 && python3 tests/chaos/power.py --fs ext4 --cuts 8) \
		| tee tests/results/chaos-power.txt

.PHONY: faults mixed
faults: build-node swift ## seven faults on four nodes, each with its figure; tests/results/faults.txt (root)
	@tests/setup/apt.sh memcached rsync rsyslog
	@python3 tests/faults/run.py | tee tests/results/faults.txt
mixed: build-node swift ## two nodes of Python Swift and two of ours, both proxies; tests/results/mixed.txt (root)
	@tests/setup/apt.sh memcached rsync rsyslog
	@python3 tests/mixed/run.py | tee tests/results/mixed.txt

FUZZ_SECONDS ?= 60
.PHONY: fuzz
fuzz: rust ## every fuzz target for a minute (FUZZ_SECONDS=600, FUZZ_JOBS=2); tests/results/fuzz.txt
	@FUZZ_RESULTS=tests/results/fuzz.txt tests/fuzz/run.sh all $(FUZZ_SECONDS)

.PHONY: e2e e2e-slow e2e-rare long-run
e2e: image ## on a real three-node Kubernetes (or your KUBECONFIG)
	@echo "== e2e"
	@tests/e2e/run.sh
e2e-slow: image ## the same where kubelets and etcd have their own defaults, which takes longer
	@K8S_SYNC=1m K8S_ETCD_BYTES=0 tests/e2e/run.sh 2>&1 | tee tests/results/e2e-slow.txt

e2e-rare: image ## changes that come seldom (regions, weights, resizing, images, operators); tests/results/e2e-rare.txt (root)
	@{ E2E_KEEP=1 tests/e2e/run.sh scenarios.py test_01_install_by_helm && . tests/e2e/k8s/env.sh && PATH=$$BIN:$$PATH \
		E2E_EXEC=tests/e2e/k8s/exec.sh python3 tests/e2e/rare_changes.py; } 2>&1 | tee tests/results/e2e-rare.txt; tests/e2e/k8s/down.sh

long-run: image ## 50 random changes on a real Kubernetes under load, faults among them; tests/results/long-run.txt (root)
	@{ E2E_KEEP=1 tests/e2e/run.sh scenarios.py test_01_install_by_helm && . tests/e2e/k8s/env.sh && PATH=$$BIN:$$PATH \
		E2E_EXEC=tests/e2e/k8s/exec.sh python3 tests/e2e/long_run.py; } 2>&1 | tee tests/results/long-run.txt; tests/e2e/k8s/down.sh

.PHONY: planner bench-plan
planner: rust ## the planner in 10,000 random worlds; tests/results/planner.txt (WORLDS=)
	@PROPTEST_CASES=$(or $(WORLDS),10000) cargo test --release -p swiftlet-plan worlds 2>&1 | tee tests/results/planner.txt
bench-plan: rust ## planning for 50 zones x 40 nodes x 24 devices; tests/results/bench-plan.txt
	@cargo build -q --release -p swiftlet-plan --example large
	@{ for power in 18 20; do $(TARGET_DIR)/release/examples/large 50 40 24 $$power; done; } | tee tests/results/bench-plan.txt

.PHONY: bench bench-ring bench-heal bench-memory
bench: build-node ## the same load on Python Swift and on ours, in one run
	@python3 tests/bench/run.py --check-sync --json tests/results/bench.json | tee tests/results/bench.txt
bench-heal: build-node swift ## an emptied device made whole, and an idle pass, beside Python Swift (root)
	@tests/setup/apt.sh rsync
	@python3 tests/bench/heal.py | tee tests/results/bench-heal.txt
bench-memory: build-node swift ## memory of a node's daemons with a million objects; tests/results/bench-memory.txt (root)
	@tests/setup/apt.sh memcached rsync rsyslog
	@python3 tests/bench/memory.py | tee tests/results/bench-memory.txt
bench-ring: build-node swift ## ring builder: time, balance, dispersion and memory beside Swift's
	@tests/bench/ring.sh | tee tests/results/bench-ring.txt

.PHONY: image
image: build ## container images: target/image/swiftlet.tar and swiftlet-operator.tar
	@deploy/image/build.sh $(VERSION) $(RELEASE)

.PHONY: crds
crds: ## writes crds/ from the resource types; a unit test tells when they are out of step
	@cargo run -q -p swiftlet-operator --bin swiftlet-operator -- crds --out crds
