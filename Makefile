# `make demo` and `make test` do all the set-up on a fresh machine: they need make, Python 3.11 or newer, and PyPI.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SUITE := ../shared/conformance/numpy_suite.py
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))

.DEFAULT_GOAL := help
.PHONY: help demo test fuzz certify perf gpu conformance clean

help:
	@echo 'make demo         run an unmodified NumPy program on a real photograph, compared with NumPy'
	@echo 'make test         ruff, mypy and the tests'
	@echo 'make fuzz         20,000 random programs against NumPy, on three threads too, and 7,000 jitted functions'
	@echo "make certify      the vector loops that stand for NumPy's against NumPy's, on 100 million values a range"
	@echo 'make perf         the costs of laziness, NumPy beside; and the same programs on NumPy, Numba, JAX, torch, ...'
	@echo 'make gpu          what a CUDA engine can be built on, by a Python that has CuPy: make PYTHON=... gpu'
	@echo "make conformance  NumPy's own tests against lazytensor, where they are at hand"
	@echo 'make clean        remove the virtual environment and the caches'
	@echo
	@echo 'Each makes the virtual environment $(VENV) first, and again when pyproject.toml changes.'
	@echo 'make PYTHON=/path/to/python3.12 demo   makes it with that Python.'

$(READY): pyproject.toml setup.py $(wildcard lazytensor/*/*.[ch])
	@set -e; \
	for python in $(if $(PYTHON),'$(PYTHON)',python3 python3.14 python3.13 python3.12 python3.11 python); do \
	    if "$$python" -c '$(NEW_ENOUGH)' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	    echo "lazytensor needs Python 3.11 or newer; $(or $(PYTHON),python3) is: $$($(or $(PYTHON),python3) --version 2>&1)." >&2; \
	    echo "Install one, or name it: make PYTHON=/path/to/python3.12 $(or $(MAKECMDGOALS),demo)" >&2; \
	    exit 1; \
	fi; \
	echo "making $(VENV) with $$("$$found" --version)"; \
	"$$found" -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@

demo: $(READY)
	$(BIN)/python -m lazytensor run examples/image_pipeline.py --compare

test: $(READY)
	$(BIN)/python -m ruff check --quiet .
	$(BIN)/python -m mypy --no-error-summary
	$(BIN)/python -m pytest -q -n 2 tests

fuzz: $(READY)
	$(BIN)/python -m tests.fuzz --programs 20000 --threads 3
	$(BIN)/python -m tests.fuzz_hybrid --programs 5000 --control 2000

certify: $(READY)
	$(BIN)/python -m tests.certify --values 100000000

perf: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[perf]'
	$(BIN)/python perf/overhead.py
	$(BIN)/python perf/scale.py
	$(BIN)/python perf/compare.py --docs

gpu:
	$(or $(PYTHON),python3) perf/gpu/assumptions.py --out build/gpu

conformance: $(READY)
	@test -f $(SUITE) || { echo 'no $(SUITE) beside this checkout: nothing to run' >&2; exit 1; }
	PYTEST_ADDOPTS='-n 1' $(BIN)/python $(SUITE) --module lazytensor

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
