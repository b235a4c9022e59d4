import re
from collections import Counter
from functools import cache
from typing import Any, Literal
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from foveate import attention
from foveate.errors import BadValue
from foveate.spaces import Module, Placement, sites
from foveate.spaces.glyphs import glyph, glyphs
from foveate.spaces.parts import differing, parts_of
from foveate.spaces.picture import emblem, picture
from foveate.spaces.placement import REMOVE

Kind = Literal["full", "row"]
KINDS: tuple[Kind, ...] = ("full", "row")
BACKBONES = {
    "resnet8": 32,
    "resnet18": 224,
    "resnet152": 224,
    "mobilenet_v3_small": 224,  # has attention of its own
    "densenet121": 224,  # its stages end in no block
    "vgg11": 224,  # has neither stem nor shortcuts
}
SVG = "{http://www.w3.org/2000/svg}"


@cache
def known(backbone: str) -> list[dict[str, Any]]:
    return [site.to_dict() for site in sites(backbone, BACKBONES[backbone])]


def parsed(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text.encode())


def modules(text: str) -> list[str]:
    return [
        g.attrib["data-module"] for g in parsed(text).iter(f"{SVG}g") if "data-module" in g.attrib
    ]


def places(text: str) -> dict[str, tuple[float, float]]:
    """Where the glyph with each title is."""
    found = {}
    for g in parsed(text).iter(f"{SVG}g"):
        if "data-module" in g.attrib:
            x, y = map(float, re.findall(r"[\d.]+", g.attrib["transform"]))
            found[str(g[0].text)] = (x, y)
    return found


def dots(text: str) -> int:
    return len(re.findall(r"h0(?=[M\"])", text))


def titled(text: str) -> str:
    title = parsed(text).find(f"{SVG}title")
    assert title is not None
    return str(title.text)


def at(backbone: str, *chosen: str) -> Placement:
    return Placement.of(backbone, [Module(*one.split("=")) for one in chosen])


@st.composite
def placements(draw: st.DrawFn) -> Placement:
    backbone = draw(st.sampled_from([*BACKBONES]))
    paths = st.sampled_from([site["path"] for site in known(backbone)])
    names = st.sampled_from([*attention.names(), REMOVE, "my own"])
    chosen = draw(st.lists(st.builds(Module, paths | st.text(), names), max_size=30))
    return Placement.of(backbone, chosen)


@settings(deadline=None)
@example(Placement.of("resnet8", [Module("layer1.0", "aw")] * 4), "full", False, None)
@given(placements(), st.sampled_from(KINDS), st.booleans(), st.none() | st.integers(0, 900))
def test_every_module_is_drawn_once_and_inside(
    placement: Placement, kind: Kind, standalone: bool, width: int | None
) -> None:
    marked = differing([placement, placement.base], known(placement.backbone))
    text = picture(
        placement,
        known(placement.backbone),
        kind=kind,
        marked=marked,
        width=width,
        standalone=standalone,
    )
    assert Counter(modules(text)) == Counter(module.name for module in placement.modules)
    left, top, across, down = map(float, parsed(text).attrib["viewBox"].split())
    for x, y in places(text).values():
        assert left + 10 <= x <= left + across - 10
        assert top + 10 <= y <= top + down - 10


@settings(deadline=None)
@given(st.sampled_from([*BACKBONES]), st.sampled_from(KINDS), st.data())
def test_no_two_glyphs_are_on_top_of_each_other(
    backbone: str, kind: Kind, data: st.DataObject
) -> None:
    paths = st.sampled_from([site["path"] for site in known(backbone)])
    chosen = data.draw(st.lists(paths, unique=True))
    placement = Placement.of(backbone, [Module(path, "se") for path in chosen])
    found = places(picture(placement, known(backbone), kind=kind))
    assert len(found) == len(chosen)
    assert len({*found.values()}) == len(chosen)


def test_the_title_says_the_whole_architecture() -> None:
    placement = at("resnet8", "layer1.0.bn2=cbam", "layer2.0.bn2=se", "layer3.0=remove")
    text = picture(placement, known("resnet8"))
    assert titled(text) == (
        "resnet8 with cbam at layer1.0.bn2, se at layer2.0.bn2, without its attention at layer3.0"
    )
    assert titled(picture(placement.base, known("resnet8"), kind="row")) == "resnet8, bare"


