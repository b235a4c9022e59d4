from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from foveate import attention

AW = attention.entry("aw")


@pytest.mark.parametrize("share", ["in", "out"])
def test_scaling_the_kernel_is_scaling_each_patch(
    share: str, stir: Callable[[nn.Module], nn.Module]
) -> None:
    """``share="in"`` scales the taps of a patch for each output channel, then applies K."""
    conv = nn.Conv2d(8, 12, 3, stride=2, padding=1, bias=False).double()
    module, x = stir(AW.wrap(conv, (9, 8), share=share)).eval(), torch.randn(3, 8, 9, 8).double()
    patches = nn.functional.unfold(x, 3, padding=1, stride=2).unflatten(1, (8, 9))
    gate = 1 + module.gate(x).flatten(3)
    pattern = "noct,nctl,oct->nol"
    y = torch.einsum(pattern, gate.expand(3, 12, 8, 9), patches, conv.weight.flatten(2))
    assert_close(module(x), y.unflatten(2, (5, 4)))


def test_each_image_has_its_own_kernel(stir: Callable[[nn.Module], nn.Module]) -> None:
    module = stir(AW.wrap(nn.Conv2d(8, 8, 3, padding=1), (6, 5)))
    gate = module.gate(torch.randn(2, 8, 6, 5))
    assert gate.shape == (2, 8, 1, 3, 3)
    assert not torch.allclose(gate[0], gate[1])


def test_a_new_gate_is_a_share_and_with_identity_init_nothing() -> None:
    x = torch.randn(4, 8, 6, 5)
    gate = AW.wrap(nn.Conv2d(8, 8, 3), (6, 5)).gate(x)
    assert gate.min() > 0
    assert gate.max() < 1
    assert not AW.wrap(nn.Conv2d(8, 8, 3), (6, 5), identity_init=True).gate(x).any()


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format], ids=str)
def test_takes_any_layout(layout: torch.memory_format) -> None:
    module, x = AW.wrap(nn.Conv2d(8, 8, 3, padding=1), (6, 5)).eval(), torch.randn(2, 8, 6, 5)
    y = module.to(memory_format=layout)(x.to(memory_format=layout))
    assert_close(y, module.to(memory_format=torch.contiguous_format)(x))
