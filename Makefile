# The index of commands. What a command does is in scripts/ or in the tool it names.

.DEFAULT_GOAL := help
.PHONY: help build serve test check fmt clean man release

# Suites about times that were promised, and limits of a few hundred milliseconds: they need the machine to themselves.
CLOCKED := CertificateReloadTests|ConnectionLimitTests|HTTP2FloodTests|APIKeyReloadTests|PostgresFollowingTests
# Suites that keep the machine busy by themselves, so that the others would wait beside them.
HEAVY := StorageTests.(Simulation|SimulationShrinking|PowerLoss|DiskFault|LogDamage|Damage)
# All others at once would wait for each other, some of them longer than a server waits for a client.
FEW_AT_ONCE := --experimental-maximum-parallelization-width 8
# What the tests need: servers to talk to, and what packaging is tested with.
TEST_PACKAGES := libpq-dev libsqlite3-dev libxxhash-dev libzstd-dev pgbouncer postgresql prometheus python3 python3-venv zstd \
	binutils ca-certificates chromium fish groff python3-seccomp systemd zsh
SWIFT_SOURCES := Sources Tests Benchmarks Fuzzing Package.swift

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build the program: .build/release/milepost
	@scripts/install-packages libpq-dev libsqlite3-dev libxxhash-dev libzstd-dev
	swift build -c release --static-swift-stdlib --product milepost

serve: build ## build, then serve ./milepost.db on 127.0.0.1:5003 (options: make serve ARGS="--port 8000")
	.build/release/milepost serve $(ARGS)

test: ## run every test: Swift and fuzzing with AddressSanitizer, then end to end against the release build
	@scripts/install-packages $(TEST_PACKAGES) && scripts/python-env
	scripts/sanitize --self-test
	scripts/sanitize address $(FEW_AT_ONCE) --skip '$(CLOCKED)|$(HEAVY)'
	scripts/sanitize address --filter '$(HEAVY)'
	scripts/sanitize address --no-parallel --filter '$(CLOCKED)'
	scripts/fuzz --self-test && scripts/fuzz 10
	@$(MAKE) --no-print-directory build && scripts/end-to-end

check: ## check format, source rules, warnings and imports; runs no test
	@scripts/check

fmt: ## format the Swift sources in place
	swift format --in-place --recursive $(SWIFT_SOURCES)

man: ## renew docs/milepost.1 from what the program says of itself
	@scripts/manual

release: ## make dist/: the tarball of this version, its symbols, its SBOM and checksums
	@scripts/release $(ARGS)

clean: ## remove what build and test made
	rm -rf .build .build-address .build-manual .build-thread dist .venv .venv-bench .venv-client .venv-client-oldest clients/python/dist .pytest_cache

.PHONY: bench bench-report

bench: ## measure beside a bare server and LangGraph's savers (options: make bench ARGS="--quick")
	@scripts/bench $(ARGS)

bench-report: ## make docs/benchmarks.md and its charts from what make bench wrote
	@scripts/bench-report $(ARGS)
