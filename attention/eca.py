"""Efficient channel attention, along a line of channels and around a ring of them."""

from math import log2

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._registry import Choice, register


@register(
    "eca",
    attends="channels",
    paper="https://arxiv.org/abs/1910.03151",
    sites=("branch",),
    kernel=Choice("auto", 3, 5, 7, 9, default="auto"),
)
class EfficientChannelAttention(nn.Module):
    """Gate each channel by a 1-D convolution over the pooled channels (Wang et al., CVPR 2020).

        y = x * sigmoid(conv_k(mean(x))),   zero padding, no bias
        k = "auto":  t = int((log2 C + 1) / 2), the next odd number, at least 3

    Shapes
        in   x_NCHW, any H and W of at least 1
        out  the same shape, dtype and device

    Cost
        parameters       k: by the formula 5 for C = 256 to 1024, 7 for C = 2048
        multiply-adds    k*C + 2*C*H*W per image

    The authors' released ResNet-50 uses 3, 5, 5, 7 in its stages, not the formula's 5, 5, 5, 7.
    ``identity_init`` doubles the sigmoid and zeroes the kernel, so the gate starts at 1.
    """

    def __init__(
        self, channels: int, *, identity_init: bool = False, kernel: int | str = "auto"
    ) -> None:
        super().__init__()
        if isinstance(kernel, str):
            kernel = max(3, int((log2(channels) + 1) / 2) | 1)
        self.reach = kernel // 2
        self.mix = nn.Conv1d(1, 1, kernel, padding=self.reach, bias=False)
        self.gain = 2.0 if identity_init else 1.0
        if identity_init:
            nn.init.zeros_(self.mix.weight)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        pooled_NC = x_NCHW.mean((2, 3))
        gate_NC = self.gain * torch.sigmoid(self._mixed(pooled_NC[:, None]).squeeze(1))
        return x_NCHW * gate_NC[:, :, None, None]

    def _mixed(self, pooled_N1C: Tensor) -> Tensor:
        mixed_N1C: Tensor = self.mix(pooled_N1C)
        return mixed_N1C


@register(
    "ceca",
    attends="channels on a ring",
    paper="https://arxiv.org/abs/1910.03151",
    sites=("branch",),
    kernel=Choice("auto", 3, 5, 7, 9, default="auto"),
)
class CircularEfficientChannelAttention(EfficientChannelAttention):
    """ECA whose channels stand on a ring: the natural control for STEAM's.

        y = x * sigmoid(conv_k(mean(x))),   circular padding, no bias
        k = "auto":  t = int((log2 C + 1) / 2), the next odd number, at least 3

    Shapes
        in   x_NCHW, any H and W of at least 1
        out  the same shape, dtype and device

    Cost
        parameters       k
        multiply-adds    k*C + 2*C*H*W per image

    ``identity_init`` doubles the sigmoid and zeroes the kernel, so the gate starts at 1.
    """

    def _mixed(self, pooled_N1C: Tensor) -> Tensor:
        channels = pooled_N1C.shape[2]
        rounds = -(-self.reach // channels)  # more than one where the ring is short
        ring = torch.cat([pooled_N1C] * (2 * rounds + 1), 2)
        before = rounds * channels - self.reach
        return F.conv1d(ring[:, :, before : before + channels + 2 * self.reach], self.mix.weight)
