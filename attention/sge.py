"""Spatial group-wise enhancement."""

from math import gcd

import torch
from torch import Tensor, nn

from ._registry import Choice, register


@register(
    "sge",
    attends="positions, per group of channels",
    paper="https://arxiv.org/abs/1905.09646",
    sites=("branch",),
    groups=Choice(8, 16, 32, 64, default=64),
)
class SpatialGroupEnhancement(nn.Module):
    """Gate each position by its likeness to its group's mean (Li et al., 2019).

        s = sum over the group's channels of x * mean(x)               [N, G, H, W]
        t = (s - mean(s)) / sqrt(var(s) + 1e-5)                        over positions, unbiased
        y = x * sigmoid(weight * t + bias),   weight = 0 and bias = 1 per group at the start

    Where ``groups`` does not divide the channels, their greatest common divisor is taken. The
    released code adds 1e-5 to the deviation, which has no gradient on a constant map: here it is
    added to the variance.

    Shapes
        in   x_NCHW, any H and W of at least 1
        out  the same shape, dtype and device

    Cost
        parameters       2*G
        multiply-adds    4*C*H*W + 9*G*H*W per image, about

    ``identity_init`` doubles the sigmoid and starts the bias at 0, so the gate starts at 1.
    """

    def __init__(self, channels: int, *, identity_init: bool = False, groups: int = 64) -> None:
        super().__init__()
        self.groups = gcd(groups, channels)
        self.weight = nn.Parameter(torch.zeros(self.groups))
        self.bias = nn.Parameter(torch.full((self.groups,), 0.0 if identity_init else 1.0))
        self.gain = 2.0 if identity_init else 1.0

    def forward(self, x_NCHW: Tensor) -> Tensor:
        x_NGcHW = x_NCHW.unflatten(1, (self.groups, -1))
        alike_NGHW = (x_NGcHW * x_NGcHW.mean((3, 4), keepdim=True)).sum(2)
        many = int(x_NCHW.shape[2] * x_NCHW.shape[3] > 1)
        variance, mean = torch.var_mean(alike_NGHW, (2, 3), correction=many, keepdim=True)
        standard_NGHW = (alike_NGHW - mean) / (variance + 1e-5).sqrt()
        logits_NGHW = self.weight[:, None, None] * standard_NGHW + self.bias[:, None, None]
        gate_NGHW = (self.gain * torch.sigmoid(logits_NGHW)).to(x_NCHW.dtype)
        y_NCHW: Tensor = (x_NGcHW * gate_NGHW[:, :, None]).flatten(1, 2)
        return y_NCHW
