"""A search that is killed, interrupted or out of time goes on with the same command."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
import pytest
import torch
from optuna.trial import TrialState

from foveate import Recipe, SearchSpec, build
from foveate.workers.train import Training

SEARCH = [sys.executable, "-m", "foveate.cli", "search", "--study", "tiny", "--trials", "5"]
SEARCH += ["--set", "data.name=digits", "--set", "space.modules=[eca, se]"]
SEARCH += ["--set", "recipe.epochs=8", "--set", "recipe.batch=64"]


@contextmanager
def searching(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*SEARCH, *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def epochs(folder: Path) -> dict[tuple[int, int], tuple[float, float]]:
    """(trial, epoch) -> (loss, accuracy): all that is recorded."""
    if not (folder / "foveate.db").exists():
        return {}
    try:
        with sqlite3.connect(folder / "foveate.db", timeout=30) as database:
            found = database.execute(
                "SELECT t.number, e.number, e.train_loss, e.accuracy"
                " FROM foveate_trial t JOIN foveate_epoch e ON e.trial_id = t.id"
            ).fetchall()
    except sqlite3.OperationalError:  # the tables are not there yet
        return {}
    return {(trial, number): (loss, share) for trial, number, loss, share in found}


def wait_for(condition: object, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():  # type: ignore[operator]
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing came in {seconds} seconds")


def states(folder: Path) -> list[str]:
    with sqlite3.connect(folder / "foveate.db") as database:
        return [
            state
            for (state,) in database.execute("SELECT state FROM foveate_trial ORDER BY number")
        ]


@pytest.mark.slow
def test_a_killed_driver_loses_no_epoch_and_the_same_command_goes_on(tmp_path: Path) -> None:
    with searching(tmp_path) as process:
        wait_for(lambda: len(epochs(tmp_path)) >= 10)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    before = epochs(tmp_path)
    with searching(tmp_path) as process:
        output, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors
    after = epochs(tmp_path)
    assert before.items() <= after.items()
    assert len(after) == 5 * 8 or "stopped" in states(tmp_path)
    assert set(states(tmp_path)) <= {"complete", "stopped"} and "Finished" in output
    study = optuna.load_study(study_name="tiny", storage=f"sqlite:///{tmp_path}/foveate.db")
    assert [trial.number for trial in study.trials] == list(range(5))
    assert {trial.state for trial in study.trials} <= {TrialState.COMPLETE, TrialState.PRUNED}

    assert [after[0, number] for number in range(1, 9)] == uninterrupted()


COUNTING = """
import os
from pathlib import Path

import torch
from torch import Tensor, nn

from foveate.attention import register


@register("counting", attends="channels")
class Counting(nn.Module):
    def __init__(self, channels: int, *, identity_init: bool = False) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))

    def forward(self, x_NCHW: Tensor) -> Tensor:
        if self.training and x_NCHW.device.type != "meta" and torch.is_grad_enabled():
            with open(Path({folder!r}) / "calls", "a") as log:
                log.write(".")
        return x_NCHW * self.scale[:, None, None]
