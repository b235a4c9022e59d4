# make search: set everything up and run the main job.   make test: set everything up and test.
# make PYTHON=python3.12 VENV=~/venvs/foveate search: another Python, another folder.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.foveate-ready

.PHONY: search test lint format dashboard demo screenshots bench soak clean

search: $(READY)
	$(BIN)/foveate search --time-budget 5m

dashboard: $(READY)
	$(BIN)/foveate dashboard

test: lint
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)
	$(BIN)/python benchmarks/main_job.py
	$(BIN)/python benchmarks/attention.py
	$(BIN)/python benchmarks/aw.py
	$(BIN)/python benchmarks/costs.py
	$(BIN)/python benchmarks/backbones.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/turnaround.py
	$(BIN)/python benchmarks/stopping.py
	$(BIN)/python benchmarks/samplers.py
	$(BIN)/python benchmarks/storage.py
	$(BIN)/python benchmarks/dashboard.py

# what `foveate dashboard --demo` shows; again: goes on where it ended
DEMO := sqlite:///results/demo.db
demo: $(READY)
	mkdir -p results
	$(BIN)/foveate search docs/demo.yaml --study "where attention helps" --storage $(DEMO) --plain
	for seed in 1 2; do \
	  $(BIN)/foveate search docs/demo.yaml --study "seed $$seed" --storage $(DEMO) --plain --trials 22 \
	    --set recipe.seed=$$seed --set stopping.rule=none --warm-start "where attention helps" && \
	  $(BIN)/foveate merge "seed $$seed" "where attention helps" --storage $(DEMO) || exit 1; \
	done
	$(BIN)/python docs/demo.py results/demo.db

screenshots: $(READY)
	$(BIN)/python docs/screenshots.py

soak: $(READY)
	$(BIN)/python tests/search/torture.py --storage sqlite --minutes 20
	$(BIN)/python tests/search/torture.py --storage postgresql --minutes 20

# installed once; again only when what is required has changed
$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[postgresql]' --group dev
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
