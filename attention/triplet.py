"""Triplet attention."""

import torch
from torch import Tensor, nn

from ._registry import Choice, register


@register(
    "triplet",
    attends="pairs of channel, row and column",
    paper="https://arxiv.org/abs/2010.03045",
    sites=("branch",),
    kernel=Choice(3, 5, 7, default=7),
)
class TripletAttention(nn.Module):
    """Average three gates, each over two of the three axes (Misra et al., WACV 2021).

        gate(C, W) = sigmoid(BN(conv_k([max over H, mean over H])))     2 -> 1, no bias
        gate(H, C), gate(H, W) likewise, pooled over W and over C
        y = x * (gate(C, W) + gate(H, C) + gate(H, W)) / 3

    The released code turns the whole map for two of them; pooling along the axis gives the same
    without a copy.

    Shapes
        in   x_NCHW, any H and W of at least 1
        out  the same shape, dtype and device

    Cost
        parameters       6*k*k + 6, which is 300 for k = 7
        multiply-adds    9*C*H*W + (2*k*k + 7)*(C*W + C*H + H*W) per image, about

    ``identity_init`` doubles the sigmoids and zeroes the scales of BN, so all gates start at 1.
    """

    def __init__(self, channels: int, *, identity_init: bool = False, kernel: int = 7) -> None:
        super().__init__()
        self.over_h = _PairGate(kernel, identity_init)
        self.over_w = _PairGate(kernel, identity_init)
        self.over_c = _PairGate(kernel, identity_init)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        over_h_NC1W = self.over_h(x_NCHW.amax(2), x_NCHW.mean(2))[:, :, None]
        turned_NHC = (x_NCHW.amax(3).transpose(1, 2), x_NCHW.mean(3).transpose(1, 2))
        over_w_NCH1 = self.over_w(*turned_NHC).transpose(1, 2)[:, :, :, None]
        over_c_N1HW = self.over_c(x_NCHW.amax(1), x_NCHW.mean(1))[:, None]
        gate_NCHW: Tensor = (over_h_NC1W + over_w_NCH1 + over_c_N1HW) / 3
        return x_NCHW * gate_NCHW


class _PairGate(nn.Module):
    """The gate over two axes, from what the third was pooled to."""

    def __init__(self, kernel: int, identity_init: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(1)
        self.gain = 2.0 if identity_init else 1.0
        if identity_init:
            nn.init.zeros_(self.norm.weight)

    def forward(self, largest_Nij: Tensor, mean_Nij: Tensor) -> Tensor:
        logits_N1ij = self.norm(self.conv(torch.stack([largest_Nij, mean_Nij], 1)))
        return self.gain * torch.sigmoid(logits_N1ij).squeeze(1)
