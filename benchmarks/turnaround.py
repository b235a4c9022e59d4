"""Between two trials: how long a worker waits, what the driver costs, and what grows.

The time from a trial's last report to the next trial's first training step, of our driver against
a Ray Tune function trainable as the documentation has it (a new actor a trial, which imports
torch, loads the same images and builds the same model). Then many tiny trials through the whole
system, ledger and all, whose pace and memory must not change with their number.

    python benchmarks/turnaround.py [--quick] [--json]
"""

import cProfile
import os
import pstats
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

from frame import Report, main

TIMED = ["data.name=digits", "recipe.epochs=1", "recipe.batch=128", "resources.workers=1"]
MANY = ["recipe.epochs=1", "recipe.batch=64", "sampler.name=random", "resources.workers=2"]
MANY += ["recipe.peak_lr=0.05"]


def logger(path: str) -> Callable[[str], None]:
    """A function that workers can be sent: of a spawned process's main module they know nothing."""

    def log(what: str) -> None:
        from time import time

        with open(path, "a") as file:
            file.write(f"{time()} {what}\n")

    return log


def gaps(path: Path) -> list[float]:
    """Seconds from each last report to the first step that follows it."""
    found, ended = [], None
    for line in path.read_text().splitlines():
        at, what = line.split()
        if what == "reported":
            ended = float(at)
        elif ended is not None:
            found.append(float(at) - ended)
            ended = None
    return found


# ----------------------------------------------------------------------------------- one by one


def ours(folder: str, trials: int) -> list[float]:
    from foveate.search import driver
    from foveate.search.ledger import Ledger
    from foveate.search.spec import SearchSpec

    path = f"{folder}/ours.log"
    log = logger(path)

    class Timed(driver.CandidateTrainer):
        def _training(self, *given: Any) -> Any:
            training = super()._training(*given)

            def first(*_: Any) -> None:
                log("stepped")
                hook.remove()

            hook = training.model.register_forward_pre_hook(first)
            return training

        def step(self) -> dict[str, Any]:
            report = super().step()
            log("reported")
            return report

    driver.CandidateTrainer = Timed
    spec = SearchSpec.read(None, [*TIMED, f"trials={trials}", f"folder={folder}/runs"])
    with Ledger(f"sqlite:///{folder}/ours.db", "ours", spec, *spec.prepare()) as ledger:
        driver.drive(ledger, spec, lambda event: None)
    return gaps(Path(path))


def theirs(folder: str, trials: int) -> list[float]:
    import ray
    from ray import tune

    from foveate.search.spec import SearchSpec

    path = f"{folder}/theirs.log"
    log = logger(path)
    spec = SearchSpec.read(None, TIMED)
    _, space = spec.prepare()
    baselines = list(space.baselines().values())
    spellings = [baselines[i % len(baselines)].spelling for i in range(trials)]

    def trainable(config: dict[str, Any]) -> None:
        import torch

        from foveate.spaces import Placement, build
        from foveate.workers.data import load
        from foveate.workers.train import Training

        torch.set_num_threads(1)
        model = build(Placement.parse(config["placement"]), 10, image_size=8, identity_init=True)
        training = Training(model, load(spec.data), spec.recipe)

        def first(*_: Any) -> None:
            log("stepped")
            hook.remove()

        hook = training.model.register_forward_pre_hook(first)
        for epoch in training.epochs():
            log("reported")
            tune.report({"accuracy": epoch.accuracy})

    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AIR_NEW_OUTPUT": "0"}
    ray.init(num_cpus=1, include_dashboard=False, _node_ip_address="127.0.0.1", log_to_driver=False)
    tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        param_space={"placement": tune.grid_search(spellings)},
        run_config=tune.RunConfig(storage_path=folder, name="theirs", verbose=0),
    ).fit()
    ray.shutdown()
    return gaps(Path(path))


# --------------------------------------------------------------------------------- many of them


