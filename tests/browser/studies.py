"""Studies to look at: thousands of invented trials written in bulk, and hostile names."""

from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from foveate.search import databases, store
from foveate.search.records import Epoch, Study, Trial, now
from foveate.search.stopping import Decision
from foveate.search.synthetic import synthetic
from foveate.spaces.placement import Module, Placement

from ..dashboards.conftest import BARE, SITES, add_study, add_trial

__all__ = ["EVIL", "add_better", "crowd", "database", "hostile"]

EPOCHS, RUNG = 8, 3
MODULES = ("se", "eca", "cbam", "coord", "simam", "nonlocal", "mhsa")
REASONS = ("CUDA out of memory\nTried to allocate 2 GiB", "the loss is nan", "the worker was lost")
WORKERS = 8
EVIL = "<img src=x onerror=\"window.hurt='yes'\">"


def database(path: Path) -> str:
    """The address of a new database at ``path``, without a study."""
    storage = f"sqlite:///{path}"
    databases.open_database(storage, create=True).dispose()
    return storage


def crowd(storage: str, trials: int, *, name: str = "crowd") -> None:
    """A study of so many trials in all states, as real ones are: with curves, verdicts, a front."""
    engine = databases.open_database(storage)
    with Session(engine) as session, session.begin():
        study = add_study(session, name)
        study.spec = study.spec | {"trials": trials, "recipe": {"epochs": EPOCHS}}
        driver = store.register(session, study, uid=f"of {name}", host="here", pid=1)
        rows = _rows(study, driver.id, trials)
        curves = [row.pop("curve") for row in rows]
        connection = session.connection()  # row by row it would take twice as long
        connection.execute(insert(Trial.__table__), rows)
        connection.execute(insert(Epoch.__table__), _epochs(rows, curves))
        study.numbers = study.seq = trials
        store.rebuild_front(session, study)
    engine.dispose()


