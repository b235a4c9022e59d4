"""Chance: of each image its own, the same on any device, and of the shares that it should have."""

import math
from typing import Any

import pytest
import torch
from scipy.stats import kstest
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close
from torchvision.transforms.v2 import InterpolationMode, RandAugment, RandomResizedCrop
from torchvision.transforms.v2 import functional as v2

from foveate.workers import augment
from foveate.workers.augment import AREA, OPERATIONS, RATIO, Augment, centred, mixed
from foveate.workers.recipe import Recipe

KINDS = ("none", "shift", "shift+flip", "resized-crop", "resized-crop+flip")


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(count: int, side: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=rng(seed))


def smooth(count: int, side: int) -> Tensor:
    """Soft patches of colour, as photographs have."""
    coarse = torch.rand(count, 3, 4, 4, generator=rng(3)) * 255
    return F.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 255).to(torch.uint8)


def made(
    kind: Any, size: int, *, flip: bool = False, photographs: bool = False, **more: Any
) -> Augment:
    recipe = Recipe(augment=kind, **more)
    return Augment(recipe, may_flip=flip, photographs=photographs, size=size)


@pytest.mark.parametrize("randaugment", [0, 9])
@pytest.mark.parametrize("kind", KINDS)
def test_squares_of_the_size_come_out_and_the_same_ones_for_the_same_chance(
    kind: str, randaugment: int
) -> None:
    images = noise(20, 37)
    before = images.clone()
    one = made(kind, 32, randaugment=randaugment)
    out = one(images, rng())
    assert out.shape == (20, 3, 32, 32) and out.dtype == torch.uint8
    torch.rand(9)  # somebody else's chance
    assert torch.equal(one(images, rng()), out)
    if kind != "none" or randaugment:
        assert not torch.equal(one(images, rng(1)), out)
    assert torch.equal(images, before)
    last = images.contiguous(memory_format=torch.channels_last)  # as those of a pack lie in memory
    assert torch.equal(one(last, rng()), out)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "none"])
def test_each_image_has_chance_of_its_own(kind: str) -> None:
    out = made(kind, 28, shift=4)(noise(1, 32).expand(64, -1, -1, -1), rng())
    assert len({tuple(image.flatten().tolist()) for image in out}) > 40


@pytest.mark.parametrize(
    ("may_flip", "photographs", "expected"),
    [
        (False, False, (False, 2, False)),
        (True, False, (False, 2, True)),
        (True, True, (True, 0, True)),
        (False, True, (True, 0, False)),
    ],
)
def test_auto_is_what_labels_survive(
    may_flip: bool, photographs: bool, expected: tuple[bool, int, bool]
) -> None:
    one = made("auto", 8, flip=may_flip, photographs=photographs)
    assert (one.crop, one.shift, one.flip) == expected


def test_the_middle_is_taken_where_nothing_moves() -> None:
    images = noise(3, 16)
    assert torch.equal(made("none", 14)(images, rng()), images[:, :, 1:15, 1:15])
    assert torch.equal(centred(images, 16), images)
    assert torch.equal(centred(images, 13), images[:, :, 1:14, 1:14])


def test_a_move_takes_from_the_margin_before_black_comes_in() -> None:
    images = noise(1, 20).clamp(min=1)
    padded = F.pad(images, [1] * 4)
    windows = {
        tuple(padded[0, :, y : y + 18, x : x + 18].flatten().tolist())
        for y in range(5)
        for x in range(5)
    }
    out = made("shift", 18)(images.expand(300, -1, -1, -1), rng())
    assert {tuple(image.flatten().tolist()) for image in out} == windows


# -------------------------------------------------------------------------------------- crops


