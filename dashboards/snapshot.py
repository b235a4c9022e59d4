"""All trials of a study as columns of numbers, brought up to date by what changed since a cursor.

A snapshot never changes: a newer one takes its place. So views need no locks, and what was computed
of one may be kept with it. The cursor is ``Study.seq``, read before the trials: a change between
the two reads is seen twice rather than never.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from threading import Lock
from time import monotonic
from typing import Any, NamedTuple, TypeVar

import numpy as np
from sqlalchemy.orm import Session

from ..search import store
from ..search.front import front
from ..search.records import STATES, Study
from .placements import Places

__all__ = ["Column", "Look", "Names", "Snapshot", "Snapshots", "Step", "code_of", "seconds_of"]

Column = np.ndarray[Any, np.dtype[Any]]
T = TypeVar("T")

NUMBERS = {  # columns of Trial, and how they are kept; what is not known is NaN
    "number": np.int32,
    "seq": np.int64,
    "seed": np.int64,
    "on_front": np.bool_,
    "epochs": np.int32,
    "failures": np.int32,
    "accuracy": np.float64,
    "expected": np.float64,
    "seconds": np.float64,
    "gflops": np.float64,
    "parameters": np.float64,
    "memory": np.float64,
    "latency": np.float64,
}
MOMENTS = ("created", "started", "ended")  # kept as seconds since 1970, UTC
KEPT = 200  # results that a snapshot keeps
MISSING: Any = object()
EPOCH, SECOND = np.datetime64(0, "us"), np.timedelta64(1, "s")
TEXTS = ("origin", "worker", "device")  # kept as numbers of ``Names``
READ = ("id", *NUMBERS, "state", "key", *MOMENTS, *TEXTS)


class Names:
    """Texts that occur again and again, each a number; only ever added to."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, text: str | None) -> int:
        """Of ``text``, now and later; -1 of none."""
        if text is None:
            return -1
        if text not in self._numbers:
            self._numbers[text] = len(self.texts)
            self.texts.append(text)
        return self._numbers[text]

    def text(self, number: int) -> str | None:
        """What has this number."""
        return None if number < 0 else self.texts[number]


class Step(NamedTuple):
    """The front right after a trial had moved it."""

    number: int  # of that trial
    finished: int  # fully trained trials until then
    hypervolume: float  # share of the reference box, 0 to 1
    at: datetime