"""


@pytest.mark.slow
def test_a_driver_killed_in_mid_epoch_costs_no_more_than_that_epoch(tmp_path: Path) -> None:
    """Every step of one trial is counted, over all workers of both drivers."""
    (tmp_path / "counting.py").write_text(COUNTING.replace("{folder!r}", repr(str(tmp_path))))
    words = ["--plugin", "counting.py", "--trials", "2", "--set", "space.modules=[counting]"]
    words += ["--set", "space.sites=['*.bn2']", "--set", "resources.workers=1"]
    calls, sites, steps, last = tmp_path / "calls", 3, 1078 // 64, 8

    def done() -> int:
        return calls.stat().st_size if calls.exists() else 0

    with searching(tmp_path, *words) as process:
        wait_for(lambda: done() > sites * steps * 3.3)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    time.sleep(10)  # the workers end without their driver
    before, recorded = done(), epochs(tmp_path)
    assert 0 < before < sites * steps * last
    with searching(tmp_path, *words) as process:
        _, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors
    again = done() - sites * steps * last
    assert 0 <= again < sites * steps  # what the epoch had done when it was cut off
    assert recorded.items() <= epochs(tmp_path).items()
    assert sorted(epochs(tmp_path)) == [(t, n) for t in (0, 1) for n in range(1, last + 1)]


def uninterrupted() -> list[tuple[float, float]]:
    """The bare backbone's curve, trained in one go."""
    images, space = SearchSpec.read(None, ["data.name=digits"]).prepare()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        recipe = Recipe(epochs=8, batch=64)
        torch.manual_seed(recipe.seed)
        model = build(space.baselines()["bare"], classes=10)
        epochs = Training(model, images, recipe).epochs()
        return [(epoch.train_loss, epoch.accuracy) for epoch in epochs]
    finally:
        torch.set_num_threads(threads)


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_its_trial_goes_on(tmp_path: Path) -> None:
    with searching(tmp_path, "--set", "resources.workers=1", "--trials", "2") as process:
        wait_for(lambda: len(epochs(tmp_path)) >= 4)
        with sqlite3.connect(tmp_path / "foveate.db") as database:
            found = database.execute("SELECT worker FROM foveate_trial WHERE worker IS NOT NULL")
            worker = int(found.fetchone()[0].rpartition(":")[2])
        os.kill(worker, signal.SIGKILL)
        _, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors
    assert states(tmp_path) == ["complete", "complete", "waiting"]  # a third baseline
    assert sorted(epochs(tmp_path)) == [(t, n) for t in (0, 1) for n in range(1, 9)]


@pytest.mark.slow
def test_a_second_search_joins_and_each_is_ended_by_hand(tmp_path: Path) -> None:
    """The first by Ctrl-C, the other by `foveate stop`; what they had in training waits."""
    with searching(tmp_path, "--trials", "60") as first:
        wait_for(lambda: len(epochs(tmp_path)) >= 1)
        with searching(tmp_path, "--trials", "60") as second:
            wait_for(lambda: at_work(tmp_path) == [first.pid, second.pid])
            first.send_signal(signal.SIGINT)
            output, errors = first.communicate(timeout=60)
            assert first.returncode == 130, errors
            assert at_work(tmp_path) == [second.pid]
            before = len(epochs(tmp_path))
            wait_for(lambda: len(epochs(tmp_path)) > before)
            stop = [sys.executable, "-m", "foveate.cli", "stop", "tiny"]
            subprocess.run(stop, cwd=tmp_path, check=True, timeout=60)
            other, more = second.communicate(timeout=60)
            assert second.returncode == 0, more
    assert "Interrupted; every finished epoch is kept" in output
    assert "Stopped, as somebody asked; every finished epoch is kept" in other
    go_on = next(line for line in output.splitlines() if line.startswith("Go on: "))
    assert "foveate search --study tiny" in go_on and "--trials 60" in go_on
    assert "Go on: " in other and "Traceback" not in errors + more
    assert "running" not in states(tmp_path) and at_work(tmp_path) == []
    study = optuna.load_study(study_name="tiny", storage=f"sqlite:///{tmp_path}/foveate.db")
    assert TrialState.RUNNING not in {trial.state for trial in study.trials}


def at_work(folder: Path) -> list[int]:
    """The processes of the drivers that have not ended."""
    with sqlite3.connect(folder / "foveate.db", timeout=30) as database:
        wanted = "SELECT pid FROM foveate_driver WHERE ended IS NULL ORDER BY id"
        return [pid for (pid,) in database.execute(wanted)]


@pytest.mark.slow
def test_a_time_budget_ends_the_run_and_keeps_what_was_trained(tmp_path: Path) -> None:
    with searching(tmp_path, "--time-budget", "1s") as process:
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "The time is up" in output and "Go on: foveate search" in output
    assert set(states(tmp_path)) == {"waiting"} or "complete" in states(tmp_path)
