"""Each module's formula a second time, in float64 and as differently as one can write it."""

from collections.abc import Callable
from math import ceil, cos, exp, floor, pi, sin, tanh
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.testing import assert_close

from foveate import attention

Reference = Callable[..., Tensor]  # (module, x, **hyper-parameters), on the module's own parameters
REFERENCES: dict[str, Reference] = {}


def reference(formula: Reference) -> Reference:
    REFERENCES[formula.__name__] = formula
    return formula


def logistic(x: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-x))


def normalised(x: Tensor, norm: nn.Module) -> Tensor:
    """Batch norm in evaluation, spelled out."""
    shape = (1, -1, *[1] * (x.ndim - 2))
    mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
    scale = norm.get_parameter("weight") / (variance + 1e-5) ** 0.5
    return (x - mean.view(shape)) * scale.view(shape) + norm.get_parameter("bias").view(shape)


def affine(x: Tensor, layer: nn.Module) -> Tensor:
    """A linear layer or a 1x1 convolution, on the second axis."""
    y = torch.einsum("oc,nc...->no...", layer.get_parameter("weight").flatten(1), x)
    if "bias" not in dict(layer.named_parameters()):
        return y
    return y + layer.get_parameter("bias").view(1, -1, *[1] * (x.ndim - 2))


def pooled(x: Tensor, height: int, width: int) -> Tensor:
    """Adaptive average pooling, window by window."""
    rows, columns = x.shape[2:]
    y = x.new_empty(*x.shape[:2], height, width)
    for i in range(height):
        for j in range(width):
            above, below = floor(i * rows / height), ceil((i + 1) * rows / height)
            left, right = floor(j * columns / width), ceil((j + 1) * columns / width)
            y[:, :, i, j] = x[:, :, above:below, left:right].mean((2, 3))
    return y


@reference
def se(module: nn.Module, x: Tensor, **_: Any) -> Tensor:
    hidden = affine(x.mean((2, 3)), module.squeeze).clamp(min=0)
    return torch.einsum("nchw,nc->nchw", x, logistic(affine(hidden, module.excite)))


