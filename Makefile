# make setup  the environment alone, in .venv
# make book   set up, make the embedded data, run the notebooks, build _build/html/index.html
# make test   set up, run all tests
# make lab    the notebooks in JupyterLab
# make smoke  run every notebook in seconds, as the tests do
# make lint   ruff, types, the order of imports, and the notebook pairs in step
# make bench  time the package against the released way of computing the same
# make readme put the scores of results/embedded.json into README.md
# make clean  remove what was built (not data/, runs/ and .venv/)
#
# PYTHON=/path/to/python chooses the interpreter for .venv; VENV= another folder.
.DELETE_ON_ERROR:
.PHONY: help setup book notebooks html test lab smoke lint bench readme clean
.DEFAULT_GOAL := help

VENV ?= .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
PROFILE ?= demo
PYTEST_WORKERS ?= 2
CANDIDATES := $(if $(PYTHON),$(PYTHON),python3 python3.13 python3.12 python3.11 python)
# A candidate counts only if it runs: the name may be a launcher of a version that is not there.
USABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

# glibc asks Linux for pages of 2 MB where it can: where the system gives 4 KB pages unless asked, torch's large tensors are slow,
# and a training step takes twice as long. Read by glibc alone; a value that is set already is kept.
export GLIBC_TUNABLES ?= glibc.malloc.hugetlb=1

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

$(STAMP): pyproject.toml constraints.txt
	@found=; for name in $(CANDIDATES); do \
	    if "$$name" -c '$(USABLE)' >/dev/null 2>&1; then found=$$name; break; fi; done; \
	if [ -z "$$found" ]; then \
	    echo "make: no usable Python among: $(CANDIDATES)" >&2; \
	    for name in $(CANDIDATES); do \
	        said=$$("$$name" --version 2>&1 | head -n 1); echo "    $$name: $${said:-not found}" >&2; done; \
	    echo "Python 3.11 or newer with venv and ensurepip is needed (Debian, Ubuntu: apt install python3-venv)." >&2; \
	    echo "Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; fi; \
	if $(PY) -m pip --version >/dev/null 2>&1; then :; else \
	    echo "venv: $(VENV) with $$($$found --version)"; "$$found" -m venv --clear $(VENV); fi
	$(PY) -m pip install --quiet -c constraints.txt setuptools wheel
	$(PY) -m pip install --quiet -c constraints.txt --no-build-isolation -e '.[book,test]'
	@touch $@

setup: $(STAMP)

notebooks: $(STAMP)
	$(PY) -m rpstn data make embedded
	$(PY) -m rpstn run --profile $(PROFILE) --out book/executed

html: $(STAMP)
	$(PY) -m rpstn.notebooks.build

book: notebooks
	$(PY) -m rpstn.notebooks.build

test: $(STAMP)
	$(PY) -m pytest -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder

lab: $(STAMP)
	$(PY) -m jupyterlab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks

smoke: $(STAMP)
	$(PY) -m rpstn data make embedded
	$(PY) -m rpstn run --profile smoke

lint: $(STAMP)
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	$(VENV)/bin/lint-imports --no-logo
	$(PY) -m pytest -q tests/test_house.py tests/test_imports.py

bench: $(STAMP)
	$(PY) -m rpstn bench

readme: $(STAMP)
	$(PY) -m rpstn.notebooks.readme README.md results/embedded.json

clean:
	rm -rf _build book/executed build dist *.egg-info .pytest_cache .ruff_cache .import_linter_cache
	find rpstn tests notebooks -name __pycache__ -prune -exec rm -rf {} +
