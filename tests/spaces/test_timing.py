import sys
from time import perf_counter

import pytest
import torch
from torch import Tensor, nn

from foveate.errors import BadValue
from foveate.spaces.timing import Latency, device_name, latency


def convolution(channels: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, channels, 1), nn.Conv2d(channels, channels, 3, padding=1))


def on_cpu(model: nn.Module, **options: object) -> tuple[Latency, ...]:
    return latency(model, 32, device="cpu", **{"seconds": 0.2} | options)  # type: ignore[arg-type]


def test_a_latency_says_what_was_measured_on_what() -> None:
    one, four = on_cpu(convolution(8), batches=(1, 4))
    assert (one.batch, four.batch) == (1, 4)
    for found in (one, four):
        assert 0 < found.lower_quartile_seconds <= found.median_seconds
        assert found.median_seconds <= found.upper_quartile_seconds < 1
        assert found.runs >= 5 and found.threads == torch.get_num_threads()
        assert (found.dtype, found.channels_last) == ("float32", False)
        assert found.device == device_name(torch.device("cpu")) != ""
        assert found.images_per_second == found.batch / found.median_seconds


@pytest.mark.skipif(sys.platform != "linux", reason="where the processor's name is in a file")
def test_the_processor_has_its_makers_name() -> None:
    assert device_name(torch.device("cpu")) not in ("", "cpu")


def test_sixteen_times_the_work_takes_longer() -> None:
    (small,), (large,) = (on_cpu(convolution(c), batches=(8,), repeats=15) for c in (32, 128))
    assert large.median_seconds > 2 * small.median_seconds


class Counted(nn.Module):
    """Remembers its inputs' shapes and modes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.seen: list[tuple[Tensor, bool, bool]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append((x, self.training, torch.is_inference_mode_enabled()))
        out: Tensor = self.conv(x)
        return out


def test_first_runs_are_not_timed() -> None:
    model = Counted()
    (found,) = on_cpu(model, batches=(2,), repeats=7)
    assert found.runs == 7
    assert len(model.seen) > 7


def test_runs_in_evaluation_and_inference_mode_in_the_networks_type_and_layout() -> None:
    model = Counted().to(torch.bfloat16)
    (found,) = on_cpu(model, batches=(2,), repeats=1, channels_last=True)
    x, training, inference = model.seen[-1]
    assert not training and inference
    assert x.dtype == torch.bfloat16 and x.shape == (2, 3, 32, 32)
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert model.conv.weight.is_contiguous(memory_format=torch.channels_last)
    assert (found.dtype, found.channels_last) == ("bfloat16", True)
    assert found.lower_quartile_seconds == found.median_seconds  # of one run


def test_takes_the_time_that_it_is_given() -> None:
    start = perf_counter()
    on_cpu(convolution(64), batches=(1, 2), seconds=0.3)
    assert perf_counter() - start < 10


def test_a_device_that_there_is_not_is_one_sentence() -> None:
    with pytest.raises(BadValue, match=r"^no device 'cuda:63' to measure on; there (is|are): cpu"):
        latency(convolution(4), 32, device="cuda:63")
    with pytest.raises(BadValue, match=r"^no device 'tpus' to measure on; there (is|are): cpu"):
        latency(convolution(4), 32, device="tpus")


def test_wrong_batches_and_repeats_are_one_sentence() -> None:
    with pytest.raises(BadValue, match=r"^a batch has 1 image or more, got \(4, 0\)$"):
        on_cpu(convolution(4), batches=(4, 0))
    with pytest.raises(BadValue, match=r"^a batch has 1 image or more, got \(\)$"):
        on_cpu(convolution(4), batches=())
    with pytest.raises(BadValue, match=r"^a latency takes 1 run or more, got 0$"):
        on_cpu(convolution(4), repeats=0)


def test_a_network_that_computes_nothing_is_not_timed() -> None:
    with pytest.raises(BadValue, match=r"^a network on the meta device computes nothing"):
        on_cpu(convolution(4).to("meta"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_is_waited_for() -> None:
    (found,) = latency(convolution(256), 224, batches=(64,), device="cuda", seconds=0.5)
    assert found.device == torch.cuda.get_device_name()
    # 64 * 224^2 * 256 * 256 * 9 multiply-adds: no GPU does them in the time of a launch
    assert found.median_seconds > 0.002
