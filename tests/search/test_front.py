from itertools import product
from math import inf, isfinite, nan
from random import Random
from time import process_time

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna._hypervolume import compute_hypervolume
from optuna.study._multi_objective import _fast_non_domination_rank, _is_pareto_front

from foveate.search.front import (
    Point,
    dominates,
    front,
    hypervolume,
    knee,
    ranks,
    scaled_hypervolume,
)

FEW = st.integers(0, 4).map(lambda n: n / 4)  # so that ties and duplicates are common
SHARE = st.one_of(FEW, st.floats(0, 1, allow_subnormal=False))
COST = st.one_of(FEW, st.floats(0, 10, allow_subnormal=False))
STRANGE = st.sampled_from([nan, inf, -inf, 0.5, 0.0, -0.0])
FINITE = st.tuples(SHARE, COST)
POINTS = st.lists(FINITE, max_size=25)


def points_of(costs: int, **sizes: int) -> st.SearchStrategy[list[Point]]:
    return st.lists(st.tuples(SHARE, *[COST] * costs), **({"max_size": 25} | sizes))


ANY = st.integers(1, 3).flatmap(points_of)  # of two, three or four objectives


def losses(points: list[Point]) -> np.ndarray:
    """As Optuna has them: all to be small."""
    return np.array([[-accuracy, *costs] for accuracy, *costs in points])


def beats(a: Point, b: Point) -> bool:
    """In another way: of the differences none is for the worse, and one for the better."""
    gains = [a[0] - b[0], *(theirs - mine for mine, theirs in zip(a[1:], b[1:], strict=True))]
    return min(gains) >= 0 and max(gains) > 0


def beaten(points: list[Point], i: int) -> bool:
    return any(beats(point, points[i]) for point in points)


@given(
    st.integers(1, 3).flatmap(
        lambda costs: st.lists(
            st.one_of(st.tuples(SHARE, *[COST] * costs), st.tuples(*[STRANGE] * (1 + costs))),
            max_size=25,
        )
    )
)
def test_the_front_is_what_no_other_point_beats(points: list[Point]) -> None:
    finite = [point for point in points if all(map(isfinite, point))]
    members = front(points)
    assert sorted(members) == [
        i
        for i, point in enumerate(points)
        if all(map(isfinite, point)) and not beaten(finite, finite.index(point))
    ]
    assert [points[i][1:] for i in members] == sorted(points[i][1:] for i in members)


@given(ANY)
def test_the_front_is_the_one_that_optuna_finds(points: list[Point]) -> None:
    theirs = _is_pareto_front(losses(points), False) if points else np.array([])
    assert sorted(front(points)) == list(np.flatnonzero(theirs))


@given(POINTS)
def test_the_front_is_the_one_of_optunas_study(points: list[Point]) -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.add_trials([optuna.trial.create_trial(values=list(point)) for point in points])
    assert sorted(front(points)) == sorted(trial.number for trial in study.best_trials)


@given(ANY)
def test_ranks_are_how_many_fronts_lie_before(points: list[Point]) -> None:
    peeled, left, number = [0] * len(points), list(range(len(points))), 0
    while left:
        here = [points[i] for i in left]
        on = [i for at, i in enumerate(left) if not beaten(here, at)]
        for i in on:
            peeled[i] = number
        left, number = [i for i in left if i not in on], number + 1
    assert ranks(points) == peeled
    assert sorted(front(points)) == [i for i, rank in enumerate(peeled) if rank == 0]


@given(st.integers(1, 3).flatmap(lambda costs: points_of(costs, min_size=1, max_size=60)))
def test_ranks_are_those_of_optuna(points: list[Point]) -> None:
    assert ranks(points) == list(_fast_non_domination_rank(losses(points)))


EXTREME = st.sampled_from([-inf, 0.0, -0.0, 1.0, inf])


