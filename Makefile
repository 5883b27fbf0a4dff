# Everything a newcomer needs: `make demo`, `make test`. Nothing else comes first.

PYTHON ?= python3
PYTHON_NEWEST ?= python3.13
VENV := .venv
PY := $(VENV)/bin/python
MATRIX := .matrix
SITE := $(MATRIX)/site
# What must hold on every supported stack: imports, the library, a whole run.
# Runs of ultrasound take the same way as those of CT.
QUICK_TESTS := -k "not us]" tests/test_imports.py tests/test_main.py
STACKS := newest colab

.PHONY: help demo demo-ultrasound test check lint types test-slow test-long test-matrix \
	check-tpu check-tpu-full docs lock clean
.PRECIOUS: $(MATRIX)/%/.installed

help:
	@echo "demo             train and evaluate a cascade on CT phantoms (minutes)"
	@echo "demo-ultrasound  the same of missing scan lines on simulated ultrasound beams"
	@echo "test             the tests"
	@echo "check            lint, types, slow tests"
	@echo "test-long        tests that take minutes each: kills, many processes"
	@echo "test-matrix      quick tests on the oldest and newest supported stacks"
	@echo "check-tpu        compile for TPUs that are not there, against the budgets"
	@echo "check-tpu-full   the same for configurations at their real size (hours)"
	@echo "docs             the site, in $(SITE)"
	@echo "lock             resolve the lock files anew (needs uv)"

# install(folder, python, lock file), which empties a folder that it made before, no other
define install
	@if [ -L $(1) ] || [ -e $(1) -a ! -e $(1)/.made -a ! -e $(1)/.installed ]; then \
	echo "$(1): a link, or not made by this Makefile; remove it" >&2; exit 2; fi
	$(2) -m venv --clear $(1)
	touch $(1)/.made
	$(1)/bin/python -m pip install --quiet --no-compile --require-hashes --requirement $(3)
	$(1)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $(1)/.installed
endef

$(VENV)/.installed: requirements.lock pyproject.toml
	$(call install,$(VENV),$(PYTHON),requirements.lock)

demo: $(VENV)/.installed
	$(PY) -m sisr_jax.main --config=configs/ct_cascade.py:demo --workdir=runs/ct_demo

demo-ultrasound: $(VENV)/.installed
	$(PY) -m sisr_jax.main --config=configs/us_beams.py:demo --workdir=runs/us_demo

test: $(VENV)/.installed
	$(PY) -m pytest -m "not slow" -n 2 --dist worksteal

check: lint types test-slow

lint: $(VENV)/.installed
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(VENV)/bin/shellcheck -x .ci/run experiments/tpu/vm/*.sh

types: $(VENV)/.installed
	$(PY) -m pyright

SLOW := -m pytest -m "slow and not long" -n 2 --dist worksteal

# Numerics and memory of the operators in programs as users compile them.
test-slow: $(VENV)/.installed
	$(PY) $(SLOW) --ignore=tests/tomography
	JAX_DISABLE_MOST_OPTIMIZATIONS=0 XLA_FLAGS= $(PY) $(SLOW) tests/tomography

test-long: $(VENV)/.installed
	$(PY) -m pytest -m long -n 2 --dist worksteal

test-matrix: $(VENV)/.installed
	@if $(PYTHON_NEWEST) --version; then $(MAKE) $(STACKS:%=matrix-%); \
	else echo "test-matrix: no $(PYTHON_NEWEST), so this was left out: $(STACKS)"; fi

matrix-%: $(MATRIX)/%/.installed
	$(MATRIX)/$*/bin/python -m pytest -q -m "not slow" -n 2 --dist worksteal $(QUICK_TESTS)

$(MATRIX)/newest/.installed: requirements.lock pyproject.toml
	$(call install,$(MATRIX)/newest,$(PYTHON_NEWEST),requirements.lock)

$(MATRIX)/colab/.installed: requirements-colab.lock pyproject.toml
	$(call install,$(MATRIX)/colab,$(PYTHON_NEWEST),requirements-colab.lock)

$(MATRIX)/aot/.installed: requirements-aot.lock pyproject.toml
	$(call install,$(MATRIX)/aot,$(PYTHON),requirements-aot.lock)

# Those of one network are trained by programs that these have, too.
TPU_CONFIGS := ct_srgan:quicktest us_srgan:quicktest ct_cascade:quicktest
# Older generations compile alike; without --topology, the command takes them all.
TPU_TOPOLOGIES := v5e:1x1 v6e:1x1

# Installs the TPU compiler, which is free of charge but not open source.
check-tpu: $(MATRIX)/aot/.installed
	$(MATRIX)/aot/bin/python -m pytest -q tests/test_aot.py tests/test_tpu_budgets.py
	$(MATRIX)/aot/bin/python -m experiments.tpu.check --config $(TPU_CONFIGS) \
	  --topology $(TPU_TOPOLOGIES)

check-tpu-full: $(MATRIX)/aot/.installed
	$(MATRIX)/aot/bin/python -m experiments.tpu.check --full

$(MATRIX)/docs/.installed: requirements-docs.lock pyproject.toml
	$(call install,$(MATRIX)/docs,$(PYTHON),requirements-docs.lock)

# Strict: a warning is an error.
docs: $(MATRIX)/docs/.installed
	NO_MKDOCS_2_WARNING=1 $(MATRIX)/docs/bin/python -m mkdocs build --strict

LOCK_ONLY := uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
	--no-annotate --no-header pyproject.toml
LOCK := $(LOCK_ONLY) --group test

lock:
	$(LOCK) --group lint --python-version 3.11 --output-file requirements.lock
	$(LOCK) --extra tpu --python-version 3.11 --output-file requirements-aot.lock
	$(LOCK) --constraint colab-constraints.txt --python-version 3.13 \
	  --output-file requirements-colab.lock
	$(LOCK_ONLY) --group docs --python-version 3.11 --output-file requirements-docs.lock

clean:
	rm -rf $(VENV) $(MATRIX)
