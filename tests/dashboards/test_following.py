"""Who follows a study by its cursor misses nothing, whoever writes at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from foveate.dashboards.app import create_app
from foveate.search import databases, store

from ..hands.conftest import postgres
from .conftest import BARE, HERE, add_study, fill
from .test_snapshot import looked, rows

__all__ = ["postgres"]  # a real server, as a fixture

WRITERS, EACH = 4, 12


def write(storage: str, writer: int) -> None:
    """A few trials, each in transactions of its own, as drivers do."""
    engine = databases.open_database(storage)
    for count in range(EACH):
        with Session(engine) as session, session.begin():
            study = store.locked(session, 2)
            extra = 0.01 * (1 + EACH * writer + count)
            trial = store.add_trial(
                session,
                study,
                choices={},
                key=f"{writer:08x}{count:08x}",
                placement='{"version":1,"backbone":"cifar-resnet20","modules":[]}',
                origin="sampler",
                parameters=1,
                macs=1.0,
                gflops=BARE * (1 + extra),
            )
            number = trial.number
        with Session(engine) as session, session.begin():
            study = store.locked(session, 2)
            trial = store.find_trial(session, study, number)
            driver = store.register(session, study, uid=f"{writer} {count}", host="h", pid=1)
            store.start(session, trial, driver.id)
            about = {"train_loss": 1.0, "seconds": 1.0}
            store.record_epoch(session, trial, number=1, accuracy=0.5 + extra / 2, **about)
            store.finish(session, trial, "complete")
    engine.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_no_change_is_lost_while_several_write(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    storage = f"sqlite:///{tmp_path}/foveate.db"
    if kind == "postgresql":
        storage = request.getfixturevalue("postgres")
    engine = databases.open_database(storage, create=True)
    with Session(engine) as session, session.begin():
        fill(session)
        add_study(session, "written")
    client = TestClient(create_app(storage), base_url=HERE)
    seen: dict[int, float | None] = {}
    cursor = client.get("/api/v1/studies/2/points").json()["cursor"]
    front: list[int] = []
    with ThreadPoolExecutor(WRITERS) as pool:
        writing = [pool.submit(write, storage, writer) for writer in range(WRITERS)]
        end = monotonic() + 120
        while monotonic() < end:
            done = all(one.done() for one in writing)
            answer = client.get(f"/api/v1/studies/2/changes?since={cursor}")
            if answer.status_code == 200:
                changes = answer.json()
                cursor = changes["cursor"]
                seen |= dict(zip(changes["upsert"]["n"], changes["upsert"]["y"], strict=True))
                front = front if changes["front"] is None else changes["front"]["n"]
            elif done:
                break
        for one in writing:
            one.result()
    whole = client.get("/api/v1/studies/2/points").json()
    assert sorted(seen) == list(range(WRITERS * EACH))
    assert seen == dict(zip(whole["n"], whole["y"], strict=True))
    assert front == whole["front"]["n"]
    with Session(engine) as session:
        study = store.find_study(session, "written")
        site = client.app.state.site  # type: ignore[attr-defined]
        assert rows(site.snapshots._latest[2].snapshot) == rows(looked(session, study).snapshot)
    engine.dispose()
