"""One study, as a driver sees it: what to train next, and what became of it.

The database is the only truth. Optuna's tables and ours are kept in step by one rule: ours are
written first, in one transaction, then Optuna is told; whatever a crash leaves between the two is
mended when the study is next opened. A trial's number is the same in both.
"""

import json
import logging
import os
import platform
import re
import socket
import threading
import warnings
from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from importlib.metadata import version
from random import Random
from time import sleep
from typing import Any, Self
from uuid import uuid4

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from ..errors import BadValue, UnknownName
from ..spaces.placement import Placement, Value
from ..spaces.space import Space
from ..workers.checkpoints import UNREACHABLE, WEIGHTS, Folder
from ..workers.data import Images
from . import store
from .curves import Curves
from .extrapolation import expected
from .records import Study, Trial
from .spec import Sampler, SearchSpec
from .stopping import Decision, decide, rungs

__all__ = ["Job", "Ledger", "LostLeaseError"]

STATES = {
    "waiting": TrialState.WAITING,
    "running": TrialState.RUNNING,
    "complete": TrialState.COMPLETE,
    "stopped": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}
BEAT = 5.0  # seconds between signs of life
EXPECTED = "expected accuracy"  # attribute of a pruned trial
ATTEMPTS = 25  # proposals of the sampler that may be old before chance takes over


class LostLeaseError(RuntimeError):
    """Another driver took the study over."""


@dataclass(frozen=True, slots=True)
class Job:
    """A trial to be trained, as a worker needs it."""

    number: int
    origin: str
    placement: Placement
    gflops: float
    recorded: int  # epochs that are in the database


