"""What a stopping rule would have saved, and what it would have lost, on curves that are recorded.

Candidates that were trained to the end are trained again in virtual time: an epoch takes the
seconds that it took, or 1, on each of so many virtual workers, and each rung is judged by the very
``decide`` that judges a search, against those that came there before. So a rule is tried on a
study in milliseconds, in any order of proposals.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import sqrt
from random import Random
from statistics import fmean, stdev
from typing import Literal, Protocol

from rich.table import Table
from sqlalchemy.orm import Session

from ..errors import BadValue, listed
from . import store
from .extrapolation import expected
from .front import front, hypervolume
from .records import Study
from .stopping import Decision, Reached, Stopping, decide, rungs

__all__ = [
    "Figures",
    "Mean",
    "Outcome",
    "Proposer",
    "Recorded",
    "Told",
    "Yardstick",
    "as_table",
    "figures",
    "legend",
    "recorded",
    "replay",
    "shuffled",
]

FEWEST = 20  # candidates that a replay takes: with less, most are baselines and the first at a rung
DEMANDING = 0.1  # share of the candidates that are so bad that beating them counts nothing


@dataclass(frozen=True, slots=True)
class Recorded:
    """A candidate that was trained to the end."""

    number: int  # of its trial
    accuracy: tuple[float, ...]  # validation share after each epoch
    costs: tuple[float, ...]  # GFLOPs, and any others; lower is better
    seconds: tuple[float, ...] = ()  # of each epoch; nothing: 1 each
    is_baseline: bool = False  # proposed first and never stopped
    spelling: str = ""  # of its placement

    @property
    def point(self) -> tuple[float, float]:
        """Its accuracy in the end, and its first cost."""
        return self.accuracy[-1], self.costs[0]


def recorded(session: Session, study: Study) -> list[Recorded]:
    """The fully trained trials of ``study``, by number.

    Raises
        BadValue  if they are too few to say anything
    """
    curves = store.curves(session, study)
    epochs = study.spec["recipe"]["epochs"]
    found = [
        Recorded(
            number=trial.number,
            accuracy=tuple(epoch.accuracy for epoch in curves[trial.number]),
            costs=(trial.gflops,),
            seconds=tuple(epoch.seconds for epoch in curves[trial.number]),
            is_baseline=trial.is_baseline,
            spelling=trial.placement,
        )
        for trial in store.trials(session, study, "complete")
        if len(curves.get(trial.number, ())) == epochs
    ]
    if len(found) < FEWEST:
        raise BadValue(
            f"study {study.name!r} has {len(found)} fully trained trials, and a replay takes at "
            f"least {FEWEST}; search on, best with --set stopping.rule=none"
        )
    return found


@dataclass(frozen=True, slots=True)
class Told:
    """What a proposer is told of a candidate that it proposed."""

    index: int  # of the recorded candidate
    state: Literal["running", "complete", "stopped"]
    accuracy: float | None = None  # in the end; of a stopped one what is expected; running: none


class Proposer(Protocol):
    """Any order of proposals, a sampler for one."""

    def __call__(self, history: Sequence[Told]) -> int | None:
        """The index of a candidate that was not proposed yet; ``None`` if there is nothing left.

        ``history`` has all that was proposed, in that order.
        """
        ...


def shuffled(candidates: Sequence[Recorded], seed: int) -> Proposer:
    """The baselines as they are recorded, then the others in an order drawn at random."""
    baselines = [i for i, one in enumerate(candidates) if one.is_baseline]
    others = [i for i, one in enumerate(candidates) if not one.is_baseline]
    Random(seed).shuffle(others)
    order = baselines + others

    def propose(history: Sequence[Told]) -> int | None:
        return order[len(history)] if len(history) < len(order) else None

    return propose


@dataclass(frozen=True, slots=True)
class Yardstick:
    """A box of accuracies and costs, of which a front dominates a share."""

    floor: float  # accuracy that counts nothing
    cheapest: float
    dearest: float

    @classmethod
    def of(cls, candidates: Sequence[Recorded], *, share: float | None = None) -> "Yardstick":
        """From the cheapest to the dearest of ``candidates``, above an accuracy of 0.

        With ``share``, above the accuracy that this share of them does not reach in the end; a
        share of 0 is the worst one's.
        """
        finals = sorted(one.accuracy[-1] for one in candidates)
        costs = [one.costs[0] for one in candidates]
        floor = 0.0 if share is None else finals[int(share * (len(finals) - 1))]
        return cls(floor, min(costs), max(costs))

    def area(self, points: Sequence[tuple[float, float]]) -> float:
        """The share of the box that is dominated: for a floor of 0, as a study records it."""
        width, height = (self.dearest - self.cheapest) or 1.0, (1.0 - self.floor) or 1.0
        scaled = [
            ((accuracy - self.floor) / height, max(0.0, (cost - self.cheapest) / width))
            for accuracy, cost in points
        ]
        return hypervolume(scaled, reference=(0.0, 1.0))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search with a stopping rule came to. Candidates are indices of what was recorded."""

    epochs: int  # trained, in all
    seconds: float  # virtual time until the last worker was done
    finished: tuple[int, ...]  # in the order of their ends
    stopped: Mapping[int, Decision]
    front: tuple[int, ...]  # of the finished, cheapest first
    lost: Mapping[int, int]  # members of the front of all that were stopped -> the epoch
    history: tuple[tuple[int, int], ...]  # of each that finished: (epochs trained so far, index)

    def hypervolume(self, candidates: Sequence[Recorded], yardstick: Yardstick) -> float:
        """Of the front in the end."""
        return yardstick.area([candidates[i].point for i in self.front])

    def growth(
        self, candidates: Sequence[Recorded], yardstick: Yardstick
    ) -> list[tuple[int, float]]:
        """(epochs trained so far, hypervolume) after each candidate that finished."""
        found: list[tuple[int, float]] = []
        members: list[tuple[float, float]] = []
        for spent, index in self.history:
            members.append(candidates[index].point)
            members = [members[i] for i in front(members)]
            found.append((spent, yardstick.area(members)))
        return found


