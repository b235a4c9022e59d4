"""One study, as a driver sees it: what to train next, and what became of it.

The database is the only truth. Each call is one transaction that holds our rows and Optuna's, so
whatever dies, and whenever, both say the same; a trial's number is the same in both. Any number of
drivers may work on a study. A running trial belongs to one of them; what a driver that is gone had
begun, another takes over.
"""

import logging
import os
import platform
import socket
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from random import Random
from time import sleep
from typing import Any, Self

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.study import StudyDirection
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from .._files import UNREACHABLE, Folder
from ..errors import BadValue
from ..spaces.placement import Placement
from ..spaces.space import Space
from ..workers.checkpoints import WEIGHTS
from ..workers.data import Images
from ..workers.looking import LOOKS
from ..workers.packs import cache
from . import databases, mirror, store
from .curves import Curves
from .extrapolation import expected
from .hands import checked_name
from .lease import Lease
from .objectives import Constraint, costs_of, violations
from .patience import Journal, Patience
from .proposer import Proposal, Proposer, Seen
from .records import ENDED, Study, Trial
from .runs import folder_name, folders_of
from .spec import SearchSpec
from .stopping import Decision, decide, rungs

__all__ = ["Job", "Ledger", "optuna_study"]

ORIGIN = "sampler"
AGAIN, NOTHING = "again", "nothing"  # that waits to be trained


@dataclass(frozen=True, slots=True)
class Job:
    """A trial to be trained, as a worker needs it."""

    number: int
    origin: str
    placement: Placement
    gflops: float
    recorded: int  # epochs that are in the database
    is_timed: bool = False  # its latency is in the database, too


