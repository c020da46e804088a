# make book, and the website is in _build/html. Every target first creates the Python
# environment it needs, in .venv, once.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SITE := _build/html
PORT ?= 8000
# The first Python on the path that is new enough, and not too new; or the one you name:
# make book PYTHON=/path/to/python
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	>/dev/null 2>&1 && echo $$p && break; done)
# Tests run side by side, a thread each: two threads on two busy cores wait for
# one another.
TESTS := OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses=auto --maxprocesses=4

# Threads that wait spin for some microseconds and then sleep. By default they spin for
# long: on cores that are busy with something else, training can then take twenty times
# as long. Sleeping at once (OMP_WAIT_POLICY=PASSIVE) doubles it on idle cores.
export GOMP_SPINCOUNT ?= 10000

# What Colab has: its packages, in an environment of their own. The newest Python that
# is here comes nearest to Colab's.
COLAB := _build/colab
COLAB_PACKAGES ?= tests/colab/packages.txt
# Where the first cell of the chapters fetches vaelib from; here: from this clone's origin.
ADDRESS ?=
VAEBOOK := PYTHONPATH=book/_ext $(BIN)/python -m vaebook

.PHONY: book serve lab pdf test lint links colab bench first-cell exercises environment clean

book: $(READY)  ## build the website
	$(BIN)/jupyter-book build -W -n --keep-going --quiet .
	@echo
	@echo "The book is ready: open $(CURDIR)/$(SITE)/index.html, or type make serve."

serve: book  ## build it and serve it to the browser
	@echo "Serving http://localhost:$(PORT), stop with Ctrl-C."
	@$(BIN)/python -m http.server --bind 127.0.0.1 --directory $(SITE) $(PORT)

lab: $(READY)  ## open the chapters in JupyterLab
	$(BIN)/jupyter lab --ServerApp.root_dir=. --ServerApp.preferred_dir=notebooks

pdf: book  ## print it into _build/book.pdf, solutions and all
	$(VAEBOOK) pdf

test: $(READY)  ## run every test; those of the website look at the last build, too
	$(TESTS)

lint: $(READY)  ## check code and notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

links: $(READY)  ## ask of every link to another site whether it still leads somewhere
	$(BIN)/jupyter-book build --keep-going --builder linkcheck .

colab: $(READY) $(COLAB)/.ready  ## run each chapter alone, with Colab's packages
	VAEBOOK_COLAB=$(CURDIR)/$(COLAB)/bin/python $(BIN)/pytest tests/colab

first-cell: $(READY)  ## write the cell by which a chapter fetches vaelib into each
	@$(VAEBOOK) first-cell --address="$(ADDRESS)"

exercises: $(READY)  ## write the exercises of the library into the chapters
	@$(VAEBOOK) exercises

bench: $(READY)  ## time training against the plain loop of the source document
	$(BIN)/python -m tests.benchmarks.bench_training $(BENCH)

environment: $(READY)  ## only create the environment

clean:  ## remove the website and the runs it kept; the environment stays
	rm -rf _build

$(READY): requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "This book needs Python 3.11, 3.12 or 3.13, and none of them is on the path: install one, or name it with make $(MAKECMDGOALS) PYTHON=/path/to/python."; exit 1; }
	@echo "Creating the environment in $(VENV), once; PyTorch makes it a large download."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.txt
	@touch $@

$(COLAB)/.ready: $(COLAB_PACKAGES)
	@echo "Creating an environment with Colab's packages in $(COLAB), once."
	@rm -rf $(COLAB)
	@$(PYTHON) -m venv $(COLAB)
	@$(COLAB)/bin/pip install --quiet --disable-pip-version-check --requirement $(COLAB_PACKAGES)
	@touch $@
