from math import inf, isfinite, nan

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna._hypervolume import compute_hypervolume
from optuna.study._multi_objective import _fast_non_domination_rank

from foveate.search.front import Point, dominates, front, hypervolume, knee, ranks

FEW = st.integers(0, 4).map(lambda n: n / 4)  # so that ties and duplicates are common
FINITE = st.tuples(
    st.one_of(FEW, st.floats(0, 1, allow_subnormal=False)),
    st.one_of(FEW, st.floats(0, 10, allow_subnormal=False)),
)
STRANGE = st.sampled_from([nan, inf, -inf, 0.5])
POINTS = st.lists(FINITE, max_size=25)


def beaten(points: list[Point], i: int) -> bool:
    return any(
        (a >= points[i][0] and c <= points[i][1]) and (a > points[i][0] or c < points[i][1])
        for a, c in points
    )


@given(st.lists(st.one_of(FINITE, st.tuples(STRANGE, STRANGE)), max_size=25))
def test_the_front_is_what_no_other_point_beats(points: list[Point]) -> None:
    finite = [point for point in points if all(map(isfinite, point))]
    members = front(points)
    assert sorted(members) == [
        i
        for i, point in enumerate(points)
        if all(map(isfinite, point)) and not beaten(finite, finite.index(point))
    ]
    assert [points[i][1] for i in members] == sorted(points[i][1] for i in members)


@given(POINTS)
def test_the_front_is_the_one_that_optuna_finds(points: list[Point]) -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.add_trials([optuna.trial.create_trial(values=list(point)) for point in points])
    assert sorted(front(points)) == sorted(trial.number for trial in study.best_trials)


@given(POINTS)
def test_ranks_are_how_many_fronts_lie_before(points: list[Point]) -> None:
    peeled, left, number = [0] * len(points), list(range(len(points))), 0
    while left:
        here = [points[i] for i in left]
        on = [i for at, i in enumerate(left) if not beaten(here, at)]
        for i in on:
            peeled[i] = number
        left, number = [i for i in left if i not in on], number + 1
    assert ranks(points) == peeled


@given(st.lists(FINITE, min_size=1, max_size=25))
def test_ranks_are_those_of_optuna(points: list[Point]) -> None:
    losses = np.array([[-accuracy, cost] for accuracy, cost in points])
    assert ranks(points) == list(_fast_non_domination_rank(losses))


@given(POINTS, FINITE)
def test_the_hypervolume_is_that_of_optuna(points: list[Point], reference: Point) -> None:
    losses = np.array([[-accuracy, cost] for accuracy, cost in points]).reshape(-1, 2)
    bound = np.array([-reference[0], reference[1]])
    inside = losses[(losses < bound).all(1)]
    theirs = compute_hypervolume(inside, bound) if len(inside) else 0.0
    assert hypervolume(points, reference=reference) == pytest.approx(theirs, abs=1e-9)


GRID = st.tuples(st.integers(-2, 12), st.integers(-2, 12))


@given(st.lists(GRID, max_size=12))
def test_the_hypervolume_counts_each_dominated_cell_once(points: list[tuple[int, int]]) -> None:
    cells = {
        (x, y)
        for accuracy, cost in points
        for x in range(accuracy)
        for y in range(max(cost, -9), 10)
    }
    assert hypervolume(points, reference=(0, 10)) == len(cells)


@given(POINTS, FINITE)
def test_another_point_never_takes_hypervolume_away(points: list[Point], more: Point) -> None:
    before = hypervolume(points, reference=(0.0, 10.0))
    assert hypervolume([*points, more], reference=(0.0, 10.0)) >= before - 1e-12


@pytest.mark.parametrize(
    ("a", "b", "wins"),
    [
        ((0.9, 1.0), (0.8, 2.0), True),
        ((0.9, 1.0), (0.9, 2.0), True),
        ((0.9, 1.0), (0.8, 1.0), True),
        ((0.9, 1.0), (0.9, 1.0), False),
        ((0.9, 2.0), (0.8, 1.0), False),
        ((0.8, 2.0), (0.9, 1.0), False),
        ((nan, 1.0), (0.9, 2.0), False),
    ],
)
def test_one_dominates_if_it_is_nowhere_worse_and_somewhere_better(
    a: Point, b: Point, wins: bool
) -> None:
    assert dominates(a, b) is wins


def test_equal_points_are_all_on_the_front() -> None:
    assert front([(0.5, 1.0), (0.5, 1.0), (0.4, 1.0)]) == [0, 1]


def test_nothing_has_an_empty_front() -> None:
    assert front([]) == [] == ranks([])
    assert hypervolume([], reference=(0.0, 1.0)) == 0.0
    assert front([(nan, 1.0), (0.5, inf)]) == []


def test_a_single_point_is_the_front_and_dominates_a_box() -> None:
    assert front([(0.5, 1.0)]) == [0] == ranks([(0.5, 1.0)])
    assert hypervolume([(0.5, 1.0)], reference=(0.1, 3.0)) == pytest.approx(0.4 * 2.0)


def test_what_is_not_better_than_the_reference_counts_nothing() -> None:
    assert hypervolume([(0.5, 3.0), (0.1, 1.0), (0.0, 0.0)], reference=(0.1, 3.0)) == 0.0


def test_the_knee_is_the_member_farthest_above_the_line_between_the_ends() -> None:
    points = [(0.50, 1.0), (0.80, 1.2), (0.85, 2.0), (0.90, 3.0), (0.2, 9.0)]
    assert knee(points) == 1


@given(st.lists(FINITE, min_size=1, max_size=12))
def test_the_knee_is_on_the_front_and_knows_no_units(points: list[Point]) -> None:
    chosen = knee(points)
    assert chosen in front(points)
    doubled = [(4 * accuracy, 0.25 * cost) for accuracy, cost in points]  # powers of 2: exact
    assert knee(doubled) == chosen


@pytest.mark.parametrize(
    ("points", "chosen"),
    [
        ([(0.5, 1.0)], 0),
        ([(0.5, 1.0), (0.9, 2.0)], 1),
        ([(0.5, 1.0), (0.5, 1.0), (0.5, 1.0)], 2),
        ([(0.5, 1.0), (0.6, 2.0), (0.9, 3.0)], 2),  # the middle hangs below the line
        ([(nan, 1.0), (0.5, 1.0)], 1),
    ],
)
def test_without_a_bend_the_knee_is_the_most_accurate(points: list[Point], chosen: int) -> None:
    assert points[knee(points)] == points[chosen]


def test_an_empty_front_has_no_knee() -> None:
    with pytest.raises(ValueError, match="an empty front has no knee"):
        knee([(nan, nan)])