def test_boxes_are_as_random_as_torchvisions() -> None:
    left, top, width, height = augment._boxes(20_000, rng())
    assert (torch.stack([left, top]) >= 0).all()
    assert (left + width <= 1 + 1e-6).all() and (top + height <= 1 + 1e-6).all()
    area, ratio = width * height, width / height
    low, high = AREA
    assert low - 1e-5 <= float(area.min()) and float(area.max()) <= high + 1e-5
    assert RATIO[0] - 1e-5 <= float(ratio.min()) and float(ratio.max()) <= RATIO[1] + 1e-5

    theirs = RandomResizedCrop(8, scale=AREA, ratio=RATIO)
    torch.manual_seed(0)
    image = torch.zeros(3, 4000, 4000)
    drawn = [theirs.make_params([image]) for _ in range(2000)]
    for mine, key in ((left, "left"), (top, "top"), (width, "width"), (height, "height")):
        other = [one[key] / 4000 for one in drawn]
        assert kstest(mine[:4000].numpy(), other).pvalue > 0.01, key


def test_a_crop_is_what_is_in_its_box() -> None:
    images = smooth(6, 64)
    boxes = torch.tensor([[8, 16, 32, 40], [0, 0, 64, 64], [20, 4, 44, 60]] * 2).float()
    out = augment._cropped(images, (boxes / 64).T.contiguous(), 32)
    for image, box, found in zip(images, boxes.int().tolist(), out, strict=True):
        left, top, width, height = box
        expected = v2.resized_crop(image, top, left, height, width, [32, 32], antialias=False)
        # torchvision does not look beyond the box
        assert_close(found[:, 1:-1, 1:-1], expected[:, 1:-1, 1:-1], rtol=0, atol=1)


def test_a_crop_is_mirrored_as_often_as_not() -> None:
    ramp = torch.linspace(0, 255, 32).to(torch.uint8).expand(400, 3, 32, -1)
    rises = made("resized-crop+flip", 28)(ramp, rng()).float()
    mirrored = int((rises[:, 0, 0, 0] > rises[:, 0, 0, -1]).sum())
    assert 150 < mirrored < 250
    straight = made("resized-crop", 28)(ramp, rng()).float()
    assert (straight[:, 0, 0, 0] < straight[:, 0, 0, -1]).all()


# --------------------------------------------------------------------------------- RandAugment


def by_torchvision(name: str, images: Tensor, signed: float) -> Tensor:
    """The operation as torchvision's own class does it, bilinear."""
    theirs = {
        "color": "Color",
        "autocontrast": "AutoContrast",
        "shear-x": "ShearX",
        "shear-y": "ShearY",
        "translate-x": "TranslateX",
        "translate-y": "TranslateY",
    }.get(name, name.capitalize())
    transform = RandAugment(interpolation=InterpolationMode.BILINEAR)
    space, is_signed = RandAugment._AUGMENTATION_SPACE[theirs]
    magnitudes = space(31, *images.shape[-2:])
    magnitude = 0.0 if magnitudes is None else float(magnitudes[round(abs(signed) * 30)])
    magnitude = math.copysign(magnitude, signed) if is_signed else magnitude
    out: Tensor = transform._apply_image_or_video_transform(
        images, theirs, magnitude, interpolation=InterpolationMode.BILINEAR, fill=transform._fill
    )
    return out


@pytest.mark.parametrize("magnitude", [3, 9, 30])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_torchvisions(name: str, sign: int, magnitude: int) -> None:
    images = smooth(4, 33)
    which = torch.full((4,), OPERATIONS.index(name))
    found = augment._operated(images, which, torch.full((4,), sign), magnitude / 30)
    expected = by_torchvision(name, images, sign * magnitude / 30)
    assert_close(found, expected, rtol=0, atol=1)
    if name != "identity" and not (name == "posterize" and magnitude == 3):
        assert not torch.equal(found, images)


def test_images_of_one_batch_get_operations_of_their_own() -> None:
    images = smooth(8, 24)
    which = torch.tensor([0, 13, 5, 5, 12, 4, 9, 7])
    signs = torch.tensor([1, 1, 1, -1, 1, -1, 1, -1])
    together = augment._operated(images, which, signs, 0.3)
    for number in range(8):
        one = slice(number, number + 1)
        alone = augment._operated(images[one], which[one], signs[one], 0.3)
        assert torch.equal(together[one], alone)


