"""What samplers find, and what a proposal takes.

A search is invented: real placements with their real GFLOPs, and an accuracy that grows with what
stands where, of which some sites, modules and settings are worth more than others, with the noise
of a training. Four are trained at once. What counts is the hypervolume in the GFLOPs that
attention adds, as a share of the box between bare and dearest, over landscapes and seeds. Times are
of the processor: others may be at work.

What was tried and is left out by default, on sixteen landscapes (to TPE after 60 and 200 trials):

    a share of the proposals for the    16 sites: a fourth -0.003, -0.008; half -0.002, -0.006; all
    front's widest gap in GFLOPs        -0.009, -0.008; widths: +0.007, -0.013; -0.007, +0.001;
                                        -0.004, -0.003; each +- 0.003 to 0.014
    the same for the gap of the         half: 16 sites -0.006, -0.004; widths -0.011, -0.017;
    largest area                        each +- 0.007 to 0.011
    multivariate TPE                    16 sites -0.022, -0.016 +- 0.009; widths -0.013, -0.002
    GP                                  16 sites, 60 trials, four landscapes: +0.006 +- 0.014, at a
                                        second or more for a proposal

    python benchmarks/samplers.py [--quick] [--json]
"""

from argparse import Namespace
from collections.abc import Mapping
from math import exp, sqrt, tanh
from random import Random
from statistics import fmean, median, stdev
from time import process_time
from typing import Any

from frame import Report, main

from foveate.search.front import hypervolume
from foveate.search.proposer import Proposer, Seen
from foveate.search.spec import Sampler
from foveate.spaces import Placement, Space, SpaceSettings

AT_ONCE = 4
OWN = {"options": {"multivariate": False}}  # what ours equals, over the same trials
TIMED: dict[str, dict[str, Any]] = {
    "tpe": {},
    "Optuna's tpe": OWN,
    "nsga2": {"name": "nsga2"},
    "random": {"name": "random"},
}
SAMPLERS: dict[str, dict[str, Any]] = {
    "tpe": {},
    "tpe, multivariate": {"options": {"multivariate": True}},
    "tpe, half of them in gaps": {"gaps": 0.5},
    "nsga2": {"name": "nsga2"},
    "nsga2, populations of 50": {"name": "nsga2", "options": {"population_size": 50}},
    "Optuna's NSGA-III": {"name": "optuna.samplers:NSGAIIISampler"},
    "random": {"name": "random"},
}
SPACES: dict[str, dict[str, Any]] = {
    "16 sites": {"backbone": "resnet34", "kinds": ["branch"]},
    "widths": {"backbone": "resnet8", "kinds": ["branch", "conv"], "widths": [0.5, 0.7, 1.0]},
}


class Landscape:
    """How accurate placements of ``space`` are, in the world of ``seed``."""

    def __init__(self, space: Space, seed: int) -> None:
        rng = Random(f"landscape {seed}")
        self.space, self.seed = space, seed
        quality: dict[str, float] = {}
        self._worth: dict[tuple[str, Any], float] = {}
        slots = {slot.name for slot in space.slots}
        for name, choices in space.coordinates.items():
            weight = exp(rng.gauss(0, 0.7)) if name in slots else 0.5
            for choice in choices:
                if name in slots:
                    mean = quality.setdefault(str(choice), rng.gauss(0.5, 0.5))
                    worth = 0.0 if choice == "none" else weight * rng.gauss(mean, 0.5)
                elif name == "@width":
                    worth = len(slots) * 0.4 * float(choice)
                else:
                    worth = rng.gauss(0, 0.5)
                self._worth[name, choice] = worth
        self._scale = 2.0 * len(slots)
        self._gflops: dict[str, float] = {}

    def gflops(self, placement: Placement) -> float:
        if placement.key not in self._gflops:
            self._gflops[placement.key] = self.space.cost(placement, 10).gflops
        return self._gflops[placement.key]

    def accuracy(self, placement: Placement, chosen: Mapping[str, Any]) -> float:
        worth = sum(self._worth.get(pair, 0.0) for pair in chosen.items())
        noise = Random(f"{self.seed} {placement.key}").gauss(0, 0.003)
        return 0.8 + 0.1 * tanh(worth / self._scale) + noise


