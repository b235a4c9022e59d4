"""Modules leave Python: captured whole, compiled, exported, and run by onnxruntime."""

import io
import os
import shutil
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from foveate import attention

Make = Callable[..., nn.Module]
Stir = Callable[[nn.Module], nn.Module]
SIZES = [(8, 8), (7, 5)]


@pytest.fixture(autouse=True)
def _nothing_is_left_of_earlier_captures() -> None:
    torch._dynamo.reset()


def test_is_captured_as_one_graph(make: Make, stir: Stir) -> None:
    module, x = stir(make(16, (7, 5))), torch.randn(2, 16, 7, 5)
    module.equivariance = 0.0  # draws at random: two calls are not equal
    captured = torch.compile(module, backend="eager", fullgraph=True, dynamic=False)
    assert_close(captured(x), module(x))


def test_what_draws_at_random_is_captured_too() -> None:
    module = attention.entry("cram").build(16, (8, 8), equivariance=1.0)
    torch.compile(module, backend="eager", fullgraph=True)(torch.randn(2, 16, 8, 8))
    assert module.extra_loss is not None and module.extra_loss.isfinite()


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_can_be_exported(
    new: Make, stir: Stir, entry: attention.Entry, size: tuple[int, int]
) -> None:
    module, x = stir(new(entry.name, 16, size)).eval(), torch.randn(2, 16, *size)
    captured = torch.compile(module, backend="eager", fullgraph=True, dynamic=False)
    assert_close(captured(x), module(x))
    exported = torch.export.export(module, (x,)).module()
    other = torch.randn_like(x)
    assert_close(exported(other), module(other))


def test_can_be_exported_for_any_batch(new: Make, stir: Stir, entry: attention.Entry) -> None:
    module, x = stir(new(entry.name, 16, (8, 8))).eval(), torch.randn(3, 16, 8, 8)
    batch = {0: torch.export.Dim("batch", min=2, max=64)}
    exported = torch.export.export(module, (x,), dynamic_shapes=(batch,)).module()
    more = torch.randn(5, 16, 8, 8)
    assert_close(exported(more), module(more))


class Together(nn.Module):
    """All modules side by side, so that one run of the compiler does for all."""

    def __init__(self, modules: dict[str, nn.Module]) -> None:
        super().__init__()
        self.all = nn.ModuleDict({f"{name}_": module for name, module in modules.items()})

    def forward(self, x_NCHW: Tensor) -> Tensor:
        return torch.stack([module(x_NCHW) for module in self.all.values()])


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("size", "dtype"), [((8, 8), torch.float64), ((7, 5), torch.float32)], ids=str
)
def test_is_compiled(new: Make, stir: Stir, size: tuple[int, int], dtype: torch.dtype) -> None:
    """In double precision with all gradients, in single precision for inference."""
    if not shutil.which("g++") and not os.environ.get("CI"):
        pytest.skip("torch's compiler needs g++")
    modules = {name: stir(new(name, 16, size)).eval() for name in attention.names()}
    together, x = Together(modules).to(dtype), torch.randn(2, 16, *size, dtype=dtype)
    compiled = torch.compile(together, fullgraph=True, dynamic=False)
    exact = dtype == torch.float64
    with torch.set_grad_enabled(exact):
        found, expected = compiled(x), together(x)
    near = 1e-9 if exact else 1e-4
    for name, one, other in zip(modules, found, expected, strict=True):
        assert torch.allclose(one, other, atol=near, rtol=near), name
    if exact:
        mine = torch.autograd.grad(found.square().sum(), [*together.parameters()])
        theirs = torch.autograd.grad(expected.square().sum(), [*together.parameters()])
        for (name, _), one, other in zip(together.named_parameters(), mine, theirs, strict=True):
            assert torch.allclose(one, other, atol=1e-7, rtol=1e-7), f"the gradient of {name}"


def run_by_onnxruntime(module: nn.Module, x: Tensor) -> Tensor:
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnxscript", reason="onnxscript, which torch exports with, is not there")
    with warnings.catch_warnings(action="ignore"):
        program: Any = torch.onnx.export(module, (x,), dynamo=True, verbose=False)
    content = io.BytesIO()
    program.save(content)
    session = onnxruntime.InferenceSession(content.getvalue(), providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    return torch.from_numpy(y)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_is_run_by_onnxruntime(
    new: Make, stir: Stir, entry: attention.Entry, size: tuple[int, int]
) -> None:
    module, x = stir(new(entry.name, 16, size)).eval(), torch.randn(2, 16, *size)
    with torch.no_grad():
        assert_close(run_by_onnxruntime(module, x), module(x), atol=1e-4, rtol=1e-4)


OTHER_WAYS: list[tuple[str, dict[str, Any]]] = [  # those that compute by other operators
    ("aw", {"share": "out"}),
    ("cram", {"head": "moments"}),
    ("ge", {"extent": 4}),
    ("ge", {"extent": 4, "gather": "conv"}),
    ("ge", {"gather": "conv"}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "chosen"), OTHER_WAYS, ids=str)
def test_its_other_ways_are_run_by_onnxruntime(
    new: Make, stir: Stir, name: str, chosen: dict[str, Any]
) -> None:
    module, x = stir(new(name, 16, (7, 5), **chosen)).eval(), torch.randn(2, 16, 7, 5)
    with torch.no_grad():
        assert_close(run_by_onnxruntime(module, x), module(x), atol=1e-4, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["aw", "mhsa", "sk"])
def test_a_stride_is_run_by_onnxruntime(stir: Stir, name: str) -> None:
    conv, x = nn.Conv2d(16, 16, 3, 2, 1), torch.randn(2, 16, 7, 6)
    module = stir(attention.entry(name).wrap(conv, (7, 6), identity_init=True)).eval()
    with torch.no_grad():
        y = module(x)
        assert y.shape == (2, 16, 4, 3)
        assert_close(run_by_onnxruntime(module, x), y, atol=1e-4, rtol=1e-4)
