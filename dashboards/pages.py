"""A page is a dataclass and a template: the fields are all that the template may use."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Self

from sqlalchemy.orm import Session

from ..search.front import knee
from ..search.records import FrontStep, Study, Trial, now
from ..search.store import (
    LEASE,
    baselines,
    changed_since,
    counts,
    drivers,
    find_trial,
    front_steps,
    front_trials,
    studies,
    trials,
)
from .axes import AXES, Axis, axis_called, extra_percent, fitting_axis, members
from .numbers import word
from .points import drawing

__all__ = ["Drawer", "ErrorPage", "FrontPage", "LoginPage", "StudiesPage", "StudyCard", "TrialRow"]

RECENT = 20  # changes to look through for the time of the last one
BUDGET = 5.0  # percent over the bare backbone, for "the best within a small budget"


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyCard:
    """How one study stands, in a line."""

    id: int = field(metadata={"help": "of the study, in addresses"})
    name: str = field(metadata={"help": "as the user called it"})
    backbone: str = field(metadata={"help": "name of the network that attention is put into"})
    dataset: str = field(metadata={"help": "name of the images"})
    counts: dict[str, int] = field(metadata={"help": "trials by state"})
    total: int = field(metadata={"help": "trials of all states"})
    planned: int | None = field(metadata={"help": "trials that the search is to make"})
    best: float | None = field(metadata={"help": "best validation share of a fully trained trial"})
    front: int = field(metadata={"help": "trials on the front"})
    hypervolume: float | None = field(metadata={"help": "share of the reference box, 0 to 1"})
    flat: int = field(metadata={"help": "fully trained trials since the hypervolume rose"})
    bare_gflops: float = field(metadata={"help": "of the bare backbone"})
    alive: bool = field(metadata={"help": "whether a driver gave a sign of life lately"})
    created: datetime = field(metadata={"help": "when the study was made, UTC"})
    last: datetime = field(metadata={"help": "when something last changed, UTC"})
    cursor: int = field(metadata={"help": "Study.seq: number of the last change"})

    @classmethod
    def load(cls, session: Session, study: Study) -> Self:
        """The card of ``study``."""
        states = counts(session, study)
        on_front = front_trials(session, study)
        steps = front_steps(session, study)
        return cls(
            id=study.id,
            name=study.name,
            backbone=backbone_of(study),
            dataset=dataset_of(study),
            counts=states,
            total=sum(states.values()),
            planned=study.spec.get("trials"),
            # the most accurate trial is never dominated, so the front has it
            best=max((t.accuracy or 0.0 for t in on_front), default=None),
            front=len(on_front),
            hypervolume=steps[-1].hypervolume if steps else None,
            flat=flat_for(steps, study.finished),
            bare_gflops=study.bare_gflops,
            alive=any(now() - one.beat < LEASE for one in drivers(session, study.id)),
            created=study.created,
            last=last_change(session, study),
            cursor=study.seq,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class StudiesPage:
    """``/``: which searches exist, which are alive?"""

    TEMPLATE: ClassVar[str] = "studies.html"

    studies: list[StudyCard] = field(metadata={"help": "all studies, the latest first"})
    now: datetime = field(metadata={"help": "the present, UTC"})

    @classmethod
    def load(cls, session: Session) -> Self:
        """All studies of the database."""
        cards = [StudyCard.load(session, study) for study in studies(session)]
        return cls(studies=cards, now=now())


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialRow:
    """One trial, as the tables and the drawer show it."""

    number: int = field(metadata={"help": "of the trial in its study, from 0"})
    origin: str = field(metadata={"help": "who proposed it: bare, everywhere:X, sampler"})
    baseline: bool = field(metadata={"help": "whether it is there to compare with"})
    state: str = field(metadata={"help": "one of records.STATES"})
    on_front: bool = field(metadata={"help": "whether it is on the front of GFLOPs"})
    accuracy: float | None = field(metadata={"help": "validation share after the latest epoch"})
    gain: float | None = field(metadata={"help": "accuracy minus that of the bare backbone"})
    gflops: float = field(metadata={"help": "10^9 operations of one image"})
    extra_mflops: float = field(metadata={"help": "over the bare backbone, 10^6 operations"})
    extra_percent: float = field(metadata={"help": "over the bare backbone, percent of it"})
    parameters: int = field(metadata={"help": "of the whole network"})
    drawing: str = field(metadata={"help": "the architecture in one line"})
    weights: bool = field(metadata={"help": "whether trained weights were kept"})
    epochs: int = field(metadata={"help": "finished"})
    seconds: float = field(metadata={"help": "of training and validation so far"})
    worker: str | None = field(metadata={"help": "where it was trained"})
    device: str | None = field(metadata={"help": "what it was trained on"})
    reason: str | None = field(metadata={"help": "why it was stopped, or how it failed"})

    @classmethod
    def of(cls, trial: Trial, study: Study, bare: float | None) -> Self:
        """The row of ``trial``; ``bare`` is the accuracy of the bare backbone, once known."""
        known = bare is not None and trial.accuracy is not None and trial.state == "complete"
        return cls(
            number=trial.number,
            origin=trial.origin,
            baseline=trial.is_baseline,
            state=trial.state,
            on_front=trial.on_front,
            accuracy=trial.accuracy,
            gain=(trial.accuracy or 0.0) - (bare or 0.0) if known else None,
            gflops=trial.gflops,
            extra_mflops=1000 * (trial.gflops - study.bare_gflops),
            extra_percent=extra_percent(trial, study),
            parameters=trial.parameters,
            drawing=drawing(trial, study),
            weights=trial.weights is not None,
            epochs=trial.epochs,
            seconds=trial.seconds,
            worker=trial.worker,
            device=trial.device,
            reason=trial.reason,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawer:
    """``/s/{id}/_drawer/{number}``: one trial beside the chart."""

    TEMPLATE: ClassVar[str] = "_drawer.html"

    trial: TrialRow = field(metadata={"help": "the trial"})
    title: str = field(metadata={"help": "why it is shown, or where it stands"})
    curve: dict[str, list[float]] = field(
        metadata={
            "help": "accuracy in percent after each epoch: of this trial, and of the bare one"
        }
    )

    @classmethod
    def load(cls, session: Session, study: Study, number: int) -> Self:
        """Trial ``number`` of ``study``; ``UnknownName`` if there is none."""
        trial = find_trial(session, study, number)
        return cls.of(trial, study, bare_of(baselines(session, study)), standing(trial))

    @classmethod
    def of(cls, trial: Trial, study: Study, bare: Trial | None, title: str) -> Self:
        """``trial`` beside the ``bare`` backbone."""
        curve = {"this": curve_of(trial), "bare": []}
        if bare is not None and bare is not trial:
            curve["bare"] = curve_of(bare)
        return cls(trial=TrialRow.of(trial, study, share_of(bare)), title=title, curve=curve)


@dataclass(frozen=True, kw_only=True, slots=True)
class FrontPage:
    """``/s/{id}``: what is the best trade-off now?"""

    TEMPLATE: ClassVar[str] = "front.html"

    card: StudyCard = field(metadata={"help": "the study in a line"})
    axis: Axis = field(metadata={"help": "the cost that accuracy is drawn against"})
    axes: tuple[Axis, ...] = field(metadata={"help": "all costs to choose from"})
    hint: str | None = field(metadata={"help": "what to say while there is no front to speak of"})
    front: list[TrialRow] = field(metadata={"help": "the front of the axis, cheapest first"})
    baselines: list[TrialRow] = field(metadata={"help": "what to compare with, by number"})
    running: list[TrialRow] = field(metadata={"help": "the trials in training, by number"})
    best: TrialRow | None = field(metadata={"help": "the most accurate fully trained trial"})
    thrifty: TrialRow | None = field(metadata={"help": "the most accurate within the budget"})
    budget: float = field(metadata={"help": "of thrifty: percent of GFLOPs over the bare backbone"})
    drawer: Drawer | None = field(metadata={"help": "the trial asked for, or the front's knee"})
    chosen: int | None = field(metadata={"help": "number of the trial asked for"})
    now: datetime = field(metadata={"help": "the present, UTC"})

    @classmethod
    def load(
        cls, session: Session, study: Study, *, cost: str | None = None, chosen: int | None = None
    ) -> Self:
        """The page of ``study`` on the axis ``cost``, with trial ``chosen`` in the drawer."""
        card = StudyCard.load(session, study)
        recorded = front_trials(session, study)
        axis = fitting_axis(recorded) if cost is None else axis_called(cost)
        on_front = recorded if axis.by_gflops else members(session, study, axis)
        compared = baselines(session, study)
        bare = bare_of(compared)

        def rows(some: Sequence[Trial]) -> list[TrialRow]:
            return [TrialRow.of(trial, study, share_of(bare)) for trial in some]

        shown, title = pick(session, study, axis, on_front, chosen)
        cheap = [t for t in recorded if extra_percent(t, study) <= BUDGET]
        return cls(
            card=card,
            axis=axis,
            axes=AXES,
            hint=hint_of(session, study, card),
            front=rows(on_front),
            baselines=rows(compared),
            running=rows(trials(session, study, "running")),
            best=rows(recorded[-1:])[0] if recorded else None,
            thrifty=rows(cheap[-1:])[0] if cheap else None,
            budget=BUDGET,
            drawer=None if shown is None else Drawer.of(shown, study, bare, title),
            chosen=chosen,
            now=now(),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class LoginPage:
    """``/login``: asks for the token."""

    TEMPLATE: ClassVar[str] = "login.html"

    to: str = field(metadata={"help": "path to go to afterwards"})
    mistake: str | None = field(metadata={"help": "what was wrong with the last try"})


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorPage:
    """Any page that cannot be shown."""

    TEMPLATE: ClassVar[str] = "error.html"

    status: int = field(metadata={"help": "of HTTP"})
    message: str = field(metadata={"help": "one sentence: what came, and what there is"})


# ---------------------------------------------------------------------------------- of a study


def backbone_of(study: Study) -> str:
    """Name of the backbone, as the specification has it."""
    return _in(study.spec, "space", "backbone")


def dataset_of(study: Study) -> str:
    """Name of the images, as the specification has it."""
    return _in(study.spec, "data", "name")


def _in(spec: dict[str, Any], section: str, key: str) -> str:
    value = spec.get(section)
    return str(value.get(key, "–")) if isinstance(value, dict) else "–"


def last_change(session: Session, study: Study) -> datetime:
    """When a trial of ``study`` last changed; of a study without one, when it was made."""
    times = [study.created]
    for trial in changed_since(session, study, max(0, study.seq - RECENT)):
        times += [time for time in (trial.created, trial.started, trial.ended) if time is not None]
        times += [epoch.at for epoch in trial.curve[-1:]]
    return max(times)


def flat_for(steps: Sequence[FrontStep], finished: int) -> int:
    """How many of ``finished`` trials were fully trained since the hypervolume last rose."""
    rose = [step.finished for step in steps if step.hypervolume >= steps[-1].hypervolume]
    return finished - rose[0] if rose else 0


def bare_of(some: Sequence[Trial]) -> Trial | None:
    """The bare backbone among ``some``, once fully trained."""
    return next((t for t in some if t.origin == "bare" and t.state == "complete"), None)


def share_of(trial: Trial | None) -> float | None:
    """The accuracy of a trial that may not be there yet."""
    return None if trial is None else trial.accuracy


def curve_of(trial: Trial) -> list[float]:
    """Accuracy in percent after each epoch."""
    return [round(100 * epoch.accuracy, 4) for epoch in trial.curve]


def pick(
    session: Session, study: Study, axis: Axis, on_front: Sequence[Trial], chosen: int | None
) -> tuple[Trial | None, str]:
    """The trial to show beside the chart, and why: the one ``chosen``, or the front's knee."""
    if chosen is not None:
        trial = find_trial(session, study, chosen)
        return trial, standing(trial)
    if not on_front:
        return None, ""
    at = knee([(trial.accuracy or 0.0, axis.of(trial, study)) for trial in on_front])
    return on_front[at], "the front's knee" if len(on_front) > 2 else "on the front"


def standing(trial: Trial) -> str:
    """Where ``trial`` stands, in two or three words."""
    if trial.on_front:
        return "on the GFLOPs front"
    return "dominated" if trial.state == "complete" else trial.state


def hint_of(session: Session, study: Study, card: StudyCard) -> str | None:
    """What to say while there is no front, or hardly one."""
    states = card.counts
    if not card.total:
        return (
            "No trial yet. The search begins with the bare backbone; this page follows by itself."
        )
    if not states["complete"]:
        ended = states["stopped"] + states["failed"]
        if not ended or states["running"] or states["waiting"]:
            return "No trial is fully trained yet. The front begins with the first that is."
        if states["failed"] == card.total:
            why = trials(session, study, "failed")[-1].reason or "no reason was recorded"
            return f"All of {word(card.total, 'trial')} failed. The latest: {why.splitlines()[0]}"
        return "No trial was trained to its end, so there is no front."
    if states["complete"] == 1:
        return "One trial is fully trained. A trade-off takes two."
    return None