def test_a_glyph_tells_its_module_hyperparameters_and_site() -> None:
    module = Module("layer1.0.bn2", "cbam", {"kernel": 7, "reduction": 16})
    text = picture(Placement.of("resnet8", [module]), known("resnet8"), kind="row")
    assert [*places(text)] == ["cbam(kernel=7, reduction=16) at layer1.0.bn2"]


def test_where_nothing_stands_there_is_a_dot() -> None:
    one = at("resnet18", "layer1.0.bn2=se", "layer1.0.conv1=aw", "layer4.1.bn2=eca")
    for kind in KINDS:
        assert dots(picture(one.base, known("resnet18"), kind=kind)) == 1 + 8  # the stem, too
        assert dots(picture(one, known("resnet18"), kind=kind)) == 1 + 6


def test_modules_of_a_block_stand_under_one_another_in_forward_order() -> None:
    chosen = ("layer2.0=se", "layer2.0.bn2=eca", "layer2.0.conv2=aw", "layer2.0.conv1=mhsa")
    for kind in KINDS:
        found = places(picture(at("resnet20", *chosen), FORWARD, kind=kind))
        ordered = sorted(found, key=lambda said: found[said][1])
        assert [said.partition(" ")[0] for said in ordered] == ["mhsa", "aw", "eca", "se"]
        assert len({x for x, _ in found.values()}) == 1


