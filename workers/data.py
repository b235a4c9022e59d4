"""Labelled images: uint8 in memory, split into train, validation and test."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
import torchvision
from pydantic import Field, field_validator
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as v2

from .._settings import Settings
from ..errors import BadValue, unknown

__all__ = ["DATASETS", "Data", "Images", "Split", "load"]


class Data(Settings):
    """Which images, and how they are split."""

    name: str = "cluttered-digits"
    root: str = "data"  # folder of downloaded sets
    image_size: int | None = Field(
        None, ge=8, le=1024
    )  # pixels a side; None: the set's own, 224 of a folder
    validation: float = Field(0.2, gt=0, lt=1)  # share of the training images, where a set has none
    seed: int = Field(0, ge=0, lt=2**32)  # of splitting and of generation

    @field_validator("name")
    @classmethod
    def _known_name(cls, name: str) -> str:
        kind, _, _ = name.partition(":")
        if kind not in DATASETS:
            raise unknown("data set", name, [*[*DATASETS][:-1], "imagefolder:PATH"])
        return name


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
        """uint8 images as float32 of mean 0 and standard deviation 1, channels last in memory."""
        images = images.contiguous(memory_format=torch.channels_last)
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
    """A data set, split. No scan or photograph of one split is in another."""

    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    may_flip: bool  # a mirrored image keeps its label

    @property
    def size(self) -> int:
        """Side of the square images, in pixels."""
        return self.train.images.shape[-1]

    def about(self) -> dict[str, Any]:
        """What a reader of a study has to know of them, as plain data."""
        return {
            "size": self.size,
            "mean": [round(float(share), 6) for share in self.train.mean],
            "std": [round(float(share), 6) for share in self.train.std],
            "train": len(self.train),
            "validation": len(self.validation),
            "test": len(self.test),
        }

    def arrays(self) -> dict[str, Any]:
        """All of it as plain data and numpy arrays, for processes that share their memory."""
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        return {"classes": self.classes, "may_flip": self.may_flip} | {
            name: [t.numpy() for t in (split.images, split.labels, split.mean, split.std)]
            for name, split in splits.items()
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> "Images":
        """The images of ``arrays``, in the same memory."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")
            splits = {
                name: Split(*map(torch.from_numpy, arrays[name]))
                for name in ("train", "validation", "test")
            }
        return cls(classes=arrays["classes"], may_flip=arrays["may_flip"], **splits)

    @property
    def nbytes(self) -> int:
        """What the pixels take in memory."""
        return sum(s.images.nbytes for s in (self.train, self.validation, self.test))

    def to(self, device: torch.device) -> "Images":
        """The same images on ``device``."""
        return replace(
            self,
            train=self.train.to(device),
            validation=self.validation.to(device),
            test=self.test.to(device),
        )


Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class _Raw:
    """Images and labels as numpy has them: uint8 (N, H, W) or (N, H, W, 3), int64 (N,)."""

    images: Array
    labels: Array

    def __getitem__(self, which: Any) -> "_Raw":
        return _Raw(self.images[which], self.labels[which])

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class _Parts:
    """Train, validation and test, before they are resized and turned into tensors."""

    train: _Raw
    validation: _Raw
    test: _Raw
    classes: Sequence[str]
    may_flip: bool


@cache
def load(data: Data) -> Images:
    """The images that ``data`` means, split, on the CPU; kept for the life of the process.

    Raises
        BadValue  if files are missing or too few, in a sentence that says where they belong
    """
    kind, _, path = data.name.partition(":")
    parts = DATASETS[kind](data, path)
    pixels = torch.from_numpy(np.ascontiguousarray(parts.train.images)).double() / 255
    over = tuple(range(pixels.ndim)) if pixels.ndim == 3 else (0, 1, 2)
    mean, std = pixels.mean(over).expand(3), pixels.std(over).clamp(min=1e-3).expand(3)
    mean, std = (
        share.mul(1e6).round().div(1e6).float() for share in (mean, std)
    )  # as `about` says

    def split(raw: _Raw) -> Split:
        images = torch.from_numpy(np.ascontiguousarray(raw.images))
        images = images[:, None].expand(-1, 3, -1, -1) if images.ndim == 3 else images.movedim(3, 1)
        if data.image_size is not None and data.image_size != images.shape[-1]:
            images = _resized(images, data.image_size)
        return Split(images.contiguous(), torch.from_numpy(raw.labels), mean, std)

    return Images(
        tuple(parts.classes),
        split(parts.train),
        split(parts.validation),
        split(parts.test),
        parts.may_flip,
    )


def _resized(images: Tensor, size: int) -> Tensor:
    resized: Tensor = v2.resize(images.contiguous(), [size, size], antialias=True)
    return resized


# ------------------------------------------------------------------------------------ the sets

CANVAS = 16  # pixels a side; a scan has 8
COPIES = (2, 4, 10)  # canvases for each scan, of train, validation and test
FRAGMENTS, FRAGMENT = 4, 4  # pieces of other scans on a canvas, and their side in pixels


def _digits(data: Data, _: str) -> _Parts:
    train, validation, test = _scans(data.seed)
    return _Parts(train, validation, test, [str(digit) for digit in range(10)], may_flip=False)


def _cluttered_digits(data: Data, _: str) -> _Parts:
    """A digit at a random place among fragments of other digits of the same split."""
    train, validation, test = (
        _cluttered(scans, COPIES[number], np.random.RandomState([data.seed, number]))
        for number, scans in enumerate(_scans(data.seed))
    )
    return _Parts(train, validation, test, [str(digit) for digit in range(10)], may_flip=False)


