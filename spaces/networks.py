"""Where: the backbones, by name."""

import re
from collections.abc import Callable

import torchvision
from torch import nn

from ..errors import unknown
from .cifar import CifarResNet

__all__ = ["backbone", "backbones", "source_of"]

_TORCHVISION = ("resnet18", "resnet34", "resnet50", "resnet101")
_CIFAR = tuple(f"resnet{depth}" for depth in (8, 14, 20, 26, 32, 38, 44, 56, 62, 68, 74, 80, 110))


def backbones() -> list[str]:
    """The names that ``backbone`` knows, small first."""
    return sorted({*_CIFAR, *_TORCHVISION}, key=_by_number)


def backbone(name: str, classes: int) -> nn.Module:
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
