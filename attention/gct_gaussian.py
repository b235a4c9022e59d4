"""Gaussian context transformer."""

import torch
from torch import Tensor, nn

from ._registry import Choice, register


@register(
    "gct_gaussian",
    attends="channels, by their deviation from the mean",
    paper="https://openaccess.thecvf.com/content/CVPR2021/html/Ruan_Gaussian_Context_Transformer_CVPR_2021_paper.html",
    sites=("branch",),
    width=Choice("fixed", "learned", default="fixed"),
)
class GaussianContextTransformer(nn.Module):
    """Quieten the channels that stand out, by a Gaussian function (Ruan et al., CVPR 2021).

        z = (mean(x) - its mean over C) / sqrt(its variance over C + 1e-5)      per channel
        y = x * exp(-z*z / (2*c*c)),   c = 2 (width "fixed") or 1 + 3 sigmoid(theta) ("learned")

    Shapes
        in   x_NCHW, any H and W of at least 1
        out  the same shape, dtype and device

    Cost
        parameters       0 (fixed), 1 (learned); 1 more with ``identity_init``
        multiply-adds    2*C*H*W + 9*C per image, about

    No start of its own is the identity. So ``identity_init`` adds a learned strength a that starts
    at 0: the gate is 1 + a * (exp(...) - 1).
    """

    def __init__(self, channels: int, *, identity_init: bool = False, width: str = "fixed") -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(())) if width == "learned" else None
        self.strength = nn.Parameter(torch.zeros(())) if identity_init else None

    def forward(self, x_NCHW: Tensor) -> Tensor:
        pooled_NC = x_NCHW.mean((2, 3))
        away_NC = pooled_NC - pooled_NC.mean(1, keepdim=True)
        variance_N1 = away_NC.square().mean(1, keepdim=True)
        wide = 2.0 if self.theta is None else 1 + 3 * torch.sigmoid(self.theta)
        gate_NC = torch.exp(-away_NC.square() / ((variance_N1 + 1e-5) * (2 * wide * wide)))
        if self.strength is not None:
            gate_NC = 1 + self.strength * (gate_NC - 1)
        return x_NCHW * gate_NC[:, :, None, None].to(x_NCHW.dtype)
