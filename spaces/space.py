"""Every placement that a study may propose."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import product
from random import Random
from typing import Any, Protocol

from .. import attention
from ..errors import BadValue, listed, unknown
from .costs import breakdown, cost, module_cost
from .counting import Cost
from .networks import described, surveyed, with_options
from .placement import REMOVE, Module, Placement, Value
from .plugging import completed, everywhere, in_order, may_stand, replaces
from .settings import SpaceSettings
from .site import KINDS, Site, Survey
from .size import Choices, Option, TooManyError, apart, number_of

__all__ = ["NOTHING", "Chooser", "Slot", "Space", "SpaceSettings"]

NOTHING = "none"  # the choice to leave a site as it is


class Chooser(Protocol):
    """What ``Space.suggest`` asks: an Optuna trial, or anything else that picks."""

    def suggest_categorical(self, name: str, choices: Sequence[Value]) -> Value:
        """One of ``choices`` for the parameter called ``name``."""
        ...


@dataclass(frozen=True, slots=True)
class Slot:
    """Sites that make one choice together, and what may be chosen."""

    name: str  # a site's path, or stage3.branch, or branch
    stage: int  # of its first site
    options: Mapping[str, tuple[Site, ...]]  # a module's name -> the sites where it then stands


@dataclass(frozen=True, slots=True)
class _Part:
    """The placements on one backbone, of one width, for one size of image."""

    base: Placement
    slots: Mapping[str, Slot]


class Space:
    """At each slot: nothing, or one of the modules that its sites allow.

    Raises
        UnknownName  for a site that there is not
        BadValue     if no module can stand anywhere
    """

    def __init__(self, settings: SpaceSettings, image_size: int) -> None:
        self.settings, self.image_size = settings, image_size
        self._names = tuple(dict.fromkeys((settings.backbone, *settings.backbones)))
        self._widths = settings.widths or (1.0,)
        sizes = [None if size == image_size else size for size in settings.image_sizes]
        self._sizes: tuple[int | None, ...] = tuple(sizes) or (None,)
        self._parts = {
            (name, width, size): self._part(name, width, size)
            for name in self._names
            for width in self._widths
            for size in self._sizes
        }
        bases = [part.base.spelling for part in self._parts.values()]
        if twice := sorted({base for base in bases if bases.count(base) > 1}):
            raise BadValue(f"space.backbones and space.widths name one network twice: {twice[0]}")
        if not any(part.slots for part in self._parts.values()):
            where = ", ".join(settings.sites)
            where += f" of kind {listed(settings.kinds, last='or')}" if settings.kinds else ""
            where += f" in stage {listed(settings.stages, last='or')}" if settings.stages else ""
            raise BadValue(f"none of {', '.join(settings.modules)} can stand at {where}")
        # of each backbone, the same at every width and size: a parameter keeps its choices
        self._choices: dict[str, dict[str, list[str]]] = {name: {} for name in self._names}
        for (name, _, _), part in self._parts.items():
            for slot in part.slots.values():
                there = self._choices[name].setdefault(slot.name, [NOTHING])
                there += [option for option in slot.options if option not in there]

    @property
    def base(self) -> Placement:
        """The bare backbone that all is compared with."""
        return Placement(self.settings.backbone)

    @property
    def bases(self) -> list[Placement]:
        """The bare backbones of the space, at each width and size."""
        return [part.base for part in self._parts.values()]

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """The sites of the backbone, in the order of the forward pass, as far as inspected."""
        return self._survey(self.settings.backbone).sites

    @property
    def slots(self) -> tuple[Slot, ...]:
        """What there is to choose on the backbone that all is compared with."""
        own = (self.settings.backbone, 1.0, None)
        key = own if own in self._parts else next(iter(self._parts))
        return tuple(self._parts[key].slots.values())

    def site_dicts(self) -> list[dict[str, Any]]:
        """The sites as plain data; of several backbones, each says of which it is."""
        named: dict[str, dict[Site, None]] = {}  # of each backbone, the sites that settings name
        for part in self._parts.values():
            there = {path for slot in part.slots.values() for path in _paths(slot)}
            found = named.setdefault(part.base.backbone, {})
            others = self._survey(part.base.backbone).others
            found |= dict.fromkeys(site for site in others if site.path in there)
        several = [*named] != [self.settings.backbone]
        return [
            site.to_dict() | ({"backbone": name} if several else {})
            for name, others in named.items()
            for site in (*self._survey(name).sites, *others)
        ]

    def suggest(self, trial: Chooser) -> Placement:
        """The placement that ``trial`` chooses.

        A site's parameter is called by its path; a hyper-parameter ``se.reduction``, or
        ``stage1.se.reduction`` or ``layer1.0.bn2.se.reduction`` where each stage or site has its
        own. With several backbones these begin with ``NAME/``, and the parameters ``@backbone``,
        ``@width`` and ``@image_size`` come first where there is a choice. Of more modules than
        ``most`` some are left out, the same ones for the same choices.
        """
        name, width, size = self._ask_base(trial)
        part, prefix = self._parts[name, width, size], self._prefix(name)
        wanted = {
            slot: str(trial.suggest_categorical(prefix + slot, choices))
            for slot, choices in self._choices[name].items()
        }
        chosen = {
            slot: option
            for slot, option in wanted.items()
            if slot in part.slots and option in part.slots[slot].options
        }
        settings: dict[str, dict[str, Value]] = {}
        taken = self._thinned(chosen, part)
        for slot, option in taken.items():
            scope = self._scope(part.slots[slot], option, prefix)
            if scope not in settings:
                settings[scope] = self._ask_hyperparameters(trial, option, scope)
        return self._placed(part, taken, settings, prefix)

    def _placed(
        self,
        part: _Part,
        taken: Mapping[str, str],  # slot -> module
        settings: Mapping[str, Mapping[str, Value]],  # scope -> hyper-parameters
        prefix: str,
    ) -> Placement:
        modules = []
        for slot, option in taken.items():
            chosen = settings[self._scope(part.slots[slot], option, prefix)]
            for site in part.slots[slot].options[option]:
                modules.append(completed(Module(site.path, option, chosen), site))
        return Placement.of(part.base.backbone, in_order(modules), part.base.image_size)

    def __iter__(self) -> Iterator[Placement]:
        """Every placement once, in a fixed order: bare first, then what differs in the last slot.

        There may be more than anyone can go through: see ``size``.
        """
        seen: set[str] = set()
        for (name, _, _), part in self._parts.items():
            prefix = self._prefix(name)
            for taken in _takings(list(part.slots.values()), self.settings.most):
                scopes = {
                    self._scope(part.slots[slot], option, prefix): option
                    for slot, option in taken.items()
                }
                for variants in product(*map(self._variants, scopes.values())):
                    settings = dict(zip(scopes, variants, strict=True))
                    placement = self._placed(part, taken, settings, prefix)
                    if placement.key not in seen:
                        seen.add(placement.key)
                        yield placement

    def parameters(self, placement: Placement) -> dict[str, Value] | None:
        """What ``suggest`` would have chosen for ``placement``; ``None`` if it is outside."""
        bases = {part.base: key for key, part in self._parts.items()}
        if placement.base not in bases:
            return None
        name, width, size = bases[placement.base]
        part = self._parts[name, width, size]
        known: dict[str, Value] = {"@backbone": name, "@width": width}
        known["@image_size"] = size or self.image_size
        prefix = self._prefix(name)
        slots = [part.slots[slot] for slot in self._choices[name] if slot in part.slots]
        for found in _explained(slots, placement):
            chosen: dict[str, Value] = {}
            chosen |= {prefix + slot: modules[0].name for slot, modules in found.items()}
            scopes: dict[tuple[str, str], list[tuple[Site, Module]]] = {}
            for slot, modules in found.items():
                option = modules[0].name
                scope = self._scope(part.slots[slot], option, prefix), option
                there = zip(part.slots[slot].options[option], modules, strict=True)
                scopes.setdefault(scope, []).extend(there)
            for (scope_name, option), pairs in scopes.items():
                shared = self._variant(option, pairs)
                chosen |= {f"{scope_name}.{key}": value for key, value in shared.items()}
            follower = _Given(known | chosen, self.slot_parameters)
            try:
                again = self.suggest(follower)
            except BadValue:
                continue
            if again == placement:
                return follower.chosen
        return None

    def offered(self, chosen: Mapping[str, Value]) -> dict[str, list[Value]]:
        """What the parameters that ``suggest`` asks for are chosen from, where these are chosen."""
        given = _Given(chosen, self.slot_parameters)
        self.suggest(given)
        return given.offered

    def _parameters_of(self, placement: Placement) -> dict[str, Value]:
        if (chosen := self.parameters(placement)) is None:
            raise BadValue(f"not a placement of this space: {placement.spelling}")
        return chosen

    def _variant(self, option: str, there: Sequence[tuple[Site, Module]]) -> dict[str, Value]:
        """The first hyper-parameters of ``option`` that mean all these modules; none if none do."""
        for variant in self._variants(option):
            if all(completed(Module(s.path, option, variant), s) == module for s, module in there):
                return variant
        return {}

    def sample(self, rng: Random, *, density: float | None = None) -> Placement:
        """A placement drawn at random, each slot taken with a chance of ``density``.

        Without ``density`` that chance is drawn first, evenly from 0 to 1, so that samples are
        spread over the whole range of costs instead of lying around its middle.
        """
        share = rng.random() if density is None else density
        if self.settings.most is not None:  # else nearly every sample would have as many
            slots = max(len(choices) for choices in self._choices.values())
            share = min(share, rng.randint(0, self.settings.most) / slots)
        return self.suggest(_Dice(rng, share, self.slot_parameters))

    def neighbours(self, placement: Placement) -> Iterator[Placement]:
        """Every placement of the space that differs from ``placement`` in one choice.

        That is the choice at one slot, one hyper-parameter, the width or the size. A module that
        is new gets its defaults. No placement of another backbone is a neighbour.

        Raises
            BadValue  if ``placement`` is outside of the space
        """
        chosen = self._parameters_of(placement)
        asked = _Given(chosen, self.slot_parameters)
        self.suggest(asked)
        seen = {placement}
        for name, choices in asked.offered.items():
            for value in choices:
                if name == "@backbone" or _same(value, chosen[name]):
                    continue
                given = _Given(chosen | {name: value}, self.slot_parameters)
                other = self.suggest(given)
                if other in seen or not self._as_asked(other, given):
                    continue
                seen.add(other)
                yield other

    @cached_property
    def coordinates(self) -> dict[str, tuple[Value, ...]]:
        """Every parameter that ``suggest`` may ask for, in a fixed order, with its choices."""
        found: dict[str, tuple[Value, ...]] = {}
        for key, values in self._base_choices().items():
            if len(values) > 1:
                found[key] = values
        for name, slots in self._choices.items():
            for slot, options in slots.items():
                found[self._prefix(name) + slot] = tuple(options)
        for (name, _, _), part in self._parts.items():
            for one in part.slots.values():
                for option in one.options:
                    scope = self._scope(one, option, self._prefix(name))
                    for key, choice in self._asked(option):
                        found.setdefault(f"{scope}.{key}", choice.values)
        return found

    def encode(self, placement: Placement) -> tuple[int, ...]:
        """``placement`` as a vector of the length of ``coordinates``: the number of each choice.

        A hyper-parameter of a module that is not there is 0.

        Raises
            BadValue  if ``placement`` is outside of the space
        """
        chosen = self._parameters_of(placement)
        return tuple(
            _index(choices, chosen[name]) if name in chosen else 0
            for name, choices in self.coordinates.items()
        )

    def decode(self, vector: Sequence[int]) -> Placement:
        """The placement of a vector; any within the numbers of choices means one.

        Raises
            BadValue  if it is too long or too short, or a number is out of range
        """
        if len(vector) != len(self.coordinates):
            raise BadValue(f"a vector has {len(self.coordinates)} numbers, got {len(vector)}")
        chosen: dict[str, Value] = {}
        for number, (name, choices) in zip(vector, self.coordinates.items(), strict=True):
            if not 0 <= number < len(choices):
                raise BadValue(f"{name} is a number from 0 to {len(choices) - 1}, got {number}")
            chosen[name] = choices[number]
        return self.suggest(_Given(chosen, self.slot_parameters))

    def baselines(self) -> dict[str, Placement]:
        """What a front has to be compared with, by origin.

        ``bare``; for each module of the space ``everywhere:NAME``, at all of the sites asked for
        where its paper places it, with default hyper-parameters; ``everywhere:remove``, where the
        backbone has attention of its own that may be left out; and ``bare:...`` for further
        backbones, widths and sizes.
        """
        name = self.settings.backbone
        found = {"bare": self.base}
        wanted = {site.path for site in self._wanted(self._survey(name), name)}
        for module in self.settings.modules:
            try:
                whole = everywhere(name, module, self.image_size)
            except BadValue:  # nowhere
                continue
            if within := [one for one in whole.modules if one.site in wanted]:
                found[f"everywhere:{module}"] = Placement.of(name, within)
        removed = [s for slot in self.slots for s in slot.options.get(REMOVE, ())]
        if removed:
            modules = [Module(site.path, REMOVE) for site in removed]
            found[f"everywhere:{REMOVE}"] = Placement.of(name, modules)
        for base in self.bases:
            if base != self.base:
                size = f" at {base.image_size} pixels" if base.image_size else ""
                found[f"bare:{base.backbone}{size}"[:80]] = base
        return found

    def cost(self, placement: Placement, classes: int = 1000) -> Cost:
        """What ``placement`` costs at the size of the images, started as the settings say."""
        identity = self.settings.identity_init
        return cost(placement, self.image_size, classes, identity_init=identity)

    def added(self, placement: Placement) -> list[Cost]:
        """What each module of ``placement`` adds to the cost of the bare backbone."""
        identity = self.settings.identity_init
        found = breakdown(placement, self.image_size, identity_init=identity)
        return [cost for _, cost in found]

    @cached_property
    def dearest_gflops(self) -> float:
        """GFLOPs that no placement exceeds: the top of the cost axis."""
        return max(self._dearest(part) for part in self._parts.values()) / 1e9

    def _dearest(self, part: _Part) -> int:
        most = [max(0, *self._operations(slot)) for slot in part.slots.values()]
        taken = sorted(most, reverse=True)[: self.settings.most]
        return self.cost(part.base).operations + sum(taken)

    def _operations(self, slot: Slot) -> list[int]:
        identity = self.settings.identity_init
        return [
            sum(
                module_cost(
                    Module(site.path, option, chosen), site, identity_init=identity
                ).operations
                for site in there
            )
            for option, there in slot.options.items()
            for chosen in self._variants(option)
        ]

    @cached_property
    def size(self) -> int:
        """How many different placements there are: exactly, if ``size_is_exact``.

        Where hyper-parameters are shared by places of many widths, at some of which two settings
        build the same, that could take hours: then it is how many there are at most.
        """
        return self._size[0]

    @property
    def size_is_exact(self) -> bool:
        """Whether ``size`` is the number of placements, and not a bound."""
        return self._size[1]

    @cached_property
    def _size(self) -> tuple[int, bool]:
        sizes = [self._part_size(part) for part in self._parts.values()]
        return sum(size for size, _ in sizes), all(exact for _, exact in sizes)

    def _part_size(self, part: _Part) -> tuple[int, bool]:
        by_stage = self.settings.hyperparameters == "stage"
        slots = [
            Choices(
                {
                    option: Option(len(there), self._meanings(option, there))
                    for option, there in slot.options.items()
                },
                group=slot.stage if by_stage else 0,
            )
            for slot in part.slots.values()
        ]
        shared = self.settings.hyperparameters in ("module", "stage")
        try:
            return number_of(slots, shared=shared, most=self.settings.most), True
        except TooManyError:
            return number_of(apart(slots), shared=shared, most=self.settings.most), False

    def _meanings(self, option: str, there: Sequence[Site]) -> tuple[int, ...]:
        """Of each variant of ``option`` a number, equal for those that build the same there."""
        numbers: dict[tuple[Module, ...], int] = {}
        return tuple(
            numbers.setdefault(
                tuple(completed(Module(s.path, option, variant), s) for s in there), len(numbers)
            )
            for variant in self._variants(option)
        )

    # what there is

    def _survey(self, name: str, size: int | None = None) -> Survey:
        return surveyed(name, size or self.image_size)

    def _part(self, name: str, width: float, size: int | None) -> _Part:
        wide = described(name).width * width
        base = Placement(with_options(name, width=wide), (), size)
        there = self._survey(base.backbone, size)
        slots = {slot.name: slot for slot in self._slots(there, name) if slot.options}
        return _Part(base, slots)

    def _slots(self, there: Survey, name: str) -> Iterator[Slot]:
        wanted = self._wanted(there, name)
        if self.settings.granularity == "block":
            for site in wanted:
                able = [m for m in self._offered() if self._stands(m, site, there)]
                yield Slot(site.path, site.stage, dict.fromkeys(able, (site,)))
            return
        found: dict[tuple[Site, ...], Slot] = {}
        replaced: dict[Site, str] = {}  # by modules of which kind of slot: there is one for all

        def may(module: str, site: Site, kind: str) -> bool:
            kinds = site.kinds if kind == "existing" else (kind,)
            if not self._stands(module, site, there, kinds):
                return False
            return not replaces(module) or replaced.setdefault(site, kind) == kind

        for kind in KINDS:
            groups: dict[int, list[Site]] = {}
            for site in wanted:
                # an attention of the backbone's own is in one slot, which takes it out or swaps it
                if kind == ("existing" if "existing" in site.kinds else kind) in site.kinds:
                    stage = site.stage if self.settings.granularity == "stage" else 0
                    groups.setdefault(stage, []).append(site)
            for stage, sites in groups.items():
                options: dict[str, tuple[Site, ...]] = {}
                for module in self._offered():
                    stands = tuple(site for site in sites if may(module, site, kind))
                    before = [slot.options.get(module) for slot in found.values()]
                    if stands and stands not in before:  # else one placement had two names
                        options[module] = stands
                same = found.get(tuple(sites))  # a stage of one block: its branch may be its end
                if same is not None:
                    options = {**same.options, **options}
                named = f"stage{stage}.{kind}" if stage else kind
                slot = Slot(same.name if same else named, sites[0].stage, options)
                found[tuple(sites)] = slot
        yield from sorted(found.values(), key=lambda slot: slot.stage)

    def _wanted(self, there: Survey, name: str) -> list[Site]:
        paths = [site.path for site in there.sites]
        found: list[Site] = []
        for pattern in self.settings.sites:
            matching = [site for site in there.sites if site.matches(pattern)]
            matching = matching or [site for site in there.others if site.matches(pattern)]
            if not matching:
                near = [site.path for site in there.others]
                raise unknown(f"site of {name} called", pattern, paths, near=near)
            found += [site for site in matching if site not in found]
        stages = {s + there.stages + 1 if s < 0 else s for s in self.settings.stages}
        order = {site: number for number, site in enumerate((*there.sites, *there.others))}
        return sorted(
            (site for site in found if not stages or site.stage in stages), key=order.__getitem__
        )

    def _offered(self) -> tuple[str, ...]:
        return (*self.settings.modules, REMOVE)

    def _stands(
        self, name: str, site: Site, there: Survey, kinds: Sequence[str] | None = None
    ) -> bool:
        """Whether the settings let the module called ``name`` stand at ``site``, as one of
        ``kinds`` of site: any of its own, unless said.
        """
        kinds = site.kinds if kinds is None else kinds
        allowed = self.settings.kinds
        if "named" not in kinds and allowed and not {*kinds} & {*allowed}:
            return False
        if name == REMOVE:
            return "existing" in kinds
        if not may_stand(name, site):
            return False
        if allowed or "named" in kinds:
            return True
        as_branch = ("branch",) if "existing" in kinds else ()  # in the place of another gate
        usual = (*kinds, *as_branch)
        return attention.entry(name).stands_at(usual, site.stage, there.stages)

    # what is asked

    def _base_choices(self) -> dict[str, tuple[Value, ...]]:
        sizes = tuple(size or self.image_size for size in self._sizes)
        return {"@backbone": self._names, "@width": self._widths, "@image_size": sizes}

    def _ask_base(self, trial: Chooser) -> tuple[str, float, int | None]:
        asked = {
            key: trial.suggest_categorical(key, list(values)) if len(values) > 1 else values[0]
            for key, values in self._base_choices().items()
        }
        size = int(asked["@image_size"])
        return (
            str(asked["@backbone"]),
            float(asked["@width"]),
            None if size == self.image_size else size,
        )

    def _prefix(self, name: str) -> str:
        return f"{name}/" if len(self._names) > 1 else ""

    def _scope(self, slot: Slot, option: str, prefix: str) -> str:
        """What the hyper-parameters of ``option`` at ``slot`` are called by."""
        if self.settings.hyperparameters == "site":
            return f"{prefix}{slot.name}.{option}"
        if self.settings.hyperparameters == "stage":
            return f"{prefix}stage{slot.stage}.{option}"
        return option

    def _asked(self, option: str) -> list[tuple[str, attention.Choice]]:
        """The hyper-parameters of ``option`` that are searched over."""
        if option == REMOVE or self.settings.hyperparameters == "fixed":
            return []
        return sorted(attention.entry(option).hyperparameters.items())

    def _ask_hyperparameters(self, trial: Chooser, option: str, scope: str) -> dict[str, Value]:
        return {
            key: trial.suggest_categorical(f"{scope}.{key}", list(choice.values))
            for key, choice in self._asked(option)
        }

    def _variants(self, option: str) -> list[dict[str, Value]]:
        """Every combination of hyper-parameters of a module, the defaults first."""
        defaults = {key: choice.default for key, choice in self._asked(option)}
        found: list[dict[str, Value]] = [{}]
        for key, choice in self._asked(option):
            found = [{**one, key: value} for one in found for value in choice.values]
        return [defaults, *(one for one in found if one != defaults)]

    def _thinned(self, chosen: Mapping[str, str], part: _Part) -> Mapping[str, str]:
        """Of ``chosen`` as many as ``most`` allows, drawn by a hash of them."""

        def units(slot: str) -> int:
            return len(part.slots[slot].options[chosen[slot]])

        room = self.settings.most
        if room is None or sum(map(units, chosen)) <= room:
            return chosen
        text = repr(sorted(chosen.items()))
        kept = set()
        for slot in sorted(chosen, key=lambda slot: sha256(f"{slot} {text}".encode()).digest()):
            if units(slot) <= room:
                kept.add(slot)
                room -= units(slot)
        return {slot: option for slot, option in chosen.items() if slot in kept}

    def _as_asked(self, placement: Placement, given: "_Given") -> bool:
        """Whether ``placement`` has all the modules that ``given`` chose."""
        again = self.parameters(placement)
        slots = {key for key in given.chosen if key in self.slot_parameters}
        return again is not None and all(again.get(key) == given.chosen[key] for key in slots)

    @cached_property
    def slot_parameters(self) -> frozenset[str]:
        """The parameters that say what stands at a slot; the others say how, or in what."""
        return frozenset(
            self._prefix(name) + slot for name, slots in self._choices.items() for slot in slots
        )


def _takings(slots: Sequence[Slot], most: int | None) -> Iterator[dict[str, str]]:
    """Every way to choose at each slot with at most so many modules: slot -> option."""
    if not slots:
        yield {}
        return
    *before, last = slots
    for taken in _takings(before, most):
        yield taken
        room = None if most is None else most - _modules(before, taken)
        for option, sites in last.options.items():
            if room is None or len(sites) <= room:
                yield taken | {last.name: option}


def _modules(slots: Sequence[Slot], taken: Mapping[str, str]) -> int:
    return sum(len(slot.options[taken[slot.name]]) for slot in slots if slot.name in taken)


_Left = dict[tuple[str, bool], tuple[Module, ...]]  # (site, whether they replace what is there)


def _explained(
    slots: Sequence[Slot], placement: Placement
) -> Iterator[dict[str, tuple[Module, ...]]]:
    """Ways in which the slots make up ``placement``: of each that takes part, its modules.

    Slots may share sites, as the blocks of a stage and its end do: there the modules stand in the
    order of the slots.
    """
    left: _Left = {}
    for module in placement.modules:
        key = (module.site, replaces(module.name))
        left[key] = (*left.get(key, ()), module)
    last = {site.path: slot for slot in slots for sites in slot.options.values() for site in sites}
    times = Counter(path for slot in slots for path in _paths(slot))
    sharing = [slot for slot in slots if any(times[path] > 1 for path in _paths(slot))]
    found: dict[str, tuple[Module, ...]] = {}
    for slot in slots:
        taken = None if slot in sharing else next(_taken(slot, left), None)
        if taken is not None:  # the only way
            found[slot.name], left = taken

    def ways(number: int, left: _Left) -> Iterator[dict[str, tuple[Module, ...]]]:
        if number == len(sharing):
            if not any(left.values()):
                yield {}
            return
        slot = sharing[number]
        ends = [path for path in _paths(slot) if last[path] is slot]
        for modules, after in [*_taken(slot, left), (None, left)]:
            if any(after.get((path, replaces)) for path in ends for replaces in (True, False)):
                continue
            for rest in ways(number + 1, after):
                yield rest if modules is None else {slot.name: modules, **rest}

    for some in ways(0, left):
        yield found | some


def _paths(slot: Slot) -> set[str]:
    return {site.path for sites in slot.options.values() for site in sites}


def _taken(slot: Slot, left: _Left) -> Iterator[tuple[tuple[Module, ...], _Left]]:
    """An option that is the first one left at all of its sites, and what is left after it."""
    for option, sites in slot.options.items():
        keys = [(site.path, replaces(option)) for site in sites]
        firsts = [left.get(key, ())[:1] for key in keys]
        if all(first and first[0].name == option for first in firsts):
            yield (
                tuple(first[0] for first in firsts),
                {**left, **{key: left[key][1:] for key in keys}},
            )


def _index(choices: Sequence[Value], value: Value) -> int:
    return next(number for number, one in enumerate(choices) if _same(one, value))


def _same(one: Value, other: Value) -> bool:
    return type(one) is type(other) and one == other


class _Dice:
    """Takes a site with a given chance, and chooses evenly what comes there."""

    def __init__(self, rng: Random, density: float, slots: Collection[str]) -> None:
        self.rng, self.density, self.slots = rng, density, slots

    def suggest_categorical(self, name: str, choices: Sequence[Value]) -> Value:
        offered = list(choices)
        if name in self.slots:  # a hyper-parameter may be called "none", too
            if self.rng.random() >= self.density:
                return NOTHING
            offered.remove(NOTHING)
        return self.rng.choice(offered)


class _Given:
    """Chooses what it was given, else nothing or a default, and remembers what was asked."""

    def __init__(self, given: Mapping[str, Value], slots: Collection[str]) -> None:
        self.given, self.slots = given, slots
        self.chosen: dict[str, Value] = {}
        self.offered: dict[str, list[Value]] = {}

    def suggest_categorical(self, name: str, choices: Sequence[Value]) -> Value:
        value = self.given[name] if name in self.given else self._fallback(name)
        if not any(_same(value, one) for one in choices):
            raise BadValue(f"{name} may not be {value!r}")
        self.chosen[name], self.offered[name] = value, list(choices)
        return value

    def _fallback(self, name: str) -> Value:
        if name in self.slots:
            return NOTHING
        *_, module, key = name.split(".")
        return attention.entry(module).hyperparameters[key].default
