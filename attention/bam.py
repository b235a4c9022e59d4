"""Bottleneck attention."""

import torch
from torch import Tensor, nn

from ._registry import Choice, register


@register(
    "bam",
    attends="channels times positions",
    paper="https://arxiv.org/abs/1807.06514",
    sites=("stage",),
    stages=(1, 2, 3),
    reduction=Choice(4, 8, 16, 32, default=16),
)
class BottleneckAttention(nn.Module):
    """Strengthen channels and positions together, between stages (Park et al., BMVC 2018).

        y  = x * (1 + sigmoid(Mc * Ms)),   m = max(1, C // r)
        Mc = W2 relu(BN(W1 mean(x)))                          C -> m -> C, biases
        Ms = conv1x1 -> conv3x3 -> conv3x3 -> conv1x1         C -> m -> m -> m -> 1, biases;
             the 3x3 ones with dilation 4, BN and ReLU behind the first three

    The product is the released code's; the paper's text adds the two.

    Shapes
        in   x_NCHW, any H and W of at least 1; training needs a batch of at least 2 images
        out  the same shape, dtype and device

    Cost
        parameters       3*C*m + C + 18*m*m + 13*m + 1
        multiply-adds    2*C*m + (C*m + 18*m*m + m + 5*C)*H*W per image, about

    ``identity_init`` zeroes the last layer of Ms and takes the sigmoid's 1/2 off.
    """

    def __init__(self, channels: int, *, identity_init: bool = False, reduction: int = 16) -> None:
        super().__init__()
        middle = max(1, channels // reduction)
        self.channel = nn.Sequential(
            nn.Linear(channels, middle),
            nn.BatchNorm1d(middle),
            nn.ReLU(),
            nn.Linear(middle, channels),
        )
        layers: list[nn.Module] = [nn.Conv2d(channels, middle, 1)]
        for _ in range(2):
            layers += [nn.BatchNorm2d(middle), nn.ReLU()]
            layers += [nn.Conv2d(middle, middle, 3, padding=4, dilation=4)]
        last = nn.Conv2d(middle, 1, 1)
        self.spatial = nn.Sequential(*layers, nn.BatchNorm2d(middle), nn.ReLU(), last)
        self.offset = 0.5 if identity_init else 0.0
        if identity_init:
            assert last.bias is not None
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        channel_NC11 = self.channel(x_NCHW.mean((2, 3)))[:, :, None, None]
        gate_NCHW = torch.sigmoid(channel_NC11 * self.spatial(x_NCHW))
        return x_NCHW * (gate_NCHW + (1 - self.offset))
