"""The registry: a module's name stands above the class that it names."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from torch import nn

from ..errors import BadValue, listed, unknown

__all__ = ["Choice", "Entry", "Kind", "Value", "entry", "names", "register"]

Kind = Literal["gate", "weight"]
Value = bool | int | float | str  # what a hyper-parameter may be
Module = TypeVar("Module", bound=nn.Module)


class Choice:
    """A hyper-parameter that takes one of a few values."""

    def __init__(self, *values: Value, default: Value) -> None:
        self.values, self.default = values, default
        if not self._has(default):
            raise ValueError(f"the default {default!r} is none of the choices {values}")

    def __repr__(self) -> str:
        return f"Choice({', '.join(map(repr, self.values))}, default={self.default!r})"

    def check(self, name: str, value: object) -> None:
        """Raise ``BadValue`` if ``value`` is not one of the values, type included."""
        if not self._has(value):
            may = listed(map(repr, self.values), last="or")
            raise BadValue(f"{name} may be {may}, got {value!r}")

    def _has(self, value: object) -> bool:
        return any(value == v and type(value) is type(v) for v in self.values)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A registered attention module."""

    name: str
    cls: type[nn.Module]
    kind: Kind
    paper: str  # its address
    sites: tuple[str, ...]  # the kinds of site where its paper places it
    hyperparameters: Mapping[str, Choice]

    @property
    def summary(self) -> str:
        """The first line of its documentation."""
        return (self.cls.__doc__ or "").strip().splitlines()[0]

    def complete(self, given: Mapping[str, Value]) -> dict[str, Value]:
        """Every hyper-parameter, in the order of their names: ``given``, else its default."""
        for name, value in given.items():
            if name not in self.hyperparameters:
                known = sorted(self.hyperparameters)
                raise unknown(f"hyper-parameter of {self.name!r} called", name, known)
            self.hyperparameters[name].check(f"{self.name}: {name}", value)
        return {
            name: given.get(name, choice.default)
            for name, choice in sorted(self.hyperparameters.items())
        }

    def requires(self, channels: int, size: tuple[int, int]) -> str | None:
        """Why it cannot stand on ``channels`` maps of ``size`` (H, W); ``None`` if it can."""
        if channels < 1 or min(size) < 1:
            return f"{self.name} needs at least 1 channel and 1 pixel, got {channels} of {size}"
        return None

    def build(
        self,
        channels: int,
        size: tuple[int, int],
        *,
        identity_init: bool = False,
        **hyperparameters: Value,
    ) -> nn.Module:
        """A new gate for maps (N, ``channels``, *``size``).

        With ``identity_init`` a new module returns its input (to 1e-5), so that a trained network
        keeps its function; without, it starts as its authors start it.
        """
        if self.kind != "gate":
            raise BadValue(f"{self.name} replaces a convolution: use wrap(conv, size)")
        self._check(channels, size)
        chosen = self.complete(hyperparameters)
        return self.cls(channels, identity_init=identity_init, **chosen)

    def wrap(
        self,
        conv: nn.Conv2d,
        size: tuple[int, int],
        *,
        identity_init: bool = False,
        **hyperparameters: Value,
    ) -> nn.Module:
        """What takes the place of ``conv``, whose input is (N, C, *``size``), with its weights."""
        if self.kind != "weight":
            raise BadValue(f"{self.name} stands behind a module: use build(channels, size)")
        self._check(conv.in_channels, size)
        chosen = self.complete(hyperparameters)
        return self.cls(conv, identity_init=identity_init, **chosen)

    def _check(self, channels: int, size: tuple[int, int]) -> None:
        if reason := self.requires(channels, size):
            raise BadValue(reason)


_ENTRIES: dict[str, Entry] = {}


def register(
    name: str, *, kind: Kind = "gate", paper: str, sites: tuple[str, ...], **choices: Choice
) -> Callable[[type[Module]], type[Module]]:
    """Class decorator: make a module available to the search under ``name``.

    ``choices`` declare its hyper-parameters, each a keyword of the class's ``__init__`` with the
    same default.
    """

    def add(cls: type[Module]) -> type[Module]:
        if name in _ENTRIES:
            raise ValueError(f"attention {name!r} is already registered, by {_ENTRIES[name].cls}")
        takes = inspect.signature(cls).parameters
        for key, choice in choices.items():
            if key not in takes or takes[key].default != choice.default:
                raise ValueError(f"{cls.__name__} must take {key}={choice.default!r}")
        _ENTRIES[name] = Entry(
            name=name, cls=cls, kind=kind, paper=paper, sites=sites, hyperparameters=choices
        )
        return cls

    return add


def names() -> list[str]:
    """All names, sorted, so that a study never depends on the order of imports."""
    return sorted(_ENTRIES)


def entry(name: str) -> Entry:
    """The entry called ``name``; ``UnknownName`` says what was meant."""
    if name not in _ENTRIES:
        raise unknown("attention module", name, names())
    return _ENTRIES[name]
