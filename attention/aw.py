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

    Computed exactly in one of two ways, by the shapes: ``grouped`` or ``by_taps``.

    Our reading of the paper, which leaves the sharing open: with ``share="in"`` the gate has one
    value per output channel and tap; with ``share="out"`` one per input channel and tap, shared by
    all output channels.

    Shapes
        in   x_NCHW, any H and W that the convolution takes
        out  as of the convolution; stride, padding, dilation, groups and bias are kept

    Cost
        parameters       C1*m + m*C2 + 2*m + 2*C2 beyond the convolution's; m = max(1, C1 // r)
        multiply-adds    h*w*(C1*m + m*C2) + C1*H*W beyond the convolution's, and C1*C2*h*w for
                         its kernels or, by taps, 2*C2*h*w for each position of the output
                         (C1*h*w with ``share="out"``)

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

    def forward(self, x_NCHW: Tensor) -> Tensor:
        by_taps = self.fewer_products_than_kernels(x_NCHW.shape[2], x_NCHW.shape[3])
        return self.by_taps(x_NCHW) if by_taps else self.grouped(x_NCHW)

    def gate(self, x_NCHW: Tensor) -> Tensor:
        """A of each image: (N, C2, 1, h, w), or (N, 1, C1 / groups, h, w) with ``share="out"``."""
        pooled_NChw = F.adaptive_avg_pool2d(x_NCHW, (self.weight.shape[2], self.weight.shape[3]))
        hidden_Nmhw = self.reduce_norm(self._pointwise(self.reduce, pooled_NChw)).relu()
        expanded_NGhw = self.expand_norm(self._pointwise(self.expand, hidden_Nmhw))
        gate_NGhw = torch.sigmoid(expanded_NGhw) - self.offset
        return gate_NGhw.unsqueeze(2 if self.share == "in" else 1)

    def fewer_products_than_kernels(self, height: int, width: int) -> bool:
        """Whether ``by_taps`` is the faster way for maps of this size, by what each has to write.

        For each image and tap, ``grouped`` writes C1*C2 values, a kernel; ``by_taps`` writes
        (C1 + C2)*L, what goes in and comes out at the L positions of the output. Forward and
        backward on one CPU core, 3x3, as multiples of the time of the plain convolution:

            N   C1 = C2   H x W                C1*C2 / ((C1 + C2)*L)   grouped   by taps
            8   64        56 x 56              0.01                    1.1       2.7
            32  16        16 x 16              0.03                    1.5       4.2
            32  32        8 x 8                0.25                    2.0       3.4
            8   128       14 x 14              0.33                    1.4       2.1
            32  64        8 x 8                0.50                    2.0       2.8
            8   256       14 x 14              0.65                    1.4       1.7
            8   256       10 x 10              1.3                     1.8       1.8
            8   128       7 x 7                1.3                     2.1       2.1
            8   512       14 x 14              1.3                     1.4       1.5
            32  64        4 x 4                2.0                     4.1       3.2
            8   256       14 x 14, stride 2    2.6                     2.4       1.7
            8   512       14 x 14, stride 2    5.2                     2.1       1.5
            8   512       7 x 7                5.2                     2.4       1.7

        That is with an allocator that keeps its memory. Where the system takes it back after each
        use, the kernels' pages cost more than all else: 6.2 for 512 at 7 x 7, 2.5 at 14 x 14.
        Channels last and ``share="out"`` favour ``by_taps`` a little. Measured on CPUs only, and
        for one group only.
        """
        C2, C1, h, w = self.weight.shape
        left, right, top, bottom = self._reversed_padding_repeated_twice
        rows = (height + top + bottom - self.dilation[0] * (h - 1) - 1) // self.stride[0] + 1
        columns = (width + left + right - self.dilation[1] * (w - 1) - 1) // self.stride[1] + 1
        return self.groups == 1 and (C1 + C2) * rows * columns < C1 * C2

    def grouped(self, x_NCHW: Tensor) -> Tensor:
        """One convolution with a group for each image, by kernels K' that are written out."""
        scale = 1 + self.gate(x_NCHW).contiguous()
        kernels = (self.weight * scale).flatten(0, 1)  # [N*C2, C1/G, h, w]
        kernels = kernels.contiguous()  # a channels_last kernel takes the grouped slow path
        padding, padded_NCHW = self.padding, x_NCHW
        if self.padding_mode != "zeros":
            padding, padded_NCHW = (0, 0), self._padded(x_NCHW)
        images = x_NCHW.shape[0]  # len() would make a constant of a size left open in an export
        y = F.conv2d(
            padded_NCHW.contiguous().view(1, -1, *padded_NCHW.shape[2:]),
            kernels,
            None,
            self.stride,
            padding,
            self.dilation,
            images * self.groups,
        )
        return self._finished(y.view(images, self.out_channels, *y.shape[2:]), x_NCHW)

    def by_taps(self, x_NCHW: Tensor) -> Tensor:
        """Products of K's taps with the shifted maps; A weighs what comes out, or what goes in.

        share="in"    y = sum over taps t of (1 + A_t) * (K_t @ x_t)
        share="out"   y = sum over taps t of K_t @ ((1 + A_t) * x_t)
        """
        scale_NtG = 1 + self.gate(x_NCHW).flatten(-2).flatten(1, 2).mT
        taps_tNHWC = self._shifted(x_NCHW)
        if self.share == "in":
            kernel_tOC = self.weight.permute(2, 3, 0, 1).flatten(0, 1).contiguous()
            products_tNLO = torch.bmm(taps_tNHWC.flatten(1, 3), kernel_tOC.mT)
            products_tNHWO = products_tNLO.unflatten(1, taps_tNHWC.shape[1:4])
            y_NHWO = (products_tNHWO * scale_NtG.transpose(0, 1)[:, :, None, None]).sum(0)
        else:
            kernel_OtC = self.weight.permute(0, 2, 3, 1).flatten(1)
            weighed_NHWtC = taps_tNHWC.movedim(0, 3) * scale_NtG[:, None, None]
            y_NHWO = F.linear(weighed_NHWtC.flatten(3), kernel_OtC)
        return self._finished(y_NHWO.movedim(3, 1), x_NCHW)

    def _shifted(self, x_NCHW: Tensor) -> Tensor:
        """What each tap of the kernel sees of the padded input, [t, N, H, W, C1]."""
        if self.padding_mode == "zeros":  # pads and reorders in one copy
            padding = (0, 0, *self._reversed_padding_repeated_twice)
            x_NHWC = F.pad(x_NCHW.movedim(1, 3), padding)
        else:
            x_NHWC = self._padded(x_NCHW).movedim(1, 3).contiguous()
        (h, w), (down, right) = self.kernel_size, self.dilation
        bottom, end = x_NHWC.shape[1] - down * (h - 1), x_NHWC.shape[2] - right * (w - 1)
        rows = [x_NHWC[:, down * i : down * i + bottom : self.stride[0]] for i in range(h)]
        return torch.stack(
            [r[:, :, right * j : right * j + end : self.stride[1]] for r in rows for j in range(w)]
        )

    def _padded(self, x_NCHW: Tensor) -> Tensor:
        return F.pad(x_NCHW, self._reversed_padding_repeated_twice, self.padding_mode)

    def _finished(self, y_NCHW: Tensor, x_NCHW: Tensor) -> Tensor:
        """With the bias, and in the memory format of the input."""
        if self.bias is not None:
            y_NCHW = y_NCHW + self.bias.to(y_NCHW.dtype)[:, None, None]
        last = self._channels_last(x_NCHW)
        return y_NCHW.contiguous(
            memory_format=torch.channels_last if last else torch.contiguous_format
        )

    def _pointwise(self, conv: nn.Conv2d, x_NChw: Tensor) -> Tensor:
        """``conv``, which is 1x1, as a matrix product: half the time on maps of a few pixels.

        Its gradient has the memory format of ``x_NChw``: the pooling would copy another one, as
        large as the map that it pooled, twice.
        """
        weight_OC = conv.weight.flatten(1)
        if self._channels_last(x_NChw):
            return F.linear(x_NChw.movedim(1, 3), weight_OC).movedim(3, 1)
        weight_NOC = weight_OC.expand(x_NChw.shape[0], -1, -1)
        y_NOhw: Tensor = torch.bmm(weight_NOC, x_NChw.flatten(2)).unflatten(2, x_NChw.shape[2:])
        return y_NOhw

    @staticmethod
    def _channels_last(x_NCHW: Tensor) -> bool:
        last = x_NCHW.is_contiguous(memory_format=torch.channels_last)
        return last and not x_NCHW.is_contiguous()
