"""Who is alive: judged by beats that change, whatever the clocks say."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from foveate.search import databases, lease, store
from foveate.search.lease import Lease
from foveate.search.records import Driver, Study, Trial, now

Start = Callable[..., Lease]


class Clock:
    """Monotonic seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(lease, "monotonic", clock)
    return clock


@pytest.fixture
def engine(storage: str, session: Session, study: Study) -> Iterator[Engine]:
    session.expire_on_commit = False  # it is asked for nothing more, and holds no lock
    session.commit()
    engine = databases.open_database(storage)
    yield engine
    engine.dispose()


@pytest.fixture
def start(engine: Engine, study: Study) -> Iterator[Start]:
    """A driver, as if on a machine of its own; it beats when the test says so."""
    begun = []

    def start(said: list[str] | None = None, *, elsewhere: bool = True, **columns: Any) -> Lease:
        made = Lease(engine, study.id, (said if said is not None else []).append, every=3600)
        begun.append(made)
        columns |= {"home": "elsewhere", "pid": 1} if elsewhere else {}
        with Session(engine) as session, session.begin():
            session.execute(update(Driver).where(Driver.id == made.driver_id).values(columns))
        return made

    yield start
    for made in begun:
        made.end()


def give(engine: Engine, study: Study, driver: Lease) -> int:
    """A trial that ``driver`` has in training."""
    with Session(engine) as session, session.begin():
        there = store.locked(session, study.id)
        columns = {"macs": 1.0, "gflops": 1.0, "parameters": 1, "placement": "{}", "origin": "user"}
        key = f"{there.numbers:016x}"
        trial = store.add_trial(session, there, choices={}, key=key, **columns)
        store.start(session, trial, driver.driver_id)
        return trial.number


def states(engine: Engine) -> dict[int, str]:
    with Session(engine) as session:
        return {trial.number: trial.state for trial in session.query(Trial)}


def test_a_driver_that_falls_silent_is_given_up_after_its_lease(
    start: Start, engine: Engine, study: Study, clock: Clock
) -> None:
    said: list[str] = []
    mine, silent, lively = start(said), start(), start()
    for driver in (mine, silent, lively):
        give(engine, study, driver)
    for _ in range(6):
        mine.look()
        clock.at += 5
        lively.look()
    assert set(states(engine).values()) == {"running"}
    clock.at += 1
    mine.look()
    assert states(engine) == {0: "running", 1: "waiting", 2: "running"}
    (told,) = said
    assert told.endswith("is gone; what it was training waits: trial 1")
    with Session(engine) as session:
        assert session.get_one(Driver, silent.driver_id).how == "lost"


@pytest.mark.parametrize("minutes", [-30, 30])
def test_clocks_may_differ_by_any_amount(
    minutes: int, start: Start, engine: Engine, study: Study, clock: Clock
) -> None:
    mine, other = start(), start()
    give(engine, study, other)
    for _ in range(30):
        with Session(engine) as session, session.begin():
            at = now() + timedelta(minutes=minutes)
            changed = update(Driver).where(Driver.id == other.driver_id)
            session.execute(changed.values(beats=Driver.beats + 1, beat=at))
        mine.look()
        clock.at += 5
    assert states(engine) == {0: "running"}


def test_what_was_not_watched_does_not_count(
    start: Start, engine: Engine, study: Study, clock: Clock
) -> None:
    """While the database was away nobody could give a sign of life."""
    mine, other = start(), start()
    give(engine, study, other)
    for _ in range(4):
        mine.look()
        clock.at += 5
    clock.at += 600
    for _ in range(5):
        mine.look()
        clock.at += 5
        assert states(engine) == {0: "running"}
    other.look()
    for _ in range(5):
        mine.look()
        clock.at += 5
    assert states(engine) == {0: "running"}


def test_a_process_of_this_machine_that_is_gone_needs_no_lease(
    start: Start, engine: Engine, study: Study
) -> None:
    gone = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    mine, dead = start(), start(elsewhere=False, pid=gone.pid)
    give(engine, study, dead)
    mine.look()
    assert states(engine) == {0: "running"}
    gone.communicate(b"\n")
    mine.look()
    assert states(engine) == {0: "waiting"}


def test_a_process_of_this_machine_that_lives_has_its_lease(
    start: Start, engine: Engine, study: Study, clock: Clock
) -> None:
    mine, other = start(), start(elsewhere=False, pid=os.getpid())
    give(engine, study, other)
    mine.look()
    assert states(engine) == {0: "running"}


def test_a_number_of_a_process_says_nothing_of_another_machine(
    start: Start, engine: Engine, study: Study
) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    mine, other = start(), start(pid=gone.pid, home="another container")
    give(engine, study, other)
    mine.look()
    assert states(engine) == {0: "running"}


def test_a_driver_that_was_given_up_goes_on_as_a_new_one(
    start: Start, engine: Engine, study: Study
) -> None:
    mine, before = (driver := start()), driver.driver_id
    with Session(engine) as session, session.begin():
        there = store.locked(session, study.id)
        store.bury(session, there, session.get_one(Driver, before), "lost")
    mine.look()
    assert mine.driver_id != before
    with Session(engine) as session:
        assert [driver.id for driver in store.drivers(session, study.id)] == [mine.driver_id]


def test_a_trial_of_a_driver_that_has_ended_waits_again(
    start: Start, engine: Engine, study: Study
) -> None:
    """However it came to that: nobody would ever report of it."""
    mine, other, third = start(), start(), start()
    give(engine, study, mine), give(engine, study, other), give(engine, study, third)
    with Session(engine) as session, session.begin():
        session.get_one(Driver, other.driver_id).ended = now()
        changed = update(Trial).where(Trial.driver_id == third.driver_id)
        session.execute(changed.values(driver_id=None))
    mine.look()
    assert states(engine) == {0: "running", 1: "waiting", 2: "waiting"}


def test_a_driver_hears_that_it_is_to_stop(start: Start, engine: Engine, study: Study) -> None:
    mine = start()
    mine.look()
    assert not mine.is_asked_to_stop
    with Session(engine) as session, session.begin():
        store.stop_drivers(session, store.locked(session, study.id))
    mine.look()
    assert mine.is_asked_to_stop


def test_who_leaves_gives_back_what_it_had(start: Start, engine: Engine, study: Study) -> None:
    mine, other = start(), start()
    for driver in (mine, other):
        give(engine, study, driver)
    mine.end()
    mine.leave()
    mine.leave()
    assert states(engine) == {0: "waiting", 1: "running"}


def test_beats_come_by_themselves(engine: Engine, study: Study) -> None:
    made = Lease(engine, study.id, print, every=0.01)
    for _ in range(500):
        with Session(engine) as session:
            beats = session.get_one(Driver, made.driver_id).beats
        if beats > 2:
            break
        made._ended.wait(0.02)
    made.end()
    assert beats > 2


def test_the_home_of_a_process_is_the_same_for_its_children() -> None:
    code = "from foveate.search.lease import home; print(home())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == str(lease.home())