def many(folder: str, trials: int, profile: bool) -> dict[str, Any]:
    """When each trial ended, what the driver had used by then, and who took how much memory."""
    from foveate.search.driver import Event, drive
    from foveate.search.ledger import Ledger
    from foveate.search.spec import SearchSpec

    small_images(Path(folder) / "few")
    changes = [f"data.name=imagefolder:{folder}/few", "data.image_size=8", *MANY]
    changes += ["space.modules=[se, eca, cbam, simam]", f"trials={trials}", f"folder={folder}/runs"]
    spec = SearchSpec.read(None, changes)
    ends: list[tuple[float, float]] = []  # seconds, CPU seconds of the driver
    memory: list[tuple[int, float]] = []  # trials, MB of the driver
    workers: dict[str, list[tuple[int, float]]] = {}
    states: dict[str, int] = {}
    profiler = cProfile.Profile() if profile else None

    def watch(event: Event) -> None:
        if event.state == "running":
            return
        states[event.state] = states.get(event.state, 0) + 1
        ends.append((perf_counter(), process_time()))
        if len(ends) % 20 == 0:
            memory.append((len(ends), megabytes(os.getpid())))
            for pid in children("Trainer", "Trainable", "TemporaryActor"):
                workers.setdefault(str(pid), []).append((len(ends), megabytes(pid)))

    with Ledger(f"sqlite:///{folder}/many.db", "many", spec, *spec.prepare()) as ledger:
        if profiler:
            profiler.enable()
        drive(ledger, spec, watch)
        if profiler:
            profiler.disable()
            pstats.Stats(profiler).sort_stats("cumulative").print_stats(70)
            pstats.Stats(profiler).sort_stats("tottime").print_stats(40)
    return {"ends": ends, "memory": memory, "workers": workers, "states": states}


def small_images(folder: Path) -> None:
    """A few scans of each digit, so that an epoch takes a tenth of a second."""
    from PIL import Image

    from foveate import Data
    from foveate.workers.data import load

    train = load(Data(name="digits")).train
    for number in range(320):
        label = int(train.labels[number])
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        pixels = train.images[number].movedim(0, 2).numpy()
        Image.fromarray(pixels).save(folder / str(label) / f"{number}.png")


def megabytes(pid: int) -> float:
    """What a process has in memory that is its own."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0.0
    return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE") / 1e6


def children(*names: str) -> list[int]:
    """Processes of this run's Ray that are called so."""
    import psutil

    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if any(name in " ".join(process.cmdline()) for name in names):
                found.append(process.pid)
        except psutil.Error:
            pass
    return found


def slope(points: list[tuple[int, float]], skip: int) -> float:
    """Growth per 1,000 trials: a straight line through what comes after the first ``skip``."""
    later = [(x, y) for x, y in points if x > skip and y > 0]
    if len(later) < 3:
        return 0.0
    mean_x, mean_y = (sum(values) / len(later) for values in zip(*later, strict=True))
    over = sum((x - mean_x) * (y - mean_y) for x, y in later)
    return 1000 * over / sum((x - mean_x) ** 2 for x, _ in later)


def alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """In a process of its own, so that neither Ray nor memory is there from before."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def measure(arguments: Namespace, report: Report) -> None:
    trials = 11 if arguments.quick else 16
    with TemporaryDirectory() as folder:
        mine, default = (alone(run, folder, trials) for run in (ours, theirs))
    report.target("times shorter than a new actor", median(default) / median(mine), ">= 10")
    report.figures["seconds between two trials, median"] = {
        "ours": {"seconds": round(median(mine), 4), "trials": len(mine)},
        "Ray Tune, function trainable": {
            "seconds": round(median(default), 4),
            "trials": len(default),
        },
    }

    count = arguments.trials or (100 if arguments.quick else 1000)
    block = count // 5
    with TemporaryDirectory() as folder:
        found = alone(many, folder, count, arguments.profile)
    ends = found["ends"]
    blocks = [
        tuple((b - a) / block for a, b in zip(ends[i], ends[i + block - 1], strict=True))
        for i in range(0, count, block)
    ]
    report.figures["seconds a trial, by fifths of the run"] = {
        f"{i * block + 1} to {(i + 1) * block}": {
            "elapsed": round(elapsed, 4),
            "CPU of the driver": round(cpu, 4),
        }
        for i, (elapsed, cpu) in enumerate(blocks)
    }
    report.figures["states"] = found["states"]
    bound = "<= 2" if arguments.quick else "<= 1.25"
    report.target("the last fifth over the second, elapsed", blocks[-1][0] / blocks[1][0], bound)
    report.target("the last fifth over the second, CPU", blocks[-1][1] / blocks[1][1], bound)
    cpu = (ends[-1][1] - ends[0][1]) / (count - 1)
    report.target("driver's CPU seconds a report", cpu, "<= 0.1")
    if not arguments.quick:
        grown = slope(found["memory"], block)
        report.target("driver, MB more per 1,000 trials", grown, "<= 100")
        worst = max(slope(points, block) for points in found["workers"].values())
        report.target("worker, MB more per 1,000 trials", worst, "<= 100")
    report.figures["MB of the driver"] = found["memory"][:: max(1, len(found["memory"]) // 6)]
    report.figures["MB of the workers"] = {
        f"worker {i}": dict(points[:: max(1, len(points) // 6)])
        for i, points in enumerate(found["workers"].values(), 1)
    }


if __name__ == "__main__":
    options = ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--trials", type=int, help="of the long run")
    options.add_argument("--profile", action="store_true", help="print the driver's profile")
    main("turnaround", measure, options)
