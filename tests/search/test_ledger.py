import re
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from foveate._files import read_file
from foveate.errors import BadValue
from foveate.search import databases, mirror, store
from foveate.search import ledger as ledgers
from foveate.search.curves import Curves
from foveate.search.extrapolation import expected
from foveate.search.ledger import Ledger
from foveate.search.records import Trial
from foveate.search.stopping import Reached, decide
from foveate.spaces.placement import Placement

Opened = Callable[..., Ledger]


def rows(ledger: Ledger) -> list[Trial]:
    with Session(ledger.engine, expire_on_commit=False) as session:
        found = store.trials(session, store.find_study(session, ledger.name))
        assert [row.weights for row in found]  # loaded while there is a session
        return found


def agree(by_hand: SimpleNamespace, storage: str) -> bool:
    """Each trial has one state, in Optuna's tables and in ours."""
    theirs, ours = by_hand.tables(storage)
    return bool(theirs == ours)


# ------------------------------------------------------------------------------------ proposing


def test_baselines_come_first_and_in_their_order(opened: Opened, by_hand: Any) -> None:
    ledger = opened("trials=6")
    jobs = by_hand.train_all(ledger)
    origins = ["bare", "everywhere:eca", "everywhere:se", "sampler", "sampler", "sampler"]
    assert [job.origin for job in jobs] == origins
    assert [job.number for job in jobs] == list(range(6))
    expected = ledger.space.baselines()
    assert {job.origin: job.placement for job in jobs[:3]} == expected
    assert [job.recorded for job in jobs] == [0] * 6


def test_a_job_costs_what_its_row_says(opened: Opened) -> None:
    job = (ledger := opened()).ask()
    assert job is not None
    row = rows(ledger)[0]
    assert (job.number, job.gflops, job.placement.key) == (row.number, row.gflops, row.key)
    with Session(ledger.engine) as session:
        assert store.find_study(session, "tiny").bare_gflops == job.gflops


def test_what_the_modules_add_comes_to_what_the_trial_costs(opened: Opened, by_hand: Any) -> None:
    ledger = opened("trials=6")
    by_hand.train_all(ledger)
    bare, *others = rows(ledger)
    assert bare.added == []
    for row in others:
        modules = Placement.parse(row.placement).modules
        assert row.added is not None and len(row.added) == len(modules)
        assert bare.parameters + sum(parameters for parameters, _ in row.added) == row.parameters
        extra = sum(operations for _, operations in row.added)
        assert round(1e9 * (row.gflops - bare.gflops)) == extra


@pytest.mark.slow
def test_no_placement_is_proposed_twice(opened: Opened, by_hand: Any, storage: str) -> None:
    ledger = opened("trials=120", "sampler.name=tpe", "sampler.startup=108")
    jobs = by_hand.train_all(ledger)
    assert len(jobs) == 120 == len({job.placement for job in jobs})
    assert [job.number for job in jobs] == list(range(120))
    assert {row.state for row in rows(ledger)} == {"complete", "stopped"}
    assert agree(by_hand, storage)


def test_a_space_that_is_exhausted_ends_the_search(opened: Opened, by_hand: Any) -> None:
    ledger = opened("trials=500", "space.modules=[se]", "space.hyperparameters=fixed")
    assert ledger.space.size == 8
    jobs = by_hand.train_all(ledger)
    assert len(jobs) == len({job.placement for job in jobs}) == 8
    assert ledger.ask() is None


def test_the_number_of_trials_counts_those_of_earlier_runs(opened: Opened, by_hand: Any) -> None:
    first = opened("trials=5")
    assert len(by_hand.train_all(first)) == 5
    assert first.ask() is None
    first.close()
    assert opened("trials=5").ask() is None
    opened_again = opened("trials=7", name="other")
    assert len(by_hand.train_all(opened_again)) == 7


def test_more_trials_go_on_where_the_study_ended(opened: Opened, by_hand: Any) -> None:
    with opened("trials=4") as first:
        before = by_hand.train_all(first)
    with opened("trials=6") as second:
        more = by_hand.train_all(second)
    assert [job.number for job in more] == [4, 5]
    assert not {job.placement for job in before} & {job.placement for job in more}


TPE = ("sampler.name=tpe", "sampler.startup=6")


def placements(opened: Opened, by_hand: Any, name: str, *changes: str) -> list[str]:
    with opened("trials=10", *TPE, *changes, name=name) as ledger:
        return [job.placement.spelling for job in by_hand.train_all(ledger)]


def test_the_same_seed_proposes_the_same_and_another_seed_something_else(
    opened: Opened, by_hand: Any
) -> None:
    once, again = (placements(opened, by_hand, name) for name in ("once", "again"))
    other = placements(opened, by_hand, "other", "seed=1")
    assert once == again
    assert once[:3] == other[:3]  # the baselines
    assert all(a != b for a, b in zip(once[3:6], other[3:6], strict=True))


