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
        session.execute(insert(Trial), rows)
        session.execute(insert(Epoch), _epochs(rows, curves))
        study.numbers = study.seq = trials
        store.rebuild_front(session, study)
    engine.dispose()


def _rows(study: Study, driver: int, trials: int) -> list[dict[str, Any]]:
    rng = Random(0)
    recorded = synthetic(trials, EPOCHS, seed=0, noise=0.01)
    bar = sorted(one.accuracy[RUNG - 1] for one in recorded)[trials // 4]
    free = [now() - timedelta(seconds=60 + 12 * trials // WORKERS)] * WORKERS
    rows = []
    for number, one in enumerate(recorded):
        (cost,) = one.costs
        chosen = _chosen(rng)
        origin = {0: "bare", 1: "everywhere:se", 2: "everywhere:eca"}.get(number, "sampler")
        if origin != "sampler":
            blocks = [site["path"] for site in SITES if "block" in site["kinds"]]
            chosen = dict.fromkeys(blocks if number else (), origin.partition(":")[2])
        state = _state(number, trials, one.accuracy[RUNG - 1] < bar, rng)
        epochs = {"complete": EPOCHS, "stopped": RUNG, "running": 1 + number % 4}.get(state, 0)
        curve = one.accuracy[:epochs]
        at = min(range(WORKERS), key=free.__getitem__)
        began = free[at]
        seconds = 1.5 * epochs * rng.uniform(0.8, 1.2)
        if epochs or state == "failed":
            free[at] += timedelta(seconds=seconds + 0.5)
        gflops = BARE if number == 0 else BARE * (1 + 0.1 * (cost - 1))
        verdict = None
        if state == "stopped":
            reason = f"place {number} of {number + 1} at epoch {RUNG} by accuracy"
            decision = Decision(False, reason, "asha", RUNG, curve[-1], number + 1, number)
            verdict = decision.to_dict() | {"threshold": bar}
        rows.append(
            {
                "id": number + 1,
                "study_id": study.id,
                "number": number,
                "optuna_id": number + 1,
                "key": f"{number:016x}",
                "placement": Placement.of(
                    "cifar-resnet20", [Module(site, name) for site, name in chosen.items()]
                ).spelling,
                "origin": origin,
                "chosen": {},
                "parents": [number - 2, number - 1] if number > 40 and number % 3 == 0 else None,
                "state": state,
                "seq": number + 1,
                "driver_id": driver if state == "running" else None,
                "parameters": 272_474 + 900 * len(chosen) + rng.randrange(400),
                "macs": gflops * 0.9e9,
                "gflops": gflops,
                "latency": None if number % 5 == 0 else 2 + 3 * (gflops / BARE - 1),
                "violations": {"parameters": 0.1} if state == "infeasible" else None,
                "accuracy": curve[-1] if curve else None,
                "epochs": epochs,
                "seconds": seconds,
                "worker": f"node-{at // 4}/worker-{at}" if epochs or state == "failed" else None,
                "device": "cpu" if epochs else None,
                "reason": {"stopped": verdict and verdict["reason"]}.get(
                    state, REASONS[number % 3] if state == "failed" else None
                ),
                "verdict": verdict,
                "expected": curve[-1] + 0.1 if state == "stopped" else None,
                "created": began,
                "started": began if epochs or state == "failed" else None,
                "ended": None
                if state in ("running", "waiting")
                else began + timedelta(seconds=seconds),
                "curve": curve,
            }
        )
    return rows


def _chosen(rng: Random) -> dict[str, str]:
    sites = rng.sample([site["path"] for site in SITES], rng.randint(1, 5))
    return {site: rng.choice(MODULES) for site in sites}


def _state(number: int, trials: int, behind: bool, rng: Random) -> str:
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
