"""How many trials share a machine: chosen by a short measurement, with ``resources: auto``.

Small networks leave most of a GPU idle, and threads that wait for one another leave a CPU idle; how
many trials at once train the most images a second depends on the network, its images and the
machine. So a few ways are tried for some seconds each, on real images, and the best is taken.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import ray

from ..workers.probe import Probe

__all__ = ["Packing", "best", "measured", "packings"]

SECONDS = 2.0  # of each measurement, once all are warm
GAIN = 1.05  # by less, fewer trials at once are better: each proposal knows of more results
SHARES = (1, 2, 3, 4, 6, 8)  # trials on a GPU


@dataclass(frozen=True, slots=True)
class Packing:
    """What each worker takes, and how many there are at once."""

    threads: int  # CPU threads of a worker
    gpus: float  # of a worker
    workers: int

    def __str__(self) -> str:
        each = f"{self.threads} thread" + ("s" if self.threads > 1 else "")
        if self.gpus:
            each += f" and {self.gpus:.3g} GPU"
        return f"{self.workers} at once, each with {each}"


def packings(cpus: int, gpus: float) -> list[Packing]:
    """The ways worth a try on a machine, fewest trials at once first."""
    if gpus >= 1:
        ways = [Packing(max(1, cpus // (n * int(gpus))), 1 / n, n * int(gpus)) for n in SHARES]
        return [way for way in ways if way.workers <= cpus]
    return [Packing(cpus // n, 0.0, n) for n in range(1, cpus + 1) if cpus % n == 0]


def best(rates: Mapping[Packing, float]) -> Packing:
    """The packing that trains the most images a second; of nearly equals the one with the fewest
    trials at once.

    Raises
        ValueError  if nothing was measured
    """
    chosen: Packing | None = None
    for packing in sorted(rates, key=lambda packing: packing.workers):
        if chosen is None or rates[packing] > GAIN * rates[chosen]:
            chosen = packing
    if chosen is None:
        raise ValueError("there is no packing to choose from")
    return chosen


def measured(
    ways: Sequence[Packing], config: dict[str, Any], watch: Callable[[str], None]
) -> dict[Packing, float]:
    """Images a second of each of ``ways``, on the Ray cluster that this process is connected to.

    ``config`` is that of a trial. Of several GPUs one is measured, and counted as often as there
    are. A way that does not fit into memory is left out. More trials at once are tried as long as
    that brings something.

    Raises
        ray.exceptions.RayError  if even one trial alone cannot train
    """
    rates: dict[Packing, float] = {}
    for way in ways:
        copies = max(1, round(way.workers * way.gpus)) if way.gpus else 1
        try:
            rates[way] = copies * _rate(way, way.workers // copies, config)
        except ray.exceptions.RayError:
            if not rates:
                raise
            break  # more of them take more memory still
        watch(f"{way}: {rates[way]:,.0f} images/s")
        if way.gpus and best(rates) != way:
            break
    return rates


def _rate(way: Packing, count: int, config: dict[str, Any]) -> float:
    remote: Any = ray.remote(Probe).options(num_cpus=way.threads, num_gpus=way.gpus)
    probes: list[Any] = []
    try:
        for _ in range(count):
            probes.append(remote.remote(config | {"threads": way.threads, "gpus": way.gpus}))
        ray.get([probe.ready.remote() for probe in probes])
        return float(sum(ray.get([probe.rate.remote(SECONDS) for probe in probes])))
    finally:
        for probe in probes:
            with suppress(Exception):
                ray.kill(probe)
