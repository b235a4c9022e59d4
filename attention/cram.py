"""CRAM: the attended region of an image is one rectangle with five parameters."""

from math import log, pi
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._registry import Choice, register

R_MIN, R_MAX = 0.1, 1.5  # half-sizes, in half widths of the map


class Rectangle(NamedTuple):
    """Where each image is attended, in half widths of the map, from its middle, y down."""

    centre_N2: Tensor  # x, y
    half_N2: Tensor  # along the rectangle's own axes
    angle_N: Tensor  # radians from the x axis to the rectangle's first axis, in (-pi/2, pi/2)

    def in_pixels(self, image_size: tuple[int, int]) -> "Rectangle":
        """The same in pixels of the input (height, width), from its upper left corner."""
        height, width = image_size
        middle = self.centre_N2.new_tensor([width / 2, height / 2])
        half = width / 2
        return Rectangle(self.centre_N2 * half + middle, self.half_N2 * half, self.angle_N)

    def corners(self) -> Tensor:
        """(N, 4, 2): x and y of the corners, in the order of the outline."""
        cos, sin = self.angle_N.cos(), self.angle_N.sin()
        axes_N22 = torch.stack([torch.stack([cos, sin], 1), torch.stack([-sin, cos], 1)], 1)
        signs_42 = self.half_N2.new_tensor([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        return self.centre_N2[:, None] + (signs_42 * self.half_N2[:, None]) @ axes_N22

    def drawn_on(
        self, images_NCHW: Tensor, *, colour: tuple[float, ...] = (255, 64, 0), line: float = 2
    ) -> Tensor:
        """A copy of the images with the outlines on them, ``line`` pixels wide.

        The rectangles are those of ``rectangle(x)``, not yet in pixels; ``colour`` has a value
        for each channel, in the units of the images.
        """
        if len(colour) != images_NCHW.shape[1]:
            raise ValueError(f"{images_NCHW.shape[1]} channels take as many values, got {colour}")
        height, width = images_NCHW.shape[2:]
        found = Rectangle(*(values.detach().float() for values in self)).in_pixels((height, width))
        x = torch.arange(width, device=found.angle_N.device) + 0.5 - found.centre_N2[:, :1]
        y = torch.arange(height, device=found.angle_N.device) + 0.5 - found.centre_N2[:, 1:]
        cos, sin = found.angle_N.cos()[:, None, None], found.angle_N.sin()[:, None, None]
        u = (cos * x[:, None] + sin * y[:, :, None]).abs() - found.half_N2[:, 0, None, None]
        v = (cos * y[:, :, None] - sin * x[:, None]).abs() - found.half_N2[:, 1, None, None]
        on_NHW = torch.maximum(u, v).abs() <= line / 2
        paint = torch.tensor(colour, device=images_NCHW.device).to(images_NCHW.dtype)
        return torch.where(on_NHW[:, None], paint[:, None, None], images_NCHW)


@register(
    "cram",
    attends="one rectangle",
    paper="https://arxiv.org/abs/2503.10875",
    sites=("branch",),
    head=Choice("conv", "moments", default="conv"),
    mode=Choice("multiply", "residual", default="multiply"),
    sharpness=Choice(5, 10, 20, default=10),
    equivariance=Choice(0.0, 0.1, 1.0, default=0.0),
)
class RectangularAttention(nn.Module):
    """Gate positions by one differentiable rectangle per image (2025).

        mu    = tanh(t_x, t_y)                                   centre, pixel-centre coordinates
        r     = 0.1 + 1.4 sigmoid(t_w, t_h)                      half-sizes
        alpha = (pi/2) tanh(t_a)
        u     =  cos(alpha) (x - mu_x) + sin(alpha) (y - mu_y)   y scaled by H/W where H != W
        v     = -sin(alpha) (x - mu_x) + cos(alpha) (y - mu_y)
        L     = [sg(s(u + r_w)) - sg(s(u - r_w))] [sg(s(v + r_h)) - sg(s(v - r_h))],  s = sharpness
        y     = x * L  (mode "multiply")  or  x * (1 + L)  (mode "residual")

    Our reading of the paper, which leaves the head open. ``head="conv"``: t comes from 1x1 conv
    C -> 16, BN, ReLU, average pool to 4 x 4, linear -> 5, starting at a rectangle that covers the
    frame. ``head="moments"``: a softmax over one 1x1-conv map; its mean is the centre, its
    covariance gives half-sizes (a uniform box of half-size r has variance r*r/3) and angle.

    Training with ``equivariance`` > 0 leaves ``extra_loss`` on the module: the input is rotated
    (30 degrees), scaled (0.8 to 1.2) and shifted (0.2), and the rectangle has to move with it:
        |mu_g - (k R mu + t)|^2 + |r_g - k r|^2 + 1 - cos 2(alpha_g - alpha - theta)
    with the target detached and images left out whose target leaves the frame.

    Shapes
        in   x_NCHW, any H and W of at least 1
        out  the same shape, dtype and device

    Cost
        parameters       C*16 + 16 + 32 + 1285 (conv), C + 1 (moments)
        multiply-adds    about (17*C + 100)*H*W (conv), (2*C + 40)*H*W (moments) per image

    ``identity_init`` subtracts the starting rectangle: y = x * (1 + L - L0).
    """

    extra_loss: Tensor | None

    def __init__(
        self,
        channels: int,
        *,
        identity_init: bool = False,
        head: str = "conv",
        mode: str = "multiply",
        sharpness: int = 10,
        equivariance: float = 0.0,
    ) -> None:
        super().__init__()
        self.head = _PooledHead(channels) if head == "conv" else _MomentsHead(channels)
        self.residual, self.sharpness = mode == "residual", sharpness
        self.equivariance, self.identity_init = equivariance, identity_init
        self.extra_loss = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"extra_loss": None}  # a copy has no part in this one's graph

    def rectangle(self, x_NCHW: Tensor, image_size: tuple[int, int] | None = None) -> Rectangle:
        """The rectangle that is attended in each image; with ``image_size``, in its pixels."""
        found: Rectangle = self.head(x_NCHW)
        return found if image_size is None else found.in_pixels(image_size)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        self.extra_loss = None
        found = self.rectangle(x_NCHW)
        gate_NHW = self._mask(found, x_NCHW)
        if self.identity_init:
            start: Rectangle = self.head.start(x_NCHW)
            gate_NHW = 1 + gate_NHW - self._mask(start, x_NCHW)
        elif self.residual:
            gate_NHW = 1 + gate_NHW
        if self.training and self.equivariance:
            self.extra_loss = self.equivariance * self._equivariance_loss(x_NCHW, found)
        return x_NCHW * gate_NHW[:, None].to(x_NCHW.dtype)

    def _mask(self, found: Rectangle, x_NCHW: Tensor) -> Tensor:
        xs, ys = _pixel_centres(x_NCHW)
        x_NHW = xs - found.centre_N2[:, 0, None, None]
        y_NHW = ys - found.centre_N2[:, 1, None, None]
        cos, sin = found.angle_N.cos()[:, None, None], found.angle_N.sin()[:, None, None]
        wide, high = found.half_N2[:, 0, None, None], found.half_N2[:, 1, None, None]
        along = self._window(cos * x_NHW + sin * y_NHW, wide)
        return along * self._window(cos * y_NHW - sin * x_NHW, high)

    def _window(self, position: Tensor, half: Tensor) -> Tensor:
        """sg(a) - sg(b) as a product, whose tails do not vanish in the difference of two ones."""
        s = self.sharpness
        inner = torch.sigmoid(s * (position + half)) * torch.sigmoid(s * (half - position))
        return inner * -torch.expm1(-2 * s * half)

    def _equivariance_loss(self, x_NCHW: Tensor, found: Rectangle) -> Tensor:
        images, _, height, width = x_NCHW.shape
        draw = torch.rand(4, images, device=x_NCHW.device, dtype=found.angle_N.dtype) * 2 - 1
        theta, scale, shift_N2 = draw[0] * (pi / 6), 1 + 0.2 * draw[1], 0.2 * draw[2:].T
        aspect = height / width
        cos, sin = theta.cos(), theta.sin()
        turn_N22 = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)

        back_N22 = (
            turn_N22.transpose(1, 2) / scale[:, None, None]
        )  # from a warped point to its source
        frame = torch.tensor([1.0, aspect], device=theta.device, dtype=theta.dtype)
        linear_N22 = back_N22 * frame / frame[:, None]  # in grid_sample's units, 1 at each border
        offset_N21 = -(back_N22 @ shift_N2[:, :, None]) / frame[:, None]
        where = torch.cat([linear_N22, offset_N21], 2).to(x_NCHW.dtype)
        grid = F.affine_grid(where, [*x_NCHW.shape], align_corners=False)
        moved = self.rectangle(F.grid_sample(x_NCHW, grid, align_corners=False))

        centre_N2 = scale[:, None] * (turn_N22 @ found.centre_N2.detach()[:, :, None])[..., 0]
        centre_N2 = centre_N2 + shift_N2
        half_N2 = scale[:, None] * found.half_N2.detach()
        inside_N = (centre_N2.abs() <= frame).all(1) & (half_N2 <= R_MAX).all(1)
        turned_N = 1 - torch.cos(2 * (moved.angle_N - found.angle_N.detach() - theta))
        loss_N = (moved.centre_N2 - centre_N2).square().sum(1) + turned_N
        loss_N = loss_N + (moved.half_N2 - half_N2).square().sum(1)
        return (loss_N * inside_N).sum() / inside_N.sum().clamp(min=1)


