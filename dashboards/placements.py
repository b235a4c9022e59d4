"""What stands where in which trial, as columns of numbers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from ..search import store
from ..search.records import Study

__all__ = ["Place", "Places", "Stands"]

Column = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Place:
    """A site of the backbone at which a trial has a module."""

    path: str  # as placements spell it
    stage: int
    block: str
    label: str  # short: s1b2 is the second block of the first stage, s1b2.conv1 a part of it


@dataclass(frozen=True)
class Stands:
    """Module ``module[i]`` stands at place ``place[i]`` in trial ``number[i]``."""

    number: Column
    place: Column  # in ``places``
    module: Column  # in ``modules``
    places: tuple[Place, ...]  # in the order of the forward pass
    modules: tuple[str, ...]  # in the order of the alphabet
    trials: Column  # numbers of all trials, those without a module, too, sorted
    backbone: Column  # of each of ``trials``, in ``backbones``
    backbones: tuple[str, ...]

    def numbers_with(self, module: str | None, place: str | None) -> Column:
        """The trials with this module, at this place (its path or label), or both, sorted."""
        wanted = np.ones(len(self.number), dtype=bool)
        if module is not None:
            codes = [i for i, name in enumerate(self.modules) if name == module]
            wanted &= np.isin(self.module, codes)
        if place is not None:
            at = [i for i, one in enumerate(self.places) if place in (one.path, one.label)]
            wanted &= np.isin(self.place, at)
        return np.unique(self.number[wanted])

    def numbers_on(self, backbone: str) -> Column:
        """The trials of this backbone, sorted."""
        codes = [i for i, name in enumerate(self.backbones) if name == backbone]
        return self.trials[np.isin(self.backbone, codes)]


class Places:
    """The placements of a study's trials; they never change, so each is read once."""

    def __init__(self, sites: Sequence[Mapping[str, Any]]) -> None:
        self.sites = sites
        self._order = {  # path -> (place among the sites, site)
            path: (at, site)
            for at, site in enumerate(sites)
            for path in (*site.get("aliases", ()), site["path"])
        }
        self._paths: dict[str, int] = {}
        self._modules: dict[str, int] = {}
        self._backbones: dict[str, int] = {}
        self._columns = [np.empty(0, dtype=np.int32)] * 5
        self._read = -1  # the last trial whose placement is known
        self._lock = Lock()
        self._latest: Stands | None = None

    @property
    def modules(self) -> tuple[str, ...]:
        """The names of the modules of the placements that were read until now."""
        return tuple(self._modules)

    def of(self, session: Session, study: Study) -> Stands:
        """What stands where in all trials that are there now."""
        with self._lock:
            rows = store.placements_after(session, study, self._read)
            if rows or self._latest is None:
                self._take(rows)
                self._latest = self._stands()
            return self._latest

    def _take(self, rows: Sequence[Any]) -> None:
        number, place, module, trials, backbone = [], [], [], [], []
        for trial, spelling in rows:
            document = json.loads(spelling)
            trials.append(trial)
            name = document["backbone"]
            backbone.append(self._backbones.setdefault(name, len(self._backbones)))
            for site, name, _ in document["modules"]:
                number.append(trial)
                place.append(self._paths.setdefault(site, len(self._paths)))
                module.append(self._modules.setdefault(name, len(self._modules)))
            self._read = max(self._read, trial)
        lists = (number, place, module, trials, backbone)
        added = (np.array(some, dtype=np.int32) for some in lists)
        pairs = zip(self._columns, added, strict=True)
        self._columns = [np.concatenate(pair) for pair in pairs]

    def _stands(self) -> Stands:
        paths, modules = list(self._paths), list(self._modules)
        last = len(self.sites)
        order = sorted(paths, key=lambda path: (self._order.get(path, (last, None))[0], path))
        names = sorted(modules)
        of_place = np.array([order.index(path) for path in paths], dtype=np.int32)
        of_module = np.array([names.index(name) for name in modules], dtype=np.int32)
        number, place, module, trials, backbone = self._columns
        labels = _labels(self.sites)
        places = []
        for path in order:
            site = self._order.get(path, (0, {}))[1]
            label = labels.get(site.get("path", ""), path)
            places.append(Place(path, site.get("stage", 0), site.get("block", ""), label))
        return Stands(
            number,
            of_place[place] if len(place) else place,
            of_module[module] if len(module) else module,
            tuple(places),
            tuple(names),
            trials,
            backbone,
            tuple(self._backbones),
        )


def _labels(sites: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Short names by path: s1b1 is the first block of stage 1, s1b1.bn2 a part of it, s1 the stage.

    Of several backbones the paths themselves, as one name would mean two places.
    """
    if len({site.get("backbone") for site in sites}) > 1:
        return {}
    found: dict[str, str] = {}
    seen: dict[int, list[str]] = {}
    for site in sites:
        path, block, stage = site["path"], site["block"], site["stage"]
        if block:
            blocks = seen.setdefault(stage, [])
            if block not in blocks:
                blocks.append(block)
            name = f"s{stage}b{blocks.index(block) + 1}"
            own = (path, *site.get("aliases", ()))
            found[path] = name if block in own else name + path.removeprefix(block)
        elif stage and "stage" in site.get("kinds", ()):
            found[path] = f"s{stage}"
        elif "stem" in site.get("kinds", ()):
            found[path] = "stem"
    return found
