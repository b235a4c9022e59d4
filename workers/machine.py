"""What an epoch takes of its machine, measured; what cannot be measured here is left out."""

import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from statistics import fmean
from threading import Event, Thread
from time import perf_counter, process_time
from typing import Self

import torch

from .train import Epoch, Training

__all__ = ["Machine", "watched_epochs"]

EVERY = 1.0  # seconds between looks at how busy the GPU is


class Machine:
    """Measures from ``begin`` to ``taken``, within a ``with``:

    cores       of the CPU that this process kept busy, in the mean
    memory      bytes, the most that this process has held until now
    gpu         share of the time in which the GPU was at work, whoever's; looked at every second,
                where NVIDIA's library (nvidia-ml-py) is there
    gpu_memory  bytes, the most that torch held on the GPU since ``begin``
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def begin(self) -> None:
        """Forget what was before."""
        self._since = perf_counter(), process_time()
        self._looks: list[float] = []
        self._over = Event()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            Thread(target=self._look, args=(self._looks, self._over), daemon=True).start()

    def taken(self) -> dict[str, float]:
        """What it came to; nothing more is measured until ``begin``."""
        self._over.set()
        wall, cpu = perf_counter() - self._since[0], process_time() - self._since[1]
        found = {"cores": round(cpu / wall, 4), "memory": _most_memory()}
        if self.device.type == "cuda":
            found["gpu_memory"] = float(torch.cuda.max_memory_allocated(self.device))
            if self._looks:
                found["gpu"] = round(fmean(self._looks), 4)
        return found

    def _look(self, looks: list[float], over: Event) -> None:
        with suppress(Exception):  # without the library, or a GPU that does not tell
            while not over.wait(EVERY):
                looks.append(torch.cuda.utilization(self.device) / 100)


def watched_epochs(training: Training) -> Iterator[Epoch]:
    """The epochs of ``training``, each with what it took of the machine."""
    with Machine(training.device) as machine:
        for epoch in training.epochs():
            yield replace(epoch, machine=epoch.machine | machine.taken())
            machine.begin()  # whoever asks may have taken its time


def _most_memory() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return float(unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
