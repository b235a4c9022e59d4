"""Every placement that a study may propose."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import combinations
from math import prod
from random import Random
from typing import Literal, Protocol

from pydantic import field_validator

from .. import attention
from .._settings import Settings
from ..attention import Choice
from ..errors import BadValue, unknown
from .costs import Cost, cost, module_cost
from .networks import backbones
from .placement import Module, Placement, Value
from .plugging import check, complete
from .site import Site, sites

__all__ = ["NOTHING", "Chooser", "Space", "SpaceSettings"]

DEFAULT = ("aw", "cbam", "cram", "eca", "pointwise", "se", "steam")
NOTHING = "none"  # the choice to leave a site as it is


class SpaceSettings(Settings):
    """Which modules may stand at which sites of which backbone."""

    backbone: str = "resnet8"
    # names; ``all`` is all built-in ones; in a spec, it and the default have plugins' modules, too
    modules: tuple[str, ...] = DEFAULT
    sites: tuple[str, ...] = ("*",)  # paths or globs; each module takes those where it usually is
    hyperparameters: Literal["fixed", "module", "site"] = "module"  # defaults; one per ...
    identity_init: bool = True  # a new module does nothing, instead of its authors' start

    @field_validator("backbone")
    @classmethod
    def _known_backbone(cls, name: str) -> str:
        if name not in backbones():
            raise unknown("backbone", name, backbones())
        return name

    @field_validator("modules")
    @classmethod
    def _known_modules(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if "all" in names:
            builtin = [name for name in attention.names() if attention.entry(name).is_builtin]
            names = (*builtin, *(name for name in names if name != "all"))
        for name in names:
            attention.entry(name)
        if not names:
            raise BadValue("space.modules names no module, so there is nothing to search")
        return tuple(sorted(set(names)))


class Chooser(Protocol):
    """What ``Space.suggest`` asks: an Optuna trial, or anything else that picks."""

    def suggest_categorical(self, name: str, choices: Sequence[Value]) -> Value:
        """One of ``choices`` for the parameter called ``name``."""
        ...


class Space:
    """At each site: nothing, or one of the modules that its kind and shape allow.

    Raises
        UnknownName  for a site that there is not
        BadValue     if no module can stand anywhere
    """

    def __init__(self, settings: SpaceSettings, image_size: int) -> None:
        self.settings, self.image_size = settings, image_size
        self.sites = sites(settings.backbone, image_size)
        paths = [site.path for site in self.sites]
        for pattern in settings.sites:
            if not any(fnmatchcase(path, pattern) for path in paths):
                raise unknown(f"site of {settings.backbone} called", pattern, paths)
        wanted = [s for s in self.sites if any(fnmatchcase(s.path, p) for p in settings.sites)]
        self._stages = max(site.stage for site in self.sites)
        choices = {site: self._allowed(site, settings.modules) for site in wanted}
        self.slots = {site: names for site, names in choices.items() if names}
        if not self.slots:
            raise BadValue(
                f"none of {', '.join(settings.modules)} can stand at {', '.join(settings.sites)}"
            )

    def suggest(self, trial: Chooser) -> Placement:
        """The placement that ``trial`` chooses.

        A site's parameter is called by its path; a hyper-parameter ``se.reduction``, or
        ``layer1.0.bn2.se.reduction`` where each site has its own.
        """
        chosen = {
            site: str(trial.suggest_categorical(site.path, [NOTHING, *names]))
            for site, names in self.slots.items()
        }
        shared: dict[str, dict[str, Value]] = {}
        if self.settings.hyperparameters == "module":
            for name in sorted(set(chosen.values()) - {NOTHING}):
                shared[name] = _suggest_hyperparameters(trial, name, name)
        modules = []
        for site, name in chosen.items():
            if name == NOTHING:
                continue
            own = shared.get(name, {})
            if self.settings.hyperparameters == "site":
                own = _suggest_hyperparameters(trial, name, f"{site.path}.{name}")
            entry = attention.entry(name)
            modules.append(Module(site.path, name, tuple(entry.complete(own).items())))
        return Placement.of(self.settings.backbone, modules)

    def parameters(self, placement: Placement) -> dict[str, Value] | None:
        """What ``suggest`` would have chosen for ``placement``; ``None`` if it is outside."""
        try:
            follower = _Follower(placement)
            again = self.suggest(follower)
        except BadValue:
            return None
        return follower.chosen if again == placement else None

    def sample(self, rng: Random, *, density: float | None = None) -> Placement:
        """A placement drawn at random, each site taken with a chance of ``density``.

        Without ``density`` that chance is drawn first, evenly from 0 to 1, so that samples are
        spread over the whole range of costs instead of lying around its middle.
        """
        return self.suggest(_Dice(rng, rng.random() if density is None else density))

    def baselines(self) -> dict[str, Placement]:
        """What a front has to be compared with, by origin.

        ``bare``, and for each module of the space ``everywhere:NAME``: at all the sites where its
        paper places it, with default hyper-parameters.
        """
        name = self.settings.backbone
        found = {"bare": Placement.of(name, [])}
        for module in self.settings.modules:
            stands = [site for site in self.sites if self._allowed(site, [module])]
            if stands:
                everywhere = Placement.of(name, [Module(site.path, module) for site in stands])
                found[f"everywhere:{module}"] = complete(everywhere, self.image_size)
        return found

    def _allowed(self, site: Site, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in names if self._may_stand(name, site))

    def _may_stand(self, name: str, site: Site) -> bool:
        if not attention.entry(name).stands_at(site.kind, site.stage, self._stages):
            return False
        try:
            check(Module(site.path, name), site)
        except BadValue:
            return False
        return True

    def cost(self, placement: Placement, classes: int = 1000) -> Cost:
        """What ``placement`` costs at the size of the images, started as the settings say."""
        identity = self.settings.identity_init
        return cost(placement, self.image_size, classes, identity_init=identity)

    @cached_property
    def dearest_gflops(self) -> float:
        """GFLOPs with the dearest choice at every site: the top of the cost axis."""
        bare = self.cost(Placement.of(self.settings.backbone, [])).operations
        return (bare + sum(max(0, *self._operations(site)) for site in self.slots)) / 1e9

    def _operations(self, site: Site) -> list[int]:
        return [
            module_cost(
                Module(site.path, name, tuple(chosen.items())),
                site,
                identity_init=self.settings.identity_init,
            ).operations
            for name in self.slots[site]
            for chosen in _settings_of(name, fixed=self.settings.hyperparameters == "fixed")
        ]

    @cached_property
    def size(self) -> int:
        """How many different choices there are, exactly."""
        variants = {name: self._variants(name) for name in self.settings.modules}
        if self.settings.hyperparameters != "module":
            return prod(1 + sum(variants[n] for n in names) for names in self.slots.values())
        # Sites whose modules are disjoint multiply. Within such a group, sum over the sets T of
        # modules: ways to use only T, times prod(v in T) * prod(1 - v outside T), which is the
        # inclusion-exclusion over "exactly the modules S are used" times prod(v in S).
        return prod(self._group_size(group, variants) for group in self._groups())

    def _variants(self, name: str) -> int:
        return len(_settings_of(name, fixed=self.settings.hyperparameters == "fixed"))

    def _groups(self) -> list[list[tuple[str, ...]]]:
        groups: list[tuple[set[str], list[tuple[str, ...]]]] = []
        for names in self.slots.values():
            joined, members = set(names), [names]
            for other in [g for g in groups if g[0] & joined]:
                groups.remove(other)
                joined |= other[0]
                members += other[1]
            groups.append((joined, members))
        return [members for _, members in groups]

    @staticmethod
    def _group_size(group: Sequence[Sequence[str]], variants: Mapping[str, int]) -> int:
        names = sorted({name for slot in group for name in slot})
        plain = [name for name in names if variants[name] == 1]  # these are always allowed
        others = [name for name in names if variants[name] != 1]
        total = 0
        for count in range(len(others) + 1):
            for used in combinations(others, count):
                allowed = {*plain, *used}
                ways = prod(1 + sum(name in allowed for name in slot) for slot in group)
                outside = prod(1 - variants[name] for name in others if name not in used)
                total += ways * prod(variants[name] for name in used) * outside
        return total


def _settings_of(name: str, *, fixed: bool) -> list[dict[str, Value]]:
    """Every combination of hyper-parameters of a module."""
    entry = attention.entry(name)
    combinations_: list[dict[str, Value]] = [{}]
    for key, choice in sorted(entry.hyperparameters.items()):
        values = (choice.default,) if fixed else choice.values
        combinations_ = [{**one, key: value} for one in combinations_ for value in values]
    return combinations_


def _suggest_hyperparameters(trial: Chooser, name: str, prefix: str) -> dict[str, Value]:
    choices: Mapping[str, Choice] = attention.entry(name).hyperparameters
    return {
        key: trial.suggest_categorical(f"{prefix}.{key}", list(choice.values))
        for key, choice in sorted(choices.items())
    }


class _Dice:
    """Takes a site with a given chance, and chooses evenly what comes there."""

    def __init__(self, rng: Random, density: float) -> None:
        self.rng, self.density = rng, density

    def suggest_categorical(self, name: str, choices: Sequence[Value]) -> Value:
        offered = list(choices)
        if NOTHING in offered:
            if self.rng.random() >= self.density:
                return NOTHING
            offered.remove(NOTHING)
        return self.rng.choice(offered)


class _Follower:
    """Chooses what a given placement has, and remembers it."""

    def __init__(self, placement: Placement) -> None:
        self.chosen: dict[str, Value] = {}
        self.has: dict[str, Value] = {}
        for module in placement.modules:
            if module.site in self.has:
                raise BadValue(f"two modules at {module.site!r}")
            self.has[module.site] = module.name
            for key, value in module.hyperparameters:
                self.has[f"{module.site}.{module.name}.{key}"] = value
                self.has[f"{module.name}.{key}"] = value

    def suggest_categorical(self, name: str, choices: Sequence[Value]) -> Value:
        value = self.has.get(name, NOTHING)
        if value not in choices:
            raise BadValue(f"{name} may not be {value!r}")
        self.chosen[name] = value
        return value
