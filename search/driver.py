"""The driver: Ray Tune between the ledger and the workers, with no decision of its own."""

import json
import logging
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Literal

import ray
from ray import tune
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from ..errors import BadValue
from ..workers.data import load
from ..workers.trainable import CandidateTrainer
from .ledger import Job, Ledger
from .packing import Packing, best, measured, packings
from .spec import SearchSpec

__all__ = ["Event", "Outcome", "drive"]

Outcome = Literal[
    "finished",
    "time budget",
    "interrupted",
    "asked to stop",
    "space exhausted",
    "failing alike",
    "all failed",
]
ALIKE = 5  # failures of one kind, and nothing else, that end a search
TRIES = 3  # workers that a trial may lose
SHIPPED = 2**30  # bytes of images at most that are sent to the nodes
_EPOCH = ("number", "train_loss", "accuracy", "seconds")
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # ours stops at the next result
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",  # the study is the truth, not Ray's snapshots
    "TUNE_WARN_THRESHOLD_S": "60",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # a trial's record has them
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a trial, for whoever watches."""

    job: Job
    state: str  # of the trial, now
    epoch: dict[str, Any] | None = None  # number, train_loss, accuracy, seconds
    reason: str | None = None
    note: str | None = None  # what befell it, if it goes on


@dataclass
class _Run:
    """What the three sides of Ray Tune share. Never pickled: it holds the database."""

    ledger: Ledger
    spec: SearchSpec
    watch: Callable[[Event], None]
    packing: Packing
    jobs: dict[str, Job] = field(default_factory=dict)  # Ray's trial id -> what it trains
    began: float = field(default_factory=monotonic)
    interrupted: bool = False
    out_of_time: bool = False
    failures: list[str] | None = field(default_factory=list)  # reasons; None: something worked
    deaths: dict[str, str] = field(default_factory=dict)  # Ray's trial id -> how its worker died

    def start(self, trial_id: str) -> dict[str, Any] | str:
        job = self.ledger.ask()
        if job is None:
            return str(Searcher.FINISHED)
        self.jobs[trial_id] = job
        self.watch(Event(job, "running"))
        return _config(self.spec, self.packing) | {
            "number": job.number,
            "placement": job.placement.spelling,
            "recorded": job.recorded,
            "folder": self.ledger.folder(job.number).where,
            "latency": self.spec.measures_latency and not job.is_timed,
            "bare": self.ledger.space.base.spelling,
        }

    def result(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Record a report; whether its trial goes on."""
        job, failed, note = self.jobs[trial_id], result.get("failed"), result.get("note")
        if note:
            self.note(trial_id, note)
        if "latency/ms" in result:
            names = ("ms", "bare_ms", "device")
            latency = {name: result[f"latency/{name}"] for name in names}
            return self._goes_on(job, self.ledger.measured(job.number, latency))
        if "epoch/number" not in result:
            self.fail(trial_id, failed or "its worker says nothing")
            return False
        epoch = {name: result[f"epoch/{name}"] for name in _EPOCH}
        for part in ("metrics", "machine"):
            inside = f"epoch/{part}/"
            epoch[part] = {
                name.removeprefix(inside): value
                for name, value in result.items()
                if name.startswith(inside)
            }
        state = self.ledger.report(
            job.number,
            worker=result["worker"],
            device=result["device"],
            epoch=epoch,
            failed=failed,
            looks=json.loads(result.get("looks", "null")),
        )
        return self._goes_on(job, state, epoch, failed)

    def fail(self, trial_id: str, reason: str) -> None:
        job = self.jobs[trial_id]
        self._goes_on(job, self.ledger.fail(job.number, reason), failed=reason)

    def _goes_on(
        self,
        job: Job,
        state: str,
        epoch: dict[str, Any] | None = None,
        failed: str | None = None,
    ) -> bool:
        if state == "infeasible":
            failed = "too slow for the constraints"
        elif failed:
            self._count_failure(failed)
        elif state in ("complete", "stopped"):
            self.failures = None
        self.watch(Event(job, state, epoch, reason=failed))
        return state == "running"

    def note(self, trial_id: str, text: str) -> None:
        job = self.jobs[trial_id]
        self.ledger.note(job.number, text)
        self.watch(Event(job, "running", note=text))

    def lost_worker(self, trial_id: str, how: str, times: int) -> None:
        """The worker of a trial died: another goes on with it, or the trial has failed."""
        self.deaths[trial_id] = how
        if times < TRIES:
            self.note(trial_id, f"its worker died ({how}); another goes on with it")

    def lost_trial(self, trial_id: str) -> None:
        how = self.deaths.get(trial_id, "nobody knows how")
        self.fail(trial_id, f"its workers died, one after the other, at last: {how}")

    def _count_failure(self, reason: str) -> None:
        if self.failures is not None:
            # whatever the epoch, the process or the address
            self.failures.append(re.sub(r"\b(0x)?[0-9a-f]{6,}\b|\d+", "", reason))

    @property
    def is_failing_alike(self) -> bool:
        """Nothing has worked so far, and the last failures are of one kind."""
        last = (self.failures or [])[-ALIKE:]
        return len(last) == ALIKE and len(set(last)) == 1

    def should_end(self) -> bool:
        budget = self.spec.time_budget
        if budget is not None and monotonic() - self.began > budget:
            self.out_of_time = True
        asked = self.ledger.is_asked_to_stop
        return self.interrupted or self.out_of_time or asked or self.is_failing_alike

    def is_wanted(self) -> bool:
        """Whether the search is to wait for a database that is away."""
        budget = self.spec.time_budget
        is_late = budget is not None and monotonic() - self.began > budget
        return not (self.interrupted or is_late)

    def outcome(self) -> Outcome:
        if self.interrupted:
            return "interrupted"
        if self.ledger.is_asked_to_stop:
            return "asked to stop"
        if self.is_failing_alike:
            return "failing alike"
        if self.out_of_time:
            return "time budget"
        return "space exhausted" if self.ledger.exhausted else "finished"


