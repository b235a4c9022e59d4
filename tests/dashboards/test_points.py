"""What the charts draw, whole and by cursor."""

from typing import Any

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from foveate.dashboards.points import TOO_OLD
from foveate.search import store
from foveate.search.front import front
from foveate.search.records import Study

from .conftest import BARE, add_trial

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
    assert said["n"] == [t.number for t in drawn]
    assert said["y"] == pytest.approx([100 * t.accuracy for t in drawn if t.accuracy is not None])
    assert said["x"] == pytest.approx([of(t) for t in drawn], abs=1e-9)
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
    steps = store.front_steps(session, study)
    assert said["hypervolume"]["finished"][-1] == study.finished == 6
    assert said["hypervolume"]["percent"][-1] == pytest.approx(100 * steps[-1].hypervolume)


def test_who_has_the_points_is_not_sent_them_again(client: TestClient, session: Session) -> None:
    tag = client.get(POINTS).headers["etag"]
    again = client.get(POINTS, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    add_trial(session, store.find_study(session, "digits"), 10, curve=(0.4,), state="running")
    session.commit()
    assert client.get(POINTS, headers={"If-None-Match": tag}).status_code == 200


def test_nothing_new_is_an_empty_answer(client: TestClient, study: Study) -> None:
    answer = client.get(CHANGES, params={"since": study.seq})
    assert (answer.status_code, answer.content) == (204, b"")


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
    assert told["hypervolume"] is None

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


def test_a_cursor_of_another_life_is_told_to_start_over(
    client: TestClient, session: Session, study: Study
) -> None:
    assert client.get(CHANGES, params={"since": 999_999}).json()["reset"]
    study.seq += TOO_OLD
    session.commit()
    assert client.get(CHANGES, params={"since": 1}).json() == {"cursor": study.seq, "reset": True}


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
