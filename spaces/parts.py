"""What stands where in a backbone, part by part: the stem, the blocks, what is behind a stage."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .placement import Module, Placement

__all__ = ["Entry", "Part", "differing", "parts_of"]


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that stands in a part."""

    site: str  # its path
    module: Module | None  # None: an attention of the backbone's own, untouched
    existing: bool = False  # whether the backbone has one there


@dataclass(slots=True)
class Part:
    """A part of a backbone, and what stands in it in the order of the forward pass."""

    names: tuple[str, ...]  # a block's path, else what no module is called
    kind: Literal["stem", "block", "behind", "elsewhere"]
    stage: int
    shape: Sequence[int] = ()  # C, H, W of its output
    entries: list[Entry] = field(default_factory=list)

    @property
    def modules(self) -> tuple[Module, ...]:
        """Those of ours."""
        return tuple(entry.module for entry in self.entries if entry.module is not None)


def parts_of(placement: Placement, sites: Iterable[Any]) -> list[Part]:
    """The parts of ``placement`` in their order; then, each as one, the modules at other places.

    ``sites`` are as in ``draw``. A part is behind a stage if what stands there changes the output
    of the whole stage: mostly, that of its last block.
    """
    left: dict[str, list[Module]] = {}
    for module in placement.modules:
        left.setdefault(module.site, []).append(module)
    stages: dict[int, dict[str, Part]] = {}
    for site in (one if isinstance(one, Mapping) else one.to_dict() for one in sites):
        if site.get("backbone", placement.backbone) != placement.backbone:
            continue
        stage, block, kinds = site["stage"], site["block"], site["kinds"]
        if "named" in kinds and not block:
            continue  # between blocks somewhere; its stage is not known
        here = stages.setdefault(stage, {})
        if block:
            part = here.get(block) or here.setdefault(block, Part((block,), "block", stage))
            part.shape = site["shape"]
        if "stage" in kinds or not block:
            kind: Literal["behind", "stem"] = "behind" if stage else "stem"
            part = here.get("") or here.setdefault("", Part((f"stage {stage}",), kind, stage))
            part.shape = site["shape"]
        existing, before = "existing" in kinds, len(part.entries)
        for path in (site["path"], *site["aliases"]):
            for module in left.pop(path, ()):
                part.entries.append(Entry(path, module, existing))
        if existing and len(part.entries) == before:
            part.entries.append(Entry(site["path"], None, existing))
    found = []
    for _, here in sorted(stages.items()):
        last = here.pop("", None)
        found += [*here.values(), *([last] if last else [])]
    for path, modules in left.items():
        for module in modules:
            entry = Entry(path, module)
            found.append(Part((f"at {path}",), "elsewhere", len(stages) + 1, (), [entry]))
    return found


def differing(placements: Sequence[Placement], sites: Iterable[Any]) -> set[str]:
    """The names of the parts in which not all ``placements`` have the same."""
    sites = list(sites)
    tables: list[dict[str, tuple[Module, ...]]] = [
        {part.names[0]: part.modules for part in parts_of(placement, sites)}
        for placement in placements
    ]
    every = {name for table in tables for name in table}
    return {name for name in every if len({table.get(name, ()) for table in tables}) > 1}
