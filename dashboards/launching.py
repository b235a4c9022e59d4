"""``/launch``: write down a search, see what it has ahead of it, start it; stop others and go on.

It is a permission of its own. A spec names files of this machine and may run code of the user's;
whoever may launch can do here what the user of the dashboard can.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from threading import BoundedSemaphore, Lock
from typing import Any, ClassVar

import yaml
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..search import store
from ..search.records import Study
from .drivers import Drivers, Run
from .guard import json_of
from .numbers import duration, word
from .processes import answer
from .site import Site, asking, lives
from .studies import backbone_of, dataset_of

__all__ = ["LaunchPage", "routes"]

SECONDS = 300.0  # for a preview
LONGEST = 64_000  # characters of a spec
NOT_ALLOWED = (
    "this dashboard only shows: whoever starts it with --allow-launch lets searches be started"
)
Work = Callable[[Request, dict[str, Any]], Response]


def routes(site: Site) -> list[Route]:
    """The page, and all that its buttons do."""
    previewing, choosing = BoundedSemaphore(2), Lock()

    def allowed() -> Drivers:
        if site.launching is None:
            raise HTTPException(403, NOT_ALLOWED)
        return site.launching

    def page(request: Request) -> Response:
        with site.session() as session:
            return site.html(LaunchPage.load(session, allowed=site.launching is not None))

    @cache
    def choices() -> dict[str, Any]:
        return answer("search.launch_job", {}, seconds=SECONDS)

    def asked_choices(request: Request) -> Response:
        allowed()
        with choosing:  # one process answers all
            return JSONResponse(asking(choices))

    def preview(request: Request, asked: dict[str, Any]) -> Response:
        text = _text(asked, "text", LONGEST)
        if not previewing.acquire(blocking=False):
            raise HTTPException(429, "two specs are being looked at; try again in a moment")
        try:
            found = asking(lambda: answer("search.launch_job", {"text": text}, seconds=SECONDS))
        finally:
            previewing.release()
        if "error" in found:
            error = {"code": "bad_value", "message": found["error"], "field": found["field"]}
            return JSONResponse({"error": error}, 400)
        with site.session() as session:
            return JSONResponse(found | {"duration": expected(session, found)})

    def start(request: Request, asked: dict[str, Any]) -> Response:
        name, text = _text(asked, "name", 200), _text(asked, "text", LONGEST)
        with site.session() as session:
            if store.id_of(session, name) is not None:
                message = (
                    f"there is a study {name!r} already: go on with it, or choose another name"
                )
                raise HTTPException(409, message)
        run = asking(lambda: allowed().start(name, text))
        return JSONResponse({"run": run.id, "pid": run.pid}, 202)

    def resume(request: Request, asked: dict[str, Any]) -> Response:
        trials = asked.get("trials")
        if trials is not None and not (type(trials) is int and 1 <= trials <= 10**7):
            raise HTTPException(400, "trials must be a whole number from 1 to 10,000,000")
        with site.asked(request) as there:
            if there.alive:
                raise HTTPException(409, f"study {there.study.name!r} is being searched already")
            name, spec = there.study.name, dict(there.study.spec)
        spec |= {} if trials is None else {"trials": trials}
        text = yaml.safe_dump(spec, sort_keys=False, allow_unicode=True)
        run = asking(lambda: allowed().start(name, text))
        return JSONResponse({"run": run.id, "pid": run.pid}, 202)

    def stop(request: Request, asked: dict[str, Any]) -> Response:
        with site.asked(request) as there:
            name = there.study.name
        return JSONResponse({"message": asking(lambda: allowed().stop(name))})

    def runs(request: Request) -> Response:
        drivers = allowed()
        with site.session() as session:
            found = [
                run_json(drivers, run, store.id_of(session, run.study)) for run in drivers.runs()
            ]
        return JSONResponse({"runs": found})

    def log(request: Request) -> Response:
        drivers = allowed()
        for run in drivers.runs():
            if run.id == request.path_params["run"]:
                return JSONResponse({"alive": drivers.is_alive(run), "log": drivers.log(run)})
        raise HTTPException(404, "there is no such run, or none any more")

    def post(path: str, work: Work) -> Route:
        async def view(request: Request) -> Response:
            allowed()
            asked = await json_of(request)
            return await run_in_threadpool(work, request, asked)

        return Route(path, view, methods=["POST"], name=work.__name__)

    return [
        Route("/launch", page),
        Route("/api/v1/launch/choices", asked_choices),
        post("/api/v1/launch/preview", preview),
        post("/api/v1/launch", start),
        Route("/api/v1/launch/runs", runs),
        Route("/api/v1/launch/runs/{run}", log),
        post("/api/v1/studies/{id}/stop", stop),
        post("/api/v1/studies/{id}/resume", resume),
    ]


def _text(asked: dict[str, Any], name: str, most: int) -> str:
    found = asked.get(name)
    if not isinstance(found, str) or not 0 <= len(found) <= most:
        raise HTTPException(400, f"{name} must be a text of at most {most:,} characters")
    return found


def run_json(drivers: Drivers, run: Run, study_id: int | None) -> dict[str, Any]:
    """A run as JSON; of a study that has no row yet, ``study_id`` is none."""
    return {
        "id": run.id,
        "study": run.study,
        "study_id": study_id,
        "pid": run.pid,
        "started": f"{run.started}Z",
        "alive": drivers.is_alive(run),
    }


def expected(session: Session, found: dict[str, Any]) -> str:
    """How long the search of a preview takes, and how that is known."""
    what = f"{word(found['trials'], 'trial')} of {word(found['epochs'], 'epoch')}"
    if found["time_budget"] is not None:
        what += f", ended after {duration(found['time_budget'])}"
    if found["elsewhere"]:
        return f"{what}; how long is unknown: the workers are counted once it runs"
    for study in store.studies(session):
        if (dataset_of(study), backbone_of(study)) != (found["data"], found["backbone"]):
            continue
        if seconds := store.pace(session, study):
            total = found["trials"] * found["epochs"] * seconds / found["workers"]
            return (
                f"{what}; about {duration(total)} without early stopping: an epoch took "
                f"{seconds:.2g} s in study {study.name}, and {found['workers']} run at once"
            )
    return f"{what}; how long is unknown: no study here has these images and this backbone"


# ------------------------------------------------------------------------------------- the page


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """A setting in the form."""

    key: str = field(metadata={"help": "as the spec spells it"})
    label: str = field(metadata={"help": "what it is called on the page"})
    kind: str = field(default="number", metadata={"help": "text, number, choice, names or lines"})
    hint: str = field(default="", metadata={"help": "units, or what may be written"})


FORM: dict[str, tuple[Field, ...]] = {
    "Images and backbone": (
        Field(key="data.name", label="Images", kind="text", hint="or a path"),
        Field(key="data.image_size", label="Image size", hint="pixels a side"),
        Field(key="space.backbone", label="Backbone", kind="text", hint="or a file"),
        Field(key="space.weights", label="Weights", kind="text", hint="pretrained"),
    ),
    "Which attention, and where": (
        Field(key="space.preset", label="Preset", kind="choice", hint="of what follows"),
        Field(key="space.hyperparameters", label="Hyper-parameters", kind="choice"),
        Field(key="space.most", label="Most modules"),
        Field(key="space.modules", label="Modules", kind="names", hint="none: the usual ones"),
        Field(key="space.kinds", label="Sites", kind="names", hint="none: each module's usual"),
    ),
    "Training": (
        Field(key="recipe.epochs", label="Epochs"),
        Field(key="recipe.batch", label="Batch", hint="images a step"),
        Field(key="recipe.optimizer", label="Optimizer", kind="choice"),
        Field(key="recipe.peak_lr", label="Peak rate"),
    ),
    "Objectives": (
        Field(key="objectives", label="Besides accuracy", kind="names", hint="none: GFLOPs"),
        Field(
            key="constraints",
            label="Constraints",
            kind="lines",
            hint="a line each: gflops <= 1.1 * backbone",
        ),
    ),
    "Search": (
        Field(key="sampler.name", label="Sampler", kind="choice"),
        Field(key="stopping.rule", label="Early stopping", kind="choice"),
        Field(key="trials", label="Trials", hint="baselines included"),
        Field(key="time_budget", label="Time budget", kind="text", hint="90s, 2h"),
    ),
    "Machines": (
        Field(key="resources.workers", label="Workers", hint="at once"),
        Field(key="resources.threads", label="Threads", hint="of a worker"),
        Field(key="resources.gpus", label="GPUs", hint="of a worker"),
        Field(key="resources.address", label="Ray cluster", kind="text", hint="address"),
    ),
}
CHOICES = {  # that are few and fixed
    "space.hyperparameters": ("fixed", "module", "stage", "site"),
    "recipe.optimizer": ("sgd", "adamw"),
    "stopping.rule": ("pareto", "asha", "median", "none"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """A study, as far as it can be stopped or gone on with."""

    id: int = field(metadata={"help": "of the study, in addresses"})
    name: str = field(metadata={"help": "as the user called it"})
    alive: bool = field(metadata={"help": "whether a driver gave a sign of life lately"})
    ended: int = field(metadata={"help": "trials of which nothing more comes"})
    planned: int = field(metadata={"help": "trials that its spec wants"})


@dataclass(frozen=True, kw_only=True, slots=True)
class LaunchPage:
    """``/launch``: which search shall begin, stop, or go on?"""

    TEMPLATE: ClassVar[str] = "launch.html"

    allowed: bool = field(metadata={"help": "whether searches may be started from here"})
    form: dict[str, tuple[Field, ...]] = field(metadata={"help": "the settings, by what they say"})
    choices: dict[str, tuple[str, ...]] = field(metadata={"help": "of settings, where fixed"})
    studies: list[Standing] = field(metadata={"help": "all studies, the latest first"})

    @classmethod
    def load(cls, session: Session, *, allowed: bool) -> "LaunchPage":
        """The page, with the studies as they stand."""
        studies = [standing(session, study) for study in store.studies(session)]
        return cls(allowed=allowed, form=FORM, choices=CHOICES, studies=studies)


def standing(session: Session, study: Study) -> Standing:
    """How ``study`` stands."""
    counts = store.counts(session, study)
    return Standing(
        id=study.id,
        name=study.name,
        alive=any(lives(one.beat) for one in store.drivers(session, study.id)),
        ended=counts["complete"] + counts["stopped"] + counts["failed"],
        planned=int(study.spec.get("trials", 0)),
    )
