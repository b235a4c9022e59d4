"""What samplers find, and what a proposal takes.

A search is invented: real placements with their real GFLOPs, and an accuracy that grows with what
stands where, of which some sites, modules and settings are worth more than others, with the noise
of a training. Four are trained at once. What counts is the hypervolume in the GFLOPs that
attention adds, as a share of the box between bare and dearest, over landscapes and seeds.

    python benchmarks/samplers.py [--quick] [--json]
"""

from collections.abc import Mapping
from math import exp, tanh
from random import Random
from typing import Any

from foveate.search.front import hypervolume
from foveate.search.proposer import Proposer, Seen
from foveate.search.spec import Sampler
from foveate.spaces import Placement, Space

AT_ONCE = 4
SPACES: dict[str, dict[str, Any]] = {
    "16 sites": {"backbone": "resnet34", "kinds": ["branch"]},
    "stages": {"backbone": "resnet34", "kinds": ["branch"], "hyperparameters": "stage"},
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
