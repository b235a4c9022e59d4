"""``/s/{id}/workers``: is the cluster busy, what failed?"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from threading import Lock
from time import monotonic
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..errors import BadValue
from ..search import health, store
from ..search.records import now
from .failures import failures, reasons_since
from .filters import Filter
from .gantt import gantt
from .pace import eta, throughput
from .pages import Frame
from .since import Since
from .site import Asked, Site, asking, lives
from .snapshot import seconds_of
from .usage import usage

__all__ = ["WorkersPage", "drivers", "routes", "workers"]

WINDOW = 3600.0  # seconds that a Gantt chart shows, unless asked for others
WINDOWS = {"600": "10 min", "3600": "1 h", "21600": "6 h", "86400": "1 d", "all": "all"}
FRESH = 30.0  # seconds for which findings hold: they read every trial
RESTS = 20.0  # and so many times as long as it took to find them
GONE = 5  # drivers that have ended, the latest


def routes(site: Site) -> list[Route]:
    """The page, and what its panels draw."""
    found, reasons = Findings(), Since(reasons_since)

    def page(request: Request) -> Response:
        with site.asked(request) as asked:
            wanted = asking(lambda: Filter.of(request.query_params))
            asking(lambda: wanted.mask(asked))
            frame = site.frame(asked, "workers")
            return site.html(WorkersPage(frame=frame, wanted=wanted.query, windows=WINDOWS))

    def api(request: Request) -> Response:
        with site.asked(request) as asked:
            return site.kept(
                request,
                asked,
                lambda: asking(lambda: workers(asked, request.query_params, reasons.of(asked))),
            )

    def api_drivers(request: Request) -> Response:
        with site.asked(request) as asked:
            return JSONResponse({"now": seconds_of(now()), "drivers": drivers(asked)})

    def api_findings(request: Request) -> Response:
        with site.asked(request) as asked:
            return JSONResponse(found.of(asked))

    return [
        Route("/s/{id}/workers", page),
        Route("/api/v1/studies/{id}/workers", api),
        Route("/api/v1/studies/{id}/drivers", api_drivers),
        Route("/api/v1/studies/{id}/findings", api_findings),
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkersPage:
    """``/s/{id}/workers``: is the cluster busy, what failed?"""

    TEMPLATE: ClassVar[str] = "workers.html"

    frame: Frame = field(metadata={"help": "what surrounds it"})
    wanted: dict[str, str] = field(metadata={"help": "the filters, as the address has them"})
    windows: dict[str, str] = field(metadata={"help": "spans of time to choose from, by seconds"})


def workers(
    asked: Asked, query: Mapping[str, str], reasons: Mapping[int, tuple[str, str]]
) -> dict[str, Any]:
    """What the page draws, as an address asks for it."""
    wanted = Filter.of(query)
    last = None if query.get("last") is None else int(_positive("last", query["last"]))
    window = query.get("window", f"{WINDOW:g}" if last is None else "all")
    seconds = None if window == "all" else _positive("window", window)
    chart = gantt(asked, wanted, window=seconds, last=last)
    spans = [span for worker in chart["workers"] for span in worker["spans"]]
    spans.sort(key=lambda span: span[0])
    took = usage(asked, [span[3] for span in spans]) if last is None else {}
    for worker in chart["workers"]:
        numbers = [span[3] for span in worker["spans"]]
        worker["took"] = [took[number] | {"n": number} for number in numbers if number in took]
    return {
        "cursor": asked.snapshot.cursor,
        **chart,
        "throughput": throughput(asked, wanted, seconds, chart["until"]),
        "eta": eta(asked),
        **failures(asked, wanted, reasons),
    }


def drivers(asked: Asked) -> list[dict[str, Any]]:
    """Who searches the study, and the latest who did; their beats change no cursor."""
    every = store.every_driver(asked.session, asked.study)
    there = [one for one in every if one.ended is None]
    return [
        {
            "host": one.host,
            "pid": one.pid,
            "started": seconds_of(one.started),
            "beat": seconds_of(one.beat),
            "ended": None if one.ended is None else seconds_of(one.ended),
            "how": one.how,
            "alive": one.ended is None and lives(one.beat),
        }
        for one in there + [one for one in every if one.ended is not None][: -GONE - 1 : -1]
    ]


class Findings:
    """What there is to say of each study; looked for again once it is no longer fresh."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[float, datetime, list[health.Finding]]] = {}  # until when
        self._locks: dict[str, Lock] = {}

    def of(self, asked: Asked) -> dict[str, Any]:
        """Of the study that is asked for, and since when it holds."""
        uid = asked.study.uid
        with self._locks.setdefault(uid, Lock()):
            if uid not in self._found or monotonic() > self._found[uid][0]:
                began = monotonic()
                some = health.findings(asked.session, asked.study)
                rest = max(FRESH, RESTS * (monotonic() - began))
                self._found[uid] = monotonic() + rest, now(), some
            _, at, some = self._found[uid]
        return {"at": seconds_of(at), "findings": [asdict(one) for one in some]}


def _positive(key: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1 <= value < 1e9:
        raise BadValue(f"{key} must be a number from 1 on, got {text[:40]!r}")
    return value
