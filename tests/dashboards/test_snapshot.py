"""All trials as columns: the same, whether read at once or change by change."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from threading import Event
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from foveate.dashboards import snapshot as snapshot_module
from foveate.dashboards.app import create_app
from foveate.dashboards.filters import Filter
from foveate.dashboards.placements import Places
from foveate.dashboards.site import Asked
from foveate.dashboards.snapshot import Snapshot, Snapshots
from foveate.errors import BadValue, UnknownName
from foveate.search import store
from foveate.search.records import Study, Trial

from .conftest import SITES, add_study, add_trial, fill

ENDS = st.sampled_from(["complete", "stopped", "failed", "running", "waiting"])


def looked(session: Session, study: Study, snapshots: Snapshots | None = None) -> Asked:
    session.flush()
    found = (snapshots or Snapshots()).of(session, study.id)
    assert found is not None
    return Asked(session, found.snapshot.study, found.snapshot, alive=False)


def rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Every row as plain data; texts instead of their numbers."""
    columns = {name: column.tolist() for name, column in snapshot.columns.items()}
    for name, names in snapshot.names.items():
        columns[name] = [names.text(number) for number in columns[name]]
    found = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return [{k: None if v != v else v for k, v in row.items()} for row in found]


def test_a_snapshot_holds_what_the_table_holds(session: Session) -> None:
    study = fill(session, "another")
    asked = looked(session, study)
    there = store.trials(session, study)
    assert len(asked.snapshot) == len(there)
    for trial, row in zip(there, rows(asked.snapshot), strict=True):
        for name in ("number", "seq", "accuracy", "gflops", "epochs", "seconds", "on_front"):
            assert row[name] == getattr(trial, name), name
        assert (row["origin"], row["worker"]) == (trial.origin, trial.worker)
        assert row["key"].decode() == trial.key
        ended = trial.ended and trial.ended.replace(tzinfo=UTC).timestamp()
        assert row["ended"] == pytest.approx(ended, abs=1e-5)
    assert asked.snapshot.counts == store.counts(session, study)
    front = [trial.number for trial in store.front_trials(session, study)]
    assert [asked.snapshot.number[row] for row in asked.snapshot.recorded_front()] == front
    by_gflops = asked.snapshot.front([asked.snapshot.gflops])
    assert [asked.snapshot.number[row] for row in by_gflops] == front
    assert asked.snapshot.bare_accuracy == 0.8
    assert asked.snapshot.number[asked.snapshot.baseline].tolist() == [0, 1]
    assert [step.hypervolume for step in asked.snapshot.steps] == [
        step.hypervolume for step in store.front_steps(session, study)
    ]


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    ends=st.lists(st.tuples(ENDS, st.floats(0, 1), st.floats(0, 2)), max_size=8),
    looks=st.sets(st.integers(0, 8)),
    retold=st.sets(st.integers(0, 7)),
)
def test_change_by_change_it_comes_to_the_same_as_at_once(
    session: Session, ends: list[tuple[str, float, float]], looks: set[int], retold: set[int]
) -> None:
    study = add_study(session, uuid4().hex)
    following = Snapshots()
    for i, (end, accuracy, extra) in enumerate(ends):
        if i in looks:
            looked(session, study, following)
        trial = add_trial(session, study, i, state=end, curve=(accuracy,), extra=extra)
        if i in retold:  # it changes once more
            store.note(session, trial, "it was looked at")
    followed, anew = looked(session, study, following), looked(session, study)
    assert rows(followed.snapshot) == rows(anew.snapshot)
    assert followed.snapshot.steps == anew.snapshot.steps
    assert followed.snapshot.cursor == study.seq


def test_without_a_change_it_is_the_same_object(session: Session) -> None:
    study = fill(session, "still")
    snapshots = Snapshots()
    first = looked(session, study, snapshots).snapshot
    assert looked(session, study, snapshots).snapshot is first
    assert first.kept("sum", lambda: 3) == first.kept("sum", lambda: 4) == 3