@dataclass(frozen=True)
class Snapshot:
    """The trials of a study at one cursor, by number, a column each; every array has N rows.

    ``columns`` are those of ``NUMBERS``, ``MOMENTS`` and ``TEXTS``, ``id``, ``state`` (the place in
    ``records.STATES``) and ``key`` (bytes). They are also attributes: ``snapshot.accuracy``.
    """

    study: Study  # as it was at the cursor; it belongs to no session
    cursor: int  # Study.seq
    columns: dict[str, Column]
    names: dict[str, Names]  # of each of TEXTS
    steps: tuple[Step, ...]  # of the front, in their order
    places: Places  # what stands where, in these and in later trials
    _kept: dict[Any, Any] = field(default_factory=dict, repr=False)

    def __getattr__(self, name: str) -> Column:
        if name.startswith("_") or name not in self.columns:
            raise AttributeError(name)
        return self.columns[name]

    def __len__(self) -> int:
        return len(self.columns["number"])

    def row(self, number: int) -> int | None:
        """The row of trial ``number``."""
        at = int(np.searchsorted(self.number, number))
        return at if at < len(self) and self.number[at] == number else None

    def is_in(self, *states: str) -> Column:
        """Which rows are in one of ``states``: a mask."""
        found: Column = self.state == code_of(states[0])
        for state in states[1:]:
            found |= self.state == code_of(state)
        return found

    def text(self, column: str, row: int) -> str | None:
        """The origin, the worker or the device of a row."""
        return self.names[column].text(int(self.columns[column][row]))

    def kept(self, what: Any, compute: Callable[[], T]) -> T:
        """What ``compute`` gives, computed once for this snapshot; ``what`` names it."""
        found: T = self._kept.get(what, MISSING)
        if found is MISSING:
            found = compute()
            if len(self._kept) >= KEPT:  # filters and columns come from addresses: from anybody
                self._kept.clear()
            self._kept[what] = found
        return found

    @cached_property
    def complete(self) -> Column:
        """Which rows are fully trained: a mask."""
        return self.is_in("complete") & np.isfinite(self.accuracy)

    @cached_property
    def baseline(self) -> Column:
        """Which rows are there to compare with: a mask."""
        texts = self.names["origin"].texts
        codes = [i for i, t in enumerate(texts) if t == "bare" or t.startswith("everywhere:")]
        return np.isin(self.origin, codes)

    @cached_property
    def compared(self) -> Column:
        """Of each baseline the first row, though it may be there with several seeds: a mask."""
        rows = np.flatnonzero(self.baseline)
        found = np.zeros(len(self), dtype=bool)
        found[rows[np.unique(self.key[rows], return_index=True)[1]]] = True
        return found

    @cached_property
    def bare(self) -> int | None:
        """The row of the bare backbone, once fully trained."""
        rows = np.flatnonzero((self.origin == self.names["origin"].number("bare")) & self.complete)
        return int(rows[0]) if len(rows) else None

    @property
    def bare_accuracy(self) -> float | None:
        """The share that the bare backbone reached, once fully trained."""
        return None if self.bare is None else float(self.accuracy[self.bare])

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many trials are in each state."""
        found = np.bincount(self.state, minlength=len(STATES))
        return {state: int(found[i]) for i, state in enumerate(STATES)}

    def front(self, costs: Sequence[Column], among: Column | None = None) -> list[int]:
        """The rows that no fully trained one (``among`` a mask) dominates in accuracy and
        ``costs``, cheapest first.
        """
        wanted = self.complete if among is None else self.complete & among
        rows = np.flatnonzero(wanted)
        table = np.column_stack([self.accuracy, *costs])[rows]
        return [int(rows[i]) for i in front(table)]

    def recorded_front(self) -> list[int]:
        """The rows that the search has on its front, cheapest first."""
        rows = np.flatnonzero(self.on_front)
        return [int(row) for row in rows[np.lexsort((self.number[rows], self.gflops[rows]))]]


class Look(NamedTuple):
    """A study as somebody found it."""

    head: store.Head
    snapshot: Snapshot
    at: float  # ``time.monotonic``


class Snapshots:
    """The latest snapshot of each study, refreshed when somebody asks.

    Who asks within ``pause`` seconds of another gets the same: many readers cost little more than
    one.
    """

    def __init__(self, pause: float = 0.0) -> None:
        self._pause = pause
        self._latest: dict[int, Look] = {}
        self._locks: dict[int, Lock] = {}

    def of(self, session: Session, id: int) -> Look | None:
        """The study of this id as it is now, if there is one."""
        latest = self._latest.get(id)
        if latest is not None and self._is_fresh(latest):
            return latest
        session.connection()  # who holds the lock must not wait for one: those that wait have them
        if latest is None and store.study_head(session, id) is None:
            return None  # addresses name what they like: no lock for it
        with self._locks.setdefault(id, Lock()):
            latest = self._latest.get(id)
            if latest is not None and self._is_fresh(latest):
                return latest
            head = store.study_head(session, id)  # whoever waited for the lock asks again
            if head is None:
                return None
            old = latest.snapshot if latest else None
            found = Look(head, _newest(session, head, old), monotonic())
            self._latest[id] = found
            return found

    def _is_fresh(self, look: Look) -> bool:
        return monotonic() - look.at < self._pause


def code_of(state: str) -> int:
    """The place of ``state`` in ``records.STATES``."""
    return STATES.index(state)


def seconds_of(moment: datetime | None) -> float:
    """Since 1970, of a moment in UTC; NaN of none."""
    return np.nan if moment is None else moment.replace(tzinfo=UTC).timestamp()


def _newest(session: Session, head: store.Head, old: Snapshot | None) -> Snapshot:
    if old is not None and (old.study.uid != head.uid or old.cursor > head.seq):
        old = None  # another study has taken its place, or it was put back
    if old is not None and old.cursor == head.seq and old.study.name == head.name:
        return old
    study = store.study_copy(session, head.id)
    names = {column: Names() for column in TEXTS} if old is None else old.names
    changed = _columns(store.rows_since(session, study, READ, old.cursor if old else -1), names)
    steps = old.steps if old else ()
    if old is None or (changed["state"] == code_of("complete")).any():
        steps = tuple(Step(*row) for row in store.step_rows(session, study, Step._fields))
    return Snapshot(
        study,
        head.seq,
        changed if old is None else _merged(old.columns, changed),
        names,
        steps,
        Places(study.sites) if old is None else old.places,
    )


def _columns(rows: Sequence[Any], names: dict[str, Names]) -> dict[str, Column]:
    given = zip(*rows, strict=True) if rows else [()] * len(READ)
    values: dict[str, Sequence[Any]] = dict(zip(READ, given, strict=True))
    found: dict[str, Column] = {"id": np.array(values["id"], dtype=np.int64)}
    for name, kind in NUMBERS.items():
        found[name] = np.array(values[name], dtype=kind)  # None becomes NaN
    codes = {state: i for i, state in enumerate(STATES)}
    found["state"] = np.array([codes[state] for state in values["state"]], dtype=np.int8)
    found["key"] = np.array(values["key"], dtype="S16")
    for name in MOMENTS:
        found[name] = (np.array(values[name], dtype="datetime64[us]") - EPOCH) / SECOND
    for name in TEXTS:
        numbers = [names[name].number(text) for text in values[name]]
        found[name] = np.array(numbers, dtype=np.int32)
    order = np.argsort(found["number"])
    return {name: column[order] for name, column in found.items()}


def _merged(old: dict[str, Column], changed: dict[str, Column]) -> dict[str, Column]:
    """Rows of ``changed`` in the place of those with the same number, new ones at the end."""
    at = np.searchsorted(old["number"], changed["number"])
    known = np.zeros(len(at), dtype=bool)
    inside = at < len(old["number"])
    known[inside] = old["number"][at[inside]] == changed["number"][inside]
    found = {}
    for name, column in old.items():
        fresh = np.concatenate((column, changed[name][~known]))
        fresh[at[known]] = changed[name][known]
        found[name] = fresh
    order = np.argsort(found["number"], kind="stable")
    if (order[1:] < order[:-1]).any():
        found = {name: column[order] for name, column in found.items()}
    return found
