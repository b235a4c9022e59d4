"""A module of your own: `foveate search --plugin examples/plugin.py` searches over it, too."""

import torch
from torch import Tensor, nn

from foveate.attention import Choice, register


@register("spread", attends="channels", weights=Choice("channel", "shared", default="channel"))
class SpreadAttention(nn.Module):
    """Gate each channel by how much it varies over the map, a flat one less than a lively one.

        y = x * sigmoid(w * s + b),   s = sqrt(mean((x - mean(x))^2) + 1e-5)
        w, b: one of each for a channel, or with weights="shared" for all; they start at 1 and 0

    Shapes
        in   x_NCHW, any H and W of at least 1
        out  the same shape, dtype and device

    Cost
        parameters       2*C, or 2
        multiply-adds    5*C*H*W per image

    ``identity_init`` doubles the sigmoid and zeroes w, so the gate starts at 1.
    """

    def __init__(
        self, channels: int, *, identity_init: bool = False, weights: str = "channel"
    ) -> None:
        super().__init__()
        width = channels if weights == "channel" else 1
        self.scale = nn.Parameter(torch.full((width,), 0.0 if identity_init else 1.0))
        self.shift = nn.Parameter(torch.zeros(width))
        self.gain = 2.0 if identity_init else 1.0

    def forward(self, x_NCHW: Tensor) -> Tensor:
        centred_NCHW = x_NCHW - x_NCHW.mean((2, 3), keepdim=True)
        spread_NC = (centred_NCHW.square().mean((2, 3)) + 1e-5).sqrt()
        gate_NC = self.gain * torch.sigmoid(self.scale * spread_NC + self.shift)
        return x_NCHW * gate_NC[:, :, None, None]
