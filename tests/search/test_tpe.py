"""Ours proposes what Optuna's own TPE proposes, choice by choice."""

from collections.abc import Sequence
from random import Random
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.samplers import TPESampler
from optuna.trial import TrialState, create_trial

from foveate.search.asking import Asking
from foveate.search.tpe import TPE, Estimates
from foveate.search.trials import Seen, Trials

SLOTS = {f"layer{n}": ("none", "se", "eca", "cbam", "aw")[: 2 + n % 4] for n in range(8)}
SLOTS |= {"wide": tuple(f"module{n}" for n in range(25)), "@width": (0.5, 1.0, 2.0)}
HYPER = {
    "se.reduction": (4, 8, 16, 32),
    "eca.kernel": ("auto", 3, 5),
    "cbam.old": (True, False),
}
COORDINATES = SLOTS | HYPER


def ask(chooser: Any) -> dict[str, Any]:
    """A space with parameters that are there only if others ask for them."""
    chosen = {
        name: chooser.suggest_categorical(name, list(values)) for name, values in SLOTS.items()
    }
    for name, values in HYPER.items():
        if name.partition(".")[0] in chosen.values():
            chosen[name] = chooser.suggest_categorical(name, list(values))
    return chosen


class _Dice:
    def __init__(self, rng: Random) -> None:
        self.rng = rng

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self.rng.choice(choices)


def seen(
    count: int, rng: Random, *, states: Sequence[str], objectives: int = 2, levels: int = 0
) -> list[Seen]:
    """So many trials; with ``levels`` their values are few, so that many are equal."""
    found = []
    for number in range(count):
        state = rng.choice(states)
        values = tuple(
            float(rng.randrange(levels)) if levels else rng.gauss(0, 1) for _ in range(objectives)
        )
        violations = (rng.gauss(-1, 1), rng.gauss(-1, 1)) if "infeasible" in states else ()
        if state == "infeasible":
            violations = (abs(rng.gauss(0, 1)) + 1e-3, rng.gauss(0, 1))
        known = state in ("complete", "stopped")
        outside = rng.random() < 0.02
        chosen = None if outside else ask(_Dice(rng))
        found.append(
            Seen(number, state, str(number), chosen, values if known else None, violations)
        )
    return found


def in_optuna(trials: Sequence[Seen], objectives: int = 2) -> optuna.Study:
    """The same trials in a study of Optuna's own, by its public functions alone."""
    states = {"complete": "COMPLETE", "stopped": "COMPLETE", "infeasible": "PRUNED"}
    states |= {"failed": "FAIL", "waiting": "WAITING", "running": "RUNNING"}
    distributions = {
        name: optuna.distributions.CategoricalDistribution(values)
        for name, values in COORDINATES.items()
    }
    study = optuna.create_study(directions=["maximize"] + ["minimize"] * (objectives - 1))
    for one in trials:
        chosen = one.chosen or {}
        state = TrialState["FAIL" if one.chosen is None else states[one.state]]
        study.add_trial(
            create_trial(
                state=state,
                values=one.values if state == TrialState.COMPLETE else None,
                params=chosen,
                distributions={name: distributions[name] for name in chosen},
                system_attrs={f"constraints:{n}": v for n, v in enumerate(one.violations)},
            )
        )
    return study


def theirs(study: optuna.Study, seed: int, **options: Any) -> dict[str, Any]:
    study.sampler = TPESampler(seed=seed, multivariate=False, **options)
    # not study.ask(), which would take one that waits
    trial = optuna.Trial(study, study._storage.create_new_trial(study._study_id))
    chosen = ask(trial)
    study.tell(trial, state=TrialState.FAIL)  # which no sampler sees
    return chosen


