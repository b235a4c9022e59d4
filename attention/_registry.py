"""The registry: a module's name stands above the class that it names."""

import inspect
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

from torch import nn

from ..errors import BadValue, listed, unknown

__all__ = ["KINDS", "Choice", "Entry", "Kind", "Value", "entry", "names", "register"]

Kind = Literal["gate", "weight", "mixer"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Value = bool | int | float | str  # what a hyper-parameter may be
Size = tuple[int, int]  # H, W
Module = TypeVar("Module", bound=nn.Module)


class Choice:
    """A hyper-parameter that takes one of a few values, each of its own type."""

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
    """A registered attention module.

    A *gate* maps (N, C, H, W) to the same shape; ``build`` makes one. A *weight* attention and a
    *mixer* take the place of a convolution, by ``wrap``: the first goes on using its weights, the
    second has its own, and keeps the convolution only with ``identity_init``.
    """

    name: str
    cls: type[nn.Module]
    kind: Kind
    attends: str  # to what, in a few words
    paper: str  # its address; "" if there is none
    sites: tuple[str, ...]  # the kinds of site where its paper places it
    stages: tuple[int, ...]  # of these sites, 1 being the first and -1 the last; (): every one
    hyperparameters: Mapping[str, Choice]

    @property
    def summary(self) -> str:
        """The first line of its documentation."""
        return self.documentation.partition("\n")[0]

    @property
    def documentation(self) -> str:
        """Its formula, shapes, cost and source."""
        return inspect.getdoc(self.cls) or ""

    @property
    def home(self) -> str:
        """Where its class is defined: a module of this package, or the path of a plugin."""
        home = self.cls.__module__
        path = getattr(sys.modules[home], "__file__", None)
        return home if self.is_builtin or path is None else repr(path)

    @property
    def is_builtin(self) -> bool:
        """Whether it comes with this package, not with a plugin."""
        return self.cls.__module__.startswith(f"{__package__}.")

    @property
    def source(self) -> str:
        """The text of the file that defines its class; a plugin's file need not be there."""
        loader: Any = sys.modules[self.cls.__module__].__loader__
        text: str = loader.get_source(self.cls.__module__)
        return text

    @property
    def takes_size(self) -> bool:
        """Whether its class has to know the size of the maps that it is made for."""
        return "size" in inspect.signature(self.cls).parameters

    @property
    def places(self) -> str:
        """Where it usually stands, in words."""
        kinds = listed(self.sites)
        if not self.stages:
            return kinds
        if self.stages == (-1,):
            return f"{kinds} of the last stage"
        word = "stage" if len(self.stages) == 1 else "stages"
        these = f"{word} {listed(self.stages)}"
        return these if self.sites == ("stage",) else f"{kinds} of {these}"

    def stands_at(self, kinds: Collection[str], stage: int, stages: int) -> bool:
        """Whether its paper places it at sites of these kinds in stage ``stage`` of ``stages``."""
        here = {stage, stage - stages - 1}
        usual = any(kind in self.sites for kind in kinds)
        return usual and (not self.stages or bool(here & {*self.stages}))

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

    def requires(self, channels: int, size: Size, conv: nn.Conv2d | None = None) -> str | None:
        """Why it cannot stand on ``channels`` maps of ``size`` (H, W); ``None`` if it can.

        For what replaces a convolution, the maps are its input, and ``conv`` is asked too.
        """
        if channels < 1 or min(size) < 1:
            return f"{self.name} needs at least 1 channel and 1 pixel, got {channels} of {size}"
        needs = getattr(self.cls, "requires", None)
        if needs and (need := needs(channels, size)):
            return f"{self.name} needs {need}, got {channels} channels of {size[0]} x {size[1]}"
        takes = getattr(self.cls, "takes", None)
        if takes and conv is not None and (need := takes(conv)):
            return f"{self.name} takes the place of {need}, got {conv}"
        return None

    def build(
        self, channels: int, size: Size, *, identity_init: bool = False, **hyperparameters: Value
    ) -> nn.Module:
        """A new gate for maps (N, ``channels``, *``size``).

        With ``identity_init`` a new module returns its input (to 1e-5), so that a trained network
        keeps its function; without, it starts as its authors start it.

        Raises
            UnknownName  for a hyper-parameter that there is not
            BadValue     for a value out of range, or maps on which it cannot stand
        """
        if self.kind != "gate":
            raise BadValue(f"{self.name} replaces a convolution: use wrap(conv, size)")
        self._check_arguments(channels, size, identity_init)
        if reason := self.requires(channels, size):
            raise BadValue(reason)
        return self._made(channels, size, identity_init, hyperparameters)

    def wrap(
        self, conv: nn.Conv2d, size: Size, *, identity_init: bool = False, **hyperparameters: Value
    ) -> nn.Module:
        """What takes the place of ``conv``, whose input is (N, C, *``size``).

        A weight attention goes on using the convolution's own parameters. With ``identity_init``
        what is new computes what ``conv`` does (to 1e-5).

        Raises
            UnknownName  for a hyper-parameter that there is not
            BadValue     for a value out of range, or a convolution that it cannot replace
        """
        if self.kind == "gate":
            raise BadValue(f"{self.name} stands behind a module: use build(channels, size)")
        if not isinstance(conv, nn.Conv2d):
            got = type(conv).__name__
            raise BadValue(f"{self.name} takes the place of an nn.Conv2d, got {got}")
        self._check_arguments(conv.in_channels, size, identity_init)
        if reason := self.requires(conv.in_channels, size, conv):
            raise BadValue(reason)
        return self._made(conv, size, identity_init, hyperparameters)

    def _made(
        self, first: Any, size: Size, identity_init: bool, given: Mapping[str, Value]
    ) -> nn.Module:
        sized: dict[str, Any] = {"size": size} if self.takes_size else {}
        return self.cls(first, **sized, identity_init=identity_init, **self.complete(given))

    def _check_arguments(self, channels: object, size: object, identity_init: object) -> None:
        if type(channels) is not int:
            raise BadValue(f"{self.name}: channels must be a whole number, got {channels!r}")
        pair = tuple(size) if isinstance(size, tuple | list) else ()
        if [type(side) for side in pair] != [int, int]:
            raise BadValue(f"{self.name}: size is (height, width) in pixels, got {size!r}")
        if type(identity_init) is not bool:
            raise BadValue(
                f"{self.name}: identity_init may be False or True, got {identity_init!r}"
            )


_ENTRIES: dict[str, Entry] = {}


def register(
    name: str,
    *,
    attends: str,
    kind: Kind = "gate",
    paper: str = "",
    sites: tuple[str, ...] = ("branch",),
    stages: tuple[int, ...] = (),
    **choices: Choice,
) -> Callable[[type[Module]], type[Module]]:
    """Class decorator: make a module available to the search under ``name``.

    ``attends`` says in a few words to what; ``sites`` and ``stages`` where it usually stands.
    ``choices`` declare its hyper-parameters, each a keyword of the class's ``__init__`` with the
    same default. The class is called with the channels of the maps (a gate) or the convolution
    that it replaces, and by keyword with ``identity_init``, its hyper-parameters, and ``size``
    (H, W) if it takes that. It may say what it cannot do, in two static methods that return a
    need in a few words, or ``None``: ``requires(channels, size)`` and ``takes(conv)``. It may say
    where it looks, in ``attended(x)`` or ``rectangle(x, image_size)``: see ``workers.looking``.
    """

    def add(cls: type[Module]) -> type[Module]:
        if name in _ENTRIES:
            there = _ENTRIES[name]
            taken = f"{there.cls.__name__} in {there.home}"
            raise BadValue(f"attention {name!r} is already registered, by {taken}")
        if kind not in KINDS:
            raise ValueError(f"a kind is {listed(map(repr, KINDS), last='or')}, got {kind!r}")
        takes = inspect.signature(cls).parameters
        defaults = {key: choice.default for key, choice in choices.items()}
        for key, default in ({"identity_init": False} | defaults).items():
            if key not in takes or takes[key].default != default:
                raise ValueError(f"{cls.__name__} must take {key}={default!r}")
        _ENTRIES[name] = Entry(
            name=name,
            cls=cls,
            kind=kind,
            attends=attends,
            paper=paper,
            sites=sites,
            stages=stages,
            hyperparameters=choices,
        )
        return cls

    return add


def names() -> list[str]:
    """All names, sorted, so that a study never depends on the order of imports."""
    return sorted(_ENTRIES)


def entry(name: str) -> Entry:
    """The entry called ``name``; ``UnknownName`` says what was meant."""
    if name not in _ENTRIES:
        raise unknown("attention module", name, names(), shown=len(_ENTRIES))
    return _ENTRIES[name]
