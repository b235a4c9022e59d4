import re
import subprocess
import sys
import warnings
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from foveate.errors import BadValue, UnknownName
from foveate.spaces import networks
from foveate.spaces.networks import (
    Description,
    backbone,
    backbones,
    canonical,
    described,
    sites,
    source_of,
    surveyed,
    with_options,
)

SMALL = [name for name in backbones() if source_of(name) in ("cifar", "preact")]
LARGE = [name for name in backbones() if source_of(name) == "torchvision"]
SOME = ["alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "inception_v3"]
SOME += ["mnasnet0_5", "mobilenet_v3_small", "regnet_x_400mf", "resnet18", "squeezenet1_1", "vgg11"]


def classifies(name: str) -> None:
    """Without a warning, in training and in evaluation."""
    size = 32 if name in SMALL else 224
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("error")
        model = backbone(name, classes=7)
        for mode in (True, False):
            assert model.train(mode)(torch.empty(2, 3, size, size)).shape == (2, 7)
    assert all(x.is_meta for x in model.state_dict().values())


@pytest.mark.parametrize("name", [*SMALL, *SOME])
def test_every_backbone_classifies(name: str) -> None:
    classifies(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in LARGE if name not in SOME])
def test_every_other_backbone_of_torchvision_classifies(name: str) -> None:
    classifies(name)


@pytest.mark.parametrize("name", ["googlenet", "regnet_x_400mf", "wrn16_1"])
def test_networks_are_built_with_weights_and_without_warnings(name: str) -> None:
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        logits = backbone(name, 5)(torch.randn(2, 3, 64, 64))
    assert logits.shape == (2, 5)
    assert logits.isfinite().all()


def test_a_network_that_computes_with_values_has_the_same_shapes_on_the_meta_device() -> None:
    with torch.device("meta"):
        meta = backbone("regnet_y_400mf", 7).state_dict()
    real = backbone("regnet_y_400mf", 7).state_dict()
    assert {n: x.shape for n, x in meta.items()} == {n: x.shape for n, x in real.items()}


# ------------------------------------------------------------------------------------- the names


def test_backbones_for_small_images_come_first_and_each_family_small_first() -> None:
    names = backbones()
    assert len(names) == len({*names})
    assert names[:3] == ["resnet8", "resnet14", "resnet20"]
    assert names.index("resnet110") < names.index("preresnet8") < names.index("wrn16_1")
    assert names.index("wrn40_8") < names.index("alexnet")
    assert names.index("resnet18") < names.index("resnet50") < names.index("resnet101")
    assert {"wrn16_4", "wrn16_8", "wrn22_8", "wrn28_2", "wrn28_10", "wrn40_2", "wrn40_4"} < {*names}
    assert not [name for name in names if name.startswith(("vit", "swin", "maxvit"))]


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("resnet20", "cifar"),
        ("preresnet20", "preact"),
        ("wrn28_10@width=0.5", "preact"),
        ("resnet50", "torchvision"),
        ("resnet50@stem=small", "torchvision"),
        ("torchvision.models:resnet18", "own"),
    ],
)
def test_a_backbone_says_whose_it_is(name: str, source: str) -> None:
    assert source_of(name) == source


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("resnet50", "resnet50"),
        ("resnet50@stem=own", "resnet50"),
        ("resnet50@width=1.0", "resnet50"),
        ("resnet50@width=0.50,stem=small", "resnet50@stem=small,width=0.5"),
        ("mobilenet_v2@width=2.0", "mobilenet_v2@width=2"),
        ("resnet20@width=1e-1,stem=own", "resnet20@width=0.1"),
        ("torchvision.models:resnet18@width=.5", "torchvision.models:resnet18@width=0.5"),
    ],
)
def test_a_name_has_one_spelling(name: str, spelled: str) -> None:
    assert canonical(name) == spelled
    assert canonical(spelled) == spelled


@given(st.sampled_from(["own", "small"]), st.floats(0.01, 16), st.booleans())
def test_what_a_name_says_is_what_it_was_made_of(stem: str, width: float, sort: bool) -> None:
    options = sorted([f"stem={stem}", f"width={width!r}"], reverse=not sort)
    said = described(f"resnet8@{','.join(options)}")
    assert (said.base, said.stem) == ("resnet8", stem)
    assert said.width == pytest.approx(width, rel=1e-5)
    assert described(str(said)) == said
    assert with_options("resnet8", stem=stem, width=width) == str(said)


def test_options_are_added_to_those_there_are() -> None:
    assert with_options("resnet50@stem=small", width=0.5) == "resnet50@stem=small,width=0.5"
    assert with_options("resnet50@stem=small,width=2", stem="own") == "resnet50@width=2"
    assert with_options("resnet50@width=2", width=1) == "resnet50"
    assert described("resnet50@width=2") == Description("resnet50", "own", 2.0)


