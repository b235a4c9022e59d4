from collections.abc import Callable, Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from foveate.errors import BadValue
from foveate.search.front import front, scaled_hypervolume
from foveate.search.records import Epoch, Study, Trial
from foveate.search.replay import (
    Mean,
    Outcome,
    Recorded,
    Told,
    Yardstick,
    as_table,
    figures,
    legend,
    recorded,
    replay,
    shuffled,
)
from foveate.search.stopping import Decision, Reached, Stopping, decide, rungs
from foveate.search.synthetic import synthetic

NONE = Stopping(rule="none")
RULES = [
    Stopping.of({"rule": rule, "first": 2, "factor": 2.0}) for rule in ("pareto", "asha", "median")
]
MANY = synthetic(60, 12, seed=3)


def searched(
    stopping: Stopping = NONE, *, workers: int = 1, seed: int = 0, among: Sequence[Recorded] = MANY
) -> Outcome:
    return replay(among, stopping, shuffled(among, seed), workers=workers)


# -------------------------------------------------------------------------------- one search


@pytest.mark.parametrize("workers", [1, 7, 100])
def test_without_a_rule_every_epoch_is_trained_and_the_front_is_the_true_one(workers: int) -> None:
    outcome = searched(workers=workers)
    assert outcome.epochs == 60 * 12
    assert sorted(outcome.finished) == list(range(60))
    assert list(outcome.front) == front([one.point for one in MANY])
    assert not outcome.stopped and not outcome.lost


def test_workers_share_the_time_and_not_the_epochs() -> None:
    assert searched(workers=1).seconds == 720
    assert searched(workers=6).seconds == 120
    assert searched(workers=7).seconds == 9 * 12  # nine rounds, the last of four candidates


@pytest.mark.parametrize("stopping", RULES, ids=lambda rule: rule.rule)
def test_one_worker_stops_what_the_rule_says_one_after_the_other(stopping: Stopping) -> None:
    """The search again, in the plainest way: each candidate to its end before the next."""
    order: list[int] = []
    propose = shuffled(MANY, 5)
    while (index := propose([Told(i, "running") for i in order])) is not None:
        order.append(index)
    there: dict[int, list[Reached]] = {at: [] for at in rungs(stopping, 12)}
    stopped: dict[int, Decision] = {}
    epochs = 0
    for index in order:
        one = MANY[index]
        for epoch in range(1, 13):
            epochs += 1
            if epoch in there:
                here = Reached(one.number, one.accuracy[:epoch], one.costs)
                decision = decide(here, there[epoch], stopping, epoch)
                there[epoch].append(here)
                if not decision.keep:
                    stopped[index] = decision
                    break
    outcome = searched(stopping, seed=5)
    assert outcome.stopped == stopped
    assert outcome.epochs == epochs < 720
    assert outcome.finished == tuple(index for index in order if index not in stopped)
    true_front = front([one.point for one in MANY])
    assert outcome.lost == {i: stopped[i].epoch for i in true_front if i in stopped}


@pytest.mark.parametrize("workers", [1, 8])
@pytest.mark.parametrize("stopping", RULES, ids=lambda rule: rule.rule)
def test_each_is_judged_against_those_that_were_there_before(
    stopping: Stopping, workers: int
) -> None:
    seen: dict[int, list[Reached]] = {}

    def judge(
        candidate: Reached, others: Sequence[Reached], rule: Stopping, epoch: int
    ) -> Decision:
        before = seen.setdefault(epoch, [])
        assert list(others) == before
        assert len(candidate.curve) == epoch
        before.append(candidate)
        return decide(candidate, others, rule, epoch)

    outcome = replay(MANY, stopping, shuffled(MANY, 0), workers=workers, judge=judge)
    assert len(outcome.finished) + len(outcome.stopped) == 60
    assert outcome == searched(stopping, workers=workers)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 12), st.sampled_from(RULES))
