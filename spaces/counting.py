"""Counting what one forward pass costs: exact, on the meta device, where nothing is computed.

Two conventions are in use for multiply-adds, and attention is made of the operations that the
second leaves out, so both are counted:

    operations   a multiply-add is one, and every operation counts: normalisation, pooling,
                 activations, sigmoids, multiplications (ResNet-50 at 224: 4.13 G)
    macs         multiply-adds of convolutions and matrix products only (ResNet-50: 4.09 G)

Memory is followed in the same pass, storage by storage, as the operators make them and as Python
lets go of them: what PyTorch's eager mode holds, without the workspaces inside an operator.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import ceil, log2, prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ..errors import BadValue, listed
from .watching import hooked

__all__ = ["Cost", "Trace", "count", "trace"]

aten = torch.ops.aten


@dataclass(frozen=True, slots=True)
class Cost:
    """What one image costs in a forward pass. Costs add up, all but their peaks."""

    parameters: int
    macs: int  # multiply-adds of convolutions and matrix products
    operations: int  # everything, a multiply-add being one
    # of the activations alive at once, the image among them; parameters and buffers are not.
    # None in sums and differences, and two costs of the same work are equal whatever they know
    # of the peak
    peak_bytes: int | None = field(default=None, compare=False)

    @property
    def gflops(self) -> float:
        """10^9 operations, as the literature's tables count them."""
        return self.operations / 1e9

    @property
    def gmacs(self) -> float:
        """10^9 multiply-adds of convolutions and matrix products, the other convention."""
        return self.macs / 1e9

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.parameters + other.parameters,
            self.macs + other.macs,
            self.operations + other.operations,
        )

    def __sub__(self, other: "Cost") -> "Cost":
        return self + Cost(-other.parameters, -other.macs, -other.operations)


@dataclass(frozen=True, slots=True)
class Trace:
    """A forward pass: what it cost, and the live bytes around each module that ran once."""

    cost: Cost
    operators: dict[str, int]  # the operations of each, by its name, such as "native_batch_norm"
    input_bytes: int
    live_before: dict[str, int]  # when its forward pre-hook runs, its input alive
    live_after: dict[str, int]  # when its forward hook runs, its input and its output alive

    @property
    def extra_bytes(self) -> int:
        """What the pass held at its peak beyond its input."""
        assert self.cost.peak_bytes is not None
        return self.cost.peak_bytes - self.input_bytes

    def peak_with(
        self,
        *,
        gates: Iterable[tuple[str, int]] = (),
        replaced: Iterable[tuple[str, int]] = (),
    ) -> int:
        """The peak in bytes of this network with modules put in, from their ``extra_bytes``.

        ``gates`` are applied to the output of the module at a path by its forward hook,
        ``replaced`` take the place of the module at a path. All return a tensor of their own, of
        the size that was there before.
        """
        assert self.cost.peak_bytes is not None
        peaks = [self.live_after[path] + extra for path, extra in gates]
        peaks += [self.live_before[path] + extra for path, extra in replaced]
        return max(self.cost.peak_bytes, *peaks, 0)


def count(model: nn.Module, *shape: int) -> Cost:
    """Count one forward pass of ``model`` in evaluation mode, for an input of ``shape``.

    Nothing is computed and no memory is taken.

    Raises
        BadValue             if ``model`` is not on the meta device
        NotImplementedError  for an operator that no rule counts, naming it
    """
    return _run(model, shape, _Counter())[0]


def trace(model: nn.Module, *shape: int) -> Trace:
    """``count``, and the live bytes before and after each module that runs once in the pass."""
    counter = _Counter()
    before: dict[str, list[int]] = {}  # live bytes at each run
    after: dict[str, list[int]] = {}

    def enter(path: str, args: Any) -> None:
        before.setdefault(path, []).append(counter.live())

    def leave(path: str, out: Any) -> None:
        after.setdefault(path, []).append(counter.live())

    with hooked(model, enter, leave):
        cost, input_bytes = _run(model, shape, counter)
    once = [path for path, live in after.items() if len(live) == 1]
    return Trace(
        cost,
        dict(counter.operators),
        input_bytes,
        {path: before[path][0] for path in once},
        {path: after[path][0] for path in once},
    )


