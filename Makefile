PYTHON ?= python3
BIN := .venv/bin
# Also for the isolated environment in which pip builds this package.
export PIP_CONSTRAINT := $(CURDIR)/constraints/latest.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

JAX_TESTS := tests/layers tests/models tests/test_losses.py tests/test_metrics.py tests/test_optimizers.py

.PHONY: demo test clean

demo: .venv/installed
	$(BIN)/lrl-keras demo

test: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest
	KERAS_BACKEND=jax $(BIN)/python -m pytest $(JAX_TESTS)

clean:
	rm -rf .venv

.venv/installed: setup.py constraints/latest.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/installed-test: .venv/installed
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@
