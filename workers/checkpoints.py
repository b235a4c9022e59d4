"""The files of a trial: its weights and its checkpoints, on a disk or in an object store."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlsplit, urlunsplit
from zipfile import ZipFile

import torch
from pyarrow import ArrowException
from pyarrow.fs import FileSelector, FileSystem, LocalFileSystem
from safetensors.torch import save

from ..errors import BadValue
from .train import Epoch

__all__ = ["UNREACHABLE", "WEIGHTS", "Checkpoints", "Folder", "packed", "read_file"]

WEIGHTS = "weights.safetensors"
UNREACHABLE = (OSError, ArrowException)  # what a full or absent disk, or a store, answers


class Folder:
    """A folder: a path, or what pyarrow knows as ``file:///...``, ``s3://bucket/path``, ``gs://``.

    A file in it is there whole or not at all, whoever dies meanwhile.

    Raises
        BadValue  if nothing of that kind can be opened
    """

    def __init__(self, where: str | Path) -> None:
        self._files: FileSystem
        if "://" not in str(where):
            self.where = str(Path(where).expanduser().absolute())
            self._files, self._path = LocalFileSystem(), self.where
            return
        self.where = str(where).rstrip("/")
        try:
            self._files, self._path = FileSystem.from_uri(self.where)
            if not self._path:
                raise OSError("no bucket")
        except UNREACHABLE as error:
            raise BadValue(
                "a folder is a path, file:///path, s3://bucket/path or gs://bucket/path, "
                f"got {self.where!r} ({_first_line(error)})"
            ) from None

    def __str__(self) -> str:
        return self.where

    def at(self, name: str) -> Self:
        """The folder ``name`` in this one."""
        folder = object.__new__(type(self))
        folder.where = self.address(name)
        folder._files, folder._path = self._files, f"{self._path}/{name}"
        return folder

    def address(self, name: str) -> str:
        """What is recorded of the file ``name``; ``read_file`` takes it."""
        if "://" not in self.where:
            return f"{self.where}/{name}"
        parts = urlsplit(self.where)
        return urlunsplit(parts._replace(path=f"{parts.path}/{quote(name)}"))

    def make(self) -> None:
        """It is there from now on; raises what the disk says if it cannot be."""
        if self._is_local:
            Path(self._path).mkdir(parents=True, exist_ok=True)
        else:
            self.names()  # an object store has no folders, but may be out of reach

    def names(self) -> list[str]:
        """The files in it; none if there is no such folder."""
        there = self._files.get_file_info(FileSelector(self._path, allow_not_found=True))
        return sorted(info.base_name for info in there if info.is_file)

    def folders(self) -> list[str]:
        """The folders in it; none if there is no such folder."""
        there = self._files.get_file_info(FileSelector(self._path, allow_not_found=True))
        return sorted(info.base_name for info in there if not info.is_file)

    def read(self, name: str) -> bytes:
        """What is in the file ``name``."""
        with self._files.open_input_stream(f"{self._path}/{name}", compression=None) as file:
            content: bytes = file.read()
            return content

    def write(self, name: str, content: bytes | memoryview) -> None:
        """Put the file ``name`` in place, whole or not at all."""
        if self._is_local:
            _replace(Path(self._path) / name, content)
            return
        with self._files.open_output_stream(f"{self._path}/{name}", compression=None) as file:
            file.write(content)  # an object is there once it is closed

    def delete(self, name: str) -> None:
        """The file ``name`` goes."""
        self._files.delete_file(f"{self._path}/{name}")

    def clear(self, *, but: Sequence[str] = ()) -> None:
        """All files go ``but`` some; the folder, too, if it is empty then."""
        names = self.names()
        for name in names:
            if name not in but:
                self.delete(name)
        if not set(names) & set(but):
            with suppress(FileNotFoundError):
                self._files.delete_dir(self._path)

    def remove(self) -> None:
        """It goes, with all that is in it."""
        self._files.delete_dir(self._path)

    @property
    def _is_local(self) -> bool:
        return isinstance(self._files, LocalFileSystem)


def read_file(address: str) -> bytes:
    """What is in the file of this ``Folder.address``."""
    if "://" not in address:
        return Path(address).read_bytes()
    files, path = FileSystem.from_uri(address)
    with files.open_input_stream(path, compression=None) as file:
        content: bytes = file.read()
        return content


class Checkpoints:
    """The checkpoints of one training: the last, and the best of those before it.

    So there is one to go back to if the last cannot be read, and the best is always among them.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._there = {number for name in folder.names() if (number := _number(name)) is not None}

    def save(self, state: dict[str, Any], history: Sequence[Epoch]) -> None:
        """Put ``state`` in place as of the last epoch of ``history``; then older ones may go."""
        content = BytesIO()
        torch.save(state | {"history": [asdict(epoch) for epoch in history]}, content)
        last = history[-1].number
        self.folder.write(_name(last), content.getbuffer())
        accuracy = {epoch.number: epoch.accuracy for epoch in history}
        older = sorted(self._there - {last}, key=lambda n: (accuracy.get(n, -1.0), n))
        self._there.add(last)
        for number in older[:-1]:
            with suppress(*UNREACHABLE):  # the next one tries again
                self.folder.delete(_name(number))
                self._there.remove(number)

    def load(self) -> tuple[dict[str, Any] | None, list[Epoch], list[str]]:
        """The latest state that can be read, its history, and a word on each that cannot.

        Tensors are on the CPU.
        """
        notes: list[str] = []
        for number in sorted(self._there, reverse=True):
            try:
                content = BytesIO(self.folder.read(_name(number)))
                if ZipFile(content).testzip() is not None:  # torch.load looks at no checksum
                    raise ValueError("its bytes have changed")
                content.seek(0)
                state: dict[str, Any] = torch.load(content, map_location="cpu", weights_only=True)
                return state, [Epoch(**epoch) for epoch in state.pop("history")], notes
            except Exception as error:  # whatever a broken file makes of the unpickler
                notes.append(
                    f"the checkpoint of epoch {number} cannot be read "
                    f"({type(error).__name__}: {_first_line(error)})"
                )
                self._there.remove(number)
        return None, [], notes

    def clear(self) -> None:
        """All that can be deleted goes: a full disk may have room for the weights then."""
        for number in sorted(self._there):
            with suppress(*UNREACHABLE):
                self.folder.delete(_name(number))
        self._there.clear()


def packed(weights: dict[str, torch.Tensor]) -> bytes:
    """``weights`` as a safetensors file."""
    # a copy of each: what goes by two names would share its memory, which safetensors refuses
    return save({name: w.detach().cpu().contiguous().clone() for name, w in weights.items()})


def _name(number: int) -> str:
    return f"epoch-{number:04}.pt"


def _number(name: str) -> int | None:
    digits = name.removeprefix("epoch-").removesuffix(".pt")
    return int(digits) if digits.isdecimal() and _name(int(digits)) == name else None


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:200]


def _replace(path: Path, content: bytes | memoryview) -> None:
    """Write the file ``path``, also if the machine loses its power on the way."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # 1 to 4 ms for a small network
        os.replace(draft, path)
    finally:
        with suppress(OSError):
            draft.unlink()
