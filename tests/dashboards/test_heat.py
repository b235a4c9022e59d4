"""The heat map, what stands together, and how many modules it takes, against brute force."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean, median, variance

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from foveate.dashboards.filters import Filter
from foveate.dashboards.heat import Chosen, chosen, heat
from foveate.dashboards.placements import Place
from foveate.dashboards.site import Asked, Site
from foveate.dashboards.together import counts, pairs, together
from foveate.errors import UnknownName
from foveate.search import databases, store
from foveate.search.front import front
from foveate.search.records import Study, Trial
from foveate.spaces.placement import Placement

from .conftest import add_study, add_trial

HEATMAP = "/api/v1/studies/1/heatmap"
PLACES = ("layer1.0", "layer2.0", "layer3.1")
LABELS = ("s1b1", "s2b1", "s3b2")
MODULES = ("eca", "mhsa", "se")


@contextmanager
def asked(storage: str) -> Iterator[Asked]:
    """Study 1 of ``storage``, as a view is given it."""
    site = Site(databases.open_database(storage, read_only=True, of="dashboard"), None)
    with site.session() as session:
        found = site.look(session, 1)
        assert found is not None
        yield found


def stands(trial: Trial) -> dict[str, str]:
    return {one.site: one.name for one in Placement.parse(trial.placement).modules}


def grown(session: Session, storage: str, seed: int, trials: int) -> list[Trial]:
    """A study of random placements, a fifth of them stopped; all of its trials."""
    rng = np.random.default_rng(seed)
    study = add_study(session, "random")
    add_trial(session, study, 0, origin="bare", curve=(0.5, 0.6))
    for number in range(1, trials):
        some = {place: rng.choice([*MODULES, ""]) for place in PLACES}
        state = "complete" if rng.random() < 0.8 else "stopped"
        add_trial(
            session,
            study,
            number,
            chosen={place: str(name) for place, name in some.items() if name},
            extra=float(rng.integers(1, 9)) / 8,
            curve=(0.5, float(rng.integers(50, 99)) / 100),
            state=state,
        )
    session.commit()
    return store.trials(session, study)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), trials=st.integers(1, 40))
def test_cells_are_those_of_brute_force(
    tmp_path_factory: pytest.TempPathFactory, seed: int, trials: int
) -> None:
    storage = f"sqlite:///{tmp_path_factory.mktemp('heat')}/foveate.db"
    with Session(databases.open_database(storage, create=True)) as session:
        done = [t for t in grown(session, storage, seed, trials) if t.state == "complete"]
        members = [done[i] for i in front([(t.accuracy or 0.0, t.gflops) for t in done])]
    with asked(storage) as now:
        gain, share, n = (heat(now, Filter(), metric) for metric in ("gain", "front", "n"))
        both = together(now, Filter())
    assert gain["trials"] == len(done)
    assert share["front"] == len(members)
    paths = dict(zip(LABELS, PLACES, strict=True))
    for p, label in enumerate(gain["places"]):
        without = [100 * (t.accuracy or 0) for t in done if paths[label] not in stands(t)]
        assert gain["nothing"][p] == n["nothing"][p] == len(without)
        for m, module in enumerate(gain["modules"]):
            having = [t for t in done if stands(t).get(paths[label]) == module]
            there = [100 * (t.accuracy or 0) for t in having]
            assert gain["n"][m][p] == n["value"][m][p] == len(there)
            if there and without:
                expected = fmean(there) - fmean(without)
                assert gain["value"][m][p] == pytest.approx(expected, abs=1e-4)
            else:
                assert gain["value"][m][p] is None
            if len(there) > 1 and len(without) > 1:
                error = (variance(there) / len(there) + variance(without) / len(without)) ** 0.5
                assert gain["error"][m][p] == pytest.approx(error, abs=1e-4)
            else:
                assert gain["error"][m][p] is None
            on = sum(t in members for t in having)
            assert share["n"][m][p] == on
            if on:
                assert share["value"][m][p] == pytest.approx(100 * on / len(members), abs=1e-4)
    for m, one in enumerate(both["modules"]):
        for o, other in enumerate(both["modules"]):
            having_both = sum({one, other} <= {*stands(t).values()} for t in members)
            assert both["together"][m][o] == having_both


def test_the_filters_hold_for_every_cell(client: TestClient) -> None:
    every = client.get(HEATMAP).json()
    some = client.get(HEATMAP, params={"module": "se"}).json()
    assert (every["trials"], some["trials"]) == (6, 2)
    assert sum(map(sum, some["n"])) < sum(map(sum, every["n"]))
    assert every["places"] == some["places"]  # columns stay where they are


def test_places_of_baselines_alone_are_left_out(client: TestClient) -> None:
    found = client.get(HEATMAP).json()
    assert "s2b1" in found["places"]  # trial 4
    assert "s1b2" not in found["places"]  # of everywhere:se only


def test_baselines_are_shown_while_there_is_nothing_else(session: Session, storage: str) -> None:
    study = add_study(session, "new")
    add_trial(
        session, study, 0, origin="everywhere:se", chosen={"layer1.0": "se"}, curve=(0.5, 0.6)
    )
    session.commit()
    site = Site(databases.open_database(storage, read_only=True, of="dashboard"), None)
    with site.session() as mine:
        there = site.look(mine, study.id)
        assert there is not None
        assert heat(there, Filter())["places"] == ["s1b1"]


def test_of_nothing_there_is_an_empty_table(client: TestClient) -> None:
    found = client.get(HEATMAP, params={"min_acc": "100"}).json()
    assert found["trials"] == 0
    assert {value for row in found["value"] for value in row} == {None}


def test_an_unknown_metric_is_one_sentence(client: TestClient) -> None:
    answer = client.get(HEATMAP, params={"metric": "gains"})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(
        "no metric 'gains'; did you mean 'gain'? there are: gain, front, n"
    )


def test_another_backbone_has_other_places(storage: str, session: Session) -> None:
    study = store.find_study(session, "digits")
    trial = add_trial(session, study, 10, curve=(0.5, 0.6))
    trial.placement = Placement.of("toy", []).spelling
    session.commit()
    with asked(storage) as now:
        assert chosen(now).backbone == "cifar-resnet20"
        assert heat(now, Filter(backbone="toy"))["trials"] == 1
        assert heat(now, Filter(backbone="toy"))["places"] == []
        assert heat(now, Filter())["trials"] == 6
        with pytest.raises(UnknownName, match="no backbone 'vgg'"):
            heat(now, Filter(backbone="vgg"))


def test_who_has_the_heat_map_is_not_sent_it_again(client: TestClient) -> None:
    tag = client.get(HEATMAP).headers["etag"]
    assert client.get(HEATMAP, headers={"If-None-Match": tag}).status_code == 304
    assert client.get(f"{HEATMAP}?metric=n", headers={"If-None-Match": tag}).status_code == 200


def many(table: np.ndarray) -> Chosen:
    row, place = np.nonzero(table)
    places = tuple(Place(f"p{i}", 1, "", f"p{i}") for i in range(table.shape[1]))
    every, searched = np.ones(len(table), dtype=bool), np.ones(len(places), dtype=bool)
    return Chosen(
        "toy", ("toy",), every, row, place, table[row, place] - 1, places, MODULES, searched
    )


@given(st.integers(0, 1000), st.integers(1, 60), st.integers(1, 80))
@settings(max_examples=30, deadline=None)
def test_counts_spread_as_brute_force_says(seed: int, trials: int, places: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 4, (trials, places)) * (rng.random((trials, 1)) < 0.8)
    percent, counted = rng.random(trials) * 100, rng.random(trials) < 0.7
    found = counts(many(table), counted, percent)
    taken = (table > 0).sum(axis=1)
    assert sum(one["trials"] for one in found) == counted.sum()
    assert len(found) <= 25
    for one in found:
        mine = percent[counted & (taken >= one["least"]) & (taken <= one["most"])]
        assert one["trials"] == len(mine)
        assert one["median"] == pytest.approx(median(mine), abs=1e-4)
        assert (one["low"], one["high"]) == pytest.approx((mine.min(), mine.max()), abs=1e-4)


def test_pairs_of_a_module_with_itself_are_the_trials_that_have_it() -> None:
    table = np.array([[1, 1], [1, 2], [0, 0], [2, 3]])
    found = pairs(many(table), np.array([True, True, True, False]))
    assert found.tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]


def test_the_page_says_which_trials_it_is_about(client: TestClient, filled: Path) -> None:
    assert "Only trials with" not in client.get("/s/1/placement").text
    assert "module se" in client.get("/s/1/placement?module=se").text
    assert client.get("/s/1/placement?module=sea").status_code == 400


def test_a_study_is_shown_before_its_first_trial(session: Session, client: TestClient) -> None:
    study: Study = add_study(session, "empty")
    session.commit()
    assert client.get(f"/s/{study.id}/placement").status_code == 200
    for name in ("heatmap", "heatmap?metric=front", "importance", "together"):
        assert client.get(f"/api/v1/studies/{study.id}/{name}").json()["trials"] == 0