class Ledger:
    """The open study of one driver; ``close`` it in the end.

    Raises
        UserError  if the study was begun with other settings, another driver is at work on it, or
                   the database cannot be opened
    """

    def __init__(self, storage: str, name: str, spec: SearchSpec, images: Images, space: Space):
        self.spec, self.space, self.name = spec, space, name
        self.classes = len(images.classes)
        self.driver = uuid4().hex
        self.exhausted = False  # every placement of the space has been proposed
        url = store.url_of(storage)
        if not re.fullmatch(r"[\w.+= -]{1,100}", name) or name.startswith("."):
            raise BadValue(
                "a study's name has 1 to 100 letters, digits, spaces and any of _.+=-, "
                f"got {name!r}"
            )
        runs = Folder(spec.folder)
        self.engine = store.open_database(storage, create=True)
        self._optuna = _optuna_study(url.render_as_string(hide_password=False), name)
        self._seen = _Seen(self._optuna)
        self._rungs = rungs(spec.stopping, spec.recipe.epochs)
        self._curves = Curves()
        with Session(self.engine) as session, session.begin():
            self.study_id = self._find_or_add(session, images)
            self._folder = runs.at(f"{name}-{self._study(session).uid[:8]}")
        self._lease()
        self._beating = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="foveate-lease", daemon=True)
        self._thread.start()
        try:
            self._mend()
            self._enqueue_baselines()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """What was being trained waits to be continued; the study is free for another driver."""
        self._beating.set()
        self._thread.join()
        if not self._lost.is_set():
            self._put_back()
            with Session(self.engine) as session, session.begin():
                store.release(session, self.study_id, [self.driver])
        self.engine.dispose()
        self._optuna._storage.remove_session()

    # ---------------------------------------------------------------------------------- asking

    def ask(self) -> Job | None:
        """The next trial to train, marked as running; ``None`` if there is nothing left.

        First what waits (what an earlier driver began, then the baselines), then the sampler.
        """
        self._hold()
        with Session(self.engine) as session:
            study = self._study(session)
            count, waiting = store.counts(session, study), store.next_waiting(session, study)
            number = None if waiting is None else waiting.number
            is_begun = waiting is not None and waiting.started is not None
        taken = sum(count.values()) - count["waiting"]
        if number is not None and (is_begun or taken < self.spec.trials):
            return self._start(number)
        if taken >= self.spec.trials:
            return None
        proposed = self._propose(sum(count.values()))
        self.exhausted = proposed is None
        return None if proposed is None else self._start(self._create(proposed, "sampler"))

    def _start(self, number: int) -> Job:
        with Session(self.engine) as session, session.begin():
            trial = self._trial(session, number)
            store.start(session, trial)
            placement = Placement.parse(trial.placement)
            job = Job(number, trial.origin, placement, trial.gflops, trial.epochs)
        self._optuna_state(number, TrialState.RUNNING)
        return job

    def _propose(self, number: int) -> Placement | None:
        """A placement that this study has not seen, for trial ``number``; ``None`` if there is no
        other.
        """
        attempts = ATTEMPTS if number >= self.spec.sampler.startup else 0
        for attempt in range(attempts):
            sampler = _sampler(self.spec.sampler, [self.spec.seed, number, attempt])
            proposed = self.space.suggest(_Asking(self._seen, sampler, number))
            if not self._is_known(proposed):
                return proposed
        rng = Random(f"{self.spec.seed}-{number}")
        for _ in range(40 * ATTEMPTS):
            proposed = self.space.sample(rng)
            if not self._is_known(proposed):
                return proposed
        return None

    def _is_known(self, placement: Placement) -> bool:
        with Session(self.engine) as session:
            study = self._study(session)
            return store.find_key(session, study, placement.key) is not None

    def _create(self, placement: Placement, origin: str) -> int:
        """A waiting trial: in Optuna's tables, with its parameters in one transaction; in ours."""
        priced = self.space.cost(placement, self.classes)
        chosen = self.space.parameters(placement) or {}
        frozen = optuna.trial.create_trial(
            state=TrialState.WAITING,
            params=dict(chosen),
            distributions=_distributions(self.space, chosen) if chosen else {},
            user_attrs={
                "placement": placement.spelling,
                "origin": origin,
                "gflops": priced.gflops,
                "parameters": priced.parameters,
            },
        )
        storage = self._optuna._storage
        trial_id = storage.create_new_trial(self._optuna._study_id, template_trial=frozen)
        number = storage.get_trial_number_from_id(trial_id)
        self._add(number, placement, origin)
        return number

    def _add(self, number: int, placement: Placement, origin: str) -> None:
        priced = self.space.cost(placement, self.classes)
        with Session(self.engine) as session, session.begin():
            store.add_trial(
                session,
                self._study(session),
                number=number,
                key=placement.key,
                placement=placement.spelling,
                origin=origin,
                parameters=priced.parameters,
                macs=float(priced.macs),
                gflops=priced.gflops,
            )

    def _enqueue_baselines(self) -> None:
        for origin, placement in self.space.baselines().items():
            if not self._is_known(placement):
                self._create(placement, origin)

    # --------------------------------------------------------------------------------- telling

    def report(
        self,
        number: int,
        *,
        worker: str,
        device: str,
        epoch: dict[str, Any],
        failed: str | None = None,
    ) -> str:
        """Record an epoch; the state of its trial afterwards, ``"running"`` if it goes on.

        ``epoch`` is a ``workers.train.Epoch`` as plain data. One that is recorded already changes
        nothing. With ``failed`` the epoch is the trial's last, for that reason.
        """
        self._hold()
        with Session(self.engine) as session, session.begin():
            trial = self._trial(session, number)
            if trial.state != "running" or epoch["number"] <= trial.epochs:
                return trial.state
            trial.worker, trial.device = worker, device
            store.record_epoch(session, trial, **epoch)
            session.flush()
            decision = self._judge(session, trial)
            if failed is not None:
                store.finish(session, trial, "failed", reason=failed)
            elif epoch["number"] >= self.spec.recipe.epochs:
                weights = self.folder(number).address(WEIGHTS)
                store.finish(session, trial, "complete", weights=weights)
            elif decision is not None and not decision.keep:
                store.finish(
                    session,
                    trial,
                    "stopped",
                    reason=decision.reason,
                    verdict=decision.to_dict(),
                    expected=self._expected(trial),
                )
            state = trial.state
        if state != "running":
            self._tell(number)
        return state

    def note(self, number: int, text: str) -> None:
        """Record what befell a trial that goes on."""
        self._hold()
        with Session(self.engine) as session, session.begin():
            store.note(session, self._trial(session, number), text)

    def fail(self, number: int, reason: str) -> None:
        """The trial ends without a result; it is not tried again."""
        self._hold()
        with Session(self.engine) as session, session.begin():
            trial = self._trial(session, number)
            if trial.state != "running":
                return
            store.finish(session, trial, "failed", reason=reason)
        self._tell(number)

    def _judge(self, session: Session, trial: Trial) -> Decision | None:
        """What the rung at the trial's latest epoch decides; ``None`` if none stands there."""
        at = trial.epochs
        if at not in self._rungs or trial.is_baseline:
            return None
        self._curves.refresh(session, self._study(session))
        others = self._curves.reached(at)
        candidate = others.pop(trial.number)
        return decide(candidate, list(others.values()), self.spec.stopping, at)

    def _expected(self, trial: Trial) -> float:
        curve = self._curves.reached(trial.epochs)[trial.number].curve
        return expected(curve, self._curves.finished())

    def _tell(self, number: int) -> None:
        """Bring Optuna's trial to the state of ours."""
        with Session(self.engine) as session:
            trial = self._trial(session, number)
            session.expunge(trial)
        told = self._optuna_trial(number)
        if told.state.is_finished():
            return
        with suppress(*UNREACHABLE):  # what stays there harms nobody
            kept = [WEIGHTS] if trial.state == "complete" else []
            self.folder(number).clear(but=kept)
        if told.state == TrialState.WAITING:
            self._optuna_state(number, TrialState.RUNNING)
        about = {"epochs": trial.epochs, "accuracy": trial.accuracy, "reason": trial.reason}
        if trial.state == "stopped":
            about[EXPECTED] = trial.expected
        for key, value in about.items():
            self._optuna._storage.set_trial_user_attr(told._trial_id, key, value)
        values = [trial.accuracy or 0.0, trial.gflops] if trial.state == "complete" else None
        self._optuna.tell(number, values, state=STATES[trial.state])

    def folder(self, number: int) -> Folder:
        """Where a trial's checkpoints and weights are."""
        return self._folder.at(str(number))

    # --------------------------------------------------------------------------------- opening

    def _find_or_add(self, session: Session, images: Images) -> int:
        try:
            study = store.find_study(session, self.name)
        except UnknownName:
            return self._add_study(session, images)
        for key, mine, theirs in self.spec.differences(study.spec):
            raise BadValue(
                f"study {self.name!r} was begun with {key} = {theirs!r}, got {mine!r}; "
                "choose another name with --study, or leave the setting"
            )
        if (list(images.classes), images.about()) != (study.classes, study.images):
            raise BadValue(
                f"the images of {self.spec.data.name} are no longer those of study {self.name!r}"
            )
        study.spec = self.spec.to_dict()
        return study.id

    def _add_study(self, session: Session, images: Images) -> int:
        bare = self.space.base
        study = Study(
            name=self.name,
            spec=self.spec.to_dict(),
            sites=self.space.site_dicts(),
            images=images.about(),
            classes=list(images.classes),
            space_size=str(self.space.size),
            bare_gflops=self.space.cost(bare, self.classes).gflops,
            reference_gflops=self.space.dearest_gflops,
            versions=_versions(),
        )
        session.add(study)
        session.flush()
        return study.id

    def _lease(self) -> None:
        host, pid = socket.gethostname(), os.getpid()
        with Session(self.engine) as session, session.begin():
            study = self._study(session)
            if study.driver_host == host and study.driver_pid and not _is_alive(study.driver_pid):
                store.release(session, study.id, [study.driver or ""])
            if not store.take_lease(session, study, self.driver, host, pid):
                session.refresh(study)
                raise BadValue(
                    f"study {self.name!r} is being searched by process {study.driver_pid} on "
                    f"{study.driver_host}; if that one died, the study is free after "
                    f"{store.LEASE.seconds} seconds"
                )

    def _beat(self) -> None:
        while not self._beating.wait(BEAT):
            with suppress(Exception), Session(self.engine) as session, session.begin():
                if not store.beat(session, self.study_id, self.driver):
                    self._lost.set()
                    return

    def _hold(self) -> None:
        if self._lost.is_set():
            raise LostLeaseError(f"another driver took over study {self.name!r}")

    def _mend(self) -> None:
        """Bring both sides in step after a driver that died anywhere."""
        known = {trial.number: trial for trial in self._trials()}
        for told in self._optuna.get_trials(deepcopy=False):
            if told.number not in known and "placement" in told.user_attrs:
                placement = Placement.parse(told.user_attrs["placement"])
                self._add(told.number, placement, told.user_attrs["origin"])
            elif told.number in known:
                ours = known[told.number].state
                if ours in ("complete", "stopped", "failed"):
                    self._tell(told.number)
                elif ours == "waiting":
                    self._optuna_state(told.number, TrialState.WAITING)
        self._put_back()

    def _put_back(self) -> None:
        for trial in self._trials("running"):
            with Session(self.engine) as session, session.begin():
                store.put_back(session, self._trial(session, trial.number))
            self._optuna_state(trial.number, TrialState.WAITING)

    # ----------------------------------------------------------------------------------- looking

    def _trials(self, *states: str) -> list[Trial]:
        with Session(self.engine, expire_on_commit=False) as session:
            return store.trials(session, self._study(session), *states)

    def _study(self, session: Session) -> Study:
        return session.get_one(Study, self.study_id)

    def _trial(self, session: Session, number: int) -> Trial:
        return store.find_trial(session, self._study(session), number)

    def _optuna_trial(self, number: int) -> FrozenTrial:
        storage = self._optuna._storage
        trial_id = storage.get_trial_id_from_study_id_trial_number(self._optuna._study_id, number)
        return storage.get_trial(trial_id)

    def _optuna_state(self, number: int, state: TrialState) -> None:
        trial = self._optuna_trial(number)
        if not trial.state.is_finished() and trial.state != state:
            self._optuna._storage.set_trial_state_values(trial._trial_id, state=state)


