from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from foveate.errors import UnknownName
from foveate.search import store, warm
from foveate.search.records import Study
from foveate.search.spec import SearchSpec
from foveate.spaces import Placement, Space, place, sites

Add = Callable[..., int]
SIZE = 32


def space_of(backbone: str, **settings: Any) -> Space:
    wanted = {"backbone": backbone, "modules": ["se", "eca", "aw"]}
    wanted |= {"hyperparameters": "site", **settings}
    return Space(SearchSpec.of({"space": wanted}).space, SIZE)


def placed(backbone: str, *texts: str) -> Placement:
    return place(backbone, texts, image_size=SIZE)


def translated(placement: Placement, space: Space) -> Placement | None:
    name = placement.backbone.partition("@")[0]
    there = [site.to_dict() for site in sites(name, SIZE)]
    return warm.translated(placement, there, space)


def test_on_the_same_backbone_a_placement_comes_as_it_is() -> None:
    placement = placed("resnet14", "layer1.0.bn2=se(reduction=8)", "layer3.1.bn2=eca")
    assert translated(placement, space_of("resnet14")) == placement


def test_what_the_space_does_not_hold_is_left_out() -> None:
    space = space_of("resnet14", sites=["layer3.*"])
    assert translated(placed("resnet14", "layer1.0.bn2=se"), space) is None
    assert translated(placed("resnet14", "layer3.0.bn2=cbam"), space) is None
    assert translated(placed("resnet14", "layer3.0.bn2=se"), space) is not None


def test_hyper_parameters_that_the_space_has_not_are_the_defaults() -> None:
    space = space_of("resnet14", hyperparameters="fixed")
    found = translated(placed("resnet14", "layer3.0.bn2=se(reduction=4)"), space)
    assert found == placed("resnet14", "layer3.0.bn2=se")


@pytest.mark.parametrize(
    ("there", "texts", "here", "wanted"),
    [
        # each block is two, or every second is left
        ("resnet8", ["layer2.0.bn2=se"], "resnet14", ["layer2.0.bn2=se", "layer2.1.bn2=se"]),
        ("resnet14", ["layer2.1.bn2=se"], "resnet8", ["layer2.0.bn2=se"]),
        ("resnet14", ["layer1.0.bn2=eca"], "resnet20", ["layer1.0.bn2=eca", "layer1.1.bn2=eca"]),
        ("resnet20", ["layer3.2.bn2=eca"], "resnet14", ["layer3.1.bn2=eca"]),
        # other blocks: their branch ends at another path
        ("resnet18", ["layer4.1.bn2=se"], "resnet50", ["layer4.2.bn3=se"]),
        # the same sites, at another width
        ("resnet8@width=0.5", ["layer3.0.bn2=se"], "resnet8", ["layer3.0.bn2=se"]),
        ("resnet8", [], "resnet14", []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_in_a_family_a_block_gets_what_stands_equally_deep(
    there: str, texts: list[str], here: str, wanted: list[str]
) -> None:
    assert translated(placed(there, *texts), space_of(here)) == placed(here, *wanted)


@pytest.mark.parametrize(
    ("there", "texts", "here"),
    [
        ("resnet14", ["layer2.0.bn2=se"], "resnet8"),  # nothing would be left
        ("resnet14", ["layer2.0.bn2=se"], "resnet18"),  # another number of stages
        ("resnet14", ["layer2.0.bn2=se"], "preresnet14"),  # another family
        ("resnet18", ["layer2.0.conv1=aw"], "resnet50"),  # whose blocks have one such convolution
    ],
)
def test_what_has_no_place_of_its_own_is_left_out(there: str, texts: list[str], here: str) -> None:
    assert translated(placed(there, *texts), space_of(here)) is None


def test_of_several_backbones_the_one_that_fits_is_taken() -> None:
    space = space_of("resnet8", backbones=["resnet14"], widths=[1.0, 0.5])
    placement = placed("resnet14@width=0.5", "layer2.1.bn2=se")
    assert translated(placement, space) == placement


# ------------------------------------------------------------------------------- of a whole study


@pytest.fixture
def tried(study: Study, add: Add) -> None:
    add(0.60, origin="bare")
    add(0.70, "layer1.*=se", extra=0.20, origin="everywhere:se")
    add(0.65, "layer2.0.bn2=eca", extra=0.10)
    add(0.68, "layer3.0.bn2=eca", extra=0.30)
    add(0.62, "layer1.0.bn2=eca", extra=0.40)
    add(0.99, "layer3.0.bn2=se", extra=0.50, state="stopped")
    add("layer1.0.bn2=se", "layer3.0.bn2=se", state="waiting")


@pytest.mark.usefixtures("tried")
@pytest.mark.parametrize("most", [0, 1, 2, 9])
def test_the_front_comes_first_and_then_the_best(
    most: int, engine: Engine, storage: str, space: Space
) -> None:
    texts = ["layer1.*=se", "layer2.0.bn2=eca", "layer3.0.bn2=eca", "layer1.0.bn2=eca"]
    wanted = [place("resnet8", [text], image_size=16) for text in texts]
    with Session(engine) as session:
        study = store.find_study(session, "tiny")
        assert warm.warm_start(session, study, space, most) == wanted[:most]
    assert warm.warm_from("tiny", storage, space, most) == wanted[:most]
    assert warm.warm_from(f"tiny@{storage}", "sqlite:///no.db", space, most) == wanted[:most]


@pytest.mark.usefixtures("tried")
def test_another_depth_begins_with_the_translated_ones(storage: str) -> None:
    space = space_of("resnet14")
    found = warm.warm_from("tiny", storage, space, 9)
    assert found and all(one.backbone == "resnet14" for one in found)
    assert all(space.parameters(one) is not None for one in found)
    assert len(set(found)) == len(found) and not {*found} & {*space.baselines().values()}


def test_a_study_that_there_is_not_is_named(study: Study, storage: str, space: Space) -> None:
    with pytest.raises(UnknownName, match=r"^no study 'tini'; did you mean 'tiny'"):
        warm.warm_from("tini", storage, space, 3)


def test_their_origin_names_the_study() -> None:
    assert warm.origin("tiny") == "warm:tiny"
