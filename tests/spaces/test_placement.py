import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveate.spaces import Module, Placement, diff, draw, sites
from foveate.spaces.placement import REMOVE

VALUES = st.one_of(
    st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()
)
SETTINGS = st.dictionaries(st.text(), VALUES, max_size=3).map(lambda d: tuple(sorted(d.items())))
MODULES = st.builds(Module, st.text(), st.text(), SETTINGS)
SIZES = st.none() | st.integers(1, 512)
PLACEMENTS = st.builds(Placement.of, st.text(), st.lists(MODULES, max_size=6), SIZES)
ORDERS = st.randoms(use_true_random=False)

EXAMPLE = Placement.of(
    "resnet20",
    [
        Module("layer2.0.bn2", "se", (("reduction", 8),)),
        Module("layer1.0.bn2", "cram", (("equivariance", 0.1), ("head", "conv"))),
    ],
)


def by_site(modules: tuple[Module, ...], rng: random.Random) -> list[Module]:
    """``modules`` with the sites shuffled, in each site the order of application kept."""
    order = list({module.site for module in modules})
    rng.shuffle(order)
    return [module for site in order for module in modules if module.site == site]


@settings(deadline=None)
@given(PLACEMENTS)
def test_a_placement_survives_its_spelling(found: Placement) -> None:
    again = Placement.parse(found.spelling)
    assert again == found
    assert again.spelling == found.spelling
    assert again.key == found.key
    assert hash(again) == hash(found)


@settings(deadline=None)
@given(PLACEMENTS, ORDERS)
def test_equal_networks_are_equal_whatever_the_order_of_sites(
    found: Placement, rng: random.Random
) -> None:
    shuffled = Placement.of(found.backbone, by_site(found.modules, rng), found.image_size)
    assert shuffled == found
    assert shuffled.key == found.key


@settings(deadline=None)
@given(PLACEMENTS, PLACEMENTS)
def test_different_networks_have_different_keys(one: Placement, other: Placement) -> None:
    assert (one.spelling == other.spelling) is (one.key == other.key)
    assert one == other or one.spelling != other.spelling


@settings(deadline=None)
@given(PLACEMENTS)
def test_each_module_is_found_at_its_site(found: Placement) -> None:
    places = list(dict.fromkeys(module.site for module in found.modules))
    assert [module for site in places for module in found.at(site)] == list(found.modules)
    assert found.names == sorted({module.name for module in found.modules} - {REMOVE})


def test_the_order_of_two_modules_at_a_site_matters() -> None:
    se, eca = Module("layer1", "se"), Module("layer1", "eca")
    one, other = Placement.of("resnet20", [se, eca]), Placement.of("resnet20", [eca, se])
    assert one != other
    assert one.key != other.key
    assert one.at("layer1") == (se, eca)


def test_the_spelling_is_the_one_in_the_databases() -> None:
    assert EXAMPLE.spelling == (
        '{"version":1,"backbone":"resnet20","modules":['
        '["layer1.0.bn2","cram",{"equivariance":0.1,"head":"conv"}],'
        '["layer2.0.bn2","se",{"reduction":8}]]}'
    )
    assert EXAMPLE.key == "39825ca01d25d3d8"


def test_a_spelling_is_readable_in_any_language() -> None:
    found = Placement.of("сеть", [Module("étage", "注意")])
    assert found.spelling == '{"version":1,"backbone":"сеть","modules":[["étage","注意",{}]]}'


def test_a_spelling_by_hand_may_have_any_order() -> None:
    spelling = """{"backbone": "resnet20", "version": 1, "modules": [
        ["layer2.0.bn2", "se", {"reduction": 8}],
        ["layer1.0.bn2", "cram", {"head": "conv", "equivariance": 0.1}]]}"""
    assert Placement.parse(spelling) == EXAMPLE


@pytest.mark.parametrize("version", [0, 2, "1"])
def test_another_version_is_refused(version: object) -> None:
    spelling = EXAMPLE.spelling.replace('"version":1', f'"version":{version!r}').replace("'", '"')
    with pytest.raises(ValueError, match=f"^a placement of version {version}, not 1$"):
        Placement.parse(spelling)


def test_a_module_reads_as_a_call() -> None:
    assert [str(module) for module in EXAMPLE.modules] == [
        "cram(equivariance=0.1, head=conv)",
        "se(reduction=8)",
    ]
    assert str(Module("layer1", "se")) == "se"


