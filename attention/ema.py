"""Efficient multi-scale attention."""

from math import gcd

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._registry import Choice, register


@register(
    "ema",
    attends="positions, per group, at two scales",
    paper="https://arxiv.org/abs/2305.13563",
    sites=("branch",),
    groups=Choice(8, 16, 32, default=32),
)
class EfficientMultiScaleAttention(nn.Module):
    """Gate positions by two paths that weigh each other (Ouyang et al., ICASSP 2023).

        in each of G groups of c = C / G channels, all with the same weights:
            u   = norm(x * sigmoid(W [mean over W]) * sigmoid(W [mean over H]))   1x1, c -> c, bias
            v   = conv3x3(x)                                                      c -> c, bias
            y   = x * sigmoid(sum over c of softmax(mean(u)) * v + softmax(mean(v)) * u)
        norm: each map by its own mean and variance, with a scale and a shift per channel;
        softmax over the group's channels

    The mean of u is the shift of its norm, so it is not computed. The authors fold the groups into
    the batch; grouped convolutions with one kernel for all give the same and no copy. Where
    ``groups`` does not divide the channels, their greatest common divisor is taken.

    Shapes
        in   x_NCHW, any H and W of at least 1
        out  the same shape, dtype and device

    Cost
        parameters       10*c*c + 4*c
        multiply-adds    (9*c + 17)*C*H*W + c*C*(H + W) per image, about

    ``identity_init`` doubles the last sigmoid and zeroes the 3x3 convolution and the scale of the
    norm, so the gate starts at 1.
    """

    def __init__(self, channels: int, *, identity_init: bool = False, groups: int = 32) -> None:
        super().__init__()
        self.groups = gcd(groups, channels)
        width = channels // self.groups
        self.lines = nn.Conv1d(width, width, 1)
        self.local = nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.GroupNorm(width, width)
        self.gain = 2.0 if identity_init else 1.0
        if identity_init:
            for parameter in (*self.local.parameters(), self.norm.weight):
                nn.init.zeros_(parameter)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        height, width = x_NCHW.shape[2:]
        groups, lines, local = self.groups, self.lines, self.local
        lines_NCL = F.conv1d(
            torch.cat([x_NCHW.mean(3), x_NCHW.mean(2)], 2),
            _repeated(lines.weight, groups),
            _repeated(lines.bias, groups),
            groups=groups,
        )
        rows_NCH, columns_NCW = torch.sigmoid(lines_NCL).split([height, width], 2)
        crossed = x_NCHW * rows_NCH[:, :, :, None] * columns_NCW[:, :, None, :]
        u_NCHW = torch.group_norm(
            crossed,
            x_NCHW.shape[1],
            _repeated(self.norm.weight, groups),
            _repeated(self.norm.bias, groups),
            self.norm.eps,
        )
        kernels = _repeated(local.weight, groups)
        v_NCHW = F.conv2d(x_NCHW, kernels, _repeated(local.bias, groups), padding=1, groups=groups)
        u_NGcHW, v_NGcHW, x_NGcHW = (z.unflatten(1, (groups, -1)) for z in (u_NCHW, v_NCHW, x_NCHW))
        of_u_c = self.norm.bias.softmax(0)
        of_v_NGc = v_NGcHW.mean((3, 4)).softmax(2)
        logits = (v_NGcHW * of_u_c[:, None, None] + u_NGcHW * of_v_NGc[..., None, None]).sum(2)
        gate_NGHW = (self.gain * torch.sigmoid(logits)).to(x_NCHW.dtype)
        y_NCHW: Tensor = (x_NGcHW * gate_NGHW[:, :, None]).flatten(1, 2)
        return y_NCHW


def _repeated(values: Tensor | None, groups: int) -> Tensor:
    """The same for each group."""
    assert values is not None
    return values.repeat(groups, *[1] * (values.ndim - 1))
