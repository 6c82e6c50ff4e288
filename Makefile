# make demo    the main job, from nothing to a result
# make test    every test; installs cross compilers and emulators if it may
# make lint    style, types and static analysis of Python and C
# make bench   instructions, flash and RAM; compares with tests/bench/results.json
# make docs    the documentation, into build/site; a warning is an error
# make release-check  what is to be released: builds it, checks it, installs the wheel elsewhere; TAG=v0.1.0
# make results the experiments and docs/results.md; ARGS=--quick: a small form, into build/page
#
# PYTHON: the interpreter to start from (3.10 to 3.13). VENV: where the virtual environment goes.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUNTIME = $(wildcard firmware/src/*.c firmware/src/*/*.c)
C_FILES = $(RUNTIME) $(wildcard firmware/src/*.h firmware/src/*/*.h firmware/app/*.[ch] boards/*/*.[ch] boards/*/*/*.[ch] firmware/device/*.[ch] firmware/test/*.h firmware/test/*/*.[ch] boards/*/*.cpp tests/c/*.[ch] tests/c/*/*.h tests/c/*/*.cpp)
PUBLIC := firmware/src/sdfa.h $(patsubst %,firmware/src/sdfa_%.h,balance class decay frame gate guard link replay selftest slots store tail care trace)
STRICT := -std=c99 -Wall -Wextra -Wconversion -Wshadow -Wpedantic -Werror -Ifirmware/src -fsyntax-only

ARM := arm-none-eabi-gcc=gcc-arm-none-eabi,libnewlib-arm-none-eabi qemu-system-arm=qemu-system-arm
RISCV := riscv64-unknown-elf-gcc=gcc-riscv64-unknown-elf,picolibc-riscv64-unknown-elf \
    qemu-system-riscv32=qemu-system-misc
CLANG := clang=clang,libclang-rt-14-dev clang-format=clang-format
CC_HOST := cc=gcc,libc6-dev g++=g++
# the smallest browser: tests look at the HTML pages in it
BROWSER := chromium-headless-shell=chromium-headless-shell

.PHONY: demo test lint bench results docs release-check clean
.DELETE_ON_ERROR:

demo: $(VENV)/.demo
	$(BIN)/pytools demo

test: $(VENV)/.dev
	.ci/need $(CC_HOST) $(ARM) $(RISCV) $(CLANG) $(BROWSER) cppcheck=cppcheck git=git
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

# shiftTooManyBitsSigned, shiftNegativeLHS: x >> n on a signed value is the arithmetic shift that sdfa_fixed.h asserts.
lint: $(VENV)/.dev
	.ci/need $(CC_HOST) $(ARM) $(RISCV) $(CLANG) cppcheck=cppcheck
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	clang-format --dry-run -Werror $(C_FILES)
	cppcheck --quiet --error-exitcode=1 --std=c99 --enable=warning,portability,performance --inline-suppr \
	    --suppress=shiftTooManyBitsSigned --suppress=shiftNegativeLHS -Ifirmware/src -Ifirmware/app -Ifirmware/device \
	    firmware/src firmware/app firmware/device
	gcc $(STRICT) $(RUNTIME)
	arm-none-eabi-gcc -mcpu=cortex-m0 -mthumb $(STRICT) $(RUNTIME)
	arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -mfpu=fpv4-sp-d16 -mfloat-abi=hard $(STRICT) $(RUNTIME)
	arm-none-eabi-gcc -mcpu=cortex-m55 -mthumb -mfloat-abi=hard $(STRICT) $(RUNTIME)
	riscv64-unknown-elf-gcc -march=rv32imac -mabi=ilp32 --specs=picolibc.specs $(STRICT) $(RUNTIME)
	for h in $(PUBLIC); do g++ -std=c++11 -Wall -Wextra -Wconversion -Werror -fsyntax-only -x c++ $$h || exit 1; done

bench: $(VENV)/.dev
	.ci/need $(CC_HOST) $(ARM) $(RISCV)
	$(BIN)/python -m tests.bench $(ARGS)

# The whole took about 5 hours on one of two busy cores (Arabic commands 84 minutes of them); it says how long each
# part takes, goes on where it was stopped, and ARGS="--only NAME,..." runs some. The quick form writes elsewhere and
# takes a minute.
results: $(VENV)/.dev
	.ci/need $(CC_HOST) $(ARM)
	$(BIN)/pytools experiment results -o $(if $(findstring --quick,$(ARGS)),build/page,docs) $(ARGS)

docs: $(VENV)/.docs
	$(BIN)/python -m mkdocs build --strict --quiet

# TAG: of the version that is to be released; without it the changelog may still say "not released"
release-check: $(VENV)/.release
	.ci/need $(CC_HOST) $(ARM) cppcheck=cppcheck
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/cffconvert --validate
	$(BIN)/python -m tests.release $(TAG)
	.ci/try-wheel $(BIN)/python dist/*.whl

clean:
	rm -rf $(VENV) build dist

# Python's venv module is a package of its own on Debian.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV); .ci/need python3-venv-is-missing=python3-venv; \
	    $(PYTHON) -m venv $(VENV); }

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(BIN)/pip install -q --disable-pip-version-check -e '.[demo]'
	touch $@

$(VENV)/.docs: pyproject.toml | $(BIN)/python
	$(BIN)/pip install -q --disable-pip-version-check -e '.[docs]'
	touch $@

$(VENV)/.release: pyproject.toml | $(BIN)/python
	$(BIN)/pip install -q --disable-pip-version-check -e '.[release]'
	touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/pip install -q --disable-pip-version-check -e '.[dev]'
	touch $@
