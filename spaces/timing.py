"""How long a forward pass takes, measured: warm, the median of several, on a named device."""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import BadValue

__all__ = ["Latency", "latencies", "latency"]

FEWEST = 5  # runs, however long one takes
MOST = 1000  # runs, however short one is


@dataclass(frozen=True, slots=True)
class Latency:
    """The time of one forward pass of a batch."""

    batch: int  # images
    median_seconds: float  # of a whole batch
    lower_quartile_seconds: float
    upper_quartile_seconds: float
    runs: int  # that were timed
    device: str  # its model, such as "NVIDIA A100-SXM4-40GB"
    threads: int  # of torch, which a pass on the CPU may use
    dtype: str  # such as "float32"
    channels_last: bool  # whether weights and images lie in memory channels last

    @property
    def images_per_second(self) -> float:
        """Throughput at the median."""
        return self.batch / self.median_seconds


def latency(model: nn.Module, image_size: int, **options: Any) -> tuple[Latency, ...]:
    """The latency of ``model`` on square images, for batches of 1 and 64; see ``latencies``."""
    return latencies({"": model}, image_size, **options)[""]


def latencies(
    models: Mapping[str, nn.Module],
    image_size: int,
    *,
    batches: Sequence[int] = (1, 64),
    device: str | torch.device | None = None,
    seconds: float = 2.0,
    repeats: int | None = None,
    channels_last: bool = False,
) -> dict[str, tuple[Latency, ...]]:
    """The latency of each of ``models`` on square images, for each of ``batches``.

    They are moved to ``device``, by default CUDA's current one or else the CPU, and stay there, in
    evaluation mode; the images have the type of their parameters. The networks take turns, so that
    they share what disturbs them. After runs that are not timed come ``repeats`` that are, by
    default as many as fit into ``seconds`` for each network and batch, and 5 at least.

    Raises
        BadValue  for a device that there is not, a network on the meta device, a batch below 1, or
                  fewer than 1 repeats
    """
    if not batches or min(batches) < 1:
        raise BadValue(f"a batch has 1 image or more, got {tuple(batches)}")
    if repeats is not None and repeats < 1:
        raise BadValue(f"a latency takes 1 run or more, got {repeats}")
    for model in models.values():
        if any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers())):
            raise BadValue("a network on the meta device computes nothing that could be timed")
    there = _device(device)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    for model in models.values():
        model.to(there).to(memory_format=layout).eval()
    found: dict[str, list[Latency]] = {name: [] for name in models}
    with torch.inference_mode():
        for batch in batches:
            runs = {}
            for name, model in models.items():
                x = torch.randn(batch, 3, image_size, image_size, device=there)
                runs[name] = _timer(model, x.to(_dtype(model), memory_format=layout))
            for name, times in _times(runs, seconds, repeats).items():
                found[name].append(
                    Latency(
                        batch,
                        median(times),
                        *_quartiles(times),
                        len(times),
                        device_name(there),
                        torch.get_num_threads(),
                        str(_dtype(models[name])).removeprefix("torch."),
                        channels_last,
                    )
                )
    return {name: tuple(measured) for name, measured in found.items()}


def _dtype(model: nn.Module) -> torch.dtype:
    tensors = (*model.parameters(), *model.buffers())
    return next((t.dtype for t in tensors if t.is_floating_point()), torch.float32)


def _quartiles(times: Sequence[float]) -> tuple[float, float]:
    if len(times) < 2:
        return times[0], times[0]
    lower, _, upper = quantiles(times, n=4, method="inclusive")
    return lower, upper


def device_name(device: torch.device) -> str:
    """The model of ``device``, as its maker calls it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def _device(device: str | torch.device | None) -> torch.device:
    """The device; ``BadValue`` if there is none such, or none that we know how to wait for."""
    gpus = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    known = ["cpu", *(["cuda"] if gpus else []), *gpus]
    name = str(device or ("cuda" if gpus else "cpu"))
    if name not in known:
        there = f"there are: {', '.join(known)}" if gpus else "there is: cpu"
        raise BadValue(f"no device {name!r} to measure on; {there}")
    return torch.device(name)


def _timer(model: nn.Module, x: Tensor) -> Callable[[], float]:
    """Runs ``model`` once and says how many seconds it took."""

    def by_clock() -> float:
        start = perf_counter()
        model(x)
        return perf_counter() - start

    def by_events() -> float:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        with torch.cuda.device(x.device):
            torch.cuda.synchronize()  # what was asked for before is done
            start.record()
            model(x)
            end.record()
            end.synchronize()
        milliseconds: float = start.elapsed_time(end)
        return milliseconds / 1000

    return by_events if x.device.type == "cuda" else by_clock


def _times(
    runs: Mapping[str, Callable[[], float]], seconds: float, repeats: int | None
) -> dict[str, list[float]]:
    """Seconds of each timed run. The first, which allocate and choose kernels, are not timed."""
    warm = 0.0
    for run in runs.values():
        first = run()
        warm = max(warm, min(run(), run()) if first < seconds / 4 else first)
    if repeats is None:
        repeats = min(MOST, max(FEWEST, int(seconds / max(warm, 1e-6))))
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            times[name].append(run())
    return times
