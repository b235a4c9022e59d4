"""``/s/{id}/trials/{n}``: what is it, why, can I have it?"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from statistics import fmean, stdev
from typing import Any, ClassVar, Self

import numpy as np
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..search import store
from ..search.records import Artifact, Study, Trial
from ..search.stopping import Stopping, rungs
from ..spaces.picture import emblem, picture
from ..spaces.placement import Placement
from .drawings import drawings_of
from .listing import FIELDS, values
from .pages import Frame
from .site import Asked, Site, asking, whole

__all__ = ["Added", "Cost", "Metric", "Rung", "Timing", "TrialPage", "curve_of", "routes"]

SHARES = (  # of workers.metrics: written in percent
    *("top-1", "top-5", "balanced", "worst-class"),
    *("mean-ap", "macro-f1", "exact-match"),
)
POLICY = "Content-Security-Policy"
SEALED = (  # a picture by itself
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
)
UNITS = {"gflops": "GFLOPs", "parameters": "parameters", "memory": "memory", "latency": "latency"}


def routes(site: Site) -> list[Route]:
    """The page of a trial, the trial as JSON, and its architecture as a picture."""

    def number_in(request: Request) -> int:
        return whole(request.path_params["number"], "a trial", 404)

    def page(request: Request) -> Response:
        number = number_in(request)
        with site.asked(request) as asked:
            frame = site.frame(asked, "trials")

            def text() -> str:
                found = asking(lambda: TrialPage.load(asked, frame, number), status=404)
                return site.text(found)

            return site.kept(request, asked, text, kind="html", also=f"{frame.others}")

    def api(request: Request) -> Response:
        number = number_in(request)
        with site.asked(request) as asked:

            def data() -> dict[str, Any]:
                return asking(lambda: as_json(asked, number), status=404)

            return site.kept(request, asked, data)

    def architecture(request: Request) -> Response:
        number = number_in(request)
        with site.asked(request) as asked:
            trial = asking(lambda: store.find_trial(asked.session, asked.study, number), status=404)
            return drawn(request, site, asked, trial)

    return [
        Route("/s/{id}/trials/{number}", page),
        Route("/api/v1/studies/{id}/trials/{number}", api),
        Route("/api/v1/studies/{id}/trials/{number}/arch.svg", architecture),
    ]


def drawn(request: Request, site: Site, asked: Asked, trial: Trial) -> Response:
    """The architecture as a file of its own.

    A trial's never changes; but another database at this address has others. So it is kept for
    ever only under an address that says which: ``?v=`` and the trial's key.
    """
    signs = drawings_of(asked).glyphs
    named = "-".join([trial.key, site.version, *(f"{name}{signs[name].code}" for name in signs)])
    tag = f'"{named.encode("ascii", "replace").decode()[:120]}"'
    is_named = request.query_params.get("v") == trial.key
    caching = "private, max-age=31536000, immutable" if is_named else "no-cache"
    headers = {"ETag": tag, "Cache-Control": caching, POLICY: SEALED}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    placement = Placement.parse(trial.placement)
    text = picture(placement, asked.study.sites, known=signs, standalone=True)
    return Response(text, media_type="image/svg+xml", headers=headers)


# ------------------------------------------------------------------------------------ its parts


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One figure of the validation images, beside the bare backbone's."""

    name: str = field(metadata={"help": "as the worker called it"})
    value: float = field(metadata={"help": "after the latest epoch"})
    delta: float | None = field(metadata={"help": "minus that of the bare backbone"})
    mean: float | None = field(metadata={"help": "over seeds, where there are several"})
    sd: float | None = field(metadata={"help": "over seeds, where there are several"})
    is_share: bool = field(metadata={"help": "whether it is written in percent"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """One cost, beside the bare backbone's."""

    name: str = field(metadata={"help": "as objectives and constraints call it"})
    value: float = field(metadata={"help": "of the whole network"})
    bare: float | None = field(metadata={"help": "of the bare backbone, where it is known"})
    percent: float | None = field(metadata={"help": "over the bare backbone's"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Added:
    """A module of the placement, and what it adds."""

    place: str = field(metadata={"help": "short name of where it stands"})
    site: str = field(metadata={"help": "the same as a path in the backbone"})
    module: str = field(metadata={"help": "its name"})
    glyph: Markup = field(metadata={"help": "as SVG"})
    settings: list[tuple[str, Any]] = field(metadata={"help": "its hyper-parameters"})
    parameters: int | None = field(metadata={"help": "that it adds; None: not recorded"})
    share: float | None = field(metadata={"help": "of the operations that all modules add"})
    operations: int | None = field(metadata={"help": "that it adds; None: not recorded"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Rung:
    """An epoch after which the trial was, or will be, judged."""

    epoch: int = field(metadata={"help": "after which it is judged"})
    accuracy: float | None = field(metadata={"help": "after that epoch; None: not there yet"})
    judged: float | None = field(metadata={"help": "accuracy as the rule took it, if recorded"})
    threshold: float | None = field(metadata={"help": "that it had to exceed, if recorded"})
    kept: bool | None = field(metadata={"help": "whether it went on; None: not there yet"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """When what happened; seconds."""

    created: datetime = field(metadata={"help": "when it was proposed, UTC"})
    started: datetime | None = field(metadata={"help": "when a worker began, UTC"})
    ended: datetime | None = field(metadata={"help": "when it ended, UTC"})
    queue: float | None = field(metadata={"help": "from proposed to started"})
    wall: float | None = field(metadata={"help": "from started to ended"})
    trained: float = field(metadata={"help": "sum over epochs: training and validation"})
    epoch: float | None = field(metadata={"help": "of an epoch, on average"})
    data: float | None = field(metadata={"help": "of trained: waiting for the next batch"})
    validation: float | None = field(metadata={"help": "of trained: on the validation images"})


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """Something that the trial left."""

    id: int = field(metadata={"help": "of the record, in addresses"})
    kind: str = field(metadata={"help": "weights, attention, ..."})
    name: str = field(metadata={"help": "the last part of its address"})
    address: str = field(metadata={"help": "a path that all nodes see, or s3://..."})
    bytes: int | None = field(metadata={"help": "its size, if recorded"})
    created: datetime = field(metadata={"help": "when it was recorded, UTC"})


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialPage:
    """``/s/{id}/trials/{n}``: what is it, why, can I have it?"""

    TEMPLATE: ClassVar[str] = "trial.html"

    frame: Frame = field(metadata={"help": "what surrounds it"})
    trial: Trial = field(metadata={"help": "the trial itself"})
    standing: str = field(metadata={"help": "where it stands, in a few words"})
    picture: Markup = field(metadata={"help": "the architecture, as SVG"})
    line: str = field(metadata={"help": "the architecture in one line"})
    gain: float | None = field(metadata={"help": "accuracy minus that of the bare backbone"})
    bare: Trial | None = field(metadata={"help": "the bare backbone, once fully trained"})
    seeds: list[Trial] = field(metadata={"help": "fully trained trials of this placement"})
    mean: float | None = field(metadata={"help": "accuracy over seeds, where there are several"})
    sd: float | None = field(metadata={"help": "of the accuracy over seeds"})
    metrics: list[Metric] = field(metadata={"help": "of the validation images"})
    per_class: list[tuple[str, float | None, float | None]] = field(
        metadata={"help": "each class, its share, and the bare backbone's"}
    )
    costs: list[Cost] = field(metadata={"help": "those that are known"})
    modules: list[Added] = field(metadata={"help": "in the order of the forward pass"})
    rungs: list[Rung] = field(metadata={"help": "where it is judged, if it is"})
    rule: str = field(metadata={"help": "by which rule"})
    planned: int | None = field(metadata={"help": "epochs of a full training"})
    curves: dict[str, Any] = field(metadata={"help": "what the chart draws"})
    timing: Timing = field(metadata={"help": "when what happened"})
    parents: list[int] = field(metadata={"help": "trials that it came from"})
    children: list[int] = field(metadata={"help": "trials that came from it"})
    files: list[File] = field(metadata={"help": "what it left"})
    looks: Artifact | None = field(metadata={"help": "where it looks, if that was drawn"})
    command: str | None = field(metadata={"help": "that exports it, if it can be"})
    look: str = field(metadata={"help": "the command that draws where it looks"})
    before: int | None = field(metadata={"help": "the trial with the number before"})
    after: int | None = field(metadata={"help": "the trial with the number after"})
    cheaper: int | None = field(metadata={"help": "of a member of the front: the one before"})
    dearer: int | None = field(metadata={"help": "of a member of the front: the one after"})

    @classmethod
    def load(cls, asked: Asked, frame: Frame, number: int) -> Self:
        """The page of trial ``number``; ``UnknownName`` if there is none."""
        session, study, snapshot = asked.session, asked.study, asked.snapshot
        trial = store.find_trial(session, study, number)
        bare = bare_of(asked)
        there = store.trials_with_key(session, study, trial.key)
        seeds = [one for one in there if one.state == "complete" and one.accuracy is not None]
        shares = [one.accuracy or 0.0 for one in seeds]
        several = len(seeds) > 1
        drawings = drawings_of(asked)
        drawings.known(asked, [number])
        front = [int(snapshot.number[row]) for row in snapshot.recorded_front()]
        at = front.index(number) if number in front else None
        numbers = snapshot.number
        row = int(numbers.searchsorted(number))
        stopping, planned = Stopping(**study.spec.get("stopping", {})), epochs_of(study)
        judged = rungs_of(trial, stopping, planned)
        return cls(
            frame=frame,
            trial=trial,
            standing=standing(trial),
            picture=drawings.whole(number),
            line=drawings.line(number),
            gain=gain_of(trial, bare),
            bare=bare,
            seeds=seeds,
            mean=fmean(shares) if several else None,
            sd=stdev(shares) if several else None,
            metrics=metrics_of(trial, bare, seeds),
            per_class=classes_of(trial, bare, study.classes),
            costs=costs_of(trial, study, bare),
            modules=modules_of(asked, trial),
            rungs=judged,
            rule=stopping.rule,
            planned=planned,
            curves={"lines": lines_of(trial, bare, seeds), "rungs": marks_of(judged)},
            timing=timing_of(trial),
            parents=list(trial.parents or ()),
            children=store.children_of(session, study, number),
            files=files_of(trial),
            looks=trial.looks,
            command=command_of(study, trial),
            look=f"foveate look {shlex.quote(study.name)} --trial {trial.number}",
            before=int(numbers[row - 1]) if row > 0 else None,
            after=int(numbers[row + 1]) if row + 1 < len(numbers) else None,
            cheaper=front[at - 1] if at else None,
            dearer=front[at + 1] if at is not None and at + 1 < len(front) else None,
        )


def bare_of(asked: Asked) -> Trial | None:
    """The bare backbone, once fully trained."""
    snapshot = asked.snapshot
    if snapshot.bare is None:
        return None
    return store.find_trial(asked.session, asked.study, int(snapshot.number[snapshot.bare]))


def standing(trial: Trial) -> str:
    """Where ``trial`` stands, in a few words."""
    if trial.on_front:
        return "on the front"
    return "dominated" if trial.state == "complete" else trial.state


def gain_of(trial: Trial, bare: Trial | None) -> float | None:
    """What a fully trained trial is ahead of the bare backbone."""
    if bare is None or trial.id == bare.id or trial.state != "complete":
        return None
    return (trial.accuracy or 0.0) - (bare.accuracy or 0.0)


def epochs_of(study: Study) -> int | None:
    """Epochs of a full training."""
    epochs = study.spec.get("recipe", {}).get("epochs")
    return epochs if isinstance(epochs, int) else None


def metrics_of(trial: Trial, bare: Trial | None, seeds: Sequence[Trial]) -> list[Metric]:
    """All single figures of the latest epoch; deltas and spreads of fully trained trials."""
    is_done = trial.state == "complete"
    theirs = bare.metrics or {} if bare is not None and bare.id != trial.id and is_done else {}
    found = []
    for name, value in (trial.metrics or {}).items():
        if not is_number(value):
            continue
        known: list[Any] = [(one.metrics or {}).get(name) for one in seeds]
        all_of_them = [other for other in known if is_number(other)]
        several = is_done and len(all_of_them) > 1
        found.append(
            Metric(
                name=name,
                value=value,
                delta=value - theirs[name] if is_number(theirs.get(name)) else None,
                mean=fmean(all_of_them) if several else None,
                sd=stdev(all_of_them) if several else None,
                is_share=name in SHARES,
            )
        )
    return found


def is_number(value: Any) -> bool:
    """Whether a metric is a single figure."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def classes_of(
    trial: Trial, bare: Trial | None, names: Sequence[str]
) -> list[tuple[str, float | None, float | None]]:
    """Each class, its share, and the bare backbone's: where both are fully trained."""
    mine = (trial.metrics or {}).get("per-class") or []
    theirs: Sequence[float | None] = []
    if bare is not None and bare.id != trial.id and trial.state == "complete":
        theirs = (bare.metrics or {}).get("per-class") or []
    if len(theirs) != len(mine):
        theirs = [None] * len(mine)
    named = names if len(names) == len(mine) else [str(i) for i in range(len(mine))]
    return list(zip(map(str, named), mine, theirs, strict=True))


def costs_of(trial: Trial, study: Study, bare: Trial | None) -> list[Cost]:
    """The costs that are known, beside the bare backbone's."""
    theirs = {"gflops": study.bare_gflops} | study.bare | ({} if bare is None else bare.costs)
    is_bare = bare is not None and trial.id == bare.id
    found: list[Cost] = []
    for name, value in trial.costs.items():
        known = None if is_bare else theirs.get(name)
        percent = 100 * (value - known) / known if known else None
        found.append(Cost(name=UNITS[name], value=value, bare=known, percent=percent))
    return found


def modules_of(asked: Asked, trial: Trial) -> list[Added]:
    """The modules of ``trial`` with what each adds, in the order of the forward pass."""
    modules = Placement.parse(trial.placement).modules
    order = {place.path: (i, place.label) for i, place in enumerate(asked.stands.places)}
    added: Sequence[Any] = trial.added if trial.added is not None else [(None, None)] * len(modules)
    signs = drawings_of(asked).glyphs
    total = sum(operations or 0 for _, operations in added)
    found: list[tuple[int, int, Added]] = []
    for module, (parameters, operations) in zip(modules, added, strict=True):
        one = Added(
            place=order[module.site][1],
            site=module.site,
            module=module.name,
            glyph=Markup(emblem(signs[module.name], module.name)),
            settings=list(module.hyperparameters),
            parameters=parameters,
            operations=operations,
            share=None if operations is None or total <= 0 else operations / total,
        )
        found.append((order[module.site][0], len(found), one))
    return [one for _, _, one in sorted(found, key=lambda three: three[:2])]


def rungs_of(trial: Trial, stopping: Stopping, epochs: int | None) -> list[Rung]:
    """Where ``trial`` is judged; of a rung that it passed, no threshold is recorded."""
    if trial.is_baseline or epochs is None:
        return []
    reached = [epoch.accuracy for epoch in trial.curve]
    verdict = trial.verdict if trial.state == "stopped" and trial.verdict else {}
    at = {*rungs(stopping, epochs), *([verdict["epoch"]] if verdict else [])}
    found = []
    for epoch in sorted(at):
        decided = epoch == verdict.get("epoch")
        over = trial.state in ("stopped", "failed", "infeasible")  # nobody judges it any more
        if epoch > len(reached) and over:
            break
        went_on = len(reached) > epoch or trial.state == "complete"
        found.append(
            Rung(
                epoch=epoch,
                accuracy=reached[epoch - 1] if epoch <= len(reached) else None,
                judged=verdict["accuracy"] if decided else None,
                threshold=verdict["threshold"] if decided else None,
                kept=False if decided else True if went_on else None,
            )
        )
    return found


def curve_of(trial: Trial) -> list[float]:
    """Accuracy in percent after each epoch."""
    return [round(100 * epoch.accuracy, 4) for epoch in trial.curve]


def lines_of(trial: Trial, bare: Trial | None, seeds: Sequence[Trial]) -> list[dict[str, Any]]:
    """What the chart draws: this trial, the bare backbone, and the same with other seeds."""
    lines = [{"name": f"#{trial.number}", "kind": "this", "data": curve_of(trial)}]
    if bare is not None and bare.id != trial.id:
        lines.append({"name": "bare", "kind": "bare", "data": curve_of(bare)})
    others = (one for one in seeds if one.id != trial.id and (bare is None or one.id != bare.id))
    more = [{"name": f"seed {one.seed}", "kind": "seed", "data": curve_of(one)} for one in others]
    return [*lines, *more]


def marks_of(judged: Sequence[Rung]) -> list[dict[str, Any]]:
    """Where the chart says that trials are judged, in percent."""
    return [{"epoch": one.epoch, "threshold": percent_of(one.threshold)} for one in judged]


def timing_of(trial: Trial) -> Timing:
    """When what happened."""

    def between(a: datetime | None, b: datetime | None) -> float | None:
        return None if a is None or b is None else max(0.0, (b - a).total_seconds())

    def part(name: str) -> float | None:
        told = [((epoch.metrics or {}).get("machine") or {}).get(name) for epoch in trial.curve]
        known = [seconds for seconds in told if seconds is not None]
        return sum(known) if known and len(known) == len(told) else None

    return Timing(
        created=trial.created,
        started=trial.started,
        ended=trial.ended,
        queue=between(trial.created, trial.started),
        wall=between(trial.started, trial.ended),
        trained=trial.seconds,
        epoch=trial.seconds / trial.epochs if trial.epochs else None,
        data=part("data"),
        validation=part("validation"),
    )


def files_of(trial: Trial) -> list[File]:
    """What the trial left."""
    return [
        File(
            id=one.id,
            kind=one.kind,
            name=one.address.partition("?")[0].rpartition("/")[2],
            address=one.address,
            bytes=one.bytes,
            created=one.created,
        )
        for one in trial.artifacts
    ]


def command_of(study: Study, trial: Trial) -> str | None:
    """The command that exports ``trial``; ``None`` without weights of a full training."""
    if trial.state != "complete" or trial.weights is None:
        return None
    return f"foveate export {shlex.quote(study.name)} --trial {trial.number} --out my-model"


# ------------------------------------------------------------------------------------ as data


def as_json(asked: Asked, number: int) -> dict[str, Any]:
    """Trial ``number``; ``UnknownName`` if there is none."""
    session, study = asked.session, asked.study
    trial = store.find_trial(session, study, number)
    stopping = Stopping(**study.spec.get("stopping", {}))
    rows = np.flatnonzero(asked.snapshot.number == number)
    listed = [one for one in FIELDS.values() if one.kind != "placement"]
    columns = {one.id: value for one in listed for value in values(asked, one, rows)}
    drawings, timing = drawings_of(asked), timing_of(trial)
    drawings.known(asked, [number])
    return columns | {
        "code": drawings.line(number),
        "placement": trial.placement,
        "hp": trial.chosen or {},
        "places": [
            {
                "place": one.place,
                "site": one.site,
                "module": one.module,
                "settings": dict(one.settings),
                "gflops": None if one.operations is None else one.operations / 1e9,
                "params": one.parameters,
            }
            for one in modules_of(asked, trial)
        ],
        "metrics": trial.metrics or {},
        "timing": {
            name: getattr(timing, name)
            for name in ("queue", "wall", "trained", "data", "validation")
        },
        "curve": {
            "epoch": [epoch.number for epoch in trial.curve],
            "val_acc": curve_of(trial),
            "train_loss": [finite(epoch.train_loss) for epoch in trial.curve],
            "secs": [epoch.seconds for epoch in trial.curve],
        },
        "rungs": [
            {
                "epoch": one.epoch,
                "threshold": percent_of(one.threshold),
                "value": percent_of(one.accuracy if one.judged is None else one.judged),
                "kept": one.kept,
            }
            for one in rungs_of(trial, stopping, epochs_of(study))
        ],
        "verdict": trial.verdict,
        "stop_reason": trial.reason if trial.state in ("stopped", "infeasible") else None,
        "error": trial.reason if trial.state == "failed" else None,
        "notes": trial.notes,
        "parents": list(trial.parents or ()),
        "children": store.children_of(session, study, number),
        "artifacts": [
            {"id": one.id, "kind": one.kind, "name": one.name, "bytes": one.bytes,
             "url": f"/artifacts/{one.id}" if one.kind == "attention" else None}
            for one in files_of(trial)
        ],
    }  # fmt: skip


def finite(value: float) -> float | None:
    """A number as JSON has it, which knows no infinity."""
    return value if isfinite(value) else None


def percent_of(share: float | None) -> float | None:
    """A share in percent, to four decimals."""
    return None if share is None else round(100 * share, 4)
