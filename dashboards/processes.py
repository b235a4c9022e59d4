"""Processes of ours that know torch, which a dashboard does not."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import BadValue
from ..search.databases import url_of

__all__ = ["answer", "command", "environment", "settled"]

LOG = logging.getLogger(__name__)

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


def answer(module: str, request: Mapping[str, Any], *, seconds: float) -> dict[str, Any]:
    """What a module of ours answers to ``request``: see ``search.speaking``.

    Raises
        BadValue  if it takes more than so many ``seconds``, or refuses with a sentence
    """
    try:
        ran = subprocess.run(
            command(module),
            input=json.dumps(request),
            env=environment(),
            capture_output=True,
            text=True,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise BadValue(f"this took longer than {seconds:g} s") from None
    said = json.loads(ran.stdout.splitlines()[-1]) if ran.stdout.strip() else {}
    if "done" in said:
        found: dict[str, Any] = said["done"]
        return found
    if "error" in said:
        raise BadValue(said["error"])
    LOG.warning("%s ended with %s: %s", module, ran.returncode, ran.stderr[-2000:])
    raise RuntimeError(f"{module} ended with {ran.returncode}")