def test_two_operations_of_all_come_and_differ_from_image_to_image() -> None:
    image = smooth(1, 24)
    out = made("none", 24, randaugment=15)(image.expand(300, -1, -1, -1), rng())
    kinds = {tuple(one.flatten().tolist()) for one in out}
    assert 150 < len(kinds) <= 23 * 23  # 14 operations, 9 of them of either sign, two in turn


def test_without_a_magnitude_no_chance_is_spent_on_it() -> None:
    sources = rng(), rng()
    plain = made("shift", 8)
    for source in sources:
        plain(noise(5, 8), source)
    torch.randint(0, 5, (2, 5), generator=(expected := rng()))
    torch.rand(5, generator=expected)
    assert torch.equal(sources[0].get_state(), expected.get_state())


# --------------------------------------------------------------------------- two images in one


def targets(count: int) -> Tensor:
    return F.one_hot(torch.arange(count), count).float()


@pytest.mark.parametrize("settings", [{"mixup": 0.2}, {"cutmix": 1.0}, {"mixup": 1, "cutmix": 1}])
def test_targets_are_mixed_as_the_images_are(settings: dict[str, float]) -> None:
    source, recipe = rng(), Recipe(**settings)
    values = torch.arange(6.0)
    x = values[:, None, None, None].expand(6, 3, 16, 16)
    x = x.contiguous(memory_format=torch.channels_last)
    seen = set()
    for _ in range(40):
        before = x.clone()
        out, soft = mixed(x, targets(6), recipe, source)
        assert torch.equal(x, before) and out.is_contiguous(memory_format=torch.channels_last)
        assert_close(soft.sum(1), torch.ones(6))
        assert_close(out.mean((1, 2, 3)), soft @ values)  # what is in the image is in its target
        assert len({*soft.diagonal().tolist()}) == 1  # one share for the batch
        seen.add("blend" if len(out[1].unique()) == 1 else "rectangle")
    kinds = {"mixup": "blend", "cutmix": "rectangle"}
    assert {kinds[key] for key in settings} <= seen


def test_nothing_is_mixed_unless_it_is_asked_for() -> None:
    source = rng()
    x, soft = noise(4, 8).float(), targets(4)
    out, same = mixed(x, soft, Recipe(), source)
    assert out is x and same is soft and torch.equal(source.get_state(), rng().get_state())


@pytest.mark.parametrize("alpha", [0.1, 0.4, 1.0, 8.0])
def test_the_share_is_of_the_beta_distribution(alpha: float) -> None:
    source = rng()
    drawn = torch.tensor([augment._beta(alpha, source) for _ in range(2000)], dtype=torch.float64)
    variance = 1 / (4 * (2 * alpha + 1))
    assert float(drawn.mean()) == pytest.approx(0.5, abs=4 * (variance / 2000) ** 0.5)
    assert float(drawn.var()) == pytest.approx(variance, rel=0.1)
    assert kstest(drawn.numpy(), "beta", (alpha, alpha)).pvalue > 0.01


def test_what_is_cut_out_is_as_large_as_the_share_says() -> None:
    source = rng()
    areas = []
    for _ in range(2000):
        top, bottom = augment._cut(64, 0.75, source)
        assert 0 <= top < bottom <= 64
        areas.append(bottom - top)
    assert (
        max(areas) == 32 and 24 < sum(areas) / len(areas) < 30
    )  # cut off at the edge now and then


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_does_not_wait_and_agrees(kind: str) -> None:
    images = smooth(16, 37)
    one = made(kind, 32, randaugment=9)
    there = images.cuda()
    one(there, rng())  # whatever has to be set up
    torch.cuda.set_sync_debug_mode("error")
    try:
        out = one(there, rng())
    finally:
        torch.cuda.set_sync_debug_mode("default")
    difference = (out.cpu().int() - one(images, rng()).int()).abs()
    assert float((difference <= 1).float().mean()) > 0.995
