"""NSGA-II whose children inherit every parameter, and whose parents are known."""

from collections.abc import Callable, Sequence
from typing import Any

from numpy.random import RandomState
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import NSGAIISampler
from optuna.samplers.nsgaii._constraints_evaluation import _constrained_dominates
from optuna.study import StudyDirection
from optuna.study._constrained_optimization import _is_constrained_optimization
from optuna.study._multi_objective import _dominates
from optuna.trial import FrozenTrial

__all__ = ["NSGA2", "population_for"]

Dominates = Callable[[FrozenTrial, FrozenTrial, Sequence[StudyDirection]], bool]


def population_for(trials: int) -> int:
    """How large the generations of a search of so many trials are.

    Small enough for some generations, and not so small that all become alike: one of 8 found less
    than chance in 60 trials where widths are searched, too.
    """
    return max(8, min(20, trials // 3), min(50, trials // 10))


class NSGA2(NSGAIISampler):
    """Optuna's NSGA-II (Deb et al., 2002), except for how a child is made of its parents.

    Optuna crosses the parameters that all trials have. Those of a module are asked only where it
    is used, so they would be drawn anew each time; here a child has them from the parent that it
    has the choice from, or from the one that has them.
    """

    def __init__(
        self,
        *,
        seed: int,
        population_size: int,
        mutation_prob: float | None = None,
        crossover_prob: float = 0.9,
        swapping_prob: float = 0.5,
    ) -> None:
        for name, share in (("mutation_prob", mutation_prob), ("swapping_prob", swapping_prob)):
            if share is not None and not 0 <= share <= 1:
                raise ValueError(f"{name} is a share from 0 to 1, got {share!r}")
        self.parents: tuple[int, ...] = ()  # numbers, of the latest child
        self._mutation_prob, self._swapping_prob = mutation_prob, swapping_prob
        self._crossover_prob = crossover_prob
        super().__init__(
            seed=seed,
            population_size=population_size,
            crossover_prob=crossover_prob,
            child_generation_strategy=self._child,
        )

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Nothing: a child has what its parents have."""
        return {}

    def _child(
        self, study: Study, space: dict[str, BaseDistribution], population: list[FrozenTrial]
    ) -> dict[str, Any]:
        rng = self._rng.rng
        dominates: Dominates = (
            _constrained_dominates if _is_constrained_optimization(population) else _dominates
        )
        parents = [_winner(study, population, rng, dominates)]
        if len(population) > 1 and rng.rand() < self._crossover_prob:
            others = [trial for trial in population if trial is not parents[0]]
            parents.append(_winner(study, others, rng, dominates))
        self.parents = tuple(parent.number for parent in parents)
        names = dict.fromkeys(name for parent in parents for name in parent.params)
        chance = 1 / max(1, len(names)) if self._mutation_prob is None else self._mutation_prob
        child = {}
        for name in names:
            swapped = len(parents) > 1 and rng.rand() < self._swapping_prob
            donors = parents[::-1] if swapped else parents
            if rng.rand() >= chance:  # else it is drawn anew, as if no parent had it
                child[name] = next(d.params[name] for d in donors if name in d.params)
        return child


def _winner(
    study: Study, population: Sequence[FrozenTrial], rng: RandomState, dominates: Dominates
) -> FrozenTrial:
    """Of two drawn at random the one that dominates, if one does."""
    one, other = (population[rng.choice(len(population))] for _ in range(2))
    return one if dominates(one, other, study.directions) else other
