"""Coordinate attention."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._registry import Choice, register


@register(
    "coord",
    attends="rows and columns of each channel",
    paper="https://arxiv.org/abs/2103.02907",
    sites=("branch",),
    reduction=Choice(8, 16, 32, default=32),
)
class CoordinateAttention(nn.Module):
    """Gate each channel by its rows and by its columns (Hou et al., CVPR 2021).

        z   = hswish(BN(W1 [mean over W ; mean over H]))     C -> m on H + W positions, bias
        z_h, z_w = the first H and the last W positions of z
        y   = x * sigmoid(W_h z_h) * sigmoid(W_w z_w)        m -> C, biases;  m = max(8, C // r)

    Shapes
        in   x_NCHW, any H and W of at least 1
        out  the same shape, dtype and device

    Cost
        parameters       3*C*m + 3*m + 2*C
        multiply-adds    4*C*H*W + 2*C*m*(H + W) per image, about

    ``identity_init`` doubles both sigmoids and zeroes W_h and W_w, so both gates start at 1.
    """

    def __init__(self, channels: int, *, identity_init: bool = False, reduction: int = 32) -> None:
        super().__init__()
        middle = max(8, channels // reduction)
        self.squeeze = nn.Conv1d(channels, middle, 1)
        self.norm = nn.BatchNorm1d(middle)
        self.rows = nn.Conv1d(middle, channels, 1)
        self.columns = nn.Conv1d(middle, channels, 1)
        self.gain = 2.0 if identity_init else 1.0
        if identity_init:
            for layer in (self.rows, self.columns):
                assert layer.bias is not None
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        height, width = x_NCHW.shape[2:]
        both_NCL = torch.cat([x_NCHW.mean(3), x_NCHW.mean(2)], 2)
        hidden_NmL = F.hardswish(self.norm(self.squeeze(both_NCL)))
        rows_NmH, columns_NmW = hidden_NmL.split([height, width], 2)
        rows_NCH = self.gain * torch.sigmoid(self.rows(rows_NmH))
        columns_NCW = self.gain * torch.sigmoid(self.columns(columns_NmW))
        return x_NCHW * rows_NCH[:, :, :, None] * columns_NCW[:, :, None, :]
