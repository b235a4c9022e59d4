import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from foveate import attention
from foveate.attention.cram import R_MAX, R_MIN, Rectangle

HEADS = ["conv", "moments"]


class Given(nn.Module):
    """A head that answers with one rectangle, whatever it sees."""

    def __init__(self, x: float, y: float, w: float, h: float, angle: float) -> None:
        super().__init__()
        self.five = nn.Parameter(torch.tensor([[x, y, w, h, angle]], dtype=torch.float64))

    def forward(self, x_NCHW: Tensor) -> Rectangle:
        five = self.five.expand(len(x_NCHW), 5)
        return Rectangle(five[:, :2], five[:, 2:4], five[:, 4])


def cram(channels: int = 1, **options: Any) -> nn.Module:
    return attention.entry("cram").build(channels, (8, 8), **options).double()


def looking_at(*five: float, **options: Any) -> nn.Module:
    module = cram(**options)
    module.head = Given(*five)
    return module


def mask(module: nn.Module, height: int = 32, width: int = 32) -> Tensor:
    """What the module multiplies with: its answer to an image of ones."""
    return module(torch.ones(1, 1, height, width, dtype=torch.float64))[0, 0]


@pytest.mark.parametrize("sharpness", [5, 10, 20])
@pytest.mark.parametrize("angle", [0.0, 0.7, -1.5])
def test_the_mask_is_a_share(sharpness: int, angle: float) -> None:
    shares = mask(looking_at(0.3, -0.2, 0.6, 0.3, angle, sharpness=sharpness))
    assert shares.min() > 0
    assert shares.max() < 1


@pytest.mark.parametrize("half", [0.25, 0.5, 1.0])
def test_the_mask_is_one_at_the_centre_where_edges_are_far(half: float) -> None:
    """At 5 edge widths from all four edges."""
    sharpness = 5 / half
    middle = mask(looking_at(0, 0, half, half, 0.4, sharpness=int(sharpness)), 33, 33)[16, 16]
    assert_close(middle.item(), 1.0, atol=0.03, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(48, 48), (24, 48), (48, 24)])
@pytest.mark.parametrize(
    ("w", "h", "angle"), [(0.3, 0.3, 0.0), (0.4, 0.2, 0.0), (0.2, 0.35, 0.6), (0.3, 0.15, -1.2)]
)
def test_the_mean_of_the_mask_is_the_share_of_the_area(
    height: int, width: int, w: float, h: float, angle: float
) -> None:
    x, y = 0.1, -0.05
    mean = mask(looking_at(x, y, w, h, angle, sharpness=20), height, width).mean()
    area = (2 * w) * (2 * h) / (2 * 2 * height / width)
    assert_close(mean.item(), area, atol=0.01, rtol=0.02)


def test_the_first_half_size_lies_along_x_and_the_second_along_y() -> None:
    wide = mask(looking_at(0, 0, 0.8, 0.2, 0, sharpness=20))
    assert wide[16, 26] > 0.9 > 0.1 > wide[26, 16]
    high = mask(looking_at(0, 0, 0.2, 0.8, 0, sharpness=20))
    assert_close(high, wide.T)


def test_the_angle_turns_from_x_to_y_downwards() -> None:
    turned = mask(looking_at(0, 0, 0.9, 0.2, math.pi / 4, sharpness=20))
    assert turned[24, 24] > 0.9 > 0.1 > turned[24, 8]


def test_a_half_turn_changes_nothing() -> None:
    once = mask(looking_at(0.2, 0.1, 0.5, 0.2, 0.4))
    assert_close(mask(looking_at(0.2, 0.1, 0.5, 0.2, 0.4 + math.pi)), once)


def test_a_quarter_turn_swaps_the_half_sizes() -> None:
    once = mask(looking_at(0.2, 0.1, 0.5, 0.2, 0.4))
    assert_close(mask(looking_at(0.2, 0.1, 0.2, 0.5, 0.4 + math.pi / 2)), once)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (12, 20), (20, 12)])
