"""Squeeze-and-excitation."""

import torch
from torch import Tensor, nn

from ._registry import Choice, register


@register(
    "se",
    attends="channels",
    paper="https://arxiv.org/abs/1709.01507",
    sites=("branch",),
    reduction=Choice(4, 8, 16, 32, default=16),
)
class SqueezeExcitation(nn.Module):
    """Gate each channel by a small network over all pooled channels (Hu et al., CVPR 2018).

        y = x * sigmoid(W2 relu(W1 mean(x) + b1) + b2)
        W1: C -> m,  W2: m -> C,  m = max(1, C // r)

    Shapes
        in   x_NCHW, any H and W of at least 1
        out  the same shape, dtype and device

    Cost
        parameters       2*C*m + m + C
        multiply-adds    2*C*m + 2*C*H*W per image

    ``identity_init`` doubles the sigmoid and zeroes W2, so the gate starts at 1.
    """

    def __init__(self, channels: int, *, identity_init: bool = False, reduction: int = 16) -> None:
        super().__init__()
        middle = max(1, channels // reduction)
        self.squeeze = nn.Linear(channels, middle)
        self.excite = nn.Linear(middle, channels)
        self.gain = 2.0 if identity_init else 1.0
        if identity_init:
            nn.init.zeros_(self.excite.weight)
            nn.init.zeros_(self.excite.bias)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        pooled_NC = x_NCHW.mean((2, 3))
        gate_NC = self.gain * torch.sigmoid(self.excite(self.squeeze(pooled_NC).relu()))
        return x_NCHW * gate_NC[:, :, None, None]