def test_there_is_one_zero() -> None:
    one, other = (Module("layer1", "cram", {"equivariance": zero}) for zero in (0.0, -0.0))
    assert one == other
    assert Placement.of("resnet8", [one]).key == Placement.of("resnet8", [other]).key


@pytest.mark.parametrize("values", [(1, 1.0), (1, True), (1.0, True), (0, False)])
def test_values_that_are_spelled_differently_are_different(values: tuple[object, object]) -> None:
    one, other = (Module("layer1", "se", {"reduction": value}) for value in values)
    assert one != other
    placements = Placement.of("resnet8", [one]), Placement.of("resnet8", [other])
    assert placements[0] != placements[1]
    assert len({found.key for found in placements}) == len({*placements}) == 2
    assert [Placement.parse(found.spelling) for found in placements] == [*placements]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), None, (1,), b"1"])
def test_what_json_cannot_say_is_no_hyper_parameter(value: object) -> None:
    sentence = r"^se: reduction must be a finite number, a text or true or false, got "
    with pytest.raises(ValueError, match=sentence):
        Module("layer1", "se", {"reduction": value})


@pytest.mark.parametrize("spelled", ["NaN", "Infinity", "1e999", "null", "[1]"])
def test_what_json_can_almost_say_is_none_either(spelled: str) -> None:
    with pytest.raises(ValueError, match=r"^se: reduction must be a finite number"):
        Placement.parse(EXAMPLE.spelling.replace("8}", f"{spelled}}}"))


def test_hyper_parameters_may_be_given_in_any_form_and_order() -> None:
    one = Module("layer1", "cram", {"head": "conv", "equivariance": 0.1})
    other = Module("layer1", "cram", [("equivariance", 0.1), ("head", "conv")])
    assert one == other
    assert hash(one) == hash(other)
    assert one.hyperparameters == (("equivariance", 0.1), ("head", "conv"))


def test_a_module_is_equal_to_modules_only() -> None:
    assert Module("layer1", "se") != "se"
    assert Placement("resnet8") != "resnet8"


def test_the_size_of_images_is_a_part_of_a_placement() -> None:
    plain, small = Placement("resnet8"), Placement("resnet8", (), 24)
    assert plain != small
    assert small.spelling == '{"version":1,"backbone":"resnet8","image_size":24,"modules":[]}'
    assert Placement.parse(small.spelling) == small
    assert Placement.of("resnet8", [Module("layer1", "se")], 24).base == small


@pytest.mark.parametrize("size", [0, -1, 24.0, True, "24"])
def test_an_image_has_a_whole_number_of_pixels(size: object) -> None:
    with pytest.raises(
        ValueError, match=rf"^image_size is a whole number of pixels, got {size!r}$"
    ):
        Placement("resnet8", (), size)
    document = json.loads(EXAMPLE.spelling) | {"image_size": size}
    with pytest.raises(ValueError, match=r"^image_size is a whole number of pixels, got "):
        Placement.parse(json.dumps(document))


def test_an_unknown_field_is_refused() -> None:
    document = json.loads(EXAMPLE.spelling) | {"widths": 2, "depth": 3}
    with pytest.raises(ValueError, match=r"^a placement has no depth, widths$"):
        Placement.parse(json.dumps(document))


SE, ECA = Module("layer1.0.bn2", "se", {"reduction": 8}), Module("layer1.0.bn2", "eca")
STEAM = Module("layer2", "steam")


@pytest.mark.parametrize(
    ("one", "other", "lines"),
    [
        ([SE, STEAM], [STEAM, SE], []),
        ([], [SE], ["+ layer1.0.bn2: se(reduction=8)"]),
        ([SE, STEAM], [SE], ["- layer2: steam"]),
        ([SE], [ECA, STEAM], ["~ layer1.0.bn2: se(reduction=8) -> eca", "+ layer2: steam"]),
        ([SE, ECA], [ECA, SE], ["~ layer1.0.bn2: se(reduction=8) + eca -> eca + se(reduction=8)"]),
        (
            [SE],
            [Module(SE.site, "se", {"reduction": 8.0})],
            ["~ layer1.0.bn2: se(reduction=8) -> se(reduction=8.0)"],
        ),
    ],
)
def test_a_difference_is_a_line_for_each_site(
    one: list[Module], other: list[Module], lines: list[str]
) -> None:
    found = diff(Placement.of("resnet8", one), Placement.of("resnet8", other))
    assert found == "\n".join(lines)


