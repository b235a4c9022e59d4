from math import ceil
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.errors import BadValue
from foveate.search.front import Point, front
from foveate.search.stopping import Decision, Stopping, decide, rungs

POINTS = st.lists(
    st.tuples(st.integers(0, 20).map(lambda n: n / 20), st.integers(1, 9).map(float)),
    min_size=1,
    max_size=25,
)


@pytest.mark.parametrize(
    ("settings", "epochs", "found"),
    [
        ({}, 12, [4, 8]),
        ({}, 21, [4, 8, 16]),
        ({}, 4, []),
        ({}, 5, [4]),
        ({"first": 1}, 9, [1, 2, 4, 8]),
        ({"first": 2, "factor": 3}, 60, [2, 6, 18, 54]),
        ({"first": 1, "factor": 1.5}, 8, [1, 2, 3, 4, 7]),  # 1, 2, 3, 4.5, 6.75, rounded
        ({"first": 1, "factor": 1.01}, 5, [1, 2, 3, 4]),
        ({"first": 9}, 9, []),
        ({"rule": "none"}, 100, []),
    ],
)
def test_rungs_lie_factor_times_apart_and_the_last_epoch_is_none(
    settings: dict[str, object], epochs: int, found: list[int]
) -> None:
    assert rungs(Stopping.of(settings), epochs) == found


@given(st.integers(1, 9), st.floats(1.001, 8), st.integers(1, 200))
def test_rungs_rise_and_end_before_the_end(first: int, factor: float, epochs: int) -> None:
    found = rungs(Stopping(first=first, factor=factor), epochs)
    assert found == sorted(set(found))
    assert all(first <= at < epochs for at in found)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"factor": 1}, "factor: should be greater than 1, got 1"),
        ({"first": 0}, "first: should be greater than or equal to 1, got 0"),
        ({"least": 1}, "least: should be greater than or equal to 2, got 1"),
        ({"rule": "median"}, "rule may be 'pareto' or 'none', got 'median'"),
    ],
)
def test_settings_that_stop_everything_are_refused(
    settings: dict[str, object], sentence: str
) -> None:
    with pytest.raises(BadValue) as caught:
        Stopping.of(settings)
    assert str(caught.value) == sentence


@given(POINTS)
def test_a_member_of_the_front_is_never_stopped(points: list[Point]) -> None:
    judge = Stopping(least=2, factor=50)
    for i in front(points):
        others = points[:i] + points[i + 1 :]
        assert decide(points[i], others, judge, 3).keep


def test_a_dominated_candidate_among_many_is_stopped_and_told_why() -> None:
    others = [(0.5 + n / 100, 0.04 + n / 1000) for n in range(9)]
    decision = decide((0.123456, 0.05), others, Stopping(), 6)
    assert decision == Decision(
        False,
        "place 10 of 10 at epoch 6 by rank 1 on (accuracy 12.35 %, 0.05 GFLOPs); the best 5 pass",
    )


def test_a_candidate_that_passes_is_told_its_place_and_no_threshold() -> None:
    decision = decide((0.9, 0.03), [(0.5, 0.04)] * 9, Stopping(), 6)
    assert decision.keep
    assert decision.reason == (
        "place 1 of 10 at epoch 6 by rank 0 on (accuracy 90.00 %, 0.03 GFLOPs)"
    )


@pytest.mark.parametrize("least", [2, 6, 9])
def test_too_few_peers_keep_even_the_worst(least: int) -> None:
    judge, worst, better = Stopping(least=least), (0.0, 9.0), (0.9, 1.0)
    decision = decide(worst, [better] * (least - 2), judge, 3)
    assert decision == Decision(True, f"the first {least - 1} at epoch 3")
    assert not decide(worst, [better] * (least - 1), judge, 3).keep


def kept_by_accuracy_alone(candidate: Point, others: list[Point], factor: float) -> bool:
    """Plain successive halving: among the most accurate 1/factor?"""
    better = sum(accuracy > candidate[0] for accuracy, _ in others)
    return better < (len(others) + 1) / factor


def test_the_cheap_end_survives_where_accuracy_alone_would_stop_it() -> None:
    rng, judge = Random(0), Stopping(factor=2)
    costs = [0.04 * (1 + n / 20) for n in range(20)]
    points = [(0.5 + 4 * (cost - 0.04) + rng.uniform(-0.02, 0.02), cost) for cost in costs]
    cheap = [i for i in range(20) if costs[i] < 0.05]
    stay = [i for i in cheap if decide(points[i], points[:i] + points[i + 1 :], judge, 3).keep]
    by_accuracy = [
        i for i in cheap if kept_by_accuracy_alone(points[i], points[:i] + points[i + 1 :], 2)
    ]
    assert by_accuracy == []
    assert 0 in stay and len(stay) >= 2


@given(POINTS, st.randoms(use_true_random=False))
def test_the_order_of_the_others_does_not_matter(points: list[Point], rng: Random) -> None:
    candidate, *others = points
    judge = Stopping(least=2)
    decision = decide(candidate, others, judge, 3)
    rng.shuffle(others)
    assert decide(candidate, others, judge, 3) == decision


@given(st.integers(0, 10**6), st.integers(6, 60), st.floats(1.1, 5))
def test_a_rung_keeps_one_in_factor_and_the_front(seed: int, count: int, factor: float) -> None:
    rng = Random(seed)
    points = [(rng.random(), rng.random()) for _ in range(count)]
    judge = Stopping(factor=factor, least=2)
    kept = [decide(points[i], points[:i] + points[i + 1 :], judge, 3).keep for i in range(count)]
    pass_ = ceil(count / factor)
    least = max(pass_, len(front(points)))
    assert least <= sum(kept) <= max(pass_ + 1, least)  # the two ends of a front are equals
