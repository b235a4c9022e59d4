"""Gather-excite."""

from math import log2

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._registry import Choice, register


@register(
    "ge",
    attends="channels, around each position",
    paper="https://arxiv.org/abs/1810.12348",
    sites=("branch",),
    extent=Choice(0, 2, 4, 8, default=0),
    gather=Choice("mean", "conv", default="mean"),
)
class GatherExcite(nn.Module):
    """Gate each channel by what surrounds a position (Hu et al., NeurIPS 2018).

        y = x * sigmoid(nearest-upsampled gather(x)),   over ``extent`` cells, 0: the whole map
        "mean":  average pooling of (2e - 1)^2 cells, one per e cells        (GE without parameters)
        "conv":  depth-wise: log2(e) convolutions 3x3 of stride 2, or one as large as the map;
                 BN behind each, ReLU between                                (GE-theta)

    Our reading at the borders: means are over the cells that there are, so that a map may be
    smaller than the extent. A kernel as large as the map is made for maps of ``size`` and is
    resized, keeping its sum, for others.

    Shapes
        in   x_NCHW, any H and W of at least 1; training with "conv" needs a batch of at least 2
        out  the same shape, dtype and device

    Cost
        parameters       0 ("mean"), 11*C*log2(e) or (H*W + 2)*C ("conv"); "mean" has 1 with
                         ``identity_init``
        multiply-adds    2*C*H*W ("mean") or 3*C*H*W ("conv") per image with extent 0, about; else
                         C*H*W + ((2e - 1)^2 + 2)*C*h*w with gathered maps of h x w ("mean"), or
                         C*H*W + 13*C*(h1*w1 + h2*w2 + ...), all maps that are made ("conv")

    ``identity_init`` doubles the sigmoid and zeroes the last scale of BN. "mean" has no weights:
    there it adds a learned strength a that starts at 0, and the gate is 1 + a * (sigmoid(...) - 1).
    """

    def __init__(
        self,
        channels: int,
        *,
        size: tuple[int, int],
        identity_init: bool = False,
        extent: int = 0,
        gather: str = "mean",
    ) -> None:
        super().__init__()
        self.extent, self.gather = extent, gather
        self.gain = 2.0 if identity_init and gather == "conv" else 1.0
        if gather == "mean":
            self.strength = nn.Parameter(torch.zeros(())) if identity_init else None
            return
        if extent:
            steps = int(log2(extent))
            self.convs = nn.ModuleList(
                nn.Conv2d(channels, channels, 3, 2, 1, groups=channels, bias=False)
                for _ in range(steps)
            )
        else:
            steps, bound = 1, (size[0] * size[1]) ** -0.5
            self.kernel = nn.Parameter(torch.empty(channels, *size).uniform_(-bound, bound))
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(steps))
        if identity_init:
            last = self.norms[-1]
            assert isinstance(last, nn.BatchNorm2d)
            nn.init.zeros_(last.weight)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        gathered = self._mean(x_NCHW) if self.gather == "mean" else self._convolved(x_NCHW)
        gate = self.gain * torch.sigmoid(gathered)
        if self.gather == "mean" and self.strength is not None:
            gate = 1 + self.strength * (gate - 1)
        if self.extent:
            height, width = x_NCHW.shape[2:]
            gate = F.interpolate(gate, size=(height, width), mode="nearest")
        return x_NCHW * gate.to(x_NCHW.dtype)

    def _mean(self, x_NCHW: Tensor) -> Tensor:
        e = self.extent
        if not e:
            return x_NCHW.mean((2, 3), keepdim=True)
        return F.avg_pool2d(x_NCHW, 2 * e - 1, e, e - 1, count_include_pad=False)

    def _convolved(self, x_NCHW: Tensor) -> Tensor:
        if not self.extent:
            kernel_CHW: Tensor = self.kernel
            height, width = x_NCHW.shape[2:]
            if kernel_CHW.shape[1:] != (height, width):
                share = kernel_CHW[0].numel() / (height * width)
                resized = F.interpolate(kernel_CHW[None], size=(height, width), mode="bilinear")
                kernel_CHW = share * resized[0]
            y: Tensor = self.norms[0]((x_NCHW * kernel_CHW).sum((2, 3), keepdim=True))
            return y
        for number, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x_NCHW = norm(conv(x_NCHW.relu() if number else x_NCHW))
        return x_NCHW
