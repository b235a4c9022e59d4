"""Non-local block."""

from torch import Tensor, nn
from torch.nn import functional as F

from ._registry import Choice, register


@register(
    "nonlocal",
    attends="all positions, from each",
    paper="https://arxiv.org/abs/1711.07971",
    sites=("block",),
    stages=(2, 3),
    reduction=Choice(2, 4, 8, default=2),
)
class NonLocal(nn.Module):
    """Add to each position what it finds at all others (Wang et al., CVPR 2018).

        a = softmax over j of theta(x)_i . phi(x)_j          1x1 convolutions C -> m, biases
        y = x + BN(W sum over j of a_ij g(x)_j)              m -> C, bias;  m = max(1, C // r)

    The embedded Gaussian form, without subsampling.

    Shapes
        in   x_NCHW, any H and W of at least 1
        out  the same shape, dtype and device

    Cost
        parameters       4*C*m + 3*m + 3*C, which is 2,101,760 for C = 1024 and r = 2
        multiply-adds    4*C*m*H*W + (2*m + 3)*(H*W)^2 per image, about

    The scale of BN starts at zero, so a new one is the identity with or without ``identity_init``.
    """

    def __init__(self, channels: int, *, identity_init: bool = False, reduction: int = 2) -> None:
        super().__init__()
        middle = max(1, channels // reduction)
        self.theta = nn.Conv2d(channels, middle, 1)
        self.phi = nn.Conv2d(channels, middle, 1)
        self.g = nn.Conv2d(channels, middle, 1)
        self.out = nn.Conv2d(middle, channels, 1)
        self.norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.norm.weight)

    def attended(self, x_NCHW: Tensor) -> Tensor:
        """The share of its attention that each position gets, from all together: (N, H, W)."""
        theta_NmL, phi_NmL = self.theta(x_NCHW).flatten(2), self.phi(x_NCHW).flatten(2)
        share_NL = (theta_NmL.mT @ phi_NmL).softmax(2).mean(1)
        share_NHW: Tensor = share_NL.unflatten(1, x_NCHW.shape[2:])
        return share_NHW

    def forward(self, x_NCHW: Tensor) -> Tensor:
        height, width = x_NCHW.shape[2:]
        theta, phi, g = (
            layer(x_NCHW).flatten(2).transpose(1, 2)[:, None]  # [N, 1, H*W, m]
            for layer in (self.theta, self.phi, self.g)
        )
        found_N1Lm = F.scaled_dot_product_attention(theta, phi, g, scale=1.0)
        found_NmHW = found_N1Lm[:, 0].transpose(1, 2).unflatten(2, (height, width))
        added: Tensor = self.norm(self.out(found_NmHW))
        return x_NCHW + added.to(x_NCHW.dtype)