def drive(
    ledger: Ledger,
    spec: SearchSpec,
    watch: Callable[[Event], None],
    say: Callable[[str], None] = print,
) -> Outcome:
    """Train what ``ledger`` asks for until it asks no more, time is up, or the user interrupts.

    Each event is given to ``watch`` right after it is recorded; ``say`` hears what concerns all.
    """
    with _ray(spec), _folder() as folder, ExitStack() as stack:
        bare = ledger.space.base.spelling
        packing = _packing(spec, lambda way: _config(spec, way) | {"placement": bare}, say)
        if spec.resources.packing == "auto":
            say(f"Trials: {packing}")
        run = _Run(ledger, spec, watch, packing)
        ledger.say, ledger.is_wanted = say, run.is_wanted
        stack.enter_context(_interrupts(run))
        resources = {"cpu": packing.threads, "gpu": packing.gpus}
        trainer = tune.with_parameters(CandidateTrainer, images=_shipped(spec))
        tuner = tune.Tuner(
            tune.with_resources(trainer, resources),
            tune_config=tune.TuneConfig(
                search_alg=_Proposals(run),
                scheduler=_Verdicts(run),
                num_samples=-1,
                max_concurrent_trials=packing.workers,
                reuse_actors=True,
                trial_name_creator=lambda trial: trial.trial_id,
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                name="foveate",
                storage_path=folder,
                stop=_End(run),
                failure_config=tune.FailureConfig(max_failures=TRIES - 1),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),  # we keep ours
                verbose=0,
            ),
        )
        stack.enter_context(_starting_actors_go_on())
        tuner.fit()
    return run.outcome()


def _config(spec: SearchSpec, packing: Packing) -> dict[str, Any]:
    """What a worker has to know of any trial of the search."""
    return {
        "plugins": [plugin.to_dict() for plugin in spec.plugins],
        "backbones": [file.to_dict() for file in spec.backbone_files],
        "identity_init": spec.space.identity_init,
        "weights": spec.space.weights,
        "data": spec.data.to_dict(),
        "recipe": spec.recipe.to_dict(),
        "threads": packing.threads,
        "gpus": packing.gpus,
        "stuck_after": spec.resources.stuck_after,
        "latency": False,
        "looks": spec.looks,
    }


