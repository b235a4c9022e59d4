"""Packs: the pictures of a user as squares of uint8 in files that all processes map.

Pictures are decoded once, by all cores, and from then on no process decodes or copies any: a file
that is mapped lies in the memory of the machine once, however many trials read it. A pack is

    pack.json           what it holds: classes, pixels, counts, what was broken
    SPLIT.images        uint8 (n, side, side, 3)
    SPLIT.labels.npy    int64 (n,), or float32 (n, classes) of 0 and 1
    SPLIT.sums.npy      int64 (n, 6): of an image, each channel's sum and sum of squares
    SPLIT.files.json    the n pictures' paths

for each SPLIT that the source has. ``side`` is 8/7 of the size that networks see: what is left
over is room for crops; validation takes the middle. The same source makes the same pack, bit for
bit, with any number of workers.
"""

import json
import os
import platform
import shutil
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from PIL import Image, ImageOps, UnidentifiedImageError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from ..errors import BadValue
from .folder import Listing, Source

__all__ = [
    "Pack",
    "Part",
    "cache",
    "cache_folder",
    "cached",
    "is_pack",
    "left_in_cache",
    "open_pack",
    "square",
    "viewed",
    "write",
]

VERSION = 1  # of the files, and of how pictures become squares
ABOUT = "pack.json"
NAMED = 100  # broken pictures, of a split
CHUNK = 8  # pictures that a worker takes at once

Array = np.ndarray[Any, np.dtype[Any]]
Square = tuple[Array, Array]  # pixels and sums


@dataclass(frozen=True, slots=True)
class Part:
    """One split of a pack."""

    images: Tensor  # uint8 (n, 3, side, side), channels last, of the file: not to be written to
    labels: Array
    sums: Array
    broken: int  # pictures that could not be read, and are not among the n
    named: list[list[str]]  # the first of them: [path, reason]


@dataclass(frozen=True, slots=True)
class Pack:
    """An open pack."""

    folder: Path
    source: str  # as a spec named it
    size: int  # pixels a side, as networks see them
    classes: tuple[str, ...]
    parts: dict[str, Part]

    def check(self, limit: float) -> None:
        """Raise a ``BadValue`` if more than the share ``limit`` of a split was broken."""
        for name, part in self.parts.items():
            if part.broken:
                total = len(part.labels) + part.broken
                _check(f"{self.source}: {name}", part.broken, total, limit, part.named[0])


# ------------------------------------------------------------------------------------- opening


def is_pack(folder: str | Path) -> bool:
    """Whether there is a pack in ``folder``."""
    return (Path(folder).expanduser() / ABOUT).is_file()


def open_pack(folder: str | Path) -> Pack:
    """The pack in ``folder``; a ``BadValue`` says what is wrong with it."""
    folder = Path(folder).expanduser()
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        if about["version"] != VERSION:
            raise BadValue(
                f"the pack {str(folder)!r} is of version {about['version']}, and this foveate "
                f"reads version {VERSION}; delete it and pack again"
            )
        parts = {name: _part(folder, name, of, about) for name, of in about["splits"].items()}
    except FileNotFoundError as error:
        missing = os.path.basename(error.filename)
        if missing == ABOUT:
            raise BadValue(f"there is no pack in {str(folder)!r}: it has no {ABOUT}") from None
        raise _not_whole(folder, f"{missing} is missing") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, BadValue):
            raise
        raise _not_whole(folder, str(error)) from None
    return Pack(folder, about["source"], about["size"], tuple(about["classes"]), parts)


def _part(folder: Path, name: str, of: dict[str, Any], about: dict[str, Any]) -> Part:
    count, side = of["count"], about["side"]
    file = folder / f"{name}.images"
    wanted, there = count * side * side * 3, file.stat().st_size
    if there != wanted:  # reading behind the end of a mapped file kills the process
        raise _not_whole(folder, f"{file.name} has {there:,} of {wanted:,} bytes")
    labels, sums = (np.load(folder / f"{name}.{what}.npy") for what in ("labels", "sums"))
    if not len(labels) == len(sums) == count:
        raise _not_whole(folder, f"{name} has {count} images and {len(labels)} labels")
    pixels = np.memmap(file, np.uint8, "r", shape=(count, side, side, 3))
    broken = of["broken"]
    return Part(viewed(pixels).permute(0, 3, 1, 2), labels, sums, broken["count"], broken["named"])


def _not_whole(folder: Path, why: str) -> BadValue:
    return BadValue(f"the pack {str(folder)!r} is not whole: {why}; delete it and pack again")


