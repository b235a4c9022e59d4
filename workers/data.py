"""Labelled images in uint8, split into train, validation and test, and their way to a device."""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
import torchvision
from pydantic import Field, field_validator
from torch import Tensor
from torchvision.transforms.v2 import functional as v2

from .._settings import Settings
from ..errors import BadValue, unknown
from .augment import centred, sent
from .folder import Source, image_folder, table
from .packs import Pack, Part, cached, is_pack, left_in_cache, open_pack, viewed

__all__ = ["DATASETS", "Data", "Images", "Split", "load"]


class Data(Settings):
    """Which images, and how they are split."""

    name: str = "cluttered-digits"  # also imagefolder:PATH, table:FILE.csv, pack:FOLDER
    root: str = "data"  # folder of downloaded sets
    image_size: int | None = Field(
        None, ge=8, le=1024
    )  # pixels a side; None: the set's own, 224 of a folder
    validation: float = Field(0.2, gt=0, lt=1)  # share of the training images, where a set has none
    broken: float = Field(0.01, ge=0, lt=1)  # share of pictures of a split that may be unreadable
    seed: int = Field(0, ge=0, lt=2**32)  # of splitting and of generation

    @field_validator("name")
    @classmethod
    def _known_name(cls, name: str) -> str:
        kind, _, _ = name.partition(":")
        if kind not in DATASETS and kind not in PICTURES:
            raise unknown("data set", name, [*DATASETS, *PICTURES.values()])
        return name


