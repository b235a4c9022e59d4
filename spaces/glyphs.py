"""What a module looks like in a picture: two letters, and the shape and colour of its family."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Literal

from .placement import REMOVE

__all__ = ["BLACK", "FAMILIES", "INK", "PALETTE", "PAPER", "Glyph", "Shape", "glyph", "glyphs"]

Shape = Literal[
    "circle", "square", "diamond", "up", "down", "hexagon", "pill", "pentagon", "crossed"
]
INK = "ink"  # the colour of the text around it
BLACK, WHITE = "#111", "#fff"
PAPER = "paper"  # the colour behind it, with an outline and letters in ink
# Okabe and Ito's six and ink: under any colour blindness the nearest two are 16 apart (Delta E 76)
PALETTE = ("#0072b2", "#56b4e9", "#009e73", "#e69f00", "#cc79a7", "#d55e00", INK)
FAMILIES: dict[str, tuple[Shape, str]] = {
    "channels": ("circle", "#0072b2"),
    "channels, lightly": ("square", "#56b4e9"),
    "channels and positions": ("diamond", "#009e73"),
    "positions": ("up", "#e69f00"),
    "each value": ("down", "#cc79a7"),
    "all positions": ("hexagon", "#d55e00"),
    "convolution": ("pill", INK),  # takes the place of one, or makes its weights
    "other": ("pentagon", PAPER),  # a gate of the user's own
    "nothing": ("crossed", PAPER),  # an attention of the backbone's own left out
}
_TABLE = {  # name: letters, family
    "aw": ("AW", "convolution"),
    "bam": ("BA", "channels and positions"),
    "cbam": ("CB", "channels and positions"),
    "ceca": ("CE", "channels, lightly"),
    "coord": ("CA", "positions"),
    "cram": ("CR", "positions"),
    "eca": ("EC", "channels, lightly"),
    "ema": ("EM", "positions"),
    "fca": ("FC", "channels"),
    "gc": ("GC", "all positions"),
    "gct": ("GT", "channels, lightly"),
    "gct_gaussian": ("GG", "channels, lightly"),
    "ge": ("GE", "channels"),
    "mca": ("MC", "channels and positions"),
    "mhsa": ("MH", "convolution"),
    "nonlocal": ("NL", "all positions"),
    "pointwise": ("PW", "positions"),
    "sa": ("SA", "channels and positions"),
    "se": ("SE", "channels"),
    "sge": ("SG", "positions"),
    "simam": ("SI", "each value"),
    "sk": ("SK", "convolution"),
    "srm": ("SR", "channels"),
    "steam": ("ST", "channels and positions"),
    "triplet": ("TR", "channels and positions"),
    REMOVE: ("−", "nothing"),
}


@dataclass(frozen=True, slots=True)
class Glyph:
    """How one module is drawn; letters and shape tell it, the colour helps."""

    code: str  # two letters
    family: str  # of FAMILIES
    shape: Shape
    colour: str  # #rrggbb, INK or PAPER

    @property
    def letters(self) -> str:
        """The colour of its letters: at least 4.5 to 1 against its own."""
        if self.colour in (INK, PAPER):
            return PAPER if self.colour == INK else INK
        return WHITE if self.colour == "#0072b2" else BLACK


def glyph(name: str, kind: str | None = None) -> Glyph:
    """The glyph of the module ``name`` in the colour of its family.

    ``kind`` is the registry's word for a module of the user's own, which this file does not know.
    """
    return glyphs([name], {} if kind is None else {name: kind}, own_colours=False)[name]


def glyphs(
    names: Iterable[str], kinds: Mapping[str, str] | None = None, *, own_colours: bool = True
) -> dict[str, Glyph]:
    """Glyphs for the modules of a study, each with letters of its own.

    Up to seven have each a colour of their own, its family's if no other took it; more are
    coloured by family. ``kinds`` are as in ``glyph``.
    """
    families = {name: _family(name, kinds or {}) for name in sorted(set(names))}
    colours = {name: FAMILIES[family][1] for name, family in families.items()}
    if own_colours and len(colours.keys() - {REMOVE}) <= len(PALETTE):
        colours |= _apart({name: one for name, one in colours.items() if name != REMOVE})
    found: dict[str, Glyph] = {}
    taken = {code for code, _ in _TABLE.values()}
    for name, family in families.items():
        code = (
            _TABLE[name][0] if name in _TABLE else next(c for c in _codes(name) if c not in taken)
        )
        taken.add(code)
        found[name] = Glyph(code, family, FAMILIES[family][0], colours[name])
    return found


def _family(name: str, kinds: Mapping[str, str]) -> str:
    if name in _TABLE:
        return _TABLE[name][1]
    return "other" if kinds.get(name, "gate") == "gate" else "convolution"


def _apart(wanted: Mapping[str, str]) -> dict[str, str]:
    """Of each name a colour of the palette for itself: the wanted one, if no other took it."""
    found: dict[str, str] = {}
    for name, colour in wanted.items():
        if colour in PALETTE and colour not in found.values():
            found[name] = colour
    left = iter([colour for colour in PALETTE if colour not in found.values()])
    return {name: found.get(name) or next(left) for name in wanted}


def _codes(name: str) -> Iterator[str]:
    """Two letters for ``name``, the best first, without end."""
    letters = [one for one in name.upper() if one.isalnum()] or ["X"]
    first, *rest = letters
    yield from (first + one for one in rest)
    yield from (one + other for i, one in enumerate(rest) for other in rest[i + 1 :])
    yield from (f"{first}{number}" for number in count(1))