class Ledger:
    """The open study of one driver; ``close`` it in the end.

    ``warm`` are placements to train right after the baselines, with their origins. Where the
    database is away, every call waits for it, as long as ``is_wanted`` says so, and
    ``say`` is told; then it raises ``DatabaseGone``, a ``UserError``.

    Raises
        UserError  if the study was begun with other settings, or the database cannot be opened
    """

    def __init__(
        self,
        storage: str,
        name: str,
        spec: SearchSpec,
        images: Images,
        space: Space,
        *,
        warm: Sequence[tuple[str, Placement]] = (),
        say: Callable[[str], None] = print,
    ):
        self.spec, self.space, self.name = spec, space, name
        self.classes = len(images.classes)
        self.exhausted = False  # every placement of the space has been proposed
        self.say = say
        self.is_wanted: Callable[[], bool] = lambda: True
        url = databases.url_of(storage)
        checked_name(name)
        runs = Folder(spec.folder)
        self.engine = databases.open_database(storage, create=True)
        self._reading = self.engine.execution_options(**{databases.READS: True})
        self._constraints = spec.bounds
        self._patience = Patience(
            self.engine, lambda text: self.say(text), lambda: self.is_wanted()
        )
        self._rungs = rungs(spec.stopping, spec.recipe.epochs)
        self._curves = Curves()
        self._seen = 0  # the study's seq until which the proposer has seen it
        self._mine: set[int] = set()  # numbers of the trials that this driver has in training
        try:
            self.study_id = self._find_or_add(url, images)
            with Session(self._reading) as session:
                study = session.get_one(Study, self.study_id)
                # one that was made under another name of the study is gone on with
                there = folders_of(study)
                self._folder = there[0] if there else runs.at(folder_name(study))
                self._bare, self._uid = dict(study.bare), study.uid
                alone = not store.drivers(session, self.study_id)
            self._lease = Lease(self.engine, self.study_id, lambda text: self.say(text))
        except BaseException:
            self.engine.dispose()
            raise
        self._journal = Journal(self._journals / f"{self._uid}-{self._lease.uid}.jsonl")
        # several drivers that see the same would propose the same
        seed = spec.seed if alone else Random(f"{spec.seed} {self._lease.uid}").getrandbits(32)
        self._proposer = Proposer(
            space,
            spec.sampler,
            seed,
            spec.trials,
            objectives=len(spec.objectives),
            violations=lambda placement: tuple(self._violations(self._costs(placement)).values()),
            gflops=lambda placement: space.cost(placement, self.classes).gflops,
        )
        try:
            self._lease.look()
            self._recover()
            self._enqueue([*space.baselines().items(), *warm])
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """What was being trained waits to be continued, by whoever searches next."""
        self._lease.end()
        with suppress(Exception):  # else others find out that this driver is gone
            self._lease.leave()
        self.engine.dispose()

    @property
    def is_asked_to_stop(self) -> bool:
        """Whether somebody asked this driver to end."""
        return self._lease.is_asked_to_stop

    # ---------------------------------------------------------------------------------- asking

    def ask(self) -> Job | None:
        """The next trial to train, which belongs to this driver; ``None`` if there is nothing left.

        First what waits (what was begun before, then in the order of their numbers: the baselines,
        what was enqueued), then what the sampler proposes. What breaks a constraint is recorded as
        infeasible on the way, and trained by nobody.
        """
        while True:
            found = self._patience(self._take)
            if isinstance(found, int):
                proposal = self._proposer.propose(found)
                self.exhausted = proposal is None
                if proposal is None:
                    return None
                found = self._patience(partial(self._record, new=proposal))
            if isinstance(found, Job):
                self._mine.add(found.number)
                return found
            if found == NOTHING:
                return None

    def _take(self, session: Session) -> Job | int | str:
        """What waits; the number that a new trial will have; or whether to look ``AGAIN``.

        Nothing is taken note of that this transaction changed itself: it may not be carried out.
        """
        study = store.locked(session, self.study_id)
        self._lease.hold(session)
        lost = store.orphans(session, study, self._lease.driver_id, self._mine)
        if lost:  # its transaction was carried out, and the answer did not come
            return _job(lost[0])
        trial = store.next_waiting(session, study)
        taken = store.taken(session, study)
        if trial is not None and self._breaks(session, trial):
            return AGAIN
        if trial is not None and (trial.started is not None or taken < self.spec.trials):
            store.start(session, trial, self._lease.driver_id)
            return _job(trial)
        if taken >= self.spec.trials:
            return NOTHING
        self._refresh(session, study)
        return study.numbers

    def _breaks(self, session: Session, trial: Trial) -> bool:
        """Whether what was enqueued by hand breaks a constraint; then it has ended."""
        if trial.violations is not None or not self._constraints:
            return False
        violations = self._violations(trial.costs)
        store.constrain(session, trial, violations)
        broken = _broken(violations)
        if broken:
            store.finish(session, trial, "infeasible", reason="; ".join(broken))
        return bool(broken)

    def _record(self, session: Session, new: Proposal) -> Job | str:
        """Begin what was proposed; ``AGAIN`` if it is infeasible, or another was quicker."""
        study = store.locked(session, self.study_id)
        if store.taken(session, study) >= self.spec.trials:
            return NOTHING
        self._lease.hold(session)
        if store.find_key(session, study, new.placement.key, self.spec.recipe.seed) is not None:
            study.repeats += 1
            return AGAIN
        study.repeats += new.repeats
        trial = self._add(
            session,
            study,
            new.placement,
            ORIGIN,
            state="running",
            attributes=new.attributes,
            parents=list(new.parents) or None,
            driver_id=self._lease.driver_id,
        )
        return AGAIN if trial.state == "infeasible" else _job(trial)

    def _refresh(self, session: Session, study: Study) -> None:
        """Tell the proposer what changed in the study since the last time."""
        changed = store.seen_since(session, study, self._seen)
        _, *costs = self.spec.objectives
        self._proposer.update(_seen(row, costs, self._constraints) for row in changed)
        self._seen = study.seq

    # ------------------------------------------------------------------------------- new trials

    def _enqueue(self, placements: Sequence[tuple[str, Placement]]) -> None:
        """Trials that wait, with their origins; what is there already stays as it is."""

        def enqueue(session: Session) -> None:
            study = store.locked(session, self.study_id)
            there = store.keys(session, study, self.spec.recipe.seed)
            for origin, placement in placements:
                if placement.key not in there:
                    self._add(session, study, placement, origin)
                    there.add(placement.key)

        self._patience(enqueue)

    def _add(
        self,
        session: Session,
        study: Study,
        placement: Placement,
        origin: str,
        *,
        state: str = "waiting",
        **columns: Any,
    ) -> Trial:
        costs = self._costs(placement)
        violations = self._violations(costs)
        chosen = self.space.parameters(placement)
        if broken := _broken(violations):  # whoever asked for it
            state, columns["driver_id"] = "infeasible", None
        return store.add_trial(
            session,
            study,
            state=state,
            choices=self.space.offered(chosen) if chosen else {},
            key=placement.key,
            seed=self.spec.recipe.seed,
            placement=placement.spelling,
            origin=origin,
            chosen=chosen,
            violations=violations or None,
            reason="; ".join(broken) or None,
            macs=float(self.space.cost(placement, self.classes).macs),
            gflops=costs["gflops"],
            parameters=int(costs["parameters"]),
            memory=costs.get("memory"),
            added=[[one.parameters, one.operations] for one in self.space.added(placement)],
            **columns,
        )

    def _costs(self, placement: Placement) -> dict[str, float]:
        return costs_of(self.space.cost(placement, self.classes))

    def _violations(self, costs: Mapping[str, float]) -> dict[str, float]:
        return violations(self._constraints, costs, self._bare)

    # --------------------------------------------------------------------------------- telling

    def report(
        self,
        number: int,
        *,
        worker: str,
        device: str,
        epoch: dict[str, Any],
        failed: str | None = None,
        looks: dict[str, Any] | None = None,
    ) -> str:
        """Record an epoch; the state of its trial afterwards, ``"running"`` if it goes on.

        ``epoch`` is a ``workers.train.Epoch`` as plain data. One that is recorded already changes
        nothing. With ``failed`` the epoch is the trial's last, for that reason. ``looks`` is what
        the last one brings with it: what there is to say of the file ``LOOKS``, and its bytes.
        ``"lost"`` is said of a trial that another driver has taken over: it is none of this
        driver's any more.
        """
        about = {"worker": worker, "device": device, "epoch": epoch, "failed": failed}
        return self._tell("report", number, **about, looks=looks)

    def measured(self, number: int, latency: Mapping[str, Any]) -> str:
        """Record a trial's latency; ``"infeasible"`` if it breaks a constraint, and is over."""
        return self._tell("measured", number, latency=dict(latency))

    def note(self, number: int, text: str) -> None:
        """Record what befell a trial that goes on."""
        self._tell("note", number, text=text)

    def fail(self, number: int, reason: str) -> str:
        """The trial ends without a result, or waits to be tried again, as the spec allows."""
        return self._tell("fail", number, reason=reason)

    def _tell(self, what: str, number: int, **about: Any) -> str:
        def tell(session: Session) -> tuple[str, list[str]]:
            study = store.locked(session, self.study_id)
            trial = store.find_trial(session, study, number)
            if trial.state == "running" and trial.driver_id == self._lease.driver_id:
                self._apply(session, study, trial, what, **about)
            elif trial.state not in ENDED:
                return "lost", []
            session.flush()
            left = [one.address for one in trial.artifacts] if trial.state in ENDED else []
            return trial.state, left

        kept: list[dict[str, Any]] = []

        def keep() -> str:
            self._curves = Curves()  # they may hold what was not carried out
            if not kept:
                kept.append({"what": what, "number": number, **about})
                self._journal.add(kept[0])
            return f", and what was measured is kept in {self._journal.path}"

        state, left = self._patience(tell, keep)
        self._journal.clear()
        if state != "running":
            self._mine.discard(number)
        if state in ENDED:
            self._clear(number, left)
        return state

    def _apply(self, session: Session, study: Study, trial: Trial, what: str, **about: Any) -> str:
        """Carry out what was told of a trial; its state afterwards."""
        match what:
            case "report":
                self._report(session, study, trial, **about)
            case "measured":
                self._measured(session, study, trial, **about["latency"])
            case "note":
                store.note(session, trial, about["text"])
            case "fail":
                self._fail(session, trial, about["reason"])
        return trial.state

    def _report(
        self,
        session: Session,
        study: Study,
        trial: Trial,
        *,
        worker: str,
        device: str,
        epoch: dict[str, Any],
        failed: str | None,
        looks: dict[str, Any] | None = None,
    ) -> None:
        if epoch["number"] > trial.epochs:
            trial.worker, trial.device = worker, device
            store.record_epoch(session, trial, **epoch)
        elif failed is None:
            return
        if failed is not None:
            self._fail(session, trial, failed)
            return
        if epoch["number"] >= self.spec.recipe.epochs:
            folder = self.folder(trial.number)
            drawn = looks and looks | {"address": folder.address(LOOKS)}
            weights = folder.address(WEIGHTS)
            store.finish(session, trial, "complete", weights=weights, looks=drawn)
            return
        session.flush()
        decision = self._judge(session, study, trial)
        if decision is not None and not decision.keep:
            store.finish(
                session,
                trial,
                "stopped",
                reason=decision.reason,
                verdict=decision.to_dict(),
                expected=self._expected(trial),
            )

    def _measured(
        self, session: Session, study: Study, trial: Trial, ms: float, bare_ms: float, **_: Any
    ) -> None:
        if "latency" not in study.bare:  # of the first: others are told as ratios to their own
            study.bare = study.bare | {"latency": bare_ms}
            study.reference = study.reference | {"latency": 2 * bare_ms}
        self._bare = dict(study.bare)
        ms *= self._bare["latency"] / bare_ms
        broken = self._violations(trial.costs | {"latency": ms})
        trial.latency = ms
        store.constrain(session, trial, broken)
        if any(value > 0 for value in broken.values()):
            store.finish(session, trial, "infeasible", reason="; ".join(_broken(broken)))

    def _fail(self, session: Session, trial: Trial, reason: str) -> None:
        if trial.failures < self.spec.retries:
            store.try_again(session, trial, reason, self.spec.retries)
        else:
            store.finish(session, trial, "failed", reason=reason)

    def _judge(self, session: Session, study: Study, trial: Trial) -> Decision | None:
        """What the rung at the trial's latest epoch decides; ``None`` if none stands there."""
        at = trial.epochs
        if at not in self._rungs or trial.is_baseline:
            return None
        self._curves.refresh(session, study)
        others = self._curves.reached(at)
        candidate = others.pop(trial.number)
        return decide(candidate, list(others.values()), self.spec.stopping, at)

    def _expected(self, trial: Trial) -> float:
        curve = self._curves.reached(trial.epochs)[trial.number].curve
        return expected(curve, self._curves.finished())

    def _clear(self, number: int, left: Sequence[str]) -> None:
        """Remove the files of a trial that has ended, but those whose addresses are recorded."""
        folder = self.folder(number)
        with suppress(*UNREACHABLE):  # what stays there harms nobody
            folder.clear(but=[name for name in (WEIGHTS, LOOKS) if folder.address(name) in left])

    def folder(self, number: int) -> Folder:
        """Where a trial's checkpoints and weights are."""
        return self._folder.at(str(number))

    # --------------------------------------------------------------------------------- opening

    def _find_or_add(self, url: URL, images: Images) -> int:
        while True:
            with suppress(IntegrityError):  # two began it at once; it is there now
                return self._found_or_added(url, images)

    def _found_or_added(self, url: URL, images: Images) -> int:
        with Session(self.engine) as session, session.begin():
            if (there := store.id_of(session, self.name)) is not None:
                return self._checked(store.locked(session, there), images)
        optuna_id = optuna_study(url, self.name, self.spec.objectives)
        with Session(self.engine) as session, session.begin():
            if (there := store.id_of(session, self.name)) is not None:  # another was quicker
                return self._checked(store.locked(session, there), images)
            if mirror.states(session, optuna_id):
                raise BadValue(
                    f"there is an Optuna study {self.name!r} in that database that is none of "
                    "ours; choose another name with --study"
                )
            return self._add_study(session, optuna_id, images)

    def _checked(self, study: Study, images: Images) -> int:
        for key, mine, theirs in self.spec.differences(study.spec):
            raise BadValue(
                f"study {self.name!r} was begun with {key} = {theirs!r}, got {mine!r}; "
                "choose another name with --study, or leave the setting"
            )
        same = study.fingerprint in (None, images.fingerprint())  # None: it is an older study
        if not same or (list(images.classes), images.about()) != (study.classes, study.images):
            raise BadValue(
                f"the images of {self.spec.data.name} are no longer those of study {self.name!r}"
            )
        study.spec = self.spec.to_dict()
        return study.id

    def _add_study(self, session: Session, optuna_id: int, images: Images) -> int:
        bare = self._costs(self.space.base)
        everywhere = [self._costs(placement) for placement in self.space.baselines().values()]
        reference = {name: max(costs[name] for costs in [bare, *everywhere]) for name in bare}
        study = store.add_study(
            session,
            name=self.name,
            optuna_id=optuna_id,
            spec=self.spec.to_dict(),
            sites=self.space.site_dicts(),
            images=images.about(),
            fingerprint=images.fingerprint(),
            classes=list(images.classes),
            space_size=str(self.space.size),
            bare_gflops=bare["gflops"],
            reference_gflops=self.space.dearest_gflops,
            bare=bare,
            reference=reference | {"gflops": self.space.dearest_gflops},
            versions=_versions(),
            environment=_environment(),
        )
        return study.id

    @property
    def _journals(self) -> Path:
        return cache() / "journals"

    def _recover(self) -> None:
        """Record what earlier drivers on this machine had measured when they lost the database."""
        for path in sorted(self._journals.glob(f"{self._uid}-*.jsonl")):
            journal, uid = Journal(path), path.stem.rpartition("-")[2]
            if uid == self._lease.uid:
                continue

            def recover(session: Session, journal: Journal = journal, uid: str = uid) -> int | None:
                study = store.locked(session, self.study_id)
                if store.is_at_work(session, uid):
                    return None
                found = 0
                for entry in journal.entries():
                    found += self._recovered(session, study, dict(entry))
                return found

            found = self._patience(recover)
            if found is None:
                continue  # its driver waits for the database, too
            journal.clear()
            self.say(f"What an earlier driver had kept in {path} is recorded: {found} results")

    def _recovered(self, session: Session, study: Study, entry: dict[str, Any]) -> bool:
        trial = store.find_trial(session, study, entry.pop("number"))
        if trial.state in ENDED:
            return False
        what, before = entry.pop("what"), trial.epochs
        if what == "report" and entry["epoch"]["number"] != before + 1:
            return False
        self._apply(session, study, trial, what, **entry)
        return True


