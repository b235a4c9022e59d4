from collections.abc import Sequence
from fractions import Fraction
from math import ceil, inf, nextafter
from random import Random
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.errors import BadValue
from foveate.search.front import front
from foveate.search.stopping import Decision, Reached, Stopping, decide, rungs

RULES = ("pareto", "asha", "median", "none")
TIES = ("epsilon-net", "hypervolume", "crowding")


def reached(points: Sequence[tuple[float, ...]]) -> list[Reached]:
    """Candidates of one epoch: (accuracy, cost, ...) of each."""
    return [Reached(number, (point[0],), tuple(point[1:])) for number, point in enumerate(points)]


def jumping(
    points: Sequence[tuple[float, ...]], lead: float
) -> tuple[list[Reached], dict[str, float]]:
    """Candidates, and settings under which ``lead`` is how much better one has to be."""
    jump = 0.125
    candidates = [
        Reached(number, (point[0], point[0] + jump, point[0]), tuple(point[1:]))
        for number, point in enumerate(points)
    ]
    deviation = jump / 0.6745 / 1.5**0.5  # of an epoch; of a difference of two, times sqrt(2)
    return candidates, {"lately": 1, "tolerance": lead / deviation / 2**0.5}


def judged(candidates: list[Reached], i: int, stopping: Stopping) -> Decision:
    others = candidates[:i] + candidates[i + 1 :]
    return decide(candidates[i], others, stopping, len(candidates[i].curve))


def rung(costs: int = 1, epochs: int = 3, most: int = 25) -> st.SearchStrategy[list[Reached]]:
    """Candidates at a rung, many of them equal in one thing or another."""
    shares = st.integers(0, 20).map(lambda n: n / 20)
    one = st.tuples(
        st.tuples(*[shares] * epochs), st.tuples(*[st.integers(1, 6).map(float)] * costs)
    )
    return st.lists(one, min_size=1, max_size=most).map(
        lambda found: [Reached(number, *two) for number, two in enumerate(found)]
    )


@pytest.mark.parametrize(
    ("settings", "epochs", "found"),
    [
        ({"first": 4}, 12, [4, 8]),
        ({"first": 4}, 21, [4, 8, 16]),
        ({"first": 4}, 4, []),
        ({"first": 4}, 5, [4]),
        ({"first": 1}, 9, [1, 2, 4, 8]),
        ({"first": 2, "factor": 3}, 60, [2, 6, 18, 54]),
        ({"first": 1, "factor": 1.5}, 8, [1, 2, 3, 4, 7]),  # 1, 2, 3, 4.5, 6.75, rounded
        ({"first": 1, "factor": 1.01}, 5, [1, 2, 3, 4]),
        ({"first": 9}, 9, []),
        ({"first": 2, "rule": "asha"}, 9, [2, 4, 8]),
        ({"first": 3, "rule": "median"}, 7, [3, 4, 5, 6]),
        ({"rule": "none"}, 100, []),
    ],
)
def test_rungs_lie_factor_times_apart_and_the_last_epoch_is_none(
    settings: dict[str, object], epochs: int, found: list[int]
) -> None:
    assert rungs(Stopping.of({"factor": 2.0, **settings}), epochs) == found


@given(st.integers(1, 9), st.floats(1.001, 8), st.integers(1, 200), st.sampled_from(RULES))
def test_rungs_rise_and_end_before_the_end(
    first: int, factor: float, epochs: int, rule: str
) -> None:
    found = rungs(Stopping.of({"first": first, "factor": factor, "rule": rule}), epochs)
    assert found == sorted(set(found))
    assert all(first <= at < epochs for at in found)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"factor": 1}, "factor: should be greater than 1, got 1"),
        ({"first": 0}, "first: should be greater than or equal to 1, got 0"),
        ({"least": 1}, "least: should be greater than or equal to 2, got 1"),
        ({"lately": 0}, "lately: should be greater than or equal to 1, got 0"),
        ({"tolerance": -0.1}, "tolerance: should be greater than or equal to 0, got -0.1"),
        (
            {"ties": "chance"},
            "ties may be 'epsilon-net', 'hypervolume' or 'crowding', got 'chance'",
        ),
        ({"rule": "mean"}, "rule may be 'pareto', 'asha', 'median' or 'none', got 'mean'"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    settings: dict[str, object], sentence: str
) -> None:
    with pytest.raises(BadValue) as caught:
        Stopping.of(settings)
    assert str(caught.value) == sentence


