"""AW-convolution: attention on the weights of a convolution, one kernel per image."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._registry import Choice, register


@register(
    "aw",
    attends="the weights of a convolution",
    kind="weight",
    paper="https://arxiv.org/abs/2108.08205",
    sites=("conv",),
    reduction=Choice(4, 8, 16, 32, default=16),
    share=Choice("in", "out", default="in"),
)
class AttentionWeightConv2d(nn.Conv2d):
    """Scale a convolution's kernel per image, by a gate computed from its input.

        A0 = adaptive average pool of x to the kernel's h x w          [N, C1, h, w]
        A1 = relu(BN(pw1(A0)))                                          -> max(1, C1 // r), no bias
        A2 = sigmoid(BN(pw2(A1)))                                       -> C2, no bias
        K' = K + A * K,  A = A2 for all input channels of the kernel    [N, C2, C1 / groups, h, w]
        y  = the convolution of each image with its own K'

    Our reading of the paper, which leaves the sharing open: with ``share="in"`` the gate has one
    value per output channel and tap; with ``share="out"`` one per input channel and tap, shared by
    all output channels.

    Shapes
        in   x_NCHW, any H and W that the convolution takes
        out  as of the convolution; stride, padding, dilation, groups and bias are kept

    Cost
        parameters       C1*m + m*C2 + 2*m + 2*C2 beyond the convolution's; m = max(1, C1 // r)
        multiply-adds    h*w*(C1*m + m*C2) + C1*H*W + C1*C2*h*w beyond the convolution's

    ``identity_init`` starts the gate at a constant 1/2 and takes 1/2 off it: K' starts as K.
    """

    def __init__(
        self,
        conv: nn.Conv2d,
        *,
        identity_init: bool = False,
        reduction: int = 16,
        share: str = "in",
    ) -> None:
        super().__init__(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size,  # type: ignore[arg-type]  # torch's own attribute is a plain tuple
            conv.stride,  # type: ignore[arg-type]
            conv.padding,  # type: ignore[arg-type]
            conv.dilation,  # type: ignore[arg-type]
            conv.groups,
            bias=conv.bias is not None,
            padding_mode=conv.padding_mode,
        )
        self.share = share
        middle = max(1, conv.in_channels // reduction)
        gates = conv.out_channels if share == "in" else conv.in_channels // conv.groups
        self.reduce = nn.Conv2d(conv.in_channels, middle, 1, bias=False)
        self.reduce_norm = nn.BatchNorm2d(middle)
        self.expand = nn.Conv2d(middle, gates, 1, bias=False)
        self.expand_norm = nn.BatchNorm2d(gates)
        self.to(conv.weight.device, conv.weight.dtype)
        self.weight, self.bias = conv.weight, conv.bias
        self.offset = 0.5 if identity_init else 0.0
        if identity_init:
            nn.init.zeros_(self.expand_norm.weight)

    def gate(self, x_NCHW: Tensor) -> Tensor:
        """A of each image: (N, C2, 1, h, w), or (N, 1, C1 / groups, h, w) with ``share="out"``."""
        pooled_NChw = F.adaptive_avg_pool2d(x_NCHW, (self.weight.shape[2], self.weight.shape[3]))
        hidden_Nmhw = self.reduce_norm(self.reduce(pooled_NChw)).relu()
        gate_NGhw = torch.sigmoid(self.expand_norm(self.expand(hidden_Nmhw))) - self.offset
        return gate_NGhw.unsqueeze(2 if self.share == "in" else 1)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        kernels = (self.weight * (1 + self.gate(x_NCHW))).flatten(0, 1)  # [N*C2, C1/G, h, w]
        kernels = kernels.contiguous()  # a channels_last kernel takes the grouped slow path
        padding = self.padding
        if self.padding_mode != "zeros":
            x_NCHW = F.pad(x_NCHW, self._reversed_padding_repeated_twice, self.padding_mode)
            padding = (0, 0)
        images = len(x_NCHW)
        y = F.conv2d(
            x_NCHW.contiguous().view(1, -1, *x_NCHW.shape[2:]),
            kernels,
            None,
            self.stride,
            padding,
            self.dilation,
            images * self.groups,
        )
        y_NCHW = y.view(images, self.out_channels, *y.shape[2:])
        return y_NCHW if self.bias is None else y_NCHW + self.bias[:, None, None]
