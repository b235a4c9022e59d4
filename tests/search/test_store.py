from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from foveate.errors import UnknownName
from foveate.search import databases, store
from foveate.search.curves import Curves
from foveate.search.front import front, hypervolume
from foveate.search.records import Epoch, Study, Trial, now
from foveate.search.stopping import Reached

Add = Callable[..., Trial]


# -------------------------------------------------------------------------------------- looking


def test_a_study_is_found_by_its_name_or_the_names_are_told(
    session: Session, new_study: Callable[..., Study]
) -> None:
    with pytest.raises(UnknownName, match=r"^no study 'cifra'; there are none$"):
        store.find_study(session, "cifra")
    old, new = new_study("cifar"), new_study("digits")
    assert store.find_study(session, "cifar") is old
    assert store.study_numbered(session, new.id) is new
    assert store.study_numbered(session, 999) is None
    with pytest.raises(UnknownName) as caught:
        store.find_study(session, "cifra")
    sentence = "no study 'cifra'; did you mean 'cifar'? there are: digits, cifar"
    assert str(caught.value) == sentence


def test_the_latest_study_comes_first(session: Session, new_study: Callable[..., Study]) -> None:
    for number, name in enumerate("bca"):
        new_study(name, created=now() - timedelta(days=number))
    assert [study.name for study in store.studies(session)] == ["b", "c", "a"]


def test_a_trial_is_found_by_its_number_or_key(session: Session, study: Study, add: Add) -> None:
    with pytest.raises(UnknownName, match=r"^study 'tiny' has no trial 0; it has no trials yet$"):
        store.find_trial(session, study, 0)
    first, second = add(0.5), add(0.6)
    assert store.find_trial(session, study, 1) is second
    assert store.find_key(session, study, first.key, 0) is first
    assert store.find_key(session, study, first.key, 1) is None
    assert store.find_key(session, study, "nothing", 0) is None
    with pytest.raises(UnknownName, match=r"^study 'tiny' has no trial 2; it has trials 0 to 1$"):
        store.find_trial(session, study, 2)


def test_trials_are_told_apart_by_state_and_by_study(
    session: Session, study: Study, add: Add, new_study: Callable[..., Study]
) -> None:
    states = ["waiting", "running", "complete", "stopped", "failed", "complete"]
    for state in states:
        add(0.5, state=state)
    other = new_study("other")
    found = store.trials(session, study, "complete", "failed")
    assert [trial.number for trial in found] == [2, 4, 5]
    assert [trial.state for trial in store.trials(session, study)] == states
    assert store.counts(session, study) == {
        "waiting": 1,
        "running": 1,
        "complete": 2,
        "stopped": 1,
        "failed": 1,
        "infeasible": 0,
    }
    assert set(store.counts(session, other).values()) == {0}
    assert store.trials(session, other) == [] == store.front_trials(session, other)


def test_baselines_are_bare_and_everywhere(session: Session, study: Study, add: Add) -> None:
    for origin in ("bare", "everywhere:se", "sampler", "user", "warm:bare"):
        add(0.5, origin=origin)
    baselines = store.baselines(session, study)
    assert [trial.origin for trial in baselines] == ["bare", "everywhere:se"]
    found = [trial.is_baseline for trial in store.trials(session, study)]
    assert found == [True, True, False, False, False]


def test_curves_and_rungs_hold_what_was_recorded(session: Session, study: Study, add: Add) -> None:
    add(0.1, 0.2, 0.3)
    running = add(0.4, extra=0.5, state="running")
    add(state="waiting")
    found = store.curves(session, study)
    assert {number: [e.accuracy for e in epochs] for number, epochs in found.items()} == {
        0: [0.1, 0.2, 0.3],
        1: [0.4],
    }
    curves = Curves()
    curves.refresh(session, study)
    dear = pytest.approx(0.06)
    assert curves.reached(1) == {0: Reached(0, (0.1,), (0.04,)), 1: Reached(1, (0.4,), (dear,))}
    assert curves.reached(3) == {0: Reached(0, (0.1, 0.2, 0.3), (0.04,))}
    assert curves.reached(4) == {} and curves.finished() == [[0.1, 0.2, 0.3]]
    store.record_epoch(session, running, number=2, train_loss=1.0, accuracy=0.5, seconds=1.0)
    session.flush()
    assert 1 not in curves.reached(2)  # until the next look
    curves.refresh(session, study)
    assert curves.reached(2)[1].curve == (0.4, 0.5) and len(curves.reached(1)) == 2


