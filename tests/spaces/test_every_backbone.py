"""One network of each of torchvision's families, with every module in it; all in the benchmark."""

import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import foveate

sys.path.insert(0, str(Path(foveate.__file__).parent / "benchmarks"))
try:
    benchmark: Any = import_module("backbones")
finally:
    sys.path.pop(0)

FAST = ("googlenet", "mobilenet_v3_small", "resnet18", "squeezenet1_1")


@pytest.mark.parametrize(
    "name",
    [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in benchmark.FAMILIES],
)
def test_takes_every_module_and_trains_and_leaves_as_a_graph(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch.export, about hooks and versions
        found = benchmark.checked(name, seed=1)
    assert found["failures"] == "none"
    assert found["modules"] >= 23  # of 25, whatever this network has room for
    assert found["blocks"] >= found["stages"] >= 3
