"""How many ways there are to choose, exactly, without going through them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

__all__ = ["Choices", "number_of"]

Poly = list[int]  # the number of ways to use 0, 1, 2, ... units


@dataclass(frozen=True, slots=True)
class Choices:
    """A slot: nothing, or one of some options."""

    units: Mapping[str, int]  # an option's name -> how many modules it puts in
    group: int = 0  # slots of one group share the settings of an option


def number_of(
    slots: Sequence[Choices],
    variants: Mapping[str, int],
    *,
    shared: bool,
    most: int | None = None,
) -> int:
    """The number of ways to choose at each slot, where option ``o`` comes in ``variants[o]`` ways.

    Each slot has its own variant of an option, or, if ``shared``, all slots of a group that use
    the option have the same one. With ``most``, only ways that use at most so many units count.
    """
    counted = _Counted(most)
    total = [1]
    if not shared:
        for slot in slots:
            ways = counted.one()
            for option, units in slot.units.items():
                ways = counted.sum(ways, counted.monomial(variants[option], units))
            total = counted.times(total, ways)
    for group in sorted({slot.group for slot in slots}) if shared else ():
        here = [slot for slot in slots if slot.group == group]
        total = counted.times(total, counted.sharing(here, variants))
    return sum(total)


class _Counted:
    """Polynomials in the number of units, up to ``most`` of them; without it, plain numbers."""

    def __init__(self, most: int | None) -> None:
        self.most = most

    def one(self) -> Poly:
        return [1]

    def monomial(self, ways: int, units: int) -> Poly:
        if self.most is None:
            return [ways]
        return [0] * units + [ways] if units <= self.most else [0]

    def sum(self, one: Poly, other: Poly) -> Poly:
        short, long = sorted((one, other), key=len)
        return [a + b for a, b in zip(short, long, strict=False)] + long[len(short) :]

    def times(self, one: Poly, other: Poly) -> Poly:
        length = len(one) + len(other) - 1
        found = [0] * (length if self.most is None else min(length, self.most + 1))
        for i, a in enumerate(one):
            for j, b in enumerate(other[: len(found) - i]):
                found[i + j] += a * b
        return found

    def power(self, base: Poly, exponent: int) -> Poly:
        found = self.one()
        for bit in f"{exponent:b}":
            found = self.times(found, found)
            if bit == "1":
                found = self.times(found, base)
        return found

    def sharing(self, slots: Sequence[Choices], variants: Mapping[str, int]) -> Poly:
        """The ways of slots that share the variant of each option.

        Written with a formal E(o) for "option o may be used anywhere", an option contributes
        (1 - v) + v E(o): 1 if it is used nowhere, v if it is used at all. Options that may stand
        at the same slots are alike, so it is enough to say how many of them may be used.
        """
        kinds = Counter(tuple(sorted(slot.units.items())) for slot in slots)
        alike: dict[tuple[int, ...], list[int]] = {}  # units at each kind of slot -> variants
        for option in {option for slot in slots for option in slot.units}:
            where = tuple(dict(kind).get(option, 0) for kind in kinds)
            alike.setdefault(where, []).append(variants[option])
        total = [0]
        for used in product(*(range(len(some) + 1) for some in alike.values())):
            weight = 1
            for number, some in zip(used, alike.values(), strict=True):
                weight *= _weights(some)[number]
            if not weight:
                continue
            ways = [weight]
            for place, times in enumerate(kinds.values()):
                slot = self.one()
                for number, where in zip(used, alike, strict=True):
                    if where[place]:
                        slot = self.sum(slot, self.monomial(number, where[place]))
                ways = self.times(ways, self.power(slot, times))
            total = self.sum(total, ways)
        return total


def _weights(variants: Sequence[int]) -> Poly:
    """The coefficients of the product of ((1 - v) + v E) by the power of E."""
    found = [1]
    for v in variants:
        grown = [0] * (len(found) + 1)
        for power, coefficient in enumerate(found):
            grown[power] += coefficient * (1 - v)
            grown[power + 1] += coefficient * v
        found = grown
    return found
