from collections.abc import Callable
from random import Random
from typing import Any

import optuna
import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from foveate.errors import BadValue
from foveate.search import merging, moving, store
from foveate.search.front import front
from foveate.search.records import Study, Trial

Add = Callable[..., int]
SE, ECA, LAST = "layer1.0.bn2=se", "layer2.0.bn2=eca", "layer3.0.bn2=eca"


@pytest.fixture
def other(new_study: Callable[..., Study]) -> Study:
    return new_study("other", trials=99, stopping={"rule": "none"}, seed=5)


def merge(engine: Engine, name: str, into: str) -> merging.Merged:
    with moving.snapshot(engine) as before, Session(before) as old, Session(engine) as new:
        locked = store.locked(new, store.find_study(new, into).id)
        merged = merging.merge(old, store.find_study(old, name), new, locked)
        new.commit()
        return merged


def told(trial: Trial) -> dict[str, Any]:
    """What is known of a trial, but ids and its number."""
    names = (*merging.WHAT, *merging.OUTCOME, "state")
    found = {name: getattr(trial, name) for name in names}
    found["curve"] = [(one.number, one.accuracy, one.seconds, one.at) for one in trial.curve]
    return found | {"weights": trial.weights}


def test_trials_that_are_new_come_as_they_are(
    engine: Engine, study: Study, other: Study, storage: str, add: Add, optunas: Any
) -> None:
    add(0.5, 0.6, origin="bare")
    add(0.5, 0.7, SE, extra=0.1, to=other, weights="/runs/w", hours_ago=5)
    add(0.4, ECA, state="stopped", to=other, expected=0.5, reason="place 3 of 3")
    add(LAST, state="failed", reason="no memory", to=other)
    add("layer1.0.bn2=eca", state="infeasible", to=other)
    add("layer2.0.bn2=se", state="waiting", to=other)
    assert str(merge(engine, "other", "tiny")) == (
        "5 new there, 0 fully trained now, 0 there already"
    )
    with Session(engine) as session:
        here, there = (store.find_study(session, name) for name in ("tiny", "other"))
        theirs = [told(one) for one in store.trials(session, there)]
        assert [told(one) for one in store.trials(session, here)[1:]] == theirs
        assert here.numbers == 6 and here.finished == 2
    mine, theirs = optunas(storage), optunas(storage, "other")
    assert [one[1:] for one in mine[1:]] == [one[1:] for one in theirs]
    assert [one[0] for one in mine] == list(range(6))
    one, two = (optuna.load_study(study_name=n, storage=storage) for n in ("tiny", "other"))
    for after, before in zip(one.trials[1:], two.trials, strict=True):
        assert before.user_attrs.items() <= after.user_attrs.items()
        assert after.constraints == before.constraints


def test_the_front_and_its_history_are_in_the_order_in_which_trials_ended(
    engine: Engine, study: Study, other: Study, add: Add
) -> None:
    add(0.60, origin="bare", hours_ago=4)
    add(0.70, SE, extra=0.1, hours_ago=1)
    add(0.65, ECA, extra=0.05, to=other, hours_ago=3)
    add(0.80, LAST, extra=0.08, to=other, hours_ago=2)
    merge(engine, "other", "tiny")
    with Session(engine) as session:
        here = store.find_study(session, "tiny")
        steps = [
            (one.finished, one.number, one.members) for one in store.front_steps(session, here)
        ]
        assert steps == [(1, 0, [0]), (2, 2, [0, 2]), (3, 3, [0, 2, 3])]
        on_front = [one.number for one in store.front_trials(session, here)]
        done = store.trials(session, here, "complete")
        assert sorted(on_front) == sorted(
            done[i].number for i in front([(one.accuracy or 0.0, one.gflops) for one in done])
        )
        changed = {one.number for one in store.rows_since(session, here, ("number",), 0)}
        assert 1 in changed and not done[1].on_front  # who follows the study is told


@pytest.mark.parametrize("state", ["waiting", "stopped", "failed"])
def test_the_fully_trained_of_two_is_kept(
    state: str, engine: Engine, study: Study, other: Study, storage: str, add: Add, optunas: Any
) -> None:
    if state == "waiting":
        add(SE, state=state)
    else:
        add(0.3, SE, state=state, reason="because", expected=0.4)
    add(0.5, 0.7, SE, to=other, weights="/runs/w", notes=["its worker died"])
    merged = merge(engine, "other", "tiny")
    assert (merged.new, merged.replaced, merged.kept) == (0, 1, 0)
    with Session(engine) as session:
        here = store.find_trial(session, store.find_study(session, "tiny"), 0)
        there = store.find_trial(session, store.find_study(session, "other"), 0)
        kept = {name: getattr(here, name) for name in merging.WHAT}
        assert told(here) == told(there) | kept
        assert here.on_front and here.study.finished == 1
    ((number, optunas_state, values, _),) = optunas(storage)
    assert (number, optunas_state, values) == (0, "COMPLETE", [0.7, 0.04])
    (one,) = optuna.load_study(study_name="tiny", storage=storage).trials
    assert (one.user_attrs["accuracy"], one.user_attrs["epochs"]) == (0.7, 2)
    assert one.user_attrs["reason"] is None and "expected accuracy" not in one.user_attrs


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ("complete", "complete"),
        ("stopped", "stopped"),
        ("failed", "stopped"),
        ("complete", "failed"),
    ],
)
def test_else_what_is_there_stays(
    mine: str, theirs: str, engine: Engine, study: Study, other: Study, add: Add
) -> None:
    add(0.5, SE, state=mine)
    add(0.9, SE, state=theirs, to=other)
    add(0.9, SE, state=theirs, to=other, seed=7)  # another training
    merged = merge(engine, "other", "tiny")
    assert (merged.new, merged.replaced, merged.kept) == (1, 0, 1)
    with Session(engine) as session:
        here = store.trials(session, store.find_study(session, "tiny"))
        assert [(one.accuracy, one.seed) for one in here] == [(0.5, 0), (0.9, 7)]


