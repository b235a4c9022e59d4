from itertools import combinations
from math import dist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate import attention
from foveate.spaces.glyphs import FAMILIES, INK, PALETTE, PAPER, Glyph, glyph, glyphs
from foveate.spaces.picture import DARK, LIGHT
from foveate.spaces.placement import REMOVE

THEMES = {"light": LIGHT, "dark": DARK}
NAMES = st.lists(st.text() | st.sampled_from([*attention.names(), REMOVE]), max_size=40)

# Machado, Oliveira and Fernandes, 2009: what is seen of linear RGB, at severity 1
SEEN = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deutan": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritan": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
WHITE_POINT = (0.95047, 1.0, 1.08883)


def linear(colour: str) -> list[float]:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    shares = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    return [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in shares]


def times(matrix: tuple[tuple[float, ...], ...], vector: list[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def lab(colour: str, eyes: str) -> tuple[float, float, float]:
    seen = [min(1.0, max(0.0, x)) for x in times(SEEN[eyes], linear(colour))]
    shares = [x / white for x, white in zip(times(XYZ, seen), WHITE_POINT, strict=True)]
    x, y, z = (t ** (1 / 3) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116 for t in shares)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def contrast(one: str, other: str) -> float:
    light, dark = sorted((times(XYZ, linear(colour))[1] for colour in (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def shown(colour: str, theme: str) -> str:
    return {INK: THEMES[theme]["fg"], PAPER: THEMES[theme]["card"]}.get(colour, colour)


def test_every_module_of_the_registry_has_letters_and_a_family() -> None:
    known = glyphs(attention.names())
    assert {name for name, one in known.items() if one.family == "other"} == set()
    codes = [one.code for one in known.values()]
    assert all(len(code) == 2 for code in codes)
    assert len({*codes}) == len(codes)


def test_every_family_has_a_shape_and_no_two_the_same() -> None:
    shapes = [shape for shape, _ in FAMILIES.values()]
    assert len({*shapes}) == len(shapes)
    colours = [colour for _, colour in FAMILIES.values()]
    assert {*PALETTE} == {*colours} - {PAPER}


def test_seven_modules_look_as_in_a_legend() -> None:
    known = glyphs(["se", "eca", "cbam", "coord", "simam", "nonlocal", "mhsa"])
    assert known["se"] == Glyph("SE", "channels", "circle", "#0072b2")
    assert {name: one.code for name, one in known.items()} == {
        "se": "SE",
        "eca": "EC",
        "cbam": "CB",
        "coord": "CA",
        "simam": "SI",
        "nonlocal": "NL",
        "mhsa": "MH",
    }
    assert {one.colour for one in known.values()} == {*PALETTE}
    assert len({one.shape for one in known.values()}) == 7


def test_up_to_seven_modules_have_colours_of_their_own() -> None:
    known = glyphs(["se", "fca", "srm", "ge", "eca", "my own", "cbam", REMOVE])
    colours = [one.colour for name, one in known.items() if name != REMOVE]
    assert {*colours} == {*PALETTE}
    assert known["fca"].colour == "#0072b2"  # the first of its family, by name
    assert known["se"].shape == known["srm"].shape == "circle"


def test_more_modules_are_coloured_by_family() -> None:
    known = glyphs([*attention.names(), "my own"])
    for one in known.values():
        assert (one.shape, one.colour) == FAMILIES[one.family]
    assert known["my own"].family == "other"


def test_what_is_left_out_is_no_module() -> None:
    one = glyphs([REMOVE, "se"])[REMOVE]
    assert (one.shape, one.colour) == ("crossed", PAPER)


@pytest.mark.parametrize(
    ("kind", "family"),
    [(None, "other"), ("gate", "other"), ("weight", "convolution"), ("mixer", "convolution")],
)
def test_a_module_of_the_users_own_has_the_family_of_its_kind(
    kind: str | None, family: str
) -> None:
    assert glyph("spread", kind).family == family
    assert glyphs(["spread"], {"spread": kind} if kind else None)["spread"].family == family


def test_a_module_of_the_users_own_takes_no_known_letters() -> None:
    assert glyph("second").code == "SC"  # SE is se
    assert glyphs(["spread", "spring", "s", "注意"]).keys() == {"s", "spread", "spring", "注意"}
    assert [one.code for one in glyphs(["s", "spread", "spring", "注意"]).values()] == [
        "S1",
        "SP",
        "SN",  # SR is srm, SI simam
        "注意",
    ]


@given(NAMES)
def test_no_two_modules_of_a_study_have_the_same_letters(names: list[str]) -> None:
    known = glyphs(names)
    assert known.keys() == {*names}
    assert len({one.code for one in known.values()}) == len(known)
    assert known == glyphs(reversed(names))
    colours = [one.colour for name, one in known.items() if name != REMOVE]
    if len(colours) <= 7:
        assert len({*colours}) == len(colours)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("colour", [*PALETTE, PAPER])
def test_letters_can_be_read(colour: str, theme: str) -> None:
    one = Glyph("SE", "channels", "circle", colour)
    assert contrast(shown(one.colour, theme), shown(one.letters, theme)) >= 4.5


@pytest.mark.parametrize(
    ("eyes", "apart"), [("normal", 26), ("protan", 20.6), ("deutan", 17.8), ("tritan", 16)]
)
@pytest.mark.parametrize("theme", THEMES)
def test_colours_can_be_told_apart(eyes: str, apart: float, theme: str) -> None:
    seen = [lab(shown(colour, theme), eyes) for colour in PALETTE]
    assert min(dist(one, other) for one, other in combinations(seen, 2)) >= apart
