"""Placements that the user wants to have tried."""

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy.orm import Session

from ..errors import BadValue, UserError, listed
from ..spaces.placement import Placement
from ..spaces.plugging import complete
from ..spaces.shorthand import place
from ..spaces.space import Space
from . import store
from .records import Study, Trial
from .spec import SearchSpec

__all__ = ["enqueue", "read_placements", "space_of", "spelled"]


def space_of(study: Study) -> Space:
    """The space of ``study``; its plugins and files of backbones are taken from the study."""
    spec = SearchSpec.of(study.spec)
    return Space(spec.space, study.images["size"])


def spelled(text: str, image_size: int) -> Placement:
    """The placement that ``text`` spells in JSON, as `foveate front --format json` shows it.

    Raises
        UnknownName  for a backbone, site, module or hyper-parameter that there is not
        BadValue     if it spells none, or a module cannot stand there
    """
    try:
        found = Placement.parse(text)
        for word in (found.backbone, *(w for m in found.modules for w in (m.site, m.name))):
            if not isinstance(word, str):
                raise TypeError(f"{word!r} is no text")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        shown = text if len(text) <= 80 else f"{text[:79]}…"
        raise BadValue(f"no placement in JSON: {why}, got {shown!r}") from None
    return complete(found, image_size)


def read_placements(path: str, backbone: str, image_size: int) -> list[Placement]:
    """The placements in a file: a line each, ``layer3.*=eca layer4.0.bn2=se(reduction=8)`` or JSON.

    A line that begins with ``#`` says nothing.

    Raises
        UserError  for the first line that is none, with its number
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BadValue(f"cannot read the placements in {path!r}: {error.strerror}") from None
    except UnicodeError:
        raise BadValue(f"cannot read the placements in {path!r}: they are no text") from None
    found = []
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        try:
            found.append(
                spelled(line, image_size)
                if line.startswith("{")
                else place(backbone, _words(line), image_size=image_size)
            )
        except UserError as error:
            raise BadValue(f"line {number} of {path!r}: {error}") from None
    if not found:
        raise BadValue(f"there is no placement in {path!r}")
    return found


def _words(line: str) -> list[str]:
    """Its words, apart at spaces outside of brackets."""
    words: list[str] = []
    depth = 0
    for part in line.split():
        if depth:
            words[-1] += f" {part}"
        else:
            words.append(part)
        depth += part.count("(") - part.count(")")
    return words


def enqueue(
    session: Session, study: Study, placements: Iterable[Placement], space: Space
) -> list[Trial]:
    """A waiting trial for each of ``placements``, of origin "user"; ``study`` is locked.

    Raises
        BadValue  for one on another backbone than the study's, or that the study has already
    """
    seed = int(study.spec["recipe"]["seed"])
    added = []
    for placement in placements:
        if placement.base not in space.bases:
            there = listed(map(_named, space.bases), last="or")
            raise BadValue(
                f"study {study.name!r} searches on {there}, and this placement is on "
                f"{_named(placement)}"
            )
        if (same := store.trial_of(session, study, placement.key)) is not None:
            raise BadValue(
                f"study {study.name!r} has that placement already: it is trial {same.number}, "
                f"which is {same.state}"
            )
        chosen = space.parameters(placement)
        priced = space.cost(placement, len(study.classes))
        added.append(
            store.add_trial(
                session,
                study,
                choices=space.coordinates if chosen else {},
                key=placement.key,
                seed=seed,
                placement=placement.spelling,
                origin="user",
                chosen=chosen,
                parameters=priced.parameters,
                macs=float(priced.macs),
                gflops=priced.gflops,
                memory=priced.peak_bytes,
                added=[[one.parameters, one.operations] for one in space.added(placement)],
            )
        )
    return added


def _named(placement: Placement) -> str:
    size = placement.image_size
    return f"{placement.backbone} at {size} pixels" if size else placement.backbone
