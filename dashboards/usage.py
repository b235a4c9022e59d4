"""What trials took of their machines, as their workers measured it."""

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from ..search import store
from .site import Asked

__all__ = ["NAMES", "usage"]

NAMES: dict[str, Callable[[list[float]], float]] = {  # and what the epochs of a trial come to
    "cores": fmean,
    "memory": max,
    "gpu": fmean,
    "gpu_memory": max,
}
MOST = 400  # trials that are looked at, the latest


def usage(asked: Asked, numbers: Sequence[int]) -> dict[int, dict[str, float]]:
    """By the number of each of these trials that said anything: ``workers.machine`` has the words.

    Of its epochs the means, and of bytes the most; what was not measured is left out.
    """
    snapshot = asked.snapshot
    rows = [row for number in numbers[-MOST:] if (row := snapshot.row(number)) is not None]
    number_of = {int(snapshot.id[row]): int(snapshot.number[row]) for row in rows}
    epochs: dict[int, list[dict[str, Any]]] = {}
    for trial_id, metrics in store.epoch_metrics(asked.session, [*number_of]):
        if machine := (metrics or {}).get("machine"):
            epochs.setdefault(number_of[trial_id], []).append(machine)
    found: dict[int, dict[str, float]] = {}
    for number, machines in epochs.items():
        told = {name: [one[name] for one in machines if name in one] for name in NAMES}
        found[number] = {
            name: round(float(NAMES[name](some)), 4) for name, some in told.items() if some
        }
    return found
