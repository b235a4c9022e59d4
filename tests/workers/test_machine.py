"""What an epoch takes of its machine."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from time import perf_counter, sleep

import pytest
import torch

from foveate.workers import machine
from foveate.workers.machine import Machine, watched_epochs
from foveate.workers.train import Epoch, Training

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


class Clock:
    """Of the wall and of the CPU: they go when they are told to."""

    wall = cpu = 0.0

    def goes(self, wall: float, cpu: float) -> None:
        self.wall += wall
        self.cpu += cpu


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(machine, "perf_counter", lambda: clock.wall)
    monkeypatch.setattr(machine, "process_time", lambda: clock.cpu)
    return clock


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A GPU that says in turns that it is at work for 20 and 60 percent."""
    looks: list[float] = []

    def utilization(_: object) -> int:
        looks.append(0.2 if len(looks) % 2 == 0 else 0.6)
        return round(100 * looks[-1])

    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda _: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 12345)
    monkeypatch.setattr(torch.cuda, "utilization", utilization)
    monkeypatch.setattr(machine, "EVERY", 0.01)
    return looks


def test_cores_are_those_kept_busy_since_the_beginning(clock: Clock) -> None:
    with Machine(CPU) as one:
        clock.goes(10, 15)
        assert one.taken()["cores"] == 1.5
        clock.goes(100, 0)
        one.begin()
        clock.goes(4, 1)
        assert one.taken()["cores"] == 0.25


def test_memory_is_in_bytes_and_never_falls() -> None:
    with Machine(CPU) as one:
        before = one.taken()
        block = bytearray(200_000_000)
        block[::4096] = b"x" * len(block[::4096])  # touched, so that it is held
        after = one.taken()
    assert set(before) == {"cores", "memory"}
    assert 1e7 < before["memory"] <= after["memory"]  # of a process with torch
    assert 2e8 < after["memory"] < 1e12


def test_a_gpu_is_looked_at_now_and_then(gpu: list[float]) -> None:
    with Machine(CUDA) as one:
        while len(gpu) < 4:
            sleep(0.01)
        found = one.taken()
    assert found["gpu_memory"] == 12345
    assert 0.2 < found["gpu"] < 0.6


def test_a_gpu_that_does_not_tell_is_left_out(
    gpu: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def utilization(_: object) -> int:
        raise ModuleNotFoundError("pynvml does not seem to be installed")

    monkeypatch.setattr(torch.cuda, "utilization", utilization)
    with Machine(CUDA) as one:
        sleep(0.1)
        assert set(one.taken()) == {"cores", "memory", "gpu_memory"}


def test_nothing_is_looked_at_afterwards(gpu: list[float]) -> None:
    before = threading.active_count()
    with suppress(ZeroDivisionError), Machine(CUDA):
        assert threading.active_count() == before + 1
        raise ZeroDivisionError
    end = perf_counter() + 10
    while threading.active_count() > before and perf_counter() < end:
        sleep(0.01)
    assert threading.active_count() == before


def test_what_lies_between_two_epochs_counts_for_neither(clock: Clock) -> None:
    class Trained(Training):
        def __init__(self) -> None:
            self.device = CPU

        def epochs(self) -> Iterator[Epoch]:
            for number in (1, 2):
                clock.goes(2, 1)
                yield Epoch(number, train_loss=1.0, accuracy=0.5, seconds=2.0)

    found = []
    for epoch in watched_epochs(Trained()):
        found.append((epoch.number, epoch.machine["cores"]))
        clock.goes(100, 100)
    assert found == [(1, 0.5), (2, 0.5)]
