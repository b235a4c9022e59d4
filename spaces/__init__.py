"""Where: backbones, their sites, placements of attention in them, and what those cost."""

from typing import TYPE_CHECKING

from .._lazy import lazy

if TYPE_CHECKING:
    from .costs import cost
    from .counting import Cost, count
    from .networks import backbone, backbones, sites
    from .placement import Module, Placement, diff, draw
    from .plugging import build, complete, plug, unplug
    from .settings import SpaceSettings
    from .shorthand import place
    from .site import Site, find_sites
    from .space import Space
    from .timing import Latency, latencies, latency

__all__ = [
    "Cost",
    "Latency",
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
    "diff",
    "draw",
    "find_sites",
    "latencies",
    "latency",
    "place",
    "plug",
    "sites",
    "unplug",
]

__getattr__ = lazy(
    __name__,
    {
        "Cost": ".counting",
        "Latency": ".timing",
        "Module": ".placement",
        "Placement": ".placement",
        "Site": ".site",
        "Space": ".space",
        "SpaceSettings": ".settings",
        "backbone": ".networks",
        "backbones": ".networks",
        "build": ".plugging",
        "complete": ".plugging",
        "cost": ".costs",
        "count": ".counting",
        "diff": ".placement",
        "draw": ".placement",
        "find_sites": ".site",
        "latencies": ".timing",
        "latency": ".timing",
        "place": ".shorthand",
        "plug": ".plugging",
        "sites": ".networks",
        "unplug": ".plugging",
    },
)