class _Local:
    """Ray pickles what it is given, for snapshots that are never read: the run stays here."""

    run: _Run

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Proposals(_Local, Searcher):
    """Asks the ledger whenever Ray Tune has room for a trial."""

    def __init__(self, run: _Run) -> None:
        super().__init__()
        self.run = run

    def suggest(self, trial_id: str) -> Any:  # a configuration, or FINISHED
        return self.run.start(trial_id)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        if error:
            self.run.lost_trial(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study is the truth."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: a new driver reads the study."""


class _Verdicts(_Local, FIFOScheduler):
    """Records each report and stops a trial when the ledger says so."""

    def __init__(self, run: _Run) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.run = run

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        goes_on = self.run.result(trial.trial_id, result)
        return str(self.CONTINUE if goes_on else self.STOP)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        super().on_trial_error(tune_controller, trial)
        how = _how(trial.error_file)
        self.run.lost_worker(trial.trial_id, how, trial.run_metadata.num_failures)


class _End(_Local, tune.Stopper):
    """Ends the run when the time is up or the user says so."""

    def __init__(self, run: _Run) -> None:
        self.run = run

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self.run.should_end()


def _shipped(spec: SearchSpec) -> dict[str, Any] | None:
    """Small data sets, which Ray keeps once a node; the workers open the others themselves."""
    images = load(spec.data)
    room = min(SHIPPED, ray.cluster_resources().get("object_store_memory", 0) / 4)
    return None if images.is_packed or images.nbytes > room else images.arrays()


def _how(file: str) -> str:
    """What Ray says of a worker's last end, in a few words."""
    try:
        said = Path(file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "nobody knows how"
    last = said.rpartition("Failure #")[2].partition("\n")[2].strip()
    detail = re.search(r"exit detail: (.*?)\.?( Some common causes|\n|$)", last)
    lines = last.splitlines() or ["nobody knows how"]
    said = lines[-1] if "creation task" in lines[0] else lines[0]
    return (detail[1] if detail else said).strip()[:200]


@contextmanager
def _ray(spec: SearchSpec) -> Iterator[None]:
    """A Ray cluster: the user's, or one on this machine."""
    os.environ.update(_QUIET)
    address = spec.resources.address
    options: dict[str, Any] = {"address": address}
    if address is None:
        options = {"num_cpus": spec.cpus, "include_dashboard": False}
        options["_node_ip_address"] = "127.0.0.1"
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    except (ConnectionError, ValueError) as error:
        raise BadValue(f"there is no Ray cluster at {address!r}: {error}") from None
    try:
        yield
    finally:
        ray.shutdown()


def _packing(
    spec: SearchSpec, config: Callable[[Packing], dict[str, Any]], say: Callable[[str], None]
) -> Packing:
    """What each worker takes, and how many there are at once: as the spec says, or measured."""
    wanted, has = spec.resources, ray.cluster_resources()
    cpus, there = has.get("CPU", 0), has.get("GPU", 0)
    if wanted.packing == "auto":
        ways = packings(int(cpus), there)
        try:
            rates = measured(ways, config(ways[0]), say)
        except ray.exceptions.RayError as error:
            raise BadValue(f"not one trial can train here: {_last_line(error)}") from None
        return best(rates)
    gpus = min(1.0, there) if wanted.gpus is None else wanted.gpus
    room = int(cpus // wanted.threads)
    room = min(room, int(there / gpus)) if gpus else room
    if room < 1:
        raise BadValue(
            f"a worker takes {wanted.threads} CPUs and {gpus:g} GPUs, "
            f"and there are {cpus:g} and {there:g}"
        )
    return Packing(wanted.threads, gpus, min(room, wanted.workers or room))


def _last_line(error: Exception) -> str:
    """What the worker's exception said, without the way there."""
    return str(error).strip().rpartition("\n")[2].strip()


@contextmanager
def _interrupts(run: _Run) -> Iterator[None]:
    """The first Ctrl-C (or TERM) ends the run at the next result, the second at once."""

    def interrupt(number: int, frame: object) -> None:
        if run.interrupted:
            raise KeyboardInterrupt
        run.interrupted = True

    before = {
        number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _starting_actors_go_on() -> Iterator[None]:
    """A trial whose actor is starting waits for that one, and the next takes the one that is free.

    Ray Tune would give it the free one and end the one that starts: with trials that are shorter
    than an actor's start, one worker does all the work while others start for ever.
    """
    reuse = getattr(TuneController, "_maybe_reuse_cached_actor", None)
    if reuse is None:  # another version of Ray; what it does wrongly costs time, nothing else
        yield
        return

    def unless_starting(self: Any, trial: Trial) -> bool:
        actor = self._trial_to_actor.get(trial)
        has_its_own = actor is not None and self._actor_manager.is_actor_started(actor)
        if has_its_own and trial not in self._resetting_trials:
            return False
        return bool(reuse(self, trial))

    TuneController._maybe_reuse_cached_actor = unless_starting  # type: ignore[method-assign]
    try:
        yield
    finally:
        TuneController._maybe_reuse_cached_actor = reuse  # type: ignore[method-assign]


@contextmanager
def _folder() -> Iterator[str]:
    """For Ray's own files, which nobody reads again."""
    folder = tempfile.mkdtemp(prefix="foveate-ray-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
