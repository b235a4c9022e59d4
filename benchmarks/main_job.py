"""The main job: how long the default search takes, and what it is worth on the test split.

Runs the default search (with seeds 0 and 1), then trains three of its architectures again with
seeds that the search did not use, and measures them on test images that it never saw: the bare
backbone, the best module everywhere, and the search's best, each chosen on validation images.

    python benchmarks/main_job.py [--quick] [--json]
"""

import subprocess
import sys
from argparse import ArgumentParser, Namespace
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from time import perf_counter

from frame import Report, main
from sqlalchemy.orm import Session

from foveate import Placement, SearchSpec
from foveate.search import databases, store
from foveate.spaces import draw

FULL: list[str] = []
QUICK = ["trials=16", "recipe.epochs=3", "data.name=digits", "recipe.batch=64"]


@dataclass(frozen=True)
class Found:
    """What one search came to."""

    seconds: float
    finished: int
    stopped: int
    busy: float  # share of the workers' time that was spent on training and validation
    chosen: dict[str, str]  # name -> placement


def search(changes: list[str], seed: int) -> Found:
    changes = [*changes, f"seed={seed}", f"recipe.seed={seed}"]
    with TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "foveate.cli", "search", "--study", "main"]
        words += [word for change in changes for word in ("--set", change)]
        start = perf_counter()
        subprocess.run(words, cwd=folder, check=True, stdout=sys.stderr)
        seconds = perf_counter() - start
        with Session(databases.open_database(f"sqlite:///{Path(folder)}/foveate.db")) as session:
            study = store.find_study(session, "main")
            count = store.counts(session, study)
            done = store.trials(session, study, "complete")
            trained = sum(trial.seconds for trial in store.trials(session, study))
            workers = SearchSpec.read(None, changes).workers

            def best(origins: str) -> str:
                there = [trial for trial in done if trial.origin.startswith(origins)]
                return max(there, key=lambda t: (t.accuracy or 0.0, -t.gflops)).placement

            chosen = {
                "bare backbone": best("bare"),
                "best module everywhere": best("everywhere"),
                "search's best": best(""),
            }
            for name, placement in chosen.items():
                print(name, draw(Placement.parse(placement), study.sites), file=sys.stderr)
            return Found(
                seconds,
                count["complete"] + count["stopped"],
                count["stopped"],
                trained / (workers * seconds),
                chosen,
            )


def test_accuracy(placement: str, changes: list[str], seed: int) -> float:
    """Percent of the test images, after training with ``seed``."""
    import torch

    from foveate import build
    from foveate.workers.train import Training, measured

    torch.set_num_threads(1)
    spec = SearchSpec.read(None, [*changes, f"recipe.seed={seed}"])
    images, _ = spec.prepare()
    torch.manual_seed(seed)
    model = build(
        Placement.parse(placement),
        len(images.classes),
        image_size=images.size,
        identity_init=spec.space.identity_init,
    )
    for _ in Training(model, images, spec.recipe).epochs():
        pass
    return 100 * float(str(measured(model, images, spec.recipe, images.test)["top-1"]))


def measure(arguments: Namespace, report: Report) -> None:
    changes = QUICK if arguments.quick else FULL
    searches = 1 if arguments.quick else arguments.searches
    found = [search(changes, seed) for seed in range(searches)]
    slowest = max(each.seconds for each in found)
    report.target("seconds of a search, start to end, the slowest", slowest, "<= 300")
    if not arguments.quick:
        report.target("finished candidates, the fewest", min(f.finished for f in found), ">= 24")
    report.target("candidates stopped early, the fewest", min(f.stopped for f in found), ">= 1")
    report.figures["seconds of each search"] = [round(each.seconds, 1) for each in found]
    report.figures["share of the workers' time in training"] = [round(f.busy, 2) for f in found]

    jobs = [
        (name, placement, 1000 + 100 * number + repeat)
        for number, each in enumerate(found)
        for name, placement in each.chosen.items()
        for repeat in range(arguments.seeds)
    ]
    workers = SearchSpec.read(None, changes).workers
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(test_accuracy, p, changes, seed) for _, p, seed in jobs]
        shares = [job.result() for job in waiting]
    for name in found[0].chosen:
        of = [s for (job, _, _), s in zip(jobs, shares, strict=True) if job == name]
        report.figures[f"test accuracy, {name}"] = (
            f"{mean(of):.2f} % ± {stdev(of):.2f} (mean and standard deviation of {len(of)})"
        )


if __name__ == "__main__":
    options = ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--searches", type=int, default=2, help="with seeds 0, 1, ...")
    options.add_argument("--seeds", type=int, default=4, help="trainings of each architecture")
    main("main_job", measure, options)
