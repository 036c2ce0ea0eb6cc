# Thin: every target installs what it needs on a bare Debian 12, then runs a script or a CMake preset.
#   make demo      from a checkpoint to a classified picture
#   make test      unit tests, layer check, replay of the fuzz corpora
#   make interop   both directions against the official exporter and runtime
#   make bench     the measurements
.DEFAULT_GOAL := help
.PHONY: help demo demo-data build test test-asan test-scalar test-tsan interop bench fuzz format \
        format-check clean
MAKEFLAGS += --no-print-directory

JOBS ?= $(shell nproc)
export JOBS
PTE := build/release/src/cli/pte
DEMO := build/demo
ORACLE := .venv
SECONDS ?= 60
# The interop suite runs one module in so many; 1 runs all, which takes some minutes more.
SUITE_SHARE ?= 2
# And so does that of what torch.export saves.
IMPORTS_SHARE ?= 10
# One suite module in so many, as TorchScript.
SCRIPTS_SHARE ?= 8
SOURCES = $(shell git ls-files '*.cc' '*.h')

help:
	@sed -n 's/^#   //p' Makefile

build:
	@scripts/install_packages.sh build bench
	@scripts/build.sh release pte

demo-data:
	@scripts/fetch_demo.sh $(DEMO)

demo: build demo-data
	$(PTE) export $(DEMO)/efficientnet-lite0.pth --backends portable xnnpack --output-dir $(DEMO)
	$(PTE) classify $(DEMO)/efficientnet_lite0_xnnpack.pte $(DEMO)/coffee.png

# $(call run-tests,PRESET): builds it, runs its tests, leaves build/PRESET/ctest.xml.
define run-tests
	@scripts/install_packages.sh build test
	@scripts/build.sh $(1)
	@ctest --preset $(1) --parallel $(JOBS) --output-junit ctest.xml
endef

test:
	$(call run-tests,dev)

test-asan:
	$(call run-tests,asan-ubsan)

test-scalar:
	$(call run-tests,scalar)

# Only what threads share: the rest has no threads, and costs an hour to build this way.
test-tsan:
	@scripts/install_packages.sh build test
	@scripts/build.sh tsan base_test program_test runtime_test api_test engine_test
	@ctest --preset tsan --parallel $(JOBS) --output-junit ctest.xml

interop: demo-data
	@scripts/install_packages.sh build test
	@scripts/build.sh dev pte onnx_cases
	@tests/interop/setup_oracle.sh $(ORACLE)
	@tests/interop/official_runner/build.sh $(ORACLE) build/interop/official_runner
	@$(ORACLE)/bin/python -W ignore tests/interop/generate.py build/interop/models --demo $(DEMO) \
		--jobs $(JOBS)
	@$(ORACLE)/bin/python -W ignore tests/interop/generate_suite.py build/interop/suite \
		--jobs $(JOBS) --share $(SUITE_SHARE)
	@$(ORACLE)/bin/python -W ignore tests/interop/generate_imports.py build/interop/imports \
		--share $(IMPORTS_SHARE)
	@$(ORACLE)/bin/python -W ignore tests/interop/generate_quantized.py build/interop/quantized \
		--share $(IMPORTS_SHARE)
	@$(ORACLE)/bin/python -W ignore tests/interop/generate_scripts.py build/interop/scripts \
		--share $(SCRIPTS_SHARE)
	@tests/interop/setup_onnx.sh $(ORACLE) build/interop
	@$(ORACLE)/bin/python -m pytest tests/interop -q --junit-xml build/interop/pytest.xml

bench: demo-data
	@scripts/install_packages.sh build bench
	@scripts/build.sh release
	@scripts/bench.sh $(DEMO)

fuzz:
	@scripts/install_packages.sh build fuzz
	@scripts/fuzz.sh $(SECONDS) $(TARGETS)

format:
	@scripts/install_packages.sh format
	@clang-format-14 -i $(SOURCES)

format-check:
	@scripts/install_packages.sh format
	@clang-format-14 --dry-run --Werror $(SOURCES)

clean:
	rm -rf build