Judge = Callable[[Reached, Sequence[Reached], Stopping, int], Decision]


def replay(
    candidates: Sequence[Recorded],
    stopping: Stopping,
    proposer: Proposer,
    *,
    workers: int = 1,
    judge: Judge = decide,
) -> Outcome:
    """Search through ``candidates`` again, with another stopping rule and order.

    A worker that is free asks ``proposer`` for the next one. Of several epochs that end at the
    same time the one that began first is judged first, so that equal runs have equal outcomes.
    """
    return _Search(candidates, stopping, proposer, judge).run(workers)


@dataclass
class _Search:
    candidates: Sequence[Recorded]
    stopping: Stopping
    proposer: Proposer
    judge: Judge
    told: list[Told] = field(default_factory=list)
    place: dict[int, int] = field(default_factory=dict)  # of a candidate in ``told``
    reached: dict[int, list[Reached]] = field(default_factory=dict)  # rung -> in order of arrival
    finished: list[int] = field(default_factory=list)
    stopped: dict[int, Decision] = field(default_factory=dict)
    history: list[tuple[int, int]] = field(default_factory=list)
    epochs: int = 0

    def run(self, workers: int) -> Outcome:
        events: list[tuple[float, int, int, int]] = []  # an epoch's end: time, order, which, number
        order, now = 0, 0.0
        for _ in range(workers):
            index = self.ask()
            if index is None:
                break
            heappush(events, (self.seconds(index, 1), order, index, 1))
            order += 1
        while events:
            now, _, index, epoch = heappop(events)
            self.epochs += 1
            following: int | None = index
            if not self.goes_on(index, epoch):
                following, epoch = self.ask(), 0
            if following is not None:
                end = now + self.seconds(following, epoch + 1)
                heappush(events, (end, order, following, epoch + 1))
                order += 1
        points = [one.point for one in self.candidates]
        mine = [self.finished[i] for i in front([points[i] for i in self.finished])]
        lost = {i: self.stopped[i].epoch for i in front(points) if i in self.stopped}
        return Outcome(
            epochs=self.epochs,
            seconds=now,
            finished=tuple(self.finished),
            stopped=self.stopped,
            front=tuple(mine),
            lost=lost,
            history=tuple(self.history),
        )

    def ask(self) -> int | None:
        index = self.proposer(self.told)
        if index is not None:
            if index in self.place:
                raise ValueError(f"candidate {index} was proposed twice")
            self.place[index] = len(self.told)
            self.told.append(Told(index, "running"))
        return index

    def seconds(self, index: int, epoch: int) -> float:
        took = self.candidates[index].seconds
        return took[epoch - 1] if took else 1.0

    def goes_on(self, index: int, epoch: int) -> bool:
        one = self.candidates[index]
        if epoch == len(one.accuracy):
            self.finished.append(index)
            self.history.append((self.epochs, index))
            self.told[self.place[index]] = Told(index, "complete", one.accuracy[-1])
            return False
        if epoch not in rungs(self.stopping, len(one.accuracy)):
            return True
        here = Reached(one.number, one.accuracy[:epoch], one.costs)
        before = self.reached.setdefault(epoch, [])
        keep = True
        if not one.is_baseline:
            decision = self.judge(here, before, self.stopping, epoch)
            keep = decision.keep
        before.append(here)
        if keep:
            return True
        self.stopped[index] = decision
        curves = [self.candidates[i].accuracy for i in self.finished]
        value = expected(here.curve, curves)
        self.told[self.place[index]] = Told(index, "stopped", value)
        return False


