"""Style-based recalibration."""

import torch
from torch import Tensor, nn

from ._registry import register


@register(
    "srm",
    attends="channels, by mean and deviation",
    paper="https://arxiv.org/abs/1903.10829",
    sites=("branch",),
)
class StyleRecalibration(nn.Module):
    """Gate each channel by its own mean and standard deviation (Lee et al., ICCV 2019).

        y = x * sigmoid(BN(w1 * mean(x) + w2 * std(x))),   w1, w2 per channel, 0 at the start

    The standard deviation is the unbiased one, with 1e-5 added to the variance; a 1 x 1 map has
    none.

    Shapes
        in   x_NCHW, any H and W of at least 1; training needs a batch of at least 2 images
        out  the same shape, dtype and device

    Cost
        parameters       4*C
        multiply-adds    4*C*H*W + 7*C per image, about

    ``identity_init`` doubles the sigmoid; its argument starts at 0 anyway.
    """

    def __init__(self, channels: int, *, identity_init: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, channels))
        self.norm = nn.BatchNorm1d(channels)
        self.gain = 2.0 if identity_init else 1.0

    def forward(self, x_NCHW: Tensor) -> Tensor:
        many = int(x_NCHW.shape[2] * x_NCHW.shape[3] > 1)
        variance_NC, mean_NC = torch.var_mean(x_NCHW, (2, 3), correction=many)
        std_NC = (variance_NC + 1e-5).sqrt()
        logits_NC = self.norm(self.weight[0] * mean_NC + self.weight[1] * std_NC)
        gate_NC = self.gain * torch.sigmoid(logits_NC)
        return x_NCHW * gate_NC[:, :, None, None].to(x_NCHW.dtype)