def _run(model: nn.Module, shape: tuple[int, ...], counter: "_Counter") -> tuple[Cost, int]:
    """The cost, and the bytes of the input."""
    elsewhere = {t.device.type for t in [*model.parameters(), *model.buffers()]} - {"meta"}
    if elsewhere:
        there = listed(sorted(elsewhere))
        raise BadValue(f"a network is counted on the meta device, and this one is on {there}")
    # inference mode, if we are called in it, would show operators before they are taken apart
    # and what the network makes itself, such as positions, has to be on the same device
    with torch.inference_mode(False), torch.no_grad(), torch.device("meta"), counter:
        x = torch.empty(shape)
        modes = [(module, module.training) for module in model.modules()]
        try:
            model.eval()(x)
        finally:
            for module, mode in modes:
                module.training = mode
    parameters = sum(p.numel() for p in model.parameters())
    cost = Cost(parameters, counter.macs, counter.operators.total(), counter.peak)
    return cost, x.untyped_storage().nbytes()


class _Counter(TorchDispatchMode):
    """Adds up the operations of everything that runs inside it, and follows what is alive."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.macs = self.peak = 0
        self.operators: Counter[str] = Counter()  # operations of each
        self.storages: dict[StorageWeakRef, int] = {}  # bytes of each

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        packet = func.overloadpacket
        short = None if kwargs else _made(packet, args)
        out = func(*args, **(kwargs or {})) if short is None else short
        if packet in _MATRIX:
            macs, bias = _MATRIX[packet](args, out)
            self.macs += macs
            self.operators[packet.__name__] += macs + bias
        elif packet in _OTHER:
            self.operators[packet.__name__] += _OTHER[packet](args, out)
        elif func.is_view or packet in _FREE:  # first: to torch, a clone is pointwise too
            pass
        elif torch.Tag.pointwise in func.tags:
            self.operators[packet.__name__] += out.numel()
        else:
            raise NotImplementedError(f"no rule counts the operations of {func}")
        if short is not None:
            self.hold(out[0] if isinstance(out, tuple) else out)
        elif not func.is_view:
            given = {StorageWeakRef(a.untyped_storage()) for a in _tensors((args, kwargs))}
            # on the meta device batch norm returns statistics that it saves in training only
            made = out[0] if packet is aten.native_batch_norm and not args[5] else out
            self.hold(*_tensors(made), but=given)
        return out

    def hold(self, *tensors: Tensor, but: Iterable[StorageWeakRef] = ()) -> None:
        """Follow the storages of ``tensors``: in-place results and views have no new one."""
        for tensor in tensors:
            storage = tensor.untyped_storage()
            if (ref := StorageWeakRef(storage)) not in but:
                self.storages[ref] = storage.nbytes()
        self.peak = max(self.peak, self.live())

    def live(self) -> int:
        """Bytes of all that operators made and something still refers to."""
        self.storages = {ref: size for ref, size in self.storages.items() if not ref.expired()}
        return sum(self.storages.values())


def _made(packet: Any, args: Any) -> Any:
    """What ``packet`` returns for contiguous floats, of the commonest operators; else ``None``.

    Torch has Python work out what these return on the meta device, which takes most of the time
    of a count: this is ten times faster and the same.
    """
    if packet is aten.native_batch_norm and args[0].is_contiguous() and not args[5]:
        return torch.empty_like(args[0]), args[0].new_empty(0), args[0].new_empty(0)
    fits = packet is aten.addmm and args[1].ndim == 2 and args[1].shape[1] == args[2].shape[0]
    if fits and args[1].dtype == args[2].dtype and args[1].is_contiguous():
        return args[1].new_empty(args[1].shape[0], args[2].shape[1])
    if packet not in _ELEMENTWISE:
        return None
    tensors = [arg for arg in args if isinstance(arg, Tensor)]
    dtype, shape = tensors[0].dtype, tensors[0].shape
    if (
        any(isinstance(arg, complex) for arg in args)
        or not dtype.is_floating_point
        or any(
            t.dtype != dtype or t.device.type != "meta" or not t.is_contiguous() for t in tensors
        )
    ):
        return None
    if any(tensor.shape != shape for tensor in tensors):
        shape = torch.broadcast_shapes(*(tensor.shape for tensor in tensors))
    return torch.empty(shape, dtype=dtype, device="meta")


def _tensors(nested: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(nested) if isinstance(leaf, Tensor)]


_ELEMENTWISE = {  # floats in, floats of the same type out
    aten.add,
    aten.clamp,
    aten.cos,
    aten.div,
    aten.exp,
    aten.expm1,
    aten.mul,
    aten.neg,
    aten.pow,
    aten.relu,
    aten.rsqrt,
    aten.rsub,
    aten.sigmoid,
    aten.sin,
    aten.sqrt,
    aten.sub,
    aten.tanh,
}
Rule = Callable[[Any, Any], int]  # arguments and result of an operator -> its operations


def _convolution(args: Any, out: Tensor) -> tuple[int, int]:
    weight, bias, transposed = args[1], args[2], args[6]
    positions = args[0].numel() // args[0].shape[1] if transposed else out.numel() // out.shape[1]
    return positions * weight.numel(), 0 if bias is None else out.numel()


def _product(left: int, bias: bool) -> Callable[[Any, Tensor], tuple[int, int]]:
    """A matrix product whose left factor is argument ``left``."""

    def rule(args: Any, out: Tensor) -> tuple[int, int]:
        return out.numel() * args[left].shape[-1], out.numel() if bias else 0

    return rule


def _each(times: int, *, of_input: bool = False) -> Rule:
    """``times`` an operation for each element of the output, or of the first argument."""

    def rule(args: Any, out: Any) -> int:
        first = out if isinstance(out, Tensor) else out[0]
        return times * prod((args[0] if of_input else first).shape)

    return rule


def _window(args: Any, out: Tensor) -> int:
    """As many as the kernel, argument 1, is large."""
    kernel: int = prod(args[1])
    return kernel * out.numel()


def _batch_norm(args: Any, out: Any) -> int:
    """Scale and shift, into which running statistics fold; without these as a layer norm."""
    of_these_values = args[5] or args[3] is None
    return (5 if of_these_values else 2) * int(args[0].numel())


def _antialiased(taps: int) -> Rule:
    """Row by row, then column by column; the smaller the result, the wider the filter."""

    def rule(args: Any, out: Tensor) -> int:
        (h, w), (h_out, w_out) = args[0].shape[2:], out.shape[2:]
        maps = out.shape[0] * out.shape[1]
        return int(maps * taps * (h * max(w, w_out) + w_out * max(h, h_out)))

    return rule


def _grid_sample(args: Any, out: Tensor) -> int:
    bilinear, nearest, bicubic = 4, 0, 16
    times: int = (bilinear, nearest, bicubic)[args[2]]
    return times * out.numel()


def _sort(args: Any, out: Any) -> int:
    """The comparisons of a merge sort: log2 n for each of n."""
    values = out[0]
    dim = next((a for a in args[1:] if isinstance(a, int) and not isinstance(a, bool)), -1)
    length: int = values.shape[dim] if values.ndim else 1
    return int(values.numel()) * ceil(log2(max(1, length)))


def _topk(args: Any, out: Any) -> int:
    """A heap of k: log2 k comparisons for each element, and one to see whether it enters."""
    return int(args[0].numel()) * (1 + ceil(log2(max(1, args[1]))))


_MATRIX: dict[Any, Callable[[Any, Any], tuple[int, int]]] = {  # multiply-adds, and the bias
    aten.convolution: _convolution,
    aten.mm: _product(0, bias=False),
    aten.bmm: _product(0, bias=False),
    aten.mv: _product(0, bias=False),
    aten.dot: _product(0, bias=False),
    aten.addmm: _product(1, bias=True),
    aten.addmv: _product(1, bias=True),
    aten.baddbmm: _product(1, bias=True),
}
_OTHER: dict[Any, Rule] = {
    # normalisation
    aten.native_batch_norm: _batch_norm,
    aten._native_batch_norm_legit_no_training: _each(2),
    aten.native_layer_norm: _each(5),  # mean 1, variance 2, scale and shift 2: nothing folds here
    aten.native_group_norm: _each(5),
    # pooling
    aten._adaptive_avg_pool2d: _each(1, of_input=True),
    aten._adaptive_avg_pool3d: _each(1, of_input=True),
    aten.adaptive_max_pool2d: _each(1, of_input=True),
    aten.adaptive_max_pool3d: _each(1, of_input=True),
    aten.max_pool2d_with_indices: _each(1, of_input=True),
    aten.max_pool3d_with_indices: _each(1, of_input=True),
    aten.avg_pool2d: _window,
    aten.avg_pool3d: _window,
    # reductions
    aten.mean: _each(1, of_input=True),
    aten.sum: _each(1, of_input=True),
    aten.prod: _each(1, of_input=True),
    aten.amax: _each(1, of_input=True),
    aten.amin: _each(1, of_input=True),
    aten.max: _each(1, of_input=True),
    aten.min: _each(1, of_input=True),
    aten.argmax: _each(1, of_input=True),
    aten.argmin: _each(1, of_input=True),
    aten.aminmax: _each(2, of_input=True),
    aten.any: _each(1, of_input=True),
    aten.all: _each(1, of_input=True),
    aten.var: _each(3, of_input=True),  # mean 1, difference 1, multiply-add of its square 1
    aten.var_mean: _each(3, of_input=True),
    aten.std: _each(3, of_input=True),
    aten.std_mean: _each(3, of_input=True),
    aten.linalg_vector_norm: _each(1, of_input=True),  # a multiply-add for each square
    aten.logsumexp: _each(2, of_input=True),  # exponential, sum
    aten.cumsum: _each(1),
    aten.cumprod: _each(1),
    aten.sort: _sort,
    aten.topk: _topk,
    # activations
    aten._softmax: _each(3),  # exponential, sum, division
    aten._safe_softmax: _each(3),
    aten._log_softmax: _each(3),
    aten.glu: _each(2),  # sigmoid, multiplication
    aten._prelu_kernel: _each(1),
    aten.rrelu_with_noise: _each(1),
    aten.log_sigmoid_forward: _each(1),
    # pointwise, which not every version of torch calls them
    aten.hardswish: _each(1),
    aten.hardswish_: _each(1),
    aten.hardsigmoid_: _each(1),
    aten.hardtanh_: _each(1),
    aten.leaky_relu: _each(1),
    aten.leaky_relu_: _each(1),
    aten.elu_: _each(1),
    aten.celu_: _each(1),
    aten.gelu_: _each(1),
    aten.mish_: _each(1),
    aten.threshold_: _each(1),
    # resizing: a multiply-add for each neighbour, whose weights all channels share
    aten.upsample_linear1d: _each(2),
    aten.upsample_bilinear2d: _each(4),
    aten.upsample_trilinear3d: _each(8),
    aten.upsample_bicubic2d: _each(16),
    aten._upsample_bilinear2d_aa: _antialiased(2),
    aten._upsample_bicubic2d_aa: _antialiased(4),
    aten.grid_sampler_2d: _grid_sample,
    aten.affine_grid_generator: _each(3),  # a row of the matrix: two products and a shift
    aten.col2im: _each(1, of_input=True),  # the sum of what overlaps
}
_FREE = {  # moves or makes numbers, computes none
    # copies
    aten.clone,
    aten.copy_,
    aten._to_copy,
    aten.cat,
    aten.stack,
    aten.repeat,
    aten.roll,
    aten.flip,
    aten.index,
    aten._unsafe_index,
    aten.index_select,
    aten.gather,
    aten.embedding,
    aten.tril,
    aten.triu,
    aten.im2col,
    aten.pixel_shuffle,
    aten.pixel_unshuffle,
    aten.channel_shuffle,
    aten.upsample_nearest1d,
    aten.upsample_nearest2d,
    aten.upsample_nearest3d,
    aten._upsample_nearest_exact2d,
    # padding
    aten.constant_pad_nd,
    aten.reflection_pad1d,
    aten.reflection_pad2d,
    aten.replication_pad1d,
    aten.replication_pad2d,
    # other sights of the same numbers
    aten.detach,
    aten.lift_fresh,
    aten.as_strided_,
    aten._reshape_alias,
    aten._unsafe_view,
    # new tensors
    aten.arange,
    aten.linspace,
    aten.eye,
    aten.empty,
    aten.empty_like,
    aten.new_empty,
    aten.empty_strided,
    aten.zeros,
    aten.zeros_like,
    aten.new_zeros,
    aten.zero_,
    aten.ones,
    aten.ones_like,
    aten.new_ones,
    aten.full,
    aten.full_like,
    aten.new_full,
    aten.fill_,
    aten.scalar_tensor,
    aten.rand,
}
