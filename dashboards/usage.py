"""What trials took of their machines, as their workers measured it."""

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any
from weakref import WeakKeyDictionary

from ..search import store
from .placements import Places
from .site import Asked

__all__ = ["NAMES", "usage"]

NAMES: dict[str, Callable[[list[float]], float]] = {  # and what the epochs of a trial come to
    "cores": fmean,
    "memory": max,
    "gpu": fmean,
    "gpu_memory": max,
}
MOST = 400  # trials that are looked at, the latest
NONE: tuple[int, dict[str, float]] = (-1, {})
# of each study, whose places live as long: by number, Trial.seq and what was said until then
_KNOWN: WeakKeyDictionary[Places, dict[int, tuple[int, dict[str, float]]]] = WeakKeyDictionary()


def usage(asked: Asked, numbers: Sequence[int]) -> dict[int, dict[str, float]]:
    """By the number of each of these trials that said anything: ``workers.machine`` has the words.

    Of its epochs the means, and of bytes the most; what was not measured is left out.
    """
    snapshot = asked.snapshot
    known = _KNOWN.setdefault(snapshot.places, {})
    rows = [row for number in numbers[-MOST:] if (row := snapshot.row(number)) is not None]
    state_of = {int(snapshot.number[row]): int(snapshot.seq[row]) for row in rows}
    fresh = [
        row for row in rows if known.get(n := int(snapshot.number[row]), NONE)[0] != state_of[n]
    ]
    number_of = {int(snapshot.id[row]): int(snapshot.number[row]) for row in fresh}
    epochs: dict[int, list[dict[str, Any]]] = {}
    for trial_id, metrics in store.epoch_metrics(asked.session, [*number_of]):
        if machine := (metrics or {}).get("machine"):
            epochs.setdefault(number_of[trial_id], []).append(machine)
    for number in number_of.values():
        machines = epochs.get(number, [])
        told = {name: [one[name] for one in machines if name in one] for name in NAMES}
        known[number] = (
            state_of[number],
            {name: round(float(NAMES[name](some)), 4) for name, some in told.items() if some},
        )
    return {number: found for number in state_of if (found := known[number][1])}
