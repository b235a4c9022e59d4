"""STEAM: channels on a ring and positions on a grid, by a graph transformer of 4d parameters."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._registry import Choice, register


@register(
    "steam",
    attends="channels on a ring, positions on a grid",
    paper="https://arxiv.org/abs/2412.09023",
    sites=("stem", "stage"),
    heads=Choice(1, 2, 4, 8, default=4),
    reach=Choice(1, 2, 4, default=1),
    grid=Choice(4, 7, default=7),
)
class SqueezeTransformAttention(nn.Module):
    """Gate channels on a ring, then positions on a grid, by multi-head graph attention (2024).

        GT(v), per node i and head h, over the neighbours j of i (no self-loop, no bias):
            q, k, v' = v Wq, v Wk, v Wv       each 1 x d, d = 8, split into heads of d_h = d / heads
            y_i = concat_h(sum_j softmax_j(q_i . k_j / sqrt(d_h)) v'_j) Wo           d x 1
        c  = mean of x over H, W;         x1 = x  * sigmoid(GT(c)),  on a ring, both ways to reach
        z  = mean of x1 over C, average-pooled to grid x grid;
                                          y  = x1 * nearest-upsampled sigmoid(GT(z)),  4 neighbours

    Our reading of the paper: node features are scalars, since 8d parameters per unit leave no
    other. Then q_i . k_j is v_i v_j (Wq . Wk), and the heads' values meet Wo as v_j (Wv . Wo): so
    each head needs two numbers, and neighbours come by rolling and slicing, without a gather.

    Shapes
        in   x_NCHW, any C, H and W of at least 1
        out  the same shape, dtype and device

    Cost
        parameters       8d = 64 at any width
        multiply-adds    4*C*H*W + 14*heads*(reach*C + 2*grid*grid) per image, about

    ``identity_init`` doubles both sigmoids and zeroes Wo, so both gates start at 1.
    """

    def __init__(
        self,
        channels: int,
        *,
        identity_init: bool = False,
        heads: int = 4,
        reach: int = 1,
        grid: int = 7,
    ) -> None:
        super().__init__()
        self.channel = _GraphAttention(heads)
        self.spatial = _GraphAttention(heads)
        self.reach, self.grid = reach, grid
        self.gain = 2.0 if identity_init else 1.0
        if identity_init:
            nn.init.zeros_(self.channel.out)
            nn.init.zeros_(self.spatial.out)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        pooled_NC = x_NCHW.mean((2, 3))
        steps = [s for i in range(1, self.reach + 1) for s in (-i, i)]
        ring_NKC = torch.stack([pooled_NC.roll(step, 1) for step in steps], 1)
        logits_NC = self.channel(pooled_NC, ring_NKC, None)
        gate_NC = (self.gain * torch.sigmoid(logits_NC)).to(x_NCHW.dtype)
        x_NCHW = x_NCHW * gate_NC[:, :, None, None]

        p = self.grid
        nodes_Npp = F.adaptive_avg_pool2d(x_NCHW.mean(1, keepdim=True), p).squeeze(1)
        neighbours_NKP = _four_neighbours(nodes_Npp)
        exists_KP = _four_neighbours(nodes_Npp.new_ones(1, p, p))[0] > 0
        logits_NP = self.spatial(nodes_Npp.flatten(1), neighbours_NKP, exists_KP)
        gate_N1pp = (self.gain * torch.sigmoid(logits_NP)).unflatten(1, (1, p, p))
        height, width = x_NCHW.shape[2:]
        gate_N1HW = F.interpolate(gate_N1pp, size=(height, width), mode="nearest")
        return x_NCHW * gate_N1HW.to(x_NCHW.dtype)


class _GraphAttention(nn.Module):
    """Multi-head attention over given neighbours, for nodes with one scalar feature."""

    def __init__(self, heads: int, width: int = 8) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Parameter(torch.empty(width).uniform_(-1, 1))  # as Linear(1, d) starts
        self.key = nn.Parameter(torch.empty(width).uniform_(-1, 1))
        self.value = nn.Parameter(torch.empty(width).uniform_(-1, 1))
        self.out = nn.Parameter(torch.empty(width).uniform_(-(width**-0.5), width**-0.5))

    def forward(self, v_Ni: Tensor, v_Nki: Tensor, exists_ki: Tensor | None) -> Tensor:
        """``v_Ni``: the nodes; ``v_Nki``: for each node its k neighbours; out: (N, i)."""
        per_head = len(self.query) // self.heads
        sharpness_h = (self.query * self.key).view(self.heads, -1).sum(1) / per_head**0.5
        value_h = (self.value * self.out).view(self.heads, -1).sum(1)
        scores_Nhki = (v_Ni[:, None] * v_Nki)[:, None] * sharpness_h[:, None, None]
        if exists_ki is not None:
            scores_Nhki = scores_Nhki.masked_fill(~exists_ki, float("-inf"))
        weights_Nhki = scores_Nhki.softmax(2)
        mixed_Nhi = (weights_Nhki * v_Nki[:, None]).sum(2)
        y_Ni: Tensor = (mixed_Nhi * value_h[:, None]).sum(1)
        return y_Ni


def _four_neighbours(nodes_Npp: Tensor) -> Tensor:
    """(N, 4, p*p): each node's neighbours above, below, left and right; 0 beyond the border."""
    padded = F.pad(nodes_Npp, (1, 1, 1, 1))
    sides = [padded[:, :-2, 1:-1], padded[:, 2:, 1:-1], padded[:, 1:-1, :-2], padded[:, 1:-1, 2:]]
    return torch.stack(sides, 1).flatten(2)