def test_moving_the_centre_by_a_cell_moves_the_mask_by_a_cell(height: int, width: int) -> None:
    cell = 2 / width  # along y too: y has the units of x
    there = mask(looking_at(0.1, -0.1, 0.4, 0.2, 0.5), height, width)
    right = mask(looking_at(0.1 + cell, -0.1, 0.4, 0.2, 0.5), height, width)
    down = mask(looking_at(0.1, -0.1 + cell, 0.4, 0.2, 0.5), height, width)
    assert_close(right[:, 1:], there[:, :-1])
    assert_close(down[1:], there[:-1])


def test_gradients_reach_all_five_numbers() -> None:
    module = looking_at(0.1, 0.2, 0.5, 0.3, 0.4)
    (mask(module) * torch.randn(32, 32)).sum().backward()
    assert (module.head.five.grad.abs() > 1e-3).all()


@pytest.mark.parametrize("head", HEADS)
def test_gradients_reach_all_five_numbers_from_the_head(
    head: str, stir: Callable[[nn.Module], nn.Module]
) -> None:
    module = stir(cram(4, head=head)).eval()
    found = module.rectangle(torch.randn(1, 4, 8, 8).double())
    for number in (*found.centre_N2[0], *found.half_N2[0], found.angle_N[0]):
        sent = torch.autograd.grad(number, list(module.parameters()), retain_graph=True)
        assert any(gradient.abs().max() > 1e-9 for gradient in sent)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("mode", ["multiply", "residual"])
def test_is_finite_on_a_single_pixel(head: str, mode: str) -> None:
    module, x = cram(3, head=head, mode=mode), torch.randn(4, 3, 1, 1).double()
    y = module(x.requires_grad_())
    y.sum().backward()
    assert y.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())


@pytest.mark.parametrize("head", HEADS)
def test_a_new_one_attends_nearly_everything(head: str) -> None:
    module = cram(3, head=head, sharpness=20)
    shares = module(torch.ones(2, 3, 17, 17).double())
    assert shares[:, :, 2:-2, 2:-2].min() > 0.9


def test_the_residual_mode_adds_the_attended_part() -> None:
    five = (0.2, 0.1, 0.5, 0.2, 0.4)
    assert_close(mask(looking_at(*five, mode="residual")), 1 + mask(looking_at(*five)))


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(("height", "width"), [(6, 6), (4, 9), (9, 4), (1, 7)])
def test_the_rectangle_stays_within_its_limits(
    head: str, height: int, width: int, stir: Callable[[nn.Module], nn.Module]
) -> None:
    module = stir(cram(4, head=head)).eval()
    centre, half, angle = module.rectangle(20 * torch.randn(16, 4, height, width).double())
    frame = torch.tensor([1, height / width]).double()
    assert centre.shape == half.shape == (16, 2)
    assert angle.shape == (16,)
    assert (centre.abs() <= frame).all()
    assert (half >= R_MIN - 1e-9).all()
    assert (half <= R_MAX + 1e-9).all()
    assert (angle.abs() <= math.pi / 2).all()


def test_in_pixels_a_rectangle_lies_where_it_does_in_the_image() -> None:
    module = cram(head="moments")
    with torch.no_grad():
        module.head.score.weight.fill_(60)
    x = torch.zeros(1, 1, 32, 64).double()  # the map of an image of 128 x 256
    x[:, :, 8:16, 8:40] = 1  # in the image: rows 32 to 64, columns 32 to 160
    found = module.rectangle(x, (128, 256))
    assert_close(found.centre_N2[0].tolist(), [96.0, 48.0], atol=1e-3, rtol=0)
    assert_close(found.half_N2[0].tolist(), [64.0, 16.0], atol=5, rtol=0)
    corners = found.corners()[0]
    assert corners.amin(0).tolist() == pytest.approx([32, 32], abs=5)
    assert corners.amax(0).tolist() == pytest.approx([160, 64], abs=5)


