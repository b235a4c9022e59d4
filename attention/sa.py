"""Shuffle attention."""

from math import gcd

import torch
from torch import Tensor, nn

from ._registry import Choice, register


@register(
    "sa",
    attends="half the channels, positions in the other half",
    paper="https://arxiv.org/abs/2102.00240",
    sites=("branch",),
    groups=Choice(8, 16, 32, 64, default=64),
)
class ShuffleAttention(nn.Module):
    """Gate half of each group by channel, half by position, then shuffle (Zhang & Yang, 2021).

        each of G groups has two halves of c = C / (2*G) channels; all groups share these weights:
            first half    x * sigmoid(w1 * mean(x) + b1)                        w1, b1: c
            second half   x * sigmoid(w2 * (a * norm(x) + d) + b2)              w2, b2, a, d: c
        norm: over the positions of each map, 1e-5 added to the variance
        y  = the channels in the order 0, C/2, 1, C/2 + 1, ...

    Where 2 * ``groups`` does not divide the channels, as many groups are taken as do.

    Shapes
        in   x_NCHW, an even C, any H and W of at least 1
        out  the same shape, dtype and device

    Cost
        parameters       6*c = 3*C/G
        multiply-adds    9*C*H*W per image, about

    With ``identity_init`` the gates start at 1, and the shuffle, which no weight could undo, is
    left out.
    """

    def __init__(self, channels: int, *, identity_init: bool = False, groups: int = 64) -> None:
        super().__init__()
        self.groups = gcd(groups, channels // 2)
        half, start = channels // (2 * self.groups), 0.0 if identity_init else 1.0
        self.channel_weight = nn.Parameter(torch.zeros(half))
        self.channel_bias = nn.Parameter(torch.full((half,), start))
        self.spatial_weight = nn.Parameter(torch.zeros(half))
        self.spatial_bias = nn.Parameter(torch.full((half,), start))
        self.norm_weight = nn.Parameter(torch.ones(half))
        self.norm_bias = nn.Parameter(torch.zeros(half))
        self.gain = 2.0 if identity_init else 1.0
        self.shuffles = not identity_init

    @staticmethod
    def requires(channels: int, size: tuple[int, int]) -> str | None:
        """What is missing on such maps."""
        return "an even number of channels" if channels % 2 else None

    def forward(self, x_NCHW: Tensor) -> Tensor:
        slope_NC11, start_NC11 = self._lines(x_NCHW)
        gate_NCHW = self.gain * torch.sigmoid(slope_NC11 * x_NCHW + start_NC11)
        y_NCHW = x_NCHW * gate_NCHW.to(x_NCHW.dtype)
        return _shuffled(y_NCHW) if self.shuffles else y_NCHW

    def _lines(self, x_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        """The argument of each channel's sigmoid is slope * x + start; slope is 0 in first halves.

        For w2 * (a * (x - mean) / std + d) + b2 is a line, too. So one pass over x does for all.
        """
        variance_NC, mean_NC = torch.var_mean(x_NCHW, (2, 3), correction=0)
        std_NGc = (self._halves(variance_NC)[1] + 1e-5).sqrt()
        mean1_NGc, mean2_NGc = self._halves(mean_NC)
        start1_NGc = self.channel_weight * mean1_NGc + self.channel_bias
        slope2_NGc = self.spatial_weight * self.norm_weight / std_NGc
        start2_NGc = self.spatial_weight * self.norm_bias + self.spatial_bias
        start2_NGc = start2_NGc - slope2_NGc * mean2_NGc
        slope_NG2c = torch.stack([torch.zeros_like(slope2_NGc), slope2_NGc], 2)
        start_NG2c = torch.stack([start1_NGc, start2_NGc], 2)
        return slope_NG2c.flatten(1)[:, :, None, None], start_NG2c.flatten(1)[:, :, None, None]

    def _halves(self, values_NC: Tensor) -> tuple[Tensor, Tensor]:
        first_NGc, second_NGc = values_NC.unflatten(1, (self.groups, 2, -1)).unbind(2)
        return first_NGc, second_NGc


def _shuffled(x_NCHW: Tensor) -> Tensor:
    """The first and the second half of the channels in turns, in the memory format of ``x``."""
    if x_NCHW.is_contiguous(memory_format=torch.channels_last) and not x_NCHW.is_contiguous():
        x_NHWC = x_NCHW.permute(0, 2, 3, 1)
        turns_NHWC: Tensor = x_NHWC.unflatten(3, (2, -1)).transpose(3, 4).flatten(3, 4)
        return turns_NHWC.permute(0, 3, 1, 2)
    turns_NCHW: Tensor = x_NCHW.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)
    return turns_NCHW
