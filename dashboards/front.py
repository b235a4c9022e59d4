"""``/s/{id}``: what is the best trade-off now?"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Self

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..search.front import knee
from ..search.records import Study, Trial, now
from ..search.store import baselines, find_trial, front_trials, trials
from .axes import AXES, Axis, axis_called, extra_percent, fitting_axis, members
from .numbers import word
from .pages import Frame
from .points import changes, drawing, points
from .site import Asked, Site, asking, whole
from .studies import StudyCard

__all__ = ["Drawer", "FrontPage", "TrialRow", "routes"]

BUDGET = 5.0  # percent over the bare backbone, for "the best within a small budget"


def routes(site: Site) -> list[Route]:
    """The page, its parts that change, and what its charts draw."""

    def load(asked: Asked, request: Request) -> FrontPage:
        cost, chosen = request.query_params.get("cost"), request.query_params.get("t")
        number = None if chosen is None else whole(chosen, "t", 400)
        frame = site.frame(asked, "front")
        return asking(lambda: FrontPage.load(asked, frame, cost=cost, chosen=number))

    def page(request: Request) -> Response:
        with site.asked(request) as asked:
            return site.html(load(asked, request))

    def panels(request: Request) -> Response:
        with site.asked(request) as asked:
            return site.html(load(asked, request), template="_panels.html")

    def drawer(request: Request) -> Response:
        number = whole(request.path_params["number"], "a trial", 404)
        with site.asked(request) as asked:
            return site.html(
                asking(lambda: Drawer.load(asked.session, asked.study, number), status=404)
            )

    def api_points(request: Request) -> Response:
        with site.asked(request) as asked:
            axis = axis_of(request, asked)
            return site.kept(request, asked, lambda: points(asked, axis))

    def api_changes(request: Request) -> Response:
        since = whole(request.query_params.get("since", ""), "since", 400)
        with site.asked(request) as asked:
            changed = changes(asked, axis_of(request, asked), since)
        return Response(status_code=204) if changed is None else JSONResponse(changed)

    return [
        Route("/s/{id}", page),
        Route("/s/{id}/_panels", panels),
        Route("/s/{id}/_drawer/{number}", drawer),
        Route("/api/v1/studies/{id}/points", api_points),
        Route("/api/v1/studies/{id}/changes", api_changes),
    ]


def axis_of(request: Request, asked: Asked) -> Axis:
    """The cost axis that is asked for, or the fitting one."""
    cost = request.query_params.get("cost")
    if cost is None:
        return fitting_axis(front_trials(asked.session, asked.study))
    return asking(lambda: axis_called(cost))


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

    frame: Frame = field(metadata={"help": "what surrounds it"})
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
        cls, asked: Asked, frame: Frame, *, cost: str | None = None, chosen: int | None = None
    ) -> Self:
        """The page of a study on the axis ``cost``, with trial ``chosen`` in the drawer."""
        session, study = asked.session, asked.study
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
            frame=frame,
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
