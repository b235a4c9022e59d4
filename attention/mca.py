"""Multidimensional collaborative attention."""

from math import log2

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._registry import register


@register(
    "mca",
    attends="channels, rows and columns",
    paper="https://doi.org/10.1016/j.engappai.2023.107079",
    sites=("branch",),
)
class MultidimensionalCollaborativeAttention(nn.Module):
    """Average three gates, along rows, columns and channels (Yu et al., 2023).

        for each axis, m and s being mean and standard deviation over the other two:
            z = (m + s) / 2 + sigmoid(w1) * m + sigmoid(w2) * s
            g = sigmoid(conv_k(z))                           zero padding, no bias
        k = 3 along H and W; along C: round((log2 C - 1) / 1.5), one less if even, at least 1
        y = x * (g_H + g_W + g_C) / 3

    The standard deviation is the unbiased one. The authors take its root as it is; 1e-5 under the
    root gives maps that do not vary a gradient, too.

    Shapes
        in   x_NCHW, any H and W of at least 1
        out  the same shape, dtype and device

    Cost
        parameters       12 + k
        multiply-adds    12*C*H*W per image, about

    ``identity_init`` doubles the sigmoids and zeroes the convolutions, so all gates start at 1.
    """

    def __init__(self, channels: int, *, identity_init: bool = False) -> None:
        super().__init__()
        kernel = round(abs(log2(channels) - 1) / 1.5)
        kernel = max(1, kernel if kernel % 2 else kernel - 1)
        self.along_h = _LineGate(3, identity_init)
        self.along_w = _LineGate(3, identity_init)
        self.along_c = _LineGate(kernel, identity_init)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        gate_NH = self.along_h(x_NCHW, (1, 3))
        gate_NW = self.along_w(x_NCHW, (1, 2))
        gate_NC = self.along_c(x_NCHW, (2, 3))
        plane_N1HW: Tensor = gate_NH[:, None, :, None] + gate_NW[:, None, None, :]
        gate_NCHW: Tensor = (plane_N1HW + gate_NC[:, :, None, None]) / 3
        return x_NCHW * gate_NCHW.to(x_NCHW.dtype)


class _LineGate(nn.Module):
    """The gate along one axis, from what the others were pooled to."""

    def __init__(self, kernel: int, identity_init: bool) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.rand(2))
        self.conv = nn.Conv1d(1, 1, kernel, bias=False)
        self.gain = 2.0 if identity_init else 1.0
        if identity_init:
            nn.init.zeros_(self.conv.weight)

    def forward(self, x_NCHW: Tensor, over: tuple[int, int]) -> Tensor:
        many = int(x_NCHW.shape[over[0]] * x_NCHW.shape[over[1]] > 1)
        variance_NL, mean_NL = torch.var_mean(x_NCHW, over, correction=many)
        share = 0.5 + torch.sigmoid(self.share)
        pooled_NL = share[0] * mean_NL + share[1] * (variance_NL + 1e-5).sqrt()
        reach = self.conv.kernel_size[0] // 2
        logits_N1L = self.conv(F.pad(pooled_NL, (reach, reach))[:, None])
        return self.gain * torch.sigmoid(logits_N1L).squeeze(1)