@pytest.mark.parametrize("angle", [0.0, 0.7, -1.2])
def test_the_corners_are_those_of_a_rectangle(angle: float) -> None:
    centre, half = torch.tensor([[0.2, -0.1]]), torch.tensor([[0.5, 0.25]])
    corners = Rectangle(centre, half, torch.tensor([angle])).corners()[0]
    assert_close(corners.mean(0), centre[0])
    along, across = corners[1] - corners[0], corners[2] - corners[1]
    assert_close([along.norm().item(), across.norm().item()], [1.0, 0.5])
    assert_close(torch.atan2(along[1], along[0]).item(), angle)
    assert abs(along @ across) < 1e-6


def test_is_drawn_where_its_corners_are() -> None:
    images = torch.zeros(2, 3, 40, 60, dtype=torch.uint8)
    centre, half = torch.tensor([[0.0, 0.0], [0.2, 0.1]]), torch.tensor([[0.5, 0.2], [0.3, 0.3]])
    found = Rectangle(centre, half, torch.tensor([0.0, 0.6]))
    drawn = found.drawn_on(images)
    assert drawn.dtype == images.dtype and drawn.shape == images.shape and not images.any()
    rows, columns = drawn[0, 0].nonzero().T
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (13, 26, 14, 45)
    assert not drawn[0, :, 17:23, 20:40].any()  # an outline, not a patch
    for image, corners in zip(drawn, found.in_pixels((40, 60)).corners(), strict=True):
        assert image[0].max() == 255 and image[1].max() == 64 and not image[2].any()
        for x, y in corners.tolist():
            around = image[0, int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2]
            assert around.any()
    with pytest.raises(ValueError, match="3 channels take as many values"):
        found.drawn_on(images, colour=(1.0,))


def test_the_moments_find_a_box() -> None:
    """A map that is flat inside a box and nothing outside has the moments of that box."""
    module = cram(head="moments")
    with torch.no_grad():
        module.head.score.weight.fill_(60)
    x = torch.zeros(1, 1, 64, 64).double()
    x[:, :, 16:32, 8:56] = 1  # 1.5 wide, 0.5 high, its middle a quarter above the image's
    centre, half, angle = module.rectangle(x)
    assert_close(centre[0].tolist(), [0.0, -0.25], atol=1e-6, rtol=0)
    assert_close(half[0].tolist(), [0.75, 0.25], atol=0.03, rtol=0)
    assert_close(angle[0].item(), 0.0, atol=1e-6, rtol=0)


@pytest.mark.parametrize("tilt", [-1.4, -0.6, 0.3, 1.2])
def test_the_moments_find_the_angle(tilt: float) -> None:
    module = cram(head="moments")
    with torch.no_grad():
        module.head.score.weight.fill_(40)
    found = module.rectangle(blob(0.1, 0.0, 1.0, 0.5, tilt, 48, 48))
    assert_close(found.angle_N.item(), tilt, atol=0.01, rtol=0)
    assert_close(found.centre_N2[0].tolist(), [0.1, 0.0], atol=0.01, rtol=0)
    assert found.half_N2[0, 0] > 1.5 * found.half_N2[0, 1]


def blob(
    x: float, y: float, wide: float, high: float, angle: float, height: int, width: int
) -> Tensor:
    """One image, (1, 1, H, W): a hill of height 1 with the widths of a tilted ellipse."""
    xs = ((2 * torch.arange(width).double() + 1) / width - 1)[None] - x
    ys = ((2 * torch.arange(height).double() + 1 - height) / width)[:, None] - y
    u = math.cos(angle) * xs + math.sin(angle) * ys
    v = math.cos(angle) * ys - math.sin(angle) * xs
    return torch.exp(-((u / wide) ** 2) - (v / high) ** 2)[None, None]


def trained_loss(module: nn.Module, x: Tensor) -> Tensor:
    module.train()(x)
    assert module.extra_loss is not None
    return module.extra_loss


def equivariant(weight: float = 1.0) -> nn.Module:
    """The moments of a bright hill turn, grow and move with the hill."""
    module = cram(head="moments", equivariance=weight)
    with torch.no_grad():
        module.head.score.weight.fill_(40)
    return module


