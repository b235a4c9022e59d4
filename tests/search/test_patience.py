"""A database that is away: it is waited for, and nothing is lost."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import (
    DatabaseError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as NoConnectionError
from sqlalchemy.orm import Session

from foveate.search.patience import DatabaseGone, Journal, Patience, is_away


def failure(kind: type[Any], said: str) -> Exception:
    cause = Exception(said)
    error: Exception = kind("SELECT 1", {}, cause)
    return error


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (failure(OperationalError, "database is locked"), True),
        (failure(OperationalError, "attempt to write a readonly database"), True),
        (failure(OperationalError, "database or disk is full"), True),
        (failure(OperationalError, "terminating connection due to administrator command"), True),
        (failure(InterfaceError, "connection already closed"), True),
        (failure(DatabaseError, "database disk image is malformed"), True),
        (NoConnectionError("QueuePool limit"), True),
        (failure(OperationalError, "no such column: colour"), False),
        (failure(ProgrammingError, 'relation "colour" does not exist'), False),
        (failure(IntegrityError, "UNIQUE constraint failed"), False),
        (ValueError("no"), False),
        (KeyError("no"), False),
    ],
)
def test_what_is_the_databases_fault_and_what_is_ours(error: Exception, away: bool) -> None:
    assert is_away(error) == away


@pytest.fixture
def engine() -> Engine:
    return create_engine("sqlite://")


class Failing:
    """Work that the database refuses the first ``times``."""

    def __init__(self, times: int, error: Exception) -> None:
        self.left, self.error = times, error

    def __call__(self, session: Session) -> int:
        self.left -= 1
        if self.left >= 0:
            raise self.error
        return int(session.execute(text("SELECT 42")).scalar_one())


def patience(engine: Engine, said: list[str], wanted: int = 10**9) -> tuple[Patience, list[float]]:
    """One whose pauses take no time, and are kept; after ``wanted`` of them nobody waits on."""
    pauses: list[float] = []

    def is_wanted() -> bool:
        return len(pauses) < wanted

    made = Patience(engine, said.append, is_wanted, pauses.append)
    return made, pauses


def test_work_is_done_again_after_growing_pauses(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    made, _ = patience(engine, said)
    waits: list[float] = []
    monkeypatch.setattr(made, "_wait", lambda seconds, *_: waits.append(seconds))
    error = failure(OperationalError, "database or disk is full\nand more")
    assert made(Failing(13, error)) == 42
    assert waits == pytest.approx([0.1 * 2**n for n in range(10)] + [60.0] * 3)
    assert said[0] == (
        "The database does not take anything (database or disk is full); the search waits. "
        "The next attempt is in 2 s."
    )
    assert said[-2].endswith("The next attempt is in 60 s.")
    assert said[-1].startswith("The database is back after ")


def test_a_short_refusal_is_not_worth_a_word(engine: Engine) -> None:
    said: list[str] = []
    made, pauses = patience(engine, said)
    assert made(Failing(1, failure(OperationalError, "database is locked"))) == 42
    assert said == [] and pauses


def test_a_mistake_of_ours_is_not_waited_for(engine: Engine) -> None:
    made, pauses = patience(engine, [])
    with pytest.raises(ValueError, match="no"):
        made(Failing(1, ValueError("no")))
    assert pauses == []


def test_who_gives_up_is_told_where_things_are_kept(engine: Engine) -> None:
    made, _ = patience(engine, [], wanted=3)
    error = failure(OperationalError, "database is gone")
    kept: list[str] = []

    def away() -> str:
        kept.append("once")
        return ", and what was measured is kept in a.jsonl"

    with pytest.raises(DatabaseGone) as caught:
        made(Failing(10**9, error), away)
    assert str(caught.value) == (
        "the database does not take anything (database is gone), "
        "and what was measured is kept in a.jsonl"
    )
    assert kept == ["once"] * len(kept) and kept


def test_a_journal_keeps_entries_in_their_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "deep" / "a.jsonl")
    assert list(journal.entries()) == []
    entries = [{"what": "report", "number": 3, "epoch": {"accuracy": 0.1}}, {"what": "“\0”\ud800"}]
    for entry in entries:
        journal.add(entry)
    assert list(Journal(journal.path).entries()) == entries
    with journal.path.open("a") as file:
        file.write(json.dumps(entries[0])[:10])  # the machine went down right then
    assert list(journal.entries()) == entries
    journal.clear()
    journal.clear()
    assert list(journal.entries()) == [] and not journal.path.exists()
