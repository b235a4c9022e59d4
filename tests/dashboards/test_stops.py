"""The Early stopping page: what it saved, and whom it may have cost."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from foveate.dashboards.correlation import spearman
from foveate.dashboards.stops import MOST, in_words, judged_at
from foveate.search import store
from foveate.search.front import dominates
from foveate.search.records import Study
from foveate.search.stopping import Stopping, rungs

from .conftest import add_study, add_trial

EPOCHS = 10
SETTINGS = {"rule": "pareto", "first": 2, "factor": 2.0, "least": 3}  # rungs: 2, 4, 8


@pytest.fixture
def study(session: Session) -> Study:
    """Study 2: half of its trials are stopped at a rung, with a verdict and an expectation."""
    rng = np.random.default_rng(3)
    study = add_study(session, "stopped")
    study.spec = study.spec | {"recipe": {"epochs": EPOCHS}, "stopping": SETTINGS}
    add_trial(session, study, 0, origin="bare", curve=tuple(np.linspace(0.3, 0.7, EPOCHS)))
    for number in range(1, 40):
        final = float(rng.uniform(0.5, 0.95))
        curve = tuple(float(v) for v in np.linspace(0.2, final, EPOCHS) + rng.normal(0, 0.02, 10))
        end: dict[str, Any] = {"state": "complete"}
        if number % 2:
            epoch = int(rng.choice([2, 4, 8]))
            curve = curve[:epoch]
            verdict: dict[str, Any] = {"epoch": epoch, "accuracy": curve[-1], "place": 9, "of": 10}
            verdict |= {"threshold": None if number == 5 else curve[-1] + number / 1000}
            expected = None if number == 7 else final
            end = {"state": "stopped", "verdict": verdict, "expected": expected}
        add_trial(session, study, number, extra=float(rng.uniform(0, 1)), curve=curve, **end)
    session.commit()
    return study


def told(client: TestClient, study: Study, **query: str) -> dict[str, Any]:
    answer = client.get(f"/api/v1/studies/{study.id}/stops", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_who_came_how_far_is_counted(client: TestClient, session: Session, study: Study) -> None:
    trials = [t for t in store.trials(session, study) if not t.is_baseline]
    found = told(client, study)["survivors"]
    assert [row["epoch"] for row in found] == [1, 2, 4, 8, 10]
    for row in found:
        assert row["reached"] == sum(t.epochs >= row["epoch"] for t in trials)
        stopped = [t for t in trials if t.state == "stopped" and t.epochs == row["epoch"]]
        assert row["stopped"] == len(stopped)
    for row, following in pairwise(found):
        gone = row["stopped"] + row["failed"] + row["on"]
        assert following["reached"] == row["reached"] - gone


def test_what_was_saved_is_the_epochs_that_were_left(
    client: TestClient, session: Session, study: Study
) -> None:
    stopped = store.trials(session, study, "stopped")
    spent = sum(t.seconds for t in store.trials(session, study))
    found = told(client, study)["saved"]
    assert found["stopped"] == len(stopped) == 20
    assert found["epochs"] == sum(EPOCHS - t.epochs for t in stopped)
    seconds = 1.5 * found["epochs"]  # of each epoch
    assert found["seconds"] == pytest.approx(seconds)
    assert found["share"] == pytest.approx(seconds / (seconds + spent), abs=1e-4)


def test_rungs_are_held_against_the_end(client: TestClient, session: Session, study: Study) -> None:
    done = store.trials(session, study, "complete")
    found = told(client, study)["correlation"]
    assert [one["epoch"] for one in found] == rungs(Stopping.of(SETTINGS), EPOCHS) == [2, 4, 8]
    for one in found:
        early = [t.curve[one["epoch"] - 1].accuracy for t in done]
        rho = stats.spearmanr(early, [t.accuracy for t in done]).statistic
        assert one["n"] == len(done)
        assert one["rho"] == pytest.approx(rho, abs=1e-4)
        assert one["low"] < one["rho"] < one["high"]


def test_near_misses_missed_by_the_least(
    client: TestClient, session: Session, study: Study
) -> None:
    found = told(client, study)
    stopped = store.trials(session, study, "stopped")
    short = {
        t.number: 100 * (t.verdict["threshold"] - t.verdict["accuracy"])
        for t in stopped
        if t.verdict and t.verdict["threshold"] is not None
    }
    assert [one["n"] for one in found["nearest"]] == sorted(short, key=lambda n: short[n])
    assert [one["short"] for one in found["nearest"]] == pytest.approx(sorted(short.values()))


def test_winners_are_those_that_no_fully_trained_trial_dominates(
    client: TestClient, session: Session, study: Study
) -> None:
    done = [(t.accuracy or 0.0, t.gflops) for t in store.trials(session, study, "complete")]
    known = [t for t in store.trials(session, study, "stopped") if t.expected is not None]
    winners: dict[int, float] = {
        t.number: t.expected or 0.0
        for t in known
        if not any(dominates(one, (t.expected or 0.0, t.gflops)) for one in done)
    }
    found = told(client, study)
    assert winners and len(winners) < len(known) == found["expected"]
    assert found["would"] == len(winners)
    assert [one["n"] for one in found["winners"]] == sorted(winners, key=lambda n: -winners[n])
    assert {one["would"] for one in found["winners"]} == {True}
    assert all(one["would"] == (one["n"] in winners) for one in found["nearest"])


def test_the_filters_hold_for_every_panel(client: TestClient, study: Study) -> None:
    found = told(client, study, state="stopped")
    assert found["front"] == 0 and found["would"] == found["expected"] == 19
    assert {one["rho"] for one in found["correlation"]} == {None}
    assert found["survivors"][-1]["reached"] == 0
    found = told(client, study, state="complete")
    assert found["saved"]["stopped"] == 0 and found["nearest"] == []


def test_a_newly_stopped_trial_is_there_at_once(
    client: TestClient, session: Session, study: Study
) -> None:
    before = told(client, study)["saved"]["stopped"]
    verdict = {"epoch": 2, "accuracy": 0.4, "threshold": 0.4, "place": 2, "of": 3}
    add_trial(session, study, 40, curve=(0.3, 0.4), state="stopped", verdict=verdict, expected=0.99)
    session.commit()
    found = told(client, study)
    assert found["saved"]["stopped"] == before + 1
    assert found["nearest"][0] == {
        "n": 40,
        "epoch": 2,
        "accuracy": 40.0,
        "short": 0.0,
        "place": 2,
        "of": 3,
        "expected": 99.0,
        "gflops": 0.04,
        "would": True,
    }


def test_a_trial_stopped_without_a_verdict_is_no_near_miss(client: TestClient) -> None:
    found = client.get("/api/v1/studies/1/stops").json()
    assert found["saved"]["stopped"] == 1
    assert found["nearest"] == [] and found["expected"] == 0


def test_a_study_without_trials_has_a_page(client: TestClient, session: Session) -> None:
    empty = add_study(session, "empty")
    session.commit()
    assert client.get(f"/s/{empty.id}/stops").status_code == 200
    found = told(client, empty)
    assert found["saved"]["share"] is None and found["survivors"][0]["reached"] == 0


# --------------------------------------------------------------------------------- correlation


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=4, max_size=40))
def test_the_correlation_is_that_of_scipy(pairs: list[tuple[int, int]]) -> None:
    a, b = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    found = spearman(a, b)
    if len({*a}) == 1 or len({*b}) == 1:
        assert found["rho"] is None
        return
    assert found["rho"] == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-4)
    assert -1 <= found["low"] <= found["rho"] <= found["high"] <= 1


def test_nineteen_intervals_of_twenty_have_the_truth_in_them() -> None:
    rng, rho = np.random.default_rng(0), 0.6
    truth = 6 / np.pi * np.arcsin(rho / 2)  # Spearman's, of two normal variables
    inside = 0
    for _ in range(1000):
        a = rng.normal(size=60)
        found = spearman(a, rho * a + np.sqrt(1 - rho**2) * rng.normal(size=60))
        inside += found["low"] <= truth <= found["high"]
    assert 930 <= inside <= 970


def test_of_three_trials_there_is_no_correlation() -> None:
    assert spearman(np.arange(3.0), np.arange(3.0)) == {
        "n": 3,
        "rho": None,
        "low": None,
        "high": None,
    }


# ------------------------------------------------------------------------------------- the rule


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "is judged after epoch 2, 4 and 8"),
        ({}, "among the best 50 % by rank"),
        ({"tolerance": 1.5}, "less than 1.5 times the noise"),
        ({"rule": "asha"}, "costs do not count"),
        ({"rule": "median"}, "after every epoch from 2 to 9"),
        ({"rule": "none"}, "Nothing is stopped early"),
        ({"first": 10}, "too few to be judged"),
    ],
)
def test_the_rule_is_said_in_words(changes: dict[str, Any], said: str) -> None:
    assert said in " ".join(in_words(Stopping.of(SETTINGS | changes), EPOCHS))


@given(st.integers(2, 300))
def test_of_many_rungs_a_few_are_looked_at(epochs: int) -> None:
    every = rungs(Stopping(rule="median"), epochs)
    some = judged_at(Stopping(rule="median"), epochs)
    assert len(some) == min(MOST, len(every))
    assert set(some) <= set(every)
    assert not every or (some[0], some[-1]) == (every[0], every[-1])
