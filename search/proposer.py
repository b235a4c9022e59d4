"""What a study trains next.

A sampler learns from the trials and proposes; what it proposes is never what the study has already.
Costs are known before a training, so what breaks a constraint is told to the study, not trained.
"""

import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

from ..errors import BadValue
from ..spaces.placement import REMOVE, Placement, Value
from ..spaces.space import NOTHING, Space
from .asking import Asking
from .nsga2 import NSGA2
from .samplers import check, check_grid, maker, noted
from .spec import Sampler
from .trials import Seen, Trials

__all__ = ["Proposal", "Proposer", "Seen"]

ATTEMPTS = 25  # proposals of the sampler that may be known before others are looked for
SLOW = 3  # the same of one that takes seconds for each
NEIGHBOURS = 200  # of members of the front, before chance takes over
SAMPLES = 1000  # at random, before the space is gone through
IN_A_ROW = 3  # infeasible proposals that a study is told of, before the next one is repaired
CANDIDATES = 8  # of which one lies in the widest gap of the front


@dataclass(frozen=True, slots=True)
class Proposal:
    """A placement to train, or to record as infeasible."""

    placement: Placement
    chosen: dict[str, Value]  # Space.parameters
    attributes: dict[str, Any]  # to be kept with the trial, and given back as Seen.attributes
    parents: tuple[int, ...]  # numbers of the trials that it comes from, where they are known
    violations: tuple[float, ...]  # of each constraint; any above 0: infeasible
    repeats: int = 0  # ideas before it that the study has already

    @property
    def feasible(self) -> bool:
        """Whether it breaks no constraint."""
        return all(value <= 0 for value in self.violations)


class _Idea(NamedTuple):
    placement: Placement
    attributes: dict[str, Any]
    parents: tuple[int, ...]


