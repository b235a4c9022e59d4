import gzip
import json
from pathlib import Path
from random import Random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

import foveate
from foveate.search.extrapolation import expected
from foveate.search.synthetic import synthetic

CURVES = Path(foveate.__file__).parent / "benchmarks" / "curves"
SHARES = st.floats(0, 1)
CURVE = st.lists(SHARES, min_size=1, max_size=9)


def recorded(name: str) -> list[list[float]]:
    content = json.loads(gzip.decompress((CURVES / f"{name}.json.gz").read_bytes()))
    return [one["accuracy"] for one in content["candidates"]]


def rise(to: float, epochs: int = 10) -> list[float]:
    return [to * epoch / epochs for epoch in range(1, epochs + 1)]


@given(CURVE, st.lists(CURVE, max_size=9))
def test_it_is_a_share_whatever_came_before(
    curve: list[float], finished: list[list[float]]
) -> None:
    assert 0.0 <= expected(curve, finished) <= 1.0


@given(CURVE, st.lists(st.lists(SHARES, min_size=10, max_size=12), max_size=9))
def test_the_order_of_the_finished_does_not_matter(
    curve: list[float], finished: list[list[float]]
) -> None:
    assert expected(curve, finished) == expected(curve, finished[::-1])


def test_without_finished_curves_it_is_the_last_value() -> None:
    assert expected([0.2, 0.6, 0.5], []) == 0.5
    assert expected([0.2, 0.6, 0.5], [[0.1, 0.9, 0.9], [0.9]]) == 0.5  # as long, and shorter
    assert expected([], []) == 0.0


def test_of_an_equal_curve_it_is_the_end_of_the_finished_one() -> None:
    assert expected(rise(0.8)[:4], [rise(0.8)]) == pytest.approx(0.8)


def test_of_one_finished_curve_a_lead_is_kept_in_part() -> None:
    ahead = [share + 0.1 for share in rise(0.8)[:5]]
    assert expected(ahead, [rise(0.8)]) == pytest.approx(0.85)  # half of the epochs, half of it


def test_without_a_curve_it_is_what_others_reach() -> None:
    assert expected([], [rise(0.6), rise(0.7), rise(0.9)]) == pytest.approx(0.7)


def test_of_many_it_learns_what_leads_are_worth() -> None:
    ends = [0.5 + n / 100 for n in range(40)]
    kept = [[end - 0.4] * 5 + [end] for end in ends]  # all of a lead is kept
    lost = [[end - 0.4] * 5 + [0.7] for end in ends]  # nothing is
    assert expected([0.5] * 5, kept) == pytest.approx(0.9, abs=0.01)
    assert expected([0.5] * 5, lost) == pytest.approx(0.7, abs=0.02)


def test_one_training_that_failed_moves_little() -> None:
    finished = [rise(0.7 + n / 100) for n in range(11)]
    before = expected(rise(0.75)[:5], finished)
    assert abs(expected(rise(0.75)[:5], [*finished, [0.1] * 10]) - before) < 0.01


def errors(curves: list[list[float]], epoch: int, finished: int) -> tuple[float, float]:
    """Mean absolute errors of what is expected and of the last value, over random halves."""
    ours, last = [], []
    for seed in range(20):
        order = curves[:]
        Random(seed).shuffle(order)
        for one in order[finished : finished + 8]:
            ours.append(abs(expected(one[:epoch], order[:finished]) - one[-1]))
            last.append(abs(one[epoch - 1] - one[-1]))
    return fmean(ours), fmean(last)


@pytest.mark.parametrize("finished", [1, 3, 10, 20])
@pytest.mark.parametrize("epoch", [3, 4, 6, 8, 12])
@pytest.mark.parametrize("name", ["places", "widths"])
def test_recorded_curves_end_nearer_to_it_than_to_their_last_value(
    name: str, epoch: int, finished: int
) -> None:
    ours, last = errors(recorded(name), epoch, finished)
    assert ours < last * (0.75 if finished > 1 else 1.0)


@pytest.mark.parametrize("epoch", [4, 8, 12])
def test_invented_curves_end_nearer_to_it_than_to_their_last_value(epoch: int) -> None:
    ours, last = errors([list(one.accuracy) for one in synthetic(40, 16, seed=1)], epoch, 10)
    assert ours < 0.75 * last
