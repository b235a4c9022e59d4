"""Global context."""

from torch import Tensor, nn

from ._registry import Choice, register


@register(
    "gc",
    attends="positions, to add one context to all",
    paper="https://arxiv.org/abs/1904.11492",
    sites=("branch",),
    stages=(2, 3, 4),
    reduction=Choice(4, 8, 16, 32, default=16),
)
class GlobalContext(nn.Module):
    """Add to every position one context that attention has pooled (Cao et al., ICCVW 2019).

        a = softmax over positions of conv1x1(x),     C -> 1, bias
        c = sum over positions of a * x
        y = x + W2 relu(LN(W1 c)),                    C -> m -> C, biases;  m = max(1, C // r)

    Shapes
        in   x_NCHW, any H and W of at least 1
        out  the same shape, dtype and device

    Cost
        parameters       2*C*m + 2*C + 3*m + 1
        multiply-adds    3*C*H*W + 2*C*m per image, about

    W2 starts at zero, so a new one is the identity with or without ``identity_init``.
    """

    def __init__(self, channels: int, *, identity_init: bool = False, reduction: int = 16) -> None:
        super().__init__()
        middle = max(1, channels // reduction)
        self.score = nn.Conv2d(channels, 1, 1)
        self.squeeze = nn.Linear(channels, middle)
        self.norm = nn.LayerNorm(middle)
        self.excite = nn.Linear(middle, channels)
        nn.init.zeros_(self.excite.weight)
        nn.init.zeros_(self.excite.bias)

    def attended(self, x_NCHW: Tensor) -> Tensor:
        """The share of its attention that each position gets: (N, H, W)."""
        score_NHW: Tensor = self.score(x_NCHW).squeeze(1)
        return score_NHW.flatten(1).softmax(1).view_as(score_NHW)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        weight_NL1 = self.score(x_NCHW).flatten(2).softmax(2).transpose(1, 2)
        context_NC = (x_NCHW.flatten(2) @ weight_NL1.to(x_NCHW.dtype)).squeeze(2)
        added_NC = self.excite(self.norm(self.squeeze(context_NC)).relu())
        y_NCHW: Tensor = x_NCHW + added_NC[:, :, None, None].to(x_NCHW.dtype)
        return y_NCHW
