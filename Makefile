# Each target does all its own set-up: nothing but Python 3.11, git and make need be there.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: demo test check lint types docs site litellm examples system soak fuzz bench clean

demo: .venv/installed
	$(BIN)/llmkit demo

# Three at a time, also on two cores: much of it waits for sockets.
test: .venv/tested
	$(BIN)/python -m pytest -q -n 3 --dist worksteal

check: lint types site litellm test examples

# The tests of the examples: of a program as its user runs them, in its folder, with its own settings.
examples: .venv/tested
	cd examples/summarise && $(CURDIR)/$(BIN)/python -m pytest -q
	cd examples/django_chat && $(CURDIR)/$(BIN)/python -m pytest -q
	$(BIN)/python -m pytest -q examples/tour/tests

# What some tests need of the system, and skip where it is missing: a browser for pages, a terminal to drive, a broker of tasks.
# For root on Debian.
system:
	{ command -v chromium && command -v redis-server && command -v tmux; } >/dev/null || { apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
			chromium fonts-dejavu-core redis-server tmux >/dev/null; }

lint: .venv/tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# What users' checkers infer: today's mypy, the oldest that is promised (which does not know all forms), and pyright.
types: .venv/tested .venv/checkers/installed
	$(BIN)/mypy --strict --warn-unreachable -p llmkit
	$(BIN)/mypy --strict tests/typing
	MYPYPATH=. .venv/checkers/bin/mypy --strict --cache-dir .mypy_cache/oldest \
		--follow-imports=silent --python-executable $(BIN)/python \
		$(filter-out tests/typing/forms.py,$(wildcard tests/typing/*.py))
	.venv/checkers/bin/basedpyright --project tests/typing --pythonpath $(BIN)/python

# Writes what is made from the code anew, and builds the site into site/.
docs: .venv/tested
	$(BIN)/python docs/build_reference.py
	$(BIN)/python docs/build_tables.py
	$(MAKE) site

# What of `docs` is a check: it writes nothing but site/.
site: .venv/site/installed
	NO_MKDOCS_2_WARNING=1 .venv/site/bin/mkdocs build --quiet --strict
	.venv/site/bin/python docs/check_site.py site

# Ten minutes of calls under faults; not part of `check`. `make soak SECONDS=60` for less.
soak: .venv/tested
	$(BIN)/python -X dev -W error tests/soak.py --seconds $(or $(SECONDS),600)

# Ten minutes of what nobody should send; not part of `check`, which tries a little of it. `make fuzz SECONDS=60` for less.
fuzz: .venv/tested
	$(BIN)/python -W error tests/fuzz.py --seconds $(or $(SECONDS),600)

# What llmkit costs beside the floor of its stack and the vendors' clients; a full run writes docs/performance.md's table.
# `make bench ONLY=stream` for a part (import, whole, stream, first, threads, run, build, growth, memory), `WIRE=openai-chat` for one
# wire, `QUICK=1` to see that it runs.
bench: .venv/tested
	$(BIN)/python -m benchmarks $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) $(if $(WIRE),--wire $(WIRE)) \
		$(if $(QUICK)$(ONLY)$(WIRE),,--write)

# A proxy that some tests speak to, apart from all else as it pins what others need newer.
litellm: .venv/litellm/installed

clean:
	rm -rf .venv build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage

# The package alone, as a user has it.
.venv/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	touch $@

# With all that tests need.
.venv/tested: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[test]"
	touch $@

.venv/checkers/installed: .venv/installed
	$(PYTHON) -m venv .venv/checkers
	.venv/checkers/bin/pip install --quiet --disable-pip-version-check mypy==1.19.0 basedpyright==1.40.2
	touch $@

.venv/litellm/installed: .venv/installed
	$(PYTHON) -m venv .venv/litellm
	.venv/litellm/bin/pip install --quiet --disable-pip-version-check "litellm[proxy]==1.106.2"
	touch $@

.venv/site/installed: .venv/installed
	$(PYTHON) -m venv .venv/site
	.venv/site/bin/pip install --quiet --disable-pip-version-check \
		mkdocs==1.6.1 mkdocs-material==9.8.1 pymdown-extensions==13.1.2 Markdown==3.11.3
	touch $@
