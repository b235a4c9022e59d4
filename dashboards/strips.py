"""Pictures of trials' architectures, with the glyphs that all pages of a study share."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from ..spaces.glyphs import Glyph, glyphs
from ..spaces.picture import picture
from ..spaces.placement import Placement
from .site import Asked

__all__ = ["full", "known", "strips"]


def known(asked: Asked) -> dict[str, Glyph]:
    """The glyph of each module that stands in a trial of the study."""
    stands = asked.stands
    return asked.snapshot.kept(("glyphs", stands.modules), lambda: glyphs(stands.modules))


def strips(asked: Asked, spellings: Mapping[int, str]) -> dict[int, Markup]:
    """A row of glyphs for each of these placements, by trial."""
    signs, sites = known(asked), asked.study.sites
    return {number: _strip(text, sites, signs) for number, text in spellings.items()}


def full(asked: Asked, placement: Placement, marked: Sequence[str] = ()) -> Markup:
    """The whole of ``placement``; ``marked`` are the parts in which others differ."""
    return Markup(picture(placement, asked.study.sites, known=known(asked), marked=marked))


def _strip(spelling: str, sites: Sequence[Any], signs: Mapping[str, Glyph]) -> Markup:
    drawn = picture(Placement.parse(spelling), sites, kind="row", known=signs)
    return Markup(drawn)  # the picture escapes what it is told