def test_metrics_are_kept_of_each_epoch_and_those_a_class_of_the_last(
    session: Session, study: Study, add: Add
) -> None:
    trial = add(state="running")
    for number in (1, 2):
        metrics = {"top-1": 0.1 * number, "per-class": [0.0, 0.2 * number, None]}
        columns = {"number": number, "train_loss": 1.0, "accuracy": 0.1 * number, "seconds": 1.0}
        store.record_epoch(session, trial, metrics=metrics, **columns)
    session.flush()
    session.expire_all()
    assert [epoch.metrics for epoch in trial.curve] == [{"top-1": 0.1}, {"top-1": 0.2}]
    assert trial.metrics == {"top-1": 0.2, "per-class": [0.0, 0.4, None]}


def test_what_an_epoch_took_of_its_machine_is_no_metric_of_the_trial(
    session: Session, study: Study, add: Add
) -> None:
    trial = add(state="running")
    columns = {"number": 1, "train_loss": 1.0, "accuracy": 0.1, "seconds": 1.0}
    store.record_epoch(
        session, trial, metrics={"top-1": 0.1}, machine={"cores": 1.5, "memory": 1e9}, **columns
    )
    session.flush()
    session.expire_all()
    assert trial.metrics == {"top-1": 0.1}
    assert [epoch.metrics for epoch in trial.curve] == [
        {"top-1": 0.1, "machine": {"cores": 1.5, "memory": 1e9}}
    ]


def test_what_waits_is_given_out_by_number_and_what_was_begun_first(
    session: Session, study: Study, add: Add
) -> None:
    assert store.next_waiting(session, study) is None
    first, second = add(state="waiting"), add(0.1, state="running")
    assert store.next_waiting(session, study) is first
    store.put_back(session, second)
    session.flush()
    assert store.next_waiting(session, study) is second


# -------------------------------------------------------------------------------------- writing


def test_a_reader_who_remembers_the_last_change_misses_none(
    session: Session, study: Study, add: Add
) -> None:
    """After every single change: `seq` rose, and `rows_since` tells exactly that trial."""
    seen = 0

    def changed() -> list[int]:
        nonlocal seen
        session.flush()
        found = store.rows_since(session, study, ("number", "seq"), seen)
        seqs = [row.seq for row in found]
        assert len(set(seqs)) == len(seqs) and all(seen < seq <= study.seq for seq in seqs)
        assert max(seqs) == study.seq
        seen = study.seq
        return sorted(row.number for row in found)

    def epoch(trial: Trial, number: int) -> None:
        columns = {"number": number, "train_loss": 1.0, "accuracy": 0.5, "seconds": 1.0}
        store.record_epoch(session, trial, **columns)

    first, second = add(state="waiting"), add(state="waiting")
    driver = store.drivers(session, study.id)[0].id
    assert changed() == [0, 1]
    for change in (
        lambda: store.start(session, first, driver),
        lambda: epoch(first, 1),
        lambda: store.put_back(session, first),
        lambda: store.start(session, first, driver),
        lambda: epoch(first, 2),
        lambda: store.finish(session, first, "stopped", reason="behind"),
    ):
        change()
        assert changed() == [0]
    store.start(session, second, driver)
    epoch(second, 1)
    store.finish(session, second, "complete")
    assert changed() == [1]
    assert store.rows_since(session, study, ("number",), study.seq) == []


def test_studies_count_their_changes_apart(
    session: Session, study: Study, add: Add, new_study: Callable[..., Study]
) -> None:
    other = new_study("other")
    add(0.5)
    session.refresh(other)
    assert other.seq == 0
    assert store.rows_since(session, other, ("number",), 0) == []


def test_a_second_start_keeps_the_time_of_the_first(session: Session, add: Add) -> None:
    trial = add(0.5, state="running")
    started, driver = trial.started, trial.driver_id
    store.put_back(session, trial)
    store.start(session, trial, driver)
    assert trial.started == started and trial.state == "running"


