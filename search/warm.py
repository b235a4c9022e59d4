"""What another study found, to begin with.

Its front first, then its best. On the same backbone a placement comes as it is. On another depth or
width of the same family it is read off by relative position: each block gets what stands in the
block of the same stage that lies equally deep in it. What the space does not hold is left out.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from ..errors import UserError
from ..spaces.networks import surveyed
from ..spaces.placement import Module, Placement
from ..spaces.plugging import complete
from ..spaces.space import Space
from . import store
from .databases import open_database
from .records import Study

__all__ = ["origin", "translated", "warm_from", "warm_start"]


def origin(text: str) -> str:
    """Of the trials whose placements come from the study that ``text`` names, wherever it is."""
    return f"warm:{text.partition('@')[0]}"


def warm_from(text: str, storage: str, space: Space, most: int) -> list[Placement]:
    """``warm_start`` of the study that ``text`` names: ``NAME``, in ``storage``, or ``NAME@URL``.

    Raises
        UnknownName  if there is no such study, or no such database
    """
    name, _, other = text.partition("@")
    engine = open_database(other or storage, read_only=True)
    try:
        with Session(engine) as session:
            return warm_start(session, store.find_study(session, name), space, most)
    finally:
        engine.dispose()


def warm_start(session: Session, study: Study, space: Space, most: int) -> list[Placement]:
    """The placements of ``study`` that are worth trying first in ``space``, ``most`` at most.

    The baselines of ``space`` are not among them: it begins with these anyway.
    """
    columns = ("placement", "on_front", "accuracy", "gflops", "number", "state")
    done = [row for row in store.trial_rows(session, study, columns) if row.state == "complete"]
    done.sort(key=lambda row: (not row.on_front, -row.accuracy, row.gflops, row.number))
    found: dict[Placement, None] = {}
    known = {*space.baselines().values()}
    for row in done:
        if len(found) >= most:
            break
        here = translated(Placement.parse(row.placement), study.sites, space)
        if here is not None and here not in known:
            found[here] = None
    return list(found)


def translated(
    placement: Placement, sites: Sequence[dict[str, Any]], space: Space
) -> Placement | None:
    """``placement``, of a backbone with these ``sites``, in ``space``; ``None`` if it has no place.

    Hyper-parameters that the space has not are its modules' defaults.
    """

    def distance(base: Placement) -> tuple[bool, bool]:
        name, other = (one.backbone.partition("@")[0] for one in (base, placement))
        return base != placement.base, name != other

    for base in sorted(space.bases, key=distance):
        for modules in _moved(placement, sites, base, space.image_size):
            for chosen in (modules, [Module(one.site, one.name) for one in modules]):
                try:
                    found = complete(
                        Placement.of(base.backbone, chosen, base.image_size), space.image_size
                    )
                except UserError:  # a module that there is not, or that cannot stand there
                    continue
                if space.parameters(found) is not None:
                    return found
    return None


def _moved(
    placement: Placement, sites: Sequence[dict[str, Any]], base: Placement, image_size: int
) -> Iterator[list[Module]]:
    """The modules of ``placement`` at sites of ``base``; nothing if it is of another family."""
    name, other = (one.partition("@")[0] for one in (placement.backbone, base.backbone))
    if name == other:
        yield list(placement.modules)
        return
    if _family(name) != _family(other):
        return
    mine = [site for site in sites if site.get("backbone", name).partition("@")[0] == name]
    survey = surveyed(base.backbone, base.image_size or image_size)
    there, here = _slots(mine), _slots([site.to_dict() for site in survey.sites])
    if {slot.stage for slot in there} != {slot.stage for slot in here}:
        return
    stand: dict[str, list[Module]] = {}
    for module in placement.modules:
        stand.setdefault(module.site, []).append(module)
    common = {path for slot, paths in there.items() if slot in here for path in paths}
    if not stand.keys() <= common:
        return
    modules = [
        Module(path, module.name, module.hyperparameters)
        for slot, paths in here.items()
        for number, path in enumerate(paths)
        for module in stand.get(_opposite(number, len(paths), there.get(slot, ())), ())
    ]
    if bool(modules) == bool(placement.modules):  # else nothing would be left of it
        yield modules


def _opposite(number: int, of: int, paths: Sequence[str]) -> str:
    """The one of ``paths`` that lies as deep among them as number ``number`` among ``of``."""
    depth = number / (of - 1) if of > 1 else 1.0  # the only block is its stage's last, too
    return paths[round(depth * (len(paths) - 1))] if paths else ""


class _Slot(NamedTuple):
    """What the blocks of a stage have in common."""

    stage: int
    kind: str
    which: int  # of so many in each block
    of: int


def _slots(sites: Sequence[dict[str, Any]]) -> dict[_Slot, list[str]]:
    """Of each slot the paths, block after block; the end of a stage is one of its own."""
    blocks: dict[tuple[int, str, str], list[str]] = {}
    for site in sites:
        kind = "stage" if "stage" in site["kinds"] else site["kinds"][0]
        blocks.setdefault((site["stage"], kind, site["block"]), []).append(site["path"])
    found: dict[_Slot, list[str]] = {}
    for (stage, kind, _), paths in blocks.items():
        for which, path in enumerate(paths):
            found.setdefault(_Slot(stage, kind, which, len(paths)), []).append(path)
    return found


def _family(name: str) -> str:
    return re.sub(r"\d+", "#", name)
