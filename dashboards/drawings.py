"""Pictures of a study's architectures, each drawn once, with the same glyphs on every page."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from markupsafe import Markup

from ..search import store
from ..search.pictures import kinds_of
from ..spaces.glyphs import Glyph, glyphs
from ..spaces.picture import emblem, picture
from ..spaces.placement import Placement, draw
from .placements import Places
from .site import Asked

__all__ = ["Drawings", "drawings_of"]

MOST = 4_000  # pictures of a study that are kept


class Drawings:
    """The architectures of one study, by the numbers of their trials."""

    def __init__(
        self, sites: Sequence[Any], modules: Iterable[str], kinds: Mapping[str, str]
    ) -> None:
        self.glyphs: dict[str, Glyph] = glyphs(modules, kinds)
        self._sites, self._kinds = sites, kinds
        self._placements: dict[int, Placement] = {}  # by number; they never change
        self.line = lru_cache(MOST)(self._line)
        self.strip = lru_cache(MOST)(self._strip)
        self.whole = lru_cache(50)(self._whole)

    @property
    def modules(self) -> tuple[str, ...]:
        """Their names, in the order of the alphabet."""
        return tuple(self.glyphs)

    def known(self, asked: Asked, numbers: Sequence[int]) -> Sequence[int]:
        """``numbers``, once the placements of these trials have been read."""
        missing = [number for number in numbers if number not in self._placements]
        for first in range(0, len(missing), 500):  # what databases take in one query
            some = store.placements_of(asked.session, asked.study, missing[first : first + 500])
            read = {number: Placement.parse(text) for number, text in some.items()}
            self.learn(name for placement in read.values() for name in placement.names)
            self._placements |= read
        return numbers

    def learn(self, modules: Iterable[str]) -> None:
        """There are these modules, too: all may get other colours, so all is drawn anew."""
        wanted = {*self.glyphs, *modules}
        if wanted != self.glyphs.keys():
            self.glyphs = glyphs(wanted, self._kinds)
            for drawn in (self.line, self.strip, self.whole):
                drawn.cache_clear()

    def legend(self) -> list[tuple[str, Markup]]:
        """Every module of the study, and its glyph."""
        return [(name, Markup(emblem(one, name))) for name, one in self.glyphs.items()]

    def _line(self, number: int) -> str:
        return draw(self._placements[number], self._sites)

    def _strip(self, number: int) -> Markup:
        return Markup(picture(self._placements[number], self._sites, kind="row", known=self.glyphs))

    def _whole(self, number: int) -> Markup:
        return Markup(picture(self._placements[number], self._sites, known=self.glyphs))


_LOCK = Lock()
_ALL: WeakKeyDictionary[Places, Drawings] = WeakKeyDictionary()  # a study's places live as long


def drawings_of(asked: Asked) -> Drawings:
    """The drawings of a study, with the modules that it offers or that any trial has."""
    places = asked.snapshot.places
    with _LOCK:  # whoever asks first shall not get another one than the next
        if places not in _ALL:
            spec = asked.study.spec
            offered = {*spec.get("space", {}).get("modules", ()), *asked.stands.modules}
            _ALL[places] = Drawings(asked.study.sites, offered, kinds_of(spec))
        found = _ALL[places]
        found.learn(places.modules)
    return found