def test_another_backbone_or_size_is_the_first_line_of_a_difference() -> None:
    one, other = Placement("resnet8"), Placement.of("resnet14", [SE], 24)
    assert diff(one, other).splitlines() == [
        "~ resnet8 -> resnet14 at 24 pixels",
        "+ layer1.0.bn2: se(reduction=8)",
    ]
    assert diff(other.base, Placement("resnet14")) == "~ resnet14 at 24 pixels -> resnet14"


@settings(deadline=None)
@given(PLACEMENTS, PLACEMENTS)
def test_there_is_a_difference_between_placements_that_differ(
    one: Placement, other: Placement
) -> None:
    assert diff(one, one) == ""
    assert (diff(one, other) == "") is (one == other)


def drawn(*modules: tuple[str, str]) -> str:
    chosen = Placement.of("resnet8", [Module(site, name) for site, name in modules])
    return draw(chosen, [site.to_dict() for site in sites("resnet8", 32)])


def test_a_bare_network_is_drawn_as_one_word() -> None:
    assert drawn() == "bare"


def test_a_placement_is_drawn_from_the_stem_to_the_last_stage() -> None:
    assert drawn(("layer1.0.bn2", "se")) == "· | se | · | ·"
    assert drawn(("relu", "steam"), ("layer3.0", "eca")) == "steam | · | · | · > eca"


def test_the_modules_of_a_block_are_joined_and_those_of_a_stage_stand_behind_it() -> None:
    both = (("layer2.0.bn2", "se"), ("layer2.0.conv1", "aw"), ("layer2", "steam"))
    assert drawn(*both) == "· | · | aw+se > steam | ·"


def test_there_is_a_token_for_each_block() -> None:
    chosen = Placement.of("resnet20", [Module("layer2.1.bn2", "se"), Module("layer2.1.bn2", "eca")])
    line = draw(chosen, [site.to_dict() for site in sites("resnet20", 32)])
    assert line == "· | · · · | · se+eca · | · · ·"


def test_a_module_is_drawn_by_whatever_name_its_site_has() -> None:
    assert drawn(("layer2", "se")) == drawn(("layer2.0", "se")) == "· | · | · > se | ·"


EXISTING = [
    {"path": "stem", "kinds": ["stem"], "stage": 0, "block": ""},
    {"path": "a.se", "kinds": ["existing"], "stage": 1, "block": "a"},
    {"path": "a", "kinds": ["block"], "stage": 1, "block": "a"},
    {"path": "b.se", "kinds": ["existing"], "stage": 1, "block": "b"},
    {"path": "b", "kinds": ["block", "stage"], "stage": 1, "block": "b", "aliases": ["all"]},
]


def test_attention_that_was_left_out_is_a_minus() -> None:
    chosen = [Module("a.se", REMOVE), Module("b.se", "eca"), Module("a", "se")]
    assert draw(Placement.of("net", chosen), EXISTING) == "· | −+se eca"
    assert Placement.of("net", chosen).names == ["eca", "se"]


def test_of_several_backbones_the_one_is_named_and_drawn() -> None:
    there = [site | {"backbone": "net"} for site in EXISTING]
    there += [site.to_dict() | {"backbone": "resnet8"} for site in sites("resnet8", 32)]
    assert draw(Placement("net"), there) == "net: bare"
    assert draw(Placement.of("net", [Module("all", "se")]), there) == "net: · | · · > se"
    assert draw(Placement.of("resnet8", [Module("relu", "se")], 24), there) == (
        "resnet8 at 24 pixels: se | · | · | ·"
    )


def test_sites_of_older_studies_are_drawn_too() -> None:
    old = [
        {"path": "stem", "kind": "stem", "stage": 0, "block": ""},
        {"path": "layer1.0.bn2", "kind": "branch", "stage": 1, "block": "layer1.0"},
        {"path": "layer1", "kind": "stage", "stage": 1, "block": ""},
    ]
    chosen = [Module("layer1", "steam"), Module("layer1.0.bn2", "se")]
    assert draw(Placement.of("resnet8", chosen), old) == "· | se > steam"
    assert draw(Placement.of("resnet8", chosen[1:]), old) == "· | se"


def test_a_placement_needs_the_standard_library_only() -> None:
    file = Path(sys.modules[Placement.__module__].__file__ or "")
    code = f"import sys; sys.path.insert(0, {str(file.parent)!r}); import placement; "
    code += (
        "print(*{'torch', 'numpy', 'pydantic', 'foveate'} & {m.split('.')[0] for m in sys.modules})"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""
