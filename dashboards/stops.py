"""``/s/{id}/stops``: what did early stopping save, did it kill winners?"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from shlex import quote
from typing import Any, ClassVar

import numpy as np
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..errors import listed
from ..search import store
from ..search.records import Study
from ..search.stopping import Stopping, rungs
from .correlation import spearman
from .filters import Filter
from .heat import among_front
from .pages import Frame
from .since import Since
from .site import Asked, Site, asking
from .snapshot import Column, Snapshot

__all__ = ["StopsPage", "routes", "stops"]

MOST = 8  # rungs that are looked at: the median rule judges after every epoch
SHOWN = 20  # trials of each list
Verdict = tuple[float, dict[str, Any]]  # short by; search.stopping.Decision
Verdicts = Mapping[int, Verdict]  # by number
UNKNOWN: Verdict = (np.nan, {})
Accuracies = Mapping[int, tuple[float, ...]]  # by number, after each rung


def routes(site: Site) -> list[Route]:
    """The page, and what its panels draw."""
    verdicts, accuracies = Since(verdicts_since), Since(accuracies_since)

    def page(request: Request) -> Response:
        with site.asked(request) as asked:
            wanted = asking(lambda: Filter.of(request.query_params))
            asking(lambda: wanted.mask(asked))
            settings, epochs = settings_of(asked.study)
            return site.html(
                StopsPage(
                    frame=site.frame(asked, "stops"),
                    wanted=wanted.query,
                    rule=in_words(settings, epochs),
                    replay=f"foveate replay {quote(asked.study.name)}",
                )
            )

    def api(request: Request) -> Response:
        with site.asked(request) as asked:

            def make() -> dict[str, Any]:
                wanted = asking(lambda: Filter.of(request.query_params))
                asking(lambda: wanted.mask(asked))
                return stops(asked, wanted, verdicts.of(asked), accuracies.of(asked))

            return site.kept(request, asked, make)

    return [Route("/s/{id}/stops", page), Route("/api/v1/studies/{id}/stops", api)]


@dataclass(frozen=True, kw_only=True, slots=True)
class StopsPage:
    """``/s/{id}/stops``: what did early stopping save, did it kill winners?"""

    TEMPLATE: ClassVar[str] = "stops.html"

    frame: Frame = field(metadata={"help": "what surrounds it"})
    wanted: dict[str, str] = field(metadata={"help": "the filters, as the address has them"})
    rule: list[str] = field(metadata={"help": "how the study stops trials, in sentences"})
    replay: str = field(metadata={"help": "the command that tries other rules on its curves"})


def stops(
    asked: Asked, wanted: Filter, verdicts: Verdicts, accuracies: Accuracies
) -> dict[str, Any]:
    """What the page draws, of the trials that ``wanted`` lets through."""
    settings, epochs = settings_of(asked.study)
    snapshot, mask = asked.snapshot, wanted.mask(asked)
    lists = misses(asked, mask, verdicts)
    return {
        "cursor": snapshot.cursor,
        "rule": settings.rule,
        "epochs": epochs,
        "judged": (judged := judged_at(settings, epochs)),
        "saved": saved(asked.snapshot, mask, epochs),
        "survivors": survivors(asked, mask, epochs),
        "correlation": correlations(asked, mask, judged, accuracies),
        **lists,
    }


def settings_of(study: Study) -> tuple[Stopping, int]:
    """How ``study`` stops trials, and for how many epochs the others are trained."""
    return Stopping.model_validate(study.spec["stopping"]), int(study.spec["recipe"]["epochs"])


def judged_at(settings: Stopping, epochs: int) -> list[int]:
    """The epochs after which trials are judged, or a few of many, evenly spread."""
    every = rungs(settings, epochs)
    if len(every) <= MOST:
        return every
    return [every[round(i * (len(every) - 1) / (MOST - 1))] for i in range(MOST)]


def verdicts_since(session: Session, study: Study, seq: int) -> Iterator[tuple[int, Verdict]]:
    """Of each trial that was stopped after ``seq``: the verdict, and by how many points of percent
    it missed the accuracy that would have passed; NaN: that is not known.
    """
    for number, verdict in store.verdicts_since(session, study, seq):
        found = verdict or {}
        short = np.nan
        if found.get("threshold") is not None:
            short = 100 * max(0.0, float(found["threshold"]) - float(found["accuracy"]))
        yield number, (short, found)


def accuracies_since(
    session: Session, study: Study, seq: int
) -> Iterator[tuple[int, tuple[float, ...]]]:
    """Of each trial that was fully trained after ``seq``: its accuracy after each rung."""
    found: dict[int, dict[int, float]] = {}
    at = judged_at(*settings_of(study))
    for number, epoch, accuracy in store.accuracies_since(session, study, seq, at) if at else ():
        found.setdefault(number, {})[epoch] = accuracy
    for number, known in found.items():
        yield number, tuple(known.get(epoch, np.nan) for epoch in at)


# ---------------------------------------------------------------------------------- the panels


def saved(snapshot: Snapshot, mask: Column, epochs: int) -> dict[str, Any]:
    """What the stopped trials would have taken on, had their epochs gone on as long as before.

    ``share`` is of what all trials took and would have taken.
    """
    stopped = mask & snapshot.is_in("stopped") & (snapshot.epochs > 0)
    spared = np.maximum(0, epochs - snapshot.epochs[stopped])
    seconds = float((spared * snapshot.seconds[stopped] / snapshot.epochs[stopped]).sum())
    spent = float(snapshot.seconds[mask].sum())
    return {
        "stopped": int((mask & snapshot.is_in("stopped")).sum()),
        "epochs": int(spared.sum()),
        "seconds": round(seconds, 1),
        "spent": round(spent, 1),
        "share": round(seconds / (seconds + spent), 4) if seconds + spent > 0 else None,
        "devices": sorted(
            {
                snapshot.names["device"].text(i) or ""
                for i in np.unique(snapshot.device[stopped]).tolist()
            }
            - {""}
        ),
    }


def survivors(asked: Asked, mask: Column, epochs: int) -> list[dict[str, int]]:
    """How many trials came to each epoch at which any was stopped, and what became of them there.

    The first row has those that finished an epoch, the last those that were fully trained.
    Baselines are never judged, and are left out.
    """
    snapshot = asked.snapshot
    judged = mask & ~snapshot.baseline
    stopped = judged & snapshot.is_in("stopped")
    at = {1, epochs, *np.unique(snapshot.epochs[stopped & (snapshot.epochs > 0)]).tolist()}
    found = []
    for epoch in sorted(at):
        here = judged & (snapshot.epochs == epoch)
        found.append(
            {
                "epoch": epoch,
                "reached": int((judged & (snapshot.epochs >= epoch)).sum()),
                "stopped": int((here & stopped).sum()),
                "failed": int((here & snapshot.is_in("failed", "infeasible")).sum()),
                "on": int((here & snapshot.is_in("running", "waiting")).sum()),
            }
        )
    return found


def correlations(
    asked: Asked, mask: Column, judged: list[int], accuracies: Accuracies
) -> list[dict[str, Any]]:
    """Spearman's rank correlation of the accuracy after each rung and after the last epoch.

    Of the fully trained trials alone: what a rung stopped is not among them.
    """
    snapshot = asked.snapshot
    rows = np.flatnonzero(mask & snapshot.complete)
    numbers = snapshot.number[rows].tolist()
    nothing = (np.nan,) * len(judged)
    there = [accuracies.get(number, nothing) for number in numbers]
    table = np.array(there, dtype=float).reshape(len(rows), len(judged))
    found = []
    for epoch, early in zip(judged, table.T, strict=True):
        known = np.isfinite(early)
        found.append({"epoch": epoch} | spearman(early[known], snapshot.accuracy[rows][known]))
    return found


def misses(asked: Asked, mask: Column, verdicts: Verdicts) -> dict[str, Any]:
    """The stopped trials that were nearest to passing, and those that might have been winners.

    ``short`` is by how many points of percent one missed the accuracy that would have passed. One
    ``would`` have been on the front if it had reached its expected accuracy: no fully trained trial
    among those let through dominates that.
    """
    snapshot, study = asked.snapshot, asked.study
    rows = np.flatnonzero(mask & snapshot.is_in("stopped"))
    numbers = snapshot.number[rows].tolist()
    short = np.array([verdicts.get(number, UNKNOWN)[0] for number in numbers], dtype=float)
    losses = np.column_stack(
        [-snapshot.expected[rows], *(snapshot.columns[name][rows] for name in study.objectives[1:])]
    )
    front = np.flatnonzero(among_front(asked, mask & snapshot.complete))
    members = np.column_stack(
        [-snapshot.accuracy[front], *(snapshot.columns[n][front] for n in study.objectives[1:])]
    )
    would = np.isfinite(losses).all(axis=1)
    for member in members:
        would &= ~((member <= losses).all(axis=1) & (member < losses).any(axis=1))

    def listed_rows(some: Column) -> list[dict[str, Any]]:
        return [_miss(asked, int(rows[i]), verdicts, float(short[i]), bool(would[i])) for i in some]

    nearest = np.argsort(short, kind="stable")[: min(SHOWN, int(np.isfinite(short).sum()))]
    best = np.argsort(-snapshot.expected[rows], kind="stable")
    return {
        "front": len(front),
        "expected": int(np.isfinite(snapshot.expected[rows]).sum()),
        "would": int(would.sum()),
        "nearest": listed_rows(nearest),
        "winners": listed_rows(best[would[best]][:SHOWN]),
    }


def _miss(asked: Asked, row: int, verdicts: Verdicts, short: float, would: bool) -> dict[str, Any]:
    snapshot = asked.snapshot
    number = int(snapshot.number[row])
    verdict = verdicts.get(number, UNKNOWN)[1]

    def known(value: float, digits: int = 4) -> float | None:
        return round(float(value), digits) if np.isfinite(value) else None

    return {
        "n": number,
        "epoch": int(snapshot.epochs[row]),
        "accuracy": known(100 * verdict.get("accuracy", snapshot.accuracy[row])),
        "short": known(short),
        "place": verdict.get("place"),
        "of": verdict.get("of"),
        "expected": known(100 * snapshot.expected[row]),
        "gflops": known(snapshot.gflops[row], 6),
        "would": would,
    }


# ------------------------------------------------------------------------------------- the rule


def in_words(settings: Stopping, epochs: int) -> list[str]:
    """How trials are stopped, in sentences."""
    if settings.rule == "none":
        return ["Nothing is stopped early: every trial is trained to its end."]
    every = rungs(settings, epochs)
    if not every:
        return [f"A trial has {epochs} epochs, too few to be judged before its end."]
    at = f"every epoch from {every[0]} to {every[-1]}"
    if settings.rule != "median":
        at = f"epoch {listed(every)}"
    share = f"{100 / settings.factor:.3g} %"
    means = {
        "pareto": "It goes on if no other there is both more accurate and no dearer, or if it is "
        f"among the best {share} by rank: by how many fronts have to be peeled off first. What "
        f"counts is the mean accuracy of its last {settings.lately} epochs.",
        "asha": f"It goes on if it is among the most accurate {share}; costs do not count.",
        "median": "It goes on if its best accuracy is no worse than the median of the others' "
        "running means; costs do not count.",
    }
    found = [
        f"Rule {settings.rule}: a trial of {epochs} epochs is judged after {at}, against all that "
        "came there before.",
        means[settings.rule],
        f"While fewer than {settings.least} have come, all go on. Baselines are never stopped.",
    ]
    if settings.rule == "pareto" and settings.tolerance:
        found.append(f"Leads of less than {settings.tolerance:g} times the noise do not count.")
    return found
