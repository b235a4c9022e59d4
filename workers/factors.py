"""What a module does at each position of its maps, told from what goes in and what comes out."""

import torch
from torch import Tensor

__all__ = ["FLAT", "factors", "is_flat", "lengths", "same_everywhere"]

FLAT = 1e-3  # what differs by a smaller share is the same
STEPS = 50  # of a fit, at most


def factors(x_NCHW: Tensor, y_NCHW: Tensor) -> tuple[Tensor, Tensor, float]:
    """Of y[c, p] ~ a[c] s[p] x[c, p]: a (N, C), s (N, H, W), and the share of y that is not so.

    Every channel and every position of a s x has the energy that it has in y, by proportional
    fitting: so what is of that form is found exactly, whatever x is, and s does not see attention
    to channels. The scale is in s; it is NaN where x is zero in every channel.
    """
    x_NCP, y_NCP = (t.double().flatten(2) for t in (x_NCHW, y_NCHW))
    before_NCP, behind_NCP = x_NCP.square(), y_NCP.square()
    a_NC1, s_N1P = torch.ones_like(before_NCP[:, :, :1]), torch.ones_like(before_NCP[:, :1])
    for _ in range(STEPS):
        last = s_N1P
        a_NC1 = _over(behind_NCP.sum(2, keepdim=True), before_NCP @ s_N1P.mT)
        s_N1P = _over(behind_NCP.sum(1, keepdim=True), a_NC1.mT @ before_NCP)
        if (s_N1P - last).abs().max() <= 1e-6 * s_N1P.max():
            break
    plain_N11 = (before_NCP @ s_N1P.mT).sum(1, keepdim=True)
    scale_N11 = _over(behind_NCP.sum((1, 2))[:, None, None], plain_N11)
    a_NC1, s_N1P = _over(a_NC1, scale_N11).sqrt(), (s_N1P * scale_N11).sqrt()
    rest = float((y_NCP - a_NC1 * s_N1P * x_NCP).square().sum() / behind_NCP.sum())
    return a_NC1[:, :, 0], _known(s_N1P.view_as(x_NCHW[:, 0]), x_NCHW), rest


def lengths(x_NCHW: Tensor, y_NCHW: Tensor) -> Tensor:
    """|y| / |x| of the channels at each position: (N, H, W), NaN where x is zero in every one."""
    before_NHW, behind_NHW = (t.double().square().sum(1) for t in (x_NCHW, y_NCHW))
    return _known(_over(behind_NHW, before_NHW).sqrt(), x_NCHW)


def same_everywhere(added_NCHW: Tensor, x_NCHW: Tensor) -> bool:
    """Whether each position gets the same added to it, but for what x leaves of float32."""
    mean_NC11 = added_NCHW.mean((2, 3), keepdim=True)
    room = FLAT * mean_NC11.abs().max() + 1e-6 * x_NCHW.abs().max()
    return bool((added_NCHW - mean_NC11).abs().max() <= room)


def is_flat(s_NHW: Tensor) -> bool:
    """Whether the known positions of each image have the same value."""
    low_N, high_N = (s_NHW.nan_to_num(nan).flatten(1) for nan in (torch.inf, -torch.inf))
    return bool((high_N.amax(1) <= (1 + FLAT) * low_N.amin(1)).all())


def _over(one: Tensor, other: Tensor) -> Tensor:
    """``one`` / ``other``, and 1 where nothing is divided."""
    return (one / other).where(other > 0, 1.0)


def _known(s_NHW: Tensor, x_NCHW: Tensor) -> Tensor:
    return s_NHW.where(x_NCHW.any(1), torch.nan)
