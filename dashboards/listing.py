"""Which trials a table lists, in which order, with which columns: as addresses say it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Self
from urllib.parse import urlencode

import numpy as np

from ..errors import BadValue, unknown
from ..search.records import STATES
from .axes import extra_percent
from .filters import Filter
from .repeats import repeats
from .site import Asked

__all__ = ["FIELDS", "SHOWN", "Field", "Listing", "values"]

Column = np.ndarray[Any, np.dtype[Any]]
MOST = 500  # rows of a page


@dataclass(frozen=True, slots=True)
class Field:
    """A column of the table: a number for each row of a snapshot."""

    id: str = field(metadata={"help": "as it stands in addresses, in JSON and above CSV"})
    label: str = field(metadata={"help": "what stands above the column"})
    help: str = field(metadata={"help": "what it means, with its unit"})
    of: Callable[[Asked], Column] = field(metadata={"help": "the numbers; NaN: not known"})
    digits: int | None = field(default=None, metadata={"help": "decimals in files; None: all"})
    kind: str = field(default="number", metadata={"help": "number, text, moment or yes"})
    names: Callable[[Asked], Sequence[str]] | None = field(
        default=None, metadata={"help": "of a text: what its numbers stand for; -1 is none"}
    )


def _column(asked: Asked, *, name: str, times: float = 1) -> Column:
    found = asked.snapshot.columns[name]
    return found if times == 1 else times * found


def _gain(asked: Asked) -> Column:
    """Points of accuracy over the bare backbone, of the other fully trained trials."""
    snapshot, found = asked.snapshot, np.full(len(asked.snapshot), np.nan)
    if snapshot.bare is not None:
        bare = snapshot.accuracy[snapshot.bare]
        found[snapshot.complete] = 100 * (snapshot.accuracy - bare)[snapshot.complete]
        found[snapshot.bare] = np.nan
    return found


def _nothing(asked: Asked) -> Column:
    return np.full(len(asked.snapshot), np.nan)  # the database has it: see ``trials.pieces``


def _seeds(asked: Asked) -> Column:
    seeds = repeats(asked.snapshot).seeds
    return np.where(seeds > 0, seeds, np.nan)


def _texts(asked: Asked, *, column: str) -> Sequence[str]:
    return asked.snapshot.names[column].texts


def _number(id: str, label: str, help: str, column: str, times: float = 1, **more: Any) -> Field:
    return Field(id, label, help, partial(_column, name=column, times=times), **more)


def _text(id: str, help: str) -> Field:
    names = partial(_texts, column=id)
    return Field(id, id, help, partial(_column, name=id), kind="text", names=names)


FIELDS = {
    one.id: one
    for one in (
        _number("n", "#", "number of the trial", "number"),
        _number("state", "state", "", "state", kind="text", names=lambda _: STATES),
        _number("acc", "accuracy", "after the latest epoch, %", "accuracy", 100, digits=4),
        Field("gain", "over bare", "points over the bare backbone", _gain, 4),
        Field(
            "acc_sd",
            "± sd",
            "of the accuracy over seeds, points",
            lambda asked: 100 * repeats(asked.snapshot).sd,
            4,
        ),
        Field("seeds", "seeds", "fully trained trials of this architecture", _seeds, 0),
        _number("expected", "expected", "what a stopped one would have reached, %", "expected", 100,
                digits=4),
        _number("gflops", "GFLOPs", "10⁹ operations of one image", "gflops"),
        Field("extra", "extra", "GFLOPs over the bare backbone, %",
              lambda asked: extra_percent(asked.snapshot), 6),
        _number("params", "parameters", "of the whole network", "parameters", digits=0),
        _number("latency_ms", "latency", "of one batch, measured, ms", "latency", digits=4),
        _number("memory", "memory", "activations of one image at their peak, bytes", "memory",
                digits=0),
        Field("code", "architecture", "stem | stages, a token a block", _nothing, kind="placement"),
        Field("placement", "placement", "spelled out, as JSON", _nothing, kind="placement"),
        _number("front", "front", "on the study's front", "on_front", kind="yes"),
        _number("epochs", "epochs", "finished", "epochs"),
        _number("secs", "trained", "seconds of training and validation", "seconds", digits=2),
        _number("failures", "failures", "after which it was tried again", "failures"),
        _text("origin", "who proposed it"),
        _text("worker", "where it was trained"),
        _text("device", "what it was trained on"),
        _number("seed", "seed", "of its training", "seed"),
        _number("created", "proposed", "when, UTC", "created", kind="moment"),
        _number("started", "started", "when its training began, UTC", "started", kind="moment"),
        _number("ended", "ended", "when, UTC", "ended", kind="moment"),
    )
}  # fmt: skip
SHOWN = ("acc", "gain", "gflops", "extra", "params", "code", "secs", "worker")
ALWAYS = ("n", "state")
ANY = Filter()


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of a table."""

    filter: Filter = ANY
    sort: str = "-n"  # of FIELDS; with a minus the greatest first
    page: int = 1
    per: int = 100
    shown: tuple[str, ...] = SHOWN  # of FIELDS, besides ALWAYS

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Self:
        """What an address asks for; ``BadValue`` or ``UnknownName`` says what it may."""
        sort = query.get("sort") or "-n"
        _check(
            "column",
            sort.removeprefix("-"),
            [one.id for one in FIELDS.values() if one.kind != "placement"],
        )
        shown = tuple(dict.fromkeys(filter(None, query.get("cols", "").split(",")))) or SHOWN
        for name in shown:
            _check("column", name, list(FIELDS))
        page = _whole("page", query.get("page") or "1", 1_000_000)
        per = _whole("per", query.get("per") or "100", MOST)
        ordered = tuple(name for name in FIELDS if name in shown and name not in ALWAYS)
        return cls(Filter.of(query), sort, page, per, ordered)

    @property
    def fields(self) -> list[Field]:
        """The columns, in their order."""
        return [one for one in FIELDS.values() if one.id in ALWAYS or one.id in self.shown]

    @property
    def query(self) -> dict[str, str]:
        """As an address says it; what is as usual is left out."""
        usual = type(self)()
        found = dict(self.filter.query)
        if self.sort != usual.sort:
            found["sort"] = self.sort
        if self.per != usual.per:
            found["per"] = str(self.per)
        if self.shown != usual.shown:
            found["cols"] = ",".join(self.shown)
        if self.page != usual.page:
            found["page"] = str(self.page)
        return found

    def but(self, **changes: Any) -> "Listing":
        """The same, changed; another order or filter begins with its first page."""
        return replace(self, **{"page": 1} | changes)

    @property
    def address(self) -> str:
        """``query`` as the end of an address; empty where all is as usual."""
        return "?" + urlencode(self.query) if self.query else ""

    def rows(self, asked: Asked) -> Column:
        """All rows of the snapshot that are listed, in their order."""
        return asked.snapshot.kept(("listed", self.filter, self.sort), lambda: self._rows(asked))

    def _rows(self, asked: Asked) -> Column:
        snapshot = asked.snapshot
        rows = np.flatnonzero(self.filter.mask(asked))
        name = self.sort.removeprefix("-")
        numbers = FIELDS[name].of(asked)[rows].astype(np.float64)
        if (names := FIELDS[name].names) is not None:
            texts = list(names(asked))
            place = {text: i for i, text in enumerate(sorted(texts))}
            ranks = np.array([*(place[text] for text in texts), np.nan])  # the last is of -1
            numbers = ranks[numbers.astype(np.int64)]
        if self.sort.startswith("-"):
            numbers = -numbers
        found: Column = rows[np.lexsort((-snapshot.number[rows], numbers))]  # NaN comes last
        return found

    def cut(self, rows: Column) -> Column:
        """The rows of this page."""
        return rows[(self.page - 1) * self.per : self.page * self.per]


def values(asked: Asked, one: Field, rows: Column) -> list[Any]:
    """What stands in a column, as JSON says it: numbers, texts, true and false, or None."""
    numbers = one.of(asked)[rows]
    if one.kind == "yes":
        return [bool(value) for value in numbers]
    if one.names is not None:
        texts = one.names(asked)
        return [None if code < 0 else texts[code] for code in numbers.tolist()]
    found: list[Any] = [None if value != value else value for value in numbers.tolist()]
    if one.kind == "moment":
        return [None if value is None else moment(value) for value in found]
    if one.digits == 0:
        return [None if value is None else int(value) for value in found]
    if one.digits is not None:
        return [None if value is None else round(value, one.digits) + 0.0 for value in found]
    return found


def moment(seconds: float) -> str:
    """A moment in seconds since 1970 as text: ``2026-01-31T12:00:00Z``."""
    at = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    return f"{at.isoformat(timespec='seconds')}Z"


def _check(kind: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise unknown(kind, name[:80], known)


def _whole(key: str, text: str, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:12]) <= most):
        raise BadValue(f"{key} must be a whole number from 1 to {most:,}, got {text[:40]!r}")
    return int(text)
