"""Importance of places, against Optuna's evaluator."""

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.importance import PedAnovaImportanceEvaluator
from starlette.testclient import TestClient

from foveate.dashboards.heat import Chosen
from foveate.dashboards.importance import ped_anova
from foveate.dashboards.placements import Place

optuna.logging.set_verbosity(optuna.logging.ERROR)
MODULES = ("eca", "mhsa", "se")


def chosen_of(table: np.ndarray) -> Chosen:
    """Of a table of rows and places: 0 is nothing, others are modules from 1."""
    row, place = np.nonzero(table)
    places = tuple(Place(f"p{i}", 1, "", f"p{i}") for i in range(table.shape[1]))
    rows = np.ones(len(table), dtype=bool)
    searched = np.ones(len(places), dtype=bool)
    return Chosen(
        "toy", ("toy",), rows, row, place, table[row, place] - 1, places, MODULES, searched
    )


def of_optuna(table: np.ndarray, losses: np.ndarray) -> list[float]:
    study = optuna.create_study()
    for chosen, loss in zip(table, losses, strict=True):
        names = {f"p{i}": str(module) for i, module in enumerate(chosen)}
        offered: dict[str, BaseDistribution] = {
            f"p{i}": CategoricalDistribution([str(one) for one in {0, *column}])
            for i, column in enumerate(table.T)
        }
        study.add_trial(
            optuna.trial.create_trial(params=names, distributions=offered, value=float(loss))
        )
    found = PedAnovaImportanceEvaluator().evaluate(study)
    return [found[f"p{i}"] for i in range(table.shape[1])]


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 60), st.integers(1, 4), st.integers(0, 10_000), st.booleans())
@pytest.mark.filterwarnings("ignore")
def test_it_is_that_of_optuna(trials: int, places: int, seed: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 4, (trials, places))
    losses = rng.normal(size=trials) + table[:, 0]
    losses = losses.round() if ties else losses
    ours = ped_anova(chosen_of(table), np.ones(trials, dtype=bool), losses)
    assert ours == pytest.approx(of_optuna(table, losses), rel=1e-9, abs=1e-12)


def test_the_place_that_decides_comes_first() -> None:
    rng = np.random.default_rng(0)
    table = rng.integers(0, 4, (500, 5))
    losses = rng.normal(0, 0.1, 500) - (table[:, 3] == 2)
    found = ped_anova(chosen_of(table), np.ones(500, dtype=bool), losses)
    assert found.argmax() == 3
    assert found[3] > 5 * np.delete(found, 3).max()


def test_rows_that_do_not_count_change_nothing() -> None:
    rng = np.random.default_rng(1)
    table = rng.integers(0, 4, (80, 3))
    table[:4] = np.arange(4)[:, None]  # so that every choice is offered in both
    losses = rng.normal(size=80)
    counted = np.arange(80) < 40
    half = ped_anova(chosen_of(table[:40]), counted[:40], losses[:40])
    losses[40:] = np.nan
    assert ped_anova(chosen_of(table), counted, losses) == pytest.approx(half)


def test_of_one_trial_nothing_is_said(client: TestClient) -> None:
    found = client.get("/api/v1/studies/1/importance", params={"min_acc": "91"}).json()
    assert found["trials"] == 1
    assert found["acc"] is None and found["gflops"] is None


def test_shares_add_up_to_one(client: TestClient) -> None:
    found = client.get("/api/v1/studies/1/importance").json()
    assert found["method"] == "ped-anova" and found["stale"] is False
    assert found["objectives"] == ["acc", "gflops"]
    for name in found["objectives"]:
        assert list(found[name]) == found["places"]
        assert sum(found[name].values()) == pytest.approx(1, abs=1e-4)
