"""``/s/{id}/trials``: find one. All trials as a table, a page at a time, as JSON and as files."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any, ClassVar, Self

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ..search import store
from ..search.records import STATES
from ..spaces.placement import Placement, draw
from . import files
from .drawings import drawings_of
from .listing import ALWAYS, FIELDS, MOST, Column, Field, Listing, values
from .numbers import delta, duration, gflops, parameters, percent, signed, significant, size
from .pages import Frame
from .site import Asked, Site, asking, whole

__all__ = ["Chip", "Heading", "ListedTrial", "TrialsPage", "joined", "routes"]

PIECE = 1000  # rows that are read at once
PER = (25, 50, 100, 250)  # rows of a page to choose from


def routes(site: Site) -> list[Route]:
    """The page, its table alone, and the same trials as JSON and as files."""

    def page(request: Request) -> Response:
        return shown(request, "trials.html")

    def table(request: Request) -> Response:
        return shown(request, "_trials_table.html")

    def shown(request: Request, template: str) -> Response:
        query = joined(request)
        with site.asked(request) as asked:
            frame = site.frame(asked, "trials")

            def text() -> str:
                return site.text(asking(lambda: TrialsPage.load(asked, frame, query)), template)

            return site.kept(request, asked, text, kind="html", also=f"{frame.others}")

    def api(request: Request) -> Response:
        query = joined(request)
        with site.asked(request) as asked:
            return site.kept(request, asked, lambda: asking(lambda: as_json(asked, query)))

    def file(request: Request) -> Response:
        query, kind = joined(request), request.path_params["kind"]
        if kind not in files.TYPES:
            raise HTTPException(404, f"trials come as .csv, .json and .tex, not as .{kind[:20]}")
        with site.asked(request) as asked:
            listing = asking(lambda: Listing.of(query))
            rows = asking(lambda: listing.rows(asked))
        wanted = listing.fields if kind == "tex" or "cols" in query else list(FIELDS.values())
        name = f"study-{asked.study.id}-trials.{kind}"
        return StreamingResponse(
            written(kind, site, asked, wanted, rows),
            media_type=files.TYPES[kind],
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    return [
        Route("/s/{id}/trials", page),
        Route("/s/{id}/_trials", table),
        Route("/api/v1/studies/{id}/trials", api),
        Route("/api/v1/studies/{id}/trials.{kind}", file),
    ]


def joined(request: Request) -> dict[str, str]:
    """What the address asks for; of what is said several times, a list with commas."""
    query = request.query_params
    return {key: ",".join(filter(None, query.getlist(key))) for key in query}


# ------------------------------------------------------------------------------------ as data


def as_json(asked: Asked, query: Mapping[str, str]) -> dict[str, Any]:
    """A page of the table."""
    listing = Listing.of(query)
    rows = listing.rows(asked)
    wanted = listing.fields if "cols" in query else list(FIELDS.values())
    names = [one.id for one in wanted]
    piece = table_of(asked, wanted, listing.cut(rows))
    return {
        "rows": [dict(zip(names, row, strict=True)) for row in piece],
        "total": len(rows),
        "page": listing.page,
        "per": listing.per,
        "cursor": asked.snapshot.cursor,
    }


def written(
    kind: str, site: Site, asked: Asked, wanted: Sequence[Field], rows: Column
) -> Iterator[str]:
    """The trials of ``rows`` as a file; it is written while it is sent, by another thread.

    Between its pieces it holds no connection: who reads slowly keeps nobody waiting.
    """

    def piece(cut: Column) -> list[tuple[Any, ...]]:
        with site.session() as session:
            return table_of(replace(asked, session=session), wanted, cut)

    pieces = (piece(rows[at : at + PIECE]) for at in range(0, len(rows), PIECE))
    names = [one.id for one in wanted]
    if kind == "csv":
        yield from files.as_csv(names, pieces)
    elif kind == "json":
        yield from files.as_json(names, pieces)
    else:
        numbers = [one.kind == "number" for one in wanted]
        yield from files.as_tex([one.label for one in wanted], numbers, pieces)


def table_of(asked: Asked, wanted: Sequence[Field], rows: Column) -> list[tuple[Any, ...]]:
    """The values of these columns, row by row."""
    columns: dict[str, Sequence[Any]] = {}
    if any(one.kind == "placement" for one in wanted):
        numbers = asked.snapshot.number[rows].tolist()
        there = store.placements_of(asked.session, asked.study, numbers)
        columns["placement"] = spelled = [there[number] for number in numbers]
        if any(one.id == "code" for one in wanted):
            columns["code"] = [draw(Placement.parse(one), asked.study.sites) for one in spelled]
    for one in wanted:
        if one.kind != "placement":
            columns[one.id] = values(asked, one, rows)
    return list(zip(*(columns[one.id] for one in wanted), strict=True))


# ------------------------------------------------------------------------------------ as a page


@dataclass(frozen=True, kw_only=True, slots=True)
class Chip:
    """A state, and how many trials are in it."""

    state: str = field(metadata={"help": "one of records.STATES"})
    count: int = field(metadata={"help": "trials in it that the other filters let through"})
    chosen: bool = field(metadata={"help": "whether the list is of those in it"})
    address: str = field(metadata={"help": "of the list with it chosen, or no longer"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Heading:
    """What stands above a column."""

    id: str = field(metadata={"help": "of listing.FIELDS"})
    label: str = field(metadata={"help": "its short name"})
    help: str = field(metadata={"help": "what it means, with its unit"})
    kind: str = field(metadata={"help": "number, text, moment, yes or placement"})
    sorted: str | None = field(metadata={"help": "ascending or descending, if it is sorted by"})
    address: str | None = field(metadata={"help": "of the list sorted by it, if it can be"})


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedTrial:
    """A row of the table."""

    number: int = field(metadata={"help": "of the trial in its study"})
    state: str = field(metadata={"help": "one of records.STATES"})
    on_front: bool = field(metadata={"help": "whether it is on the study's front"})
    cells: list[tuple[str, Any, Any]] = field(
        metadata={"help": "of each column: its id, what stands there, and the value itself"}
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialsPage:
    """``/s/{id}/trials``: find one."""

    TEMPLATE: ClassVar[str] = "trials.html"

    frame: Frame = field(metadata={"help": "what surrounds it"})
    listing: Listing = field(metadata={"help": "what the address asks for"})
    chips: list[Chip] = field(metadata={"help": "the states there are"})
    headings: list[Heading] = field(metadata={"help": "of the columns besides number and state"})
    rows: list[ListedTrial] = field(metadata={"help": "the trials of this page"})
    total: int = field(metadata={"help": "trials that the filters let through"})
    all: int = field(metadata={"help": "trials of the study"})
    leaves: list[tuple[int | None, str]] = field(
        metadata={"help": "pages to go to, with their addresses; no number: some are left out"}
    )
    last: int = field(metadata={"help": "number of the last page"})
    fresh: int = field(metadata={"help": "trials of the list that were not there when it was read"})
    moved: bool = field(metadata={"help": "whether the page would have other trials by now"})
    newest: int = field(metadata={"help": "the last trial there is; -1: none"})
    at: int | None = field(metadata={"help": "the trial that was jumped to"})
    missed: str | None = field(metadata={"help": "why the trial to jump to is not in the list"})
    choices: list[tuple[Field, bool]] = field(metadata={"help": "all columns; whether shown"})
    modules: tuple[str, ...] = field(metadata={"help": "that stand in some trial"})
    places: tuple[str, ...] = field(metadata={"help": "short names of where they stand"})
    backbones: tuple[str, ...] = field(metadata={"help": "of the trials"})
    per: tuple[int, ...] = field(metadata={"help": "rows of a page to choose from"})
    files: list[tuple[str, str]] = field(metadata={"help": "the list as a file: kind, address"})

    @classmethod
    def load(cls, asked: Asked, frame: Frame, query: Mapping[str, str]) -> Self:
        """The page that an address asks for.

        ``at`` is a trial to jump to. ``keep`` are the trials that are being read: they stay where
        they are, though others may belong there by now; ``newest`` was the last one then.
        """
        listing = Listing.of(query)
        rows = listing.rows(asked)
        at, missed = None, None
        if query.get("at"):
            at = whole(query["at"], "at", 400)
            place = place_of(asked, rows, at)
            if place is None:
                missed = why_not(asked, at)
            else:
                listing = listing.but(page=place // listing.per + 1)
        here = listing.cut(rows)
        kept = kept_rows(asked, query.get("keep", ""))
        newest = query.get("newest", "")
        since = whole(newest, "newest", 400) if newest else None
        numbers = asked.snapshot.number
        stands, base = asked.stands, f"/api/v1/studies/{asked.study.id}/trials"
        last = max(1, ceil(len(rows) / listing.per))
        return cls(
            frame=frame,
            listing=listing,
            chips=chips(asked, listing),
            headings=[heading(one, listing) for one in listing.fields if one.id not in ALWAYS],
            rows=listed(asked, listing, here if kept is None else kept),
            total=len(rows),
            all=len(asked.snapshot),
            leaves=[(p, listing.but(page=p or 1).address) for p in near(listing.page, last)],
            last=last,
            fresh=0 if since is None else int((numbers[rows] > since).sum()),
            moved=kept is not None and not np.array_equal(kept, here),
            newest=int(numbers[-1]) if len(numbers) else -1,
            at=at,
            missed=missed,
            choices=[
                (one, one.id in listing.shown) for one in FIELDS.values() if one.id not in ALWAYS
            ],
            modules=stands.modules,
            places=tuple(place.label for place in stands.places),
            backbones=stands.backbones,
            per=PER,
            files=[(kind, f"{base}.{kind}{listing.but().address}") for kind in files.TYPES],
        )


def listed(asked: Asked, listing: Listing, rows: Column) -> list[ListedTrial]:
    """The rows of the table."""
    fields = [one for one in listing.fields if one.id not in ALWAYS]
    numbers = asked.snapshot.number[rows].tolist()
    columns: list[list[tuple[str, Any, Any]]] = []
    for one in fields:
        if one.id == "code":
            drawn = drawings_of(asked)
            drawn.known(asked, numbers)
            columns.append([(one.id, drawn.strip(number), None) for number in numbers])
        elif one.id == "placement":
            spelled = store.placements_of(asked.session, asked.study, numbers)
            columns.append([(one.id, spelled[number], None) for number in numbers])
        else:
            found = values(asked, one, rows)
            columns.append([(one.id, written_as(one, value), value) for value in found])
    states = [STATES[code] for code in asked.snapshot.state[rows]]
    fronts = asked.snapshot.on_front[rows].tolist()
    cells = zip(*columns, strict=True) if columns else [()] * len(numbers)
    return [
        ListedTrial(number=number, state=state, on_front=front, cells=list(row))
        for number, state, front, row in zip(numbers, states, fronts, cells, strict=True)
    ]


WRITTEN: dict[str, Callable[[Any], str]] = {
    "acc": lambda value: percent(value / 100),
    "gain": lambda value: delta(value / 100),
    "acc_sd": lambda value: f"{value:.2f}",
    "expected": lambda value: percent(value / 100),
    "gflops": gflops,
    "extra": lambda value: signed(value, "%"),
    "params": parameters,
    "latency_ms": lambda value: f"{significant(value, 3)} ms",
    "memory": size,
    "secs": duration,
    "front": lambda value: "yes" if value else "no",
}


def written_as(one: Field, value: Any) -> str:
    """A value as people read it."""
    return "–" if value is None else WRITTEN.get(one.id, str)(value)


def heading(one: Field, listing: Listing) -> Heading:
    """What stands above the column: a click sorts, another the other way round."""
    now = {one.id: "ascending", f"-{one.id}": "descending"}.get(listing.sort)
    first = one.id if one.kind == "text" else f"-{one.id}"  # the greatest first, but a before z
    other = one.id if first.startswith("-") else f"-{one.id}"
    address = None
    if one.kind != "placement":
        address = listing.but(sort=other if listing.sort == first else first).address or "?"
    return Heading(
        id=one.id, label=one.label, help=one.help, kind=one.kind, sorted=now, address=address
    )


def chips(asked: Asked, listing: Listing) -> list[Chip]:
    """The states that the study knows, with counts of what the other filters let through."""
    mask = replace(listing.filter, states=()).mask(asked)
    counts = np.bincount(asked.snapshot.state[mask], minlength=len(STATES))
    found: list[Chip] = []
    for state, count in zip(STATES, counts.tolist(), strict=True):
        chosen = listing.filter.states
        others = tuple(one for one in STATES if (one in chosen) != (one == state))
        address = listing.but(filter=replace(listing.filter, states=others)).address or "?"
        if asked.snapshot.counts[state] or state in chosen:
            found.append(Chip(state=state, count=count, chosen=state in chosen, address=address))
    return found


def place_of(asked: Asked, rows: Column, number: int) -> int | None:
    """Where in the list trial ``number`` stands, from 0."""
    row = asked.snapshot.row(number)
    found = [] if row is None else np.flatnonzero(rows == row).tolist()
    return int(found[0]) if found else None


def why_not(asked: Asked, number: int) -> str:
    """Why trial ``number`` is not in the list."""
    if asked.snapshot.row(number) is not None:
        return f"Trial {number} is not in this list: the filters leave it out."
    last = f"the last is {asked.snapshot.number[-1]}" if len(asked.snapshot) else "there are none"
    return f"There is no trial {number}; {last}."


def kept_rows(asked: Asked, numbers: str) -> Column | None:
    """The rows of the trials that are being read; ``None`` if nobody reads yet."""
    if not numbers:
        return None
    wanted = list(dict.fromkeys(numbers.split(",")))
    if len(wanted) > MOST:
        raise HTTPException(400, f"keep names at most {MOST} trials, got {len(wanted):,}")
    found = (asked.snapshot.row(whole(one, "keep", 400)) for one in wanted)
    return np.array([row for row in found if row is not None], dtype=np.int64)


def near(page: int, last: int) -> list[int | None]:
    """The pages to go to: the first, the last, those around this one; None for a gap."""
    wanted = sorted({1, last} | {p for p in range(page - 2, page + 3) if 1 <= p <= last})
    found: list[int | None] = []
    for p in wanted:
        before = found[-1] if found else p - 1
        if before is not None and p - before > 1:
            found.append(None)
        found.append(p)
    return found
