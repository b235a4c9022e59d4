"""What chance does to a batch of images: each image has its own, on whatever device they are."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as v2

from .recipe import Recipe

__all__ = ["OPERATIONS", "Augment", "centred", "mixed", "sent"]

AREA = (0.25, 1.0)  # of the stored square; less would magnify what a pack has already made small
RATIO = (3 / 4, 4 / 3)  # width to height
TRIES = 10  # boxes drawn for an image, of which the first that fits is taken


class Augment:
    """Uint8 images (n, 3, H, W) in, as many of ``size`` pixels a side out; black comes in.

    What the recipe calls "auto" are crops of random sizes for ``photographs``, moves by a few
    pixels for small images, and mirror images of either if they ``may_flip``.

    Chance is drawn from a generator on the CPU, the same numbers for any device, and nothing
    waits for the device.
    """

    def __init__(self, recipe: Recipe, *, may_flip: bool, photographs: bool, size: int) -> None:
        kind = recipe.augment
        if kind == "auto":
            kind = "resized-crop" if photographs else "shift"
        self.size = size
        self.crop = kind.startswith("resized-crop")
        self.shift = recipe.shift if kind.startswith("shift") else 0  # pixels, at most
        self.flip = kind.endswith("+flip") or (recipe.augment == "auto" and may_flip)
        self.magnitude = recipe.randaugment

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """The images, each changed at random by ``rng``."""
        count = len(images)
        if self.crop:
            images = _cropped(images, _boxes(count, rng), self.size)
        else:
            moves = torch.randint(0, 2 * self.shift + 1, (2, count), generator=rng)
            images = _shifted(images, moves, self.shift, self.size)
        mirrored = torch.rand(count, generator=rng) < 0.5
        if self.flip:
            keep = ~sent(mirrored, images.device)[:, None, None, None]
            images = torch.where(keep, images, images.flip(3))
        if self.magnitude:
            images = _randaugmented(images, self.magnitude, rng)
        return images


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """``tensor`` of the CPU on ``device``, without waiting for what the device is doing."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def centred(images: Tensor, size: int) -> Tensor:
    """The middle of the images, ``size`` pixels a side; a view."""
    height, width = images.shape[-2:]
    top, left = (height - size) // 2, (width - size) // 2
    return images[..., top : top + size, left : left + size]


# ------------------------------------------------------------------------------ moves and crops


def _shifted(images: Tensor, moves: Tensor, shift: int, size: int) -> Tensor:
    """The middle of each image, ``moves`` (2, n) - ``shift`` pixels from where it was."""
    if not shift:
        return centred(images, size)
    margin = (images.shape[-1] - size) // 2
    top, left = sent(moves, images.device) + margin
    places = F.pad(images, [shift] * 4).unfold(2, size, 1).unfold(3, size, 1)  # a view
    return places[torch.arange(len(images), device=images.device), :, top, left]


def _boxes(count: int, rng: torch.Generator) -> Tensor:
    """Boxes in a square of side 1, evenly by area, by logarithm of the ratio, and by place.

    (4, n): left, top, width, height. A box that does not fit is drawn again, up to ``TRIES``
    times; then it is the whole square.
    """
    area = torch.empty(TRIES, count).uniform_(*AREA, generator=rng)
    low, high = np.log(RATIO)
    ratio = torch.empty(TRIES, count).uniform_(low, high, generator=rng).exp()
    sides = torch.stack([(area * ratio).sqrt(), (area / ratio).sqrt()])
    sides = torch.cat([sides, torch.ones(2, 1, count)], 1)  # the last resort
    first = (sides <= 1).all(0).int().argmax(0)
    width, height = sides[:, first, torch.arange(count)]
    places = torch.rand(2, count, generator=rng)
    return torch.stack([places[0] * (1 - width), places[1] * (1 - height), width, height])


