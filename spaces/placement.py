"""One architecture as plain data. Imports the standard library only, so everyone may hold one."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Any, Self

__all__ = ["REMOVE", "Module", "Placement", "diff", "draw"]

VERSION = 1
REMOVE = "remove"  # at the site of an attention that the backbone has: do without it
Value = bool | int | float | str


@dataclass(frozen=True, slots=True, init=False)
class Module:
    """An attention module at a site, with its hyper-parameters.

    Two are equal if they are spelled the same: ``1``, ``1.0`` and ``True`` are three values.
    """

    site: str  # dotted path in the backbone
    name: str  # of an attention module, or ``remove``
    hyperparameters: tuple[tuple[str, Value], ...]  # sorted by name

    def __init__(
        self,
        site: str,
        name: str,
        hyperparameters: Mapping[str, Value] | Iterable[tuple[str, Value]] = (),
    ) -> None:
        chosen = tuple(sorted(dict(hyperparameters).items()))
        for key, value in chosen:
            if not isinstance(value, Value) or (isinstance(value, float) and not isfinite(value)):
                raise ValueError(
                    f"{name}: {key} must be a finite number, a text or true or false, got {value!r}"
                )
        object.__setattr__(self, "site", site)
        object.__setattr__(self, "name", name)
        one_zero = tuple((key, v + 0.0 if isinstance(v, float) else v) for key, v in chosen)
        object.__setattr__(self, "hyperparameters", one_zero)  # -0.0 is 0.0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Module):
            return NotImplemented
        same = (self.site, self.name, self.hyperparameters) == (
            other.site,
            other.name,
            other.hyperparameters,
        )
        pairs = zip(self.hyperparameters, other.hyperparameters, strict=False)
        return same and all(type(a) is type(b) for (_, a), (_, b) in pairs)

    def __hash__(self) -> int:
        return hash((self.site, self.name, self.hyperparameters))

    def __str__(self) -> str:
        chosen = ", ".join(f"{key}={value}" for key, value in self.hyperparameters)
        return f"{self.name}({chosen})" if chosen else self.name


@dataclass(frozen=True, eq=False)
class Placement:
    """A backbone and the attention modules in it.

    Two are equal if they are spelled the same. ``complete`` makes it so for equal networks: every
    hyper-parameter written out, each site called by its one path.
    """

    backbone: str  # with its options: resnet50@width=0.5
    modules: tuple[Module, ...] = ()  # sorted by site, then in the order of application
    image_size: int | None = None  # pixels a side to which images are resized; None: as they come

    def __post_init__(self) -> None:
        size = self.image_size
        if size is not None and (type(size) is not int or size < 1):
            raise ValueError(f"image_size is a whole number of pixels, got {size!r}")

    @classmethod
    def of(cls, backbone: str, modules: Iterable[Module], image_size: int | None = None) -> Self:
        """The placement of ``modules``, given in any order of sites."""
        ordered = tuple(sorted(modules, key=lambda module: module.site))
        return cls(backbone, ordered, image_size)

    @classmethod
    def everywhere(cls, backbone: str, module: str, *, image_size: int = 224) -> "Placement":
        """``module`` at all the sites where its paper places it, with its defaults.

        Raises
            UnknownName  for a backbone or a module that there is not
            BadValue     if it can stand nowhere in this backbone
        """
        from .plugging import everywhere  # this file imports the standard library only

        return everywhere(backbone, module, image_size)

    @cached_property
    def spelling(self) -> str:
        """The one JSON text of this placement; ``parse`` reads it."""
        document: dict[str, Any] = {"version": VERSION, "backbone": self.backbone}
        if self.image_size is not None:
            document["image_size"] = self.image_size
        document["modules"] = [[m.site, m.name, dict(m.hyperparameters)] for m in self.modules]
        return _json(document)

    @cached_property
    def key(self) -> str:
        """A short hash of the spelling, by which a study knows an architecture again."""
        return hashlib.sha256(self.spelling.encode()).hexdigest()[:16]

    @classmethod
    def parse(cls, spelling: str) -> Self:
        """The placement that ``spelling`` spells; ``ValueError`` if it is of another version."""
        document: dict[str, Any] = json.loads(spelling)
        if (version := document.pop("version")) != VERSION:
            raise ValueError(f"a placement of version {version}, not {VERSION}")
        modules = [Module(site, name, chosen) for site, name, chosen in document.pop("modules")]
        found = cls.of(document.pop("backbone"), modules, document.pop("image_size", None))
        if document:
            raise ValueError(f"a placement has no {', '.join(sorted(document))}")
        return found

    def at(self, site: str) -> tuple[Module, ...]:
        """The modules at ``site``, in the order of application."""
        return tuple(module for module in self.modules if module.site == site)

    @property
    def names(self) -> list[str]:
        """The attention modules in use, each once, sorted."""
        return sorted({module.name for module in self.modules} - {REMOVE})

    @property
    def base(self) -> "Placement":
        """The same without attention modules of ours."""
        return Placement(self.backbone, (), self.image_size)

    def __eq__(self, other: object) -> bool:
        return self.spelling == other.spelling if isinstance(other, Placement) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.spelling)


def draw(placement: Placement, sites: Iterable[Any]) -> str:
    """One line: the stem and the stages between bars, a token per block, a dot for nothing.

    ``sites`` are the backbone's, or what ``Site.to_dict()`` gives of them, in forward order; those
    that name another ``backbone`` are left out. The modules of a block are joined by ``+``; what
    stands behind a whole stage follows ``>``; a minus is an attention of the backbone's own left
    out; what stands at none of the sites follows a semicolon, with its path.

        > draw(placement, sites)
        · | se · | aw+se · | · · > steam
    """
    stages: dict[int, dict[str, list[str]]] = {}
    several, known = placement.image_size is not None, set()
    there: dict[str, list[str]] = {}
    for module in placement.modules:
        there.setdefault(module.site, []).append(_token(module.name))
    for site in (one if isinstance(one, Mapping) else one.to_dict() for one in sites):
        several = several or "backbone" in site
        if site.get("backbone", placement.backbone) != placement.backbone:
            continue
        blocks = stages.setdefault(site["stage"], {})
        behind = "stage" in site.get("kinds", ())
        here = blocks.setdefault(site["block"], []), blocks.setdefault("", [])
        known |= {site["path"], *site.get("aliases", ())}
        for path in (site["path"], *site.get("aliases", ())):
            here[behind].extend(there.get(path, ()))
    parts = []
    for _, blocks in sorted(stages.items()):
        last = blocks.pop("", [])
        if not blocks:
            parts.append("+".join(last) or "·")
            continue
        line = " ".join("+".join(names) or "·" for names in blocks.values())
        parts.append(f"{line} > {'+'.join(last)}" if last else line)
    drawn = " | ".join(parts) if placement.modules else "bare"
    elsewhere = [f"{m.site}: {_token(m.name)}" for m in placement.modules if m.site not in known]
    drawn = "; ".join([drawn, *elsewhere])
    return f"{_base(placement)}: {drawn}" if several else drawn


def diff(one: Placement, other: Placement) -> str:
    """What makes ``other`` of ``one``, a change a line; empty if they are the same.

    > diff(one, other)
    + layer1.0.bn2: eca(kernel=auto)
    - layer2.0.bn2: se(reduction=16)
    ~ layer3.0.bn2: se(reduction=16) -> se(reduction=8)
    """
    lines = []
    if _base(one) != _base(other):
        lines.append(f"~ {_base(one)} -> {_base(other)}")
    for site in sorted({module.site for module in (*one.modules, *other.modules)}):
        before, after = one.at(site), other.at(site)
        if before == after:
            continue
        if not before:
            lines.append(f"+ {site}: {_joined(after)}")
        elif not after:
            lines.append(f"- {site}: {_joined(before)}")
        else:
            lines.append(f"~ {site}: {_joined(before)} -> {_joined(after)}")
    return "\n".join(lines)


def _base(placement: Placement) -> str:
    size = f" at {placement.image_size} pixels" if placement.image_size else ""
    return f"{placement.backbone}{size}"


def _joined(modules: Sequence[Module]) -> str:
    return " + ".join(map(str, modules))


def _token(name: str) -> str:
    return "−" if name == REMOVE else name


def _json(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