def _rows(study: Study, driver: int, trials: int) -> list[dict[str, Any]]:
    """Rows of the table of trials, with their curves; each worker trains one after the other."""
    rng = Random(0)
    recorded = synthetic(trials, EPOCHS, seed=0, noise=0.01)
    bar = sorted(one.accuracy[RUNG - 1] for one in recorded)[trials // 4]
    free = [now() - timedelta(seconds=60 + 10.5 * trials / WORKERS)] * WORKERS
    rows = []
    for number, one in enumerate(recorded):
        origin = {0: "bare", 1: "everywhere:se", 2: "everywhere:eca"}.get(number, "sampler")
        state = _state(number, trials, one.accuracy[RUNG - 1] < bar)
        epochs = {"complete": EPOCHS, "stopped": RUNG, "running": 1 + number % 4}.get(state, 0)
        curve = one.accuracy[:epochs]
        worker = min(range(WORKERS), key=free.__getitem__)
        began, seconds = free[worker], 0.0
        was_begun = state not in ("waiting", "infeasible")
        if was_begun:
            seconds = 1.5 * max(1, epochs) * rng.uniform(0.8, 1.2)
            free[worker] += timedelta(seconds=seconds + 0.5)
        over = None if state in ("waiting", "running") else began + timedelta(seconds=seconds)
        modules = _modules(origin, rng)
        gflops = BARE * (1 + 0.1 * (one.costs[0] - 1)) if modules else BARE
        rows.append(
            {
                "id": number + 1,
                "study_id": study.id,
                "number": number,
                "optuna_id": number + 1,
                "key": f"{number:016x}",
                "placement": Placement.of("cifar-resnet20", modules).spelling,
                "origin": origin,
                "chosen": {},
                "parents": [number - 2, number - 1] if number > 40 and number % 3 == 0 else None,
                "state": state,
                "seq": number + 1,
                "driver_id": driver if state == "running" else None,
                "parameters": 272_474 + 900 * len(modules) + rng.randrange(400),
                "macs": gflops * 0.9e9,
                "gflops": gflops,
                "latency": None if number % 5 == 0 else 2 + 3 * (gflops / BARE - 1),
                "accuracy": curve[-1] if curve else None,
                "epochs": epochs,
                "seconds": seconds,
                "worker": f"node-{worker // 4}/worker-{worker}" if was_begun else None,
                "device": "cpu" if was_begun else None,
                "created": began,
                "started": began if was_begun else None,
                "ended": over,
                "curve": curve,
            }
            | _why(state, number, curve, bar)
        )
    return rows


def _why(state: str, number: int, curve: tuple[float, ...], bar: float) -> dict[str, Any]:
    """What is recorded of how a trial ended."""
    why = dict.fromkeys(("reason", "verdict", "expected", "violations"))
    if state == "failed":
        return why | {"reason": REASONS[number % len(REASONS)]}
    if state == "infeasible":
        return why | {"violations": {"parameters": 0.1}}
    if state != "stopped":
        return why
    told = f"place {number} of {number + 1} at epoch {RUNG} by accuracy"
    decision = Decision(False, told, "asha", RUNG, curve[-1], number + 1, number, threshold=bar)
    return why | {"reason": told, "verdict": decision.to_dict(), "expected": curve[-1] + 0.1}


def _modules(origin: str, rng: Random) -> list[Module]:
    if origin == "bare":
        return []
    if origin.startswith("everywhere:"):
        name = origin.partition(":")[2]
        return [Module(site["path"], name) for site in SITES if "block" in site["kinds"]]
    sites = rng.sample([site["path"] for site in SITES], rng.randint(1, 5))
    return [Module(site, rng.choice(MODULES)) for site in sites]


def _state(number: int, trials: int, behind: bool) -> str:
    if number < 3:
        return "complete"
    if number >= trials - 8:
        return "running" if number < trials - 2 else "waiting"
    if number % 29 == 0:
        return "failed"
    if number % 97 == 0:
        return "infeasible"
    return "stopped" if behind else "complete"


def _epochs(rows: list[dict[str, Any]], curves: list[tuple[float, ...]]) -> list[dict[str, Any]]:
    return [
        {
            "trial_id": row["id"],
            "number": number,
            "train_loss": 2 - accuracy,
            "accuracy": accuracy,
            "seconds": 1.5,
            "at": row["created"] + timedelta(seconds=1.5 * number),
        }
        for row, curve in zip(rows, curves, strict=True)
        for number, accuracy in enumerate(curve, 1)
    ]


def add_better(storage: str, count: int) -> list[int]:
    """Record ``count`` trials as a search does; the last is better than all, and as cheap."""
    engine = databases.open_database(storage)
    with Session(engine) as session, session.begin():
        study = store.locked(session, store.studies(session)[0].id)
        best = max(trial.accuracy or 0.0 for trial in store.front_trials(session, study))
        first = study.numbers
        for number in range(first, first + count):
            last = number == first + count - 1
            accuracy, extra = ((1 + best) / 2, 0.001) if last else (0.3, 0.2)
            add_trial(session, study, number, extra=extra, curve=(0.2, accuracy))
    engine.dispose()
    return list(range(first, first + count))


def hostile(storage: str) -> None:
    """A study whose every name is a piece of HTML that would run."""
    with Session(databases.open_database(storage)) as session, session.begin():
        study = add_study(session, EVIL)
        study.spec = study.spec | {
            "space": {"backbone": EVIL},
            "data": {"name": f"</script>{EVIL}"},
        }
        add_trial(session, study, 0, origin="bare", curve=(0.5, 0.6))
        evil = {"layer1.0": EVIL}
        add_trial(
            session, study, 1, origin=f"everywhere:{EVIL}", chosen=evil, extra=0.1, curve=(0.6, 0.7)
        )
        add_trial(session, study, 2, chosen=evil, extra=0.2, curve=(0.6, 0.8))
        failed = add_trial(session, study, 3, extra=0.2, state="failed", reason=EVIL)
        failed.worker = EVIL
        going = add_trial(session, study, 4, chosen=evil, extra=0.3, curve=(0.6,), state="running")
        going.worker = going.device = EVIL
