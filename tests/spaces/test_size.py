"""Counting against going through all."""

from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveate.spaces.size import Choices, Option, TooManyError, apart, number_of

OPTIONS = {"a": 2, "b": 3, "c": 1}  # how many variants each has, in every slot
SLOTS = st.lists(
    st.builds(
        Choices,
        st.fixed_dictionaries(
            {},
            optional={
                name: st.builds(
                    Option,
                    st.integers(1, 3),
                    st.tuples(*(st.integers(0, 2) for _ in range(variants))),
                )
                for name, variants in OPTIONS.items()
            },
        ),
        group=st.integers(0, 1),
    ),
    max_size=4,
)
MOST = st.none() | st.integers(0, 6)


def enumerated(slots: list[Choices], *, shared: bool, most: int | None) -> int:
    """What ``number_of`` says, one way after the other."""
    outcomes = set()
    scopes = sorted(
        {
            (slot.group if shared else n, name)
            for n, slot in enumerate(slots)
            for name in slot.options
        }
    )
    for chosen in product(*([None, *slot.options] for slot in slots)):
        taken = [
            (n, slot, name)
            for n, (slot, name) in enumerate(zip(slots, chosen, strict=True))
            if name
        ]
        if most is not None and sum(slot.options[name].units for _, slot, name in taken) > most:
            continue
        used = [
            s
            for s in scopes
            if any((slot.group if shared else n, name) == s for n, slot, name in taken)
        ]
        for variants in product(*(range(OPTIONS[name]) for _, name in used)):
            drawn = dict(zip(used, variants, strict=True))
            outcomes.add(
                tuple(
                    (n, name, slot.options[name].meanings[drawn[slot.group if shared else n, name]])
                    for n, slot, name in taken
                )
            )
    return len(outcomes)


@settings(deadline=None, max_examples=300)
@given(SLOTS, st.booleans(), MOST)
def test_the_number_is_that_of_going_through_all(
    slots: list[Choices], shared: bool, most: int | None
) -> None:
    expected = enumerated(slots, shared=shared, most=most)
    assert number_of(slots, shared=shared, most=most) == expected


@settings(deadline=None)
@given(SLOTS, st.booleans())
def test_a_limit_that_nothing_reaches_changes_nothing(slots: list[Choices], shared: bool) -> None:
    units = [option.units for slot in slots for option in slot.options.values()]
    free = number_of(slots, shared=shared)
    assert number_of(slots, shared=shared, most=sum(units)) == free


def test_without_slots_there_is_one_way() -> None:
    for most in (None, 0, 3):
        for shared in (False, True):
            assert number_of([], shared=shared, most=most) == 1


@settings(deadline=None)
@given(SLOTS, st.booleans(), MOST)
def test_the_bound_is_one_and_quick(slots: list[Choices], shared: bool, most: int | None) -> None:
    exact = number_of(slots, shared=shared, most=most)
    assert number_of(apart(slots), shared=shared, most=most) >= exact


def test_what_would_take_hours_is_refused() -> None:
    """Twenty options whose variants coincide at other slots each."""
    rng = Random(0)
    slots = [
        Choices({f"{o}": Option(1, tuple(rng.choices(range(3), k=4))) for o in range(20)})
        for _ in range(30)
    ]
    with pytest.raises(TooManyError):
        number_of(slots, shared=True)
    assert number_of(apart(slots), shared=True) > 10**30
