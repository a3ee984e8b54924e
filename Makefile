# `make` alone lists what there is. Everything lives in $(VENV); a stamp in it, newer than pyproject.toml, says what is
# installed, so that a second call installs nothing.
PYTHON ?= python3
VENV ?= .venv

BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test check dist wheel beside release-dry-run lowest lint bench docs clean

help:
	@echo 'make demo    train a network on handwritten digits and draw its backpropagation into runs/'
	@echo 'make test    run the tests: minutes, the same ones every time'
	@echo 'make check   run everything that searches or takes long: hours'
	@echo 'make wheel   run a third of the tests with the wheel, as a user installs it'
	@echo 'make beside  check that the wheel clashes with none of its neighbours'
	@echo 'make lowest  run tests with the lowest declared version of every dependency'
	@echo 'make lint    check style and types'
	@echo 'make docs    write the site into site/, to be opened from there'
	@echo 'make bench   measure the speed beside other libraries'
	@echo 'make clean   remove everything that make made, but for runs/'

demo: $(VENV)/.demo
	$(BIN)/python -m glassgrad.nn digits

# One process per core, with one thread each: more would only wait for each other.
test: $(VENV)/.test
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n auto -m 'not check' $(ARGS)

# The steps are listed in tests/check.py.
check: $(VENV)/.test
	$(BIN)/python -m tests.check $(STEPS)

# An sdist, and the wheel that is built from it, each in an environment of its own.
dist: $(VENV)/.release
	rm -rf dist
	$(BIN)/python -m build

# Tests of the sdist, with nothing of the package beside them, against the wheel.
WHEEL_TESTS ?= tests/test_readme.py tests/test_docs.py tests/test_examples.py tests/test_tiny.py tests/autograd/engine \
    tests/autograd/ops tests/autograd/functions tests/autograd/testing tests/nn/modules tests/nn/saving tests/nn/commands tests/viz
wheel: dist
	rm -rf $(VENV)-wheel && $(PYTHON) -m venv $(VENV)-wheel
	$(VENV)-wheel/$(notdir $(BIN))/python -m pip --disable-pip-version-check install --quiet "$$(ls dist/*.whl)[test]"
	mkdir $(VENV)-wheel/tests && tar -xzf dist/*.tar.gz --strip-components=1 -C $(VENV)-wheel/tests
	cd $(VENV)-wheel/tests && rm -r autograd nn viz glassgrad.py && OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
	    ../$(notdir $(BIN))/python -m pytest -n auto $(WHEEL_TESTS) $(ARGS)

beside: dist
	$(BIN)/python -m tests.beside dist/*.whl

# A release without the upload: docs/publishing.md.
release-dry-run: dist
	$(BIN)/python .ci/release.py $(ARGS)

# Constraints make pip choose the lowest versions.
lowest: $(VENV)/.created
	rm -rf $(VENV)-lowest && $(PYTHON) -m venv $(VENV)-lowest
	$(BIN)/python .ci/lowest.py > $(VENV)-lowest/constraints.txt
	$(VENV)-lowest/$(notdir $(BIN))/python -m pip --disable-pip-version-check install --quiet \
	    --constraint $(VENV)-lowest/constraints.txt --editable '.[test]'
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(VENV)-lowest/$(notdir $(BIN))/python -m pytest -n auto $(ARGS)

lint: $(VENV)/.dev $(VENV)/typed
	$(BIN)/ruff check .
	$(BIN)/python -m tests.stubs
	cd $(VENV)/typed && '$(abspath $(BIN))/mypy' --config-file '$(CURDIR)/pyproject.toml'

# The variable silences an advertisement.
docs: $(VENV)/.docs $(VENV)/typed
	$(BIN)/python -m tests.stubs
	TYPED=$(VENV)/typed NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	$(BIN)/python -m docs.make.check site

bench: $(VENV)/.demo
	$(BIN)/python -m benchmarks $(ARGS)

clean:
	rm -rf $(VENV) $(VENV)-lowest $(VENV)-wheel .bench dist build site .hypothesis .mypy_cache .pytest_cache .ruff_cache \
	    autograd/*.pyi autograd/engine/*.pyi
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The package as links that lie as in a wheel, for tools that read the source and do not follow `__path__` of glassgrad.py.
$(VENV)/typed: $(VENV)/.created
	mkdir -p $@/glassgrad
	for name in autograd nn viz; do ln -sfn '$(CURDIR)'/$$name $@/glassgrad/$$name; done
	ln -sfn '$(CURDIR)/glassgrad.py' $@/glassgrad/__init__.py

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo 'glassgrad needs Python 3.11 or newer, and `$(PYTHON)` is not: name another, as in `make demo PYTHON=python3.12`.' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo '`$(PYTHON) -m venv` is missing here: install it first (Debian, Ubuntu: sudo apt install python3-venv).' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.demo $(VENV)/.test $(VENV)/.dev $(VENV)/.docs $(VENV)/.release: $(VENV)/.%: $(VENV)/.created pyproject.toml
	$(PIP) --editable '.[$*]'
	@touch $@
