from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.errors import BadValue, UnknownName, UserError
from foveate.search.objectives import (
    COSTS,
    UNITS,
    Constraint,
    check_objectives,
    check_reachable,
    costs_of,
    values,
    violations,
)
from foveate.search.spec import SearchSpec
from foveate.spaces import Placement, cost

BARE = {"gflops": 0.04, "parameters": 78_000.0, "memory": 65_536.0}
LIMITS = st.floats(1e-6, 1e12, allow_subnormal=False)
CONSTRAINTS = st.builds(Constraint, st.sampled_from(COSTS), LIMITS, st.booleans())


# -------------------------------------------------------------------------------- one constraint


@pytest.mark.parametrize(
    ("text", "cost", "limit", "is_relative", "spelling"),
    [
        ("gflops <= 1.02 * backbone", "gflops", 1.02, True, "gflops <= 1.02 * backbone"),
        ("gflops<=1.02*backbone", "gflops", 1.02, True, "gflops <= 1.02 * backbone"),
        (" memory  <=  backbone ", "memory", 1.0, True, "memory <= backbone"),
        ("memory <= 1.0 * backbone", "memory", 1.0, True, "memory <= backbone"),
        ("parameters <= 300000", "parameters", 3e5, False, "parameters <= 300000"),
        ("parameters <= 300k", "parameters", 3e5, False, "parameters <= 300000"),
        ("memory <= .5M", "memory", 5e5, False, "memory <= 500000"),
        ("memory <= 2G", "memory", 2e9, False, "memory <= 2000000000"),
        ("gflops <= 4e-2", "gflops", 0.04, False, "gflops <= 0.04"),
        ("latency <= 1.5", "latency", 1.5, False, "latency <= 1.5"),
    ],
)
def test_a_constraint_is_a_sentence_with_one_spelling(
    text: str, cost: str, limit: float, is_relative: bool, spelling: str
) -> None:
    found = Constraint.parse(text)
    assert found == Constraint(cost, limit, is_relative)
    assert str(found) == spelling


@given(CONSTRAINTS)
def test_a_constraint_survives_its_spelling(constraint: Constraint) -> None:
    assert Constraint.parse(str(constraint)) == constraint