def test_an_epoch_that_is_recorded_twice_stays_as_it_was(session: Session, add: Add) -> None:
    trial = add(0.5, 0.6, state="running")
    before = (trial.seq, trial.accuracy, trial.epochs, trial.seconds)
    assert before[1:] == (0.6, 2, 3.0)
    again = {"number": 1, "train_loss": 9.0, "accuracy": 0.9, "seconds": 9.0}
    store.record_epoch(session, trial, **again)
    session.flush()
    session.refresh(trial)
    assert (trial.seq, trial.accuracy, trial.epochs, trial.seconds) == before
    assert [(e.accuracy, e.train_loss) for e in trial.curve] == [(0.5, 2.0), (0.6, 1.0)]


def on_front(session: Session, study: Study) -> list[int]:
    return [trial.number for trial in store.front_trials(session, study)]


def test_a_complete_trial_moves_the_front_and_others_leave_it(
    session: Session, study: Study, add: Add
) -> None:
    add(0.5, extra=0.0)
    assert on_front(session, study) == [0]
    add(0.7, extra=0.5)
    assert on_front(session, study) == [0, 1]
    add(0.9, extra=0.1, state="stopped")
    add(0.9, extra=0.1, state="failed")
    assert on_front(session, study) == [0, 1]
    before = study.seq
    add(0.8, extra=0.2)
    assert on_front(session, study) == [0, 4]
    session.flush()
    assert {row.number for row in store.rows_since(session, study, ("number",), before)} == {1, 4}
    add(0.1, extra=0.9)
    add(0.5, extra=0.0)  # as good and as cheap as the first
    assert on_front(session, study) == [0, 6, 4]
    steps = store.front_steps(session, study)
    assert [step.members for step in steps] == [[0], [0, 1], [0, 4], [0, 6, 4]]
    assert [step.number for step in steps] == [0, 1, 4, 6]  # where it moved
    assert [step.finished for step in steps] == [1, 2, 3, 5]
    grown = [step.hypervolume for step in steps]
    assert grown == sorted(grown)
    assert grown[0] == pytest.approx(0.5)
    assert grown[-1] == pytest.approx(0.5 * 0.2 + 0.8 * 0.8)


def test_the_front_of_many_trials_is_that_of_the_function(
    session: Session, study: Study, add: Add
) -> None:
    points = [((7 * n % 11) / 11, (5 * n % 13) / 13) for n in range(30)]
    for accuracy, extra in points:
        add(accuracy, extra=extra)
    stored = [(trial.accuracy or 0.0, trial.gflops) for trial in store.trials(session, study)]
    assert on_front(session, study) == front(stored)
    scaled = [(accuracy, (gflops - 0.04) / 0.04) for accuracy, gflops in stored]
    last = store.front_steps(session, study)[-1]
    assert last.hypervolume == pytest.approx(hypervolume(scaled, reference=(0, 1)))


@pytest.mark.parametrize(
    ("what", "constraint"),
    [
        ({"accuracy": 1.5}, "foveate_accuracy_is_a_share"),
        ({"accuracy": -0.1}, "foveate_accuracy_is_a_share"),
        ({"state": "sleeping"}, "foveate_state_is_known"),
        ({"number": 0}, "study_id, foveate_trial.number"),
        ({"key": f"{0:016x}"}, "study_id, foveate_trial.key"),
        ({"placement": None}, "foveate_trial.placement"),
        ({"study_id": 99}, "FOREIGN KEY"),
    ],
)
def test_the_database_refuses_what_cannot_be(
    what: dict[str, Any], constraint: str, session: Session, add: Add
) -> None:
    add(0.5)
    trial = add(0.5)
    for name, value in what.items():
        setattr(trial, name, value)
    with pytest.raises(IntegrityError, match=constraint):
        session.flush()


def test_epochs_count_from_one(session: Session, add: Add) -> None:
    trial = add(state="running")
    session.add(Epoch(trial_id=trial.id, number=0, train_loss=1.0, accuracy=0.5, seconds=1.0))
    with pytest.raises(IntegrityError, match="foveate_epochs_count_from_1"):
        session.flush()


def test_a_study_takes_all_that_is_its_own_along(session: Session, study: Study, add: Add) -> None:
    add(0.5, 0.6)
    session.commit()
    session.delete(study)
    session.commit()
    for table in (Trial, Epoch):
        assert session.scalar(select(func.count()).select_from(table)) == 0


def test_two_studies_of_one_name_are_refused(
    session: Session, new_study: Callable[..., Study]
) -> None:
    new_study("same")
    with pytest.raises(IntegrityError, match=r"foveate_study\.name"):
        new_study("same")


# -------------------------------------------------------------------------------------- drivers


