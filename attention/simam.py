"""SimAM, attention without parameters."""

import torch
from torch import Tensor, nn

from ._registry import Choice, register


@register(
    "simam",
    attends="each position of each channel",
    paper="https://proceedings.mlr.press/v139/yang21o.html",
    sites=("branch",),
    e_lambda=Choice(1e-5, 1e-4, 1e-3, default=1e-4),
)
class SimpleAttention(nn.Module):
    """Gate each value by how far it stands out of its map (Yang et al., ICML 2021).

        d = (x - mean(x))^2,   v = sum of d / (H*W - 1)                     per channel
        y = x * sigmoid(d / (4 * (v + e_lambda)) + 0.5)

    A map of one pixel divides by 1.

    Shapes
        in   x_NCHW, any H and W of at least 1
        out  the same shape, dtype and device

    Cost
        parameters       0; 1 with ``identity_init``
        multiply-adds    8*C*H*W per image, about

    No start of its own is the identity. So ``identity_init`` adds a learned strength a that starts
    at 0: the gate is 1 + a * (sigmoid(...) - 1).
    """

    def __init__(
        self, channels: int, *, identity_init: bool = False, e_lambda: float = 1e-4
    ) -> None:
        super().__init__()
        self.e_lambda = e_lambda
        self.strength = nn.Parameter(torch.zeros(())) if identity_init else None

    def forward(self, x_NCHW: Tensor) -> Tensor:
        others = max(1, x_NCHW.shape[2] * x_NCHW.shape[3] - 1)
        away_NCHW = (x_NCHW - x_NCHW.mean((2, 3), keepdim=True)).square()
        variance_NC11 = away_NCHW.sum((2, 3), keepdim=True) / others
        gate_NCHW = torch.sigmoid(away_NCHW / (4 * (variance_NC11 + self.e_lambda)) + 0.5)
        if self.strength is not None:
            gate_NCHW = 1 + self.strength * (gate_NCHW - 1)
        return x_NCHW * gate_NCHW.to(x_NCHW.dtype)
