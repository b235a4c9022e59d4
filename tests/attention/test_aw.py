import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from foveate import attention
from foveate.spaces.costs import count

AW = attention.entry("aw")
Stir = Callable[[nn.Module], nn.Module]
LAYOUTS = [torch.contiguous_format, torch.channels_last]
CONVOLUTIONS: dict[str, dict[str, Any]] = {
    "plain": {"padding": 1, "bias": False},
    "bias, no padding": {},
    "same padding": {"padding": "same", "kernel_size": (2, 3)},
    "stride 2": {"padding": 1, "stride": 2},
    "strides and dilations": {"padding": (2, 1), "stride": (1, 2), "dilation": (2, 1)},
    "circular": {"padding": 1, "padding_mode": "circular"},
    "reflected, stride 2": {"padding": 1, "padding_mode": "reflect", "stride": 2},
    "1 x 1, narrower": {"kernel_size": 1, "out_channels": 3},
    "1 x 3": {"kernel_size": (1, 3), "padding": (0, 1)},
    "5 x 5, wider": {"kernel_size": 5, "padding": 2, "out_channels": 12},
}
BY_TAPS, GROUPED = (8, (2, 1)), (4, (4, 4))  # channels and maps for which the rule says so


@pytest.mark.parametrize("share", ["in", "out"])
def test_scaling_the_kernel_is_scaling_each_patch(share: str, stir: Stir) -> None:
    """``share="in"`` scales the taps of a patch for each output channel, then applies K."""
    conv = nn.Conv2d(8, 12, 3, stride=2, padding=1, bias=False).double()
    module, x = stir(AW.wrap(conv, (9, 8), share=share)).eval(), torch.randn(3, 8, 9, 8).double()
    patches = nn.functional.unfold(x, 3, padding=1, stride=2).unflatten(1, (8, 9))
    gate = 1 + module.gate(x).flatten(3)
    pattern = "noct,nctl,oct->nol"
    y = torch.einsum(pattern, gate.expand(3, 12, 8, 9), patches, conv.weight.flatten(2))
    assert_close(module(x), y.unflatten(2, (5, 4)))


def test_each_image_has_its_own_kernel(stir: Stir) -> None:
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


def wrapped(kind: str, share: str, dtype: torch.dtype) -> nn.Module:
    settings = {"in_channels": 8, "out_channels": 8, "kernel_size": 3} | CONVOLUTIONS[kind]
    return AW.wrap(nn.Conv2d(**settings, dtype=dtype), (7, 6), share=share)


def results(way: str, module: nn.Module, x: Tensor) -> list[Tensor]:
    """What ``way`` computes: the output, the input's gradient, those of all parameters."""
    module, x = copy.deepcopy(module), x.detach().clone().requires_grad_()
    y = getattr(module, way)(x)
    (y * torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view(y.shape)).sum().backward()
    found = [y.detach(), x.grad, *(p.grad for p in module.parameters())]
    assert all(one is not None for one in found)
    return found


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("share", ["in", "out"])
@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_both_ways_compute_the_same(
    kind: str, share: str, layout: torch.memory_format, dtype: torch.dtype, stir: Stir
) -> None:
    module = stir(wrapped(kind, share, dtype)).to(memory_format=layout)
    x = torch.randn(3, 8, 7, 6, dtype=dtype).to(memory_format=layout)
    tolerance = 1e-9 if dtype == torch.float64 else 1e-4
    expected = results("grouped", module, x)
    for one, other in zip(results("by_taps", module, x), expected, strict=True):
        assert_close(one, other, rtol=0, atol=tolerance * max(1, float(other.abs().max())))


@pytest.mark.parametrize(
    ("channels", "size", "settings", "by_taps"),
    [
        (64, (4, 4), {"padding": 1}, True),  # 64*64 values for kernels, 128*16 for positions
        (32, (4, 4), {"padding": 1}, False),  # as many of both
        (32, (5, 3), {"padding": 1}, True),
        (32, (5, 3), {"padding": 1, "groups": 2}, False),
        (512, (7, 7), {"padding": 1}, True),
        (512, (14, 14), {"padding": "same"}, True),
        (256, (14, 14), {"padding": 1}, False),
        (256, (14, 14), {"padding": 1, "stride": 2}, True),
        (256, (15, 14), {}, False),  # 13 x 12 positions
        (256, (15, 14), {"dilation": 2}, True),  # 11 x 10
        (256, (15, 14), {"dilation": 2, "padding": "same", "padding_mode": "circular"}, False),
    ],
)
def test_goes_by_taps_where_the_kernels_outnumber_the_positions(
    channels: int, size: tuple[int, int], settings: dict[str, Any], by_taps: bool
) -> None:
    with torch.device("meta"):
        conv = nn.Conv2d(channels, channels, 3, **settings)
        module: Any = AW.wrap(conv, size).eval()
        x = torch.empty(2, channels, *size)
    assert module.fewer_products_than_kernels(*size) is by_taps
    took = []
    for way in ("grouped", "by_taps"):
        setattr(module, way, lambda x, way=way: took.append(way))
    module(x)
    assert took == ["by_taps" if by_taps else "grouped"]


