"""Where attention may stand in a backbone, found by watching one forward pass."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from .networks import backbone

__all__ = ["KINDS", "Site", "find_sites", "sites"]

KINDS = ("stem", "conv", "branch", "block", "stage")


@dataclass(frozen=True, slots=True)
class Conv:
    """What a convolution of the same shape is made of."""

    inputs: int
    outputs: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int] | str
    dilation: tuple[int, int]
    groups: int
    bias: bool

    @classmethod
    def of(cls, conv: nn.Conv2d) -> "Conv":
        """The shape of ``conv``."""

        def pair(values: Any) -> tuple[int, int]:
            return (values[0], values[1])

        return cls(
            conv.in_channels,
            conv.out_channels,
            pair(conv.kernel_size),
            pair(conv.stride),
            conv.padding if isinstance(conv.padding, str) else pair(conv.padding),
            pair(conv.dilation),
            conv.groups,
            conv.bias is not None,
        )

    def build(self) -> nn.Conv2d:
        """A new convolution of this shape."""
        return nn.Conv2d(
            self.inputs,
            self.outputs,
            self.kernel,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
            self.bias,
        )


@dataclass(frozen=True, slots=True)
class Site:
    """A place in a backbone: a module whose output, or whose convolution, attention may change."""

    path: str  # dotted path of that module
    kind: str  # one of KINDS
    stage: int  # 0 is the stem, then 1, 2, ... by falling resolution
    block: str  # path of the block that it belongs to; "" outside of blocks
    shape: tuple[int, int, int]  # (C, H, W) of the module's output
    input_shape: tuple[int, int, int]  # (C, H, W) of its input
    conv: Conv | None = None  # of a site that is a convolution

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


@cache
def sites(name: str, image_size: int) -> tuple[Site, ...]:
    """The sites of the backbone called ``name`` for square images of ``image_size`` pixels."""
    with torch.device("meta"):
        model = backbone(name, classes=10)
    return tuple(find_sites(model, image_size))


def find_sites(model: nn.Module, image_size: int) -> list[Site]:
    """The sites of ``model``, in the order of the forward pass.

    A *block* is a module that adds a branch to a shortcut; the *branch* is the module whose output
    is the added tensor with more convolutions behind it. A *stage* is a run of blocks of one
    resolution; the *stem* is what feeds the first block. A *conv* is a convolution inside a block,
    larger than 1 x 1. Modules that run more than once in a pass are no sites.
    """
    watched = _watch(model, image_size)
    once = {path for path in watched.shapes if path and watched.calls[path] == 1}
    branches: dict[str, list[str]] = {}  # of each block
    for block, branch in watched.adds:
        if {block, branch} <= once:
            branches.setdefault(block, []).append(branch)
    if not branches:
        return []
    found = []

    def site(path: str, kind: str, stage: int, block: str) -> None:
        shape, input_shape = watched.shapes[path]
        module = model.get_submodule(path)
        conv = Conv.of(module) if isinstance(module, nn.Conv2d) else None
        found.append(Site(path, kind, stage, block, shape, input_shape, conv))

    stem = watched.source.get(next(iter(branches)))
    if stem in once:
        site(stem, "stem", 0, "")
    for stage, run in enumerate(_stages([*branches], watched), 1):
        for block in run:
            for path, module in model.named_modules():
                large = isinstance(module, nn.Conv2d) and module.kernel_size != (1, 1)
                if large and path.startswith(f"{block}.") and path in once:
                    site(path, "conv", stage, block)
            for branch in branches[block]:
                site(branch, "branch", stage, block)
            site(block, "block", stage, block)
        path = _stage_path(run, model)
        site(path if path in once else run[-1], "stage", stage, "")
    return found


@dataclass(slots=True)
class _Watched:
    """What one forward pass showed."""

    calls: dict[str, int] = field(default_factory=dict)
    shapes: dict[str, tuple[tuple[int, int, int], tuple[int, int, int]]] = field(
        default_factory=dict
    )
    source: dict[str, str] = field(default_factory=dict)  # module -> what made its input
    adds: list[tuple[str, str]] = field(default_factory=list)  # (block, branch), in their order


def _watch(model: nn.Module, image_size: int) -> _Watched:
    """Run ``model`` once on the meta device, with hooks on its modules and on every addition."""
    seen = _Watched()
    maker: dict[int, str] = {}  # id of a tensor -> the innermost module that returned it
    alive: list[Tensor] = []  # so that no id is used twice
    running: list[str] = [""]

    def enter(path: str, args: tuple[Any, ...]) -> None:
        running.append(path)
        if args and isinstance(args[0], Tensor):
            seen.source[path] = maker.get(id(args[0]), "")

    def leave(path: str, args: tuple[Any, ...], out: Any) -> None:
        running.pop()
        seen.calls[path] = seen.calls.get(path, 0) + 1
        if isinstance(out, Tensor) and out.ndim == 4 and args and isinstance(args[0], Tensor):
            alive.append(out)
            maker.setdefault(id(out), path)
            # an in-place module returns the tensor that it was given: it is the later maker
            if out is args[0]:
                maker[id(out)] = path
            if args[0].ndim == 4:
                seen.shapes[path] = (_chw(out), _chw(args[0]))

    class Additions(TorchDispatchMode):
        """Follows how many convolutions lie behind each tensor, and notes additions of maps."""

        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self.depth: dict[int, int] = {}

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            flat = [b for a in args for b in (a if isinstance(a, list | tuple) else [a])]
            maps = [a for a in flat if isinstance(a, Tensor)]
            if func.overloadpacket in (torch.ops.aten.add, torch.ops.aten.add_):
                self.note(maps)
            depth = max((self.depth.get(id(a), 0) for a in maps), default=0)
            out = func(*args, **(kwargs or {}))
            for result in out if isinstance(out, tuple | list) else (out,):
                if isinstance(result, Tensor):
                    alive.append(result)
                    is_conv = func.overloadpacket is torch.ops.aten.convolution
                    self.depth[id(result)] = depth + is_conv
            return out

        def note(self, maps: list[Tensor]) -> None:
            if len(maps) != 2 or maps[0].ndim != 4 or maps[0].shape != maps[1].shape:
                return
            branch = max(maps, key=lambda a: self.depth.get(id(a), 0))
            if id(branch) in maker:
                seen.adds.append((running[-1], maker[id(branch)]))

    model = _on_meta(model)
    with _hooks(model, enter, leave), Additions(), torch.no_grad():
        model.eval()(torch.empty(1, 3, image_size, image_size, device="meta"))
    return seen


def _on_meta(model: nn.Module) -> nn.Module:
    if all(p.device.type == "meta" for p in [*model.parameters(), *model.buffers()]):
        return model
    from copy import deepcopy

    return deepcopy(model).to("meta")


@contextmanager
def _hooks(model: nn.Module, enter: Any, leave: Any) -> Iterator[None]:
    handles = []
    for path, module in model.named_modules():
        handles.append(
            module.register_forward_pre_hook(lambda _, args, path=path: enter(path, args))
        )
        handles.append(
            module.register_forward_hook(lambda _, args, out, path=path: leave(path, args, out))
        )
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _stages(blocks: list[str], watched: _Watched) -> list[list[str]]:
    runs: list[list[str]] = []
    before = None
    for block in blocks:
        # small maps end in several stages of one resolution: then their containers tell
        here = (watched.shapes[block][0][1:], block.rpartition(".")[0])
        if here != before:
            runs.append([])
            before = here
        runs[-1].append(block)
    return runs


def _stage_path(run: list[str], model: nn.Module) -> str:
    """The container that holds exactly the blocks of ``run``, else the last block."""
    parent, _, _ = run[-1].rpartition(".")
    inside = {f"{parent}.{name}" for name, _ in model.get_submodule(parent).named_children()}
    return parent if parent and inside == set(run) else run[-1]


def _chw(x: Tensor) -> tuple[int, int, int]:
    return (x.shape[1], x.shape[2], x.shape[3])