def test_a_search_in_two_runs_proposes_what_one_run_would(opened: Opened, by_hand: Any) -> None:
    whole = placements(opened, by_hand, "whole")
    with opened("trials=8", *TPE, name="parts") as first:
        by_hand.train_all(first)
    placements(opened, by_hand, "parts")
    with opened("trials=10", *TPE, name="parts") as last:
        assert [row.placement for row in rows(last)] == whole


def test_the_sampler_learns_from_what_was_trained(opened: Opened, by_hand: Any) -> None:
    """Other accuracies, other proposals, once the start-up trials are out."""
    found = {}
    for name, sign in (("rising", 1), ("falling", -1)):
        with opened("trials=16", "sampler.name=tpe", "stopping.rule=none", name=name) as ledger:
            while (job := ledger.ask()) is not None:
                for number in range(1, 5):
                    epoch = by_hand.epoch_of(job, number)
                    epoch["accuracy"] = 0.5 + sign * 20 * (job.gflops - 0.0042)
                    assert 0 < epoch["accuracy"] < 1
                    ledger.report(job.number, worker="w", device="cpu", epoch=epoch)
            found[name] = [row.key for row in rows(ledger)]
    assert found["rising"][:14] == found["falling"][:14]
    assert found["rising"][14:] != found["falling"][14:]


def test_tpe_goes_on_after_stopped_and_failed_trials(opened: Opened, by_hand: Any) -> None:
    ledger = opened("trials=24", "sampler.name=tpe", "sampler.startup=3", "stopping.least=2")
    while (job := ledger.ask()) is not None:
        if job.number % 7 == 6:
            ledger.fail(job.number, "RuntimeError: out of memory")
        else:
            by_hand.train(ledger, job)
    states = [row.state for row in rows(ledger)]
    assert len(states) == 24
    assert states.count("stopped") >= 5 and states.count("failed") == 3


def test_workers_at_once_get_different_placements(opened: Opened, by_hand: Any) -> None:
    ledger = opened("trials=12", "sampler.name=tpe", "sampler.startup=3")
    jobs = [ledger.ask() for _ in range(12)]
    assert len({job.placement for job in jobs if job}) == 12
    assert ledger.ask() is None  # all are out, none is back
    for job in reversed(jobs):
        by_hand.train(ledger, job)
    assert {row.state for row in rows(ledger)} <= {"complete", "stopped"}


# -------------------------------------------------------------------------------------- telling


def test_both_sides_agree_after_every_event(opened: Opened, by_hand: Any, storage: str) -> None:
    ledger = opened("trials=14", "stopping.least=3")
    assert agree(by_hand, storage)
    seen = set()
    while (job := ledger.ask()) is not None:
        assert agree(by_hand, storage)
        if job.number == 9:
            ledger.fail(job.number, "ValueError: no")
            assert agree(by_hand, storage)
        for number in range(1, 5):
            seen.add(state := by_hand.report(ledger, job, number))
            assert agree(by_hand, storage)
            if state != "running":
                break
    assert seen == {"running", "complete", "stopped", "failed"}


def test_optuna_reads_what_the_ledger_wrote(opened: Opened, by_hand: Any, storage: str) -> None:
    ledger = opened("trials=12", "stopping.least=3")
    by_hand.train_all(ledger)
    ours = rows(ledger)
    study = optuna.load_study(study_name="tiny", storage=storage)
    assert study.metric_names == ["accuracy", "GFLOPs"]
    assert {trial.number for trial in study.best_trials} == {r.number for r in ours if r.on_front}
    for told, row in zip(study.trials, ours, strict=True):
        assert told.intermediate_values == {}  # several objectives have none
        assert told.user_attrs["placement"] == row.placement
        assert told.user_attrs["epochs"] == row.epochs
        assert ledger.space.suggest(optuna.trial.FixedTrial(told.params)).key == row.key
        if row.state == "complete":
            assert told.values == [row.accuracy, row.gflops]
        else:
            assert told.state == TrialState.PRUNED
            assert told.user_attrs["reason"] == row.reason
            assert told.user_attrs["accuracy"] == row.accuracy
    assert not study.trials[0].params.get("se.reduction")