def test_equal_searches_come_to_the_same(seed: int, workers: int, stopping: Stopping) -> None:
    outcome = searched(stopping, workers=workers, seed=seed)
    assert outcome == searched(stopping, workers=workers, seed=seed)
    trained = 12 * len(outcome.finished) + sum(one.epoch for one in outcome.stopped.values())
    assert outcome.epochs == trained
    spent = [epochs for epochs, _ in outcome.history]
    assert spent == sorted(spent) and [i for _, i in outcome.history] == list(outcome.finished)


def test_a_slow_candidate_is_judged_when_it_arrives() -> None:
    """Two workers: the third candidate overtakes the first, and is not judged against it."""
    slow = Recorded(0, (0.9, 0.9), (1.0,), seconds=(10.0, 1.0))
    quick = [Recorded(n, (0.5, 0.5), (1.0,), seconds=(1.0, 1.0)) for n in (1, 2)]
    judged: list[tuple[int, list[int]]] = []

    def judge(
        candidate: Reached, others: Sequence[Reached], rule: Stopping, epoch: int
    ) -> Decision:
        judged.append((candidate.trial, [one.trial for one in others]))
        return decide(candidate, others, rule, epoch)

    among = [slow, *quick]
    rule = Stopping(first=1, least=2)
    outcome = replay(among, rule, in_order(among), workers=2, judge=judge)
    assert judged == [(1, []), (2, [1]), (0, [1, 2])]
    assert outcome.seconds == 11.0


def in_order(among: Sequence[Recorded]) -> Callable[[Sequence[Told]], int | None]:
    return lambda history: len(history) if len(history) < len(among) else None


def test_baselines_come_first_and_are_never_stopped() -> None:
    bad = [Recorded(100 + n, (0.0,) * 12, (9.0,), is_baseline=True) for n in range(4)]
    among = [*MANY, *bad]
    for seed in range(3):
        for workers in (1, 5):
            outcome = searched(RULES[0], workers=workers, seed=seed, among=among)
            assert set(outcome.finished) >= {60, 61, 62, 63}
            assert set(outcome.finished[:4]) == {60, 61, 62, 63}


def test_a_sampler_is_told_what_stopped_candidates_are_expected_to_reach() -> None:
    seen: list[list[Told]] = []
    order = shuffled(MANY, 1)

    def propose(history: Sequence[Told]) -> int | None:
        seen.append(list(history))
        return order(history)

    outcome = replay(MANY, RULES[0], propose, workers=3)
    last = {told.index: told for told in seen[-1]}
    assert len(last) == 60 and [told.index for told in seen[-1]] == [
        told.index for told in seen[-2]
    ] + [seen[-1][-1].index] * (len(seen[-1]) > len(seen[-2]))
    for told in seen[-1]:
        one = MANY[told.index]
        if told.state == "complete":
            assert told.accuracy == one.accuracy[-1]
        elif told.state == "stopped":
            so_far = one.accuracy[: outcome.stopped[told.index].epoch]
            assert told.accuracy is not None and 0.0 <= told.accuracy <= 1.0
            assert told.accuracy != so_far[-1]
        else:
            assert told.accuracy is None


def test_a_sampler_may_end_the_search_and_may_not_repeat_itself() -> None:
    few = replay(MANY, NONE, lambda history: len(history) if len(history) < 5 else None, workers=3)
    assert sorted(few.finished) == [0, 1, 2, 3, 4] and few.epochs == 60
    with pytest.raises(ValueError, match="candidate 7 was proposed twice"):
        replay(MANY, NONE, lambda history: 7)


# --------------------------------------------------------------------------------- the measure


def test_a_floor_of_zero_is_the_hypervolume_of_a_study() -> None:
    rng = Random(0)
    points = [(rng.random(), rng.uniform(1, 2)) for _ in range(50)]
    wanted = scaled_hypervolume(points, [1.1], [1.9])
    assert Yardstick(0.0, 1.1, 1.9).area(points) == pytest.approx(wanted, abs=1e-12)


