from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from foveate import attention

STEAM = attention.entry("steam")


@pytest.mark.parametrize("heads", [1, 2, 4, 8])
@pytest.mark.parametrize("channels", [1, 64, 2048])
def test_has_64_parameters_at_any_width(channels: int, heads: int) -> None:
    module = STEAM.build(channels, (7, 7), heads=heads)
    assert sum(p.numel() for p in module.parameters()) == 64


@pytest.mark.parametrize("heads", [2, 4, 8])
def test_the_order_of_the_heads_changes_nothing(
    heads: int, stir: Callable[[nn.Module], nn.Module]
) -> None:
    module = stir(STEAM.build(16, (7, 7), heads=heads)).double()
    x = torch.randn(2, 16, 5, 6).double()
    before, order = module(x), torch.randperm(heads).roll(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(parameter.view(heads, -1)[order].flatten())
    assert_close(module(x), before)


def test_the_heads_are_not_all_one(stir: Callable[[nn.Module], nn.Module]) -> None:
    module = stir(STEAM.build(16, (7, 7), heads=4)).double()
    x = torch.randn(2, 16, 5, 6).double()
    before = module(x)
    with torch.no_grad():
        module.channel.query.copy_(module.channel.query.roll(2))
    assert not torch.allclose(module(x), before)


@pytest.mark.parametrize("reach", [1, 2, 4])
def test_the_channels_stand_in_a_ring(reach: int, stir: Callable[[nn.Module], nn.Module]) -> None:
    module = stir(STEAM.build(16, (7, 7), reach=reach)).double()
    x = torch.randn(2, 16, 5, 6).double()
    assert_close(module(x.roll(3, 1)), module(x).roll(3, 1))
    assert_close(module(x.flip(1)), module(x).flip(1))


@pytest.mark.parametrize("reach", [1, 2, 4])
def test_a_channel_hears_its_neighbours_only(
    reach: int, stir: Callable[[nn.Module], nn.Module]
) -> None:
    module = stir(STEAM.build(16, (7, 7), reach=reach)).double()
    nn.init.zeros_(module.spatial.out)  # leaves a constant gate over the positions
    x = torch.rand(1, 16, 5, 6).double()
    louder = x.clone()
    louder[:, 0] += 1
    changed = (module(louder) - module(x)).abs().amax((0, 2, 3)) > 1e-9
    hears = {i % 16 for i in range(-reach, reach + 1)}
    assert {i for i in range(16) if changed[i]} == hears


class Operations(TorchDispatchMode):
    """Notes the name of everything that runs."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("reach", [1, 4])
def test_runs_without_gather_or_scatter(reach: int) -> None:
    module = STEAM.build(16, (9, 8), reach=reach)
    with Operations() as ran:
        module(torch.randn(2, 16, 9, 8)).sum().backward()
    assert "roll" in ran.names
    assert not [n for n in ran.names if "gather" in n or "scatter" in n or n.startswith("index")]
