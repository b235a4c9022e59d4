"""Where the checkpoints and weights of a study are."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from .._files import Folder
from .records import Study

__all__ = ["folder_name", "folders_of"]


def folder_name(study: Study) -> str:
    """What its folder is called that is made now; it keeps that when the study is renamed."""
    return f"{study.name}{_mark(study)}"


def folders_of(study: Study, addresses: Iterable[str] = ()) -> list[Folder]:
    """Its folders that are there, whatever it was called when they were made.

    They are looked for where the specification says, as seen from here, and where files with these
    ``addresses`` are.
    """
    mark = _mark(study)
    homes = {study.spec["folder"], *(_home(one, mark) for one in addresses if f"{mark}/" in one)}
    found = {
        folder.where: folder
        for home in map(Folder, sorted(homes))
        for folder in map(home.at, home.folders())
        if urlsplit(folder.where).path.endswith(mark)
    }
    return list(found.values())


def _home(address: str, mark: str) -> str:
    """The folder in which the study's own lies that has a file of this address."""
    query = urlsplit(address).query if "://" in address else ""
    inside = address.partition(f"{mark}/")[0].rpartition("/")[0]
    return f"{inside}?{query}" if query else inside


def _mark(study: Study) -> str:
    return f"-{study.uid[:8]}"
