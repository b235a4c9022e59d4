"""One trial beside the chart."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from markupsafe import Markup

from ..search.records import Trial
from ..search.stopping import Stopping, rungs
from ..search.store import find_trial
from .drawings import drawings_of
from .noise import Noise
from .site import Asked
from .view import View

__all__ = ["Curves", "Drawer"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Curves:
    """What the drawer's chart draws; accuracies in percent."""

    this: list[float] = field(metadata={"help": "after each epoch of the trial"})
    bare: list[float] = field(metadata={"help": "after each epoch of the bare backbone"})
    rungs: list[int] = field(metadata={"help": "the epochs after which trials are judged"})
    verdict: dict[str, float] | None = field(
        metadata={"help": "epoch and threshold that stopped it; others are not recorded"}
    )

    @classmethod
    def of(cls, trial: Trial, bare: Trial | None) -> Self:
        """The curve of ``trial`` beside that of the ``bare`` backbone."""
        spec = trial.study.spec
        rule, epochs = spec.get("stopping"), spec.get("recipe", {}).get("epochs")
        verdict = trial.verdict or {}
        threshold, judged = verdict.get("threshold"), not trial.is_baseline
        known = threshold is not None and {
            "epoch": verdict["epoch"],
            "threshold": round(100 * threshold, 4),
        }
        return cls(
            this=_percents(trial),
            bare=[] if bare is None or bare is trial else _percents(bare),
            rungs=rungs(Stopping(**rule), epochs) if rule and epochs and judged else [],
            verdict=known or None,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawer:
    """``/s/{id}/_drawer/{number}``: one trial beside the chart."""

    TEMPLATE: ClassVar[str] = "_drawer.html"

    study: int = field(metadata={"help": "id of the study, in addresses"})
    trial: Trial = field(metadata={"help": "the trial itself"})
    title: str = field(metadata={"help": "why it is shown, or where it stands"})
    gain: float | None = field(metadata={"help": "accuracy minus that of the bare backbone"})
    sd: float | None = field(metadata={"help": "of the accuracy over seeds, as a share"})
    seeds: int = field(metadata={"help": "with which the placement was fully trained"})
    extra: dict[str, float] = field(metadata={"help": "costs over the bare backbone's, percent"})
    picture: Markup = field(metadata={"help": "the architecture, as SVG"})
    line: str = field(metadata={"help": "the architecture in one line"})
    curves: Curves = field(metadata={"help": "what its chart draws"})

    @classmethod
    def load(cls, asked: Asked, view: View, noise: Noise, number: int) -> Self:
        """Trial ``number``; ``UnknownName`` if there is none."""
        snapshot = view.snapshot
        trial = find_trial(asked.session, asked.study, number)
        row = snapshot.row(number)
        bare = None
        if snapshot.bare is not None:
            bare = find_trial(asked.session, asked.study, int(snapshot.number[snapshot.bare]))
        gain = None
        if trial.state == "complete" and trial is not bare and bare is not None:
            gain = (trial.accuracy or 0.0) - (bare.accuracy or 0.0)
        drawn = drawings_of(asked)
        drawn.known(asked, [number])
        sd, seeds = noise.own.get(-1 if row is None else row, (None, 1))
        return cls(
            study=asked.study.id,
            trial=trial,
            title=standing(view, row, trial),
            gain=gain,
            sd=sd,
            seeds=seeds,
            extra={} if trial is bare else extra_costs(trial, asked.study.bare, bare),
            picture=drawn.whole(number),
            line=drawn.line(number),
            curves=Curves.of(trial, bare),
        )


def standing(view: View, row: int | None, trial: Trial) -> str:
    """Where a trial stands in a view, in a few words."""
    if row is None or trial.state != "complete":
        return trial.state
    if row == view.knee and len(view.front) > 2:
        return "the front's knee"
    if row in view.front:
        return "on the front"
    return "dominated" if view.mask[row] else "not among those shown"


def extra_costs(trial: Trial, known: dict[str, Any], bare: Trial | None) -> dict[str, float]:
    """By how many percent each cost is above the bare backbone's, where both are known."""
    theirs = known | ({} if bare is None else bare.costs)
    return {
        name: 100 * (cost / theirs[name] - 1)
        for name, cost in trial.costs.items()
        if theirs.get(name)
    }


def _percents(trial: Trial) -> list[float]:
    return [round(100 * epoch.accuracy, 4) for epoch in trial.curve]