@reference
def eca(module: nn.Module, x: Tensor, **_: Any) -> Tensor:
    kernel = module.get_parameter("mix.weight").flatten()
    padded = nn.functional.pad(x.mean((2, 3)), [len(kernel) // 2] * 2)
    logits = padded.unfold(1, len(kernel), 1) @ kernel
    return torch.einsum("nchw,nc->nchw", x, logistic(logits))


@reference
def pointwise(module: nn.Module, x: Tensor, **_: Any) -> Tensor:
    return torch.einsum("nchw,nhw->nchw", x, logistic(affine(x, module.score))[:, 0])


@reference
def cbam(module: nn.Module, x: Tensor, *, kernel: int = 7, **_: Any) -> Tensor:
    def mlp(v: Tensor) -> Tensor:
        return affine(affine(v, module.squeeze).clamp(min=0), module.excite)

    channels = logistic(mlp(x.mean((2, 3))) + mlp(x.flatten(2).max(2).values))
    x = torch.einsum("nchw,nc->nchw", x, channels)
    both = torch.stack([x.max(1).values, x.mean(1)], 1)
    padded = nn.functional.pad(both, [kernel // 2] * 4)
    patches = padded.unfold(2, kernel, 1).unfold(3, kernel, 1)
    logits = torch.einsum("nchwij,ocij->nohw", patches, module.get_parameter("conv.weight"))
    return x * logistic(normalised(logits, module.norm))


@reference
def steam(module: nn.Module, x: Tensor, *, heads: int = 4, reach: int = 1, grid: int = 7) -> Tensor:
    def graph(unit: nn.Module, v: Tensor, edges: Tensor) -> Tensor:
        """Attention of all nodes to all, masked; ``edges`` (i, j) counts the edges i to j."""
        features = {
            name: (v[:, :, None] * unit.get_parameter(name)).unflatten(2, (heads, -1))
            for name in ("query", "key", "value")
        }
        depth = 8 // heads
        scores = torch.einsum("nihd,njhd->nhij", features["query"], features["key"]) / depth**0.5
        weights = (scores + edges.log()).softmax(3)
        mixed = torch.einsum("nhij,njhd->nihd", weights, features["value"]).flatten(2)
        return mixed @ unit.get_parameter("out")

    channels = x.shape[1]
    ring = x.new_zeros(channels, channels)
    for i in range(channels):
        for step in range(1, reach + 1):
            ring[i, (i + step) % channels] += 1
            ring[i, (i - step) % channels] += 1
    x = torch.einsum("nchw,nc->nchw", x, logistic(graph(module.channel, x.mean((2, 3)), ring)))

    nodes = pooled(x.mean(1, keepdim=True), grid, grid).flatten(1)
    places = torch.cartesian_prod(torch.arange(grid), torch.arange(grid))
    joined = ((places[:, None] - places).abs().sum(2) == 1).to(x.dtype)
    gate = logistic(graph(module.spatial, nodes, joined)).unflatten(1, (grid, grid))
    y = torch.empty_like(x)
    for i in range(x.shape[2]):
        for j in range(x.shape[3]):
            seen = gate[:, i * grid // x.shape[2], j * grid // x.shape[3]]
            y[:, :, i, j] = x[:, :, i, j] * seen[:, None]
    return y


@reference
def aw(module: nn.Conv2d, x: Tensor, *, share: str = "in", **_: Any) -> Tensor:
    images = []
    for image in x.split(1):
        small = pooled(image, *module.kernel_size)
        hidden = normalised(affine(small, module.reduce), module.reduce_norm).clamp(min=0)
        gate = logistic(normalised(affine(hidden, module.expand), module.expand_norm))[0]
        kernel = module.weight.clone()
        for o in range(kernel.shape[0]):
            for c in range(kernel.shape[1]):
                kernel[o, c] = kernel[o, c] + gate[o if share == "in" else c] * kernel[o, c]
        y = nn.functional.conv2d(
            image,
            kernel,
            module.bias,
            module.stride,
            module.padding,
            module.dilation,
            module.groups,
        )
        images.append(y)
    return torch.cat(images)


@reference
def cram(
    module: nn.Module,
    x: Tensor,
    *,
    head: str = "conv",
    mode: str = "multiply",
    sharpness: int = 10,
    **_: Any,
) -> Tensor:
    def box(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Centre (2), the axes as rows (2, 2) and their half-sizes (2)."""
        if head == "conv":
            thin = normalised(affine(image[None], module.head.project), module.head.norm)
            t = affine(pooled(thin.clamp(min=0), 4, 4).flatten(1), module.head.predict)[0].tolist()
            angle = pi / 2 * tanh(t[4])
            axes = torch.tensor([[cos(angle), sin(angle)], [-sin(angle), cos(angle)]])
            half = torch.tensor([0.1 + 1.4 / (1 + exp(-t[2])), 0.1 + 1.4 / (1 + exp(-t[3]))])
            return torch.tensor([tanh(t[0]), tanh(t[1]) * height / width]), axes, half
        scores = affine(image[None], module.head.score)[0, 0].flatten().exp()
        weights = scores / scores.sum()
        centre = weights @ points
        covariance = torch.einsum("p,pi,pj->ij", weights, points - centre, points - centre)
        variances, axes = torch.linalg.eigh(covariance)  # the longer axis is the last column
        half = (3 * variances.flip(0) + 0.01).sqrt().clamp(max=1.5)
        return centre, axes.flip(1).T, half

    height, width = x.shape[2:]
    cells = [(i, j) for i in range(height) for j in range(width)]
    points = torch.tensor(
        [((j + 0.5) * 2 / width - 1, ((i + 0.5) * 2 - height) / width) for i, j in cells]
    ).to(x.dtype)
    y = torch.empty_like(x)
    for n, image in enumerate(x):
        centre, axes, half = box(image)
        for point, (i, j) in zip(points, cells, strict=True):
            inside = 1.0
            for position, r in zip((axes @ (point - centre)).tolist(), half.tolist(), strict=True):
                # the difference of two logistic functions is half that of two tanh
                near, far = sharpness * (position + r) / 2, sharpness * (position - r) / 2
                inside *= (tanh(near) - tanh(far)) / 2
            y[n, :, i, j] = image[:, i, j] * (inside + (mode == "residual"))
    return y


@pytest.fixture(autouse=True)
def _double() -> Any:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("name", attention.names())
def test_every_module_has_a_second_formula(name: str) -> None:
    assert name in REFERENCES, f"write the equation of {name!r} as a @reference in {__file__}"


@pytest.mark.parametrize("size", [(5, 7), (9, 3)], ids=["5x7", "9x3"])
def test_agrees_with_its_formula(
    new: Callable[..., nn.Module],
    stir: Callable[[nn.Module], nn.Module],
    combination: tuple[str, dict[str, Any]],
    size: tuple[int, int],
) -> None:
    name, chosen = combination
    if name not in REFERENCES:
        pytest.fail(f"{name} has no second formula")
    module, x = stir(new(name, 16, size, **chosen)).eval(), torch.randn(2, 16, *size)
    with torch.no_grad():
        assert_close(module(x), REFERENCES[name](module, x, **chosen), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_steam_agrees_where_the_ring_is_short(
    new: Callable[..., nn.Module], stir: Callable[[nn.Module], nn.Module], channels: int
) -> None:
    module, x = stir(new("steam", channels, reach=2)).eval(), torch.randn(2, channels, 6, 5)
    assert_close(module(x), steam(module, x, reach=2), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("share", ["in", "out"])
@pytest.mark.parametrize(
    "settings",
    [
        {"stride": 2, "padding": 1},
        {"groups": 2, "padding": 1, "bias": False},
        {"groups": 8, "dilation": 2},
        {"out_channels": 12, "kernel_size": (1, 5), "padding": "same"},
    ],
    ids=str,
)
def test_aw_agrees_for_other_convolutions(
    stir: Callable[[nn.Module], nn.Module], settings: dict[str, Any], share: str
) -> None:
    conv = nn.Conv2d(**{"in_channels": 8, "out_channels": 8, "kernel_size": 3} | settings)
    module = stir(attention.entry("aw").wrap(conv, (7, 6), share=share)).eval()
    x = torch.randn(3, 8, 7, 6)
    assert_close(module(x), aw(module, x, share=share), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("training", [True, False])
def test_its_gradients_are_those_of_its_output(
    make: Callable[..., nn.Module], stir: Callable[[nn.Module], nn.Module], training: bool
) -> None:
    module = stir(make(4, (4, 3))).train(training)
    module.equivariance = 0.0  # draws at random: not a function of the input alone
    names = [name for name, _ in module.named_parameters()]

    def output(x: Tensor, *parameters: Tensor) -> Tensor:
        given = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(module, given, (x,))

    x = torch.randn(3, 4, 4, 3, requires_grad=True)
    assert gradcheck(output, (x, *module.parameters()), fast_mode=True, atol=1e-6, rtol=1e-4)
