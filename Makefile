PYTHON ?= python3
BIN := .venv/bin
BIN_TF216 := .venv-tf216/bin
# Also for the isolated environment in which pip builds this package.
export PIP_CONSTRAINT := $(CURDIR)/constraints/latest.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Tests of one file stay on one worker for as long as both have work, and share what they set up.
SPREAD := -n 2 --dist worksteal

# What is NumPy alone, or what Keras builds, is the same on every TensorFlow.
TF216_TESTS := tests/layers tests/models/test_lrl.py tests/models/test_lrl_saving.py \
	$(filter-out tests/data/test_blending% tests/data/test_images.py,$(wildcard tests/data/test_*.py)) \
	tests/test_losses.py tests/test_files.py tests/test_s3.py
JAX_TESTS := tests/layers tests/models tests/test_losses.py tests/test_metrics.py tests/test_optimizers.py

.PHONY: coverage demo docs test test-jax test-long test-tf216 clean

demo: .venv/installed
	$(BIN)/lrl-keras demo

test: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest $(SPREAD) -m "not long"

test-jax: .venv/installed-test
	KERAS_BACKEND=jax $(BIN)/python -m pytest $(SPREAD) -m "not long" $(JAX_TESTS)

test-long: .venv/installed-test
	$(BIN)/python -m pytest $(SPREAD) -m long

# Lines that TensorFlow compiles (`tf.data`, losses) count as not run.
coverage: .venv/installed-test
	$(BIN)/python -m pytest $(SPREAD) -m "not long" --cov --cov-report=term:skip-covered

# On the one TensorFlow that tensorflow-io works with, against a real s3 server on this machine.
# The slow ones of the network are about large backbones, not about TensorFlow: the Keras is the same.
test-tf216: .venv-tf216/installed
	$(BIN_TF216)/python -m pytest $(SPREAD) -m "not long" -k "not slow or test_s3" $(TF216_TESTS)

docs: .venv/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf .venv .venv-tf216 site

.venv/installed: pyproject.toml constraints/latest.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/installed-test: .venv/installed
	$(BIN)/python -m pip install --quiet --editable '.[test,beam,export,serve,weights]'
	touch $@

.venv/installed-docs: .venv/installed
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@

.venv-tf216/installed: export PIP_CONSTRAINT := $(CURDIR)/constraints/tf216.txt
.venv-tf216/installed: pyproject.toml constraints/tf216.txt
	$(PYTHON) -m venv .venv-tf216
	$(BIN_TF216)/python -m pip install --quiet --editable '.[io,test-io]'
	touch $@
