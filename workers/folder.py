"""Pictures of a user's, listed and not yet read: a folder per class, or a table of files."""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadValue, listed

__all__ = ["SPLITS", "SUFFIXES", "Listing", "Source", "image_folder", "table"]

SPLITS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}
SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True, slots=True)
class Listing:
    """The pictures of one split, in the order in which they are kept."""

    files: list[str]  # relative to the source's root
    stamps: list[tuple[int, int]]  # bytes and time of change, in nanoseconds
    labels: np.ndarray[Any, np.dtype[Any]]  # int64 (n,), or float32 (n, classes) of 0 and 1


@dataclass(frozen=True, slots=True)
class Source:
    """Where pictures are and what they show."""

    name: str  # as a spec has it: imagefolder:PATH, table:FILE
    path: Path  # what the user named
    root: Path  # the folder that files are relative to
    classes: tuple[str, ...]
    splits: dict[str, Listing]  # train, and validation and test if they are given

    @property
    def multi_label(self) -> bool:
        """A picture may show several classes, or none."""
        return self.splits["train"].labels.ndim == 2


def image_folder(path: str) -> Source:
    """PATH/train, PATH/val or validation, PATH/test, each with a folder per class.

    Without train, PATH itself holds the class folders. Pictures may lie in folders within; names
    that start with a dot count for nothing.
    """
    root = Path(path).expanduser()
    if not path or not root.is_dir():
        raise BadValue(f"imagefolder: there is no folder {path!r}")
    folders = {SPLITS[name]: root / name for name in ("validation", "val", "test", "train")}
    folders |= {SPLITS[name]: root / name for name in SPLITS if (root / name).is_dir()}
    given = {name: folder for name, folder in folders.items() if folder.is_dir()}
    given = {"train": given.pop("train", root)} | given
    splits: dict[str, Listing] = {}
    first: list[str] = []
    for name, folder in given.items():
        splits[name], classes = _classes_of(folder, root)
        if (first := first or classes) != classes:
            raise BadValue(f"imagefolder: {str(folder)!r} has other classes than the training set")
    return Source(f"imagefolder:{path}", root, root, tuple(first), splits)


def _classes_of(folder: Path, root: Path) -> tuple[Listing, list[str]]:
    classes = sorted(e.name for e in os.scandir(folder) if e.is_dir() and e.name[0] != ".")
    if not classes:
        raise BadValue(f"imagefolder: {str(folder)!r} has no folder for each class")
    files: list[str] = []
    stamps: list[tuple[int, int]] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        before = len(files)
        for file, stamp in _pictures(folder / name):
            files.append(os.path.relpath(file, root))
            stamps.append(stamp)
            labels.append(label)
        if len(files) == before:
            raise BadValue(
                f"imagefolder: class {name!r} has no picture in {str(folder / name)!r}; "
                f"pictures end in {listed(SUFFIXES, last='or')}"
            )
    return Listing(files, stamps, np.asarray(labels, np.int64)), classes


def _pictures(folder: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    """Every picture below ``folder``, sorted: its files, then those of its folders."""
    with os.scandir(folder) as entries:
        there = sorted((e for e in entries if e.name[0] != "."), key=lambda entry: entry.name)
    for entry in there:
        if entry.name.lower().endswith(SUFFIXES) and not entry.is_dir():
            yield entry.path, _stamp(entry)
    for entry in there:
        if entry.is_dir():
            yield from _pictures(Path(entry.path))


def _stamp(file: "os.DirEntry[str] | Path") -> tuple[int, int]:
    try:
        stat = file.stat()
    except OSError:  # it vanished, or is a link to nowhere: counted when it cannot be read
        return 0, 0
    return stat.st_size, stat.st_mtime_ns


def table(path: str) -> Source:
    """A CSV file with the columns ``file``, ``labels`` and, if wanted, ``split``.

    Files are relative to the table; labels are separated by ``|``; a split is train, validation
    (or val) or test, and none is train. A table in which each row has exactly one label is a set
    like any other, for either loss; otherwise its images have several labels, for loss binary.
    """
    file = Path(path).expanduser()
    what = f"table: {path!r}"
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, skipinitialspace=True)
            columns = reader.fieldnames or []
            rows = [
                {k: (v or "") for k, v in row.items() if isinstance(v, str | None)}
                for row in reader
            ]
    except (OSError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadValue(f"table: cannot read {path!r}: {reason}") from None
    for column in ("file", "labels"):
        if column not in columns:
            there = listed(map(repr, columns)) if columns else "none"
            raise BadValue(f"{what} has no column {column!r}; its columns are {there}")
    if not rows:
        raise BadValue(f"{what} has no row")
    parts: dict[str, list[tuple[str, list[str]]]] = {"train": []}
    for number, row in enumerate(rows, 2):  # line 1 names the columns
        name, split = row["file"].strip(), (row.get("split") or "train").strip() or "train"
        if not name:
            raise BadValue(f"{what} names no file in row {number}")
        if split not in SPLITS:
            raise BadValue(
                f"{what} has the split {split!r} in row {number}; "
                f"there are {listed(map(repr, SPLITS), last='or')}"
            )
        labels = sorted({one.strip() for one in row["labels"].split("|")} - {""})
        parts.setdefault(SPLITS[split], []).append((name, labels))
    if not parts["train"]:
        raise BadValue(f"{what} has no row of split 'train'")
    classes = sorted({label for _, labels in parts["train"] for label in labels})
    if not classes:
        raise BadValue(f"{what} has no label in any row of split 'train'")
    single = all(len(labels) == 1 for part in parts.values() for _, labels in part)
    number_of = {label: number for number, label in enumerate(classes)}
    splits: dict[str, Listing] = {}
    for split in ("train", "validation", "test"):
        if split not in parts:
            continue
        part = parts[split]
        targets = np.zeros((len(part), len(classes)), np.float32)
        for at, (name, labels) in enumerate(part):
            for label in labels:
                if label not in number_of:
                    raise BadValue(
                        f"{what} has the label {label!r} of {name!r} in no row of split 'train'"
                    )
                targets[at, number_of[label]] = 1
        files = [name for name, _ in part]
        stamps = [_stamp(file.parent / name) for name in files]
        splits[split] = Listing(files, stamps, targets.argmax(1) if single else targets)
    return Source(f"table:{path}", file, file.parent, tuple(classes), splits)
