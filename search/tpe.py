"""Optuna's TPE, choice by choice the same, in a hundredth of the time.

The Tree-structured Parzen Estimator (Bergstra et al., NeurIPS 2011) calls the best tenth of the
trials good. Of each parameter it draws candidates from the choices of the good ones, l, and takes
the candidate for which l is largest relative to the choices of the others, g.

Optuna splits the trials and reads their parameters anew for each parameter, and evaluates l and g
at every candidate. Here the split is made once for a state of the study, and l and g are evaluated
once per choice: a parameter of a placement has few. Sums run over the same numbers in the same
order, so results are equal bit for bit; ``tests/search/test_tpe.py`` compares them.
"""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from optuna import Study
from optuna._hypervolume.hssp import _solve_hssp
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import TPESampler
from optuna.samplers._tpe.sampler import (
    _get_reference_point,
    default_gamma_multiobjective,
    default_weights,
)
from optuna.study._multi_objective import _fast_non_domination_rank
from optuna.trial import FrozenTrial, TrialState

from .trials import NONE, Trials

__all__ = ["TPE", "Estimates"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class TPE(TPESampler):
    """``TPESampler(multivariate=False, ...)`` of several objectives, over the columns of trials.

    All samplers of a study share ``estimates``. Options are those of ``TPESampler`` that change
    neither its densities nor its split.
    """

    def __init__(
        self,
        estimates: "Estimates",
        *,
        seed: int,
        n_startup_trials: int = 4,
        n_ei_candidates: int = 24,
    ) -> None:
        super().__init__(
            seed=seed,
            n_startup_trials=n_startup_trials,
            n_ei_candidates=n_ei_candidates,
            multivariate=False,
        )
        self._estimates = estimates.now

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The choice that good trials make more often than others."""
        assert isinstance(param_distribution, CategoricalDistribution)
        if self._estimates.finished < self._n_startup_trials:
            return self._random_sampler.sample_independent(
                study, trial, param_name, param_distribution
            )
        parameter = self._estimates.of(param_name, len(param_distribution.choices))
        return param_distribution.choices[parameter.chosen(self._rng.rng, self._n_ei_candidates)]


class Estimates:
    """What TPE knows of ``trials``; with ``constant_liar`` those running count as no good ones."""

    def __init__(self, trials: Trials, *, constant_liar: bool = True) -> None:
        self._trials, self._constant_liar = trials, constant_liar
        self._version = -1

    @property
    def now(self) -> "_Moment":
        """As of the latest change of the trials."""
        if self._version != self._trials.version:
            self._moment = _Moment(self._trials, self._constant_liar)
            self._version = self._trials.version
        return self._moment


class _Moment:
    """The good trials and the others, and each parameter among them, once it is asked for."""

    def __init__(self, trials: Trials, constant_liar: bool) -> None:
        self._trials, self._constant_liar = trials, constant_liar
        done = (trials.states == TrialState.COMPLETE) | (trials.states == TrialState.PRUNED)
        self._done = np.flatnonzero(done)
        self.finished = len(self._done)
        self._parameters: dict[str, _Parameter] = {}

    @cached_property
    def _split(self) -> tuple[Ints, Ints]:
        """Numbers of the good ones and of the others, rising."""
        states = self._trials.states
        good = _good(self._trials, self._done)
        others = np.zeros(len(states), dtype=bool)
        others[self._done] = True
        others[good] = False
        if self._constant_liar:
            others |= states == TrialState.RUNNING
        return np.sort(good), np.flatnonzero(others)

    def of(self, name: str, choices: int) -> "_Parameter":
        if name not in self._parameters:
            codes = self._trials.codes(name)
            good, others = (codes[numbers] for numbers in self._split)
            self._parameters[name] = _Parameter(good[good != NONE], others[others != NONE], choices)
        return self._parameters[name]


def _good(trials: Trials, done: Ints) -> Ints:
    """Of the numbers ``done`` a tenth: trained ones first, by fronts; then stopped and infeasible.

    Of the front that does not fit as a whole, those that make up the largest hypervolume.
    """
    wanted = default_gamma_multiobjective(len(done))
    violation = trials.violation[done]
    complete = done[(violation <= 0) & (trials.states[done] == TrialState.COMPLETE)]
    pruned = done[(violation <= 0) & (trials.states[done] == TrialState.PRUNED)]
    infeasible = done[violation > 0]
    infeasible = infeasible[np.argsort(trials.violation[infeasible], kind="stable")]
    best = _best(trials.values[complete], wanted)
    return np.concatenate([complete[best], pruned, infeasible])[: max(wanted, 0)]


def _best(values: Floats, wanted: int) -> Ints:
    """Indices of the ``wanted`` best, in any order."""
    wanted = min(wanted, len(values))
    if wanted in (0, len(values)):
        return np.arange(wanted)
    losses = values * np.array([-1.0] + [1.0] * (values.shape[1] - 1))
    ranks = _fast_non_domination_rank(losses, n_below=wanted)
    up_to = np.cumsum(np.bincount(ranks))  # how many are on this front or a better one
    last = int(np.searchsorted(up_to, wanted, side="right"))  # the first that does not fit
    best = np.flatnonzero(ranks < last)
    if len(best) < wanted:
        tied = np.flatnonzero(ranks == last)
        reference = _get_reference_point(losses[tied])
        some = _solve_hssp(losses[tied], tied, wanted - len(best), reference)
        best = np.append(best, some)
    return best


class _Parameter:
    """A parameter's choices among good trials and others: mixtures of one kernel per trial.

    A kernel has most of its weight on the trial's choice and the rest evenly on all. Kernels of
    one choice are equal, so a mixture is the kinds of its kernels, in the order of the trials, and
    a weight for each: ``choices`` is the kind of the even one that comes last.
    """

    def __init__(self, good: NDArray[np.int16], others: NDArray[np.int16], choices: int) -> None:
        self._choices = choices
        self._good, self._others = (np.append(codes, choices) for codes in (good, others))
        weights = np.append(np.ones(len(good)), [1.0])
        self._weights = weights / weights.sum()
        shares = np.cumsum(self._weights)
        self._shares = shares / shares[-1]
        self._heights = np.cumsum(_kernels(len(good), choices), axis=-1)
        self._heights[:, -1] = 1
        self._scores = np.full(choices, np.nan)  # log l - log g of each choice, once needed

    def chosen(self, rng: RandomState, candidates: int) -> int:
        """The best of so many ``candidates`` drawn from the good ones."""
        kernels = self._good[self._shares.searchsorted(rng.random_sample(candidates), "right")]
        quantiles = rng.rand(candidates)
        drawn = np.sum(self._heights[kernels] < quantiles[:, np.newaxis], axis=-1)
        distinct = np.flatnonzero(np.bincount(drawn, minlength=self._choices))
        if len(distinct) > 1:
            unknown = distinct[np.isnan(self._scores[distinct])]
            if len(unknown):
                self._scores[unknown] = self._scored(unknown)
            return int(drawn[np.argmax(self._scores[drawn])])
        return int(drawn[0])

    def _scored(self, codes: Ints) -> Floats:
        if len(self._others) == 1:
            weights = np.array([1.0])
        else:
            weights = np.append(default_weights(len(self._others) - 1), [1.0])
            weights /= weights.sum()
        good = _log_density(codes, self._good, self._weights, self._choices)
        return good - _log_density(codes, self._others, weights, self._choices)


def _kernels(trials: int, choices: int) -> Floats:
    """A row for each kind of kernel, the even one last."""
    if trials == 0:
        return np.full((choices + 1, choices), 1 / choices)
    found = np.full((choices + 1, choices), 1 / (trials + 1))
    found[np.arange(choices), np.arange(choices)] += 1
    found /= found.sum(axis=1, keepdims=True)
    return found


def _log_density(codes: Ints, kinds: NDArray[np.int16], weights: Floats, choices: int) -> Floats:
    logs = np.log(_kernels(len(kinds) - 1, choices)).T[codes]  # choice x kind
    weighted = np.take(logs, kinds, axis=1)
    weighted += np.log(weights)
    top = weighted.max(axis=1)
    weighted -= top[:, np.newaxis]
    found: Floats = np.log(np.exp(weighted, out=weighted).sum(axis=1)) + top
    return found
