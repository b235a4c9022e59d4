"""Processes of ours that know torch, which a dashboard does not."""

import os
import sys
from pathlib import Path

from ..search.databases import url_of

__all__ = ["command", "environment", "settled"]

SECRET = ("FOVEATE_TOKEN",)  # no other process needs it


def command(module: str, *words: str) -> list[str]:
    """How to run a module of ours; nothing in the working directory takes its place."""
    return [sys.executable, "-P", "-m", f"foveate.{module}", *words]


def environment(**more: str) -> dict[str, str]:
    """That of this process, in any working directory, with ``more``."""
    found = {name: value for name, value in os.environ.items() if name not in SECRET}
    if path := found.get("PYTHONPATH"):
        found["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, path.split(os.pathsep)))
    return found | more


def settled(storage: str) -> str:
    """``storage`` as seen from any working directory, with its password."""
    url = url_of(storage)
    file = url.get_backend_name() == "sqlite" and url.database
    if file and not file.startswith(("file:", ":")):
        url = url.set(database=str(Path(file).absolute()))
    return url.render_as_string(hide_password=False)
