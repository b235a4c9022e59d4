"""Pictures of a study's architectures, each drawn once, with the same glyphs on every page."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from markupsafe import Markup

from ..search import store
from ..spaces.glyphs import Glyph, glyphs
from ..spaces.picture import emblem, picture
from ..spaces.placement import Placement, draw
from .placements import Places
from .site import Asked

__all__ = ["Drawings", "drawings_of"]

MOST = 4_000  # pictures of a study that are kept


class Drawings:
    """The architectures of one study, by the numbers of their trials."""

    def __init__(self, sites: Sequence[Any], modules: tuple[str, ...]) -> None:
        self.modules = modules
        self.glyphs: dict[str, Glyph] = glyphs(modules)
        self._sites = sites
        self._placements: dict[int, Placement] = {}  # by number; they never change
        self.line = lru_cache(MOST)(self._line)
        self.strip = lru_cache(MOST)(self._strip)
        self.whole = lru_cache(50)(self._whole)

    def known(self, asked: Asked, numbers: Sequence[int]) -> Sequence[int]:
        """``numbers``, once the placements of these trials have been read."""
        missing = [number for number in numbers if number not in self._placements]
        for first in range(0, len(missing), 500):  # what databases take in one query
            some = store.placements_of(asked.session, asked.study, missing[first : first + 500])
            self._placements |= {number: Placement.parse(text) for number, text in some.items()}
        return numbers

    def legend(self) -> list[tuple[str, Markup]]:
        """Every module of the study, and its glyph."""
        return [(name, Markup(emblem(one, name))) for name, one in self.glyphs.items()]

    def _line(self, number: int) -> str:
        return draw(self._placements[number], self._sites)

    def _strip(self, number: int) -> Markup:
        return Markup(picture(self._placements[number], self._sites, kind="row", known=self.glyphs))

    def _whole(self, number: int) -> Markup:
        return Markup(picture(self._placements[number], self._sites, known=self.glyphs))


_ALL: WeakKeyDictionary[Places, Drawings] = WeakKeyDictionary()  # a study's places live as long


def drawings_of(asked: Asked) -> Drawings:
    """The drawings of a study; made anew when a trial has a module that none had before."""
    places, offered = asked.snapshot.places, asked.study.spec.get("space", {}).get("modules", ())
    modules = tuple(sorted({*offered, *asked.stands.modules}))
    found = _ALL.get(places)
    if found is None or found.modules != modules:
        found = _ALL[places] = Drawings(asked.study.sites, modules)
    return found