def test_a_demanding_floor_counts_only_what_is_above_it() -> None:
    among = [Recorded(n, (n / 10,), (float(n),)) for n in range(1, 10)]
    stick = Yardstick.of(among, share=0.5)
    assert (stick.floor, stick.cheapest, stick.dearest) == (0.5, 1.0, 9.0)
    assert stick.area([(0.5, 1.0), (0.3, 1.0)]) == 0.0
    assert stick.area([(0.75, 5.0)]) == pytest.approx(0.25)
    assert Yardstick.of(among, share=0.0).floor == 0.1
    assert Yardstick.of(among).floor == 0.0


def test_the_hypervolume_grows_to_that_of_the_front() -> None:
    outcome = searched(RULES[0])
    stick = Yardstick.of(MANY, share=0.1)
    grown = outcome.growth(MANY, stick)
    areas = [area for _, area in grown]
    assert areas == sorted(areas)
    assert areas[-1] == pytest.approx(outcome.hypervolume(MANY, stick))
    assert grown[-1][0] <= outcome.epochs


def test_a_mean_has_a_standard_error() -> None:
    assert Mean.of([1.0, 2.0, 3.0]) == Mean(2.0, pytest.approx(1 / 3**0.5))
    assert Mean.of([4.0]) == Mean(4.0, 0.0)


def test_figures_are_shares_of_no_stopping() -> None:
    whole = figures(MANY, NONE, repeats=2)
    assert (whole.epochs, whole.seconds, whole.lost) == (Mean(1, 0), Mean(1, 0), Mean(0, 0))
    assert whole.hypervolume.value == pytest.approx(1) == whole.demanding.value
    assert whole.members == len(front([one.point for one in MANY]))
    assert whole.members_cheap == whole.members // 2
    ours = figures(MANY, RULES[0], repeats=4)
    assert 0.3 < ours.epochs.value < 0.8 and 0.5 < ours.demanding.value <= 1.0


def test_the_cheap_half_of_the_front_survives_better_than_by_accuracy_alone() -> None:
    many = synthetic(150, 16, seed=0)
    ours, asha = (
        figures(many, Stopping.of({"rule": rule}), repeats=3) for rule in ("pareto", "asha")
    )
    assert ours.lost_cheap.value < asha.lost_cheap.value / 2


def test_the_table_has_a_row_for_each_rule() -> None:
    table = as_table(MANY, Stopping(first=2, factor=2), repeats=2, workers=2)
    assert list(table.columns[0].cells) == ["none", "median", "asha", "pareto"]
    assert next(iter(table.columns[1].cells)) == "100.0"
    assert "judge after epoch 2, 4 and 8 of 12" in legend(MANY, Stopping(first=2, factor=2))


# ------------------------------------------------------------------------------- from a database


def test_the_fully_trained_trials_of_a_study_are_read(
    add: Callable[..., Trial], session: Session, study: Study
) -> None:
    epochs = study.spec["recipe"]["epochs"]
    for number in range(23):
        origin = "bare" if number == 0 else "sampler"
        state = "stopped" if number == 22 else "complete"
        trial = add(0.1 * (number % 9), extra=number / 100, origin=origin, state=state)
        session.flush()
        for epoch in range(1, epochs + 1):
            if session.get(Epoch, (trial.id, epoch)) is None:
                session.add(
                    Epoch(
                        trial_id=trial.id,
                        number=epoch,
                        train_loss=1.0,
                        accuracy=epoch / 100,
                        seconds=2.0,
                    )
                )
    session.flush()
    found = recorded(session, study)
    assert len(found) == 22
    assert [one.is_baseline for one in found] == [True] + [False] * 21
    assert all(len(one.accuracy) == len(one.seconds) == epochs for one in found)


def test_too_few_trials_are_one_sentence(
    add: Callable[..., Trial], session: Session, study: Study
) -> None:
    with pytest.raises(BadValue) as caught:
        recorded(session, study)
    assert str(caught.value) == (
        f"study {study.name!r} has 0 fully trained trials, and a replay takes at least 20; "
        "search on, best with --set stopping.rule=none"
    )