@given(
    st.integers(1, 3).flatmap(
        lambda costs: st.lists(st.tuples(*[EXTREME] * (1 + costs)), min_size=1, max_size=25)
    )
)
def test_what_is_infinite_is_ranked_as_the_first_or_the_last(points: list[Point]) -> None:
    ordered = {-inf: -2.0, 0.0: 0.0, 1.0: 1.0, inf: 2.0}
    assert ranks(points) == ranks([tuple(ordered[value] for value in p) for p in points])


@given(
    st.integers(1, 3).flatmap(
        lambda costs: st.lists(
            st.tuples(st.integers(0, 9), *[st.integers(0, 5)] * costs), max_size=25
        )
    ),
    st.integers(0, 4),
)
def test_with_a_lead_only_what_is_so_much_more_accurate_dominates(
    points: list[Point], lead: int
) -> None:
    """By definition: one more than the highest rank of what dominates it."""

    def rank(i: int) -> int:
        better = [
            j
            for j, other in enumerate(points)
            if other != points[i]
            and other[0] >= points[i][0] + lead
            and all(a <= b for a, b in zip(other[1:], points[i][1:], strict=True))
        ]
        assert better == [
            j for j, other in enumerate(points) if dominates(other, points[i], lead=lead)
        ]
        return 1 + max((known[j] if j in known else rank(j) for j in better), default=-1)

    known: dict[int, int] = {}
    for i in range(len(points)):
        known[i] = rank(i)
    assert ranks(points, lead=lead) == [known[i] for i in range(len(points))]


@pytest.mark.parametrize("point", [(nan, 1.0), (0.5, nan), (0.5, 1.0, nan)])
def test_what_is_no_number_has_no_rank(point: Point) -> None:
    with pytest.raises(ValueError, match="a point that is not a number has no rank"):
        ranks([point, point[:1] + (1.0,) * (len(point) - 1)])


@given(
    st.integers(1, 3).flatmap(
        lambda costs: st.tuples(points_of(costs), st.tuples(SHARE, *[COST] * costs))
    )
)
def test_the_hypervolume_is_that_of_optuna(drawn: tuple[list[Point], Point]) -> None:
    points, reference = drawn
    bound = losses([reference])[0]
    inside = [loss for loss in losses(points) if (loss < bound).all()]
    theirs = compute_hypervolume(np.array(inside), bound) if inside else 0.0
    assert hypervolume(points, reference=reference) == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("costs", [1, 2, 3])
def test_the_hypervolume_of_a_large_front_is_that_of_optuna(costs: int) -> None:
    drawn = np.abs(np.random.default_rng(costs).normal(size=(60, 1 + costs)))
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)  # all on the front
    drawn[:, 1:] = 1 - drawn[:, 1:]
    points = [tuple(row) for row in drawn.tolist()]
    assert len(front(points)) == 60
    bound = np.array([0.0, *[1.0] * costs])
    found = hypervolume(points, reference=tuple(bound))
    assert found == pytest.approx(compute_hypervolume(losses(points), bound), rel=1e-12)


@pytest.mark.parametrize(("costs", "size"), [(1, 10), (2, 6), (3, 4)])
@given(data=st.data())
def test_the_hypervolume_counts_each_dominated_cell_once(
    costs: int, size: int, data: st.DataObject
) -> None:
    value = st.integers(-2, size + 2)
    points = data.draw(st.lists(st.tuples(*[value] * (1 + costs)), max_size=12))
    cells = {
        cell
        for accuracy, *dear in points
        for cell in product(range(accuracy), *(range(max(cost, -3), size) for cost in dear))
    }
    assert hypervolume(points, reference=(0, *[size] * costs)) == len(cells)


@given(st.integers(1, 3).flatmap(lambda costs: points_of(costs, min_size=1, max_size=12)))
def test_another_point_never_takes_hypervolume_away(points: list[Point]) -> None:
    reference = (0.0, *[10.0] * (len(points[0]) - 1))
    before = hypervolume(points[1:], reference=reference)
    assert hypervolume(points, reference=reference) >= before * (1 - 1e-12)


