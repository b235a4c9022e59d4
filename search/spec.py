"""The whole search as one validated document."""

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from os import cpu_count
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, ValidationInfo, field_validator, model_validator

from .. import attention
from .._settings import Settings
from ..errors import BadValue
from ..spaces.networks import add_backbones, backbone, own_source
from ..spaces.settings import PRESETS, SpaceSettings
from ..spaces.space import Space
from ..workers.data import Data, Images, load
from ..workers.recipe import Recipe
from . import samplers
from .objectives import Constraint, check_objectives, check_reachable, costs_of
from .stopping import Stopping

__all__ = ["Plugin", "Resources", "Sampler", "SearchSpec", "seconds_of"]


class _File(Settings):
    """A file of the user's, as text: a study, its workers and its exports need no file."""

    path: str
    source: str  # its text, when the spec was read

    def __repr__(self) -> str:  # in a sentence the whole text would be too much
        return f"{self.path!r} ({sha256(self.source.encode()).hexdigest()[:8]})"

    __str__ = __repr__


class Plugin(_File):
    """A file that registers attention modules; written as its path, and read right then."""

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if isinstance(value, str | Path):
            return {"path": str(value), "source": attention.read_plugin(str(value))}
        return value

    def plug_in(self) -> tuple[str, ...]:
        """Register its modules, and return their names."""
        return attention.plug_in(self.path, self.source)


class BackboneFile(_File):
    """A file of the user's own backbones."""

    def add(self) -> None:
        """Make its functions backbones of this process."""
        add_backbones(self.path, self.source)


class Sampler(Settings):
    """What proposes candidates, once the baselines are out.

    Until ``startup`` trials there are, they are drawn at random over the whole range of costs; a
    grid does without.
    """

    # tpe, nsga2, gp, random, grid, or a sampler of Optuna's or your own: package.module:Class
    name: str = "tpe"
    # of its constructor: {multivariate: true}
    options: dict[str, Any] = Field(default_factory=dict)
    startup: int = Field(14, ge=0)  # trials, baselines included
    gaps: float = Field(0.0, ge=0, le=1)  # share of the proposals for the widest gap of the front

    @model_validator(mode="after")
    def _can_propose(self) -> Self:
        samplers.check(self.name, self.options)
        return self


class Resources(Settings):
    """What the workers take; ``auto`` in its place has it measured before the search."""

    packing: Literal["given", "auto"] = "given"  # auto: what trains most, in place of the next 3
    workers: int | None = Field(None, ge=1)  # at once; None: as many as the machine has room for
    threads: int = Field(1, ge=1)  # CPU threads of a worker
    gpus: float | None = Field(
        None, ge=0
    )  # of a worker, also 0.5; 0: none; None: 1 if there are any
    address: str | None = None  # of a Ray cluster; None: one on this machine for the search
    stuck_after: float | None = Field(
        1800.0, gt=0
    )  # seconds without an epoch that end a trial, also written 30m; None: never

    @model_validator(mode="before")
    @classmethod
    def _auto(cls, values: Any) -> Any:
        if isinstance(values, str) and values != "auto":
            raise BadValue(f"resources may be 'auto' or settings, got {values!r}")
        return {"packing": "auto"} if values == "auto" else values

    @field_validator("stuck_after", mode="before")
    @classmethod
    def _stuck_after(cls, value: Any) -> Any:
        return seconds_of(value) if isinstance(value, str) else value