class _Seen(optuna.Study):
    """The study as samplers see it: a stopped trial as if it had been trained to the end, with the
    accuracy that its curve let expect. In the database it is pruned, without values.
    """

    def __init__(self, study: optuna.Study) -> None:
        self.__dict__ |= study.__dict__
        self._as_seen: dict[int, FrozenTrial] = {}

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        there = super()._get_trials(deepcopy=False, states=None, use_cache=use_cache)
        seen = [self._extrapolated(trial) for trial in there]
        return seen if states is None else [trial for trial in seen if trial.state in states]

    def _extrapolated(self, trial: FrozenTrial) -> FrozenTrial:
        if trial.state != TrialState.PRUNED or EXPECTED not in trial.user_attrs:
            return trial
        if trial.number not in self._as_seen:
            seen = self._as_seen[trial.number] = copy(trial)
            seen.state = TrialState.COMPLETE
            seen.values = [trial.user_attrs[EXPECTED], trial.user_attrs["gflops"]]
        return self._as_seen[trial.number]


class _Asking:
    """Asks a sampler for a trial that is not in the storage yet: nothing is half written."""

    def __init__(self, study: optuna.Study, sampler: BaseSampler, number: int) -> None:
        self.study, self.sampler = study, sampler
        self.trial = optuna.trial.create_trial(state=TrialState.RUNNING)
        self.trial.number = number
        space = sampler.infer_relative_search_space(study, self.trial)
        self.relative = sampler.sample_relative(study, self.trial, space)

    def suggest_categorical(self, name: str, choices: Sequence[Value]) -> Value:
        distribution = CategoricalDistribution(list(choices))
        if name in self.relative:
            value = self.relative[name]
        elif distribution.single():
            value = choices[0]
        else:
            value = self.sampler.sample_independent(self.study, self.trial, name, distribution)
        self.trial.params = self.trial.params | {name: value}
        self.trial.distributions = self.trial.distributions | {name: distribution}
        chosen: Value = value
        return chosen