@pytest.mark.parametrize("call", [source_of, canonical, lambda name: backbone(name, 10)])
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("resnet50x", "no backbone 'resnet50x'; did you mean 'resnet50'? there are: resnet8, "),
        ("wrn28_11", "no backbone 'wrn28_11'; did you mean 'wrn28_1"),
        ("vit_b_16", "no backbone 'vit_b_16'; "),
        ("resnet50@", "backbone 'resnet50@': options are spelled stem=small or width=0.5, joined "),
        ("resnet50@width", "backbone 'resnet50@width': options are spelled stem=small or width="),
        ("resnet50@widht=2", "no option of a backbone 'widht'; did you mean 'width'? there are: "),
        ("resnet50@width=2,width=3", "backbone 'resnet50@width=2,width=3' gives its width twice"),
        ("resnet50@width=half", "backbone 'resnet50@width=half': the width is a number, got 'half"),
        ("resnet50@width=nan", "the width of a backbone is above 0 and at most 16, got nan"),
        ("resnet50@width=0", "the width of a backbone is above 0 and at most 16, got 0"),
        ("resnet50@stem=tiny", "the stem of a backbone is own or small, got 'tiny'"),
    ],
)
def test_a_wrong_name_is_one_sentence(call, name: str, sentence: str) -> None:
    with pytest.raises((BadValue, UnknownName), match=f"^{re.escape(sentence)}"):
        call(name)


# ------------------------------------------------------------------------- what cannot be made so


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("vgg11@stem=small", "^vgg11 has no stem to make smaller: nothing before its first block "),
        ("resnet20@stem=small", "^resnet20 has no stem to make smaller: nothing before its first "),
        (
            "shufflenet_v2_x1_0@width=0.75",
            r"^shufflenet_v2_x1_0 cannot be made 0\.75 times as wide: \S",
        ),
    ],
)
def test_what_cannot_be_made_over_is_one_sentence(name: str, sentence: str) -> None:
    assert canonical(name) == name
    with torch.device("meta"), pytest.raises(BadValue, match=sentence) as caught:
        backbone(name, 10)
    assert "\n" not in str(caught.value)


def test_a_network_made_over_twice_is_both() -> None:
    torch.manual_seed(0)
    model = backbone("resnet18@stem=small,width=0.25", 10)
    assert isinstance(model.maxpool, nn.Identity)
    assert model.conv1.weight.shape == (16, 3, 3, 3)
    assert model.fc.weight.shape == (10, 128)
    assert model(torch.randn(2, 3, 16, 16)).isfinite().all()


# -------------------------------------------------------------------------------------- the sites


def test_sites_are_those_of_the_network_made_over() -> None:
    own, made = ({s.path: s for s in sites(f"resnet18{o}", 32)} for o in ("", "@width=0.5"))
    assert own.keys() == made.keys()
    assert made["layer1.0"].shape == (32, 8, 8)
    small = {site.path: site.shape for site in sites("resnet18@stem=small", 32)}
    assert small["layer1.0"] == (64, 32, 32)


def test_an_image_that_is_too_small_is_one_sentence() -> None:
    sentence = r"^inception_v3 cannot take images of 32 x 32 pixels: \S"
    with pytest.raises(BadValue, match=sentence) as caught:
        sites("inception_v3", 32)
    assert "\n" not in str(caught.value)
    assert surveyed("inception_v3", 96).sites == sites("inception_v3", 96)


# ------------------------------------------------------------------------------------------- timm


def test_timm_is_imported_only_for_its_own() -> None:
    code = "import sys; from foveate.spaces.networks import *; canonical('resnet50'); backbones()"
    subprocess.run([sys.executable, "-c", f"{code}; assert 'timm' not in sys.modules"], check=True)


@pytest.mark.parametrize(
    "name", ["timm:test_resnet", "timm:resnet50d", "timm:mobilenetv4_conv_small"]
)
def test_any_network_of_timms_classifies(name: str) -> None:
    pytest.importorskip("timm")
    classifies(name)
    assert source_of(name) == "timm"
    assert canonical(f"{name}@width=1") == name


@pytest.mark.parametrize("option", ["stem=small", "width=0.5", "width=2"])
def test_networks_of_timms_are_made_over_as_well(option: str) -> None:
    pytest.importorskip("timm")
    classifies(f"timm:resnet18d@{option}")


def test_timms_own_poolings_are_found_in_a_stem() -> None:
    pytest.importorskip("timm")
    with torch.device("meta"):
        model = backbone("timm:resnetblur18@stem=small", 10)
        assert model.layer1(model.maxpool(model.conv1(torch.empty(1, 3, 32, 32)))).shape[-1] == 32


def test_unknown_names_of_timms_are_answered_with_timms() -> None:
    pytest.importorskip("timm")
    with pytest.raises(UnknownName, match=r"^no backbone 'timm:resnet50dd'; did you mean 'timm:re"):
        canonical("timm:resnet50dd")
    sentence = r"'a1_in1k' names weights, not a network; they are the weights 'a1_in1k' of timm:re"
    with pytest.raises(BadValue, match=sentence):
        canonical("timm:resnet50.a1_in1k")


@pytest.fixture
def without_timm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    networks._timm.cache_clear()
    monkeypatch.setitem(sys.modules, "timm", None)
    yield
    networks._timm.cache_clear()


@pytest.mark.usefixtures("without_timm")
def test_without_timm_its_networks_are_one_sentence() -> None:
    sentence = r"^backbones called timm:NAME are timm's, .*: pip install foveate\[timm\]$"
    with pytest.raises(BadValue, match=sentence):
        canonical("timm:resnet50d")
