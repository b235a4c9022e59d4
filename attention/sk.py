"""Selective kernel."""

from math import gcd

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._registry import Choice, register


@register(
    "sk",
    kind="mixer",
    attends="channels, at two scales",
    paper="https://arxiv.org/abs/1903.06586",
    sites=("conv",),
    groups=Choice(1, 8, 32, default=32),
    reduction=Choice(8, 16, 32, default=16),
)
class SelectiveKernel(nn.Module):
    """Choose per channel between a 3x3 convolution and a wider one (Li et al., CVPR 2019).

        u1 = relu(BN(conv3x3(x))),  u2 = relu(BN(conv3x3 of dilation 2 (x)))   G groups, no bias
        z  = relu(BN(W mean(u1 + u2)))                          C2 -> d = max(C2 // r, 32), no bias
        a1, a2 = softmax over the two of (A1 z, A2 z)           d -> C2 each, no bias
        y  = a1 * u1 + a2 * u2

    It stands where a 3x3 convolution stood, with weights of its own, and keeps its stride. Where
    ``groups`` does not divide the channels, their greatest common divisor is taken.

    Shapes
        in   x_NCHW, any H and W of at least 1; training needs a batch of at least 2 images
        out  as of the convolution: (N, C2, H / stride, W / stride), rounded up

    Cost
        parameters       18*C1*C2/G + 4*C2 + 3*C2*d + 2*d, in place of the convolution's
        multiply-adds    (18*C1/G + 11)*C2*H'*W' + 3*C2*d per image, about, likewise

    ``identity_init`` keeps the convolution, and adds y times a learned scale per channel that
    starts at zero.
    """

    weight: Tensor | None  # of the convolution, if it is kept
    bias: Tensor | None

    def __init__(
        self,
        conv: nn.Conv2d,
        *,
        identity_init: bool = False,
        groups: int = 32,
        reduction: int = 16,
    ) -> None:
        super().__init__()
        inputs, outputs = conv.in_channels, conv.out_channels
        groups = gcd(groups, inputs, outputs)
        stride = (conv.stride[0], conv.stride[1])
        middle = max(outputs // reduction, 32)
        self.convs = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3, stride, d, d, groups, bias=False) for d in (1, 2)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(outputs) for _ in range(2))
        self.squeeze = nn.Linear(outputs, middle, bias=False)
        self.squeeze_norm = nn.BatchNorm1d(middle)
        self.select = nn.Linear(middle, 2 * outputs, bias=False)
        self.scale = nn.Parameter(torch.zeros(outputs, 1, 1)) if identity_init else None
        self.to(conv.weight.device, conv.weight.dtype)
        self.stride, self.conv_groups = stride, conv.groups
        self.weight = conv.weight if identity_init else None
        self.bias = conv.bias if identity_init else None

    @staticmethod
    def takes(conv: nn.Conv2d) -> str | None:
        """What it can replace, if that is not ``conv``."""
        same = conv.padding in ("same", (1, 1)) and conv.padding_mode == "zeros"
        fits = conv.kernel_size == (3, 3) and conv.dilation == (1, 1) and same
        return None if fits else "a 3x3 convolution with a padding of 1 and no dilation"

    def forward(self, x_NCHW: Tensor) -> Tensor:
        u1, u2 = (
            norm(conv(x_NCHW)).relu() for conv, norm in zip(self.convs, self.norms, strict=True)
        )
        hidden_Nd = self.squeeze_norm(self.squeeze((u1 + u2).mean((2, 3)))).relu()
        share_N2C = self.select(hidden_Nd).unflatten(1, (2, -1)).softmax(1).to(u1.dtype)
        a1, a2 = share_N2C[:, :, :, None, None].unbind(1)
        y_NCHW: Tensor = a1 * u1 + a2 * u2
        if self.scale is None or self.weight is None:
            return y_NCHW
        kept = F.conv2d(x_NCHW, self.weight, self.bias, self.stride, 1, 1, self.conv_groups)
        return kept + self.scale.to(y_NCHW.dtype) * y_NCHW