@pytest.mark.parametrize(("height", "width"), [(48, 48), (36, 54), (54, 36)])
@pytest.mark.parametrize("tilt", [0.0, 0.8])
def test_a_head_that_moves_with_the_image_loses_nothing(
    height: int, width: int, tilt: float
) -> None:
    hill = blob(0.05, -0.1, 1.0, 0.5, tilt, height, width)
    found = trained_loss(equivariant(), hill.expand(32, -1, -1, -1))
    assert 0 <= found < 2e-3


def test_a_head_that_does_not_move_with_the_image_loses() -> None:
    hill = blob(0.05, -0.1, 1.0, 0.5, 0.8, 48, 48).expand(32, -1, -1, -1)
    fixed = looking_at(0.1, 0.1, 0.5, 0.3, 0.2, equivariance=1.0)
    assert trained_loss(fixed, hill) > 0.05
    random = cram(head="conv", equivariance=1.0)
    nn.init.normal_(random.head.predict.weight)
    assert trained_loss(random, hill) > 0.05


def test_the_loss_is_weighted() -> None:
    hill = blob(0.05, -0.1, 1.0, 0.5, 0.8, 32, 32).expand(8, -1, -1, -1)
    losses = []
    for weight in (1.0, 0.1):
        torch.manual_seed(1)
        losses.append(trained_loss(equivariant(weight), hill).item())
    assert_close(losses[1], losses[0] / 10)


def test_images_whose_target_leaves_the_frame_are_left_out() -> None:
    outside = looking_at(3.0, 0.0, 0.5, 0.3, 0.2, equivariance=1.0)
    assert trained_loss(outside, torch.rand(8, 1, 8, 8).double()) == 0


class InTurn(nn.Module):
    """A head that answers with the next of its heads."""

    def __init__(self, *heads: nn.Module) -> None:
        super().__init__()
        self.heads = list(heads)

    def forward(self, x_NCHW: Tensor) -> Rectangle:
        return self.heads.pop(0)(x_NCHW)


def test_the_target_of_the_loss_is_detached() -> None:
    module = cram(equivariance=1.0)
    target, moved = Given(0.1, 0.1, 0.5, 0.3, 0.2), Given(0.3, -0.1, 0.6, 0.4, 0.5)
    module.head = InTurn(target, moved)
    trained_loss(module, torch.rand(8, 1, 8, 8).double()).backward()
    assert target.five.grad is None
    assert (moved.five.grad != 0).all()


def test_the_loss_is_the_sum_in_its_documentation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "rand", torch.ones)  # the largest turn, scale and shift
    theta, scale, shift = math.pi / 6, 1.2, 0.2
    x, y = (
        0.1 * math.cos(theta) + 0.3 * math.sin(theta),
        0.1 * math.sin(theta) - 0.3 * math.cos(theta),
    )
    there = (scale * x + shift, scale * y + shift, scale * 0.5, scale * 0.3, 0.2 + theta)
    missed = (0.1, -0.2, 0.05, 0.1, 0.3)
    for miss in ((0.0,) * 5, missed):
        module = cram(equivariance=1.0)
        moved = (a + b for a, b in zip(there, miss, strict=True))
        module.head = InTurn(Given(0.1, -0.3, 0.5, 0.3, 0.2), Given(*moved))
        expected = sum(m * m for m in miss[:4]) + 1 - math.cos(2 * miss[4])
        assert_close(trained_loss(module, torch.zeros(4, 1, 8, 8).double()).item(), expected)


def test_there_is_no_loss_without_its_weight_or_outside_of_training() -> None:
    x = torch.rand(2, 1, 8, 8).double()
    unweighted, evaluated = cram(), equivariant()
    unweighted.train()(x)
    evaluated.eval()(x)
    assert unweighted.extra_loss is None
    assert evaluated.extra_loss is None


def test_a_loss_of_training_is_gone_in_evaluation() -> None:
    module, x = equivariant(), torch.rand(2, 1, 8, 8).double()
    trained_loss(module, x)
    module.eval()(x)
    assert module.extra_loss is None