class _PooledHead(nn.Module):
    """Five numbers from a 4 x 4 grid of a thin projection, so that position is kept."""

    COVERS = log((1.4 - R_MIN) / (R_MAX - 1.4))  # the logit of a half-size of 1.4: past the corners

    def __init__(self, channels: int, width: int = 16, grid: int = 4) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels, width, 1)
        self.norm = nn.BatchNorm2d(width)
        self.grid = grid
        self.predict = nn.Linear(width * grid * grid, 5)
        nn.init.zeros_(self.predict.weight)
        with torch.no_grad():
            self.predict.bias.copy_(torch.tensor([0.0, 0.0, self.COVERS, self.COVERS, 0.0]))

    def forward(self, x_NCHW: Tensor) -> Rectangle:
        thin = self.norm(self.project(x_NCHW)).relu()
        return self._rectangle(
            self.predict(F.adaptive_avg_pool2d(thin, self.grid).flatten(1)), x_NCHW
        )

    def start(self, x_NCHW: Tensor) -> Rectangle:
        """The rectangle of a new head."""
        t = torch.tensor([[0.0, 0.0, self.COVERS, self.COVERS, 0.0]], device=x_NCHW.device)
        return self._rectangle(t.to(x_NCHW.dtype), x_NCHW)

    def _rectangle(self, t_N5: Tensor, x_NCHW: Tensor) -> Rectangle:
        t_N5 = t_N5 if t_N5.dtype == torch.float64 else t_N5.float()
        height, width = x_NCHW.shape[2:]
        aspect = t_N5.new_tensor([1.0, height / width])
        half_N2 = R_MIN + (R_MAX - R_MIN) * torch.sigmoid(t_N5[:, 2:4])
        return Rectangle(
            torch.tanh(t_N5[:, :2]) * aspect, half_N2, (pi / 2) * torch.tanh(t_N5[:, 4])
        )


