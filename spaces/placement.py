"""One architecture as plain data. Imports the standard library only, so everyone may hold one."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

__all__ = ["Module", "Placement", "draw"]

VERSION = 1
Value = bool | int | float | str


@dataclass(frozen=True, slots=True, order=True)
class Module:
    """An attention module at a site, with its hyper-parameters."""

    site: str  # dotted path in the backbone
    name: str  # of an attention module
    hyperparameters: tuple[tuple[str, Value], ...] = ()  # sorted by name

    def __str__(self) -> str:
        chosen = ", ".join(f"{key}={value}" for key, value in self.hyperparameters)
        return f"{self.name}({chosen})" if chosen else self.name


@dataclass(frozen=True, slots=True)
class Placement:
    """A backbone and the attention modules in it; equal networks are equal placements."""

    backbone: str
    modules: tuple[Module, ...] = ()  # sorted by site, then in the order of application

    @classmethod
    def of(cls, backbone: str, modules: Iterable[Module]) -> Self:
        """The canonical placement of ``modules``, given in any order of sites."""
        return cls(backbone, tuple(sorted(modules, key=lambda module: module.site)))

    @property
    def spelling(self) -> str:
        """The one JSON text of this placement; ``parse`` reads it."""
        modules = [[m.site, m.name, dict(m.hyperparameters)] for m in self.modules]
        document = {"version": VERSION, "backbone": self.backbone, "modules": modules}
        return json.dumps(document, separators=(",", ":"), ensure_ascii=False)

    @property
    def key(self) -> str:
        """A short hash of the spelling, by which a study knows an architecture again."""
        return hashlib.sha256(self.spelling.encode()).hexdigest()[:16]

    @classmethod
    def parse(cls, spelling: str) -> Self:
        """The placement that ``spelling`` spells; ``ValueError`` if it is of another version."""
        document: Mapping[str, Any] = json.loads(spelling)
        if document["version"] != VERSION:
            raise ValueError(f"a placement of version {document['version']}, not {VERSION}")
        return cls.of(
            document["backbone"],
            (
                Module(site, name, tuple(sorted(chosen.items())))
                for site, name, chosen in document["modules"]
            ),
        )

    def at(self, site: str) -> tuple[Module, ...]:
        """The modules at ``site``, in the order of application."""
        return tuple(module for module in self.modules if module.site == site)

    @property
    def names(self) -> list[str]:
        """The attention modules in use, each once, sorted."""
        return sorted({module.name for module in self.modules})


def draw(placement: Placement, sites: Iterable[Mapping[str, Any]]) -> str:
    """One line: the stem and the stages between bars, a token per block, a dot for nothing.

    ``sites`` are the backbone's, as ``Site.to_dict()`` gives them, in forward order. The modules
    of a block are joined by ``+``; what stands behind a whole stage follows ``>``.

        > draw(placement, sites)
        · | se · | aw+se · | · · > steam
    """
    if not placement.modules:
        return "bare"
    stages: dict[int, dict[str, list[str]]] = {}
    for site in sites:
        tokens = stages.setdefault(site["stage"], {}).setdefault(site["block"], [])
        tokens.extend(module.name for module in placement.at(site["path"]))
    parts = []
    for _, blocks in sorted(stages.items()):
        behind = blocks.pop("", [])
        if not blocks:
            parts.append("+".join(behind) or "·")
            continue
        line = " ".join("+".join(names) or "·" for names in blocks.values())
        parts.append(f"{line} > {'+'.join(behind)}" if behind else line)
    return " | ".join(parts)
