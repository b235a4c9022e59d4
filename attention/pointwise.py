"""Position-wise attention, the control of the rectangle."""

import torch
from torch import Tensor, nn

from ._registry import register


@register(
    "pointwise", attends="positions", paper="https://arxiv.org/abs/2503.10875", sites=("branch",)
)
class PointwiseAttention(nn.Module):
    """Gate each position by a 1x1 convolution: the control in the CRAM paper's comparison.

        y = x * sigmoid(conv1x1(x)),   C -> 1, with bias

    Shapes
        in   x_NCHW, any H and W of at least 1
        out  the same shape, dtype and device

    Cost
        parameters       C + 1
        multiply-adds    2*C*H*W per image

    ``identity_init`` doubles the sigmoid and zeroes the convolution, so the gate starts at 1.
    """

    def __init__(self, channels: int, *, identity_init: bool = False) -> None:
        super().__init__()
        self.score = nn.Conv2d(channels, 1, 1)
        self.gain = 2.0 if identity_init else 1.0
        if identity_init:
            nn.init.zeros_(self.score.weight)
            assert self.score.bias is not None
            nn.init.zeros_(self.score.bias)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        return x_NCHW * (self.gain * torch.sigmoid(self.score(x_NCHW)))
