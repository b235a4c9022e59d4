"""The main job: search, then show the front, draw it, and export the best."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from sqlalchemy.orm import Session

from ..errors import UserError
from ..spaces.space import Space
from . import store
from .databases import shown
from .driver import Outcome, drive
from .export import chosen, export
from .ledger import Ledger
from .progress import Progress
from .report import as_table, front_and_baselines, picture
from .spec import SearchSpec
from .warm import origin, warm_from

__all__ = ["run", "storage_words"]

WARM = 20  # placements at most that come from each other study


def run(
    spec: SearchSpec,
    name: str,
    storage: str,
    console: Console,
    out: Path,
    warm: Sequence[str] = (),
) -> Outcome:
    """Search by ``spec`` in the study called ``name``, and leave the results in ``out``.

    A study that is there already is continued. ``warm`` names others, ``NAME`` or ``NAME@URL``,
    whose best placements are tried first. Raises a ``UserError`` before anything is written
    or started if the spec cannot be meant.
    """
    images, space = spec.prepare()
    first = [
        (origin(text), placement)
        for text in warm
        for placement in warm_from(text, storage, space, WARM)
    ]

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    with Ledger(storage, name, spec, images, space, warm=first, say=say) as ledger:
        with Session(ledger.engine, expire_on_commit=False) as session:
            study = store.find_study(session, name)
            before = store.trials(session, study)
        about = study.images
        console.print(
            f"Study {name!r} in {shown(storage)}: "
            f"{spec.space.backbone} on {spec.data.name} ({about['train']:,} training, "
            f"{about['validation']:,} validation images of {about['size']} pixels), "
            f"{_count(space)} placements, {spec.trials} trials of {spec.recipe.epochs} epochs",
            highlight=False,
            soft_wrap=True,
        )
        ended = sum(trial.state in ("complete", "stopped", "failed") for trial in before)
        if ended:
            console.print(f"{ended} trials are done already.", highlight=False)
        progress = Progress(
            console, study, before, spec.trials, spec.recipe.epochs, spec.time_budget
        )
        outcome: Outcome = "finished"
        if ended < spec.trials:
            with progress:
                outcome = drive(ledger, spec, progress, progress.say)
        with Session(ledger.engine) as session:
            count = store.counts(session, store.find_study(session, name))
        if outcome == "finished" and count["failed"] and not count["complete"] + count["stopped"]:
            outcome = "all failed"
        console.print(f"{_ENDINGS[outcome]}: {progress.summary()}", highlight=False, soft_wrap=True)
        _show(ledger, name, storage, console, out)
        if outcome in ("failing alike", "all failed"):
            _show_failure(ledger, name, console)
    return outcome


def storage_words(storage: str) -> list[str]:
    """How to say ``storage`` on the command line again; a password is not repeated."""
    if storage in ("sqlite:///foveate.db", os.environ.get("FOVEATE_STORAGE")):
        return []
    return ["--storage", shown(storage)]


_ENDINGS: dict[Outcome, str] = {
    "finished": "Finished",
    "space exhausted": "Finished: every placement has been tried",
    "time budget": "The time is up",
    "asked to stop": "Stopped, as somebody asked; every finished epoch is kept",
    "interrupted": "Interrupted; every finished epoch is kept",
    "failing alike": "Ended early, since the trials fail one like the other",
    "all failed": "Every trial failed",
}


def _show(ledger: Ledger, name: str, storage: str, console: Console, out: Path) -> None:
    with Session(ledger.engine) as session:
        study = store.find_study(session, name)
        front, baselines = front_and_baselines(session, study)
        if not front:
            return
        console.print()
        console.print(as_table(front, "The front, cheapest first"))
        console.print()
        console.print(as_table(baselines, "Baselines, best first (*: on the front)"))
        steps = store.front_steps(session, study)
        drawn = picture(session, study, out / "front.png")
        best = chosen(session, study, best=True)
        try:
            kept = f"is in {export(study, best, out / 'best')}"
        except UserError as error:  # the search is done all the same
            kept = f"could not be exported: {error}"
    console.print(
        f"\nHypervolume {steps[-1].hypervolume:.4f}, the mean best accuracy over all budgets from "
        f"the bare backbone to the dearest placement.\n"
        f"The front is drawn in {drawn}; trial {best.number}, the most accurate, {kept}.",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    console.print(
        "\n".join(["\nNext:", *(f"  {line}" for line in next_commands(name, storage, out))]),
        highlight=False,
        soft_wrap=True,
        markup=False,
    )


def next_commands(name: str, storage: str, out: Path) -> list[str]:
    """What one does with a study, as a shell takes it."""
    where = storage_words(storage)
    commands = (
        ["dashboard", *where],
        ["front", name, *where, "--format", "csv"],
        ["export", name, *where, "--knee", "--out", str(out / "knee")],
    )
    return [shlex.join(["foveate", *words]) for words in commands]


def _show_failure(ledger: Ledger, name: str, console: Console) -> None:
    with Session(ledger.engine) as session:
        failed = store.trials(session, store.find_study(session, name), "failed")
        last = max(failed, key=lambda trial: (trial.ended, trial.number))
    console.print(
        f"Trial {last.number} failed: {last.reason}\n"
        "Failed trials are not tried again: once that is mended, search with another --study.",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _count(space: Space) -> str:
    size = f"{space.size:,}" if space.size < 10**12 else f"{float(space.size):.2g}"
    return size if space.size_is_exact else f"at most {size}"
