"""Which trials a view is about, as addresses say it; the same for every panel, table and file."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Self
from urllib.parse import urlencode

import numpy as np

from ..errors import BadValue, unknown
from ..search.records import STATES
from .site import Asked

__all__ = ["FILTERS", "Filter", "number_in"]

BOUNDS = {  # parameter of addresses -> column
    "max_gflops": "gflops",
    "max_params": "parameters",
    "max_latency": "latency",  # milliseconds
    "max_memory": "memory",  # bytes
}
FILTERS = ("state", "module", "backbone", "min_acc", *BOUNDS)  # what addresses may say


@dataclass(frozen=True, slots=True)
class Filter:
    """What a trial has to be; by default anything."""

    states: tuple[str, ...] = ()  # of records.STATES; none: all
    module: str | None = None  # "cbam", "cbam@s3b2", "@s3b2" or "@layer3.1"
    backbone: str | None = None
    min_acc: float | None = None  # percent
    bounds: tuple[tuple[str, float], ...] = ()  # of BOUNDS

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Self:
        """What an address asks for; ``BadValue`` or ``UnknownName`` says what it may."""
        states = tuple(filter(None, query.get("state", "").split(",")))
        for state in states:
            if state not in STATES:
                raise unknown("state", state, STATES)
        return cls(
            states=states,
            module=query.get("module") or None,
            backbone=query.get("backbone") or None,
            min_acc=number_in(query, "min_acc"),
            bounds=tuple((key, _number(key, query[key])) for key in BOUNDS if query.get(key)),
        )

    @property
    def query(self) -> dict[str, str]:
        """As an address says it; ``Filter.of`` reads it."""
        found = {
            "state": ",".join(self.states),
            "module": self.module or "",
            "backbone": self.backbone or "",
            "min_acc": "" if self.min_acc is None else f"{self.min_acc:.12g}",
        }
        found |= {key: f"{bound:.12g}" for key, bound in self.bounds}
        return {key: value for key, value in found.items() if value}

    @property
    def address(self) -> str:
        """``query`` as the end of an address: ``&module=se``; empty without filters."""
        return "&" + urlencode(self.query) if self.query else ""

    def mask(self, asked: Asked) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which rows of the snapshot it lets through."""
        return asked.snapshot.kept(("mask", self), lambda: self._mask(asked))

    def _mask(self, asked: Asked) -> np.ndarray[Any, np.dtype[np.bool_]]:
        snapshot = asked.snapshot
        wanted = np.ones(len(snapshot), dtype=bool)
        if self.states:
            wanted &= snapshot.is_in(*self.states)
        if self.min_acc is not None:
            wanted &= np.round(100 * snapshot.accuracy, 9) >= self.min_acc
        for key, bound in self.bounds:
            wanted &= snapshot.columns[BOUNDS[key]] <= bound
        if self.module is not None or self.backbone is not None:
            stands = asked.stands
            if self.module is not None:
                module, _, place = self.module.partition("@")
                _check("module", module, stands.modules)
                _check("place", place, [name for p in stands.places for name in (p.label, p.path)])
                numbers = stands.numbers_with(module or None, place or None)
                wanted &= np.isin(snapshot.number, numbers)
            if self.backbone is not None:
                _check("backbone", self.backbone, stands.backbones)
                wanted &= np.isin(snapshot.number, stands.numbers_on(self.backbone))
        return wanted


def number_in(query: Mapping[str, str], key: str) -> float | None:
    """The number that an address gives as ``key``, if it does; ``BadValue`` for another text."""
    return _number(key, query[key]) if query.get(key) else None


def _number(key: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise BadValue(f"{key} must be a number, got {text[:40]!r}")
    return value


def _check(kind: str, name: str, known: Any) -> None:
    if name and name not in known:
        raise unknown(kind, name[:80], list(dict.fromkeys(known)))
