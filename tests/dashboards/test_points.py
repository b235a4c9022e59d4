"""What the charts draw, whole and by cursor."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from foveate.dashboards.points import TOO_OLD
from foveate.search import databases, store
from foveate.search.front import front, scaled_hypervolume
from foveate.search.records import Study, now

from .conftest import BARE, add_trial, browser

POINTS = "/api/v1/studies/1/points"
CHANGES = "/api/v1/studies/1/changes"


@pytest.fixture
def study(session: Session) -> Study:
    return store.find_study(session, "digits")


@pytest.mark.parametrize("cost", ["gflops", "extra", "params"])
def test_points_equal_the_database(
    client: TestClient, session: Session, study: Study, cost: str
) -> None:
    said = client.get(POINTS, params={"cost": cost}).json()
    of = {
        "gflops": lambda t: t.gflops,
        "extra": lambda t: 100 * (t.gflops / BARE - 1),
        "params": lambda t: t.parameters,
    }[cost]
    drawn = store.trials(session, study, "complete", "stopped", "running")
    assert said["c"] == [1] * len(drawn)
    assert said["n"] == [t.number for t in drawn]
    assert said["y"] == pytest.approx([100 * t.accuracy for t in drawn if t.accuracy is not None])
    assert said["x"] == pytest.approx([of(t) for t in drawn], rel=1e-5)
    assert said["state"] == [t.state for t in drawn]
    finished = [t for t in drawn if t.state == "complete"]
    members = front([(t.accuracy or 0.0, of(t)) for t in finished])
    assert said["front"]["n"] == [finished[i].number for i in members]
    assert (said["total"], said["shown"], said["cursor"]) == (10, 8, study.seq)
    assert said["counts"] == store.counts(session, study)
    assert [(one["n"], one["name"]) for one in said["baselines"]] == [
        (0, "bare"),
        (1, "everywhere:se"),
    ]
    assert [(one["n"], one["y"]) for one in said["running"]] == [(8, 55.0)]
    stairs = [(x, y) for x, y in said["corners"]]
    assert stairs == sorted(stairs) and [y for _, y in stairs] == sorted({y for _, y in stairs})
    assert len(stairs) == len(members)


def test_the_hypervolume_is_that_of_the_search(
    client: TestClient, session: Session, study: Study
) -> None:
    said = client.get("/api/v1/studies/1/hypervolume").json()
    steps = store.front_steps(session, study)
    assert said["of"] == ["accuracy", "gflops"]
    assert said["finished"] == study.finished == 6
    assert said["n"] == [1, 2, 4, 5]
    assert said["hv"] == pytest.approx([100 * step.hypervolume for step in steps], abs=1e-4)


def test_filtered_trials_have_a_hypervolume_and_a_front_of_their_own(
    client: TestClient, session: Session, study: Study
) -> None:
    some = [t for t in store.trials(session, study, "complete") if t.gflops <= 1.1 * BARE]
    points = [(t.accuracy or 0.0, t.gflops) for t in some]
    query = {"max_gflops": 1.1 * BARE, "cost": "gflops"}
    said = client.get("/api/v1/studies/1/hypervolume", params=query).json()
    assert said["finished"] == len(some)
    for n, volume in zip(said["n"], said["hv"], strict=True):
        expected = scaled_hypervolume(points[:n], [BARE], [2 * BARE])
        assert volume == pytest.approx(100 * expected, abs=1e-4)
    on_front = client.get(POINTS, params=query).json()["front"]["n"]
    assert on_front == [some[i].number for i in front(points)]


def test_who_has_the_points_is_not_sent_them_again(client: TestClient, session: Session) -> None:
    tag = client.get(POINTS).headers["etag"]
    again = client.get(POINTS, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    add_trial(session, store.find_study(session, "digits"), 10, curve=(0.4,), state="running")
    session.commit()
    assert client.get(POINTS, headers={"If-None-Match": tag}).status_code == 200


def test_nothing_new_is_an_empty_answer_that_says_whether_anybody_searches(
    client: TestClient, session: Session, study: Study
) -> None:
    (driver,) = store.drivers(session, study.id)
    for beat, alive in ((now(), "1"), (now() - 2 * store.LEASE, "0")):
        driver.beat = beat
        session.commit()
        answer = client.get(CHANGES, params={"since": study.seq})
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["foveate-alive"] == alive


def test_changes_told_one_after_the_other_lead_to_the_whole(
    client: TestClient, session: Session, study: Study
) -> None:
    mine = {"gflops": client.get(POINTS, params={"cost": "gflops"}).json()}["gflops"]
    seen: dict[int, tuple[Any, ...]] = {
        n: (x, y, state)
        for n, x, y, state in zip(mine["n"], mine["x"], mine["y"], mine["state"], strict=True)
    }
    on_front, cursor = mine["front"], mine["cursor"]

    def follow() -> dict[str, Any]:
        nonlocal on_front, cursor
        said = client.get(CHANGES, params={"since": cursor, "cost": "gflops"}).json()
        assert not said["reset"]
        columns = said["upsert"]
        for n, *rest in zip(*(columns[c] for c in ("n", "x", "y", "state")), strict=True):
            seen.pop(n, None)
            if rest[1] is not None:
                seen[n] = tuple(rest)
        on_front, cursor = said["front"] or on_front, said["cursor"]
        return dict(said)

    running = store.find_trial(session, study, 8)
    store.record_epoch(session, running, number=2, accuracy=0.95, train_loss=0.5, seconds=1.0)
    session.commit()
    told = follow()
    assert told["upsert"]["n"] == [8]
    assert told["front"] is None
    assert told["running"] == [{"n": 8, "x": 0.042, "y": 95.0}]

    store.finish(session, running, "complete")  # dominates 4, 5
    add_trial(session, study, 10, extra=0.5, curve=(0.3,), state="running")
    session.commit()
    assert follow()["front"]["n"] == [0, 3, 8]

    store.finish(session, store.find_trial(session, study, 10), "failed", reason="lost")
    session.commit()
    told = follow()
    assert told["upsert"] == {"n": [10], "x": [0.06], "y": [None], "state": ["failed"]}
    assert told["counts"]["failed"] == 2

    whole = client.get(POINTS, params={"cost": "gflops"}).json()
    assert sorted(seen) == sorted(whole["n"])
    for n, x, y, state in zip(whole["n"], whole["x"], whole["y"], whole["state"], strict=True):
        assert seen[n] == (x, y, state)
    assert on_front == whole["front"]
    assert cursor == whole["cursor"]


def drawn(points: dict[str, Any]) -> dict[int, tuple[Any, ...]]:
    """Each trial of an answer: where it is drawn, if anywhere, and its state."""
    columns = [points[name] for name in ("n", "x", "y", "state")]
    return {n: rest for n, *rest in zip(*columns, strict=True)}  # type: ignore[misc]


LIVES = st.sampled_from(["running", "epoch", "complete", "stopped", "failed"])


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(LIVES, st.integers(0, 9)), min_size=1, max_size=8))
def test_changes_since_any_cursor_lead_to_the_whole(
    filled: Path, lives: list[tuple[str, int]]
) -> None:
    with TemporaryDirectory() as folder:
        storage = f"sqlite:///{shutil.copy(filled, folder)}"
        client = browser(storage)
        query = {"cost": "gflops", "keep": ",".join(map(str, range(20)))}  # each by itself
        seen = [client.get(POINTS, params=query).json()]
        engine = databases.open_database(storage)
        with Session(engine) as session:
            study = store.find_study(session, "digits")
            for step, (life, size) in enumerate(lives):
                running = store.trials(session, study, "running")
                if life == "running" or not running:
                    curve, state = (0.4 + 0.05 * size,), "running"
                    add_trial(
                        session, study, study.numbers, extra=size / 10, curve=curve, state=state
                    )
                elif life == "epoch":
                    trial, share = running[-1], 0.5 + 0.05 * size
                    epoch = {"accuracy": share, "train_loss": 1.0, "seconds": 1.0}
                    store.record_epoch(session, trial, number=trial.epochs + 1, **epoch)
                else:
                    store.finish(session, running[size % len(running)], life)
                session.commit()
                if step % 2:
                    seen.append(client.get(POINTS, params=query).json())
        engine.dispose()
        whole = client.get(POINTS, params=query).json()
        for one in seen:
            since = {"since": one["cursor"]}
            answer = client.get(CHANGES, params=query | since)
            if one["cursor"] == whole["cursor"]:
                assert answer.status_code == 204
                continue
            said = answer.json()
            found = drawn(one) | drawn(said["upsert"])
            assert {n: rest for n, rest in found.items() if rest[1] is not None} == drawn(whole)
            assert (said["front"] or one["front"]) == whole["front"]
            assert (said["corners"] or one["corners"]) == whole["corners"]
            for name in ("cursor", "running", "counts", "total"):
                assert said[name] == whole[name]


def test_a_cursor_of_another_life_is_told_to_start_over(
    client: TestClient, session: Session, study: Study
) -> None:
    assert client.get(CHANGES, params={"since": 999_999}).json()["reset"]
    study.seq += TOO_OLD
    session.commit()
    said = client.get(CHANGES, params={"since": 1}).json()
    assert (said["cursor"], said["reset"]) == (study.seq, True)


@pytest.mark.parametrize("since", ["", "x", "-1", "1.5", "9" * 30, "1e3", "١"])
def test_a_cursor_that_is_no_number_is_the_readers_mistake(client: TestClient, since: str) -> None:
    answer = client.get(CHANGES, params={"since": since})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_value"
    assert "since must be a whole number" in answer.json()["error"]["message"]


def test_a_missing_cursor_is_the_readers_mistake(client: TestClient) -> None:
    assert client.get(CHANGES).status_code == 400


def test_an_unknown_axis_is_the_readers_mistake(client: TestClient) -> None:
    answer = client.get(POINTS, params={"cost": "dollars"})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("no cost axis 'dollars'; there are: gflops")


@pytest.mark.parametrize(
    "window", [{"x0": "1"}, {"x0": "2", "x1": "1", "y0": "0", "y1": "1"}, {"w": "wide"}]
)
def test_a_window_that_is_none_is_the_readers_mistake(
    client: TestClient, window: dict[str, str]
) -> None:
    assert client.get(POINTS, params=window).status_code == 400


def test_a_window_has_the_points_inside_of_it(client: TestClient) -> None:
    whole = client.get(POINTS, params={"cost": "gflops"}).json()
    window = {"x0": 0.0399, "x1": 0.0411, "y0": 75, "y1": 99}
    said = client.get(POINTS, params={"cost": "gflops", **window}).json()
    inside = [
        n
        for n, x, y in zip(whole["n"], whole["x"], whole["y"], strict=True)
        if 0.0399 <= x <= 0.0411 and y >= 75
    ]
    assert said["n"] == inside == [0, 1, 3]
    assert said["front"] == whole["front"]


def test_what_is_asked_for_is_drawn_whatever_lies_above_it(
    session: Session, study: Study, client: TestClient
) -> None:
    for number in range(10, 20):
        add_trial(session, study, number, extra=0.2, curve=(0.3, 0.7))
    session.commit()
    query = {"cost": "gflops"}
    said = client.get(POINTS, params=query).json()
    counts = dict(zip(said["n"], said["c"], strict=True))
    assert counts[19] == 10 and 12 not in counts
    said = client.get(POINTS, params=query | {"keep": "12,15"}).json()
    counts = dict(zip(said["n"], said["c"], strict=True))
    assert (counts[12], counts[15], counts[19]) == (1, 1, 8)


def test_changes_are_of_the_filtered_trials(
    client: TestClient, session: Session, study: Study
) -> None:
    cursor = study.seq
    add_trial(session, study, 10, chosen={"layer1.0": "eca"}, extra=0.02, curve=(0.9,))
    add_trial(session, study, 11, chosen={"layer1.0": "se"}, extra=0.02, curve=(0.95,))
    session.commit()
    said = client.get(CHANGES, params={"since": cursor, "module": "eca", "cost": "gflops"}).json()
    heights = dict(zip(said["upsert"]["n"], said["upsert"]["y"], strict=True))
    assert (heights[10], heights[11]) == (90.0, None)
    assert said["front"]["n"] == [3, 10]
    assert (said["total"], said["counts"]["complete"]) == (3, 3)
