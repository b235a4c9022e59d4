"""How quickly trials end, and when the last one will have."""

from typing import Any

import numpy as np

from ..search import store
from .filters import Filter
from .site import Asked, lives
from .snapshot import Column, seconds_of

__all__ = ["eta", "throughput"]

BINS = 60
RECENT = 20  # trials whose pace is that of the rest, as search.health has it
ENDED = ("complete", "stopped", "failed")


def throughput(
    asked: Asked, wanted: Filter, window: float | None, until: float | None
) -> dict[str, Any] | None:
    """Trials that ended, and their epochs, in each ``step`` of the last ``window`` seconds.

    Without a window since the first trial was begun. An epoch counts when its trial ends.
    """
    snapshot = asked.snapshot
    counted = wanted.mask(asked) & snapshot.is_in(*ENDED) & np.isfinite(snapshot.ended)
    if until is None or not counted.any():
        return None
    begun = snapshot.started[np.isfinite(snapshot.started)].min(initial=until)
    since = float(begun if window is None else max(begun, until - window))
    counted &= snapshot.ended >= since
    step = max(1.0, (until - since) / BINS)
    length = max(1, int(np.ceil((until - since) / step)))
    bins = np.minimum((snapshot.ended[counted] - since) // step, length - 1).astype(int)

    def per_step(weights: Column | None = None) -> list[int]:
        found: list[int] = np.bincount(bins, weights, minlength=length).astype(int).tolist()
        return found

    return {
        "since": round(since, 1),
        "step": step,
        "trials": per_step(),
        "epochs": per_step(snapshot.epochs[counted].astype(float)),
    }


def eta(asked: Asked) -> dict[str, Any]:
    """What is left of the study, and its pace: ``recent`` trials ended after the moment ``since``.

    That is the last 20 at most, since the drivers at work began; without such, or without one of
    them, the end is not known. Until when it is, is for who knows the time to say, as
    ``search.health`` does.
    """
    snapshot, planned = asked.snapshot, asked.study.spec.get("trials")
    left = None
    if planned is not None:
        left = max(0, int(planned) - sum(snapshot.counts[state] for state in ENDED))
    ended = np.sort(snapshot.ended[snapshot.is_in(*ENDED) & np.isfinite(snapshot.ended)])[-RECENT:]
    began = [
        seconds_of(one.started)
        for one in store.drivers(asked.session, asked.study.id)
        if lives(one.beat)
    ]
    since = max(float(ended[0]), min(began)) if began and len(ended) else None
    return {
        "planned": planned,
        "left": left,
        "waiting": snapshot.counts["waiting"],
        "running": snapshot.counts["running"],
        "since": None if since is None else round(since, 1),
        "recent": 0 if since is None else int((ended > since).sum()),
        "last": round(float(ended[-1]), 1) if len(ended) else None,
        "time_budget": asked.study.spec.get("time_budget"),
    }