def test_the_settings_of_an_older_study_are_still_read() -> None:
    old = {"rule": "pareto", "first": 4, "factor": 2.0, "least": 6}
    assert Stopping.of(old).to_dict().items() >= old.items()


# ---------------------------------------------------------------------------------- any rule


@given(rung(), st.sampled_from(RULES), st.sampled_from(TIES), st.randoms(use_true_random=False))
def test_the_order_of_the_others_does_not_matter(
    candidates: list[Reached], rule: str, ties: str, rng: Random
) -> None:
    stopping = Stopping.of({"rule": rule, "ties": ties, "least": 2})
    candidate, *others = candidates
    decision = decide(candidate, others, stopping, 3)
    rng.shuffle(others)
    assert decide(candidate, others, stopping, 3) == decision


@pytest.mark.parametrize("rule", RULES[:-1])
@pytest.mark.parametrize("least", [2, 6, 9])
def test_too_few_peers_keep_even_the_worst(least: int, rule: str) -> None:
    stopping = Stopping.of({"least": least, "rule": rule, "factor": 2.0})
    points = [(0.0, 9.0)] + [(0.9, 1.0)] * (least - 1)
    decision = judged(reached(points[:-1]), 0, stopping)
    assert decision.keep
    assert decision.reason == f"the first {least - 1} at epoch 1"
    assert not judged(reached(points), 0, stopping).keep


@given(rung(), st.sampled_from(RULES), st.sampled_from(TIES), st.floats(0, 0.3))
def test_just_above_the_threshold_it_would_have_passed(
    candidates: list[Reached], rule: str, ties: str, tolerance: float
) -> None:
    settings = {"rule": rule, "ties": ties, "least": 2, "lately": 1, "tolerance": 10 * tolerance}
    stopping = Stopping.of(settings)
    candidate, *others = candidates
    decision = decide(candidate, others, stopping, 3)
    assert (decision.threshold is None) == decision.keep
    if decision.threshold is not None:
        assert decision.threshold >= decision.accuracy
        curve = (0.0, 0.0, nextafter(decision.threshold, inf))
        assert decide(Reached(99, curve, candidate.costs), others, stopping, 3).keep


@given(rung(), st.sampled_from(RULES), st.sampled_from(TIES))
def test_a_decision_is_plain_data(candidates: list[Reached], rule: str, ties: str) -> None:
    stopping = Stopping.of({"rule": rule, "ties": ties, "least": 2, "tolerance": 0.0})
    decision = judged(candidates, 0, stopping)
    plain = decision.to_dict()
    assert Decision(**plain) == decision
    assert (plain["rule"], plain["of"]) == (rule, len(candidates))
    assert {type(value) for value in plain.values()} <= {bool, str, int, float, type(None)}


# ------------------------------------------------------------------------------------ pareto


@pytest.mark.parametrize("ties", TIES)
@given(rung(epochs=1))
def test_a_member_of_the_front_is_never_stopped(ties: str, candidates: list[Reached]) -> None:
    stopping = Stopping.of({"least": 2, "factor": 50, "ties": ties})
    points = [(one.curve[0], one.costs[0]) for one in candidates]
    for i in front(points):
        assert judged(candidates, i, stopping).keep


