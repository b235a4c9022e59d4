"""Gated channel transformation."""

import torch
from torch import Tensor, nn

from ._registry import register

STEADY = 1e-5  # under both roots


@register(
    "gct",
    attends="channels, against one another",
    paper="https://arxiv.org/abs/1909.11519",
    sites=("branch",),
)
class GatedChannelTransformation(nn.Module):
    """Let channels compete or help one another by their norms (Yang et al., CVPR 2020).

        s = alpha * sqrt(sum over H, W of x*x + e)          per channel, e = 1e-5
        n = s / sqrt(mean over C of s*s + e)
        y = x * (1 + tanh(gamma * n + beta))                alpha = 1, gamma = beta = 0 at the start

    The authors place one before each convolution; behind the residual branch it is as cheap as a
    channel gate can be.

    Shapes
        in   x_NCHW, any H and W of at least 1
        out  the same shape, dtype and device

    Cost
        parameters       3*C
        multiply-adds    2*C*H*W + 9*C per image

    A new one is the identity, with or without ``identity_init``: that is the authors' start.
    """

    def __init__(self, channels: int, *, identity_init: bool = False) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(channels))
        self.gamma = nn.Parameter(torch.zeros(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x_NCHW: Tensor) -> Tensor:
        length_NC = torch.linalg.vector_norm(x_NCHW, dim=(2, 3))
        strength_NC = self.alpha * (length_NC.square() + STEADY).sqrt()
        whole_N1 = (strength_NC.square().mean(1, keepdim=True) + STEADY).sqrt()
        gate_NC = 1 + torch.tanh(self.gamma * (strength_NC / whole_N1) + self.beta)
        return x_NCHW * gate_NC[:, :, None, None].to(x_NCHW.dtype)
