"""Each module's formula a second time, in float64 and as differently as one can write it."""

from collections.abc import Callable
from math import ceil, cos, exp, floor, gcd, log2, pi, sin, tanh
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
    REFERENCES[formula.__name__.rstrip("_")] = formula  # nonlocal is a keyword
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


def shares(x: Tensor, dim: int) -> Tensor:
    """The softmax, spelled out."""
    grown = torch.exp(x)
    return grown / grown.sum(dim, keepdim=True)


def convolved(
    x: Tensor, kernel: Tensor, bias: Tensor | None = None, *, stride: int = 1, dilation: int = 1
) -> Tensor:
    """A convolution that keeps the size, stride aside: one shifted map for each of its taps."""
    rows, columns = kernel.shape[2:]
    height, width = x.shape[2:]
    beside = [columns // 2 * dilation] * 2 + [rows // 2 * dilation] * 2
    padded, y = nn.functional.pad(x, beside), x.new_zeros(())
    for i in range(rows):
        for j in range(columns):
            below, right = i * dilation + height, j * dilation + width
            seen = padded[:, :, i * dilation : below : stride, j * dilation : right : stride]
            y = y + torch.einsum("oc,nchw->nohw", kernel[:, :, i, j], seen)
    return y if bias is None else y + bias[:, None, None]


def dense(kernel: Tensor, groups: int) -> Tensor:
    """The kernel of a grouped convolution without groups: zeros between them."""
    outputs, inputs = kernel.shape[0] // groups, kernel.shape[1]
    whole = kernel.new_zeros(kernel.shape[0], inputs * groups, *kernel.shape[2:])
    for g in range(groups):
        mine = slice(g * outputs, (g + 1) * outputs)
        whole[mine, g * inputs : (g + 1) * inputs] = kernel[mine]
    return whole


def interpolation(old: int, new: int, *, corners: bool) -> Tensor:
    """The matrix (new, old) of linear interpolation; with ``corners`` ends stay ends."""
    matrix = torch.zeros(new, old)
    for i in range(new):
        at = i * (old - 1) / max(new - 1, 1) if corners else (i + 0.5) * old / new - 0.5
        at = min(max(at, 0.0), old - 1.0)
        low = floor(at)
        matrix[i, low] += 1 - (at - low)
        matrix[i, min(low + 1, old - 1)] += at - low
    return matrix


def unbiased_variance(x: Tensor, dim: int) -> Tensor:
    """By sums of squares, and 0 where there is only one value."""
    size = x.shape[dim]
    sums = (x**2).sum(dim, keepdim=True) - x.sum(dim, keepdim=True) ** 2 / size
    return sums.clamp(min=0) / max(size - 1, 1)


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


@reference
def bam(module: nn.Module, x: Tensor, **_: Any) -> Tensor:
    def part(name: str) -> nn.Module:
        return module.get_submodule(name)

    hidden = normalised(affine(x.mean((2, 3)), part("channel.0")), part("channel.1"))
    channels = affine(hidden.clamp(min=0), part("channel.3"))
    y = normalised(affine(x, part("spatial.0")), part("spatial.1")).clamp(min=0)
    for conv, norm in (("spatial.3", "spatial.4"), ("spatial.6", "spatial.7")):
        y = convolved(y, part(conv).weight, part(conv).bias, dilation=4)
        y = normalised(y, part(norm)).clamp(min=0)
    places = affine(y, part("spatial.9"))[:, 0]
    return x + x * logistic(torch.einsum("nc,nhw->nchw", channels, places))


@reference
def ceca(module: nn.Module, x: Tensor, **_: Any) -> Tensor:
    kernel = module.get_parameter("mix.weight").flatten().tolist()
    means, channels = x.mean((2, 3)), x.shape[1]
    y = torch.empty_like(x)
    for c in range(channels):
        logit = sum(
            weight * means[:, (c + step - len(kernel) // 2) % channels]
            for step, weight in enumerate(kernel)
        )
        y[:, c] = x[:, c] * logistic(logit)[:, None, None]
    return y


@reference
def coord(module: nn.Module, x: Tensor, **_: Any) -> Tensor:
    height, width = x.shape[2:]
    lines = [x[:, :, i].mean(2) for i in range(height)]
    lines += [x[:, :, :, j].mean(2) for j in range(width)]
    gates = []
    for place, line in enumerate(lines):
        z = normalised(affine(line, module.squeeze), module.norm)
        z = torch.where(z > 3, z, torch.where(z < -3, 0 * z, z * (z + 3) / 6))
        gates.append(logistic(affine(z, module.rows if place < height else module.columns)))
    y = torch.empty_like(x)
    for i in range(height):
        for j in range(width):
            y[:, :, i, j] = x[:, :, i, j] * gates[i] * gates[height + j]
    return y


@reference
def ema(module: nn.Module, x: Tensor, *, groups: int = 32) -> Tensor:
    groups = gcd(groups, x.shape[1])
    x_g = x.reshape(x.shape[0] * groups, -1, *x.shape[2:])  # groups are images, as the authors'
    height, width = x.shape[2:]
    lines = torch.cat([x_g.mean(3), x_g.mean(2)], 2)
    gates = logistic(affine(lines, module.lines))
    u = torch.einsum("nchw,nch,ncw->nchw", x_g, *gates.split([height, width], 2))
    off = u - u.mean((2, 3), keepdim=True)
    scale = module.norm.weight[:, None, None] / ((off**2).mean((2, 3), keepdim=True) + 1e-5) ** 0.5
    u = off * scale + module.norm.bias[:, None, None]
    v = convolved(x_g, module.local.weight, module.local.bias)
    of_u, of_v = shares(u.mean((2, 3)), 1), shares(v.mean((2, 3)), 1)
    logits = torch.einsum("nc,nchw->nhw", of_u, v) + torch.einsum("nc,nchw->nhw", of_v, u)
    return (x_g * logistic(logits)[:, None]).reshape(x.shape)


# the authors' best (u, v) of a 7 x 7 grid, the best one first
BEST = [(0, 0), (0, 1), (6, 0), (0, 5), (0, 2), (1, 0), (1, 2), (4, 0)]
BEST += [(5, 0), (1, 6), (3, 0), (0, 4), (0, 6), (0, 3), (3, 5), (2, 2)]


@reference
def fca(module: nn.Module, x: Tensor, *, frequencies: int = 16, **_: Any) -> Tensor:
    def base(u: int, at: int, length: int) -> float:
        return cos(pi * u * (at + 0.5) / length) * ((1 + (u > 0)) / length) ** 0.5

    height, width = x.shape[2:]
    z = x.new_zeros(x.shape[:2])
    for c in range(x.shape[1]):
        u, v = BEST[c * frequencies // x.shape[1]]
        u, v = u * height // 7, v * width // 7
        for i in range(height):
            for j in range(width):
                z[:, c] += x[:, c, i, j] * base(u, i, height) * base(v, j, width)
    hidden = affine(z, module.squeeze).clamp(min=0)
    return torch.einsum("nchw,nc->nchw", x, logistic(affine(hidden, module.excite)))


@reference
def gc(module: nn.Module, x: Tensor, **_: Any) -> Tensor:
    positions = x.flatten(2)
    weights = shares(affine(positions, module.score)[:, 0], 1)
    hidden = affine(torch.einsum("ncp,np->nc", positions, weights), module.squeeze)
    off = hidden - hidden.mean(1, keepdim=True)
    hidden = off / ((off**2).mean(1, keepdim=True) + 1e-5) ** 0.5
    hidden = (hidden * module.norm.weight + module.norm.bias).clamp(min=0)
    return x + affine(hidden, module.excite)[:, :, None, None]


@reference
def gct(module: nn.Module, x: Tensor) -> Tensor:
    y = torch.empty_like(x)
    for n, image in enumerate(x):
        alphas = module.get_parameter("alpha").tolist()
        lengths = [float((c**2).sum() + 1e-5) ** 0.5 for c in image]
        s = [alpha * length for alpha, length in zip(alphas, lengths, strict=True)]
        whole = (sum(value**2 for value in s) / len(s) + 1e-5) ** 0.5
        for c, value in enumerate(s):
            logit = float(module.gamma[c]) * value / whole + float(module.beta[c])
            y[n, c] = image[c] * (1 + tanh(logit))
    return y


@reference
def gct_gaussian(module: nn.Module, x: Tensor, *, width: str = "fixed") -> Tensor:
    c = 2.0 if width == "fixed" else 1 + 3 / (1 + exp(-float(module.theta)))
    means = x.mean((2, 3))
    variance = (means**2).mean(1, keepdim=True) - means.mean(1, keepdim=True) ** 2
    z = (means - means.mean(1, keepdim=True)) / (variance + 1e-5) ** 0.5
    return torch.einsum("nchw,nc->nchw", x, torch.exp(-0.5 * (z / c) ** 2))


@reference
def ge(module: nn.Module, x: Tensor, *, extent: int = 0, gather: str = "mean") -> Tensor:
    height, width = x.shape[2:]
    if gather == "mean" and extent == 0:
        z = x.mean((2, 3), keepdim=True)
    elif gather == "mean":
        z = x.new_empty(*x.shape[:2], ceil(height / extent), ceil(width / extent))
        for i in range(z.shape[2]):
            for j in range(z.shape[3]):
                top, left = max(i * extent - extent + 1, 0), max(j * extent - extent + 1, 0)
                window = x[:, :, top : (i + 1) * extent, left : (j + 1) * extent]
                z[:, :, i, j] = window.mean((2, 3))
    elif extent == 0:
        kernel = module.get_parameter("kernel")
        rows = interpolation(kernel.shape[1], height, corners=False)
        columns = interpolation(kernel.shape[2], width, corners=False)
        kernel_chw = torch.einsum("hi,cij,wj->chw", rows, kernel, columns)
        kernel_chw = kernel_chw * kernel.shape[1] * kernel.shape[2] / (height * width)
        z = (x * kernel_chw).sum((2, 3), keepdim=True)
        z = normalised(z, module.norms[0])
    else:
        z, last = x, int(log2(extent)) - 1
        for layer in range(last + 1):
            kernel = dense(module.convs[layer].weight, x.shape[1])
            z = normalised(convolved(z, kernel, stride=2), module.norms[layer])
            z = z if layer == last else z.clamp(min=0)
    y = torch.empty_like(x)
    for i in range(height):
        for j in range(width):
            seen = z[:, :, i * z.shape[2] // height, j * z.shape[3] // width]
            y[:, :, i, j] = x[:, :, i, j] * logistic(seen)
    return y


@reference
def mca(module: nn.Module, x: Tensor, *, authors: bool = False) -> Tensor:
    def gated(turned: Tensor, gate: nn.Module) -> Tensor:
        """Times the gate along the second axis."""
        rest = turned.flatten(2)
        mean, variance = rest.mean(2), unbiased_variance(rest, 2)[..., 0]
        deviation = (variance if authors else variance + 1e-5) ** 0.5
        w1, w2 = logistic(gate.share)
        z = (mean + deviation) / 2 + w1 * mean + w2 * deviation
        kernel = gate.conv.weight.flatten()
        padded = nn.functional.pad(z, [len(kernel) // 2] * 2)
        logits = padded.unfold(1, len(kernel), 1) @ kernel
        return turned * logistic(logits)[:, :, None, None]

    size = round((log2(x.shape[1]) - 1) / 1.5)
    assert module.along_c.conv.weight.numel() == max(size if size % 2 else size - 1, 1)
    along_h = gated(x.permute(0, 2, 1, 3), module.along_h).permute(0, 2, 1, 3)
    along_w = gated(x.permute(0, 3, 2, 1), module.along_w).permute(0, 3, 2, 1)
    return (along_h + along_w + gated(x, module.along_c)) / 3


@reference
def mhsa(module: nn.Module, x: Tensor, *, heads: int = 4, stride: int = 1) -> Tensor:
    height, width = x.shape[2:]
    q, k, v = affine(x, module.project).chunk(3, 1)
    heads = gcd(heads, q.shape[1])
    depth = q.shape[1] // heads
    far_rows = interpolation(len(module.rows), 2 * height - 1, corners=True) @ module.rows
    far_columns = interpolation(len(module.columns), 2 * width - 1, corners=True) @ module.columns
    cells = [(i, j) for i in range(height) for j in range(width)]
    y = torch.empty_like(q)
    for h in range(heads):
        mine = slice(h * depth, (h + 1) * depth)
        for i, j in cells:
            keys = [
                k[:, mine, a, b] + far_rows[a - i + height - 1] + far_columns[b - j + width - 1]
                for a, b in cells
            ]
            scores = torch.einsum("nd,pnd->np", q[:, mine, i, j], torch.stack(keys))
            weights = shares(scores / depth**0.5, 1)
            y[:, mine, i, j] = torch.einsum("np,ndp->nd", weights, v[:, mine].flatten(2))
    tops, lefts = range(0, height, stride), range(0, width, stride)
    small = x.new_empty(*y.shape[:2], len(tops), len(lefts))
    for i, top in enumerate(tops):
        for j, left in enumerate(lefts):
            small[:, :, i, j] = y[:, :, top : top + stride, left : left + stride].mean((2, 3))
    return small


@reference
def nonlocal_(module: nn.Module, x: Tensor, **_: Any) -> Tensor:
    theta, phi, g = (affine(x, layer).flatten(2) for layer in (module.theta, module.phi, module.g))
    found = torch.empty_like(theta)
    for i in range(theta.shape[2]):
        weights = shares(torch.einsum("nm,nmj->nj", theta[:, :, i], phi), 1)
        found[:, :, i] = torch.einsum("nj,nmj->nm", weights, g)
    return x + normalised(affine(found, module.out), module.norm).view_as(x)


@reference
def sa(module: nn.Module, x: Tensor, *, groups: int = 64) -> Tensor:
    groups = gcd(groups, x.shape[1] // 2)
    x_g = x.reshape(x.shape[0] * groups, -1, *x.shape[2:])  # groups are images, as the authors'
    first, second = x_g.chunk(2, 1)

    def line(name: str, z: Tensor) -> Tensor:
        weight, bias = module.get_parameter(f"{name}_weight"), module.get_parameter(f"{name}_bias")
        return z * weight[:, None, None] + bias[:, None, None]

    off = second - second.mean((2, 3), keepdim=True)
    norm = line("norm", off / ((off**2).mean((2, 3), keepdim=True) + 1e-5) ** 0.5)
    first = first * logistic(line("channel", first.mean((2, 3), keepdim=True)))
    second = second * logistic(line("spatial", norm))
    y = torch.cat([first, second], 1).reshape(x.shape)
    half = x.shape[1] // 2
    return y[:, [c // 2 + half * (c % 2) for c in range(x.shape[1])]]


@reference
def sge(module: nn.Module, x: Tensor, *, groups: int = 64, authors: bool = False) -> Tensor:
    groups = gcd(groups, x.shape[1])
    x_g = x.reshape(x.shape[0] * groups, -1, *x.shape[2:])  # groups are images, as the authors'
    s = torch.einsum("nchw,nc->nhw", x_g, x_g.mean((2, 3))).flatten(1)
    variance = unbiased_variance(s, 1)
    t = s - s.mean(1, keepdim=True)
    t = t / (variance**0.5 + 1e-5) if authors else t / (variance + 1e-5) ** 0.5
    t = t.view(x.shape[0], groups, -1) * module.weight[:, None] + module.bias[:, None]
    return (x_g * logistic(t).view(-1, 1, *x.shape[2:])).reshape(x.shape)


@reference
def simam(module: nn.Module, x: Tensor, *, e_lambda: float = 1e-4) -> Tensor:
    y = torch.empty_like(x)
    for n, image in enumerate(x):
        for c, values in enumerate(image):
            variance = unbiased_variance(values.flatten(), 0)
            energy = (
                4
                * (variance + e_lambda)
                / ((values - values.mean()) ** 2 + 2 * variance + 2 * e_lambda)
            )
            y[n, c] = values * logistic(1 / energy)
    return y


@reference
def sk(
    module: nn.Module,
    x: Tensor,
    *,
    groups: int = 32,
    reduction: int = 16,
    stride: int = 1,
) -> Tensor:
    outputs = module.convs[0].weight.shape[0]
    groups = gcd(groups, x.shape[1], outputs)
    branches = []
    for dilation, conv, norm in zip((1, 2), module.convs, module.norms, strict=True):
        u = convolved(x, dense(conv.weight, groups), stride=stride, dilation=dilation)
        branches.append(normalised(u, norm).clamp(min=0))
    z = affine(sum(branches).mean((2, 3)), module.squeeze)
    assert z.shape[1] == max(outputs // reduction, 32)
    z = normalised(z, module.squeeze_norm).clamp(min=0)
    first, second = affine(z, module.select).chunk(2, 1)
    share = logistic(first - second)  # of the first: a softmax over two
    return sum(
        torch.einsum("nchw,nc->nchw", u, part)
        for u, part in zip(branches, (share, 1 - share), strict=True)
    )


@reference
def srm(module: nn.Module, x: Tensor) -> Tensor:
    deviation = (unbiased_variance(x.flatten(2), 2)[..., 0] + 1e-5) ** 0.5
    style = torch.stack([x.mean((2, 3)), deviation])
    z = normalised(torch.einsum("sc,snc->nc", module.weight, style), module.norm)
    return torch.einsum("nchw,nc->nchw", x, logistic(z))


@reference
def triplet(module: nn.Module, x: Tensor, **_: Any) -> Tensor:
    def gated(turned: Tensor, gate: nn.Module) -> Tensor:
        """Times the gate over the last two axes."""
        both = torch.stack([turned.max(1).values, turned.mean(1)], 1)
        return turned * logistic(normalised(convolved(both, gate.conv.weight), gate.norm))

    over_h = gated(x.permute(0, 2, 1, 3), module.over_h).permute(0, 2, 1, 3)
    over_w = gated(x.permute(0, 3, 2, 1), module.over_w).permute(0, 3, 2, 1)
    return (over_h + over_w + gated(x, module.over_c)) / 3


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


GATES = [name for name in attention.names() if attention.entry(name).kind == "gate"]
SIZED = [("ge", {"gather": "conv"}), ("fca", {}), ("fca", {"frequencies": 4}), ("mhsa", {})]
SIZED += [("mhsa", {"heads": 2})]


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (4, 3)], ids=["1x1", "1x5", "4x3"])
@pytest.mark.parametrize("channels", [2, 24, 96])
@pytest.mark.parametrize("name", GATES)
def test_agrees_at_other_widths(
    new: Callable[..., nn.Module],
    stir: Callable[[nn.Module], nn.Module],
    name: str,
    channels: int,
    size: tuple[int, int],
) -> None:
    grouped = "groups" in attention.entry(name).hyperparameters
    chosen = {"groups": 8} if grouped else {}
    module, x = stir(new(name, channels, size, **chosen)).eval(), torch.randn(2, channels, *size)
    with torch.no_grad():
        assert_close(module(x), REFERENCES[name](module, x, **chosen), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (4, 9), (8, 8)], ids=str)
@pytest.mark.parametrize(("name", "chosen"), SIZED, ids=str)
def test_agrees_on_maps_of_another_size_than_it_was_built_for(
    new: Callable[..., nn.Module],
    stir: Callable[[nn.Module], nn.Module],
    name: str,
    chosen: dict[str, Any],
    size: tuple[int, int],
) -> None:
    module, x = stir(new(name, 16, (5, 7), **chosen)).eval(), torch.randn(2, 16, *size)
    with torch.no_grad():
        assert_close(module(x), REFERENCES[name](module, x, **chosen), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_ceca_agrees_where_the_ring_is_short(
    new: Callable[..., nn.Module], stir: Callable[[nn.Module], nn.Module], channels: int
) -> None:
    module, x = stir(new("ceca", channels, kernel=9)).eval(), torch.randn(2, channels, 6, 5)
    assert_close(module(x), ceca(module, x), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("identity_init", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(5, 7), (6, 4), (1, 3)], ids=str)
@pytest.mark.parametrize(
    ("name", "chosen"),
    [("mhsa", {}), ("mhsa", {"heads": 8}), ("sk", {}), ("sk", {"groups": 1, "reduction": 8})],
    ids=str,
)
def test_mixers_agree_for_other_convolutions(
    stir: Callable[[nn.Module], nn.Module],
    name: str,
    chosen: dict[str, Any],
    size: tuple[int, int],
    stride: int,
    identity_init: bool,
) -> None:
    conv = nn.Conv2d(16, 24, 3, stride, padding=1)
    mixer = attention.entry(name).wrap(conv, size, identity_init=identity_init, **chosen)
    module, x = stir(mixer).eval(), torch.randn(2, 16, *size)
    expected = REFERENCES[name](module, x, stride=stride, **chosen)
    if identity_init:
        scale = module.get_parameter("scale").view(-1, 1, 1)
        assert scale.abs().min() > 0
        expected = convolved(x, module.weight, module.bias, stride=stride) + scale * expected
    with torch.no_grad():
        assert_close(module(x), expected, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "chosen"),
    [("simam", {}), ("gct_gaussian", {"width": "learned"}), ("ge", {}), ("ge", {"extent": 4})],
    ids=str,
)
def test_a_gate_without_weights_is_weighed_to_start_as_the_identity(
    new: Callable[..., nn.Module], name: str, chosen: dict[str, Any]
) -> None:
    module, x = new(name, 16, identity_init=True, **chosen).eval(), torch.randn(2, 16, 5, 7)
    with torch.no_grad():
        module.get_parameter("strength").fill_(0.3)
        if name == "gct_gaussian":
            module.get_parameter("theta").fill_(0.7)
        gated = REFERENCES[name](module, x, **chosen)
        assert_close(module(x), 0.7 * x + 0.3 * gated, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("name", ["sge", "mca"])
def test_agrees_with_the_released_code_but_for_its_epsilon(
    new: Callable[..., nn.Module], stir: Callable[[nn.Module], nn.Module], name: str
) -> None:
    module, x = stir(new(name, 64)).eval(), 1 + torch.randn(2, 64, 9, 7)
    released = REFERENCES[name](module, x, authors=True)
    with torch.no_grad():
        assert_close(module(x), released, atol=1e-4, rtol=1e-4)
        assert not torch.equal(module(x), released)


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
