"""Counting against going through all."""

from itertools import product
from math import prod

from hypothesis import given, settings
from hypothesis import strategies as st

from foveate.spaces.size import Choices, number_of

NAMES = "abc"
SLOTS = st.lists(
    st.builds(
        Choices,
        st.dictionaries(st.sampled_from(NAMES), st.integers(1, 3), max_size=3),
        group=st.integers(0, 1),
    ),
    max_size=5,
)
VARIANTS = st.fixed_dictionaries({name: st.integers(1, 4) for name in NAMES})
MOST = st.none() | st.integers(0, 6)


def enumerated(
    slots: list[Choices], variants: dict[str, int], *, shared: bool, most: int | None
) -> int:
    """What ``number_of`` says, one way after the other."""
    found = 0
    for chosen in product(*([None, *slot.units] for slot in slots)):
        taken = [(slot, name) for slot, name in zip(slots, chosen, strict=True) if name]
        if most is None or sum(slot.units[name] for slot, name in taken) <= most:
            scopes = [(slot.group, name) for slot, name in taken]
            found += prod(variants[name] for _, name in ({*scopes} if shared else scopes))
    return found


@settings(deadline=None, max_examples=300)
@given(SLOTS, VARIANTS, st.booleans(), MOST)
def test_the_number_is_that_of_going_through_all(
    slots: list[Choices], variants: dict[str, int], shared: bool, most: int | None
) -> None:
    expected = enumerated(slots, variants, shared=shared, most=most)
    assert number_of(slots, variants, shared=shared, most=most) == expected


@settings(deadline=None)
@given(SLOTS, VARIANTS, st.booleans())
def test_a_limit_that_nothing_reaches_changes_nothing(
    slots: list[Choices], variants: dict[str, int], shared: bool
) -> None:
    all_units = sum(max(slot.units.values(), default=0) for slot in slots)
    free = number_of(slots, variants, shared=shared)
    assert number_of(slots, variants, shared=shared, most=all_units) == free


def test_without_slots_there_is_one_way() -> None:
    for most in (None, 0, 3):
        for shared in (False, True):
            assert number_of([], {}, shared=shared, most=most) == 1


def test_hundreds_of_slots_are_counted_at_once() -> None:
    slots = [Choices(dict.fromkeys("abcdefghij", 1)) for _ in range(200)]
    variants = dict.fromkeys("abcdefghij", 7)
    assert number_of(slots, variants, shared=False) == 71**200
    assert number_of(slots, dict.fromkeys(variants, 1), shared=True) == 11**200
    assert number_of(slots, variants, shared=True, most=1) == 1 + 200 * 10 * 7
