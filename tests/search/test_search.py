"""Whole searches: real Ray processes, a real database, the tiniest settings."""

import json
import sqlite3
import subprocess
import sys
import warnings
from pathlib import Path
from wsgiref.util import setup_testing_defaults

import optuna
import pytest
from sqlalchemy.orm import Session

from foveate.search import databases, store

SPEC = """
data: {name: digits}
space: {modules: [eca, se], sites: ["*.bn2"]}
recipe: {epochs: 4, batch: 64}
stopping: {first: 1, least: 4}
sampler: {startup: 5}
trials: 9
"""


def foveate(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The command line, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "foveate.cli", *words], cwd=cwd, capture_output=True, text=True
    )


def search(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (folder / "spec.yaml").write_text(SPEC)
    return foveate("search", "spec.yaml", "--study", "tiny", *words, cwd=folder)


def rows(folder: Path) -> list[tuple[object, ...]]:
    """All that was scored: number, key, state, accuracy, and each epoch's loss."""
    with sqlite3.connect(folder / "foveate.db") as database:
        return database.execute(
            "SELECT t.number, t.key, t.state, t.accuracy, e.number, e.train_loss"
            " FROM foveate_trial t JOIN foveate_epoch e ON e.trial_id = t.id"
            " ORDER BY t.number, e.number"
        ).fetchall()


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("searched")
    ran = search(folder)
    assert ran.returncode == 0, ran.stderr
    (folder / "output").write_text(ran.stdout)
    return folder


@pytest.mark.slow
def test_a_search_trains_its_baselines_stops_some_candidates_and_leaves_a_front(
    searched: Path,
) -> None:
    with Session(databases.open_database(f"sqlite:///{searched}/foveate.db")) as session:
        study = store.find_study(session, "tiny")
        trials = store.trials(session, study)
        assert [trial.origin for trial in trials[:3]] == ["bare", "everywhere:eca", "everywhere:se"]
        assert all(trial.state == "complete" for trial in trials[:3])
        assert {trial.state for trial in trials} <= {"complete", "stopped"}
        assert len(trials) == 9 and len({trial.key for trial in trials}) == 9
        stopped = [trial for trial in trials if trial.state == "stopped"]
        assert stopped and all(trial.epochs < 4 and trial.reason for trial in stopped)
        assert [epoch.number for epoch in trials[0].curve] == [1, 2, 3, 4]
        steps = store.front_steps(session, study)
        assert study.finished == sum(trial.state == "complete" for trial in trials)
        assert steps[-1].members == [t.number for t in store.front_trials(session, study)]
        assert store.drivers(session, study.id) == []


@pytest.mark.slow
def test_optuna_opens_the_study_and_agrees_on_the_front(searched: Path) -> None:
    with Session(databases.open_database(f"sqlite:///{searched}/foveate.db")) as session:
        front = store.front_trials(session, store.find_study(session, "tiny"))
        ours = {trial.number: (trial.accuracy, trial.gflops) for trial in front}
    study = optuna.load_study(study_name="tiny", storage=f"sqlite:///{searched}/foveate.db")
    assert {trial.number: tuple(trial.values) for trial in study.best_trials} == ours
    assert study.metric_names == ["accuracy", "GFLOPs"]
    assert not any(trial.intermediate_values for trial in study.trials)


@pytest.mark.slow
def test_optuna_dashboard_opens_the_study(searched: Path) -> None:
    from optuna_dashboard import wsgi  # slow to import

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        app = wsgi(f"sqlite:///{searched}/foveate.db")
    status: list[str] = []
    environ: dict[str, object] = {"PATH_INFO": "/api/studies"}
    setup_testing_defaults(environ)
    body = b"".join(app(environ, lambda line, *_: status.append(line)))
    assert status == ["200 OK"]
    assert "tiny" in [study["study_name"] for study in json.loads(body)["study_summaries"]]


@pytest.mark.slow
def test_the_results_are_shown_drawn_and_exported(searched: Path) -> None:
    output = (searched / "output").read_text()
    assert "Finished: 9 of 9 trials" in output
    assert "The front, cheapest first" in output and "Baselines, best first" in output
    assert "foveate dashboard" in output
    results = searched / "results" / "tiny"
    assert (results / "front.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in (results / "best").iterdir()} == {
        "model.py",
        "weights.safetensors",
        "README.md",
        "architecture.svg",
    }


@pytest.mark.slow
def test_the_exported_candidate_scores_what_the_study_says(searched: Path) -> None:
    """In a process that has torch, and neither foveate nor the packages of the search."""
    from foveate import Data
    from foveate.workers.data import load

    validation = load(Data(name="digits")).validation
    pairs = [validation.images.tolist(), validation.labels.tolist()]
    (searched / "images.json").write_text(json.dumps(pairs))
    code = (
        "import json, sys, torch; sys.path.insert(0, 'results/tiny/best')\n"
        "import model\n"
        "images, labels = json.load(open('images.json'))\n"
        "x = model.preprocess(torch.tensor(images, dtype=torch.uint8))\n"
        "with torch.no_grad(): named = model.load()(x).argmax(1)\n"
        "assert not {'foveate', 'ray', 'optuna', 'safetensors'} & set(sys.modules)\n"
        "print((named == torch.tensor(labels)).float().mean().item())\n"
    )
    ran = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=searched, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    with Session(databases.open_database(f"sqlite:///{searched}/foveate.db")) as session:
        front = store.front_trials(session, store.find_study(session, "tiny"))
        best = max(trial.accuracy or 0.0 for trial in front)
    assert float(ran.stdout) == pytest.approx(best, abs=1e-6)


@pytest.mark.slow
def test_a_finished_search_has_nothing_left_and_more_trials_go_on(searched: Path) -> None:
    before = rows(searched)
    again = search(searched)
    assert again.returncode == 0, again.stderr
    assert "9 trials are done already" in again.stdout and rows(searched) == before
    more = search(searched, "--trials", "11")
    assert more.returncode == 0, more.stderr
    after = rows(searched)
    assert after[: len(before)] == before and {row[0] for row in after} == set(range(11))


@pytest.mark.slow
def test_two_searches_with_one_seed_and_one_worker_are_the_same(tmp_path: Path) -> None:
    scored = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        ran = search(folder, "--set", "resources.workers=1", "--trials", "6")
        assert ran.returncode == 0, ran.stderr
        scored.append(rows(folder))
    assert (
        scored[0] == scored[1] and len(scored[0]) > 12
    )  # three baselines of 4 epochs, and candidates
