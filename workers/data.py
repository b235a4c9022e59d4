"""Labelled images: uint8 in memory, split into train, validation and test."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
import torchvision
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from .._settings import Settings
from ..errors import BadValue, unknown

__all__ = ["DATASETS", "Data", "Images", "Split", "load"]


class Data(Settings):
    """Which images, and how they are split."""

    name: str = "cluttered-digits"
    root: str = "data"  # folder of downloaded sets
    image_size: int | None = Field(None, ge=8, le=1024)  # pixels; None: as the set has them
    validation: float = Field(0.2, gt=0, lt=1)  # share of the training images, where a set has none
    seed: int = Field(0, ge=0)  # of splitting and of generation

    def load(self) -> "Images":
        """The images; a ``UserError`` says what is missing."""
        return load(self)


@dataclass(frozen=True, slots=True)
class Split:
    """Images of one purpose, on one device."""

    images: Tensor  # uint8 (N, 3, H, W)
    labels: Tensor  # int64 (N,)
    mean: Tensor  # of a channel, in 0 to 1: (3,)
    std: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> Self:
        """The same images on ``device``."""
        return type(self)(*(t.to(device) for t in (self.images, self.labels, self.mean, self.std)))

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All images in order: (normalised float32 (n, 3, H, W), labels)."""
        for images, labels in zip(self.images.split(size), self.labels.split(size), strict=True):
            yield self.normalised(images), labels

    def shuffled(
        self, size: int, rng: torch.Generator, *, shift: int, flip: bool
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch of whole batches in random order, each image moved and mirrored at random.

        ``rng`` is on the CPU and the only source of chance, so an epoch is the same on any device.
        """
        order = torch.randperm(len(self), generator=rng)
        count = len(self) // size if len(self) >= size else 1
        for chosen in order[: count * size].split(size):
            moves = torch.randint(0, 2 * shift + 1, (2, len(chosen)), generator=rng)
            mirrored = torch.rand(len(chosen), generator=rng) < 0.5
            chosen = chosen.to(self.images.device)
            images = self.images[chosen]
            if shift:
                images = _shifted(images, moves.to(images.device), shift)
            if flip:
                keep = ~mirrored.to(images.device)[:, None, None, None]
                images = torch.where(keep, images, images.flip(3))
            yield self.normalised(images), self.labels[chosen]

    def normalised(self, images: Tensor) -> Tensor:
        """uint8 images as float32 of mean 0 and standard deviation 1."""
        scale = 1 / (255 * self.std)
        return images * scale[:, None, None] - (self.mean / self.std)[:, None, None]


def _shifted(images: Tensor, moves: Tensor, shift: int) -> Tensor:
    """Each image moved by its ``moves`` (2, n) - ``shift`` pixels, black coming in."""
    count, channels, height, width = images.shape
    padded = F.pad(images, [shift] * 4)
    rows = moves[0][:, None] + torch.arange(height, device=images.device)
    columns = moves[1][:, None] + torch.arange(width, device=images.device)
    number = torch.arange(count, device=images.device)
    return padded[
        number[:, None, None, None],
        torch.arange(channels, device=images.device)[None, :, None, None],
        rows[:, None, :, None],
        columns[:, None, None, :],
    ]


@dataclass(frozen=True, slots=True)
class Images:
    """A data set, split. Scans or photographs of one split are in no other."""

    name: str
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    may_flip: bool  # a mirrored image keeps its label

    @property
    def size(self) -> int:
        """Side of the square images, in pixels."""
        return self.train.images.shape[-1]


@dataclass(frozen=True, slots=True)
class _Raw:
    """Images and labels as numpy has them: uint8 (N, H, W) or (N, H, W, 3), int64 (N,)."""

    images: np.ndarray[Any, np.dtype[np.uint8]]
    labels: np.ndarray[Any, np.dtype[np.int64]]

    def __getitem__(self, which: Any) -> "_Raw":
        return _Raw(self.images[which], self.labels[which])


def _digits() -> _Raw:
    from sklearn.datasets import load_digits

    scans, labels = load_digits(return_X_y=True)
    return _Raw((scans.reshape(-1, 8, 8) * 15).astype(np.uint8), labels.astype(np.int64))


def _digit_scans(seed: int) -> tuple[_Raw, _Raw, _Raw]:
    """Disjoint scans: 60 % train, 20 % validation, 20 % test."""
    raw = _digits()
    order = np.random.RandomState(seed).permutation(len(raw.labels))  # a stream frozen by numpy
    first, second = int(0.6 * len(order)), int(0.8 * len(order))
    return raw[order[:first]], raw[order[first:second]], raw[order[second:]]


CANVAS, COPIES, FRAGMENTS, FRAGMENT = 24, 3, 10, 5


def _cluttered(scans: _Raw, seed: int, copies: int) -> _Raw:
    """Each scan ``copies`` times, at a random place among fragments of the other scans."""
    rng = np.random.RandomState(seed)
    labels = np.tile(scans.labels, copies)
    canvases = np.zeros((len(labels), CANVAS, CANVAS), np.uint8)
    for canvas, scan in zip(canvases, np.tile(np.arange(len(scans.labels)), copies), strict=True):
        for _ in range(FRAGMENTS):
            other = rng.randint(len(scans.labels))
            top, left = rng.randint(8 - FRAGMENT + 1, size=2)
            piece = scans.images[other, top : top + FRAGMENT, left : left + FRAGMENT]
            _stamp(canvas, piece, rng)
        _stamp(canvas, scans.images[scan], rng)
    return _Raw(canvases, labels)


def _stamp(canvas: Any, piece: Any, rng: np.random.RandomState) -> None:
    y, x = rng.randint(CANVAS - len(piece) + 1, size=2)
    there = canvas[y : y + len(piece), x : x + len(piece)]
    np.maximum(there, piece, out=there)
