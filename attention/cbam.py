"""Convolutional block attention."""

import torch
from torch import Tensor, nn

from ._registry import Choice, register


@register(
    "cbam",
    attends="channels, then positions",
    paper="https://arxiv.org/abs/1807.06521",
    sites=("branch",),
    reduction=Choice(4, 8, 16, 32, default=16),
    kernel=Choice(3, 7, default=7),
)
class ConvolutionalBlockAttention(nn.Module):
    """Gate each channel, then each position (Woo et al., ECCV 2018).

        x1 = x * sigmoid(mlp(mean over H, W) + mlp(max over H, W)),   mlp: C -> m -> C, ReLU, biases
        y  = x1 * sigmoid(BN(conv_k([max over C, mean over C])))       m = max(1, C // r), k = 7

    Shapes
        in   x_NCHW, any H and W of at least 1
        out  the same shape, dtype and device

    Cost
        parameters       2*C*m + m + C + 2*k*k + 2
        multiply-adds    4*C*m + (6*C + 2*k*k)*H*W per image

    ``identity_init`` doubles both sigmoids and zeroes what feeds them, so both gates start at 1.
    """

    def __init__(
        self, channels: int, *, identity_init: bool = False, reduction: int = 16, kernel: int = 7
    ) -> None:
        super().__init__()
        middle = max(1, channels // reduction)
        self.squeeze = nn.Linear(channels, middle)
        self.excite = nn.Linear(middle, channels)
        self.conv = nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(1)
        self.gain = 2.0 if identity_init else 1.0
        if identity_init:
            for weights in (self.excite.weight, self.excite.bias, self.norm.weight):
                nn.init.zeros_(weights)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        logits_NC = self._mlp(x_NCHW.mean((2, 3))) + self._mlp(x_NCHW.amax((2, 3)))
        x_NCHW = x_NCHW * (self.gain * torch.sigmoid(logits_NC))[:, :, None, None]
        pooled_N2HW = torch.cat([x_NCHW.amax(1, keepdim=True), x_NCHW.mean(1, keepdim=True)], 1)
        gate_N1HW = self.gain * torch.sigmoid(self.norm(self.conv(pooled_N2HW)))
        return x_NCHW * gate_N1HW

    def _mlp(self, pooled_NC: Tensor) -> Tensor:
        logits: Tensor = self.excite(self.squeeze(pooled_NC).relu())
        return logits
