"""Databases of studies, filled through the store as a search fills them."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from optuna.storages._rdb import models
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from foveate.dashboards.app import create_app
from foveate.search import databases, store
from foveate.search.records import Study, Trial
from foveate.spaces.placement import Module, Placement

HERE = "http://127.0.0.1:8080"
BARE = 0.040  # GFLOPs
SITES = [
    {
        "path": "bn1",
        "kinds": ["stem"],
        "aliases": [],
        "stage": 0,
        "block": "",
        "shape": [16, 32, 32],
    },
    {
        "path": "layer1.0",
        "kinds": ["block"],
        "aliases": [],
        "stage": 1,
        "block": "layer1.0",
        "shape": [16, 32, 32],
    },
    {
        "path": "layer1.1",
        "kinds": ["block"],
        "aliases": [],
        "stage": 1,
        "block": "layer1.1",
        "shape": [16, 32, 32],
    },
    {
        "path": "layer2.0",
        "kinds": ["block"],
        "aliases": [],
        "stage": 2,
        "block": "layer2.0",
        "shape": [32, 16, 16],
    },
    {
        "path": "layer2.1",
        "kinds": ["block"],
        "aliases": [],
        "stage": 2,
        "block": "layer2.1",
        "shape": [32, 16, 16],
    },
    {
        "path": "layer3.0",
        "kinds": ["block"],
        "aliases": [],
        "stage": 3,
        "block": "layer3.0",
        "shape": [64, 8, 8],
    },
    {
        "path": "layer3.1",
        "kinds": ["block"],
        "aliases": [],
        "stage": 3,
        "block": "layer3.1",
        "shape": [64, 8, 8],
    },
    {
        "path": "layer3",
        "kinds": ["stage"],
        "aliases": [],
        "stage": 3,
        "block": "",
        "shape": [64, 8, 8],
    },
]


def add_study(session: Session, name: str) -> Study:
    spec = {
        "space": {"backbone": "cifar-resnet20"},
        "data": {"name": "cluttered-digits"},
        "trials": 30,
        "recipe": {"epochs": 2},
        "stopping": {"rule": "pareto", "first": 1},
    }
    models.BaseModel.metadata.create_all(session.connection())
    theirs = models.StudyModel(study_name=name)
    session.add(theirs)
    session.flush()
    return store.add_study(
        session,
        name=name,
        optuna_id=theirs.study_id,
        spec=spec,
        sites=SITES,
        images={"size": 32},
        classes=[str(digit) for digit in range(10)],
        space_size="4782969",
        reference_gflops=2 * BARE,
        bare_gflops=BARE,
        versions={},
    )


def add_trial(
    session: Session,
    study: Study,
    number: int,
    *,
    origin: str = "sampler",
    chosen: dict[str, str] | None = None,
    extra: float = 0.0,
    parameters: int = 272_474,
    curve: tuple[float, ...] = (),
    state: str = "complete",
    **end: Any,
) -> Trial:
    """A trial that went through its life up to ``state``; ``extra`` is a share of bare GFLOPs."""
    modules = [Module(site, name) for site, name in (chosen or {}).items()]
    placement = Placement.of("cifar-resnet20", modules)
    trial = store.add_trial(
        session,
        study,
        choices={},
        key=f"{number:016x}",
        placement=placement.spelling,
        origin=origin,
        parameters=parameters,
        macs=BARE * (1 + extra) * 0.9e9,
        gflops=BARE * (1 + extra),
    )
    assert trial.number == number
    if state != "waiting":
        driver = next(iter(store.drivers(session, study.id)), None) or store.register(
            session, study, uid=f"of study {study.id}", host="here", pid=1
        )
        store.start(session, trial, driver.id)
        trial.worker = "node-1/worker-0"
        for epoch, accuracy in enumerate(curve, 1):
            store.record_epoch(
                session, trial, number=epoch, accuracy=accuracy, train_loss=1.0, seconds=1.5
            )
    if state in ("complete", "stopped", "failed"):
        store.finish(session, trial, state, **end)
    session.flush()
    return trial


def fill(session: Session, name: str = "digits") -> Study:
    """A trial in every state: 0, 3, 4 are on the front, and 5 has the fewest parameters."""
    study = add_study(session, name)
    add_trial(session, study, 0, origin="bare", curve=(0.6, 0.8), weights="w/0.safetensors")
    everywhere = {site["path"]: "se" for site in SITES if site["kinds"] == ["block"]}
    add_trial(
        session,
        study,
        1,
        origin="everywhere:se",
        chosen=everywhere,
        extra=0.02,
        parameters=290_000,
        curve=(0.6, 0.81),
    )
    add_trial(session, study, 2, chosen={"layer1.0": "eca"}, extra=0.015, curve=(0.5, 0.7))
    chosen = {"layer3.1": "eca"}
    add_trial(session, study, 3, chosen=chosen, extra=0.01, parameters=273_000, curve=(0.7, 0.85))
    chosen = {"layer2.0": "aw", "layer3.1": "se", "layer3": "steam"}
    add_trial(
        session,
        study,
        4,
        chosen=chosen,
        extra=0.25,
        parameters=310_000,
        curve=(0.7, 0.9123),
        weights="w/4.safetensors",
    )
    chosen = {"layer2.1": "simam"}
    add_trial(session, study, 5, chosen=chosen, extra=0.3, parameters=272_000, curve=(0.6, 0.83))
    reason = "behind at epoch 1: rank 3 of 4"
    add_trial(session, study, 6, extra=0.1, curve=(0.2,), state="stopped", reason=reason)
    add_trial(session, study, 7, extra=0.1, state="failed", reason="CUDA out of memory\ntraceback")
    add_trial(session, study, 8, extra=0.05, curve=(0.55,), state="running")
    add_trial(session, study, 9, extra=0.06, state="waiting")
    return study


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with one study, ``digits``, to copy."""
    path = tmp_path_factory.mktemp("filled") / "foveate.db"
    engine = databases.open_database(f"sqlite:///{path}", create=True)
    with Session(engine) as session, session.begin():
        fill(session)
    engine.dispose()  # closes the last connection: the write-ahead log goes into the file
    return path


@pytest.fixture
def storage(filled: Path, tmp_path: Path) -> str:
    """The address of a database of its own for each test."""
    return f"sqlite:///{shutil.copy(filled, tmp_path)}"


@pytest.fixture
def session(storage: str) -> Iterator[Session]:
    """The search's own session, which writes."""
    with Session(databases.open_database(storage)) as session:
        yield session


@pytest.fixture
def client(storage: str) -> TestClient:
    """A browser on the dashboard of ``storage``."""
    return browser(storage)


def browser(storage: str, **options: Any) -> TestClient:
    """A browser that follows no redirect and is shown what breaks."""
    app = create_app(storage, **options)
    return TestClient(app, base_url=HERE, follow_redirects=False)
