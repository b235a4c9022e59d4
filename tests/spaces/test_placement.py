import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveate.spaces import Module, Placement, draw, sites

VALUES = st.one_of(
    st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()
)
SETTINGS = st.dictionaries(st.text(), VALUES, max_size=3).map(lambda d: tuple(sorted(d.items())))
MODULES = st.builds(Module, st.text(), st.text(), SETTINGS)
PLACEMENTS = st.builds(Placement.of, st.text(), st.lists(MODULES, max_size=6))
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
    shuffled = Placement.of(found.backbone, by_site(found.modules, rng))
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
    assert found.names == sorted({module.name for module in found.modules})


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


def test_a_placement_needs_the_standard_library_only() -> None:
    file = Path(sys.modules[Placement.__module__].__file__ or "")
    code = f"import sys; sys.path.insert(0, {str(file.parent)!r}); import placement; "
    code += (
        "print(*{'torch', 'numpy', 'pydantic', 'foveate'} & {m.split('.')[0] for m in sys.modules})"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""