def test_who_asks_within_the_pause_gets_what_another_got(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(snapshot_module, "monotonic", lambda: clock[0])
    study = fill(session, "much read")
    snapshots = Snapshots(pause=0.25)
    first = looked(session, study, snapshots).snapshot
    store.note(session, store.find_trial(session, study, 8), "something happened")
    clock[0] += 0.2
    assert looked(session, study, snapshots).snapshot is first
    clock[0] += 0.1
    later = looked(session, study, snapshots).snapshot
    assert later.cursor == study.seq > first.cursor


def test_there_is_no_snapshot_of_no_study(session: Session) -> None:
    snapshots = Snapshots()
    assert snapshots.of(session, 999_999) is None
    assert not snapshots._locks


def test_many_at_once_never_see_it_go_back(storage: str, session: Session) -> None:
    study = store.locked(session, 1)
    trial = store.find_trial(session, study, 8)
    session.commit()
    site, over = create_app(storage).state.site, Event()

    def follow() -> list[int]:
        seen = []
        while not over.is_set():
            with site.session() as own:
                seen.append(site.look(own, 1).snapshot.cursor)
        return seen

    with ThreadPoolExecutor(4) as pool:
        followers = [pool.submit(follow) for _ in range(4)]
        for _ in range(30):
            with session.begin():
                store.locked(session, 1)
                store.note(session, trial, "something happened")
        over.set()
        for follower in followers:
            seen = follower.result()
            assert seen == sorted(seen)


def test_of_a_baseline_with_several_seeds_the_first_is_compared_with(session: Session) -> None:
    study = fill(session, "trained again")
    again = add_trial(session, study, 10, origin="bare", curve=(0.6, 0.82))
    again.key, again.seed = store.find_trial(session, study, 0).key, 1
    snapshot = looked(session, study).snapshot
    assert snapshot.number[snapshot.baseline].tolist() == [0, 1, 10]
    assert snapshot.number[snapshot.compared].tolist() == [0, 1]
    assert (snapshot.bare, snapshot.bare_accuracy) == (0, 0.8)


def test_a_new_name_and_another_study_of_the_same_number_are_seen(session: Session) -> None:
    study = fill(session, "first name")
    snapshots = Snapshots()
    looked(session, study, snapshots)
    store.rename(session, study, "second name")
    assert looked(session, study, snapshots).study.name == "second name"
    store.locked(session, study.id).uid = "f" * 32
    trial = session.query(Trial).filter_by(study_id=study.id, number=9).one()
    session.delete(trial)
    assert len(looked(session, study, snapshots).snapshot) == 9


def test_a_study_that_is_to_have_more_trials_is_seen_so(session: Session) -> None:
    study = fill(session, "longer")
    snapshots = Snapshots()
    assert looked(session, study, snapshots).study.spec["trials"] == 30
    there = store.locked(session, study.id)
    there.spec = there.spec | {"trials": 300}
    there.bare = {"latency": 2.5}
    store.note(session, store.find_trial(session, study, 8), "it goes on")
    found = looked(session, study, snapshots).study
    assert (found.spec["trials"], found.bare) == (300, {"latency": 2.5})


def test_what_stands_where_is_read_once_and_in_the_order_of_the_network(session: Session) -> None:
    study = fill(session, "places")
    snapshots = Snapshots()
    stands = looked(session, study, snapshots).stands
    assert [place.label for place in stands.places] == [
        "s1b1", "s1b2", "s2b1", "s2b2", "s3b1", "s3b2", "s3",
    ]  # fmt: skip
    assert stands.numbers_with("se", None).tolist() == [1, 4]
    assert stands.numbers_with("se", "s3b2").tolist() == [1, 4]
    assert stands.numbers_with("eca", "layer3.1").tolist() == [3]
    assert stands.numbers_with(None, "layer3").tolist() == [4]
    assert stands.trials.tolist() == list(range(10))
    add_trial(session, study, 10, chosen={"bn1": "cbam", "layer2.1": "aw"})
    later = looked(session, study, snapshots).stands
    assert later.places[0].label == "stem"
    assert later.numbers_with("aw", None).tolist() == [4, 10]
    assert stands.numbers_with("aw", None).tolist() == [4]


def test_places_have_short_names_where_these_are_clear() -> None:
    sites = [
        {"path": "conv1", "kinds": ["stem"], "stage": 0, "block": ""},
        {"path": "layer1.0.bn2", "kinds": ["branch"], "stage": 1, "block": "layer1.0"},
        {"path": "layer1.0.relu", "stage": 1, "block": "layer1.0", "aliases": ["layer1.0"]},
        {"path": "layer1", "kinds": ["stage"], "stage": 1, "block": ""},
    ]
    from foveate.dashboards.placements import _labels

    named = {"conv1": "stem", "layer1.0.bn2": "s1b1.bn2", "layer1.0.relu": "s1b1", "layer1": "s1"}
    assert _labels(sites) == named
    both = [{**site, "backbone": name} for name in ("a", "b") for site in sites]
    assert _labels(both) == {}
    assert Places(SITES).sites is SITES


# ------------------------------------------------------------------------------------ filters


def numbers(asked: Asked, **query: str) -> list[int]:
    mask = Filter.of(query).mask(asked)
    return [int(number) for number in asked.snapshot.number[mask]]


def test_filters_let_through_what_they_say(session: Session) -> None:
    asked = looked(session, fill(session, "filters"))
    assert numbers(asked) == list(range(10))
    assert numbers(asked, state="complete") == [0, 1, 2, 3, 4, 5]
    assert numbers(asked, state="failed,waiting") == [7, 9]
    assert numbers(asked, module="se") == [1, 4]
    assert numbers(asked, module="eca@s3b2") == [3]
    assert numbers(asked, module="@layer3") == [4]
    assert numbers(asked, min_acc="85") == [3, 4]
    assert numbers(asked, min_acc="91.23") == [4]
    assert numbers(asked, max_gflops="0.0404", state="complete") == [0, 3]
    assert numbers(asked, max_params="272000") == [5]
    assert numbers(asked, backbone="cifar-resnet20", state="running") == [8]
    assert numbers(asked, max_latency="5") == []  # nothing was measured


@given(
    states=st.sets(st.sampled_from(["complete", "stopped", "failed"])),
    least=st.none() | st.integers(0, 1000).map(lambda n: n / 10),
    most=st.none() | st.floats(1e-6, 1e6),
    module=st.none() | st.text(min_size=1),
)
def test_an_address_says_a_filter_exactly(
    states: set[str], least: float | None, most: float | None, module: str | None
) -> None:
    bounds = () if most is None else (("max_gflops", float(f"{most:.12g}")),)
    one = Filter(tuple(sorted(states)), module, None, least, bounds)
    assert Filter.of(one.query) == one


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"state": "compleet"}, "no state 'compleet'; did you mean 'complete'?"),
        ({"module": "ec"}, "no module 'ec'"),
        ({"module": "eca@s9b9"}, "no place 's9b9'"),
        ({"backbone": "vgg"}, "no backbone 'vgg'"),
        ({"min_acc": "high"}, "min_acc must be a number, got 'high'"),
        ({"max_gflops": "nan"}, "max_gflops must be a number, got 'nan'"),
    ],
)
def test_what_a_filter_does_not_know_it_says(
    session: Session, query: dict[str, str], said: str
) -> None:
    asked = looked(session, fill(session, "mistakes"))
    with pytest.raises((BadValue, UnknownName)) as error:
        Filter.of(query).mask(asked)
    assert said in str(error.value)


def test_a_bound_as_it_is_shown_lets_its_trial_through(session: Session) -> None:
    study = add_study(session, "bounds")
    shares = [count / 10_000 for count in range(7_000, 7_040)]
    assert any(100 * share < float(f"{100 * share:.2f}") for share in shares)  # floats are so
    for number, share in enumerate(shares):
        add_trial(session, study, number, curve=(share,))
    asked = looked(session, study)
    for number, share in enumerate(shares):
        assert number in numbers(asked, min_acc=f"{100 * share:.2f}")


def test_masks_are_of_the_whole_snapshot(session: Session) -> None:
    asked = looked(session, fill(session, "masks"))
    mask = Filter().mask(asked)
    assert mask.dtype == np.bool_
    assert mask.shape == (10,)