def test_a_complete_trial_says_where_its_weights_are(opened: Opened, by_hand: Any) -> None:
    ledger = opened("trials=1")
    job = ledger.ask()
    assert by_hand.train(ledger, job, until=3) == "running"
    assert rows(ledger)[0].weights is None
    assert by_hand.report(ledger, job, 4) == "complete"
    row = rows(ledger)[0]
    assert row.weights == ledger.folder(0).address("weights.safetensors")
    assert (row.worker, row.device, row.epochs, row.seconds) == ("here:1", "cpu", 4, 2.0)
    assert row.started is not None and row.ended is not None and row.on_front


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_an_ended_trial_leaves_its_weights_if_it_is_complete(
    scheme: str, opened: Opened, by_hand: Any, tmp_path: Path
) -> None:
    ledger = opened("trials=2", f"folder={scheme}{tmp_path}/elsewhere")
    for number in range(2):
        ledger.folder(number).make()
        for name in ("epoch-0003.pt", ".epoch-0004.pt.77", "weights.safetensors"):
            ledger.folder(number).write(name, b"x")
    by_hand.train(ledger, ledger.ask())
    ledger.fail(ledger.ask().number, "no")  # type: ignore[union-attr]
    left = [path for path in (tmp_path / "elsewhere").rglob("*") if path.is_file()]
    assert left == [Path(ledger.folder(0).where.removeprefix("file://")) / "weights.safetensors"]
    assert read_file(rows(ledger)[0].weights) == b"x"


def test_a_failure_right_after_an_epoch_keeps_that_epoch(opened: Opened, by_hand: Any) -> None:
    ledger = opened()
    job = ledger.ask()
    by_hand.train(ledger, job, until=3)
    last = by_hand.epoch_of(job, 4)
    words = {"worker": "here:1", "device": "cpu", "epoch": last, "failed": "the disk is full"}
    assert ledger.report(job.number, **words) == "failed"
    row = rows(ledger)[0]
    assert (row.state, row.reason, row.epochs, row.weights) == (
        "failed",
        "the disk is full",
        4,
        None,
    )


def test_a_folder_of_no_kind_is_refused_before_anything_is_written(
    opened: Opened, storage: str
) -> None:
    with pytest.raises(BadValue, match=r"a folder is a path, .* got 'ftp://host/runs'"):
        opened("folder=ftp://host/runs")
    assert not Path(storage.removeprefix("sqlite:///")).exists()


def test_an_epoch_that_is_told_twice_changes_nothing(opened: Opened, by_hand: Any) -> None:
    ledger = opened()
    job = ledger.ask()
    by_hand.report(ledger, job, 1)
    by_hand.report(ledger, job, 2)
    before = rows(ledger)[0]
    assert by_hand.report(ledger, job, 1) == "running"
    assert by_hand.report(ledger, job, 2) == "running"
    after = rows(ledger)[0]
    assert (after.seq, after.epochs, after.accuracy) == (before.seq, 2, before.accuracy)


def test_what_comes_after_the_end_changes_nothing(opened: Opened, by_hand: Any) -> None:
    ledger = opened()
    job = ledger.ask()
    ledger.fail(job.number, "first")  # type: ignore[union-attr]
    before = rows(ledger)[0]
    assert by_hand.report(ledger, job, 1) == "failed"
    ledger.fail(job.number, "second")  # type: ignore[union-attr]
    after = rows(ledger)[0]
    assert (after.seq, after.reason, after.epochs) == (before.seq, "first", 0)


def test_a_candidate_is_stopped_where_the_rule_says_and_told_why(
    opened: Opened, by_hand: Any
) -> None:
    ledger = opened("trials=25", "stopping.least=4")
    by_hand.train_all(ledger)
    ours = rows(ledger)
    with Session(ledger.engine) as session:
        curves = store.curves(session, store.find_study(session, "tiny"))
    at_rung: list[Reached] = []
    finished: list[list[float]] = []
    for row in ours:
        curve = [epoch.accuracy for epoch in curves[row.number]]
        candidate = Reached(row.number, tuple(curve[:2]), (row.gflops,))
        decision = decide(candidate, at_rung, ledger.spec.stopping, 2)
        if row.is_baseline or decision.keep:
            assert (row.state, row.epochs, row.reason) == ("complete", 4, None)
            assert row.verdict is row.expected is None
            finished.append(curve)
        else:
            assert (row.state, row.epochs, row.reason) == ("stopped", 2, decision.reason)
            assert row.verdict == decision.to_dict()
            assert row.expected == expected(curve, finished)
        at_rung.append(candidate)
    assert 5 <= sum(row.state == "stopped" for row in ours) <= 20


