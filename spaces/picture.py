"""One architecture as a picture: SVG text that follows the theme of the page it stands in."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import log2
from typing import Any, Literal
from xml.sax.saxutils import escape, quoteattr

from ..errors import BadValue
from .glyphs import BLACK, INK, PAPER, Glyph, Shape, glyph, glyphs
from .parts import Entry, Part, parts_of
from .placement import REMOVE, Placement

__all__ = ["emblem", "picture"]

Paint = Literal["fg", "card", "muted", "line"]  # custom properties of the page
LIGHT: dict[Paint, str] = {"fg": "#15191e", "card": "#fff", "muted": "#566270", "line": "#dde3e9"}
DARK: dict[Paint, str] = {"fg": "#e8edf2", "card": "#171c22", "muted": "#9aa8b6", "line": "#2a323b"}
SHAPES: dict[Shape, tuple[str, float]] = {  # a path around (0, 0), and the letters' baseline
    "circle": ("M-9 0a9 9 0 1 1 18 0a9 9 0 1 1-18 0z", 2.7),
    "square": ("M-6-8H6Q8-8 8-6V6Q8 8 6 8H-6Q-8 8-8 6V-6Q-8-8-6-8z", 2.7),
    "diamond": ("M0-10 10 0 0 10-10 0z", 2.7),
    "up": ("M0-9.5 10.5 8H-10.5z", 6.2),
    "down": ("M0 9.5-10.5-8H10.5z", -0.4),
    "hexagon": ("M-5-8.7H5L10 0 5 8.7H-5L-10 0z", 2.7),
    "pill": ("M-4-6.5H4a6.5 6.5 0 0 1 0 13H-4a6.5 6.5 0 0 1 0-13z", 2.7),
    "pentagon": ("M0-9.5 9.4-2.4 6 8.5H-6L-9.4-2.4z", 3.9),
    "crossed": ("M-8 0a8 8 0 1 1 16 0a8 8 0 1 1-16 0zM-5.7-5.7 5.7 5.7M-5.7 5.7 5.7-5.7", 0),
}
STEP, BLOCK, HIGH = 22, 22, 36  # pixels: from a glyph to the next; a block, at most so high


@dataclass(frozen=True, slots=True)
class _Measure:
    """Where the cells of a picture lie, in pixels."""

    width: int  # at which lines end, unless said
    step: int  # from a block to the next
    gap: int  # between stages, besides
    left: int
    right: int


FULL = _Measure(720, 28, 24, 22, 60)
ROW = _Measure(480, STEP, 6, 1, 1)


def picture(
    placement: Placement,
    sites: Iterable[Any],
    *,
    kind: Literal["full", "row"] = "full",
    known: Mapping[str, Glyph] | None = None,
    marked: Collection[str] = (),
    width: int | None = None,
    standalone: bool = False,
) -> str:
    """``placement`` as SVG: its blocks from left to right, under each what stands in it.

    ``sites`` are as in ``draw``. ``full`` shows the stages, with blocks as high as their maps are
    large; ``row`` is a strip for a table. What stands in a block is one glyph under another in
    the order of the forward pass; what stands behind a whole stage is on the line (in a strip: in
    the stage's last column); a dot is for nothing, a ring for an attention of the backbone's own.
    An attention in place of such a one has a dashed frame, one that is left out is a cross.

    ``known`` are the glyphs of the study, so that all its pictures agree. ``marked`` are parts that
    ``differing`` found. Lines end at ``width`` pixels. A ``standalone`` picture is a file of its
    own, with both themes.

    Raises
        BadValue  for a kind that there is not
    """
    if kind not in ("full", "row"):
        raise BadValue(f"a kind of picture is 'full' or 'row', got {kind!r}")
    known = glyphs(placement.names) if known is None else known
    parts, drawn = parts_of(placement, sites), _Drawing(known, marked)
    if kind == "full":
        drawn.full(_lines(parts, FULL, _even(parts, width or FULL.width)))
    else:
        drawn.row(_lines(_folded(parts), ROW, width or ROW.width))
    return _svg(drawn, _title(placement), shrinks=kind == "full", standalone=standalone)


def emblem(one: Glyph, title: str) -> str:
    """A glyph alone, for a legend."""
    drawn = _Drawing({}, ())
    drawn.glyph(STEP / 2, STEP / 2, one, title, title)
    drawn.width = drawn.height = STEP
    return _svg(drawn, title)


# ------------------------------------------------------------------------------ where parts lie

_Line = list[tuple[float, Part]]  # the middles of parts, from left to right


def _lines(parts: Iterable[Part], measure: _Measure, width: int) -> list[_Line]:
    """The parts in lines of at most ``width`` pixels; a stage is broken only if it is longer."""
    stages: dict[int, list[Part]] = {}
    for part in parts:
        stages.setdefault(part.stage, []).append(part)
    lines: list[_Line] = [[]]
    x, end = float(measure.left), width - measure.right
    for stage in stages.values():
        long = measure.step * sum(part.kind != "behind" for part in stage)
        apart = measure is FULL and stage[0].kind == "elsewhere"
        if lines[-1] and (apart or (x + long > end and measure.left + long <= end)):
            lines.append([])
            x = measure.left
        for part in stage:
            if part.kind == "behind":
                lines[-1].append((x + measure.gap / 2, part))
                continue
            if lines[-1] and x + measure.step > end:
                lines.append([])
                x = measure.left
            lines[-1].append((x + measure.step / 2, part))
            x += measure.step
        x += measure.gap
    return lines


def _even(parts: Iterable[Part], width: int) -> int:
    """The width at which the lines are as many as at ``width``, but about as long."""
    known = [part for part in parts if part.kind != "elsewhere"]

    def broken(width: int) -> tuple[int, int]:  # lines, and pieces of stages in them
        lines = _lines(known, FULL, width)
        return len(lines), sum(len({part.stage for _, part in line}) for line in lines)

    now = broken(width)
    while now[0] > 1 and width > FULL.step and broken(width - FULL.step) == now:
        width -= FULL.step
    return width


def _folded(parts: Iterable[Part]) -> list[Part]:
    """The columns of a strip: what is behind a stage with its last block, and modules only."""
    found: list[Part] = []
    for part in parts:
        mine = [entry for entry in part.entries if entry.module is not None]
        if part.kind == "behind" and found and found[-1].stage == part.stage:
            found[-1].entries += mine
            found[-1].names += part.names
        else:
            found.append(replace(part, entries=mine))
    return found


def _title(placement: Placement) -> str:
    """The whole architecture in words."""
    with_, without = [], []
    for module in placement.modules:
        if module.name == REMOVE:
            without.append(f"without its attention at {module.site}")
        else:
            with_.append(f"{module.name} at {module.site}")
    said = ", ".join([*(["with " + ", ".join(with_)] if with_ else []), *without])
    return f"{placement.backbone} {said}" if said else f"{placement.backbone}, bare"


# --------------------------------------------------------------------------------- how it is drawn


class _Drawing:
    """What is drawn so far: each kind of thing in one group, which says its colours once."""

    def __init__(self, known: Mapping[str, Glyph], marked: Collection[str]) -> None:
        self.known, self.marked = known, {*marked}
        self.width = self.height = 0.0
        self.line: list[str] = []  # through the network
        self.stems: list[str] = []  # from it down to the glyphs
        self.blocks: list[str] = []
        self.dots: list[str] = []
        self.rings: list[str] = []  # attention of the backbone's own
        self.frames: list[str] = []  # around what is in place of such a one
        self.glyphs: list[str] = []
        self.marks: list[str] = []
        self.labels: list[str] = []

    def row(self, lines: Sequence[_Line]) -> None:
        """A strip without blocks."""
        for line in lines:
            high = STEP * _depth(line)
            before = ""
            for x, part in line:
                if part.kind == "elsewhere" and before != "elsewhere":
                    self.stems.append(f"M{x - STEP / 2 - 3:g} {self.height + 3:g}v{STEP - 6}")
                before = part.kind
                self.stack(x, self.height + STEP / 2, part.entries)
                if self.marked & {*part.names}:
                    self.underline(x, self.height + high)
                self.width = max(self.width, x + STEP / 2 + 1)
            self.height += high + (3 if self.marked else 0)

    def full(self, lines: Sequence[_Line]) -> None:
        """Stages of blocks, and the line through them; then what is at no known site."""
        inside = [line for line in lines if not _is_elsewhere(line)]
        sides = [max(part.shape[1:]) for line in inside for _, part in line if part.shape]
        self.width = 48 + max((x for line in lines for x, _ in line), default=FULL.left)
        for number, line in enumerate(inside):
            self.through(number, line, last=number == len(inside) - 1)
            self.stages(line, max(sides, default=1))
        for line in lines[len(inside) :]:
            self.label(0, self.height + 14, "elsewhere")
            for x, part in line:
                self.stack(x + 32, self.height + STEP / 2, part.entries)
                if self.marked & {*part.names}:
                    self.underline(x + 32, self.height + STEP)
            self.height += STEP + (3 if self.marked else 0)

    @property
    def top(self) -> float:
        """From the upper edge of a line of blocks to that of the highest block."""
        return 28 if self.marked else 15

    def through(self, number: int, line: _Line, *, last: bool) -> None:
        """The line through the blocks of ``line``, from the end of the one before it."""
        middle = self.height + self.top + HIGH / 2
        if number == 0:
            self.label(0, middle + 3, "in")
            self.line.append(f"M13 {middle:g}")
        else:
            turn = self.height - 6
            self.line.append(
                f"V{turn - 5:g}a5 5 0 0 1-5 5H6a5 5 0 0 0-5 5V{middle - 5:g}a5 5 0 0 0 5 5"
            )
        if last:
            end = line[-1][0] + 18 if line else FULL.left
            self.line.append(f"H{end:g}")
            self.label(end + 3, middle + 3, "head")
        else:
            self.line.append(f"H{self.width - 6:g}a5 5 0 0 1 5 5")

    def stages(self, line: _Line, largest: int) -> None:
        """The blocks of ``line`` and what stands in them; maps are at most ``largest`` high."""
        begin = self.height + self.top
        middle, first = begin + HIGH / 2, begin + HIGH + 4 + STEP / 2  # of the glyphs
        stage, lowest = None, first
        for x, part in line:
            if part.stage != stage:
                stage = part.stage
                self.label(x - BLOCK / 2, self.height + 9, f"stage {stage}" if stage else "stem")
            behind, marked = part.kind == "behind", bool(self.marked & {*part.names})
            if not behind:
                self.block(x, middle, part, largest)
            elif not part.entries and not marked:
                continue
            self.stack(x, middle if behind else first, part.entries)
            last = (middle if behind else first) + STEP * (max(len(part.entries), 1) - 1)
            lowest = max(lowest, last)
            if part.entries:
                self.stems.append(f"M{x:g} {middle:g}V{last:g}")
            if marked:
                side, y = (11, middle - 13) if behind else (13, begin - 2)
                self.marks.append(f"M{x - side:g} {y:g}h{2 * side}V{last + 13:g}h-{2 * side}z")
                self.label(x - 3, y - 3, "≠")
        self.height = lowest + STEP / 2 + 12

    def block(self, x: float, middle: float, part: Part, largest: int) -> None:
        """A block, five pixels lower for each halving of its maps."""
        high = max(10.0, HIGH - 5 * log2(largest / max(part.shape[1:])))
        said = f"{part.names[0]}: {' × '.join(map(str, part.shape))}"
        self.blocks.append(
            f'<rect x="{x - BLOCK / 2:g}" y="{middle - high / 2:.4g}" width="{BLOCK}" '
            f'height="{high:.4g}" rx="4"><title>{_text(said)}</title></rect>'
        )

    def stack(self, x: float, y: float, entries: Sequence[Entry]) -> None:
        """What stands in a part, one under another; a dot if that is nothing."""
        if not entries:
            self.dots.append(f"M{x:g} {y:g}h0")
        for entry in entries:
            self.entry(x, y, entry)
            y += STEP

    def entry(self, x: float, y: float, entry: Entry) -> None:
        """One module of ours, or a ring."""
        if entry.module is None:
            said = _text(f"the backbone's own attention at {entry.site}")
            self.rings.append(f'<circle cx="{x:g}" cy="{y:g}" r="4"><title>{said}</title></circle>')
            return
        name, said = entry.module.name, f"{entry.module} at {entry.site}"
        if name == REMOVE:
            said = f"the backbone's own attention at {entry.site}, left out"
        elif entry.existing:
            said += ", in place of the backbone's own"
            self.frames.append(f"M{x - 10.5:g} {y - 10.5:g}h21v21h-21z")
        self.glyph(x, y, self.known.get(name) or glyph(name), name, said)

    def glyph(self, x: float, y: float, one: Glyph, name: str, said: str) -> None:
        """A glyph around (``x``, ``y``)."""
        path, baseline = SHAPES[one.shape]
        paint = _fill(one.colour)
        if one.colour == PAPER:
            paint = _paint(fill="card", stroke="fg") + ' stroke-width="1.4"'
        letters = "" if one.letters == BLACK else " " + _fill(one.letters)
        text = f'<text y="{baseline:g}"{letters}>{_text(one.code)}</text>'
        self.glyphs.append(
            f'<g data-module={_quoted(name)} transform="translate({x:g} {y:g})">'
            f'<title>{_text(said)}</title><path d="{path}" {paint}/>'
            f"{text if one.shape != 'crossed' else ''}</g>"
        )

    def underline(self, x: float, y: float) -> None:
        """The mark of what is not the same in all, where there is no block to frame."""
        self.marks.append(f"M{x - 8:g} {y + 1:g}h16")

    def label(self, x: float, y: float, text: str) -> None:
        """A word beside the blocks."""
        self.labels.append(f'<text x="{x:g}" y="{y:g}">{_text(text)}</text>')

    def groups(self) -> Iterator[str]:
        """All of it, what is above after what is below."""
        fine, none = 'stroke-width="1.2"', 'fill="none"'
        if self.line or self.stems:
            d = "".join([*self.line, *self.stems])
            yield f'<path d="{d}" {_paint(stroke="muted")} {fine} {none}/>'
        if self.blocks:
            yield f"<g {_paint(fill='line')}>{''.join(self.blocks)}</g>"
        if self.dots:
            d, dot = "".join(self.dots), 'stroke-width="4.5" stroke-linecap="round"'
            yield f'<path d="{d}" {_paint(stroke="muted")} {dot} opacity=".55"/>'
        if self.rings:
            paint = _paint(fill="card", stroke="muted")
            yield f'<g {paint} stroke-width="1.6">{"".join(self.rings)}</g>'
        if self.glyphs:
            letters = f'font-size="7.5" font-weight="700" text-anchor="middle" fill="{BLACK}"'
            yield f"<g {letters}>{''.join(self.glyphs)}</g>"
        if self.frames:
            d = "".join(self.frames)
            yield f'<path d="{d}" {_paint(stroke="fg")} {none} stroke-dasharray="2 2"/>'
        if self.marks:
            d = "".join(self.marks)
            yield f'<path d="{d}" {_paint(stroke="fg")} {none} stroke-width="1.4"/>'
        if self.labels:
            yield f'<g font-size="10" {_paint(fill="muted")}>{"".join(self.labels)}</g>'


def _is_elsewhere(line: _Line) -> bool:
    return bool(line) and line[0][1].kind == "elsewhere"


def _depth(line: _Line) -> int:
    """How many glyphs stand under one another, at most."""
    return max((len(part.entries) for _, part in line if part.kind != "behind"), default=1) or 1


def _svg(drawn: _Drawing, title: str, *, shrinks: bool = False, standalone: bool = False) -> str:
    margin = 10 if standalone else 0
    width, height = drawn.width + 2 * margin, drawn.height + 2 * margin
    box = f"{-margin} {-margin} {width:g} {height:g}"
    style = ' style="max-width:100%;height:auto"' if shrinks else ""
    ground = ""
    if standalone:
        light, dark = (
            "".join(f"--{name}:{colour};" for name, colour in theme.items())
            for theme in (LIGHT, DARK)
        )
        ground = (
            f"<style>:root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}</style>"
            f'<rect x="{-margin}" y="{-margin}" width="{width:g}" height="{height:g}" rx="8" '
            f"{_paint(fill='card')}/>"
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="{box}" width="{width:g}" '
        f'height="{height:g}" font-family="system-ui,sans-serif"{style}>'
        f"<title>{_text(title)}</title>"
        f"{ground}{''.join(drawn.groups())}</svg>"
    )


@cache
def _paint(**paints: Paint) -> str:
    """Attributes for what knows no custom properties, and a style for what does."""
    plain = " ".join(f'{what}="{LIGHT[paint]}"' for what, paint in paints.items())
    style = ";".join(f"{what}:var(--{paint},{LIGHT[paint]})" for what, paint in paints.items())
    return f'{plain} style="{style}"'


def _fill(colour: str) -> str:
    if colour in (INK, PAPER):
        return _paint(fill="fg" if colour == INK else "card")
    return f'fill="{colour}"'


def _text(text: str) -> str:
    return escape(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text))


def _quoted(text: str) -> str:
    return quoteattr(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text))


_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