FORWARD = [
    {
        "path": f"layer{stage}.{number}{part}",
        "kinds": [kind],
        "stage": stage,
        "block": f"layer{stage}.{number}",
        "shape": [16, 32 // stage, 32 // stage],
        "aliases": [f"alias{stage}.{number}{part}"],
    }
    for stage in (1, 2)
    for number in (0, 1, 2)
    for part, kind in ((".conv1", "conv"), (".conv2", "conv"), (".bn2", "branch"), ("", "block"))
]


def test_a_module_behind_a_stage_is_on_the_line_after_its_last_block() -> None:
    found = places(picture(at("resnet8", "layer1.0=steam", "layer1.0.bn2=se"), known("resnet8")))
    (x, y), (x_block, y_block) = found["steam at layer1.0"], found["se at layer1.0.bn2"]
    assert x > x_block and y < y_block
    strip = places(
        picture(at("resnet8", "layer1.0=steam", "layer1.0.bn2=se"), known("resnet8"), kind="row")
    )
    assert strip["steam at layer1.0"] == (
        strip["se at layer1.0.bn2"][0],
        strip["se at layer1.0.bn2"][1] + 22,
    )


def test_other_names_of_a_site_are_known() -> None:
    one, other = at("resnet20", "layer2.0.bn2=se"), at("resnet20", "alias2.0.bn2=se")
    assert [*places(picture(one, FORWARD)).values()] == [*places(picture(other, FORWARD)).values()]


def test_what_is_at_no_known_site_is_apart() -> None:
    placement = at("resnet8", "layer1.0.bn2=se", "avgpool=eca", "fc=se")
    assert [part.kind for part in parts_of(placement, known("resnet8"))][-2:] == ["elsewhere"] * 2
    text = picture(placement, known("resnet8"))
    assert "elsewhere" in text
    found = places(text)
    assert found["eca at avgpool"][1] == found["se at fc"][1] > found["se at layer1.0.bn2"][1]
    assert "elsewhere" not in picture(at("resnet8", "layer1.0.bn2=se"), known("resnet8"))


def test_a_backbone_without_known_sites_has_a_picture_too() -> None:
    for kind in KINDS:
        assert modules(picture(at("own", "a=se"), [], kind=kind)) == ["se"]
        assert modules(picture(Placement("own"), [], kind=kind)) == []


def test_of_several_backbones_only_its_own_is_drawn() -> None:
    both = [site | {"backbone": "resnet8"} for site in known("resnet8")]
    both += [site | {"backbone": "resnet18"} for site in known("resnet18")]
    placement = at("resnet8", "layer1.0.bn2=se")
    assert picture(placement, both) == picture(placement, known("resnet8"))


def test_sites_may_be_given_as_they_are() -> None:
    placement = at("resnet8", "layer1.0.bn2=se")
    assert picture(placement, sites("resnet8", 32)) == picture(placement, known("resnet8"))


def test_attention_of_the_backbones_own_is_shown_kept_swapped_and_left_out() -> None:
    own = [site["path"] for site in known("mobilenet_v3_small") if "existing" in site["kinds"]]
    placement = at("mobilenet_v3_small", f"{own[0]}=eca", f"{own[1]}=remove")
    text = picture(placement, known("mobilenet_v3_small"))
    kept = [one[0].text for one in parsed(text).iter(f"{SVG}circle")]
    assert kept == [f"the backbone's own attention at {path}" for path in own[2:]]
    swapped, gone = f"eca at {own[0]}, in place of the backbone's own", f"at {own[1]}, left out"
    assert swapped in places(text)
    assert any(said.endswith(gone) for said in places(text))
    for kind in KINDS:
        drawn = picture(placement, known("mobilenet_v3_small"), kind=kind)
        assert drawn.count("stroke-dasharray") == 1
        assert drawn.count("h21v21h-21z") == 1  # a frame around what came in its place
    bare = picture(placement.base, known("mobilenet_v3_small"))
    assert "stroke-dasharray" not in bare
    assert len([*parsed(bare).iter(f"{SVG}circle")]) == len(own)


HOSTILE = "<img src=x onerror=alert(1)>\"'&]]>\0\x1b\ud800"
CLEAN = "<img src=x onerror=alert(1)>\"'&]]>" + 3 * "\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("standalone", [False, True])
def test_hostile_names_come_out_as_text(kind: Kind, standalone: bool) -> None:
    site = {**FORWARD[2], "path": HOSTILE, "block": HOSTILE, "aliases": []}
    placement = Placement.of(HOSTILE, [Module(HOSTILE, HOSTILE, {HOSTILE: HOSTILE})])
    for there in ([site], []):
        text = picture(placement, there, kind=kind, marked={HOSTILE}, standalone=standalone)
        assert titled(text) == f"{CLEAN} with {CLEAN} at {CLEAN}"
        assert modules(text) == [CLEAN]
        assert [*places(text)] == [f"{CLEAN}({CLEAN}={CLEAN}) at {CLEAN}"]
        names = {one.tag.removeprefix(SVG) for one in parsed(text).iter()}
        assert names <= {"svg", "title", "style", "rect", "path", "g", "text", "circle"}


def test_a_hostile_glyph_comes_out_as_text() -> None:
    text = emblem(glyph(HOSTILE), HOSTILE)
    assert titled(text) == CLEAN
    assert modules(text) == [CLEAN]


@pytest.mark.parametrize("kind", KINDS)
def test_a_deep_network_is_broken_into_lines(kind: Kind) -> None:
    branches = [site["path"] for site in known("resnet152") if "branch" in site["kinds"]]
    placement = Placement.of("resnet152", [Module(path, "se") for path in branches])
    text = picture(placement, known("resnet152"), kind=kind, width=400)
    assert 300 < float(parsed(text).attrib["width"]) <= 400
    found = [places(text)[f"se at {path}"] for path in branches]
    assert len(found) == 50
    assert found == sorted(found, key=lambda place: (place[1], place[0]))
    assert len({y for _, y in found}) == (3 if kind == "row" else 6)
    whole = [
        places(picture(placement, known("resnet152"), kind=kind, width=9999))[f"se at {p}"]
        for p in branches
    ]
    assert len({y for _, y in whole}) == 1


@pytest.mark.parametrize(
    ("backbone", "width", "blocks"),
    [("resnet18", 430, [9]), ("resnet152", 720, [16, 18, 17]), ("mobilenet_v3_small", 430, [4, 8])],
)
def test_lines_are_about_as_long(backbone: str, width: int, blocks: list[int]) -> None:
    text = picture(Placement(backbone), known(backbone), width=width)
    lines: Counter[float] = Counter()
    for rect in parsed(text).iter(f"{SVG}rect"):
        lines[float(rect.attrib["y"]) + float(rect.attrib["height"]) / 2] += 1
    assert [*lines.values()] == blocks


def test_blocks_are_as_high_as_their_maps_are_large() -> None:
    text = picture(Placement("resnet18"), known("resnet18"))
    rects = [*parsed(text).iter(f"{SVG}rect")]
    assert len(rects) == 9
    assert [rect[0].text for rect in rects][1] == "layer1.0: 64 × 56 × 56"
    heights = [float(rect.attrib["height"]) for rect in rects]
    assert heights == [36, 36, 36, 31, 31, 26, 26, 21, 21]
    for word in ("in", "stem", "stage 1", "stage 4", "head"):
        assert f">{word}</text>" in text


def test_pictures_of_one_backbone_are_aligned_and_their_differences_marked() -> None:
    one = at("resnet18", "layer1.0.bn2=se", "layer2.1=steam", "layer3.0.bn2=se")
    other = at("resnet18", "layer1.0.bn2=eca", "layer3.0.bn2=se", "layer4.0.conv1=aw")
    marked = differing([one, other], known("resnet18"))
    assert marked == {"layer1.0", "stage 2", "layer4.0"}
    for kind in KINDS:
        texts = [picture(p, known("resnet18"), kind=kind, marked=marked) for p in (one, other)]
        frames = [re.findall(r"M([\d.]+) [\d.]+h(?:22|26|16)", text) for text in texts]
        assert frames[0] == frames[1]
        assert len(frames[0]) == 3
        same = [places(text)["se at layer3.0.bn2"] for text in texts]
        assert same[0][0] == same[1][0]
    assert picture(one, known("resnet18"), marked=marked).count("≠") == 3


def test_placements_with_other_hyperparameters_differ() -> None:
    one, other = (
        Placement.of("resnet8", [Module("layer1.0.bn2", "se", {"reduction": r})]) for r in (8, 16)
    )
    assert differing([one, other], known("resnet8")) == {"layer1.0"}
    assert differing([one, one], known("resnet8")) == set()
    assert differing([one], known("resnet8")) == set()


@settings(deadline=None)
@given(placements())
def test_a_placement_differs_from_the_bare_backbone_where_something_stands(
    placement: Placement,
) -> None:
    there = known(placement.backbone)
    full = {part.names[0] for part in parts_of(placement, there) if part.modules}
    assert differing([placement, placement.base], there) == full


def test_pictures_of_a_study_agree_on_their_glyphs() -> None:
    many = glyphs(["fca", "se"])
    alone = at("resnet8", "layer1.0.bn2=se")
    assert many["se"].colour != glyph("se").colour
    assert many["se"].colour in picture(alone, known("resnet8"), known=many)
    assert glyph("se").colour in picture(alone, known("resnet8"))
    strange = picture(at("resnet8", "layer1.0.bn2=eca"), known("resnet8"), known=many)
    assert glyph("eca").colour in strange  # enqueued from outside of the space


def test_a_file_of_its_own_has_both_themes() -> None:
    placement = at("resnet8", "layer1.0.bn2=se", "layer1.0.conv1=aw")
    inlined = picture(placement, known("resnet8"))
    alone = picture(placement, known("resnet8"), standalone=True)
    assert "<style>" not in inlined
    assert "prefers-color-scheme:dark" in alone
    for text in (inlined, alone):
        assert 'fill="#15191e" style="fill:var(--fg,#15191e)"' in text
        assert " id=" not in text and "href" not in text and "script" not in text


def test_a_strip_of_eight_blocks_is_small() -> None:
    branches = [site["path"] for site in known("resnet18") if "branch" in site["kinds"]]
    chosen = [Module(path, "cbam", {"reduction": 16, "kernel": 7}) for path in branches]
    text = picture(Placement.of("resnet18", chosen), known("resnet18"), kind="row")
    assert len(modules(text)) == 8
    assert len(text.encode()) < 2500


def test_there_is_no_other_kind_of_picture() -> None:
    with pytest.raises(BadValue, match="a kind of picture is 'full' or 'row', got 'tree'"):
        picture(Placement("resnet8"), [], kind="tree")  # type: ignore[arg-type]
