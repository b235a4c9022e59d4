"""Fewer points than trials, and the histories of any choice of them: against brute force."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sqlalchemy import insert
from sqlalchemy.orm import Session

from foveate.dashboards import lod
from foveate.dashboards.lod import Window, thinned
from foveate.dashboards.view import nice
from foveate.dashboards.volume import rises
from foveate.search import databases, store
from foveate.search.front import front, scaled_hypervolume
from foveate.search.records import Trial
from foveate.spaces.placement import Placement

from .conftest import BARE, add_study, add_trial, browser

WINDOW = Window((0.0, 1.0), (0.0, 1.0), 960.0, 430.0)
share = st.floats(-0.25, 1.25, width=32)


@st.composite
def clouds(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    count = draw(st.integers(0, 60))
    x, y = (draw(arrays(np.float64, count, elements=share)) for _ in "xy")
    return x, y, draw(arrays(np.bool_, count))


@given(clouds())
def test_thinning_keeps_what_is_kept_and_counts_every_trial(
    cloud: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    x, y, kept = cloud
    found = thinned(x, y, np.arange(len(x)), kept, WINDOW)
    assert set(np.flatnonzero(kept)) <= set(found.rows)
    assert found.counts.sum() == len(x)
    assert list(found.rows) == sorted(set(found.rows))


@given(clouds())
def test_of_each_cell_the_newest_is_drawn(
    cloud: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    x, y, _ = cloud
    window = replace(WINDOW, width=40.0, height=40.0)  # ten cells a side
    found = thinned(x, y, np.arange(len(x)), np.zeros(len(x), dtype=bool), window)
    cells: dict[tuple[int, int], list[int]] = {}
    for i, (a, b) in enumerate(zip(x, y, strict=True)):
        cell = tuple(min(9, int(10 * min(1.0, max(0.0, value)))) for value in (a, b))
        cells.setdefault(cell, []).append(i)  # type: ignore[arg-type]
    expected = sorted((max(members), len(members)) for members in cells.values())
    assert list(zip(found.rows.tolist(), found.counts.tolist(), strict=True)) == expected


def test_cells_grow_where_there_would_be_too_many_points() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((2, 50_000))
    found = thinned(x, y, np.arange(len(x)), np.zeros(len(x), dtype=bool), WINDOW)
    assert lod.MOST / 2 < len(found.rows) <= lod.MOST
    assert found.counts.sum() == 50_000


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.5, 3.0)), max_size=40))
def test_the_hypervolume_rises_as_that_of_the_first_trials(
    points: list[tuple[float, float]],
) -> None:
    table = np.array(points).reshape(-1, 2)
    found = {rise.finished: rise.hypervolume for rise in rises(*table.T, bare=1.0, dearest=2.0)}
    area = 0.0
    for finished in range(1, len(points) + 1):
        area = found.get(finished, area)
        expected = scaled_hypervolume(points[:finished], [1.0], [2.0])
        assert area == pytest.approx(expected, abs=1e-12)


def test_a_long_history_is_that_of_a_short_one_after_the_other() -> None:
    rng = np.random.default_rng(1)
    accuracy, cost = rng.random(3_000), 1 + rng.random(3_000)
    last = rises(accuracy, cost, bare=1.0, dearest=2.0)[-1]
    points = [*zip(accuracy.tolist(), cost.tolist(), strict=True)]
    assert last.hypervolume == pytest.approx(scaled_hypervolume(points, [1.0], [2.0]))


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.sampled_from([4, 6, 8]))
def test_nice_ends_hold_what_they_are_made_for(low: float, width: float, count: int) -> None:
    high = low + width
    start, end, step = nice(low, high, count)
    slack = 1e-6 * width + 1e-9 * abs(low)
    assert start <= low + slack and end >= high - slack
    assert end - start <= width + 2 * step + slack
    assert width / step <= count + slack


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A study of 50,000 trials that lie all over the chart."""
    storage = f"sqlite:///{tmp_path_factory.mktemp('crowd') / 'foveate.db'}"
    engine = databases.open_database(storage, create=True)
    rng = np.random.default_rng(2)
    with Session(engine) as session, session.begin():
        study = add_study(session, "crowd")
        add_trial(session, study, 0, origin="bare", curve=(0.5,))
        same = {
            "study_id": study.id,
            "placement": Placement("cifar-resnet20").spelling,
            "origin": "sampler",
            "attributes": {},
            "macs": 1.0,
            "parameters": 272_474,
            "epochs": 1,
            "seconds": 1.0,
            "failures": 0,
            "notes": [],
        }
        cost, accuracy = BARE * (1 + rng.random(50_000)), rng.random(50_000)
        on_front = set(front(np.column_stack((accuracy, cost))))
        rows = [
            same
            | {
                "optuna_id": -n,
                "number": n,
                "seq": study.seq + n,
                "key": f"{n:016x}",
                "state": "complete" if n % 3 else "stopped",
                "gflops": float(cost[n - 1]),
                "accuracy": float(accuracy[n - 1]),
                "on_front": n - 1 in on_front,
            }
            for n in range(1, 50_000)
        ]
        session.execute(insert(Trial), rows)
        study.seq += len(rows)
        study.numbers += len(rows)
    engine.dispose()
    return storage


def test_fifty_thousand_trials_are_a_hundred_kilobytes(crowd: str) -> None:
    client = browser(crowd)
    for size in ({"w": 960, "h": 430}, {"w": 1920, "h": 1080}):
        for cost in ("gflops", "extra"):
            answer = client.get("/api/v1/studies/1/points", params={"cost": cost, **size})
            assert int(answer.headers["content-length"]) <= 100_000
            said = answer.json()
            assert sum(said["c"]) == said["drawable"] == said["total"] == 50_000
            assert set(said["front"]["n"]) <= set(said["n"])
            assert said["shown"] == len(said["n"])


def test_a_closer_look_counts_the_trials_of_the_window(crowd: str) -> None:
    client = browser(crowd)
    window = {"x0": 0.05, "x1": 0.06, "y0": 40, "y1": 60}
    said = client.get("/api/v1/studies/1/points", params={"cost": "gflops", **window}).json()
    with Session(databases.open_database(crowd)) as session:
        study = store.find_study(session, "crowd")
        rows = store.trial_rows(session, study, ("gflops", "accuracy"))
    inside = [x for x, y in rows if 0.05 <= x <= 0.06 and 0.4 <= y <= 0.6]
    assert sum(said["c"]) == len(inside) > 1_000
    assert said["shown"] > 0.6 * len(inside)