def test_what_is_being_trained_stays_with_its_driver(
    engine: Engine, study: Study, other: Study, add: Add, drive: Callable[..., int]
) -> None:
    driver = drive()
    add(0.3, SE, state="running", driver=driver)
    add(0.9, SE, to=other)
    add(0.2, 0.3, ECA, state="running", driver=drive(to=other), to=other)
    merged = merge(engine, "other", "tiny")
    assert (merged.new, merged.replaced, merged.kept) == (1, 0, 1)
    with Session(engine) as session:
        one, two = store.trials(session, store.find_study(session, "tiny"))
        assert (one.state, one.driver_id, one.accuracy) == ("running", driver, 0.3)
        assert (two.state, two.driver_id, two.epochs) == ("waiting", None, 2)


def test_parents_are_called_by_their_new_numbers(
    engine: Engine, study: Study, other: Study, add: Add
) -> None:
    add(0.5, LAST)
    add(0.5, SE, to=other)
    add(0.6, ECA, to=other)
    with Session(engine) as session, session.begin():
        there = store.locked(session, other.id)
        store.find_trial(session, there, 1).parents = [0, 40]
    merge(engine, "other", "tiny")
    with Session(engine) as session:
        here = store.trials(session, store.find_study(session, "tiny"))
        assert [one.parents for one in here] == [None, None, [1]]


def test_merging_again_changes_nothing(
    engine: Engine, study: Study, other: Study, add: Add
) -> None:
    add(0.5, SE)
    add(0.6, ECA, to=other)
    merge(engine, "other", "tiny")
    with Session(engine) as session:
        before = store.find_study(session, "tiny").seq
        steps = [one.members for one in store.front_steps(session, study)]
    again = merge(engine, "other", "tiny")
    assert (again.new, again.replaced, again.kept) == (0, 0, 1)
    with Session(engine) as session:
        assert store.find_study(session, "tiny").seq == before
        assert [one.members for one in store.front_steps(session, study)] == steps


def test_what_was_trained_with_another_seed_comes_beside_the_first(
    engine: Engine, study: Study, new_study: Callable[..., Study], add: Add
) -> None:
    again = new_study("again", recipe={**study.spec["recipe"], "seed": 3})
    add(0.5, 0.70, SE)
    add(0.5, 0.72, SE, to=again, seed=3)
    add(0.4, ECA, to=again, seed=3, state="stopped", expected=0.5, reason="place 3 of 3")
    add(LAST, to=again, seed=3, state="waiting")
    said = "2 new there, 0 fully trained now, 0 there already, 1 not trained and left out"
    assert str(merge(engine, "again", "tiny")) == said
    with Session(engine) as session:
        trials = store.trials(session, store.find_study(session, "tiny"))
        assert [(one.seed, one.state) for one in trials] == [
            (0, "complete"), (3, "complete"), (3, "stopped"),
        ]  # fmt: skip
        assert trials[0].key == trials[1].key != trials[2].key


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"recipe": {"epochs": 5}},
            "studies 'else' and 'tiny' cannot be compared: recipe.epochs is 5 in the first, and 4 "
            "in the second",
        ),
        (
            {"data": {"name": "digits", "seed": 3}},
            "studies 'else' and 'tiny' cannot be compared: data.seed is 3 in the first, and 0 in "
            "the second",
        ),
    ],
    ids=["recipe", "data"],
)
def test_figures_that_cannot_be_compared_are_not_merged(
    changes: dict[str, Any],
    sentence: str,
    engine: Engine,
    study: Study,
    new_study: Callable[..., Study],
) -> None:
    new_study("else", **changes)
    with pytest.raises(BadValue) as caught:
        merge(engine, "else", "tiny")
    assert str(caught.value) == sentence


def test_other_images_are_not_merged(engine: Engine, study: Study, other: Study) -> None:
    for fingerprint, study_id in (("a" * 64, study.id), ("b" * 64, other.id)):
        with Session(engine) as session, session.begin():
            store.locked(session, study_id).fingerprint = fingerprint
    with pytest.raises(BadValue, match=r"^studies 'other' and 'tiny' have different images$"):
        merge(engine, "other", "tiny")


@pytest.mark.parametrize("seed", range(3))
def test_a_front_that_is_rebuilt_is_the_one_that_grew(
    seed: int, engine: Engine, study: Study, add: Add
) -> None:
    rng = Random(seed)
    for number in range(25):  # with ties of either
        accuracy, extra = rng.randint(1, 6) / 10, rng.randint(0, 5) / 10
        state = rng.choice(["complete", "complete", "stopped"])
        add(accuracy, SE, extra=extra, state=state, seed=number)

    def grown(session: Session) -> Any:
        found = store.find_study(session, "tiny")
        steps = [
            (one.number, one.finished, one.hypervolume, one.members)
            for one in store.front_steps(session, found)
        ]
        return steps, {one.number for one in store.front_trials(session, found)}, found.finished

    with Session(engine) as session:
        before = grown(session)
    with Session(engine) as session, session.begin():
        locked = store.locked(session, study.id)
        seq = locked.seq
        store.rebuild_front(session, locked)
        assert locked.seq == seq  # nothing has changed
    with Session(engine) as session:
        assert grown(session) == before and len(before[0]) > 2
