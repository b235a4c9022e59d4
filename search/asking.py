"""A study of Optuna's that is not in a database: the trials that we have, for a sampler to read."""

from collections.abc import Container, Sequence
from copy import deepcopy as copied
from typing import Any, NoReturn

import optuna
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ..spaces.placement import Value
from .trials import Trials

__all__ = ["Asking", "Replica"]

NAME = "study"
PARTIAL = ":relative_params:"  # what a trial was asked so far; ours are proposed as a whole


class Replica(BaseStorage):
    """``trials`` as a storage, in which a sampler can write notes about trial ``number`` only.

    A trial's id is its number. What is noted stays here, in ``notes``, until it comes back as
    ``Seen.attributes``: so a sampler that is stopped and made anew finds what it would have found.
    """

    def __init__(self, trials: Trials, number: int) -> None:
        self._trials = trials
        self.asked = optuna.trial.create_trial(state=TrialState.RUNNING)
        self.asked.number, self.asked._trial_id = number, number
        self._of_study: dict[str, Any] = {}

    @property
    def notes(self) -> dict[str, Any]:
        """What the sampler noted, as it comes back later."""
        of_trial = {k: v for k, v in self.asked.system_attrs.items() if PARTIAL not in k}
        found = {"trial": of_trial, "study": self._of_study}
        return {about: attributes for about, attributes in found.items() if attributes}

    def get_study_id_from_name(self, study_name: str) -> int:
        """There is one."""
        return 0

    def get_study_name_from_id(self, study_id: int) -> str:
        """There is one."""
        return NAME

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """Accuracy up, costs down."""
        costs = [StudyDirection.MINIMIZE] * (self._trials.objectives - 1)
        return [StudyDirection.MAXIMIZE, *costs]

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """None."""
        return {}

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """What samplers noted with any trial, and now."""
        return self._trials.study_attributes | self._of_study

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Noted with the trial that is being proposed."""
        self._of_study[key] = value

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Noted, of the trial that is being proposed."""
        if trial_id != self.asked.number:
            self._read_only()
        self.asked.system_attrs[key] = value

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """By number."""
        return self.asked if trial_id == self.asked.number else self._trials.frozen(trial_id)

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """All by number, with the one that is being proposed among those running."""
        found = [t for t in self._trials.all_frozen(states) if t.number != self.asked.number]
        if states is None or TrialState.RUNNING in states:
            found.append(self.asked)
            found.sort(key=lambda trial: trial.number)
        return copied(found) if deepcopy else found

    # what proposing needs nowhere

    def _read_only(self) -> NoReturn:
        raise RuntimeError("a sampler proposes; trials are recorded elsewhere")

    def create_new_study(
        self, directions: Sequence[StudyDirection], study_name: str | None = None
    ) -> int:
        """Refused."""
        self._read_only()

    def delete_study(self, study_id: int) -> None:
        """Refused."""
        self._read_only()

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Refused."""
        self._read_only()

    def get_all_studies(self) -> list[Any]:
        """Refused."""
        self._read_only()

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Refused."""
        self._read_only()

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: Any
    ) -> None:
        """Refused."""
        self._read_only()

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Refused."""
        self._read_only()

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        """Refused."""
        self._read_only()

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Refused."""
        self._read_only()


class Asking:
    """Has ``sampler`` choose, parameter by parameter, what trial ``number`` shall be."""

    def __init__(self, sampler: BaseSampler, trials: Trials, number: int) -> None:
        self.storage, self._trials = Replica(trials, number), trials
        self._sampler, self._trial = sampler, self.storage.asked
        self._study = optuna.Study(NAME, self.storage, sampler)
        sampler.before_trial(self._study, self._trial)
        space = sampler.infer_relative_search_space(self._study, self._trial)
        self._together = sampler.sample_relative(self._study, self._trial, space)

    def suggest_categorical(self, name: str, choices: Sequence[Value]) -> Value:
        """What the sampler chooses for ``name``."""
        distribution = self._trials.distributions[name]
        if name in self._together:
            value = self._together[name]
        elif distribution.single():
            value = choices[0]
        else:
            value = self._sampler.sample_independent(self._study, self._trial, name, distribution)
        self._trial.params[name] = value
        self._trial.distributions[name] = distribution
        chosen: Value = value
        return chosen
