"""How long a forward pass takes, measured: warm, the median of several, on a named device."""

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter

import torch
from torch import Tensor, nn

from ..errors import BadValue

__all__ = ["Latency", "latency"]

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


def latency(
    model: nn.Module,
    image_size: int,
    *,
    batches: Sequence[int] = (1, 64),
    device: str | torch.device | None = None,
    seconds: float = 2.0,
    repeats: int | None = None,
    channels_last: bool = False,
) -> tuple[Latency, ...]:
    """The latency of ``model`` on square images, for each of ``batches``.

    ``model`` is moved to ``device``, by default CUDA's current one or else the CPU, and stays
    there, in evaluation mode; the images have the type of its parameters. After runs that are not
    timed come ``repeats`` that are, by default as many as fit into ``seconds`` for each batch, and
    5 at least. Weights and images may be anything but on the meta device.

    Raises
        BadValue  for a device that there is not, a network on the meta device, a batch below 1, or
                  fewer than 1 repeats
    """
    if not batches or min(batches) < 1:
        raise BadValue(f"a batch has 1 image or more, got {tuple(batches)}")
    if repeats is not None and repeats < 1:
        raise BadValue(f"a latency takes 1 run or more, got {repeats}")
    tensors = [*model.parameters(), *model.buffers()]
    if any(tensor.is_meta for tensor in tensors):
        raise BadValue("a network on the meta device computes nothing that could be timed")
    there = _device(device)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = model.to(there).to(memory_format=layout).eval()
    dtype = next((t.dtype for t in tensors if t.is_floating_point()), torch.float32)

    def timed(batch: int) -> Latency:
        shape = (batch, 3, image_size, image_size)
        x = torch.randn(shape, device=there).to(dtype, memory_format=layout)
        times = _times(_timer(model, x), seconds, repeats)
        lower, _, upper = quantiles(times, n=4, method="inclusive") if len(times) > 1 else times * 3
        return Latency(
            batch,
            median(times),
            lower,
            upper,
            len(times),
            device_name(there),
            torch.get_num_threads(),
            str(dtype).removeprefix("torch."),
            channels_last,
        )

    with torch.inference_mode():
        return tuple(timed(batch) for batch in batches)


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


def _times(run: Callable[[], float], seconds: float, repeats: int | None) -> list[float]:
    """Seconds of each timed run. The first, which allocate and choose kernels, are not timed."""
    warm = run()
    if warm < seconds / 4:
        warm = min(run(), run())
    if repeats is None:
        repeats = min(MOST, max(FEWEST, int(seconds / max(warm, 1e-6))))
    return [run() for _ in range(repeats)]