WRITTEN = "a constraint is written 'gflops <= 1.02 * backbone' or 'parameters <= 300k', got "


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        *(
            (text, f"{WRITTEN}{text!r}")
            for text in [
                "",
                "gflops",
                "gflops < 3",
                "gflops >= 3",
                "gflops <= -3",
                "gflops <= 3 GFLOPs",
                "gflops <= 1.02 backbone",
                "gflops <= 1k * backbone",
                "gflops <= backbone * 1.02",
                "1 <= gflops",
                "gflops <= 1 <= 2",
                "gflops <= nan",
            ]
        ),
        (
            "flops <= 3",
            "no cost 'flops'; did you mean 'gflops'? "
            "there are: gflops, parameters, memory, latency",
        ),
        (
            "accuracy <= 0.9",
            "no cost 'accuracy'; there are: gflops, parameters, memory, latency",
        ),
        ("gflops <= 0", "a constraint bounds gflops by more than 0, got 0"),
        ("gflops <= 0 * backbone", "a constraint bounds gflops by more than 0, got 0"),
        ("gflops <= 1e999", "a constraint bounds gflops by more than 0, got inf"),
    ],
)
def test_what_is_no_constraint_is_told_what_may_be_written(text: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        Constraint.parse(text)
    assert str(caught.value) == sentence


@given(CONSTRAINTS, st.floats(1e-3, 1e9), st.floats(1e-3, 1e9))
def test_the_violation_is_the_share_above_the_bound(
    constraint: Constraint, mine: float, bare: float
) -> None:
    bound = constraint.limit * (bare if constraint.is_relative else 1)
    found = constraint.violation({constraint.cost: mine}, {constraint.cost: bare})
    assert bound * (1 + found) == pytest.approx(mine, rel=1e-9, abs=1e-9 * bound)
    if abs(mine - bound) > 1e-9 * bound:
        assert (found > 0) == (mine > bound)


@given(st.integers(1, 10_000), st.integers(101, 300))
def test_what_is_right_at_the_bound_keeps_it(bare: int, percent: int) -> None:
    """Whatever 1.15 * 100 comes to in floating point."""
    constraint = Constraint.parse(f"parameters <= {percent / 100} * backbone")
    at = {"parameters": bare * percent / 100}
    assert constraint.violation(at, {"parameters": bare}) == 0
    assert constraint.violation({"parameters": bare * percent / 100 + 1}, {"parameters": bare}) > 0


# ------------------------------------------------------------------------------- those of a study


def test_the_costs_of_a_network_are_those_that_are_counted() -> None:
    priced = cost(Placement("resnet8"), 16, 10)
    assert costs_of(priced) == {
        "gflops": priced.operations / 1e9,
        "parameters": priced.parameters,
        "memory": priced.peak_bytes,
    }
    sum_of_two: Any = priced + priced  # of which nobody knows the peak
    assert "memory" not in costs_of(sum_of_two)
    assert (*costs_of(priced), "latency") == COSTS == tuple(UNITS)


def test_values_are_in_the_order_of_the_objectives() -> None:
    costs = BARE | {"latency": 2}
    objectives = ("accuracy", "latency", "gflops")
    found = values(objectives, 1, costs)
    assert found == (1.0, 2.0, 0.04)
    assert {type(value) for value in found} == {float}  # Optuna's sampler cannot mix them
    with pytest.raises(KeyError, match="latency"):
        values(objectives, 0.5, BARE)


def test_violations_are_by_constraint_and_wait_for_what_is_measured() -> None:
    texts = ["gflops <= 1.5 * backbone", "parameters <= 39k", "latency <= 1.25 * backbone"]
    constraints = [Constraint.parse(text) for text in texts]
    mine = BARE | {"gflops": 0.03}
    counted = {"gflops <= 1.5 * backbone": -0.5, "parameters <= 39000": 1.0}
    assert violations(constraints, mine, BARE) == counted
    measured = violations(constraints, mine | {"latency": 3.0}, BARE | {"latency": 2.0})
    assert measured == counted | {"latency <= 1.25 * backbone": 0.2}
    assert violations([], mine, BARE) == {}


@pytest.mark.parametrize(
    ("objectives", "sentence"),
    [
        (["gflops", "accuracy"], "['gflops', 'accuracy']"),
        (["accuracy"], "['accuracy']"),
        (["gflops"], "['gflops']"),
        ([], "[]"),
    ],
)
def test_a_front_has_the_accuracy_first_and_costs(objectives: list[str], sentence: str) -> None:
    with pytest.raises(BadValue) as caught:
        check_objectives(tuple(objectives))
    assert str(caught.value) == (
        "objectives are accuracy and then one of gflops, parameters, memory or latency or several, "
        f"got {sentence}"
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("objectives=[accuracy]", "objectives are accuracy and then one of "),
        (
            "objectives=[accuracy, gflop]",
            "no objective 'gflop'; did you mean 'gflops'? "
            "there are: accuracy, gflops, parameters, memory, latency",
        ),
        (
            "objectives=[accuracy, gflops, gflops]",
            "an objective may be named once, got ['accuracy', 'gflops', 'gflops']",
        ),
        ("objectives=[accuracy, accuracy]", "an objective may be named once, got "),
        ("objectives=gflops", "objectives: should be a valid tuple, got 'gflops'"),
        ("constraints=[gflops < 3]", f"{WRITTEN}'gflops < 3'"),
        ("constraints=[3]", "constraints.0: should be a valid string, got 3"),
    ],
)
def test_a_mistake_in_a_spec_is_one_sentence(change: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        SearchSpec.read(None, [change])
    assert str(caught.value).startswith(sentence)


def test_a_spec_has_its_constraints_once_and_in_one_spelling() -> None:
    change = "constraints=[gflops<=1.0*backbone, parameters <= 300k, gflops <= backbone]"
    spec = SearchSpec.read(None, [change])
    assert spec.constraints == ("gflops <= backbone", "parameters <= 300000")
    assert spec.bounds == (Constraint("gflops", 1.0, True), Constraint("parameters", 3e5))
    assert SearchSpec.of(spec.to_dict()) == spec
    assert SearchSpec().objectives == ("accuracy", "gflops") and SearchSpec().bounds == ()


@pytest.mark.parametrize(
    ("changes", "measured"),
    [
        ([], False),
        (["objectives=[accuracy, parameters, memory]", "constraints=[gflops <= 3]"], False),
        (["objectives=[accuracy, latency]"], True),
        (["constraints=[gflops <= 3, latency <= 1.1 * backbone]"], True),
    ],
)
def test_a_latency_is_measured_where_the_spec_asks_for_it(
    changes: list[str], measured: bool
) -> None:
    assert SearchSpec.read(None, changes).measures_latency is measured


def test_objectives_and_constraints_stay_fixed_for_a_study() -> None:
    spec = SearchSpec.read(None, ["constraints=[gflops <= 3, parameters <= 300k]"])
    same = SearchSpec.read(None, ["constraints=[parameters <= 0.3M, gflops <= 3]"])
    assert spec.differences(same.to_dict()) == []
    other = SearchSpec.read(None, ["objectives=[accuracy, gflops, memory]"])
    assert spec.differences(other.to_dict()) == [
        ("objectives", ("accuracy", "gflops"), ("accuracy", "gflops", "memory")),
        ("constraints", ("gflops <= 3", "parameters <= 300000"), ()),
    ]
    older = {
        k: v for k, v in SearchSpec().to_dict().items() if k not in ("objectives", "constraints")
    }
    assert SearchSpec().differences(older) == []


# ------------------------------------------------------------------------ what nobody can reach


@pytest.mark.parametrize(
    ("constraint", "sentence"),
    [
        ("gflops <= 0.99 * backbone", "'gflops <= 0.99 * backbone', with 0.04 GFLOPs"),
        ("parameters <= 77999", "'parameters <= 77999', with 78000 parameters"),
        ("memory <= 65k", "'memory <= 65000', with 65536 bytes"),
        ("latency <= 0.99 * backbone", "'latency <= 0.99 * backbone'"),
    ],
)
def test_what_not_even_the_bare_backbone_keeps_is_refused(constraint: str, sentence: str) -> None:
    with pytest.raises(BadValue) as caught:
        check_reachable(("accuracy", "gflops"), [Constraint.parse(constraint)], [BARE])
    assert str(caught.value) == f"not even the bare backbone keeps {sentence}"


@pytest.mark.parametrize(
    "constraint",
    [
        "gflops <= backbone",
        "parameters <= 78k",
        "memory <= 65536",
        "latency <= backbone",
        "latency <= 0.001",  # ms, of which nothing is known yet
    ],
)
def test_what_the_bare_backbone_keeps_is_searched(constraint: str) -> None:
    check_reachable(("accuracy", "latency"), [Constraint.parse(constraint)], [BARE])


def test_a_smaller_backbone_of_the_space_may_keep_a_constraint() -> None:
    small = {name: value / 2 for name, value in BARE.items()}
    texts = ["gflops <= 0.5 * backbone", "latency <= 0.5 * backbone"]
    constraints = [Constraint.parse(text) for text in texts]
    check_reachable(("accuracy", "gflops"), constraints, [BARE, small])
    with pytest.raises(BadValue, match=r"keeps 'gflops <= 0\.4 "):
        check_reachable(
            ("accuracy", "gflops"), [Constraint.parse("gflops <= 0.4 * backbone")], [BARE, small]
        )


@pytest.mark.parametrize(
    ("objectives", "constraints"),
    [(("accuracy", "memory"), []), (("accuracy", "gflops"), [Constraint("memory", 1e9)])],
)
def test_a_cost_that_nobody_knows_is_refused(
    objectives: tuple[str, ...], constraints: list[Constraint]
) -> None:
    priced: Any = SimpleNamespace(gflops=0.04, parameters=78_000, peak_bytes=None)
    with pytest.raises(BadValue, match="nobody can say what this backbone takes of memory"):
        check_reachable(objectives, constraints, [costs_of(priced)])


def test_it_is_told_before_anything_is_trained() -> None:
    quick = ["data.name=digits", "space.modules=[se, eca]"]
    bare = cost(Placement("resnet8"), 8, 10)
    kept = f"constraints=[parameters <= {bare.parameters}, gflops <= backbone]"
    assert SearchSpec.read(None, [*quick, kept]).prepare()
    spec = SearchSpec.read(None, [*quick, f"constraints=[parameters <= {bare.parameters - 1}]"])
    with pytest.raises(BadValue, match=f"with {bare.parameters} parameters$"):
        spec.prepare()
    halves = ["space.widths=[1.0, 0.5]", "constraints=[gflops <= 0.5 * backbone]"]
    assert SearchSpec.read(None, [*quick, *halves]).prepare()


def test_an_unknown_cost_is_an_unknown_name() -> None:
    with pytest.raises(UnknownName):
        Constraint("watts", 5.0)