def agree(
    trials: Sequence[Seen], seeds: Sequence[int], objectives: int = 2, **options: Any
) -> None:
    """Ours and Optuna's choose the same, with all these seeds."""
    ours = Trials(COORDINATES, objectives)
    ours.update(trials)
    given = {"n_startup_trials": 4, "constant_liar": True} | options
    estimates = Estimates(ours, constant_liar=given["constant_liar"])
    mine = {key: value for key, value in given.items() if key != "constant_liar"}
    study = in_optuna(trials, objectives)
    for seed in seeds:
        asking = Asking(TPE(estimates, seed=seed, **mine), ours, len(trials) + seed)
        assert ask(asking) == theirs(study, seed, **given)


optuna.logging.set_verbosity(optuna.logging.WARNING)

ALL = ("complete", "complete", "complete", "stopped", "infeasible", "failed", "running", "waiting")


@settings(max_examples=60)
@given(
    count=st.integers(0, 90),
    seed=st.integers(0, 2**32 - 1),
    states=st.lists(st.sampled_from(sorted({*ALL})), min_size=1, max_size=6),
    objectives=st.integers(2, 3),
    levels=st.sampled_from([0, 0, 2, 5]),
    liar=st.booleans(),
    candidates=st.sampled_from([1, 2, 3, 24]),  # the fewer, the more depends on the seed
)
def test_it_proposes_what_optuna_proposes(
    count: int,
    seed: int,
    states: list[str],
    objectives: int,
    levels: int,
    liar: bool,
    candidates: int,
) -> None:
    rng = Random(seed)
    trials = seen(count, rng, states=states, objectives=objectives, levels=levels)
    agree(trials, range(3), objectives, constant_liar=liar, n_ei_candidates=candidates)


@pytest.mark.parametrize(
    ("count", "states"),
    [
        (300, ALL),
        (300, ("complete",)),
        (400, ("infeasible", "infeasible", "infeasible", "complete")),
        (400, ("infeasible",)),
        (2000, ("complete", "complete", "stopped", "stopped", "stopped")),
        (2000, ALL),
    ],
)
@pytest.mark.parametrize("levels", [0, 40])
def test_so_it_does_with_many_trials(count: int, states: tuple[str, ...], levels: int) -> None:
    trials = seen(count, Random(count), states=states, levels=levels)
    agree(trials, range(6 if count < 1000 else 2))
    agree(trials, range(6 if count < 1000 else 2), n_ei_candidates=2)


@pytest.mark.parametrize(
    "options", [{"n_ei_candidates": 1}, {"n_ei_candidates": 300}, {"n_startup_trials": 101}]
)
def test_options_mean_what_they_mean_there(options: dict[str, Any]) -> None:
    agree(seen(100, Random(1), states=("complete", "running")), range(10), **options)


def test_trials_that_change_are_seen_as_they_are_now() -> None:
    rng = Random(3)
    trials = seen(60, rng, states=("running", "complete"))
    ours = Trials(COORDINATES, 2)
    estimates = Estimates(ours)
    for _ in range(3):
        shuffled = [*trials, *trials[:10]]
        rng.shuffle(shuffled)
        ours.update(shuffled)
        study = in_optuna(trials)
        for seed in range(5):
            asking = Asking(TPE(estimates, seed=seed), ours, len(trials) + seed)
            assert ask(asking) == theirs(study, seed, n_startup_trials=4, constant_liar=True)
        for at, one in enumerate(trials):
            if one.state == "running" and rng.random() < 0.5:
                state = rng.choice(["complete", "stopped", "failed"])
                values = (rng.random(), rng.random()) if state != "failed" else None
                trials[at] = one._replace(state=state, values=values)
        more = seen(90, rng, states=("complete", "running"))
        trials += more[len(trials) : len(trials) + 9]


def test_optunas_own_would_notice_a_difference() -> None:
    """The comparison is no tautology: other seeds and other trials lead to other choices."""
    trials = seen(200, Random(5), states=("complete",))
    study, other = in_optuna(trials), in_optuna(seen(200, Random(6), states=("complete",)))
    assert theirs(study, 0, n_ei_candidates=3) == theirs(study, 0, n_ei_candidates=3)
    assert theirs(study, 0, n_ei_candidates=3) != theirs(study, 1, n_ei_candidates=3)
    assert theirs(study, 0) != theirs(other, 0)
