# Everything a contributor types. The first call makes a virtual environment; later ones reuse it
# until pyproject.toml, setup.cfg or constraints.txt change.
#
#   make test PYTEST_ARGS="tests/test_folds.py -k leak"
#   make quickstart PYTHON=/opt/python3.12/bin/python

# The first of these that runs: 3.13, 3.12 and 3.11 are what ravfeat is tested on.
PYTHON ?= python3.13 python3.12 python3.11 python3
VENV ?= .venv
PYTEST_ARGS ?=
BENCH_ARGS ?=
FUZZ ?= 5000

# On Linux PyPI's torch brings gigabytes of CUDA libraries; this index has the same versions without them.
TORCH_CPU := https://download.pytorch.org/whl/cpu

PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
RAVFEAT := $(VENV)/bin/ravfeat
PACKAGING := pyproject.toml setup.cfg constraints.txt

# The quickstart keeps its own corpus and cache, so that data/ and cache/ stay the user's.
QUICK := runs/quickstart
QUICK_CACHE := $(QUICK)-cache
QUICK_HEADS := --head logreg --head attentive

.DELETE_ON_ERROR:
.PHONY: help quickstart test test-device fuzz check docs readme bench clean

help:
	@echo "make quickstart   install, encode a generated corpus, train heads, make a report"
	@echo "make test         install and run the tests, a process per core; PYTEST_ARGS are passed on (-n 0: one process)"
	@echo "make test-device  run tests/device on a GPU, or on a pretended one where that can be built; else say why not"
	@echo "make fuzz         change files of every kind at random, FUZZ times each (5000: some hours); all must be refused or read right"
	@echo "make check        lint, format, types, spelling: what the continuous integration runs"
	@echo "make docs         run what the pages show, and build the site in docs/_build/html"
	@echo "make readme       write the outputs that README.md and the pages show anew, and the picture of a report"
	@echo "make bench        run the benchmarks; BENCH_ARGS are passed on"
	@echo "make clean        remove what quickstart and the tools made; the environment stays"

$(VENV)/bin/python:
	@# Candidates are tried, not looked up: pyenv puts names on the PATH that only print an error, and Debian's
	@# python3 may lack ensurepip.
	@for python in $(PYTHON); do \
		if "$$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "$$("$$python" --version) ($$python) in $(VENV)"; exec "$$python" -m venv $(VENV); \
		fi; \
	done; \
	echo "no working Python 3.11, 3.12 or 3.13 with venv and pip among: $(PYTHON)" >&2; \
	echo "install one (Debian, Ubuntu: apt install python3-venv; macOS: brew install python@3.13) or name it:" >&2; \
	echo "  make $(or $(MAKECMDGOALS),quickstart) PYTHON=/path/to/python3" >&2; \
	exit 1

$(VENV)/.installed-all: $(PACKAGING) | $(VENV)/bin/python
	@echo "installing ravfeat[all] into $(VENV); the first time this takes minutes"
	@# The pin holds either way: torch==2.13.0 is met by 2.13.0+cpu where an index offers it. Indexes that the
	@# environment names are the user's choice, and where this one cannot be reached pip would retry for minutes.
	@if [ "$$(uname)" = Linux ] && [ ! -e /proc/driver/nvidia ] && ! command -v nvidia-smi >/dev/null \
		&& [ -z "$$PIP_INDEX_URL$$PIP_EXTRA_INDEX_URL" ] && timeout 10 $(VENV)/bin/python -c \
			'import urllib.request as r; r.urlopen("$(TORCH_CPU)/torch/", timeout=5)' 2>/dev/null; \
	then \
		echo "no NVIDIA driver here: torch without CUDA, from $(TORCH_CPU)"; \
		$(PIP) --extra-index-url $(TORCH_CPU) -e '.[all]'; \
	else \
		$(PIP) -e '.[all]'; \
	fi
	@touch $@

$(VENV)/.installed-dev: $(PACKAGING) $(VENV)/.installed-all
	$(PIP) -e '.[dev]'
	@touch $@

quickstart: $(VENV)/.installed-all
	$(RAVFEAT) extract --corpus synth --data $(QUICK)-corpus --encoder logmel --device cpu --out $(QUICK_CACHE)
	@$(MAKE) --no-print-directory $(QUICK)/metrics.json $(QUICK)-leaky/metrics.json
	$(RAVFEAT) report $(QUICK) $(QUICK)-leaky --out $(QUICK)-report
	@echo
	@echo "The report, actor split and LEAKY clip split side by side: $(QUICK)-report/report.html"

# A finished run is kept; `make clean` makes room for new ones.
$(QUICK)/metrics.json: | $(VENV)/.installed-all
	$(RAVFEAT) fit-heads --cache $(QUICK_CACHE) --protocol ravdess6 $(QUICK_HEADS) --device cpu --out $(QUICK)

$(QUICK)-leaky/metrics.json: | $(VENV)/.installed-all
	$(RAVFEAT) fit-heads --cache $(QUICK_CACHE) --protocol clip6 --allow-leak $(QUICK_HEADS) --device cpu --out $(QUICK)-leaky

test: $(VENV)/.installed-dev
	$(VENV)/bin/python -m pytest -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

# A session of its own: whether there is a CUDA device is settled when torch is first imported.
test-device: $(VENV)/.installed-dev
	$(VENV)/bin/python -m tests.device $(PYTEST_ARGS)

fuzz: $(VENV)/.installed-dev
	RAVFEAT_FUZZ=$(FUZZ) $(VENV)/bin/python -m pytest -n auto --maxprocesses 8 -p no:randomly tests/fuzz $(PYTEST_ARGS)

check: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/codespell

$(VENV)/.installed-docs: $(PACKAGING) $(VENV)/.installed-all
	$(PIP) -e '.[docs]'
	@touch $@

docs: $(VENV)/.installed-docs
	$(VENV)/bin/python -m docs.snippets
	$(VENV)/bin/python -m sphinx --fail-on-warning --keep-going --quiet --fresh-env docs docs/_build/html
	@echo "The site: docs/_build/html/index.html"

readme: $(VENV)/.installed-docs
	rm -rf runs/docs
	$(VENV)/bin/python -m docs.snippets --write --keep runs/docs
	$(VENV)/bin/python -m docs.picture runs/docs/runs/report/report.html

bench: $(VENV)/.installed-dev
	$(VENV)/bin/python -m benchmarks $(BENCH_ARGS)

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	rm -rf $(QUICK) $(QUICK)-leaky $(QUICK)-report $(QUICK_CACHE) $(QUICK)-corpus
