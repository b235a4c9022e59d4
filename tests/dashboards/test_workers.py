"""The Workers page: who trained what, how quickly, what failed."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from foveate.dashboards.snapshot import seconds_of
from foveate.dashboards.workers import Findings
from foveate.search import health, store
from foveate.search.health import kind
from foveate.search.records import STATES, Study, Trial, now

from .conftest import add_study, add_trial
from .test_heat import asked

API = "/api/v1/studies/1/workers"
BEGAN = datetime(2026, 1, 1, 12)
AT = 1767268800.0  # BEGAN in seconds since 1970
HOSTILE = "<img src=x onerror=alert(1)>:7"


@pytest.fixture
def study(session: Session) -> Study:
    return store.find_study(session, "digits")


@contextmanager
def times(session: Session) -> Iterator[Any]:
    """What it yields sets when trials began and ended, in seconds after BEGAN, and their worker."""
    study = store.find_study(session, "digits")

    def put(number: int, begin: float | None, end: float | None, worker: str | None) -> Trial:
        trial = store.find_trial(session, study, number)
        trial.created = BEGAN
        trial.started = None if begin is None else BEGAN + timedelta(seconds=begin)
        trial.ended = None if end is None else BEGAN + timedelta(seconds=end)
        trial.worker = worker
        return trial

    for trial in store.trials(session, study):
        put(trial.number, None, None, None)
    yield put
    study.seq += 1
    for trial in store.trials(session, study):
        trial.seq = study.seq
    session.commit()


def spans(found: dict[str, Any]) -> dict[str | None, list[Any]]:
    return {one["id"]: one["spans"] for one in found["workers"]}


def test_each_worker_has_the_trials_that_it_trained(client: TestClient, session: Session) -> None:
    with times(session) as put:
        put(0, 0, 40, "n1:7")
        put(2, 40, 100, "n1:7")
        put(3, 10, 60, "n2:9")
    found = client.get(API).json()
    complete = STATES.index("complete")
    assert found["until"] == AT + 100
    assert found["states"] == list(STATES)
    assert spans(found) == {
        "n1:7": [[AT, AT + 40, complete, 0, 0], [AT + 40, AT + 100, complete, 2, 0]],
        "n2:9": [[AT + 10, AT + 60, complete, 3, 0]],
    }
    assert [one["host"] for one in found["workers"]] == ["n1", "n2"]
    assert [one["busy"] for one in found["workers"]] == [1.0, pytest.approx(50 / 90, abs=1e-4)]


def test_a_window_has_what_touches_it(client: TestClient, session: Session) -> None:
    with times(session) as put:
        put(0, 0, 40, "w")
        put(2, 40, 100, "w")
        put(3, 100, 110, "w")
    found = client.get(API, params={"window": "60"}).json()
    assert [span[3] for span in spans(found)["w"]] == [2, 3]
    assert found["from"] == AT + 50
    assert [span[3] for span in spans(client.get(f"{API}?window=all").json())["w"]] == [0, 2, 3]


def test_the_last_trials_are_those_that_began_last(client: TestClient, session: Session) -> None:
    with times(session) as put:
        for number, begin in ((0, 50), (2, 0), (3, 90), (4, 20)):
            put(number, begin, begin + 5, "w")
    found = client.get(API, params={"last": "2"}).json()
    assert [span[3] for span in spans(found)["w"]] == [0, 3]
    assert found["left_out"] == 2


def test_what_runs_has_no_end_while_its_driver_lives(client: TestClient, session: Session) -> None:
    with times(session) as put:
        put(8, 5, None, "w")
    found = client.get(API).json()
    assert found["alive"] and spans(found) == {"w": [[AT + 5, None, STATES.index("running"), 8, 0]]}


def test_what_a_dead_driver_left_ends_with_its_last_epoch(
    client: TestClient, session: Session, study: Study
) -> None:
    with times(session) as put:
        trial = put(8, 5, None, "w")
        trial.curve[-1].at = BEGAN + timedelta(seconds=33)
        for driver in store.drivers(session, study.id):
            driver.beat = BEGAN
    found = client.get(API).json()
    running = STATES.index("running")
    assert not found["alive"] and spans(found) == {"w": [[AT + 5, AT + 33, running, 8, 0]]}


def test_what_waits_to_go_on_ends_with_its_last_epoch(client: TestClient, session: Session) -> None:
    with times(session) as put:
        trial = put(8, 5, None, "w")
        trial.state, trial.curve[-1].at = "waiting", BEGAN + timedelta(seconds=20)
        trial.failures = 1
    assert spans(client.get(API).json()) == {
        "w": [[AT + 5, AT + 20, STATES.index("waiting"), 8, 1]]
    }


def test_the_filters_hold(client: TestClient, session: Session) -> None:
    with times(session) as put:
        put(0, 0, 10, "w")
        put(6, 10, 20, "w")
        put(7, 20, 30, "w")
    found = client.get(API, params={"state": "stopped"}).json()
    assert [span[3] for span in spans(found)["w"]] == [6]
    assert found["failures"] == [] and found["failed"] == 0
    assert sum(found["throughput"]["trials"]) == 1


def test_a_name_stays_text(client: TestClient, session: Session) -> None:
    with times(session) as put:
        put(0, 0, 10, HOSTILE)
        put(7, 0, 10, HOSTILE).reason = HOSTILE
    answer = client.get(API)
    assert answer.headers["content-type"] == "application/json"
    assert [one["id"] for one in answer.json()["workers"]] == [HOSTILE]
    assert "onerror" not in client.get("/s/1/workers").text


@pytest.mark.parametrize("query", ["window=0", "window=x", "last=-1", "window=nan", "last=1e99"])
def test_a_window_of_nonsense_is_refused(client: TestClient, query: str) -> None:
    answer = client.get(f"{API}?{query}")
    assert answer.status_code == 400
    assert "must be a number from 1 on, got" in answer.json()["error"]["message"]


def test_what_trials_took_of_their_machines_is_told_by_worker(
    client: TestClient, session: Session
) -> None:
    with times(session) as put:
        for number, begin in ((0, 0), (2, 20), (3, 40)):
            trial = put(number, begin, begin + 10, "w")
            for epoch, gpu in zip(trial.curve, (0.4, 0.6), strict=True):
                machine = {"cores": 1.0, "memory": 1e9 * epoch.number, "gpu": gpu}
                epoch.metrics = {"top-1": 0.5} | ({"machine": machine} if number else {})
        put(4, 60, 70, "v")
    found = {one["id"]: one["took"] for one in client.get(API).json()["workers"]}
    expected = {"cores": 1.0, "memory": 2e9, "gpu": 0.5}
    assert found == {"w": [expected | {"n": 2}, expected | {"n": 3}], "v": []}


# ------------------------------------------------------------------------------------- failures


def test_failures_that_differ_in_numbers_are_of_one_kind(
    client: TestClient, session: Session, study: Study
) -> None:
    for number in range(10, 20):
        reason = f"CUDA out of memory: tried {number}.50 MiB at 0x7f00{number}\nTraceback {number}"
        add_trial(session, study, number, state="failed", reason=reason)
    add_trial(session, study, 20, state="failed", reason="diverged: the loss is nan in epoch 3")
    add_trial(session, study, 21, state="failed")
    session.commit()
    found = client.get(API).json()
    assert found["failed"] == 13 and found["kinds"] == 4
    first = found["failures"][0]
    assert first["message"] == "CUDA out of memory: tried … MiB at …"
    assert first["such_as"] == "CUDA out of memory: tried 19.50 MiB at 0x7f0019"
    assert (first["count"], first["last"], first["numbers"]) == (10, 19, [19, 18, 17, 16, 15])
    others = {one["message"]: one["last"] for one in found["failures"][1:]}
    assert others == {
        "CUDA out of memory": 7,
        "diverged: the loss is nan in epoch …": 20,
        "nobody knows why": 21,
    }


def test_a_new_failure_joins_its_kind(client: TestClient, session: Session, study: Study) -> None:
    assert client.get(API).json()["failures"][0]["count"] == 1
    add_trial(session, study, 10, state="failed", reason="CUDA out of memory")
    session.commit()
    assert client.get(API).json()["failures"][0]["count"] == 2


def test_words_are_no_addresses() -> None:
    assert kind("the added facade of 12 defaced 0xdeadbeef") == "the added facade of … defaced …"


# ------------------------------------------------------------------------ pace, drivers, health


def test_every_ended_trial_counts_once_in_the_pace(client: TestClient, session: Session) -> None:
    with times(session) as put:
        for number, end in ((0, 10), (2, 30), (3, 50), (6, 3000), (7, 3600)):
            put(number, 0, end, "w")
    found = client.get(API).json()["throughput"]
    assert found["since"] == AT and found["step"] == 60
    assert len(found["trials"]) == 60
    assert (found["trials"][0], found["trials"][50], found["trials"][-1]) == (3, 1, 1)
    assert (found["epochs"][0], found["epochs"][50], found["epochs"][-1]) == (6, 1, 0)


def test_the_pace_of_what_is_left_is_that_of_the_findings(
    client: TestClient, session: Session, study: Study
) -> None:
    (driver,) = store.drivers(session, study.id)
    driver.started = now() - timedelta(seconds=500)
    with times(session) as put:
        for number, ago in ((0, 600), (2, 400), (3, 200), (6, 100)):
            put(number, 0, None, "w").ended = now() - timedelta(seconds=ago)
    found = client.get(API).json()["eta"]
    assert (found["planned"], found["left"], found["recent"]) == (30, 30 - 8, 3)
    assert (found["waiting"], found["running"]) == (1, 1)
    said = next(one.figures for one in health.findings(session, study) if "per_hour" in one.figures)
    seconds = (now() - driver.started).total_seconds() * found["left"] / found["recent"]
    assert said["left"] == found["left"]
    assert said["seconds"] == pytest.approx(seconds, rel=0.02)
    assert found["since"] == pytest.approx(seconds_of(driver.started), abs=0.1)


def test_nobody_knows_the_end_when_nobody_searches(
    client: TestClient, session: Session, study: Study
) -> None:
    for driver in store.drivers(session, study.id):
        driver.beat = BEGAN
    session.commit()
    found = client.get(API).json()["eta"]
    assert (found["since"], found["recent"]) == (None, 0)


def test_drivers_are_told_with_their_last_sign_of_life(
    client: TestClient, session: Session, study: Study
) -> None:
    (one,) = store.drivers(session, study.id)
    store.register(session, study, uid="silent", host=HOSTILE, pid=2, beat=BEGAN)
    gone = store.register(session, study, uid="gone", host="there", pid=3, beat=BEGAN)
    gone.ended, gone.how = BEGAN, "lost"
    session.commit()
    found = client.get("/api/v1/studies/1/drivers").json()
    told = [(d["host"], d["pid"], d["alive"], d["how"]) for d in found["drivers"]]
    assert told == [
        (one.host, 1, True, None),
        (HOSTILE, 2, False, None),
        ("there", 3, False, "lost"),
    ]
    assert found["drivers"][1]["beat"] == AT
    assert 0 <= found["now"] - found["drivers"][0]["beat"] < 60


def test_findings_are_those_of_health(client: TestClient, session: Session, study: Study) -> None:
    found = client.get("/api/v1/studies/1/findings").json()["findings"]
    expected = health.findings(session, study)
    assert [(one["level"], one["what"]) for one in found if "left" not in one["figures"]] == [
        (one.level, one.what) for one in expected if "left" not in one.figures
    ]


def test_findings_are_looked_for_once_in_a_while(
    storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Study] = []

    def look(_: Session, study: Study) -> list[health.Finding]:
        looked.append(study)
        return []

    monkeypatch.setattr(health, "findings", look)
    found = Findings()
    with asked(storage) as now_:
        assert found.of(now_) == found.of(now_)
    assert len(looked) == 1


def test_a_study_without_trials_has_a_page(client: TestClient, session: Session) -> None:
    study = add_study(session, "empty")
    session.commit()
    assert client.get(f"/s/{study.id}/workers").status_code == 200
    found = client.get(f"/api/v1/studies/{study.id}/workers").json()
    assert (found["workers"], found["until"], found["throughput"]) == ([], None, None)
    assert client.get(f"/api/v1/studies/{study.id}/findings").status_code == 200
