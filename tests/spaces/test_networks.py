import pytest
import torch

from foveate.errors import UnknownName
from foveate.spaces.networks import backbone, backbones, source_of


@pytest.mark.parametrize("name", backbones())
def test_every_backbone_classifies(name: str) -> None:
    with torch.device("meta"):
        logits = backbone(name, classes=7).eval()(torch.empty(2, 3, 64, 64))
    assert logits.shape == (2, 7)


def test_backbones_are_listed_small_first() -> None:
    depths = [int(name.removeprefix("resnet")) for name in backbones()]
    assert depths == sorted(set(depths))
    assert {"resnet8", "resnet20", "resnet18", "resnet34", "resnet50", "resnet101"} <= {
        *backbones()
    }


def test_the_same_name_is_never_two_backbones() -> None:
    sources = {name: source_of(name) for name in ("resnet8", "resnet20", "resnet50", "resnet101")}
    assert sources == {
        "resnet8": "cifar",
        "resnet20": "cifar",
        "resnet50": "torchvision",
        "resnet101": "torchvision",
    }


@pytest.mark.parametrize("call", [source_of, lambda name: backbone(name, 10)])
def test_a_typo_is_answered_with_the_name_that_was_meant(call) -> None:
    with pytest.raises(UnknownName, match=r"^no backbone 'resnet50x'; did you mean 'resnet50'\? "):
        call("resnet50x")
