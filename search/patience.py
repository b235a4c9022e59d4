"""Work on a database that may be gone for a while: it is waited for, and nothing measured is lost.

While it is away the search stands still: the workers finish the epoch that they are at, and that is
all that is trained without a record. What has been measured is first written to a journal beside
the packs in the cache folder, so that a driver that dies while it waits loses nothing either.
"""

import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionError
from sqlalchemy.orm import Session

from ..errors import UserError

__all__ = ["DatabaseGone", "Journal", "Patience", "is_away"]

FIRST, LONGEST = 0.1, 60.0  # seconds between two attempts: they double
SAID_FROM = 1.0  # pauses of at least so many seconds are told
OURS = ("no such column", "syntax error", "has no column", "datatype mismatch")  # of SQLite
T = TypeVar("T")


class DatabaseGone(UserError):
    """The user gave up waiting for the database."""


def is_away(error: Exception) -> bool:
    """Whether the database, or the way there, is at fault: not what was asked of it."""
    if isinstance(error, NoConnectionError):
        return True
    kinds = (OperationalError, InternalError, InterfaceError)
    # SQLite's word for a damaged file is the plain DatabaseError
    if not isinstance(error, kinds) and type(error) is not DatabaseError:
        return False
    said = str(error.__cause__ or error)
    return not any(mistake in said for mistake in OURS)


def reason_of(error: Exception) -> str:
    """What the database said, in a line."""
    said = str(getattr(error, "orig", None) or error).strip()
    return said.splitlines()[0] if said else type(error).__name__


class Journal:
    """What was measured and is not in the database yet: a line of JSON each, in one file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, entry: dict[str, Any]) -> None:
        """Write ``entry``, to the disk and not only to the system's memory."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def entries(self) -> Iterator[dict[str, Any]]:
        """All that is in it; a last line that was cut off in the middle was never acknowledged."""
        if not self.path.exists():
            return
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                return

    def clear(self) -> None:
        """All of it is in the database."""
        self.path.unlink(missing_ok=True)


class Patience:
    """Runs transactions on ``engine``, and waits for it with growing pauses.

    Parameters
        say          hears that the database is away, and that it is back
        is_wanted    whether to wait on; once it is not, ``DatabaseGone`` is raised
    """

    def __init__(
        self,
        engine: Engine,
        say: Callable[[str], None],
        is_wanted: Callable[[], bool],
        pause: Callable[[float], None] = sleep,
    ) -> None:
        self.engine, self.say, self.is_wanted, self.pause = engine, say, is_wanted, pause

    def __call__(self, work: Callable[[Session], T], away: Callable[[], str] | None = None) -> T:
        """What ``work`` returns, in a transaction of its own; it may be called several times.

        ``away`` is called whenever the database was away: what it returns says where things are
        kept.
        """
        wait, began, told, kept = FIRST, monotonic(), False, ""
        while True:
            try:
                with Session(self.engine) as session, session.begin():
                    done = work(session)
            except Exception as error:
                if not is_away(error):
                    raise
                kept = away() if away is not None else ""
                reason = reason_of(error)
            else:
                if told:
                    self.say(f"The database is back after {monotonic() - began:.0f} s.")
                return done
            if wait >= SAID_FROM:
                told = True
                self.say(
                    f"The database does not take anything ({reason}); the search waits{kept}. "
                    f"The next attempt is in {wait:.0f} s."
                )
            self._wait(wait, reason, kept)
            wait = min(2 * wait, LONGEST)

    def _wait(self, seconds: float, reason: str, kept: str) -> None:
        until = monotonic() + seconds * random.uniform(0.8, 1.2)  # not all drivers at once
        while True:
            if not self.is_wanted():
                raise DatabaseGone(f"the database does not take anything ({reason}){kept}")
            left = until - monotonic()
            if left <= 0:
                return
            self.pause(min(left, 0.5))