# ------------------------------------------------------------------------------- many replays


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over repeats, and its standard error."""

    value: float
    error: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Mean":
        """The mean of ``values``."""
        error = stdev(values) / sqrt(len(values)) if len(values) > 1 else 0.0
        return cls(fmean(values), error)


@dataclass(frozen=True, slots=True)
class Figures:
    """What a rule saves and loses, over searches in different orders; shares are of no stopping."""

    members: int  # of the true front
    members_cheap: int  # of its cheaper half
    epochs: Mean  # share
    seconds: Mean  # share of the time until the last worker is done
    hypervolume: Mean  # share of what is above an accuracy of 0
    above_worst: Mean  # share of what is above the worst accuracy in the end
    demanding: Mean  # share of what is above the floor of the yardstick
    lost: Mean  # members of the true front that were stopped
    lost_cheap: Mean  # of its cheaper half


def figures(
    candidates: Sequence[Recorded],
    stopping: Stopping,
    *,
    repeats: int,
    workers: int = 1,
    share: float = DEMANDING,
    judge: Judge = decide,
) -> Figures:
    """Replay ``candidates`` under ``stopping``, each time in another order.

    The demanding hypervolume counts from the accuracy that ``share`` of the candidates do not
    reach in the end: of an undemanding one nearly all is there from the first candidate on.
    """
    points = [one.point for one in candidates]
    members = front(points)
    cheap = {*members[: len(members) // 2]}
    sticks = [Yardstick.of(candidates, share=floor) for floor in (None, 0.0, share)]
    epochs = sum(len(one.accuracy) for one in candidates)
    found: list[tuple[float, ...]] = []
    for seed in range(repeats):
        order = shuffled(candidates, seed)
        alone = replay(candidates, Stopping(rule="none"), order, workers=workers)
        one = replay(candidates, stopping, order, workers=workers, judge=judge)
        areas = [
            one.hypervolume(candidates, stick) / (stick.area(points) or 1.0) for stick in sticks
        ]
        spent = one.epochs / epochs, one.seconds / alone.seconds
        found.append((*spent, *areas, len(one.lost), len(cheap & set(one.lost))))
    means = [Mean.of(column) for column in zip(*found, strict=True)]
    return Figures(len(members), len(cheap), *means)


RULES: tuple[Literal["none", "median", "asha", "pareto"], ...] = (
    "none",
    "median",
    "asha",
    "pareto",
)


def as_table(
    candidates: Sequence[Recorded], settings: Stopping, *, repeats: int, workers: int
) -> Table:
    """For a terminal: what each rule comes to, with all else as in ``settings``."""
    table = Table(box=None, pad_edge=False)
    headings = ("epochs %", "time %", "hypervolume %", "demanding %", "front stopped", "cheap half")
    table.add_column("rule")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for rule in RULES:
        stopping = settings.model_copy(update={"rule": rule})
        found = figures(candidates, stopping, repeats=repeats, workers=workers)
        table.add_row(
            rule,
            f"{100 * found.epochs.value:.1f}",
            f"{100 * found.seconds.value:.1f}",
            *(
                f"{100 * share.value:.2f} ± {100 * share.error:.2f}"
                for share in (found.hypervolume, found.demanding)
            ),
            f"{found.lost.value:.2f} of {found.members}",
            f"{found.lost_cheap.value:.2f} of {found.members_cheap}",
        )
    return table


def legend(candidates: Sequence[Recorded], settings: Stopping) -> str:
    """What the columns of ``as_table`` mean here."""
    floor = Yardstick.of(candidates, share=DEMANDING).floor
    epochs = max(len(one.accuracy) for one in candidates)
    judged = rungs(settings.model_copy(update={"rule": "pareto"}), epochs)
    at = listed(judged) if judged else "none"
    return (
        "Shares are of no stopping, with standard errors over the orders. The demanding "
        f"hypervolume counts from {100 * floor:.2f} % accuracy on, which a tenth of the candidates "
        f"does not reach. asha and pareto judge after epoch {at} of {epochs}."
    )
