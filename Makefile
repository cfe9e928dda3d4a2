# Needs make and Python 3.11 or newer with venv. Nothing is installed outside .venv.
PYTHON ?= python3
UV ?= uv
# Most tests of make test wait for a server or a disk, so more processes than cores are faster. The others start many.
WORKERS ?= $(shell expr 2 \* $$(getconf _NPROCESSORS_ONLN))

BIN := .venv/bin
READY := .venv/ready
# They try everything in turn: every crash, every pair of acts, every forgery, every page by mouse and by keyboard.
THOROUGH := tests/bench tests/browser tests/chaos tests/crash tests/model tests/store/test_forger.py

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Otherwise each process that a test starts compiles all of the bot again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo playground test thorough check chaos newcomer bench pictures example requirements clean

help:
	@echo "make demo          play the whole story against a local Slack and a local gateway"
	@echo "make playground    use the bot in a local workspace, in your browser (ARGS=\"--approvals 2 --remind 10s,20s\")"
	@echo "make test          run the tests of all parts, with coverage"
	@echo "make thorough      run those that take longer: browser, crashes, models, forgeries, short chaos and benchmarks"
	@echo "                    (EVERYTHING=1 also follows acts that change nothing)"
	@echo "make check         check lint, format and types"
	@echo "make chaos         run 300 cancellations while everything fails (SEED=n repeats a run, N=n changes the number,"
	@echo "                    WITH=\"second log names clock\" adds trouble around the bot, KEEP=folder keeps its files;"
	@echo "                    REPLICAS=3 DATABASE=postgres lets three bots share a PostgreSQL server that dies as well)"
	@echo "make newcomer      follow the README in an empty environment, up to a first cancellation in the sandbox"
	@echo "make bench         compare the bot's speed with the plainest Bolt app and the tutorials' way (build/bench.md)"
	@echo "make pictures      draw the pictures in docs/ again"
	@echo "make example       write desk.env.example again, after a change of the settings"
	@echo "make requirements  pin the dependencies again (needs uv; UPGRADE=1 takes the newest versions)"
	@echo "make clean         remove .venv and everything else that these targets create"

demo: $(READY)
	@$(BIN)/python -m bot demo

playground: $(READY)
	@$(BIN)/python -m bot playground $(ARGS)

pictures: $(READY)
	PICTURES=docs $(BIN)/python -m pytest tests/browser/test_screens.py -k pictures

example: $(READY)
	@$(BIN)/python -c "from bot.settings import example; print(example(), end='')" > desk.env.example

test: $(READY)
	@$(BIN)/python -c 'from tests.postgres import MISSING, programs; programs() or print(f"Skipping the tests on PostgreSQL. {MISSING}")'
	@$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(THOROUGH:%=--ignore=%) -n $(WORKERS) --dist worksteal
	@$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

thorough: $(READY)
	$(BIN)/python -m pytest $(THOROUGH) -n auto --dist worksteal --timeout 600

chaos: $(READY)
	@$(BIN)/python -m tests.chaos $(if $(REPLICAS),--replicas $(REPLICAS)) $(if $(DATABASE),--database $(DATABASE)) $(if $(SEED),--seed $(SEED)) $(if $(N),--cancellations $(N)) $(foreach trouble,$(WITH),--with $(trouble)) $(if $(KEEP),--keep $(KEEP))

newcomer:
	@$(PYTHON) .ci/newcomer.py

bench: $(READY)
	@$(BIN)/python -m tests.bench $(if $(QUICK),--quick)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict bot tests

# Wheels only: a build from source would fetch build tools that no hash covers.
$(READY): requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "This needs Python 3.11 or newer as python3; name another one with: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "This python3 has no venv; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Setting up .venv ..."
	@rm -rf .venv
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --require-hashes --only-binary :all: --requirement requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --no-deps --no-index --no-build-isolation --editable .
	@touch $@

COMPILE = $(UV) pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --custom-compile-command "make requirements" \
  --extra postgres --extra otel $(if $(UPGRADE),--upgrade) pyproject.toml

requirements:
	@$(UV) --version >/dev/null 2>&1 || { echo "This needs uv; name it with: make requirements UV=/path/to/uv" >&2; exit 1; }
	@$(COMPILE) --output-file requirements.txt >/dev/null
	@$(COMPILE) --extra dev --constraint requirements.txt --output-file requirements-dev.txt >/dev/null

clean:
	rm -rf .venv build dist .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find bot tests -name __pycache__ -type d -prune -exec rm -rf {} +
