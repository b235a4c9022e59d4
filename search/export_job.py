"""An export in a process of its own, for who has no torch: see ``speaking``."""

import re
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from ..errors import UnknownName
from . import formats, store
from .databases import open_database
from .speaking import Say, answering

__all__ = ["export_job"]

STAGES = ("reading", "building", "writing", "checking")


def export_job(request: dict[str, Any], say: Say) -> dict[str, Any]:
    """Write the trial that ``request`` names, in its format, into the working directory.

    Returns the file's name, and what comparing it with the trained network showed.
    """

    def stage(name: str) -> None:
        say(stage=name, progress=STAGES.index(name) / len(STAGES))

    stage("reading")
    format = formats.checked_format(request["format"])
    with Session(open_database(request["storage"], read_only=True)) as session:
        study = store.study_numbered(session, request["study"])
        if study is None or study.uid != request["uid"]:
            raise UnknownName("that study has been deleted")
        trial = store.find_trial(session, study, request["trial"])
        name = f"{_plain(study.name)}-trial-{trial.number}"
        if format != "module":
            out = Path(f"{name}.{format}")
            found = formats.write(study, trial, format, out, stage)
        else:
            folder = Path("module")
            found = formats.write(study, trial, format, folder, stage)
            out = formats.zipped(folder, Path(f"{name}.zip"), name)
    return {"file": out.name, "message": found}


def _plain(name: str) -> str:
    """A study's name, of whatever origin, as a part of a file's name anywhere."""
    return re.sub("[^A-Za-z0-9_.]+", "-", name).strip("-.")[:60] or "study"


if __name__ == "__main__":
    answering(export_job)
