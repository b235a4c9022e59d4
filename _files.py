"""Files on a disk or in an object store, each there whole or not at all."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlsplit, urlunsplit

from pyarrow import ArrowException
from pyarrow.fs import FileSelector, FileSystem, LocalFileSystem

from .errors import BadValue

__all__ = ["UNREACHABLE", "Folder", "first_line", "folder_of", "read_file"]

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
                f"got {self.where!r} ({first_line(error)})"
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


def folder_of(address: str) -> Folder:
    """The folder in which the file of this ``Folder.address`` is."""
    if "://" not in address:
        return Folder(Path(address).parent)
    parts = urlsplit(address)
    return Folder(urlunsplit(parts._replace(path=parts.path.rpartition("/")[0])))


def read_file(address: str) -> bytes:
    """What is in the file of this ``Folder.address``."""
    if "://" not in address:
        return Path(address).read_bytes()
    files, path = FileSystem.from_uri(address)
    with files.open_input_stream(path, compression=None) as file:
        content: bytes = file.read()
        return content


def first_line(error: BaseException) -> str:
    """What ``error`` says, in a line of a sentence."""
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
