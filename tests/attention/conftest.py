"""Every registered module, with every value and every combination of its hyper-parameters."""

from collections.abc import Callable
from functools import partial
from itertools import product

import pytest
import torch
from torch import nn

from foveate import attention

Value = bool | int | float | str
Variant = tuple[str, dict[str, Value]]


def combinations(name: str) -> list[Variant]:
    """All values of all hyper-parameters with one another."""
    choices = attention.entry(name).hyperparameters
    products = product(*(choice.values for choice in choices.values()))
    return [(name, dict(zip(choices, values, strict=True))) for values in products]


def variants(name: str) -> list[Variant]:
    """The defaults, then each other value of each hyper-parameter beside the others' defaults."""
    choices = attention.entry(name).hyperparameters
    others = [(key, v) for key, choice in choices.items() for v in choice.values]
    return [(name, {}), *((name, {k: v}) for k, v in others if v != choices[k].default)]


def spelled(variant: Variant) -> str:
    name, chosen = variant
    return ",".join([name, *(f"{key}={value}" for key, value in chosen.items())])


@pytest.fixture(autouse=True)
def _the_same_numbers_in_every_run() -> None:
    torch.manual_seed(0)


@pytest.fixture(params=attention.names())
def entry(request: pytest.FixtureRequest) -> attention.Entry:
    return attention.entry(request.param)


@pytest.fixture(params=[v for name in attention.names() for v in variants(name)], ids=spelled)
def variant(request: pytest.FixtureRequest) -> Variant:
    """A module's name and at most one hyper-parameter that is not its default."""
    return request.param


@pytest.fixture(params=[v for name in attention.names() for v in combinations(name)], ids=spelled)
def combination(request: pytest.FixtureRequest) -> Variant:
    """A module's name and a value for each of its hyper-parameters."""
    return request.param


@pytest.fixture
def new() -> Callable[..., nn.Module]:
    """``new(name, channels, size, **options)``; a weight attention gets a 3x3 convolution."""

    def build(
        name: str, channels: int = 8, size: tuple[int, int] = (6, 5), **options: Value
    ) -> nn.Module:
        entry = attention.entry(name)
        if entry.kind == "gate":
            return entry.build(channels, size, **options)
        return entry.wrap(nn.Conv2d(channels, channels, 3, padding=1), size, **options)

    return build


@pytest.fixture
def entry_of(variant: Variant) -> str:
    """The name of ``variant``'s module."""
    return variant[0]


@pytest.fixture
def make(new: Callable[..., nn.Module], variant: Variant) -> Callable[..., nn.Module]:
    """``new`` for one variant: ``make(channels, size, **options)``."""
    name, chosen = variant
    return partial(new, name, **chosen)


@pytest.fixture
def stir() -> Callable[[nn.Module], nn.Module]:
    """Moves every parameter and every running statistic off its start, as training would."""

    def stirred(module: nn.Module) -> nn.Module:
        with torch.no_grad():
            for parameter in module.parameters():
                inputs = parameter[0].numel() if parameter.ndim > 1 else 1
                parameter += inputs**-0.5 * torch.randn_like(parameter)
            for name, buffer in module.named_buffers():
                if name.endswith("running_mean"):
                    buffer.normal_()
                if name.endswith("running_var"):
                    buffer.uniform_(0.5, 2)
        return module

    return stirred