@dataclass(frozen=True, slots=True)
class Split:
    """Images of one purpose, and where they are trained on.

    Few lie on that device. Many stay on the host, those of a pack in its file, and come batch by
    batch; who trains sees no difference.
    """

    images: Tensor  # uint8 (N, 3, H, W); of a pack: the file's, of which ``rows`` are these
    labels: Tensor  # int64 (n,), or of several labels float32 (n, classes) of 0 and 1
    mean: Tensor  # of a channel, in 0 to 1: (3,)
    std: Tensor
    rows: Tensor | None = None  # int64 (n,), on the host: which of ``images``; None: all of them
    side: int | None = None  # pixels that come out; None: as many as the images have

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def device(self) -> torch.device:
        """Where batches come out."""
        return self.labels.device

    @property
    def size(self) -> int:
        """Pixels a side of what comes out; a pack's images have a margin for crops."""
        return self.side or self.images.shape[-1]

    @property
    def nbytes(self) -> int:
        """What the images take in memory."""
        return len(self) * self.images[:1].numel()

    def to(self, device: torch.device, *, streamed: bool = False) -> Self:
        """The same images, trained on ``device``: on it, or ``streamed`` from where they are."""
        labels, mean, std = (t.to(device) for t in (self.labels, self.mean, self.std))
        if streamed or device == self.images.device:
            return replace(self, labels=labels, mean=mean, std=std)
        if self.rows is None and self.images.is_contiguous():
            images = self.images.to(device)
        else:  # piece by piece: the host may not have the room
            shape = (len(self), *self.images.shape[2:], self.images.shape[1])
            images = torch.empty(shape, dtype=torch.uint8, device=device).permute(0, 3, 1, 2)
            rows = torch.arange(len(self)) if self.rows is None else self.rows
            for there, part in zip(images.split(256), rows.split(256), strict=True):
                there.copy_(_rows(self.images, part))
        return replace(self, images=images, labels=labels, mean=mean, std=std, rows=None)

    def sampled(self, most: int) -> Tensor:
        """Up to ``most`` images, evenly spaced, as they are stored: on the host, channels first."""
        last, count = len(self) - 1, min(most, len(self))
        which = torch.arange(count) * last // max(1, count - 1)
        rows = which if self.rows is None else self.rows[which]
        return _rows(self.images, rows.to(self.images.device)).cpu().contiguous()

    def at(self, places: Sequence[int]) -> Tensor:
        """The images at ``places`` as ``batches`` has them, in uint8, on the host."""
        which = torch.tensor(places)
        rows = which if self.rows is None else self.rows[which]
        images = centred(self.images, self.size)
        return _rows(images, rows.to(images.device)).cpu().contiguous()

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All images in order: (normalised float32 (n, 3, S, S), labels)."""
        images = centred(self.images, self.size)
        for x, labels in self._taken(images, torch.arange(len(self)), size):
            yield self.normalised(x), labels

    def shuffled(
        self, size: int, rng: torch.Generator, augment: Callable[[Tensor, torch.Generator], Tensor]
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch of whole batches in random order, the images as ``augment`` leaves them.

        ``rng`` is on the CPU and the only source of chance, so an epoch is the same on any device.
        """
        order = torch.randperm(len(self), generator=rng)
        count = len(self) // size if len(self) >= size else 1
        for images, labels in self._taken(self.images, order[: count * size], size):
            yield self.normalised(augment(images, rng)), labels

    def _taken(self, images: Tensor, order: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of uint8 images and labels, on the device."""
        there = sent(order, self.device)
        labels = (self.labels[part] for part in there.split(size))
        if images.device == self.device:
            rows = there if self.rows is None else self.rows[there]
            found = (_rows(images, part) for part in rows.split(size))
        else:
            rows = order if self.rows is None else self.rows[order]
            found = _sent_ahead(images, rows.split(size), self.device)
        return zip(found, labels, strict=True)

    def normalised(self, images: Tensor) -> Tensor:
        """uint8 images as float32 of mean 0 and standard deviation 1, channels last in memory."""
        x = images.to(torch.float32, memory_format=torch.channels_last, copy=True)
        x *= (1 / (255 * self.std))[:, None, None]
        x -= (self.mean / self.std)[:, None, None]
        return x


def _rows(images: Tensor, rows: Tensor) -> Tensor:
    """``images[rows]``, in memory as they are: channels first, or last as those of a pack."""
    if images.is_contiguous():
        return images.index_select(0, rows)
    return images.permute(0, 2, 3, 1).index_select(0, rows).permute(0, 3, 1, 2)


AHEAD = 2  # batches that are gathered before they are asked for


def _sent_ahead(
    images: Tensor, parts: Sequence[Tensor], device: torch.device
) -> Generator[Tensor, None, None]:
    """``images`` of the host on a GPU, in ``parts``; a thread gathers some while one is in use.

    They are copied on a stream of their own, beside the computation. The thread itself does not
    touch CUDA: it may run while the computation is being captured as a graph, and would spoil it.
    """
    images = images.permute(0, 2, 3, 1)
    shape = (max(map(len, parts)), *images.shape[1:])
    slots = [torch.empty(shape, dtype=torch.uint8, pin_memory=True) for _ in range(AHEAD + 1)]
    copied = [torch.cuda.Event() for _ in slots]
    beside = torch.cuda.Stream(device)

    def gathered(number: int) -> Tensor:
        slot = slots[number % len(slots)][: len(parts[number])]
        return torch.index_select(images, 0, parts[number], out=slot)

    with ThreadPoolExecutor(1) as thread:
        waiting = deque(thread.submit(gathered, n) for n in range(min(AHEAD, len(parts))))
        for number in range(len(parts)):
            gone = copied[number % len(slots)]
            with torch.cuda.stream(beside):
                batch = waiting.popleft().result().to(device, non_blocking=True)
                gone.record()
            there = torch.cuda.current_stream(device)
            there.wait_event(gone)
            batch.record_stream(there)
            if (later := number + AHEAD) < len(parts):
                copied[later % len(slots)].synchronize()  # a copy of a step ago, no computation
                waiting.append(thread.submit(gathered, later))
            yield batch.permute(0, 3, 1, 2)


@dataclass(frozen=True, slots=True)
class Images:
    """A data set, split. No scan or photograph of one split is in another."""

    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    may_flip: bool  # a mirrored image keeps its label
    multi_label: bool = False  # an image may have several labels, or none
    photographs: bool = False  # of any size, in which a part shows what the whole does
    pack: str | None = None  # folder of the files that the images are in; None: in memory
    broken: Mapping[str, Any] | None = None  # of a pack: what could not be read

    @property
    def size(self) -> int:
        """Side of the square images, in pixels."""
        return self.train.size

    @property
    def is_packed(self) -> bool:
        """The processes of a machine share them without a copy; ``load`` them anywhere."""
        return self.pack is not None

    @property
    def nbytes(self) -> int:
        """What all images take in memory."""
        return sum(split.nbytes for split in (self.train, self.validation, self.test))

    def about(self) -> dict[str, Any]:
        """What a reader of a study has to know of them, as plain data."""
        about = {
            "size": self.size,
            "mean": [round(float(share), 6) for share in self.train.mean],
            "std": [round(float(share), 6) for share in self.train.std],
            "train": len(self.train),
            "validation": len(self.validation),
            "test": len(self.test),
        }
        if self.multi_label:
            about["multi_label"] = True
        return about if self.broken is None else about | {"broken": dict(self.broken)}

    def fingerprint(self) -> str:
        """By what these data are known again, wherever they lie: a SHA-256 in hexadecimal.

        It is over the classes, the sizes, all labels, and up to 64 evenly spaced images of each
        split, or as many as 32 MiB hold, which takes well under a second of any set. What differs
        in other images alone is not seen.
        """
        about = [[*map(str, self.classes)], self.size, self.multi_label]
        found = sha256(repr(about).encode())
        for name in _SPLITS:
            split: Split = getattr(self, name)
            labels = split.labels.bool() if self.multi_label else split.labels
            room = FINGERPRINTED // split.images[:1].numel()
            images = split.sampled(max(1, min(64, room)))
            found.update(repr((name, len(split), *images.shape, *labels.shape)).encode())
            found.update(labels.cpu().numpy().tobytes())
            found.update(images.numpy().tobytes())
        return found.hexdigest()

    def to(self, device: torch.device, *, most_bytes: int | None = None) -> "Images":
        """The same images, trained on ``device``.

        Splits that fit in ``most_bytes`` together lie on it, train before validation before test;
        the others are streamed. None: a quarter of the memory that a GPU has free right now.
        """
        if most_bytes is None and device.type == "cuda":
            most_bytes = torch.cuda.mem_get_info(device)[0] // 4
        left = most_bytes

        def moved(split: Split) -> Split:
            nonlocal left
            if left is None:
                return split.to(device)
            fits = split.nbytes <= left
            left -= split.nbytes if fits else 0
            return split.to(device, streamed=not fits)

        train, validation, test = map(moved, (self.train, self.validation, self.test))
        return replace(self, train=train, validation=validation, test=test)

    def arrays(self) -> dict[str, Any]:
        """All there is, as plain data and numpy arrays, such as an object store shares.

        For sets in memory, up to a few hundred megabytes (``nbytes``). What ``is_packed`` is
        shared by its file already, and would be copied here.
        """
        arrays: dict[str, Any] = {
            key: getattr(self, key)
            for key in ("classes", "may_flip", "multi_label", "photographs", "broken")
        }
        for name in _SPLITS:
            split: Split = getattr(self, name)
            images = split.images if split.rows is None else _rows(split.images, split.rows)
            found = {"images": images, "labels": split.labels, "mean": split.mean, "std": split.std}
            arrays[name] = {key: tensor.cpu().numpy() for key, tensor in found.items()}
            arrays[name]["side"] = split.side
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> "Images":
        """The images that ``arrays()`` came from, without a copy; read-only arrays are welcome."""
        values = dict(arrays)
        for name in _SPLITS:
            split = dict(values[name])
            side = split.pop("side")
            values[name] = Split(**{key: viewed(a) for key, a in split.items()}, side=side)
        return cls(**values)


_SPLITS = ("train", "validation", "test")
FINGERPRINTED = 2**25  # bytes of images of a split, at most
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

    Pictures of a user are packed first, unless they are: see ``packs``.

    Raises
        BadValue  if files are missing, broken or too few, in a sentence that says what to do
    """
    kind, _, path = data.name.partition(":")
    if kind in PICTURES:
        return _of_pack(_pack(kind, path, data), data)
    parts = DATASETS[kind](data)
    pixels = torch.from_numpy(np.ascontiguousarray(parts.train.images)).double() / 255
    over = tuple(range(pixels.ndim)) if pixels.ndim == 3 else (0, 1, 2)
    mean, std = _figures(pixels.mean(over).expand(3), pixels.std(over).expand(3))

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


def _figures(mean: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
    """Of the training images, rounded as ``about`` says them."""
    mean, std = (figure.mul(1e6).round().div(1e6).float() for figure in (mean, std.clamp(min=1e-3)))
    return mean, std


def _resized(images: Tensor, size: int) -> Tensor:
    resized: Tensor = v2.resize(images.contiguous(), [size, size], antialias=True)
    return resized


# ------------------------------------------------------------------------------------ the sets

CANVAS = 16  # pixels a side; a scan has 8
COPIES = (2, 4, 10)  # canvases for each scan, of train, validation and test
FRAGMENTS, FRAGMENT = 4, 4  # pieces of other scans on a canvas, and their side in pixels


def _digits(data: Data) -> _Parts:
    train, validation, test = _scans(data.seed)
    return _Parts(train, validation, test, [str(digit) for digit in range(10)], may_flip=False)


def _cluttered_digits(data: Data) -> _Parts:
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


# ---------------------------------------------------------------------------- pictures of a user


def _pack(kind: str, path: str, data: Data) -> Pack:
    if kind == "pack" or (kind == "imagefolder" and is_pack(path)):
        return open_pack(path)
    size = data.image_size or 224
    if not Path(path).expanduser().exists() and (left := left_in_cache(path, size)):
        return open_pack(left)
    source = image_folder(path) if kind == "imagefolder" else table(path)
    _not_too_few(source, data)
    return cached(source, size, broken=data.broken)


def _of_pack(pack: Pack, data: Data) -> Images:
    if data.image_size not in (None, pack.size):
        raise BadValue(
            f"the pack {str(pack.folder)!r} is of images of {pack.size} pixels, and "
            f"data.image_size is {data.image_size}; leave it out, or pack them at that size"
        )
    pack.check(data.broken)
    rows: dict[str, tuple[Part, Array]] = {}
    left = np.arange(len(pack.parts["train"].labels))
    for name in ("validation", "test"):
        if name in pack.parts:
            rows[name] = (pack.parts[name], np.arange(len(pack.parts[name].labels)))
        else:
            aside = _aside(pack.parts["train"].labels[left], data)
            rows[name] = (pack.parts["train"], left[aside])
            left = left[~aside]
    rows["train"] = (pack.parts["train"], left)
    sums = pack.parts["train"].sums[left].sum(0) / (255.0 ** np.repeat([1, 2], 3))
    sums /= len(left) * pack.parts["train"].images[0, 0].numel()
    mean, std = _figures(*map(torch.from_numpy, (sums[:3], (sums[3:] - sums[:3] ** 2) ** 0.5)))

    def split(part: Part, rows: Array) -> Split:
        labels = torch.from_numpy(part.labels[rows])
        some = None if len(rows) == len(part.labels) else torch.from_numpy(rows)
        return Split(part.images, labels, mean, std, rows=some, side=pack.size)

    named = [name for part in pack.parts.values() for name in part.named][:20]
    return Images(
        pack.classes,
        split(*rows["train"]),
        split(*rows["validation"]),
        split(*rows["test"]),
        may_flip=True,
        multi_label=pack.parts["train"].labels.ndim == 2,
        photographs=True,
        pack=str(pack.folder),
        broken={"count": sum(part.broken for part in pack.parts.values()), "named": named},
    )


def _not_too_few(source: Source, data: Data) -> None:
    """Say so before all of them are packed."""
    labels = source.splits["train"].labels
    for name in ("validation", "test"):
        if name not in source.splits:
            labels = labels[~_aside(labels, data)]


def _held_out(raw: _Raw, data: Data) -> tuple[_Raw, _Raw]:
    """The images, and a share of each class of them set aside."""
    aside = _aside(raw.labels, data)
    return raw[~aside], raw[aside]


def _aside(labels: Array, data: Data) -> Array:
    """Which images are set aside: a share of each class, or simply of all if they have several."""
    rng = np.random.RandomState(data.seed)
    aside = np.zeros(len(labels), bool)
    groups = labels if labels.ndim == 1 else np.zeros(len(labels), np.int64)
    for label in np.unique(groups):
        there = rng.permutation(np.flatnonzero(groups == label))
        count = max(1, round(data.validation * len(there)))
        if count >= len(there):
            what = f"class {label} has" if labels.ndim == 1 else "there are"
            raise BadValue(f"{data.name}: {what} only {len(there)} images to split")
        aside[there[:count]] = True
    return aside


DATASETS: dict[str, Callable[[Data], _Parts]] = {
    "cluttered-digits": _cluttered_digits,
    "digits": _digits,
    "cifar10": lambda data: _cifar(torchvision.datasets.CIFAR10, data),
    "cifar100": lambda data: _cifar(torchvision.datasets.CIFAR100, data),
}
PICTURES = {  # packed; as a spec names them
    "imagefolder": "imagefolder:PATH",
    "table": "table:FILE.csv",
    "pack": "pack:FOLDER",
}