def _distributions(
    space: Space, chosen: Mapping[str, Value]
) -> dict[str, optuna.distributions.BaseDistribution]:
    """What the parameters of a placement were ``chosen`` from."""
    offered: dict[str, optuna.distributions.BaseDistribution] = {}

    class Repeat:
        def suggest_categorical(self, name: str, choices: Sequence[Value]) -> Value:
            offered[name] = CategoricalDistribution(list(choices))
            return chosen[name]

    space.suggest(Repeat())
    return offered


def _sampler(settings: Sampler, seed: list[int]) -> BaseSampler:
    """A new sampler for one proposal: what it draws depends on the study and the seed alone."""
    number = Random(json.dumps(seed)).getrandbits(32)
    if settings.name == "random":
        return RandomSampler(seed=number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return TPESampler(seed=number, n_startup_trials=4, constant_liar=True)


def _optuna_study(url: str, name: str) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    options = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {"pool_size": 1}
    for pause in (0.5, 1.0, 1.5, 2.0, None):
        try:
            storage = optuna.storages.RDBStorage(url, engine_kwargs=options)
            break
        except DBAPIError:  # another driver is making Optuna's tables right now
            if pause is None:
                raise
            sleep(pause)
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        directions=["maximize", "minimize"],
        load_if_exists=True,
    )
    if study.directions != [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE]:
        raise BadValue(
            f"there is an Optuna study {name!r} with other objectives in that database; "
            "choose another name with --study"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study.set_metric_names(["accuracy", "GFLOPs"])
    return study


def _versions() -> dict[str, Any]:
    packages = ("foveate", "torch", "torchvision", "optuna", "ray", "sqlalchemy")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
