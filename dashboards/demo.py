"""A study that comes with the package: a real search, as ``docs/demo.py`` packed it.

The archive holds ``demo.db`` and the files that its artifacts name, by addresses that begin at the
archive's root. What is unpacked is a copy of one's own, gone when the dashboard ends.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import current_thread, main_thread
from typing import Any
from zipfile import ZipFile

from sqlalchemy.orm import Session

from ..search import store, upgrade
from ..search.databases import open_database

__all__ = ["ARCHIVE", "DATABASE", "unpacked"]

ARCHIVE = files(__package__) / "demo.zip"
DATABASE = "demo.db"


@contextmanager
def unpacked() -> Iterator[str]:
    """The address of a database with the recorded study, its files at hand."""
    with TemporaryDirectory(prefix="foveate-demo-") as folder, _ending():
        with ARCHIVE.open("rb") as packed, ZipFile(packed) as archive:
            archive.extractall(folder)
        storage = f"sqlite:///{Path(folder) / DATABASE}"
        upgrade.upgrade(storage)  # of an archive that was packed before the tables changed
        _settle(storage, Path(folder))
        yield storage


def _settle(storage: str, home: Path) -> None:
    """Let the records name their files where they are now."""
    engine = open_database(storage)
    with Session(engine) as session, session.begin():
        for study in store.studies(session):
            for found in store.files(session, study).values():
                for artifact in found:
                    artifact.address = str(home / artifact.address)
            # under the lock of nobody: the file is ours alone
            study.spec = study.spec | {"folder": str(home / study.spec["folder"])}
    engine.dispose()


@contextmanager
def _ending() -> Iterator[None]:
    """Whoever ends the process by SIGTERM has the folder removed, too."""
    if current_thread() is not main_thread():
        yield
        return

    def end(number: int, frame: Any) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
