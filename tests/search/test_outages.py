"""A database that is locked, full, read-only, gone or damaged in the middle of a search, for real.

Each test makes it so, and mends it as soon as the search has said that it waits.
"""

import os
import resource
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from foveate.search import databases, store
from foveate.search.ledger import Job, Ledger
from foveate.search.patience import DatabaseGone
from foveate.search.records import Trial

Opened = Callable[..., Ledger]
Outage = Callable[[], Callable[[], None]]  # begins it; what it returns ends it


def rows(ledger: Ledger) -> list[Trial]:
    with Session(ledger.engine, expire_on_commit=False) as session:
        return store.trials(session, store.find_study(session, ledger.name))


@pytest.fixture
def path(storage: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(databases, "BUSY", 0.05)
    monkeypatch.setenv("FOVEATE_CACHE", str(tmp_path / "cache"))
    return Path(storage.removeprefix("sqlite:///"))


@pytest.fixture
def outage(path: Path, tmp_path: Path) -> dict[str, Outage]:
    away = tmp_path / "away"

    def move(source: Path, target: Path) -> None:
        target.mkdir(exist_ok=True)
        for file in source.glob("foveate.db*"):
            file.rename(target / file.name)

    def gone() -> Callable[[], None]:
        move(path.parent, away)
        return lambda: move(away, path.parent)

    def damaged() -> Callable[[], None]:
        move(path.parent, away)
        path.write_bytes(b"all my notes\n" * 5000)

        def mend() -> None:
            path.unlink()
            move(away, path.parent)

        return mend

    def locked() -> Callable[[], None]:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        return other.close

    def full() -> Callable[[], None]:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        most = max(file.stat().st_size for file in path.parent.glob("foveate.db*"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (min(most, 16_384), limits[1]))
        return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    def read_only() -> Callable[[], None]:
        move(path.parent, away)  # what nobody may write, not even root: a link to /proc
        path.symlink_to("/proc/self/status")

        def mend() -> None:
            path.unlink()
            move(away, path.parent)

        return mend

    return {f.__name__: f for f in (gone, damaged, locked, full, read_only)}


@contextmanager
def during(outage: Outage, ledger: Ledger) -> Iterator[list[str]]:
    """What the search says; the outage ends at the second pause that it announces."""
    said: list[str] = []
    end = outage()
    left = [end]

    def say(text: str) -> None:
        said.append(text)
        if len(said) == 2 and left:
            left.pop()()

    ledger.say = say
    ledger._patience.pause = lambda seconds: None
    try:
        yield said
    finally:
        while left:
            left.pop()()
        ledger.say = print


KINDS = {
    "gone": "unable to open database file",
    "damaged": "file is not a database",
    "locked": "database is locked",
    "full": "",  # in the words of the system that it runs on
    "read_only": "",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", ["report", "ask", "end"])
def test_the_search_waits_says_so_and_goes_on(
    kind: str,
    what: str,
    outage: dict[str, Outage],
    opened: Opened,
    by_hand: Any,
    storage: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ledger = opened("trials=6")
    ledger._lease.end()  # its beats would only add noise
    clock = Clock(monkeypatch)
    job = ledger.ask()
    assert job is not None
    by_hand.train(ledger, job, until=3 if what == "end" else 1)
    with during(outage[kind], ledger) as said:
        clock.starts()
        if what == "ask":
            ledger.ask()
        else:
            state = by_hand.report(ledger, job, 4 if what == "end" else 2)
            assert state == ("complete" if what == "end" else "running")
    reason = KINDS[kind]
    assert said[0].startswith(f"The database does not take anything ({reason}")
    assert said[-1].startswith("The database is back after ")
    kept = ", and what was measured is kept in "
    assert (kept in said[0]) == (what != "ask")
    assert list((Path(os.environ["FOVEATE_CACHE"]) / "journals").glob("*")) == []
    by_hand.train_all(ledger)
    theirs, ours = by_hand.tables(storage)
    assert theirs == ours


class Clock:
    """Half a second for each look: pauses are as long as they say, and take no time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at, self.monkeypatch = 0.0, monkeypatch

    def starts(self) -> None:
        from foveate.search import patience

        self.monkeypatch.setattr(patience, "monotonic", self)

    def __call__(self) -> float:
        self.at += 0.5
        return self.at


@pytest.mark.parametrize("kind", ["gone", "locked"])
def test_what_was_measured_when_the_driver_ended_is_recorded_by_the_next(
    kind: str,
    outage: dict[str, Outage],
    opened: Opened,
    by_hand: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = opened("trials=6")
    jobs = [first.ask(), first.ask()]
    for job in jobs:
        by_hand.train(first, job, until=1)
    end = outage[kind]()
    first.is_wanted = lambda: False  # the user gave up
    for job in jobs:
        with pytest.raises(DatabaseGone, match=r"and what was measured is kept in .*jsonl$"):
            by_hand.report(first, job, 2)
    first.close()
    end()
    by_hand.crash(first)
    second = opened("trials=6")
    assert [row.epochs for row in rows(second)[:2]] == [2, 2]
    assert "is recorded: 2 results" in capsys.readouterr().out
    again = [second.ask(), second.ask()]
    assert [(job.number, job.recorded) for job in again if job] == [(0, 2), (1, 2)]
    assert list((Path(os.environ["FOVEATE_CACHE"]) / "journals").glob("*")) == []


def test_a_file_that_was_taken_away_is_not_made_anew(
    path: Path, opened: Opened, by_hand: Any
) -> None:
    ledger = opened("trials=6")
    job = ledger.ask()
    path.unlink()
    ledger.is_wanted = lambda: False
    with pytest.raises(DatabaseGone, match="unable to open database file"):
        by_hand.report(ledger, job, 1)
    assert not path.exists()


def test_a_backup_that_was_put_in_place_is_gone_on_with(
    path: Path, opened: Opened, by_hand: Any, tmp_path: Path
) -> None:
    """An open connection would write on into the file of before, which has no name any more."""
    ledger = opened("trials=6", "stopping.rule=none")
    by_hand.train(ledger, ledger.ask())
    with sqlite3.connect(path) as whole, sqlite3.connect(tmp_path / "backup") as backup:
        whole.backup(backup)
    for file in path.parent.glob("foveate.db*"):
        file.unlink()
    shutil.copy(tmp_path / "backup", path)
    job: Job = ledger.ask()
    assert by_hand.train(ledger, job) == "complete"
    with sqlite3.connect(path) as database:
        found = database.execute("SELECT number, state FROM foveate_trial ORDER BY number")
        assert found.fetchmany(2) == [(0, "complete"), (1, "complete")]


@pytest.mark.slow
def test_a_server_that_only_reads_is_waited_for(
    opened: Opened, by_hand: Any, postgres: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import psycopg

    monkeypatch.setenv("FOVEATE_CACHE", str(tmp_path / "cache"))
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute("DROP DATABASE IF EXISTS outage WITH (FORCE)")
        admin.execute("CREATE DATABASE outage")
        storage = postgres.replace("/postgres?", "/outage?")
        ledger = opened("trials=6", storage=storage)
        job = ledger.ask()
        by_hand.report(ledger, job, 1)

        def set_to(value: str) -> None:
            admin.execute(f"ALTER DATABASE outage SET default_transaction_read_only = {value}")
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'outage'"
            )

        def read_only() -> Callable[[], None]:
            set_to("on")
            return lambda: set_to("off")

        with during(read_only, ledger) as said:
            Clock(monkeypatch).starts()
            assert by_hand.report(ledger, job, 2) == "running"
    assert "read-only transaction" in said[0] and said[-1].startswith("The database is back")
    assert rows(ledger)[0].epochs == 2