class Proposer:
    """Proposes placements of ``space`` for a study of ``trials``, which ``update`` tells it of.

    A proposal depends on the trials and the seed alone: it is the same twice, and in a search that
    was interrupted. ``violations`` of a placement are known before it is trained, and so are its
    ``gflops``.

    Raises
        BadValue  if the space is too large for a grid, or the sampler cannot do so many objectives
    """

    def __init__(
        self,
        space: Space,
        sampler: Sampler,
        seed: int,
        trials: int,
        *,
        objectives: int = 2,
        violations: Callable[[Placement], tuple[float, ...]] = lambda placement: (),
        gflops: Callable[[Placement], float],
    ) -> None:
        self.space, self.settings, self.seed = space, sampler, seed
        self.exhausted = False  # every placement of the space is known
        self._violations, self._gflops = violations, gflops
        self._trials = Trials(space.coordinates, objectives, noted=noted(sampler.name))
        self._in_order = iter(space)
        self._next: Placement | None = None  # in that order; all before it are known
        if sampler.gaps and objectives < 2:
            raise BadValue("sampler.gaps is about a front, which takes two objectives")
        check(sampler.name, sampler.options, objectives=[objectives])
        if sampler.name == "grid":
            check_grid(space)
        else:
            self._make = maker(sampler.name, sampler.options, self._trials, trials)

    def update(self, seen: Iterable[Seen]) -> None:
        """Take in trials that are new or changed; any order, and repeats change nothing."""
        self._trials.update(seen)

    def propose(self, number: int) -> Proposal | None:
        """What trial ``number`` shall be; ``None`` if every placement of the space is known."""
        repeats = 0
        for idea in self._ideas(number):
            if self._is_new(idea):
                break
            repeats += 1
        else:
            self.exhausted = True
            return None
        if not self._is_feasible(idea.placement) and self._infeasible_before(number) >= IN_A_ROW:
            idea = self._repaired(idea, number) or idea
        return Proposal(
            placement=idea.placement,
            chosen=self._chosen(idea.placement),
            attributes=idea.attributes,
            parents=idea.parents,
            violations=self._violations(idea.placement),
            repeats=repeats,
        )

    def _ideas(self, number: int) -> Iterator[_Idea]:
        """What trial ``number`` may be, the best first, known ones among it."""
        if self._first_unknown() is None:
            return
        attributes: dict[str, Any] = {}
        if self.settings.name != "grid":
            if number >= self.settings.startup:
                if self._rng(number, "gaps").random() < self.settings.gaps:
                    yield from self._in_gap(number)
                for attempt in range(SLOW if self.settings.name == "gp" else ATTEMPTS):
                    idea = self._asked(number, attempt)
                    attributes = idea.attributes  # a generation, for one, counts for what follows
                    yield idea
                yield from self._near_front(number, attributes)
            rng = Random(f"{self.seed}-{number}")
            for _ in range(SAMPLES):
                yield _Idea(self.space.sample(rng), attributes, ())
        while (placement := self._first_unknown()) is not None:
            yield _Idea(placement, attributes, ())

    def _asked(self, number: int, attempt: int) -> _Idea:
        """What the sampler proposes, with a seed of its own for each attempt."""
        seed = Random(json.dumps([self.seed, number, attempt])).getrandbits(32)
        with warnings.catch_warnings():  # that something is experimental
            warnings.simplefilter("ignore")
            sampler = self._make(seed)
            asking = Asking(sampler, self._trials, number)
            placement = self.space.suggest(asking)
        parents = sampler.parents if isinstance(sampler, NSGA2) else ()
        return _Idea(placement, asking.storage.notes, parents)

    def _in_gap(self, number: int) -> Iterator[_Idea]:
        """Of some new and feasible proposals of the sampler, the one in the front's widest gap."""
        costs = sorted(self._gflops(self._placement(one)) for one in self._trials.front())
        best, widest = None, 0.0
        for attempt in range(CANDIDATES):
            idea = self._asked(number, attempt)
            if not self._is_new(idea) or not self._is_feasible(idea.placement):
                continue
            cost = self._gflops(idea.placement)
            below = max((one for one in costs if one <= cost), default=None)
            above = min((one for one in costs if one > cost), default=None)
            width = 0.0 if below is None or above is None else above - below
            if best is None or width > widest:
                best, widest = idea, width
        if best is not None:
            yield best

    def _near_front(self, number: int, attributes: dict[str, Any]) -> Iterator[_Idea]:
        """Members of the front with one choice changed, at random."""
        members = self._trials.front()
        rng = self._rng(number, "near")
        for _ in range(NEIGHBOURS if members else 0):
            parent = rng.choice(members)
            chosen = dict(self._trials[parent].chosen or {})
            name = rng.choice(sorted(chosen))
            chosen[name] = rng.choice(self.space.coordinates[name])
            yield _Idea(self._decoded(chosen), attributes, (parent,))

    def _first_unknown(self) -> Placement | None:
        """The first unknown one in the order of the space."""
        while self._next is None or self._next.key in self._trials.known:
            self._next = next(self._in_order, None)
            if self._next is None:
                return None
        return self._next

    def _repaired(self, idea: _Idea, number: int) -> _Idea | None:
        """``idea`` with fewer modules, or else one at random: feasible and new."""
        rng = self._rng(number, "repair")
        chosen = self._chosen(idea.placement)
        slots = self.space.slot_parameters
        taken = [n for n in chosen if n in slots and chosen[n] not in (NOTHING, REMOVE)]
        rng.shuffle(taken)
        for name in taken:
            chosen[name] = NOTHING
            fewer = idea._replace(placement=self._decoded(chosen))
            if self._is_new(fewer) and self._is_feasible(fewer.placement):
                return fewer
        for _ in range(ATTEMPTS):
            sampled = _Idea(self.space.sample(rng), idea.attributes, ())
            if self._is_new(sampled) and self._is_feasible(sampled.placement):
                return sampled
        return None

    def _is_new(self, idea: _Idea) -> bool:
        return idea.placement.key not in self._trials.known

    def _is_feasible(self, placement: Placement) -> bool:
        return all(value <= 0 for value in self._violations(placement))

    def _infeasible_before(self, number: int) -> int:
        """How many trials right before ``number`` were infeasible, one after the other."""
        first = number
        while first - 1 in self._trials and self._trials[first - 1].state == "infeasible":
            first -= 1
        return number - first

    def _rng(self, number: int, purpose: str) -> Random:
        return Random(f"{self.seed}-{number}-{purpose}")

    def _chosen(self, placement: Placement) -> dict[str, Value]:
        chosen = self.space.parameters(placement)
        assert chosen is not None  # it is of the space
        return chosen

    def _placement(self, number: int) -> Placement:
        return self._decoded(self._trials[number].chosen or {})

    def _decoded(self, chosen: Mapping[str, Value]) -> Placement:
        return self.space.decode(
            [
                choices.index(chosen[name]) if name in chosen else 0
                for name, choices in self.space.coordinates.items()
            ]
        )