def _scans(seed: int) -> tuple[_Raw, _Raw, _Raw]:
    """scikit-learn's 1,797 scans, disjoint: 60 % train, 20 % validation, 20 % test."""
    from sklearn.datasets import load_digits

    scans, labels = load_digits(return_X_y=True)
    raw = _Raw((scans.reshape(-1, 8, 8) * 15).astype(np.uint8), labels.astype(np.int64))
    order = np.random.RandomState(seed).permutation(len(raw))  # numpy froze this stream
    first, second = len(raw) * 3 // 5, len(raw) * 4 // 5
    return raw[order[:first]], raw[order[first:second]], raw[order[second:]]


def _cluttered(scans: _Raw, copies: int, rng: np.random.RandomState) -> _Raw:
    canvases = np.zeros((copies * len(scans), CANVAS, CANVAS), np.uint8)
    for number, canvas in enumerate(canvases):
        for _ in range(FRAGMENTS):
            other = scans.images[rng.randint(len(scans))]
            top, left = rng.randint(8 - FRAGMENT + 1, size=2)
            _stamp(canvas, other[top : top + FRAGMENT, left : left + FRAGMENT], rng)
        _stamp(canvas, scans.images[number % len(scans)], rng)
    return _Raw(canvases, np.tile(scans.labels, copies))


def _stamp(canvas: Array, piece: Array, rng: np.random.RandomState) -> None:
    y, x = rng.randint(CANVAS - len(piece) + 1, size=2)
    there = canvas[y : y + len(piece), x : x + len(piece)]
    np.maximum(there, piece, out=there)


def _cifar(cls: type[torchvision.datasets.CIFAR10], data: Data) -> _Parts:
    try:
        train, test = (cls(data.root, train=train, download=False) for train in (True, False))
    except RuntimeError:
        train, test = _downloaded(cls, data.root)
    raw = _Raw(np.asarray(train.data), np.asarray(train.targets, np.int64))
    kept, held_out = _held_out(raw, data)
    last = _Raw(np.asarray(test.data), np.asarray(test.targets, np.int64))
    return _Parts(kept, held_out, last, train.classes, may_flip=True)


def _downloaded(cls: type[torchvision.datasets.CIFAR10], root: str) -> tuple[Any, Any]:
    new = not Path(root).exists()
    try:
        return cls(root, train=True, download=True), cls(root, train=False, download=True)
    except (OSError, RuntimeError) as error:
        if new and Path(root).is_dir() and not any(Path(root).iterdir()):
            Path(root).rmdir()  # made by the attempt
        raise BadValue(
            f"{cls.__name__} is not under {root!r} and cannot be downloaded ({error}); "
            f"put its archive {cls.filename!r} or its folder {cls.base_folder!r} there"
        ) from None


def _image_folder(data: Data, path: str) -> _Parts:
    """PATH/train, PATH/val or validation, PATH/test, each with a folder per class.

    Without train, PATH itself holds the class folders; splits that are missing are taken from the
    training images, each by the share ``data.validation``.
    """
    root = Path(path).expanduser()
    if not path or not root.is_dir():
        raise BadValue(f"imagefolder: there is no folder {path!r}")
    split = {name: root / name for name in ("train", "val", "validation", "test")}
    split = {name: folder for name, folder in split.items() if folder.is_dir()}
    train, classes = _read_folder(split.get("train", root), data)
    given = {"validation": split.get("val", split.get("validation")), "test": split.get("test")}
    parts: dict[str, _Raw] = {}
    for name, folder in given.items():
        if folder is None:
            train, parts[name] = _held_out(train, data)
            continue
        parts[name], other = _read_folder(folder, data)
        if other != classes:
            raise BadValue(f"imagefolder: {str(folder)!r} has other classes than the training set")
    return _Parts(train, parts["validation"], parts["test"], classes, may_flip=True)


def _read_folder(folder: Path, data: Data) -> tuple[_Raw, list[str]]:
    size = data.image_size or 224
    try:
        images = torchvision.datasets.ImageFolder(str(folder))
    except FileNotFoundError as error:
        raise BadValue(f"imagefolder: {error}") from None
    pixels = np.empty((len(images), size, size, 3), np.uint8)
    for number, (file, _) in enumerate(images.samples):
        try:
            picture = images.loader(file)
        except Exception as error:  # decoders raise what they like at a broken file
            raise BadValue(f"imagefolder: cannot read {file!r}: {error}") from None
        resized = torchvision.transforms.functional.resize(picture, size)
        pixels[number] = np.asarray(torchvision.transforms.functional.center_crop(resized, [size]))
    return _Raw(pixels, np.asarray(images.targets, np.int64)), list(images.classes)


def _held_out(raw: _Raw, data: Data) -> tuple[_Raw, _Raw]:
    """The images, and a share of each class of them set aside."""
    rng = np.random.RandomState(data.seed)
    aside = np.zeros(len(raw), bool)
    for label in np.unique(raw.labels):
        there = rng.permutation(np.flatnonzero(raw.labels == label))
        count = max(1, round(data.validation * len(there)))
        if count >= len(there):
            raise BadValue(f"{data.name}: class {label} has only {len(there)} images to split")
        aside[there[:count]] = True
    return raw[~aside], raw[aside]


DATASETS: dict[str, Callable[[Data, str], _Parts]] = {
    "cluttered-digits": _cluttered_digits,
    "digits": _digits,
    "cifar10": lambda data, _: _cifar(torchvision.datasets.CIFAR10, data),
    "cifar100": lambda data, _: _cifar(torchvision.datasets.CIFAR100, data),
    "imagefolder": _image_folder,
}
