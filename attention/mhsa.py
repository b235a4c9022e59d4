"""Multi-head self-attention in place of a convolution."""

from math import gcd

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._registry import Choice, register


@register(
    "mhsa",
    kind="mixer",
    attends="all positions, from each, by content and distance",
    paper="https://arxiv.org/abs/2101.11605",
    sites=("conv",),
    stages=(-1,),
    heads=Choice(1, 2, 4, 8, default=4),
)
class MultiHeadSelfAttention(nn.Module):
    """Self-attention with relative positions, as in BoTNet (Srinivas et al., CVPR 2021).

        q, k, v = W_q x, W_k x, W_v x                      1x1, C1 -> C2 = heads * d, no bias
        s_ij    = q_i . (k_j + r_h[row j - row i] + r_w[column j - column i]) / sqrt(d)
        y       = softmax over j of s_ij, times v_j, for each head; average-pooled to the stride

    The tables r_h (2*H - 1, d) and r_w (2*W - 1, d) are shared by the heads, made for maps of
    ``size``, and interpolated for others. Where ``heads`` does not divide C2, their greatest
    common divisor is taken.

    Shapes
        in   x_NCHW, any H and W of at least 1
        out  as of the convolution: (N, C2, H / stride, W / stride), rounded up

    Cost
        parameters       3*C1*C2 + 2*d*(H + W - 1), in place of the convolution's
        multiply-adds    3*C1*C2*H*W + (2*C2 + 6*heads)*(H*W)^2 + C2*H*W*(H + W) per image, about,
                         likewise

    ``identity_init`` keeps the convolution, and adds y times a learned scale per channel that
    starts at zero.
    """

    weight: Tensor | None  # of the convolution, if it is kept
    bias: Tensor | None

    def __init__(
        self,
        conv: nn.Conv2d,
        *,
        size: tuple[int, int],
        identity_init: bool = False,
        heads: int = 4,
    ) -> None:
        super().__init__()
        inputs, outputs = conv.in_channels, conv.out_channels
        self.heads = gcd(heads, outputs)
        depth = outputs // self.heads
        self.project = nn.Conv2d(inputs, 3 * outputs, 1, bias=False)
        self.rows = nn.Parameter(torch.empty(2 * size[0] - 1, depth).normal_(std=depth**-0.5))
        self.columns = nn.Parameter(torch.empty(2 * size[1] - 1, depth).normal_(std=depth**-0.5))
        self.scale = nn.Parameter(torch.zeros(outputs, 1, 1)) if identity_init else None
        self.to(conv.weight.device, conv.weight.dtype)
        self.stride, self.conv_groups = (conv.stride[0], conv.stride[1]), conv.groups
        self.padding = (conv.kernel_size[0] // 2, conv.kernel_size[1] // 2)
        self.weight = conv.weight if identity_init else None
        self.bias = conv.bias if identity_init else None

    @staticmethod
    def takes(conv: nn.Conv2d) -> str | None:
        """What it can replace, if that is not ``conv``."""
        sides = [(k - 1) // 2 for k in conv.kernel_size]
        same = conv.padding == "same" or list(conv.padding) == sides
        odd = all(k % 2 for k in conv.kernel_size) and conv.dilation == (1, 1)
        fits = odd and same and conv.padding_mode == "zeros"
        return None if fits else "a convolution that keeps the size of the map, stride aside"

    def attended(self, x_NCHW: Tensor) -> Tensor:
        """The share of its attention that each position gets, from all together: (N, H, W)."""
        weights_NhLL, _ = self._found(x_NCHW)
        share_NHW: Tensor = weights_NhLL.mean((1, 2)).unflatten(1, x_NCHW.shape[2:])
        return share_NHW

    def _found(self, x_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        """What each position takes of each, [N, heads, H*W, H*W], and their values."""
        height, width = x_NCHW.shape[2:]
        projected = self.project(x_NCHW).unflatten(1, (3, self.heads, -1)).flatten(4)
        q, k, v = projected.transpose(3, 4).unbind(1)  # [N, heads, H*W, d]
        q = q * q.shape[3] ** -0.5
        q_NhHWd = q.unflatten(2, (height, width))
        rows_HHd = _by_distance(self.rows, height)  # query's row, key's row
        columns_WWd = _by_distance(self.columns, width)
        near_NhHWH = torch.einsum("nhijd,iud->nhiju", q_NhHWd, rows_HHd)
        near_NhHWW = torch.einsum("nhijd,jvd->nhijv", q_NhHWd, columns_WWd)
        alike_NhLHW = (q @ k.transpose(2, 3)).unflatten(3, (height, width))
        logits = alike_NhLHW.unflatten(2, (height, width)) + near_NhHWH[..., None]
        logits_NhLHW = (logits + near_NhHWW[..., None, :]).flatten(2, 3)
        return logits_NhLHW.flatten(3).softmax(3).to(v.dtype), v

    def forward(self, x_NCHW: Tensor) -> Tensor:
        height, width = x_NCHW.shape[2:]
        weights_NhLL, v = self._found(x_NCHW)
        found_NLC = (weights_NhLL @ v).transpose(1, 2).flatten(2)
        y_NCHW: Tensor = found_NLC.transpose(1, 2).unflatten(2, (height, width))
        if not x_NCHW.is_contiguous(memory_format=torch.channels_last):
            y_NCHW = y_NCHW.contiguous()
        if self.stride != (1, 1):
            y_NCHW = F.avg_pool2d(y_NCHW, self.stride, ceil_mode=True)
        if self.scale is None or self.weight is None:
            return y_NCHW
        kept = F.conv2d(
            x_NCHW, self.weight, self.bias, self.stride, self.padding, 1, self.conv_groups
        )
        return kept + self.scale.to(y_NCHW.dtype) * y_NCHW


def _by_distance(table_Dd: Tensor, length: int) -> Tensor:
    """The row of the table for each pair of places: (length, length, d)."""
    if len(table_Dd) != 2 * length - 1:
        resized = F.interpolate(
            table_Dd.T[None], size=2 * length - 1, mode="linear", align_corners=True
        )
        table_Dd = resized[0].T
    place = torch.arange(length, device=table_Dd.device)
    rows: Tensor = table_Dd[place - place[:, None] + length - 1]
    return rows