def test_a_sampler_sees_a_stopped_trial_with_what_it_would_have_reached(
    opened: Opened, by_hand: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = opened("trials=25", "stopping.least=4")
    update, seen = ledger._proposer.update, {}

    def watched(trials: Any) -> None:
        there = list(trials)
        seen.update({one.number: one for one in there})
        update(there)

    monkeypatch.setattr(ledger._proposer, "update", watched)
    by_hand.train_all(ledger)
    with Session(ledger.engine) as session, session.begin():
        ledger._refresh(session, store.locked(session, ledger.study_id))
    ours = rows(ledger)
    assert [one.number for one in sorted(seen.values())] == list(range(25))
    for row in ours:
        one = seen[row.number]
        accuracy = row.expected if row.state == "stopped" else row.accuracy
        assert (one.state, one.key, one.values) == (row.state, row.key, (accuracy, row.gflops))
        assert one.chosen == row.chosen
    assert any(row.state == "stopped" and row.expected != row.accuracy for row in ours)


def test_a_new_driver_judges_by_what_the_last_one_saw(opened: Opened, by_hand: Any) -> None:
    """The rungs are as full after a restart as before."""
    spent = []
    for name, cut in (("whole", 18), ("halves", 9)):
        with opened(f"trials={cut}", "stopping.least=4", name=name) as first:
            by_hand.train_all(first)
        with opened("trials=18", "stopping.least=4", name=name) as second:
            by_hand.train_all(second)
            spent.append([(row.state, row.epochs, row.verdict) for row in rows(second)])
    assert spent[0] == spent[1] and "stopped" in {state for state, _, _ in spent[0]}


def test_what_happened_on_the_way_is_kept_in_order(opened: Opened) -> None:
    ledger = opened()
    number = ledger.ask().number  # type: ignore[union-attr]
    for note in ("its worker died", "out of memory"):
        ledger.note(number, note)
    assert rows(ledger)[number].notes == ["its worker died", "out of memory"]


def test_a_baseline_is_never_stopped(opened: Opened, by_hand: Any) -> None:
    ledger = opened("trials=14", "stopping.least=2")
    jobs = [ledger.ask() for _ in range(14)]
    for job in reversed(jobs):  # so that the baselines come last, and worst
        for number in range(1, 5):
            epoch = by_hand.epoch_of(job, number) | {"accuracy": 0.01 * (job.number > 2)}
            state = ledger.report(job.number, worker="w", device="cpu", epoch=epoch)
            if state != "running":
                break
    assert [row.state for row in rows(ledger)[:3]] == ["complete"] * 3


def test_without_a_rule_nothing_is_stopped(opened: Opened, by_hand: Any) -> None:
    ledger = opened("trials=15", "stopping.rule=none", "stopping.least=2")
    by_hand.train_all(ledger)
    assert {row.state for row in rows(ledger)} == {"complete"}


def test_a_failed_trial_is_tried_again_as_often_as_the_user_says(
    opened: Opened, by_hand: Any, storage: str
) -> None:
    ledger = opened("trials=5", "retries=2")
    for left in (2, 1):
        job = ledger.ask()
        assert job is not None and job.number == 0
        assert ledger.fail(0, f"RuntimeError: {left}") == "waiting"
        assert agree(by_hand, storage)
    assert ledger.ask() == job
    assert ledger.fail(0, "RuntimeError: 0") == "failed"
    row = rows(ledger)[0]
    assert (row.state, row.reason, row.failures) == ("failed", "RuntimeError: 0", 2)
    assert row.notes == [
        "it failed (RuntimeError: 2); it is tried again, 1 of 2",
        "it failed (RuntimeError: 1); it is tried again, 2 of 2",
    ]
    assert ledger.ask().number == 1  # type: ignore[union-attr]


def test_a_failed_trial_is_not_tried_again(opened: Opened, by_hand: Any) -> None:
    with opened("trials=8") as first:
        bad = first.ask()
        first.fail(bad.number, "RuntimeError: no")  # type: ignore[union-attr]
        jobs = by_hand.train_all(first)
        assert bad.placement not in {job.placement for job in jobs}  # type: ignore[union-attr]
    with opened("trials=9") as second:
        assert [job.number for job in by_hand.train_all(second)] == [8]
        row = rows(second)[0]
        assert (row.state, row.reason, row.on_front) == ("failed", "RuntimeError: no", False)


# ----------------------------------------------------------------------------------- interruption


def test_a_running_trial_of_a_closed_ledger_waits_and_is_continued_first(
    opened: Opened, by_hand: Any, storage: str
) -> None:
    first = opened("trials=8")
    by_hand.train(first, first.ask())
    begun, untouched = first.ask(), first.ask()
    by_hand.train(first, begun, until=3)
    first.close()
    theirs, ours = by_hand.tables(storage)
    assert theirs == ours == {0: "complete", 1: "waiting", 2: "waiting"}
    second = opened("trials=8")
    jobs = by_hand.train_all(second)
    assert [(job.number, job.recorded) for job in jobs[:3]] == [(1, 3), (2, 0), (3, 0)]
    assert [job.placement for job in jobs[:2]] == [begun.placement, untouched.placement]
    assert {row.state for row in rows(second)} <= {"complete", "stopped"}
    with Session(second.engine) as session:
        curve = store.curves(session, store.find_study(session, "tiny"))[1]
    assert [epoch.number for epoch in curve] == [1, 2, 3, 4]


def test_what_was_begun_goes_before_baselines_that_were_not(opened: Opened, by_hand: Any) -> None:
    first = opened()
    jobs = [first.ask(), first.ask()]
    by_hand.train(first, jobs[1], until=1)
    by_hand.train(first, jobs[0])
    first.close()
    second = opened()
    assert [second.ask().number for _ in range(2)] == [1, 2]  # type: ignore[union-attr]


def test_a_driver_that_died_leaves_its_trials_to_the_next(
    opened: Opened, by_hand: Any, storage: str
) -> None:
    first = opened("trials=5")
    job = first.ask()
    by_hand.train(first, job, until=2)
    by_hand.crash(first)
    assert by_hand.tables(storage)[1][0] == "running"
    second = opened("trials=5")
    assert agree(by_hand, storage)
    again = second.ask()
    assert again is not None and (again.number, again.recorded) == (0, 2)
    assert again.placement == job.placement
    assert by_hand.train(second, again) == "complete"


@pytest.mark.parametrize("where", ["add", "set_state", "finish", "put"])
@pytest.mark.parametrize("late", [False, True])
def test_a_crash_in_the_middle_of_anything_leaves_both_sides_in_step(
    where: str,
    late: bool,
    opened: Opened,
    by_hand: Any,
    storage: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The driver dies before or after it wrote one of Optuna's rows, at any such moment."""
    first = opened("trials=8", "stopping.least=3")
    whole, calls = getattr(mirror, where), []

    def dies(*about: Any, **more: Any) -> Any:
        calls.append(about)
        if len(calls) < 3:
            return whole(*about, **more)
        if late:
            whole(*about, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(mirror, where, dies)
    with pytest.raises(KeyboardInterrupt):
        by_hand.train_all(first)
    monkeypatch.undo()
    assert agree(by_hand, storage)
    by_hand.crash(first)
    second = opened("trials=8", "stopping.least=3")
    by_hand.train_all(second)
    assert agree(by_hand, storage)
    assert [row.number for row in rows(second)] == list(range(8))
    assert {row.state for row in rows(second)} <= {"complete", "stopped"}


def test_a_trial_that_another_program_asked_for_does_no_harm(
    opened: Opened, by_hand: Any, storage: str
) -> None:
    with opened("trials=4") as first:
        by_hand.train_all(first)
    optuna.load_study(study_name="tiny", storage=storage).ask()
    second = opened("trials=6")
    jobs = by_hand.train_all(second)
    assert [job.number for job in jobs] == [5, 6]
    theirs, ours = by_hand.tables(storage)
    assert theirs == ours | {4: "running"}  # it may still be at work on it


# --------------------------------------------------------------------------------- several drivers


def test_two_studies_of_a_database_do_not_disturb_each_other(opened: Opened, by_hand: Any) -> None:
    one, other = opened("trials=5", name="one"), opened("trials=5", "seed=1", name="other")
    for _ in range(5):
        for ledger in (one, other):
            by_hand.train(ledger, ledger.ask())
    assert [len(rows(ledger)) for ledger in (one, other)] == [5, 5]
    assert [row.key for row in rows(one)][:3] == [row.key for row in rows(other)][:3]


def test_drivers_share_a_study(opened: Opened, by_hand: Any, storage: str) -> None:
    drivers = [opened("trials=14", "stopping.least=3") for _ in range(3)]
    jobs = [[] for _ in drivers]
    while asked := [(n, job) for n, driver in enumerate(drivers) if (job := driver.ask())]:
        for n, job in asked:
            jobs[n].append(job.number)
            by_hand.train(drivers[n], job)
        assert agree(by_hand, storage)
    assert sorted(n for each in jobs for n in each) == list(range(14)) and all(jobs)
    ours = rows(drivers[0])
    assert len({row.key for row in ours}) == 14 and {r.state for r in ours} == {
        "complete",
        "stopped",
    }


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_eight_drivers_train_no_placement_twice(
    sampler: str, opened: Opened, by_hand: Any, storage: str
) -> None:
    """At once, in threads; each judges by what it has seen when it proposes."""
    changes = ["trials=400", "space.modules=[se, eca, cbam]", f"sampler.name={sampler}"]
    changes += ["recipe.epochs=1", "stopping.rule=none"]
    drivers = [opened(*changes) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        jobs = [job for each in pool.map(by_hand.train_all, drivers) for job in each]
    assert sorted(job.number for job in jobs) == list(range(400))
    assert len({job.placement for job in jobs}) == 400
    assert len({row.key for row in rows(drivers[0])}) == 400
    assert agree(by_hand, storage)


def test_a_driver_that_stops_leaves_what_runs_elsewhere_alone(opened: Opened, by_hand: Any) -> None:
    first, second = opened("trials=6"), opened("trials=6")
    mine, theirs = first.ask(), second.ask()
    by_hand.train(first, mine, until=2)
    by_hand.train(second, theirs, until=1)
    first.close()
    assert [row.state for row in rows(second)[:2]] == ["waiting", "running"]
    again = second.ask()
    assert again is not None and (again.number, again.recorded) == (mine.number, 2)
    assert by_hand.train(second, theirs, until=4) == "complete"


def test_what_is_told_of_a_trial_that_another_took_over_changes_nothing(
    opened: Opened, by_hand: Any
) -> None:
    """As a driver may that was cut off from the database for longer than its lease."""
    first = opened("trials=5")
    job = first.ask()
    by_hand.train(first, job, until=1)
    second = opened("trials=5")
    with Session(second.engine) as session, session.begin():
        study = store.locked(session, second.study_id)
        (driver, _) = store.drivers(session, study.id)
        store.bury(session, study, driver, "lost")
    again = second.ask()
    assert again is not None and again.number == job.number
    before = rows(second)[0]
    assert by_hand.report(first, job, 2) == "lost"
    assert first.fail(job.number, "no") == "lost"
    first.note(job.number, "no")
    after = rows(second)[0]
    assert (after.seq, after.epochs, after.notes) == (before.seq, 1, [])
    first._lease.look()  # it goes on as another driver
    fresh = first.ask()
    assert fresh is not None and fresh.number == 1
    assert by_hand.report(first, fresh, 1) == "running"
    assert by_hand.train(second, again) == "complete"


@pytest.mark.parametrize("earlier", [0, 3])  # then comes a baseline, or what is proposed
def test_a_driver_that_was_given_up_is_another_before_it_is_given_a_trial(
    earlier: int, opened: Opened, by_hand: Any
) -> None:
    """Between two of its beats: a trial of one that has ended would run for ever."""
    first, second = opened("trials=8"), opened("trials=8")
    jobs = [first.ask() for _ in range(earlier)]
    for job in jobs:
        by_hand.train(first, job)
    with Session(second.engine) as session, session.begin():
        study = store.locked(session, second.study_id)
        (mine, _) = store.drivers(session, study.id)
        store.bury(session, study, mine, "lost")
    job = first.ask()
    assert job is not None and job.number == earlier
    with Session(second.engine) as session:
        trial = store.find_trial(session, store.find_study(session, "tiny"), job.number)
        assert trial.driver_id == first._lease.driver_id
        assert trial.driver is not None and trial.driver.ended is None
    assert by_hand.report(first, job, 1) == "running"


def test_a_proposal_that_another_was_quicker_with_is_made_anew(
    opened: Opened, by_hand: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = opened("trials=9"), opened("trials=9")
    for _ in range(3):
        by_hand.train(first, first.ask())
    number = first._patience(first._take)
    proposal = first._proposer.propose(number)
    with Session(second.engine) as session, session.begin():
        study = store.locked(session, second.study_id)
        second._add(session, study, proposal.placement, "user")
    real, given = first._proposer.propose, [proposal]
    monkeypatch.setattr(
        first._proposer, "propose", lambda number: given.pop() if given else real(number)
    )
    found = first._patience(lambda session: first._record(session, proposal))
    assert found == "again"
    with Session(first.engine) as session:
        assert store.find_study(session, "tiny").repeats >= 1
    assert by_hand.train_all(first) and len({row.key for row in rows(first)}) == 9


def test_an_answer_that_did_not_come_costs_no_trial(opened: Opened) -> None:
    """A transaction may be carried out though its commit is never confirmed."""
    ledger = opened("trials=5")
    job = ledger.ask()
    ledger._mine.clear()  # as if it had not been told
    again = ledger.ask()
    assert again == job
    assert ledger.ask().number == 1  # type: ignore[union-attr]


# --------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("recipe.epochs=5", "recipe.epochs = 4, got 5"),
        ("space.modules=[se]", r"space.modules = ('eca', 'se'), got ('se',)"),
        ("data.seed=1", "data.seed = 0, got 1"),
    ],
)
def test_settings_that_make_figures_incomparable_are_refused(
    change: str, sentence: str, opened: Opened, by_hand: Any
) -> None:
    with opened("trials=3") as first:
        by_hand.train_all(first)
        before = [(row.seq, row.state) for row in rows(first)]
    with pytest.raises(BadValue) as caught:
        opened("trials=5", change)
    assert str(caught.value) == (
        f"study 'tiny' was begun with {sentence}; "
        "choose another name with --study, or leave the setting"
    )
    with opened("trials=3") as again:
        assert [(row.seq, row.state) for row in rows(again)] == before


def test_other_settings_may_change_and_are_kept(opened: Opened) -> None:
    opened("trials=3").close()
    ledger = opened("trials=9", "stopping.rule=none", "seed=5")
    with Session(ledger.engine) as session:
        spec = store.find_study(session, "tiny").spec
    assert (spec["trials"], spec["stopping"]["rule"], spec["seed"]) == (9, "none", 5)


def test_images_that_are_no_longer_the_same_are_refused(
    opened: Opened, new_spec: Any, storage: str
) -> None:
    from dataclasses import replace

    opened().close()
    spec = new_spec()
    images, space = spec.prepare()
    with pytest.raises(BadValue) as caught:
        Ledger(storage, "tiny", spec, replace(images, validation=images.test), space)
    assert str(caught.value) == "the images of digits are no longer those of study 'tiny'"


@pytest.mark.parametrize("name", ["", "a/b", "../up", ".hidden", "x" * 101, "a\nb", "[red]", "a:b"])
def test_a_name_that_is_no_file_name_is_refused(name: str, opened: Opened, tmp_path: Any) -> None:
    sentence = "a study's name has 1 to 100 letters, digits, spaces and any of _.+=-, got "
    with pytest.raises(BadValue, match=f"^{re.escape(sentence + repr(name[:100]))}$"):
        opened(name=name)
    assert not (tmp_path / "foveate.db").exists()


@pytest.mark.parametrize("name", ["a", "Über 3.1", "x" * 100, "a+b=c_d-e"])
def test_a_name_may_be_a_phrase(name: str, opened: Opened) -> None:
    assert opened(name=name).ask() is not None


def test_an_optuna_study_of_that_name_that_is_none_of_ours_is_refused(
    opened: Opened, storage: str
) -> None:
    optuna.create_study(study_name="tiny", storage=storage)  # one objective
    with pytest.raises(BadValue, match="'tiny'"):
        opened()


def test_a_study_that_could_not_be_opened_is_free(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> None:
        raise RuntimeError("no Optuna today")

    monkeypatch.setattr(ledgers, "optuna_study", dies)
    with pytest.raises(RuntimeError, match="no Optuna today"):
        opened()
    monkeypatch.undo()
    assert opened().ask() is not None


def test_closing_twice_is_closing_once(opened: Opened, storage: str) -> None:
    ledger = opened()
    ledger.ask()
    ledger.close()
    ledger.close()
    with sqlite3.connect(storage.removeprefix("sqlite:///")) as database:
        found = database.execute("SELECT how FROM foveate_driver").fetchall()
    assert found == [("closed",)]


# ------------------------------------------------------------------------------------- PostgreSQL


@pytest.mark.slow
def test_a_ledger_works_on_postgresql(opened: Opened, by_hand: Any, postgres: str) -> None:
    first = opened("trials=10", "stopping.least=3", storage=postgres, name="ledger")
    for _ in range(4):
        by_hand.train(first, first.ask())
    by_hand.train(first, first.ask(), until=1)
    by_hand.crash(first)
    second = opened("trials=10", "stopping.least=3", storage=postgres, name="ledger")
    jobs = by_hand.train_all(second)
    assert (jobs[0].number, jobs[0].recorded) == (4, 1)
    ours = rows(second)
    url = databases.url_of(postgres).render_as_string(hide_password=False)
    study = optuna.load_study(study_name="ledger", storage=url)
    assert [trial.state.is_finished() for trial in study.trials] == [True] * 10
    assert {trial.number for trial in study.best_trials} == {r.number for r in ours if r.on_front}
    assert [t.user_attrs["placement"] for t in study.trials] == [row.placement for row in ours]


# ------------------------------------------------------------------------ objectives, constraints

TIGHT = 'constraints=["parameters <= 78.2k"]'  # resnet8 has 78,042; everywhere:se takes more


def test_what_breaks_a_constraint_is_recorded_and_trained_by_nobody(
    opened: Opened, by_hand: Any, storage: str
) -> None:
    ledger = opened("trials=10", TIGHT, "sampler.name=tpe", "sampler.startup=5")
    jobs = by_hand.train_all(ledger)
    ours = rows(ledger)
    broken = [row for row in ours if row.state == "infeasible"]
    assert len(jobs) == 10 and len(ours) == 10 + len(broken) and broken
    assert not {job.number for job in jobs} & {row.number for row in broken}
    assert "everywhere:se" in {row.origin for row in broken}
    for row in ours:
        assert (row.parameters > 78_200) == (row.state == "infeasible")
        ((text, by),) = row.violations.items()
        assert text == "parameters <= 78200"
        assert by == pytest.approx(row.parameters / 78_200 - 1)
        if row.state == "infeasible":
            assert row.reason.startswith("not parameters <= 78200: ") and row.epochs == 0
    study = optuna.load_study(study_name="tiny", storage=storage)
    for told, row in zip(study.trials, ours, strict=True):
        assert told.constraints == row.violations
    ours_on_front = {row.number for row in ours if row.on_front}
    assert {trial.number for trial in study.best_trials} == ours_on_front


def test_what_was_enqueued_by_hand_keeps_to_the_constraints(opened: Opened, storage: str) -> None:
    ledger = opened("trials=5", TIGHT)
    se = ledger.space.baselines()["everywhere:se"]
    with Session(ledger.engine) as session, session.begin():
        study = store.locked(session, ledger.study_id)
        columns = {"macs": 1.0, "gflops": 1.0, "memory": 1.0, "placement": se.spelling}
        store.add_trial(
            session, study, choices={}, key="0" * 16, origin="user", parameters=99_000, **columns
        )
    numbers = [ledger.ask().number for _ in range(3)]  # type: ignore[union-attr]
    row = rows(ledger)[3]
    assert row.state == "infeasible" and row.number not in numbers
    told = optuna.load_study(study_name="tiny", storage=storage).trials[3]
    assert told.constraints == row.violations and told.state == TrialState.PRUNED


LATENCY = ("objectives=[accuracy, gflops, latency]", 'constraints=["latency <= 1.2 * backbone"]')


def test_a_latency_is_an_objective_and_bounded_once_it_is_measured(
    opened: Opened, by_hand: Any, storage: str
) -> None:
    ledger = opened("trials=4", "stopping.rule=none", *LATENCY)
    slow, quick = ledger.ask(), ledger.ask()
    about = {"device": "cpu"}
    assert ledger.measured(slow.number, {"ms": 2.5, "bare_ms": 2.0, **about}) == "infeasible"
    assert ledger.measured(quick.number, {"ms": 4.4, "bare_ms": 4.0, **about}) == "running"
    assert by_hand.train(ledger, quick) == "complete"
    first, second = rows(ledger)[:2]
    assert first.reason == "not latency <= 1.2 * backbone: 4.17 % over" and first.epochs == 0
    assert (first.latency, second.latency) == (2.5, pytest.approx(2.2))  # against one backbone
    told = optuna.load_study(study_name="tiny", storage=storage).trials[1]
    assert told.values == [second.accuracy, second.gflops, second.latency]
    assert told.constraints == second.violations
    assert second.on_front
    again = ledger.ask()
    assert again is not None and not again.is_timed


def test_a_trial_that_goes_on_is_not_timed_again(opened: Opened) -> None:
    first = opened("trials=4", *LATENCY)
    job = first.ask()
    first.measured(job.number, {"ms": 2.0, "bare_ms": 2.0, "device": "cpu"})  # type: ignore[union-attr]
    first.close()
    again = opened("trials=4", *LATENCY).ask()
    assert again is not None and again.number == 0 and again.is_timed


# ------------------------------------------------------------------- commits that are not confirmed


@pytest.mark.parametrize("is_done", [False, True])
def test_a_commit_that_is_not_confirmed_is_found_out(
    is_done: bool, opened: Opened, by_hand: Any, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks at every third commit, before or after it was carried out."""
    ledger = opened("trials=12", "stopping.least=3", "sampler.name=tpe", "sampler.startup=4")
    ledger.say = lambda text: None
    ledger._patience.pause = lambda seconds: None
    ledger._lease.end()
    commit, count = Connection._commit_impl, iter(range(10**6))

    def breaks(self: Connection) -> None:
        is_broken = next(count) % 3 == 2
        if is_done or not is_broken:
            commit(self)
        if is_broken:
            raise OperationalError("COMMIT", {}, Exception("the connection broke"))

    monkeypatch.setattr(Connection, "_commit_impl", breaks)
    jobs = by_hand.train_all(ledger)
    monkeypatch.undo()
    assert sorted(job.number for job in jobs) == list(range(12))
    ours = rows(ledger)
    assert {row.state for row in ours} <= {"complete", "stopped"} and len(ours) == 12
    assert agree(by_hand, storage)
    fresh = Curves()
    with Session(ledger.engine) as session:
        fresh.refresh(session, store.find_study(session, "tiny"))
    assert all(fresh.reached(2)[n].curve == c.curve for n, c in ledger._curves.reached(2).items())


@pytest.mark.slow
def test_drivers_that_begin_a_study_at_once_share_it(
    new_spec: Any, postgres: str, by_hand: Any
) -> None:
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute("DROP DATABASE IF EXISTS at_once WITH (FORCE)")
        admin.execute("CREATE DATABASE at_once")
    storage = postgres.replace("/postgres?", "/at_once?")
    spec = new_spec("trials=8")
    prepared, start = spec.prepare(), Barrier(4)

    def search(_: int) -> list[int]:
        start.wait(timeout=30)
        with Ledger(storage, "tiny", spec, *prepared) as ledger:
            return [job.number for job in by_hand.train_all(ledger)]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(search, range(4)))
    assert sorted(number for each in found for number in each) == list(range(8))