def viewed(array: Array) -> Tensor:
    """``array`` as a tensor that shares its memory, which may be read-only: then only read it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


# --------------------------------------------------------------------------------------- caching


def cached(source: Source, size: int, *, broken: float) -> Pack:
    """The pack of ``source`` in the user's cache, written now if it is not there.

    Of several processes of a machine one writes and the others wait.
    """
    folder = cache_folder(source, size)
    if not is_pack(folder):
        write(source, size, folder, broken=broken)
    return open_pack(folder)


def cache_folder(source: Source, size: int) -> Path:
    """Where the pack of ``source`` belongs: another place as soon as a picture changes.

    The cache is ``FOVEATE_CACHE``, or ~/.cache/foveate.
    """
    return cache() / "packs" / f"{_stem(source.path, size)}-{_key(source, size)}"


def left_in_cache(path: str, size: int) -> Path | None:
    """The newest pack that was made of ``path``, which may be gone."""
    stem = _stem(Path(path).expanduser(), size)
    found = [folder for folder in (cache() / "packs").glob(f"{stem}-*") if is_pack(folder)]
    return max(found, key=lambda folder: (folder / ABOUT).stat().st_mtime_ns, default=None)


def cache() -> Path:
    """The user's folder of what can be made again: ``FOVEATE_CACHE``, or ~/.cache/foveate."""
    return Path(os.environ.get("FOVEATE_CACHE") or "~/.cache/foveate").expanduser()


def _stem(path: Path, size: int) -> str:
    where = os.path.abspath(path)
    name = "".join(c if c.isalnum() else "-" for c in os.path.basename(where))[:40]
    return f"{name}-{size}-{_digest(where)}"


def _key(source: Source, size: int) -> str:
    """Another one as soon as a picture, its name, its place or its label is another."""
    whole = sha256(json.dumps([VERSION, size, source.classes]).encode())
    for name, of in source.splits.items():
        whole.update(json.dumps([name, of.files, of.stamps]).encode())
        whole.update(of.labels.tobytes())
    return whole.hexdigest()[:16]


def _digest(path: str) -> str:
    return sha256(os.fsencode(path)).hexdigest()[:8]


# --------------------------------------------------------------------------------------- writing


def write(
    source: Source, size: int, folder: Path, *, broken: float, workers: int | None = None
) -> bool:
    """Write the pack of ``source`` into ``folder``, whole or not at all; False: it was there.

    ``workers`` decode at once; None: as many as this process has cores. On a terminal a line on
    stderr says how far it is.

    Raises
        BadValue  if more than the share ``broken`` of a split cannot be read, if there is no
                  room, or if something else is in ``folder``
    """
    folder = Path(os.path.abspath(folder.expanduser()))
    console = Console(stderr=True)
    try:
        locks = cache() / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(locks / f"{_digest(str(folder))}.lock", console):
            if is_pack(folder):
                about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
                if about["key"] == _key(source, size):
                    return False
                raise BadValue(
                    f"there is another pack in {str(folder)!r}; delete it or name another"
                )
            if folder.is_dir() and any(folder.iterdir()):
                raise BadValue(f"the folder {str(folder)!r} is not empty")
            host = platform.node()
            for left in folder.parent.glob(f".{folder.name}.{host}.*.draft"):
                shutil.rmtree(left, ignore_errors=True)  # of a process that was killed
            draft = folder.with_name(f".{folder.name}.{host}.{os.getpid()}.draft")
            draft.mkdir()
            try:
                _write(source, size, draft, broken, workers or _cores(), console)
                with suppress(FileNotFoundError):
                    folder.rmdir()
                os.replace(draft, folder)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        if is_pack(folder):  # another machine was faster, in a folder that both see
            return False
        raise BadValue(
            f"cannot write the pack {str(folder)!r}: {error.strerror or error}; "
            "FOVEATE_CACHE says where packs belong"
        ) from None
    return True