def _job(trial: Trial) -> Job:
    placement = Placement.parse(trial.placement)
    is_timed = trial.latency is not None
    return Job(trial.number, trial.origin, placement, trial.gflops, trial.epochs, is_timed)


def _broken(violations: Mapping[str, float]) -> list[str]:
    """The constraints that do not hold, and by how much."""
    return [f"not {text}: {100 * by:.3g} % over" for text, by in violations.items() if by > 0]


def _seen(row: Any, costs: Sequence[str], constraints: Sequence[Constraint]) -> Seen:
    """A trial as the sampler is to see it: a stopped one with the accuracy it let expect."""
    accuracy = {"complete": row.accuracy, "stopped": row.expected}.get(row.state)
    values = None
    if accuracy is not None:
        values = (accuracy, *(float(getattr(row, name)) for name in costs))
    broken = row.violations or {}
    return Seen(
        number=row.number,
        state=row.state,
        key=row.key,
        chosen=row.chosen,
        values=values,
        violations=tuple(broken.get(str(one), 0.0) for one in constraints),
        attributes=row.attributes,
    )


def optuna_study(url: URL, name: str, objectives: Sequence[str]) -> int:
    """The id of an Optuna study of this name, made if there is none."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    is_sqlite = url.get_backend_name() == "sqlite"
    options = {"connect_args": {"timeout": 60}} if is_sqlite else {"pool_size": 1}
    address = url.render_as_string(hide_password=False)
    for pause in (0.5, 1.0, 1.5, 2.0, None):
        try:
            storage = optuna.storages.RDBStorage(address, engine_kwargs=options)
            break
        except DBAPIError:  # another driver is making Optuna's tables right now
            if pause is None:
                raise
            sleep(pause)
    directions = [StudyDirection.MAXIMIZE, *(StudyDirection.MINIMIZE for _ in objectives[1:])]
    try:
        study = optuna.create_study(
            storage=storage, study_name=name, directions=directions, load_if_exists=True
        )
        if study.directions != directions:
            raise BadValue(
                f"there is an Optuna study {name!r} with other objectives in that database; "
                "choose another name with --study"
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names([_METRICS.get(name, name) for name in objectives])
        return int(study._study_id)
    finally:
        storage.remove_session()
        storage.engine.dispose()


_METRICS = {"gflops": "GFLOPs"}


def _versions() -> dict[str, Any]:
    packages = ("foveate", "torch", "torchvision", "optuna", "ray", "sqlalchemy")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def _environment() -> dict[str, Any]:
    return {"host": socket.gethostname(), "system": platform.platform(), "cpus": os.cpu_count()}