class SearchSpec(Settings):
    """What is searched, on which images, how candidates are trained, judged and proposed.

    A field says all there is to say in its comment; YAML has the same names. Settings that make
    figures incomparable (data, space, recipe, objectives, constraints) stay fixed for the life of a
    study.
    """

    plugins: tuple[Plugin, ...] = ()  # paths of files that register modules of your own
    backbone_files: tuple[BackboneFile, ...] = ()  # filled in: space.backbone: nets.py:function
    data: Data = Data()
    space: SpaceSettings = Field(default_factory=SpaceSettings, validate_default=True)
    recipe: Recipe = Recipe()
    objectives: tuple[str, ...] = ("accuracy", "gflops")  # also parameters, memory, latency
    constraints: tuple[str, ...] = ()  # such as gflops <= 1.02 * backbone, parameters <= 300k
    stopping: Stopping = Stopping()
    sampler: Sampler = Sampler()
    resources: Resources = Resources()
    trials: int = Field(26, ge=1)  # of the whole study, baselines included
    retries: int = Field(0, ge=0)  # how often a trial that failed is tried again
    time_budget: float | None = Field(None, gt=0)  # seconds of this run; also written 10m, 2h
    looks: int = Field(6, ge=0, le=24)  # images on which is drawn where the front's members look
    seed: int = Field(0, ge=0, lt=2**32)  # of the proposals
    folder: str = (
        "foveate-runs"  # of checkpoints and weights: a path that all nodes see, or s3://...
    )

    @model_validator(mode="before")
    @classmethod
    def _time_budget(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("time_budget"), str):
            values = values | {"time_budget": seconds_of(values["time_budget"])}
        return values

    @field_validator("plugins")
    @classmethod
    def _plugged_in(cls, plugins: tuple[Plugin, ...]) -> tuple[Plugin, ...]:
        for plugin in plugins:
            plugin.plug_in()
        return tuple({plugin.source: plugin for plugin in plugins}.values())

    @field_validator("backbone_files")
    @classmethod
    def _added(cls, files: tuple[BackboneFile, ...]) -> tuple[BackboneFile, ...]:
        for file in files:
            file.add()
        return files

    @field_validator("space", mode="before")
    @classmethod
    def _all_with_plugins(cls, space: Any, info: ValidationInfo) -> Any:
        if not isinstance(space, dict):
            return space
        preset = PRESETS.get(str(space.get("preset")), {})
        modules = space.get("modules", preset.get("modules"))
        of_preset = "modules" not in space and modules is not None
        if isinstance(modules, list | tuple) and ("all" in modules or of_preset):
            return space | {"modules": [*modules, *_plugged(info)]}
        return space

    @field_validator("space")
    @classmethod
    def _with_plugins(cls, space: SpaceSettings, info: ValidationInfo) -> SpaceSettings:
        plugged = _plugged(info)
        if "modules" not in space.model_fields_set:
            space = space.model_copy(update={"modules": tuple(sorted({*space.modules, *plugged}))})
        for name in space.modules:
            if not attention.entry(name).is_builtin and name not in plugged:
                raise BadValue(
                    f"space.modules names {name!r}, which is in {attention.entry(name).home}; "
                    "a search takes it from there only if plugins names that file"
                )
        return space

    @field_validator("objectives")
    @classmethod
    def _of_a_front(cls, objectives: tuple[str, ...]) -> tuple[str, ...]:
        check_objectives(objectives)
        return objectives

    @field_validator("constraints")
    @classmethod
    def _in_one_spelling(cls, constraints: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(str(Constraint.parse(text)) for text in constraints))

    @model_validator(mode="after")
    def _with_files(self) -> Self:
        names = (self.space.backbone, *self.space.backbones)
        there = dict(filter(None, (own_source(name) for name in names)))
        files = tuple(BackboneFile(path=path, source=text) for path, text in sorted(there.items()))
        object.__setattr__(self, "backbone_files", files)
        return self

    @classmethod
    def read(
        cls, path: str | None, changes: Iterable[str] = (), plugins: Iterable[str] = ()
    ) -> Self:
        """The spec in the YAML file ``path`` (none: the defaults) with ``section.key=value`` s.

        ``plugins`` are paths beside those that it has.
        """
        document = _yaml(path) if path else {}
        for change in changes:
            key, equals, value = change.partition("=")
            if not equals or not key:
                raise BadValue(f"--set takes section.key=value, got {change!r}")
            try:
                plain = yaml.safe_load(value)
            except (yaml.YAMLError, ValueError):  # a date that is none, for one
                raise BadValue(f"--set {key}: {value!r} is no value of YAML") from None
            _put(document, key.split("."), plain)
        if more := list(plugins):
            there = document.get("plugins", [])
            document["plugins"] = [*there, *more] if isinstance(there, list) else there
        return cls.of(document)

    @property
    def default_name(self) -> str:
        """What a study of this spec is called, if the user says nothing."""
        kind, _, path = self.data.name.partition(":")
        name = re.sub(r"[^\w.+= -]+", "-", Path(path).name or kind).lstrip(".")[:60]
        return f"{name}-{self.space.backbone}"

    @property
    def workers(self) -> int:
        """Trials at once on this machine, unless that is measured."""
        return self.resources.workers or max(1, (cpu_count() or 1) // self.resources.threads)

    @property
    def cpus(self) -> int:
        """Threads of all trials together on this machine."""
        if self.resources.packing == "auto":
            return cpu_count() or 1
        return self.workers * self.resources.threads

    @property
    def bounds(self) -> tuple[Constraint, ...]:
        """The constraints, as they can be asked what keeps them."""
        return tuple(map(Constraint.parse, self.constraints))

    @property
    def measures_latency(self) -> bool:
        """Whether the workers have to: it is an objective, or bounded."""
        return "latency" in (*self.objectives, *(bound.cost for bound in self.bounds))

    def prepare(self) -> tuple[Images, Space]:
        """The images and the space; a ``UserError`` says what is wrong, before anything starts."""
        images = load(self.data)
        if self.recipe.batch > len(images.train):
            raise BadValue(
                f"recipe.batch is {self.recipe.batch}, and {self.data.name} has only "
                f"{len(images.train)} training images"
            )
        if images.multi_label != (self.recipe.loss == "binary"):
            raise BadValue(
                f"recipe.loss is {self.recipe.loss!r}, and an image of {self.data.name} may have "
                + ("several labels: recipe.loss: binary" if images.multi_label else "one label")
            )
        if self.recipe.train == "head" and self.space.weights is None:
            raise BadValue(
                "recipe.train is 'head', which leaves the backbone as it is: name its weights with "
                "space.weights"
            )
        space = Space(self.space, images.size)
        if self.sampler.name == "grid":
            samplers.check_grid(space)
        if self.space.weights is not None:  # what does not fit is said now, not by each trial
            for name in dict.fromkeys(base.backbone for base in space.bases):
                backbone(name, len(images.classes), weights=self.space.weights)
        if self.plugins:  # nobody has tried them yet
            for placement in space.baselines().values():
                space.cost(placement, len(images.classes))
        bases = [space.base, *(base for base in space.bases if base != space.base)]
        costs = [costs_of(space.cost(base, len(images.classes))) for base in bases]
        check_reachable(self.objectives, self.bounds, costs)
        return images, space

    def differences(self, stored: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
        """(setting, here, there) of what may not change within a study of the spec ``stored``.

        That one is plain data, since two versions of a plugin cannot both be plugged in.
        """
        theirs = [Plugin.of(plugin) for plugin in stored.get("plugins", [])]
        if {plugin.source for plugin in self.plugins} != {plugin.source for plugin in theirs}:
            return [("plugins", list(self.plugins), theirs)]
        files = [BackboneFile.of(file) for file in stored.get("backbone_files", [])]
        if {file.source for file in self.backbone_files} != {file.source for file in files}:
            return [("backbone_files", list(self.backbone_files), files)]
        other = SearchSpec.of(stored)
        found = [
            (f"{section}.{key}", mine, getattr(getattr(other, section), key))
            for section in ("data", "space", "recipe")
            for key, mine in getattr(self, section)
            if mine != getattr(getattr(other, section), key)
            and (section, key) not in (("data", "root"), ("data", "broken"))
        ]
        if self.objectives != other.objectives:
            found.append(("objectives", self.objectives, other.objectives))
        if set(self.constraints) != set(other.constraints):  # in any order
            found.append(("constraints", self.constraints, other.constraints))
        return found


def _plugged(info: ValidationInfo) -> set[str]:
    """The names of the modules that the spec's plugins registered."""
    plugins: tuple[Plugin, ...] = info.data.get("plugins", ())
    return {name for plugin in plugins for name in plugin.plug_in()}


def seconds_of(text: str) -> float:
    """``"90"``, ``"90s"``, ``"10m"`` or ``"1.5h"`` in seconds."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "s")
    try:
        seconds = float(number) * units[unit]
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise BadValue(f"a time is written 90s, 10m or 1.5h, got {text!r}")
    return seconds


def _yaml(path: str) -> dict[str, Any]:
    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadValue(f"cannot read the spec {path!r}: {error.strerror}") from None
    except (yaml.YAMLError, ValueError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = "" if line is None else f", line {line + 1}"
        raise BadValue(f"the spec {path!r} is no YAML{where}") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise BadValue(f"the spec {path!r} must hold settings, got {type(document).__name__}")
    return document


def _put(document: dict[str, Any], keys: list[str], value: Any) -> None:
    *parents, last = keys
    for parent in parents:
        document = document.setdefault(parent, {})
        if not isinstance(document, dict):
            raise BadValue(f"--set {'.'.join(keys)}: {parent!r} is a value, not a section")
    document[last] = value
