"""The trials of a study as its sampler sees them: in columns, and one by one as Optuna has them."""

from collections.abc import Container, Iterable, Mapping
from math import isnan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.study._multi_objective import _is_pareto_front
from optuna.trial import FrozenTrial, TrialState

from ..spaces.placement import Value

__all__ = ["Seen", "Trials"]

STATES = {
    "waiting": TrialState.WAITING,
    "running": TrialState.RUNNING,
    "complete": TrialState.COMPLETE,
    "stopped": TrialState.COMPLETE,  # as if trained to the end: with the accuracy to be expected
    "failed": TrialState.FAIL,
    "infeasible": TrialState.PRUNED,
}
NONE = -1  # code of a parameter that a trial has not; state of a number that no trial has


class Seen(NamedTuple):
    """A trial as a sampler sees it."""

    number: int
    state: str  # waiting, running, complete, stopped, failed or infeasible
    key: str  # Placement.key
    chosen: dict[str, Value] | None  # Space.parameters: name -> value; None: outside of the space
    values: tuple[float, ...] | None  # accuracy (of a stopped one: expected), costs; None: not yet
    violations: tuple[float, ...] = ()  # of each constraint, <= 0 is feasible
    attributes: Mapping[str, Any] = {}  # what the sampler noted when it proposed the trial

    @property
    def optuna_state(self) -> TrialState:
        """The state as which samplers learn from the trial.

        What is outside of the space has failed: it can teach nothing about the parameters.
        """
        state = TrialState.FAIL if self.chosen is None else STATES[self.state]
        if state == TrialState.COMPLETE and self.values is None:
            return TrialState.PRUNED
        if self.values is not None and any(map(isnan, self.values)):
            return TrialState.FAIL
        return state


class Trials:
    """All trials by number, with the code of each choice: its place among the parameter's choices.

    Columns have room for more trials than there are; ``states`` is ``NONE`` there. ``version``
    changes with any trial.
    """

    def __init__(
        self,
        coordinates: Mapping[str, tuple[Value, ...]],
        objectives: int,
        *,
        noted: Mapping[str, Any] | None = None,
    ) -> None:
        self.distributions = {
            name: CategoricalDistribution(choices) for name, choices in coordinates.items()
        }
        self.objectives, self.version = objectives, 0
        self.known: set[str] = set()  # keys
        self.study_attributes: dict[str, Any] = {}  # what samplers noted about the study
        self._noted = dict(noted or {})  # about a trial that no sampler proposed
        self._noted_by: dict[str, int] = {}  # attribute of the study -> number of a trial
        self._rows = {name: row for row, name in enumerate(coordinates)}
        self._codes_of: list[dict[Value, int]] = []
        for choices in coordinates.values():
            codes: dict[Value, int] = {}
            for code, value in enumerate(choices):
                codes.setdefault(value, code)  # as Optuna has it, where True is 1
            self._codes_of.append(codes)
        self._seen: dict[int, Seen] = {}
        self._frozen: dict[int, FrozenTrial] = {}
        self._shared: dict[tuple[str, ...], dict[str, BaseDistribution]] = {}
        self.states = np.full(0, NONE, dtype=np.int8)
        self.values = np.empty((0, objectives))
        self.violation = np.empty(0)  # what is above 0, summed up
        self._codes = np.full((len(coordinates), 0), NONE, dtype=np.int16)
        self._make_room(64)

    def __len__(self) -> int:
        return len(self._seen)

    def __contains__(self, number: int) -> bool:
        return number in self._seen

    def __getitem__(self, number: int) -> Seen:
        return self._seen[number]

    def update(self, seen: Iterable[Seen]) -> None:
        """Take in trials that are new or changed; any order, and repeats change nothing."""
        for trial in seen:
            if self._seen.get(trial.number) != trial:
                self._put(trial)

    def _put(self, trial: Seen) -> None:
        number = trial.number
        if number >= len(self.states):
            self._make_room(2 * number)
        before = self._seen.get(number)
        self._seen[number] = trial
        self._frozen.pop(number, None)
        self.known.add(trial.key)
        self.version += 1
        self.states[number] = trial.optuna_state
        self.values[number] = np.nan if trial.values is None else trial.values
        self.violation[number] = sum(v for v in trial.violations if v > 0)
        if before is None or before.chosen != trial.chosen:
            column = self._codes[:, number]
            column[:] = NONE
            for name, value in (trial.chosen or {}).items():
                row = self._rows[name]
                column[row] = self._codes_of[row][value]
        for key, value in trial.attributes.get("study", {}).items():
            if self._noted_by.get(key, -1) <= number:  # the latest counts, in any order
                self._noted_by[key], self.study_attributes[key] = number, value

    def _make_room(self, size: int) -> None:
        there = len(self.states)
        states = np.full(size, NONE, dtype=np.int8)
        codes = np.full((len(self._rows), size), NONE, dtype=np.int16)
        values = np.full((size, self.objectives), np.nan)
        violation = np.zeros(size)
        states[:there], codes[:, :there] = self.states, self._codes
        values[:there], violation[:there] = self.values, self.violation
        self.states, self._codes, self.values, self.violation = states, codes, values, violation

    # as columns

    def codes(self, name: str) -> NDArray[np.int16]:
        """Of each number the code of its choice for ``name``; ``NONE`` if it has none."""
        codes: NDArray[np.int16] = self._codes[self._rows[name]]
        return codes

    def front(self) -> list[int]:
        """Numbers of the feasible trained trials that no other dominates, accuracy rising."""
        trained = [
            number
            for number in np.flatnonzero(self.states == TrialState.COMPLETE).tolist()
            if self._seen[number].state == "complete" and self.violation[number] <= 0
        ]
        losses = self.values[trained] * np.array([-1.0] + [1.0] * (self.objectives - 1))
        if not trained:
            return []
        best = np.flatnonzero(_is_pareto_front(losses, assume_unique_lexsorted=False))
        return [trained[at] for at in best[np.lexsort(losses[best].T[::-1])][::-1].tolist()]

    # as Optuna has them

    def frozen(self, number: int) -> FrozenTrial:
        """The trial called ``number``, made when it is first asked for."""
        if number not in self._frozen:
            self._frozen[number] = self._freeze(self._seen[number])
        return self._frozen[number]

    def all_frozen(self, states: Container[TrialState] | None = None) -> list[FrozenTrial]:
        """The trials of those ``states`` (none: all), in the order of their numbers."""
        every = (self.frozen(number) for number in sorted(self._seen))
        return [trial for trial in every if states is None or trial.state in states]

    def _freeze(self, seen: Seen) -> FrozenTrial:
        state, chosen = seen.optuna_state, dict(seen.chosen or {})
        names = tuple(chosen)
        if names not in self._shared:
            self._shared[names] = {name: self.distributions[name] for name in names}
        noted = seen.attributes.get("trial") or self._noted
        limits = {f"constraints:{place}": value for place, value in enumerate(seen.violations)}
        values = None if seen.values is None else [float(value) for value in seen.values]
        return FrozenTrial(
            number=seen.number,
            state=state,
            value=None,
            values=values if state == TrialState.COMPLETE else None,
            datetime_start=None,
            datetime_complete=None,
            params=chosen,
            distributions=self._shared[names],
            user_attrs={},
            system_attrs={**noted, **limits},
            intermediate_values={},
            trial_id=seen.number,
        )
