"""``/s/{id}/placement``: where does which module help?"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .filters import Filter
from .heat import heat
from .site import Site, asking

__all__ = ["routes"]


def routes(site: Site) -> list[Route]:
    """The page, and what its panels draw."""

    def api_heatmap(request: Request) -> Response:
        metric = request.query_params.get("metric", "gain")
        with site.asked(request) as asked:
            return site.kept(
                request,
                asked,
                lambda: asking(lambda: heat(asked, Filter.of(request.query_params), metric)),
            )

    return [Route("/api/v1/studies/{id}/heatmap", api_heatmap)]
