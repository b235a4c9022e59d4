"""``/s/{id}/placement``: where does which module help?"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .filters import Filter
from .heat import METRICS, chosen, heat
from .importance import importance
from .pages import Frame
from .site import Asked, Site, asking
from .together import together

__all__ = ["PlacementPage", "routes"]


def routes(site: Site) -> list[Route]:
    """The page, and what its panels draw."""

    def page(request: Request) -> Response:
        with site.asked(request) as asked:
            frame, wanted = site.frame(asked, "placement"), request.query_params
            return site.html(asking(lambda: PlacementPage.load(asked, frame, Filter.of(wanted))))

    def api(draw: Callable[[Asked, Request], Any]) -> Callable[[Request], Response]:
        def answer(request: Request) -> Response:
            with site.asked(request) as asked:
                return site.kept(request, asked, lambda: asking(lambda: draw(asked, request)))

        return answer

    def heatmap(asked: Asked, request: Request) -> Any:
        metric = request.query_params.get("metric", METRICS[0])
        return heat(asked, Filter.of(request.query_params), metric)

    def of_places(asked: Asked, request: Request) -> Any:
        return importance(asked, Filter.of(request.query_params))

    def of_modules(asked: Asked, request: Request) -> Any:
        return together(asked, Filter.of(request.query_params))

    return [
        Route("/s/{id}/placement", page),
        Route("/api/v1/studies/{id}/heatmap", api(heatmap)),
        Route("/api/v1/studies/{id}/importance", api(of_places)),
        Route("/api/v1/studies/{id}/together", api(of_modules)),
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class PlacementPage:
    """``/s/{id}/placement``: where does which module help?"""

    TEMPLATE: ClassVar[str] = "placement.html"

    frame: Frame = field(metadata={"help": "what surrounds it"})
    wanted: dict[str, str] = field(metadata={"help": "the filters, as the address has them"})
    backbone: str = field(metadata={"help": "the one whose places are shown"})
    backbones: tuple[str, ...] = field(metadata={"help": "those of all trials"})

    @classmethod
    def load(cls, asked: Asked, frame: Frame, wanted: Filter) -> Self:
        """The page of a study, of the trials that ``wanted`` lets through."""
        wanted.mask(asked)  # what it does not know is said here
        at = chosen(asked, wanted.backbone)
        return cls(frame=frame, wanted=wanted.query, backbone=at.backbone, backbones=at.backbones)
