"""Where the checkpoints and weights of a study are."""

from ..workers.checkpoints import Folder
from .records import Study

__all__ = ["folder_name", "folders_of"]


def folder_name(study: Study) -> str:
    """What its folder is called that is made now; it keeps that when the study is renamed."""
    return f"{study.name}{_mark(study)}"


def folders_of(study: Study) -> list[Folder]:
    """Its folders that are there: one, whatever the study was called when that was made."""
    runs = Folder(study.spec["folder"])
    return [runs.at(name) for name in runs.folders() if name.endswith(_mark(study))]


def _mark(study: Study) -> str:
    return f"-{study.uid[:8]}"