@given(
    st.lists(st.tuples(FEW, *[st.integers(0, 5)] * 2), max_size=8),
    st.tuples(st.integers(0, 3), st.integers(0, 3)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
)
def test_the_scaled_hypervolume_is_the_mean_best_accuracy_over_budgets(
    points: list[Point], bare: tuple[int, int], widths: tuple[int, int]
) -> None:
    budgets = [
        (bare[0] + one + 0.5, bare[1] + other + 0.5)
        for one, other in product(range(widths[0]), range(widths[1]))
    ]
    best = [
        max((p[0] for p in points if p[1] <= budget[0] and p[2] <= budget[1]), default=0.0)
        for budget in budgets
    ]
    dearest = [least + width for least, width in zip(bare, widths, strict=True)]
    found = scaled_hypervolume(points, bare, dearest)
    assert found == pytest.approx(sum(best) / len(best), abs=1e-12)


def test_a_cost_in_which_nothing_is_dearer_is_one_budget() -> None:
    points = [(0.5, 1.0, 7.0), (0.75, 2.0, 7.0)]
    assert scaled_hypervolume(points, [1.0, 7.0], [3.0, 7.0]) == (0.5 + 0.75) / 2


def test_the_front_of_many_points_comes_at_once() -> None:
    rng = Random(0)
    points = [(rng.random(), rng.random()) for _ in range(100_000)]
    start = process_time()
    members = front(points)
    assert process_time() - start < 1.0  # 0.05 s; the bound leaves room for a busy machine
    assert all(not beats(points[j], points[i]) for i in members for j in range(0, 100_000, 7))


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
        ((0.9, 1.0), (0.8, nan), False),
        ((0.9, 1.0, 5.0), (0.9, 1.0, 6.0), True),
        ((0.9, 1.0, 6.0), (0.8, 2.0, 5.0), False),
        ((0.9, 1.0, 5.0, 1.0), (0.9, 1.0, 5.0, 1.0), False),
    ],
)
def test_one_dominates_if_it_is_nowhere_worse_and_somewhere_better(
    a: Point, b: Point, wins: bool
) -> None:
    assert dominates(a, b) is wins


def test_points_of_different_costs_are_not_compared() -> None:
    with pytest.raises(ValueError, match="zip"):
        dominates((0.9, 1.0), (0.8, 2.0, 3.0))
    with pytest.raises(ValueError, match="inhomogeneous"):
        front([(0.9, 1.0), (0.8, 2.0, 3.0)])


def test_equal_points_are_all_on_the_front() -> None:
    assert front([(0.5, 1.0), (0.5, 1.0), (0.4, 1.0)]) == [0, 1]
    assert front([(0.5, 1.0, 2.0), (0.4, 1.0, 2.0), (0.5, 1.0, 2.0)]) == [0, 2]


def test_nothing_has_an_empty_front() -> None:
    assert front([]) == [] == ranks([])
    assert hypervolume([], reference=(0.0, 1.0)) == 0.0 == hypervolume([], reference=(0, 1, 1))
    assert front([(nan, 1.0), (0.5, inf)]) == []


def test_a_single_point_is_the_front_and_dominates_a_box() -> None:
    assert front([(0.5, 1.0)]) == [0] == ranks([(0.5, 1.0)])
    assert hypervolume([(0.5, 1.0)], reference=(0.1, 3.0)) == pytest.approx(0.4 * 2.0)
    assert front([(0.5, 1.0, 2.0)]) == [0] == ranks([(0.5, 1.0, 2.0)])
    assert hypervolume([(0.5, 1.0, 2.0)], reference=(0.1, 3.0, 7.0)) == pytest.approx(0.4 * 2 * 5)


def test_what_is_not_better_than_the_reference_counts_nothing() -> None:
    assert hypervolume([(0.5, 3.0), (0.1, 1.0), (0.0, 0.0)], reference=(0.1, 3.0)) == 0.0
    outside = [(0.5, 3.0, 0.0), (0.5, 0.0, 4.0), (0.1, 0.0, 0.0), (nan, 0.0, 0.0), (0.5, 0, -inf)]
    assert hypervolume(outside, reference=(0.1, 3.0, 4.0)) == 0.0


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
