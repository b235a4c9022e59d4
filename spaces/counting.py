"""Counting what one forward pass costs: exact, on the meta device, where nothing is computed.

Two conventions are in use for multiply-adds, and attention is made of the operations that the
second leaves out, so both are counted:

    operations   a multiply-add is one, and every operation counts: normalisation, pooling,
                 activations, sigmoids, multiplications (ResNet-50 at 224: 4.13 G)
    macs         multiply-adds of convolutions and matrix products only (ResNet-50: 4.09 G)
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["Cost", "count"]

aten = torch.ops.aten


@dataclass(frozen=True, slots=True)
class Cost:
    """What one image costs in a forward pass."""

    parameters: int
    macs: int  # multiply-adds of convolutions and matrix products
    operations: int  # everything, a multiply-add being one

    @property
    def gflops(self) -> float:
        """10^9 operations, as the literature's tables count them."""
        return self.operations / 1e9

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.parameters + other.parameters,
            self.macs + other.macs,
            self.operations + other.operations,
        )

    def __sub__(self, other: "Cost") -> "Cost":
        return self + Cost(-other.parameters, -other.macs, -other.operations)


def count(model: nn.Module, *shape: int) -> Cost:
    """Count one forward pass of ``model`` in evaluation mode, for an input of ``shape``.

    ``model`` has to be on the meta device: nothing is computed and no memory is taken.
    """
    parameters = sum(p.numel() for p in model.parameters())
    counter = _Counter()
    with torch.no_grad(), counter:
        model.eval()(torch.empty(shape, device="meta"))
    return Cost(parameters, counter.macs, counter.operations)


class _Counter(TorchDispatchMode):
    """Adds up the operations of everything that runs inside it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.macs = self.operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        packet = func.overloadpacket
        if packet in _MATRIX:
            macs, bias = _MATRIX[packet](args, out)
            self.macs += macs
            self.operations += macs + bias
        elif packet in _OTHER:
            self.operations += _OTHER[packet](args, out)
        elif func.is_view or packet in _FREE:  # first: to torch, a clone is pointwise too
            pass
        elif torch.Tag.pointwise in func.tags:
            self.operations += out.numel()
        else:
            raise NotImplementedError(f"no rule counts the operations of {func}")
        return out


def _convolution(args: Any, out: Tensor) -> tuple[int, int]:
    weight, bias, transposed = args[1], args[2], args[6]
    positions = args[0].numel() // args[0].shape[1] if transposed else out.numel() // out.shape[1]
    return positions * weight.numel(), 0 if bias is None else out.numel()


def _product(left: int, bias: bool) -> Callable[[Any, Tensor], tuple[int, int]]:
    """A matrix product whose left factor is argument ``left``."""

    def rule(args: Any, out: Tensor) -> tuple[int, int]:
        return out.numel() * args[left].shape[-1], out.numel() if bias else 0

    return rule


def _each(times: int, *, of_input: bool = False) -> Callable[[Any, Any], int]:
    """``times`` an operation for each element of the output, or of the first argument."""

    def rule(args: Any, out: Any) -> int:
        first = out if isinstance(out, Tensor) else out[0]
        return times * prod((args[0] if of_input else first).shape)

    return rule


_MATRIX: dict[Any, Callable[[Any, Any], tuple[int, int]]] = {
    aten.convolution: _convolution,
    aten.mm: _product(0, bias=False),
    aten.bmm: _product(0, bias=False),
    aten.addmm: _product(1, bias=True),
    aten.baddbmm: _product(1, bias=True),
}
_OTHER: dict[Any, Callable[[Any, Any], int]] = {
    aten.native_batch_norm: _each(2),  # scale and shift, as the running statistics fold into them
    aten._native_batch_norm_legit_no_training: _each(2),
    aten.native_layer_norm: _each(5),  # mean 1, variance 2, scale and shift 2: nothing folds here
    aten.native_group_norm: _each(5),
    aten.var_mean: _each(3, of_input=True),
    aten.linalg_vector_norm: _each(1, of_input=True),  # a multiply-add for each square
    aten.mean: _each(1, of_input=True),
    aten.sum: _each(1, of_input=True),
    aten.amax: _each(1, of_input=True),
    aten._adaptive_avg_pool2d: _each(1, of_input=True),
    aten.max_pool2d_with_indices: _each(1, of_input=True),
    aten.avg_pool2d: lambda args, out: out.numel() * prod(args[1]),
    aten._softmax: _each(3),  # exponential, sum, division
    aten._safe_softmax: _each(3),
    aten.hardswish: _each(1),
}
_FREE = {  # moves or makes numbers, computes none
    aten.cat,
    aten.stack,
    aten.roll,
    aten.repeat,
    aten.index,
    aten.clone,
    aten.copy_,
    aten._to_copy,
    aten.constant_pad_nd,
    aten.upsample_nearest2d,
    aten._unsafe_index,
    aten.arange,
    aten.ones,
    aten.zeros,
    aten.empty,
    aten.new_ones,
    aten.zeros_like,
    aten.ones_like,
    aten.lift_fresh,
    aten.detach,
    aten._reshape_alias,
    aten._unsafe_view,
    aten.scalar_tensor,
}