def peeled(points: Sequence[tuple[float, ...]], lead: float) -> list[int]:
    """The rank of each point, front by front, in the slow and plain way."""

    def beats(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
        no_dearer = all(x <= y for x, y in zip(a[1:], b[1:], strict=True))
        return a != b and no_dearer and a[0] >= b[0] + lead

    found: dict[int, int] = {}
    rank = 0
    while len(found) < len(points):
        left = [i for i in range(len(points)) if i not in found]
        on = [i for i in left if not any(beats(points[j], points[i]) for j in left)]
        found |= dict.fromkeys(on, rank)
        rank += 1
    return [found[i] for i in range(len(points))]


@pytest.mark.parametrize("costs", [1, 2, 3])
@given(data=st.data(), lead=st.sampled_from([0.0, 0.03, 0.1]))
def test_the_rank_is_how_many_fronts_are_peeled_off(
    costs: int, data: st.DataObject, lead: float
) -> None:
    # sixteenths, of which no lead is a multiple
    shares = st.integers(0, 16).map(lambda n: n / 16)
    some = st.tuples(shares, *[st.integers(1, 5).map(float)] * costs)
    points = data.draw(st.lists(some, min_size=2, max_size=15))
    wanted = peeled(points, lead)
    candidates, settings = jumping(points, lead)
    stopping = Stopping.of({"factor": 2.0, "least": 2, **settings})
    found = [judged(candidates, i, stopping) for i in range(len(points))]
    assert [one.rank for one in found] == wanted
    on_front = [rank == 0 for rank in peeled(points, 0.0)]
    for i, one in enumerate(found):
        peers = [j for j in range(len(points)) if wanted[j] == wanted[i]]
        inner = dict(zip(peers, peeled([points[j] for j in peers], 0.0), strict=True))
        ahead = sum(rank < wanted[i] for rank in wanted)
        ahead += sum(rank < inner[i] for rank in inner.values())
        assert one.place is not None
        assert ahead < one.place <= ahead + list(inner.values()).count(inner[i])
        assert one.keep == (on_front[i] or one.place - 1 < Fraction(len(points), 2))


def test_with_three_objectives_what_saves_any_cost_is_kept() -> None:
    points = [(0.9, 1.0 + n / 10, 5.0) for n in range(9)]
    stopping = Stopping(factor=4, least=2)
    dominated, saves_latency = (0.5, 2.0, 5.0), (0.5, 2.0, 4.9)
    assert not judged(reached([dominated, *points]), 0, stopping).keep
    decision = judged(reached([saves_latency, *points]), 0, stopping)
    assert (decision.keep, decision.rank) == (True, 0)
    assert "50.00 %, 2, 4.9 as costs" in decision.reason


def test_candidates_of_different_costs_are_not_compared() -> None:
    candidate, *others = reached([(0.5, 1.0, 2.0)] + [(0.5, 1.0)] * 9)
    with pytest.raises(ValueError, match="every candidate has 2 costs"):
        decide(candidate, others, Stopping(), 1)


def test_a_dominated_candidate_among_many_is_stopped_and_told_why() -> None:
    others = [(0.5 + n / 100, 0.04 + n / 1000) for n in range(9)]
    stopping = Stopping.of({"first": 4, "factor": 2, "least": 6, "ties": "crowding"})
    decision = judged(reached([(0.123456, 0.05), *others]), 0, stopping)
    assert decision == Decision(
        keep=False,
        reason="place 10 of 10 at epoch 1 by rank 1 on (accuracy 12.35 %, 0.05 GFLOPs); "
        "more than 58.00 % would have passed",
        rule="pareto",
        epoch=1,
        accuracy=0.123456,
        of=10,
        place=10,
        rank=1,
        threshold=0.58,
    )


def test_a_candidate_that_passes_is_told_its_place_and_no_threshold() -> None:
    decision = judged(reached([(0.9, 0.03)] + [(0.5, 0.04)] * 9), 0, Stopping())
    assert decision.keep
    assert decision.threshold is None
    assert decision.reason == (
        "place 1 of 10 at epoch 1 by rank 0 on (accuracy 90.00 %, 0.03 GFLOPs)"
    )


def test_a_jump_of_one_epoch_does_not_decide() -> None:
    steady = [Reached(n, (0.50, 0.52, 0.54 + n / 1000), (1.0,)) for n in range(9)]
    dip, leap = Reached(98, (0.60, 0.62, 0.40), (1.0,)), Reached(99, (0.1, 0.1, 0.56), (1.0,))
    lately = Stopping(least=2, lately=3, factor=2, tolerance=0)
    assert decide(dip, steady, lately, 3).keep
    assert not decide(leap, steady, lately, 3).keep
    last = Stopping(least=2, lately=1, factor=2, tolerance=0)
    assert not decide(dip, steady, last, 3).keep
    assert decide(leap, steady, last, 3).keep


def test_what_leads_by_less_than_the_tolerance_does_not_dominate() -> None:
    points = [(0.700, 2.0)] + [(0.705, 1.0)] * 9
    for lead, rank in ((0.0051, 0), (0.0049, 1)):
        candidates, settings = jumping(points, lead)
        stopping = Stopping.of({"least": 2, **settings})
        assert judged(candidates, 0, stopping).rank == rank


def test_the_noise_is_that_of_a_typical_curve() -> None:
    rng = Random(0)
    course = [0.1 * epoch for epoch in range(1, 7)]
    others = [
        Reached(n, tuple(share + rng.gauss(0, 0.02) for share in course), (1.0,))
        for n in range(2000)
    ]
    others += [Reached(9000 + n, (0.1, 0.9, 0.1, 0.9, 0.1, 0.9), (1.0,)) for n in range(40)]
    settings = {"least": 2, "lately": 1}
    steady = [Reached(n, tuple(course), (1.0,)) for n in range(3)]  # no noise, no tolerance
    behind = Reached(9999, tuple(share - 0.001 for share in course), (1.0,))
    assert decide(behind, steady, Stopping.of({**settings, "tolerance": 1.0}), 6).rank == 1
    best = max(one.curve[-1] for one in others)
    for tolerance, rank in ((3.0, 1), (3.6, 0)):  # 3.3 * 0.02 * sqrt(2) = 0.0933 below the best
        here = Reached(9999, (*course[:-1], best - 0.0933), (1.0,))
        found = decide(here, others, Stopping.of({**settings, "tolerance": tolerance}), 6)
        assert (found.rank == 0) == (rank == 0)


def test_the_cheap_end_survives_where_accuracy_alone_would_stop_it() -> None:
    rng = Random(0)
    costs = [0.04 * (1 + n / 20) for n in range(20)]
    points = [(0.5 + 4 * (cost - 0.04) + rng.uniform(-0.02, 0.02), cost) for cost in costs]
    cheap = [i for i in range(20) if costs[i] < 0.05]
    stay = {
        rule: [i for i in cheap if judged(reached(points), i, Stopping.of({"rule": rule})).keep]
        for rule in ("pareto", "asha")
    }
    assert stay["asha"] == []
    assert 0 in stay["pareto"] and len(stay["pareto"]) >= 2


@given(
    st.integers(0, 10**6), st.integers(6, 40), st.floats(1.1, 5), st.sampled_from(["epsilon-net"])
)
def test_a_rung_keeps_one_in_factor_and_the_front(
    seed: int, count: int, factor: float, ties: str
) -> None:
    rng = Random(seed)
    candidates = reached([(rng.random(), rng.random()) for _ in range(count)])
    stopping = Stopping.of({"factor": factor, "least": 2, "ties": ties})
    kept = sum(judged(candidates, i, stopping).keep for i in range(count))
    members = len(front([(one.curve[0], one.costs[0]) for one in candidates]))
    assert kept == max(ceil(count / factor), members)  # the order is strict: no two are equals


def spread(mine: tuple[float, ...], peers: list[tuple[float, ...]]) -> int:
    """The greedy order of arXiv 2106.12639, step by step."""
    widths = [max(axis) - min(axis) or 1.0 for axis in zip(*peers, strict=True)]

    def apart(a: tuple[float, ...], b: tuple[float, ...]) -> float:
        return sum(((x - y) / w) ** 2 for x, y, w in zip(a, b, widths, strict=True))

    order = [max(peers)]
    left = set(peers) - {order[0]}
    while left:
        far = max(left, key=lambda one: (min(apart(one, two) for two in order), one))
        order.append(far)
        left.remove(far)
    return sum(peers.count(one) for one in order[: order.index(mine)])


@given(st.sets(st.integers(1, 63), max_size=10), st.integers(1, 2))
def test_within_a_front_the_order_spreads_along_it(steps: set[int], costs: int) -> None:
    # all on one front; from 0 to 64, so that nothing is rounded
    points = [(step / 64, *[float(step)] * costs) for step in (0, *steps, 64)]
    stopping = Stopping.of({"least": 2, "lately": 1, "ties": "epsilon-net"})
    for i, point in enumerate(points):
        place = judged(reached(points), i, stopping).place
        assert place == spread(point, points) + 1


def test_within_a_front_the_one_that_adds_more_area_comes_first() -> None:
    points = [(0.1, 1.0), (0.5, 2.0), (0.51, 3.0), (0.7, 4.0), (0.9, 9.0)]
    stopping = Stopping.of({"least": 2, "lately": 1, "ties": "hypervolume"})
    places = [judged(reached(points), i, stopping).place for i in range(5)]
    # 0.4 * 1, 0.01 * 1 and 0.19 * 5 are added by the three between the ends
    assert places == [1, 4, 5, 3, 1]


# ------------------------------------------------------------------------------- the other rules


@given(rung(), st.floats(1.01, 9))
def test_asha_keeps_the_most_accurate(candidates: list[Reached], factor: float) -> None:
    stopping = Stopping.of({"rule": "asha", "factor": factor, "least": 2})
    if len(candidates) < 2:
        return
    best_first = sorted((one.curve[-1] for one in candidates), reverse=True)
    last_to_pass = best_first[ceil(Fraction(len(candidates)) / Fraction(factor)) - 1]
    for i, one in enumerate(candidates):
        decision = judged(candidates, i, stopping)
        assert decision.keep == (one.curve[-1] >= last_to_pass)
        assert decision.place == best_first.index(one.curve[-1]) + 1


@given(rung())
def test_the_median_rule_compares_the_best_with_running_means(candidates: list[Reached]) -> None:
    candidate, *others = candidates
    if not others:
        return
    means = sorted(sum(one.curve) / 3 for one in others)
    middle = (means[(len(means) - 1) // 2] + means[len(means) // 2]) / 2
    stopping = Stopping.of({"rule": "median", "least": 2})
    if abs(max(candidate.curve) - middle) > 1e-9:
        assert decide(candidate, others, stopping, 3).keep == (max(candidate.curve) > middle)


def test_the_median_rule_says_what_it_compared() -> None:
    others = [Reached(n, (0.2, 0.4, 0.6), (1.0,)) for n in range(6)]
    decision = decide(
        Reached(9, (0.1, 0.39, 0.3), (1.0,)), others, Stopping(rule="median", least=2), 3
    )
    assert (decision.keep, decision.place, decision.rank) == (False, None, None)
    assert decision.reason == (
        "at its best 39.00 % until epoch 3, below the median of the running means "
        "of 6 others (40.00 %)"
    )


@given(rung())
def test_without_a_rule_all_are_kept(candidates: list[Reached]) -> None:
    assert judged(candidates, 0, Stopping(rule="none")).keep


# --------------------------------------------------------------------------------------- time


@pytest.mark.parametrize(("costs", "seconds"), [(1, 0.5), (2, 3.0)])
def test_thousands_of_others_are_no_wait(costs: int, seconds: float) -> None:
    rng = Random(0)
    candidates = [
        Reached(n, tuple(rng.random() for _ in range(8)), tuple(rng.random() for _ in range(costs)))
        for n in range(2000)
    ]
    worst = Reached(9999, (0.0,) * 8, (2.0,) * costs)
    start = process_time()
    assert not decide(worst, candidates, Stopping(), 8).keep
    assert process_time() - start < seconds
