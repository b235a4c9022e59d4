"""``/s/{id}/workers``: is the cluster busy, what failed?"""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..errors import BadValue
from .filters import Filter
from .gantt import gantt
from .site import Asked, Site, asking

__all__ = ["routes", "workers"]

WINDOW = 3600.0  # seconds that a Gantt chart shows, unless asked for others


def routes(site: Site) -> list[Route]:
    """The page, and what its panels draw."""

    def api(request: Request) -> Response:
        with site.asked(request) as asked:
            return site.kept(
                request, asked, lambda: asking(lambda: workers(asked, request.query_params))
            )

    return [Route("/api/v1/studies/{id}/workers", api)]


def workers(asked: Asked, query: Mapping[str, str]) -> dict[str, Any]:
    """What the page draws, as an address asks for it."""
    wanted = Filter.of(query)
    last = None if query.get("last") is None else int(_positive("last", query["last"]))
    window = query.get("window", "all" if last else f"{WINDOW:g}")
    seconds = None if window == "all" else _positive("window", window)
    return gantt(asked, wanted, window=seconds, last=last)


def _positive(key: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1 <= value < 1e9:
        raise BadValue(f"{key} must be a number from 1 on, got {text[:40]!r}")
    return value