@pytest.mark.parametrize("share", ["in", "out"])
@pytest.mark.parametrize("way", ["grouped", "by_taps"])
def test_both_ways_have_the_right_gradients(way: str, share: str, stir: Stir) -> None:
    conv = nn.Conv2d(2, 3, 2, stride=2, padding=1, dtype=torch.float64)
    module = stir(AW.wrap(conv, (3, 4), share=share))
    names = [name for name, _ in module.named_parameters()]
    x = torch.randn(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    module.forward = getattr(module, way)

    def outputs(x: Tensor, *values: Tensor) -> Tensor:
        parameters = dict(zip(names, values, strict=True))
        return torch.func.functional_call(module.eval(), parameters, (x,))

    assert torch.autograd.gradcheck(outputs, (x, *module.parameters()))


@pytest.fixture(params=[BY_TAPS, GROUPED], ids=["by taps", "grouped"])
def sized(request: pytest.FixtureRequest) -> tuple[int, tuple[int, int]]:
    return request.param


@pytest.mark.parametrize("share", ["in", "out"])
def test_compiles_in_one_graph(sized: tuple[int, tuple[int, int]], share: str) -> None:
    channels, size = sized
    module = AW.wrap(nn.Conv2d(channels, channels, 3, padding=1), size, share=share)
    x = torch.randn(3, channels, *size, requires_grad=True)
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    assert_close(compiled(x), module(x))
    compiled(x).sum().backward()
    assert x.grad is not None
    torch._dynamo.reset()


@pytest.mark.parametrize("share", ["in", "out"])
def test_exports_with_any_number_of_images(sized: tuple[int, tuple[int, int]], share: str) -> None:
    channels, size = sized
    module = AW.wrap(nn.Conv2d(channels, channels, 3, padding=1), size, share=share).eval()
    shapes = ({0: torch.export.Dim("images")},)
    x = torch.randn(3, channels, *size)
    exported = torch.export.export(module, (x,), dynamic_shapes=shapes).module()
    for images in (1, 3, 5):
        x = torch.randn(images, channels, *size)
        assert_close(exported(x), module(x))


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("way", ["grouped", "by_taps"])
def test_gives_back_the_layout_it_is_given(way: str, layout: torch.memory_format) -> None:
    module = AW.wrap(nn.Conv2d(8, 6, 3, stride=2), (7, 6))
    y = getattr(module, way)(torch.randn(2, 8, 7, 6).to(memory_format=layout))
    assert y.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("way", ["grouped", "by_taps"])
@pytest.mark.parametrize("bias", [False, True])
def test_autocast_gives_what_it_does_of_a_convolution(way: str, bias: bool) -> None:
    conv, x = nn.Conv2d(8, 8, 3, bias=bias), torch.randn(2, 8, 7, 6)
    module = AW.wrap(conv, (7, 6))
    with torch.autocast("cpu", torch.bfloat16):
        assert getattr(module, way)(x).dtype == conv(x).dtype == torch.bfloat16


@pytest.mark.parametrize(("share", "weighing"), [("in", 2 * 12 * 9 * 20), ("out", 8 * 9 * 20)])
def test_costs_what_it_says(share: str, weighing: int) -> None:
    """The multiply-adds of the convolution either way; the weighing is that of its docstring."""
    with torch.device("meta"):
        conv = nn.Conv2d(8, 12, 3, padding=1, bias=False)
        module = AW.wrap(conv, (5, 4), share=share)
        bare = count(conv, 1, 8, 5, 4)
    gate = 9 * (8 * 1 + (12 if share == "in" else 8))  # m = 1
    small = 9 * (3 * 1 + 5 * (12 if share == "in" else 8))  # norms, relu, sigmoid, - 0.0 and 1 +
    for way, own in (("grouped", 8 * 12 * 9), ("by_taps", weighing)):
        module.forward = getattr(module, way)
        added = count(module, 1, 8, 5, 4) - bare
        assert added.macs == gate
        assert added.operations == gate + 8 * 5 * 4 + small + own
