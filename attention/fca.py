"""Frequency channel attention."""

from math import pi

import torch
from torch import Tensor, nn

from ._registry import Choice, register

# rows and columns of the 16 best frequencies on a 7 x 7 grid, best first, as the authors found them
BEST_ROWS = (0, 0, 6, 0, 0, 1, 1, 4, 5, 1, 3, 0, 0, 0, 3, 2)
BEST_COLUMNS = (0, 1, 0, 5, 2, 0, 2, 0, 0, 6, 0, 4, 6, 3, 5, 2)


@register(
    "fca",
    attends="channels, by their frequencies",
    paper="https://arxiv.org/abs/2012.11879",
    sites=("branch",),
    reduction=Choice(4, 8, 16, 32, default=16),
    frequencies=Choice(1, 4, 8, 16, default=16),
)
class FrequencyChannelAttention(nn.Module):
    """Squeeze-and-excitation on DCT coefficients in place of means (Qin et al., ICCV 2021).

        z_c = sum over h, w of x_c(h, w) * B_u(h; H) * B_v(w; W)
        B_u(h; H) = cos(pi * u * (h + 1/2) / H) / sqrt(H), times sqrt(2) for u > 0
        y = x * sigmoid(W2 relu(W1 z)),   C -> m -> C, no biases,  m = max(1, C // r)

    The channels are cut into as many equal runs as there are ``frequencies``, and each run takes
    one (u, v): the authors' best on a 7 x 7 grid, scaled to the map's: u * H // 7, which is our
    reading where H is no multiple of 7. Uneven runs differ by one channel.

    Shapes
        in   x_NCHW, any H and W of at least 1
        out  the same shape, dtype and device

    Cost
        parameters       2*C*m
        multiply-adds    3*C*H*W + 2*C*m per image

    ``identity_init`` doubles the sigmoid and zeroes W2, so the gate starts at 1.
    """

    basis_CHW: Tensor

    def __init__(
        self,
        channels: int,
        *,
        size: tuple[int, int],
        identity_init: bool = False,
        reduction: int = 16,
        frequencies: int = 16,
    ) -> None:
        super().__init__()
        middle = max(1, channels // reduction)
        self.frequencies = frequencies
        self.squeeze = nn.Linear(channels, middle, bias=False)
        self.excite = nn.Linear(middle, channels, bias=False)
        self.register_buffer("basis_CHW", self._basis(channels, *size), persistent=False)
        self.gain = 2.0 if identity_init else 1.0
        if identity_init:
            nn.init.zeros_(self.excite.weight)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        basis_CHW, (height, width) = self.basis_CHW, x_NCHW.shape[2:]
        if basis_CHW.shape[1:] != (height, width):
            basis_CHW = self._basis(len(basis_CHW), height, width).to(basis_CHW)
        pooled_NC = (x_NCHW * basis_CHW).sum((2, 3))
        gate_NC = self.gain * torch.sigmoid(self.excite(self.squeeze(pooled_NC).relu()))
        return x_NCHW * gate_NC[:, :, None, None].to(x_NCHW.dtype)

    def _basis(self, channels: int, height: int, width: int) -> Tensor:
        """What each channel is summed with: (C, H, W)."""
        run = [channel * self.frequencies // channels for channel in range(channels)]
        rows_CH = _cosines([BEST_ROWS[i] * height // 7 for i in run], height)
        columns_CW = _cosines([BEST_COLUMNS[i] * width // 7 for i in run], width)
        return rows_CH[:, :, None] * columns_CW[:, None, :]


def _cosines(frequencies: list[int], length: int) -> Tensor:
    """An orthonormal DCT-II basis vector of ``length`` for each frequency: (len, length)."""
    u = torch.tensor(frequencies, dtype=torch.float64)[:, None]
    place = torch.arange(length, dtype=torch.float64) + 0.5
    scale = ((u > 0).to(u) + 1).sqrt() / length**0.5
    vectors: Tensor = scale * torch.cos(pi / length * u * place)
    return vectors.to(torch.get_default_dtype())