class _MomentsHead(nn.Module):
    """The rectangle that has the mean and the covariance of one attention map."""

    ROUND = 1e-3  # below this difference of variances an angle means nothing: 0, without gradient

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.score = nn.Conv2d(channels, 1, 1)
        nn.init.zeros_(self.score.weight)
        assert self.score.bias is not None
        nn.init.zeros_(self.score.bias)

    def forward(self, x_NCHW: Tensor) -> Rectangle:
        return self._rectangle(self.score(x_NCHW).squeeze(1), x_NCHW)

    def start(self, x_NCHW: Tensor) -> Rectangle:
        """The rectangle of a new head: of a flat map."""
        return self._rectangle(torch.zeros_like(x_NCHW[:1, 0]), x_NCHW)

    def _rectangle(self, map_NHW: Tensor, x_NCHW: Tensor) -> Rectangle:
        map_NHW = map_NHW if map_NHW.dtype == torch.float64 else map_NHW.float()
        weight_NHW = map_NHW.flatten(1).softmax(1).view_as(map_NHW)
        xs, ys = _pixel_centres(x_NCHW)
        centre_N2 = torch.stack([(weight_NHW * xs).sum((1, 2)), (weight_NHW * ys).sum((1, 2))], 1)
        dx = xs - centre_N2[:, 0, None, None]
        dy = ys - centre_N2[:, 1, None, None]
        xx, yy = (weight_NHW * dx * dx).sum((1, 2)), (weight_NHW * dy * dy).sum((1, 2))
        difference, cross = xx - yy, 2 * (weight_NHW * dx * dy).sum((1, 2))
        is_round = difference.square() + cross.square() < self.ROUND**2
        safe_difference = torch.where(is_round, torch.ones_like(difference), difference)
        safe_cross = torch.where(is_round, torch.zeros_like(cross), cross)
        angle_N = 0.5 * torch.atan2(safe_cross, safe_difference)
        length = (safe_difference.square() + safe_cross.square()).sqrt()
        spread = torch.where(is_round, torch.zeros_like(length), length)
        variances = torch.stack([xx + yy + spread, (xx + yy - spread).clamp(min=0)], 1) / 2
        half_N2 = (3 * variances + R_MIN**2).sqrt().clamp(max=R_MAX)
        return Rectangle(centre_N2, half_N2, angle_N)


def _pixel_centres(x_NCHW: Tensor) -> tuple[Tensor, Tensor]:
    """x (1, W) in (-1, 1) and y (H, 1) in (-H/W, H/W), equal steps along both."""
    height, width = x_NCHW.shape[2:]
    dtype = torch.float64 if x_NCHW.dtype == torch.float64 else torch.float32
    along_x = torch.arange(width, device=x_NCHW.device, dtype=dtype)
    along_y = torch.arange(height, device=x_NCHW.device, dtype=dtype)
    return ((2 * along_x + 1) / width - 1)[None], ((2 * along_y + 1 - height) / width)[:, None]
