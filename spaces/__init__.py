"""Where: backbones, their sites, placements of attention in them, and what those cost."""

from typing import TYPE_CHECKING

from .._lazy import lazy

if TYPE_CHECKING:
    from .backbones import backbone, backbones
    from .cost import Cost, cost, count
    from .placement import Module, Placement, draw
    from .plug import build, complete, plug
    from .sites import Site, find_sites, sites
    from .space import Space

__all__ = [
    "Cost",
    "Module",
    "Placement",
    "Site",
    "Space",
    "backbone",
    "backbones",
    "build",
    "complete",
    "cost",
    "count",
    "draw",
    "find_sites",
    "plug",
    "sites",
]

__getattr__ = lazy(
    __name__,
    {
        "Cost": ".cost",
        "Module": ".placement",
        "Placement": ".placement",
        "Site": ".sites",
        "Space": ".space",
        "backbone": ".backbones",
        "backbones": ".backbones",
        "build": ".plug",
        "complete": ".plug",
        "cost": ".cost",
        "count": ".cost",
        "draw": ".placement",
        "find_sites": ".sites",
        "plug": ".plug",
        "sites": ".sites",
    },
)
