"""Where: the backbones, by name."""

import re
from collections.abc import Callable
from functools import cache

import torch
import torchvision
from torch import nn

from ..errors import BadValue, unknown
from .cifar import CifarResNet
from .site import Site, Survey, survey

__all__ = ["backbone", "backbones", "sites", "source_of"]

_TORCHVISION = ("resnet18", "resnet34", "resnet50", "resnet101")
_CIFAR = tuple(f"resnet{depth}" for depth in (8, 14, 20, 26, 32, 38, 44, 56, 62, 68, 74, 80, 110))


def backbones() -> list[str]:
    """The names that ``backbone`` knows, small first."""
    return sorted({*_CIFAR, *_TORCHVISION}, key=_by_number)


def canonical(name: str) -> str:
    """The one spelling of a backbone's name; ``UnknownName`` if there is none like it."""
    _factory(name)
    return name


def with_options(name: str, *, width: float) -> str:
    """The name of the backbone ``name`` with options."""
    raise BadValue(f"{name} cannot be made {width} times as wide")


def backbone(name: str, classes: int, *, weights: str | None = None) -> nn.Module:
    """A new, untrained backbone: (N, 3, H, W) to logits (N, ``classes``).

    ``resnet8``, ``resnet14``, ``resnet20``, ... (6n + 2 layers) are the CIFAR ResNets for small
    images; ``resnet18``, ``34``, ``50`` and ``101`` are torchvision's.

    Raises
        UnknownName  for any other name
    """
    return _factory(name)(classes)


def source_of(name: str) -> str:
    """Where the backbone comes from: ``"torchvision"`` or ``"cifar"``."""
    _factory(name)
    return "torchvision" if name in _TORCHVISION else "cifar"


def _factory(name: str) -> Callable[[int], nn.Module]:
    if name in _TORCHVISION:
        return lambda classes: torchvision.models.get_model(name, weights=None, num_classes=classes)
    if name in _CIFAR:
        return lambda classes: CifarResNet(int(name.removeprefix("resnet")), classes)
    raise unknown("backbone", name, backbones())


def _by_number(name: str) -> tuple[int, str]:
    return int(re.sub(r"\D", "", name)), name


@cache
def surveyed(name: str, image_size: int) -> Survey:
    """Where the backbone called ``name`` has sites for square images of ``image_size`` pixels."""
    with torch.device("meta"):
        model = backbone(name, classes=10)
    return survey(model, image_size)


def sites(name: str, image_size: int) -> tuple[Site, ...]:
    """The sites of the backbone called ``name`` for square images of ``image_size`` pixels."""
    return surveyed(name, image_size).sites