def searched(
    landscape: Landscape, sampler: Sampler, seed: int, trials: int, **about: Any
) -> list[Seen]:
    """A whole search, several at once; infeasible ones are no trials."""
    space = landscape.space
    proposer = Proposer(space, sampler, seed, trials, gflops=landscape.gflops, **about)
    running: list[tuple[Seen, Placement]] = []
    told: list[Seen] = []
    baselines = list(space.baselines().values())
    trained = number = 0

    def end() -> None:
        one, placement = running.pop(0)
        values = landscape.accuracy(placement, one.chosen or {}), landscape.gflops(placement)
        told.append(one._replace(state="complete", values=values))
        proposer.update(told[-1:])

    while trained < trials:
        if len(running) == AT_ONCE:
            end()
        if number < len(baselines):
            placement, attributes, limits = baselines[number], {}, ()
        else:
            proposal = proposer.propose(number)
            if proposal is None:
                break
            placement, attributes = proposal.placement, proposal.attributes
            limits = proposal.violations
        state = "running" if all(limit <= 0 for limit in limits) else "infeasible"
        chosen = space.parameters(placement)
        one = Seen(number, state, placement.key, chosen, None, limits, attributes)
        proposer.update([one])
        number += 1
        if state == "running":
            running.append((one, placement))
            trained += 1
        else:
            told.append(one)
    while running:
        end()
    return told


def quality(landscape: Landscape, told: list[Seen], trials: int) -> float:
    """The hypervolume of the first so many, a share."""
    space = landscape.space
    bare = 0.8 + 0.1 * tanh(landscape._worth.get(("@width", 1.0), 0.0) / landscape._scale)
    cheapest = min(landscape.gflops(base) for base in space.bases)
    points = [
        (one.values[0], (one.values[1] - cheapest) / (space.dearest_gflops - cheapest))
        for one in sorted(told)[:trials]
        if one.values is not None
    ]
    return hypervolume(points, reference=(bare, 1.0)) / 0.1


def found(space: Space, sampler: Sampler, landscapes: int, trials: int) -> list[float]:
    """The quality after ``trials``, in one landscape after the other."""
    return [
        quality(there := Landscape(space, seed), searched(there, sampler, seed, trials), trials)
        for seed in range(landscapes)
    ]


def compared(space: Space, landscapes: int, trials: int, names: Mapping[str, Any]) -> Any:
    """Each sampler's mean quality, and what it is above or below TPE's, with its standard error."""
    rows, plain = {}, found(space, Sampler(), landscapes, trials)
    for name, settings in names.items():
        mine = found(space, Sampler.of(settings), landscapes, trials)
        gains = [one - other for one, other in zip(mine, plain, strict=True)]
        error = stdev(gains) / sqrt(landscapes)
        rows[name] = {
            "hypervolume": f"{fmean(mine):.3f}",
            "to tpe": "-" if mine == plain else f"{fmean(gains):+.3f} +- {error:.3f}",
        }
    return rows


def milliseconds(space: Space, sampler: Sampler, trials: int, times: int = 9) -> float:
    """What one proposal takes after so many trials, each time one more: the median."""
    rng = Random(0)
    chosen = [space.parameters(space.sample(rng)) for _ in range(500)]
    proposer = Proposer(space, sampler, 0, trials, gflops=lambda placement: 1.0)

    def seen(number: int) -> Seen:
        cost = rng.random()
        values = (0.8 + 0.1 * sqrt(cost) + rng.gauss(0, 0.02), cost)
        return Seen(number, "complete", f"{number:016x}", rng.choice(chosen), values)

    proposer.update(map(seen, range(trials)))
    took = []
    for number in range(trials, trials + times):
        began = process_time()
        assert proposer.propose(number) is not None
        took.append(1000 * (process_time() - began))
        proposer.update([seen(number)])
    return median(took)


def load_seconds(space: Space, trials: int) -> float:
    rng = Random(0)
    chosen = [space.parameters(space.sample(rng)) for _ in range(500)]
    seen = [
        Seen(n, "complete", f"{n:016x}", dict(rng.choice(chosen) or {}), (rng.random(), 1.0))
        for n in range(trials)
    ]
    proposer = Proposer(space, Sampler(), 0, trials, gflops=lambda placement: 1.0)
    began = process_time()
    proposer.update(seen)
    return process_time() - began


def measure(arguments: Namespace, report: Report) -> None:
    spaces = {name: Space(SpaceSettings.of(values), 32) for name, values in SPACES.items()}
    sixteen, landscapes = spaces["16 sites"], 2 if arguments.quick else 10
    few, many = (milliseconds(sixteen, Sampler(), count) for count in (1_000, 10_000))
    report.target("CPU ms for a proposal of TPE after 10,000 trials", many, "<= 60")
    report.target("that, in proposals after 1,000", many / few, "<= 3.5")
    report.target("CPU s to load 10,000 trials", load_seconds(sixteen, 10_000), "<= 1")
    report.figures["CPU ms for a proposal, after 1,000 and 10,000 trials"] = {
        name: {
            str(count): round(milliseconds(sixteen, Sampler.of(settings), count, times=3), 1)
            for count in (1_000, 10_000)
        }
        for name, settings in TIMED.items()
    }
    for name, space in list(spaces.items())[: 1 if arguments.quick else None]:
        for trials in (60,) if arguments.quick else (60, 200):
            rows = compared(space, landscapes, trials, SAMPLERS)
            report.figures[f"{name}, after {trials} trials"] = rows


if __name__ == "__main__":
    main("samplers", measure)
