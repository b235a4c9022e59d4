"""Where: backbones, their sites, placements of attention in them, and what those cost."""

from typing import TYPE_CHECKING

from .._lazy import lazy

if TYPE_CHECKING:
    from .costs import Cost, cost, count
    from .networks import backbone, backbones
    from .placement import Module, Placement, draw
    from .plugging import build, complete, plug
    from .site import Site, find_sites, sites
    from .space import Space, SpaceSettings

__all__ = [
    "Cost",
    "Module",
    "Placement",
    "Site",
    "Space",
    "SpaceSettings",
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
        "Cost": ".costs",
        "Module": ".placement",
        "Placement": ".placement",
        "Site": ".site",
        "Space": ".space",
        "SpaceSettings": ".space",
        "backbone": ".networks",
        "backbones": ".networks",
        "build": ".plugging",
        "complete": ".plugging",
        "cost": ".costs",
        "count": ".costs",
        "draw": ".placement",
        "find_sites": ".site",
        "plug": ".plugging",
        "sites": ".site",
    },
)
