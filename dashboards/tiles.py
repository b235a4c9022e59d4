"""The six figures at the head of the Front page."""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from .axes import extra_percent
from .points import history
from .stops import saved
from .view import View

__all__ = ["BUDGET", "Mark", "Saved", "Tiles"]

Column = np.ndarray[Any, np.dtype[Any]]
BUDGET = 5.0  # percent of GFLOPs over the bare backbone, for "the best within a small budget"


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A trial that is the best of something."""

    number: int = field(metadata={"help": "of the trial"})
    origin: str = field(metadata={"help": "who proposed it"})
    accuracy: float = field(metadata={"help": "validation share"})
    gain: float | None = field(metadata={"help": "over the bare backbone; none: not known"})
    extra_percent: float = field(metadata={"help": "GFLOPs over the bare backbone, percent"})

    @classmethod
    def of(cls, view: View, among: Column) -> Self | None:
        """The most accurate of the rows ``among`` (a mask), the cheaper of equals."""
        rows = np.flatnonzero(among)
        if not len(rows):
            return None
        snapshot = view.snapshot
        best = rows[snapshot.accuracy[rows] == snapshot.accuracy[rows].max()]
        row = best[np.argsort(snapshot.gflops[best], kind="stable")[0]]
        bare = snapshot.bare_accuracy
        accuracy = float(snapshot.accuracy[row])
        return cls(
            number=int(snapshot.number[row]),
            origin=snapshot.text("origin", row) or "",
            accuracy=accuracy,
            gain=None if bare is None else accuracy - bare,
            extra_percent=float(extra_percent(snapshot)[row]),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Saved:
    """What stopping trials early spared."""

    stopped: int = field(metadata={"help": "trials stopped early"})
    share: float | None = field(metadata={"help": "of the time that all would have taken, 0 to 1"})
    seconds: float = field(
        metadata={"help": "each trial's own pace times the epochs it was spared"}
    )
    where: str = field(metadata={"help": "GPU, if all were trained on one; else training"})

    @classmethod
    def of(cls, view: View) -> Self:
        """Of the trials of a view."""
        epochs = view.snapshot.study.spec.get("recipe", {}).get("epochs", 0)
        found = saved(view.snapshot, view.mask, epochs)
        devices = found["devices"]
        return cls(
            stopped=found["stopped"],
            share=found["share"] if found["seconds"] else None,
            seconds=found["seconds"],
            where="GPU" if devices and "cpu" not in devices else "Training",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Tiles:
    """How the trials of a view stand, in six figures."""

    total: int = field(metadata={"help": "trials that the filter lets through"})
    of: int = field(metadata={"help": "trials of the study"})
    planned: int | None = field(metadata={"help": "trials that the search is to make"})
    complete: int = field(metadata={"help": "fully trained trials"})
    running: int = field(metadata={"help": "trials in training"})
    failed: int = field(metadata={"help": "failed trials"})
    front: int = field(metadata={"help": "trials on the front"})
    joined: list[int] = field(metadata={"help": "when each of them ended, seconds since 1970"})
    best: Mark | None = field(metadata={"help": "the most accurate fully trained trial"})
    thrifty: Mark | None = field(metadata={"help": "the most accurate within the budget"})
    budget: float = field(metadata={"help": "of thrifty: percent of GFLOPs over the bare backbone"})
    hypervolume: float | None = field(metadata={"help": "percent of the reference box"})
    volume_of: str = field(metadata={"help": "what the hypervolume is of"})
    flat: int = field(metadata={"help": "fully trained trials since the hypervolume rose"})
    saved: Saved = field(metadata={"help": "what stopping early spared"})

    @classmethod
    def of_view(cls, view: View) -> Self:
        """The figures of a view."""
        snapshot, past = view.snapshot, history(view)
        states = dict(
            zip(("waiting", "running", "complete", "stopped", "failed"), view.counts, strict=False)
        )
        cheap = view.complete & (extra_percent(snapshot) <= BUDGET)
        return cls(
            total=int(view.counts.sum()),
            of=len(snapshot),
            planned=snapshot.study.spec.get("trials"),
            complete=int(states["complete"]),
            running=int(states["running"]),
            failed=int(states["failed"]),
            front=len(view.front),
            joined=[int(at) for at in snapshot.ended[view.front] if np.isfinite(at)],
            best=Mark.of(view, view.complete),
            thrifty=Mark.of(view, cheap),
            budget=BUDGET,
            hypervolume=past["hv"][-1] if past["hv"] else None,
            volume_of=" and ".join(past["of"]),
            flat=past["finished"] - past["n"][-1] if past["n"] else 0,
            saved=Saved.of(view),
        )