def _cropped(images: Tensor, boxes: Tensor, size: int) -> Tensor:
    """What is in the boxes, drawn to ``size`` pixels a side.

    Bilinear: the whole of a pack's square is 8/7 of ``size``, so pixels are hardly ever merged.
    """
    left, top, width, height = boxes * 2  # -1 to 1 is the image
    zeros = torch.zeros_like(left)
    rows = [[width / 2, zeros, left + width / 2 - 1], [zeros, height / 2, top + height / 2 - 1]]
    matrices = torch.stack([torch.stack(row, 1) for row in rows], 1)
    return _sampled(images, matrices, size, "border")


def _sampled(images: Tensor, matrices: Tensor, size: int, outside: str) -> Tensor:
    """Each image where its matrix (2, 3) takes the pixels of a square from -1 to 1."""
    device = images.device
    middles = (torch.arange(size, device=device) * 2 + 1) / size - 1
    x, y = middles[None, None, :], middles[None, :, None]
    # a GPU takes them at once; the memory of a CPU is fast only while it is used again and again
    most = len(images) if device.type == "cuda" else max(1, 2**21 // images[0].numel())
    found = []
    for part, m in zip(
        images.split(most), sent(matrices, device)[..., None, None].split(most), strict=True
    ):
        # sums rather than a matrix product, which a GPU may round to 10 bits: half a pixel
        grid = (m[:, :, 0] * x + m[:, :, 1] * y + m[:, :, 2]).permute(0, 2, 3, 1)
        there = F.grid_sample(part.float(), grid, "bilinear", outside, align_corners=False)
        found.append(there.round_().to(torch.uint8))
    return torch.cat(found)


# ---------------------------------------------------------------------------------- RandAugment

Operation = Callable[[Tensor, float], Tensor]  # images and magnitude: a share, signed for some

OF_PLACE = ("shear-x", "shear-y", "translate-x", "translate-y", "rotate")
SIGNED: dict[str, Operation] = {
    "brightness": lambda images, share: v2.adjust_brightness(images, 1 + 0.9 * share),
    "color": lambda images, share: v2.adjust_saturation(images, 1 + 0.9 * share),
    "contrast": lambda images, share: v2.adjust_contrast(images, 1 + 0.9 * share),
    "sharpness": lambda images, share: _sharpened(images, 1 + 0.9 * share),
}
UNSIGNED: dict[str, Operation] = {
    "posterize": lambda images, share: v2.posterize(images, 8 - round(4 * share)),
    "solarize": lambda images, share: v2.solarize(images, 255 * (1 - share)),
    "autocontrast": lambda images, _: v2.autocontrast(images),
    "equalize": lambda images, _: v2.equalize(images),
    "identity": lambda images, _: images,
}
OPERATIONS = (*OF_PLACE, *SIGNED, *UNSIGNED)


def _randaugmented(images: Tensor, magnitude: int, rng: torch.Generator) -> Tensor:
    """Two operations an image, of a strength of ``magnitude`` in 30 (https://arxiv.org/abs/1909.13719).

    The operations and their ranges are torchvision's; what turns or moves is bilinear.
    """
    which = torch.randint(len(OPERATIONS), (2, len(images)), generator=rng)
    signs = torch.where(torch.rand(2, len(images), generator=rng) < 0.5, -1, 1)
    for number, sign in zip(which, signs, strict=True):
        images = _operated(images, number, sign, magnitude / 30)
    return images


def _operated(images: Tensor, which: Tensor, signs: Tensor, share: float) -> Tensor:
    """One operation an image: those of equal operation and sign at once."""
    places = len(OF_PLACE)
    kinds = torch.where(which < places, 0, (which * 2 + (signs < 0)))  # all of place together
    order = kinds.argsort(stable=True)
    found, counts = kinds[order].unique_consecutive(return_counts=True)
    there = sent(order, images.device)
    done = []
    for kind, group, numbers in zip(
        found.tolist(),
        images[there].split(counts.tolist()),
        order.split(counts.tolist()),
        strict=True,
    ):
        if kind == 0:
            matrices = _matrices(which[numbers], signs[numbers], share, images.shape[-1])
            done.append(_sampled(group, matrices, images.shape[-1], "zeros"))
            continue
        name = OPERATIONS[kind // 2]
        if name in SIGNED:
            done.append(SIGNED[name](group, -share if kind % 2 else share))
        else:
            done.append(UNSIGNED[name](group, share))
    result = torch.empty_like(images)
    result[there] = torch.cat(done)
    return result


def _matrices(which: Tensor, signs: Tensor, share: float, size: int) -> Tensor:
    """For ``_sampled``: (n, 2, 3), ``which`` by the order of ``OF_PLACE``."""
    strength = signs * share
    matrices = torch.eye(2, 3).repeat(len(which), 1, 1)
    pixels = (strength * (150 / 331 * size)).trunc()  # whole ones
    angle = torch.deg2rad(strength * 30)
    cos, sin = angle.cos(), angle.sin()
    for number, changes in enumerate(
        (
            {(0, 1): strength * 0.3, (0, 2): strength * 0.3},  # the upper edge stays
            {(1, 0): strength * 0.3, (1, 2): strength * 0.3},  # the left edge stays
            {(0, 2): -2 * pixels / size},
            {(1, 2): -2 * pixels / size},
            {(0, 0): cos, (0, 1): -sin, (1, 0): sin, (1, 1): cos},
        )
    ):
        for (row, column), values in changes.items():
            there = matrices[:, row, column]
            matrices[:, row, column] = torch.where(which == number, values, there)
    return matrices


def _sharpened(images: Tensor, factor: float) -> Tensor:
    """Away from its blur (a 3 x 3 mean, the middle five times), or towards it; edges stay."""
    if min(images.shape[-2:]) < 3:
        return images
    sharp = images.float()
    middle = sharp[..., 1:-1, 1:-1]
    blurred = ((F.avg_pool2d(sharp, 3, 1) * 9 + 4 * middle) / 13).round_()
    result = sharp.clone()
    result[..., 1:-1, 1:-1] = blurred + factor * (middle - blurred)
    return result.clamp_(0, 255).to(torch.uint8)


# --------------------------------------------------------------------------- two images in one


def mixed(
    x: Tensor, targets: Tensor, recipe: Recipe, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Each image mixed with the one before it, and its targets (n, classes) in the same shares.

    mixup blends them (https://arxiv.org/abs/1710.09412), cutmix sets a rectangle of one in the
    other (https://arxiv.org/abs/1905.04899). The share is one for the batch; with both a batch
    gets one or the other, evenly.
    """
    alphas = [("mixup", recipe.mixup), ("cutmix", recipe.cutmix)]
    alphas = [(kind, alpha) for kind, alpha in alphas if alpha]
    if not alphas:
        return x, targets
    kind, alpha = alphas[int(torch.randint(len(alphas), (), generator=rng))]
    share = _beta(alpha, rng)
    if kind == "mixup":
        x = x * share + x.roll(1, 0) * (1 - share)
    else:
        (top, bottom), (left, right) = (_cut(side, share, rng) for side in x.shape[-2:])
        x, other = x.clone(), x.roll(1, 0)
        x[..., top:bottom, left:right] = other[..., top:bottom, left:right]
        share = 1 - (bottom - top) * (right - left) / (x.shape[-1] * x.shape[-2])  # what is left
    return x, targets * share + targets.roll(1, 0) * (1 - share)


def _beta(alpha: float, rng: torch.Generator) -> float:
    """A draw of the beta distribution of ``alpha`` and ``alpha``; torch has none of a generator."""
    seed = int(torch.randint(2**32, (), generator=rng))
    return float(np.random.RandomState(seed).beta(alpha, alpha))  # numpy froze this stream


def _cut(side: int, share: float, rng: torch.Generator) -> tuple[int, int]:
    """Of a rectangle of (1 - share) of the area anywhere, the part within the image."""
    half = int(side * (1 - share) ** 0.5) / 2
    middle = int(torch.randint(side, (), generator=rng))
    return max(0, int(middle - half)), min(side, int(middle + half))
