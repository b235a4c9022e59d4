"""How many ways there are to choose, exactly, without going through them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

__all__ = ["Choices", "Option", "TooManyError", "apart", "number_of"]

LIMIT = 3000  # ways to remember at once: a second or two

Poly = tuple[int, ...]  # the number of ways to use 0, 1, 2, ... units


class Option(NamedTuple):
    """What may be chosen at a slot, in several variants."""

    units: int  # how many modules it puts in
    meanings: tuple[int, ...]  # of each variant; equal numbers for those that mean the same here


@dataclass(frozen=True, slots=True)
class Choices:
    """A slot: nothing, or one of some options."""

    options: Mapping[str, Option]
    group: int = 0  # slots of one group share the variant of an option


class TooManyError(Exception):
    """It would take too long to count exactly."""


def apart(slots: Sequence[Choices]) -> list[Choices]:
    """The same, as if variants that mean different things anywhere did so everywhere."""
    meanings: dict[tuple[int, str], list[tuple[int, ...]]] = {}
    for slot in slots:
        for name, option in slot.options.items():
            meanings.setdefault((slot.group, name), []).append(option.meanings)
    finest = {}
    for key, some in meanings.items():
        seen: dict[tuple[int, ...], int] = {}
        finest[key] = tuple(seen.setdefault(v, len(seen)) for v in zip(*some, strict=True))
    return [
        Choices(
            {name: Option(o.units, finest[slot.group, name]) for name, o in slot.options.items()},
            slot.group,
        )
        for slot in slots
    ]


def number_of(slots: Sequence[Choices], *, shared: bool, most: int | None = None) -> int:
    """The number of different outcomes of choosing at each slot.

    Each slot has its own variant of an option, or, if ``shared``, all slots of a group that use the
    option have the same one. Two choices are one outcome if all that they put in means the same.
    With ``most``, only those that use at most so many units count.

    Raises
        TooManyError  where that would take minutes
    """
    counted = _Counted(most)
    total: Poly = (1,)
    if not shared:
        for slot in slots:
            ways: Poly = (1,)
            for units, meanings in slot.options.values():
                ways = counted.sum(ways, counted.monomial(len({*meanings}), units))
            total = counted.times(total, ways)
    for group in sorted({slot.group for slot in slots}) if shared else ():
        total = counted.times(total, counted.sharing([s for s in slots if s.group == group]))
    return sum(total)


class _Counted:
    """Polynomials in the number of units, up to ``most`` of them; without it, plain numbers."""

    def __init__(self, most: int | None) -> None:
        self.most = most

    def monomial(self, ways: int, units: int) -> Poly:
        if self.most is None:
            return (ways,)
        return (*(0,) * units, ways) if units <= self.most else (0,)

    def sum(self, one: Poly, other: Poly) -> Poly:
        short, long = sorted((one, other), key=len)
        return (*(a + b for a, b in zip(short, long, strict=False)), *long[len(short) :])

    def times(self, one: Poly, other: Poly) -> Poly:
        length = len(one) + len(other) - 1
        found = [0] * (length if self.most is None else min(length, self.most + 1))
        for i, a in enumerate(one):
            for j, b in enumerate(other[: len(found) - i]):
                found[i + j] += a * b
        return tuple(found)

    def power(self, base: Poly, exponent: int) -> Poly:
        found: Poly = (1,)
        for bit in f"{exponent:b}":
            found = self.times(found, found)
            if bit == "1":
                found = self.times(found, base)
        return found

    def sharing(self, slots: Sequence[Choices]) -> Poly:
        """The outcomes of slots that share the variant of each option.

        Slots are of a few kinds. How many outcomes an option adds depends on the kinds of slot at
        which it is used, so the sum goes, option by option, over the kinds at which it may be used,
        with the weights that ``_weights`` gives; what these leave open at a slot of each kind is
        all that has to be remembered.
        """
        kinds = Counter(tuple(sorted(slot.options.items())) for slot in slots)
        there = [dict(kind) for kind in kinds]
        open_ways: dict[tuple[Poly, ...], int] = {tuple((1,) for _ in kinds): 1}
        for name in sorted({name for kind in there for name in kind}):
            here = [kind.get(name) for kind in there]
            grown: Counter[tuple[Poly, ...]] = Counter()
            for allowed, weight in _weights([o.meanings for o in here if o]).items():
                for ways, number in open_ways.items():
                    more = (
                        self.sum(way, self.monomial(1, option.units))
                        if option and option.meanings in allowed
                        else way
                        for way, option in zip(ways, here, strict=True)
                    )
                    grown[tuple(more)] += weight * number
            open_ways = {ways: number for ways, number in grown.items() if number}
            if len(open_ways) > LIMIT:
                raise TooManyError
        total: Poly = (0,)
        for ways, number in open_ways.items():
            outcome: Poly = (number,)
            for way, times in zip(ways, kinds.values(), strict=True):
                outcome = self.times(outcome, self.power(way, times))
            total = self.sum(total, outcome)
        return total


def _weights(meanings: Sequence[tuple[int, ...]]) -> dict[frozenset[tuple[int, ...]], int]:
    """How often to count the ways in which an option is used at no other slots than these.

    An option that is used at slots with exactly the meanings T has as many outcomes as there are
    different variants, seen at all of them: w(T), and 1 if it is used nowhere. By inclusion and
    exclusion "exactly T" is the sum over A within T of (-1)^|T - A| "within A".
    """
    distinct = sorted({*meanings})
    if 2 ** len(distinct) > LIMIT:
        raise TooManyError
    subsets = [frozenset(c) for n in range(len(distinct) + 1) for c in combinations(distinct, n)]
    outcomes = {T: len({*zip(*T, strict=True)}) if T else 1 for T in subsets}
    weights = {A: sum((-1) ** len(T - A) * outcomes[T] for T in subsets if A <= T) for A in subsets}
    return {A: weight for A, weight in weights.items() if weight}