def test_a_driver_that_ended_leaves_its_trials_waiting(
    session: Session, study: Study, add: Add
) -> None:
    mine = add(0.5, state="running")
    done = add(0.5)
    (driver,) = store.drivers(session, study.id)
    other = store.register(session, study, uid="other", host="there", pid=2)
    theirs = add(0.5, state="waiting")
    store.start(session, theirs, other.id)
    session.flush()
    assert store.orphans(session, study, other.id, []) == [theirs]
    assert store.orphans(session, study, other.id, [theirs.number]) == []
    trained = range(theirs.number + 1, 1_000_000)  # more than any statement takes
    assert store.orphans(session, study, other.id, trained) == [theirs]
    assert store.bury(session, study, driver, "lost") == [mine.number]
    assert (mine.state, done.state, theirs.state) == ("waiting", "complete", "running")
    assert (driver.how, store.drivers(session, study.id)) == ("lost", [other])
    assert not store.is_at_work(session, "test") and store.is_at_work(session, "other")


def test_a_driver_that_was_given_up_is_told_at_its_next_beat(
    session: Session, study: Study
) -> None:
    driver = store.register(session, study, uid="test", host="here", pid=1)
    assert store.beat(session, driver.id) and store.beat(session, driver.id)
    session.refresh(driver)
    assert driver.beats == 2
    store.bury(session, study, driver, "lost")
    session.flush()
    assert not store.beat(session, driver.id)


def test_all_drivers_of_a_study_are_asked_to_stop(
    session: Session, study: Study, new_study: Callable[..., Study]
) -> None:
    mine = [store.register(session, study, uid=uid, host="here", pid=1) for uid in "ab"]
    other = store.register(session, new_study("other"), uid="c", host="here", pid=1)
    assert store.stop_drivers(session, study) == 2
    assert all(driver.stop for driver in mine) and not other.stop


def test_who_changes_a_study_that_moved_on_is_told(
    storage: str, session: Session, study: Study, add: Add
) -> None:
    """Without a lock a change would take a number that is taken."""
    add(0.5)
    session.commit()
    stale = store.find_trial(session, study, 0)
    assert stale.study.seq == study.seq
    session.commit()
    session.expire_on_commit = False
    before = study.seq
    session.commit()
    with Session(databases.open_database(storage)) as other, other.begin():
        theirs = store.locked(other, study.id)
        store.note(other, store.find_trial(other, theirs, 0), "first")
    assert study.seq == before
    store.note(session, stale, "second")
    with pytest.raises(StaleDataError):
        session.flush()


# ----------------------------------------------------------------------------------- PostgreSQL


@pytest.mark.slow
class TestPostgreSQL:
    """The same rows, on a real server."""

    @pytest.fixture
    def storage(self, postgres: str) -> str:
        """In a database of its own, for the fixtures above."""
        import psycopg

        name = "rows"
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {name}")
        return postgres.replace("/postgres?", f"/{name}?")

    def test_rows_come_back_as_they_went(
        self, storage: str, session: Session, study: Study, add: Add
    ) -> None:
        add(0.5, 0.6, chosen={"layer1.0.bn2": "se"})
        add(0.8, extra=0.3)
        add(0.4, extra=0.5, state="stopped", reason="behind: 2 of 3 — “ü”")
        session.commit()
        with Session(databases.open_database(storage, read_only=True)) as reader:
            found = store.find_study(reader, "tiny")
            assert found.spec == study.spec and found.sites == study.sites
            assert (found.seq, found.images, found.classes) == (
                study.seq,
                study.images,
                study.classes,
            )
            assert [t.number for t in store.front_trials(reader, found)] == [0, 1]
            assert [s.members for s in store.front_steps(reader, found)] == [[0], [0, 1]]
            assert [e.accuracy for e in store.curves(reader, found)[0]] == [0.5, 0.6]
            assert store.find_trial(reader, found, 2).reason == "behind: 2 of 3 — “ü”"
            seqs = [row.seq for row in store.rows_since(reader, found, ("seq",), 0)]
            assert len(set(seqs)) == len(seqs) and max(seqs) == found.seq

    def test_the_database_refuses_what_cannot_be(self, session: Session, add: Add) -> None:
        trial = add(0.5)
        trial.accuracy = 1.5
        with pytest.raises(IntegrityError, match="foveate_accuracy_is_a_share"):
            session.flush()