@contextmanager
def _locked(file: Path, console: Console) -> Iterator[None]:
    """Hold the lock of a file; who ends, in whatever way, lets go of it."""
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if console.is_terminal:
            console.print("Waiting for another process that packs the images.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _cores() -> int:
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(32, there or 1)


def _write(
    source: Source, size: int, draft: Path, broken: float, workers: int, console: Console
) -> None:
    side = round(size * 8 / 7)
    total = sum(len(of.files) for of in source.splits.values())
    room, free = total * side * side * 3, shutil.disk_usage(draft).free
    if room > free:
        raise BadValue(
            f"packing {source.name} at {size} pixels takes {room / 1e9:,.1f} GB, and there are "
            f"{free / 1e9:,.1f} GB free in {str(draft.parent)!r}; FOVEATE_CACHE names another place"
        )
    about: dict[str, Any] = {
        "version": VERSION,
        "key": _key(source, size),
        "source": source.name,
        "size": size,
        "side": side,
        "classes": source.classes,
        "splits": {},
    }
    progress = Progress(
        TextColumn("Packing images"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    pool = ThreadPoolExecutor(workers)  # decoding and resizing let other threads run
    try:
        with progress:
            task = progress.add_task("", total=total)
            for name, of in source.splits.items():
                squares = _in_order(pool, source.root, of.files, side, 4 * workers)
                about["splits"][name] = _write_split(
                    f"{source.name}: {name}",
                    draft / name,
                    of,
                    progress.track(squares, len(of.files), task),
                    broken,
                )
    finally:
        pool.shutdown(cancel_futures=True)
    text = json.dumps(about, indent=1)
    (draft / ABOUT).write_text(text + "\n", encoding="utf-8")


def _write_split(
    what: str, file: Path, of: Listing, squares: Iterable[Square | str], limit: float
) -> dict[str, Any]:
    """The files of one split; what ``pack.json`` says of it."""
    kept: list[int] = []
    sums: list[Array] = []
    named: list[list[str]] = []
    with file.with_suffix(".images").open("wb") as pixels:
        for number, found in enumerate(squares):
            if isinstance(found, str):
                named.append([_printable(of.files[number]), found])
                _check(what, len(named), len(of.files), limit, named[0])  # at once
                continue
            pixels.write(found[0].data)
            sums.append(found[1])
            kept.append(number)
    np.save(file.with_suffix(".labels.npy"), of.labels[np.asarray(kept, np.int64)])
    np.save(file.with_suffix(".sums.npy"), np.asarray(sums, np.int64).reshape(-1, 6))
    files = json.dumps([_printable(of.files[number]) for number in kept], ensure_ascii=False)
    file.with_suffix(".files.json").write_text(files, encoding="utf-8")
    return {"count": len(kept), "broken": {"count": len(named), "named": named[:NAMED]}}


def _check(split: str, broken: int, total: int, limit: float, first: list[str]) -> None:
    if broken > (most := int(limit * total + 1e-9)):
        name, reason = first
        raise BadValue(
            f"{split} has {total} pictures, of which at least {broken} cannot be read and "
            f"data.broken={limit:g} allows {most}; the first is {name!r}: {reason}"
        )


def _in_order(
    pool: Executor, root: Path, files: Sequence[str], side: int, ahead: int
) -> Iterator[Square | str]:
    """Each file's square, or why there is none; ``ahead`` chunks are on their way."""
    waiting: deque[Future[list[Square | str]]] = deque()
    for first in range(0, len(files), CHUNK):
        waiting.append(pool.submit(_squares, root, files[first : first + CHUNK], side))
        if len(waiting) > ahead:
            yield from waiting.popleft().result()
    while waiting:
        yield from waiting.popleft().result()


# ------------------------------------------------------------------------------------- pictures


def _squares(root: Path, files: Sequence[str], side: int) -> list[Square | str]:
    found: list[Square | str] = []
    values = np.arange(256)
    for file in files:
        try:
            image = square((root / file).read_bytes(), side)
            counts = np.asarray(image.histogram(), np.int64).reshape(3, 256)
            found.append((np.asarray(image), np.concatenate([counts @ values, counts @ values**2])))
        except Exception as error:  # decoders raise what they like at a broken file
            found.append(_reason(error))
    return found


def square(content: bytes, side: int) -> Image.Image:
    """The middle of a picture, upright, in RGB, ``side`` pixels a side."""
    if not content:
        raise ValueError("the file is empty")
    image: Image.Image = Image.open(BytesIO(content))
    image.draft(None, (2 * side, 2 * side))  # a JPEG far larger than that is decoded smaller
    image.load()
    with suppress(Exception):  # a note on how the camera was held that nobody can read
        ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I;16"):  # or all that is not nearly black would be white
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if "transparency" in image.info and image.mode == "P":
        image = image.convert("RGBA")
    image = image.convert("RGB")
    least = min(image.size)
    left, top = (image.width - least) // 2, (image.height - least) // 2
    image = image.crop((left, top, left + least, top + least))
    return image.resize((side, side), Image.Resampling.BILINEAR)


def _printable(path: str) -> str:
    """A name that is no text, as far as it is."""
    return path.encode("utf-8", "replace").decode()


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):  # its own words hold an address in memory
        return "no picture that can be recognised"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
