"""Foveate: which attention module, at which place of a CNN, with which hyper-parameters."""

from typing import TYPE_CHECKING

from ._lazy import lazy

if TYPE_CHECKING:
    from .errors import UserError
    from .search.frames import LoadedStudy, load_study
    from .search.spec import SearchSpec
    from .spaces import (
        Cost,
        Module,
        Placement,
        Site,
        Space,
        SpaceSettings,
        build,
        cost,
        place,
        plug,
        sites,
        unplug,
    )
    from .workers.data import Data
    from .workers.recipe import Recipe

__all__ = [
    "Cost",
    "Data",
    "LoadedStudy",
    "Module",
    "Placement",
    "Recipe",
    "SearchSpec",
    "Site",
    "Space",
    "SpaceSettings",
    "UserError",
    "build",
    "cost",
    "load_study",
    "place",
    "plug",
    "sites",
    "unplug",
]

__getattr__ = lazy(
    __name__,
    {
        "Cost": ".spaces",
        "Data": ".workers.data",
        "LoadedStudy": ".search.frames",
        "Module": ".spaces",
        "Placement": ".spaces",
        "Recipe": ".workers.recipe",
        "SearchSpec": ".search.spec",
        "Site": ".spaces",
        "Space": ".spaces",
        "SpaceSettings": ".spaces",
        "UserError": ".errors",
        "build": ".spaces",
        "cost": ".spaces",
        "load_study": ".search.frames",
        "place": ".spaces",
        "plug": ".spaces",
        "sites": ".spaces",
        "unplug": ".spaces",
    },
)
