"""What one forward pass of a network shows: who made which map, and where maps are joined."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ..errors import BadValue
from .reshaping import SUMS_OF_CHANNELS, first_line, on_meta

__all__ = ["Join", "Place", "Shape", "Watched", "hooked", "is_in", "watch"]

Shape = tuple[int, int, int]  # C, H, W
Place = tuple[int, int]  # a tensor's id, and how often it was changed in place


@dataclass(slots=True)
class Join:
    """An addition or a concatenation of maps."""

    module: str  # the innermost that ran
    operands: list[Place]
    shape: Shape  # of the result
    adds: bool


@dataclass(slots=True)
class Watched:
    """What one forward pass showed."""

    entered: dict[str, int] = field(default_factory=dict)  # when a module first began
    calls: dict[str, int] = field(default_factory=dict)
    shapes: dict[str, tuple[Shape, Shape]] = field(default_factory=dict)  # (output, input)
    inputs: dict[str, Place] = field(default_factory=dict)
    outputs: dict[str, Place] = field(default_factory=dict)
    makers: dict[Place, list[str]] = field(default_factory=dict)  # innermost first
    passed: dict[Place, list[str]] = field(default_factory=dict)  # by modules that change nothing
    depth: dict[Place, int] = field(default_factory=dict)  # convolutions behind; the image's only
    source: dict[Place, Place] = field(default_factory=dict)  # of a pointwise result, its deepest
    joins: list[Join] = field(default_factory=list)
    first: dict[str, str] = field(default_factory=dict)  # of a plain block, its convolution
    attention: list[str] = field(default_factory=list)  # modules that multiply their own input
    hidden: frozenset[str] = frozenset()  # what is inside of these
    convs: frozenset[str] = frozenset()  # plain convolutions

    @property
    def once(self) -> list[str]:
        """The modules that return a map and run once, in the order in which they begin.

        What is inside of attention is left out: it goes with it.
        """
        maps = (p for p in self.entered if p and p in self.shapes and p not in self.hidden)
        return [path for path in maps if self.calls[path] == 1]

    def maker_of(self, place: Place) -> str | None:
        """The innermost module that made a map and runs once."""
        return next((p for p in self.makers.get(place, ()) if p and self.calls[p] == 1), None)

    def canonical(self, path: str, prefer: str = "") -> str:
        """Of the modules that return the same map as ``path``, the one that stands for them.

        That is an attention or a convolution, which could be replaced, before ``prefer``.
        """
        makers = [p for p in self.makers.get(self.outputs[path], ()) if p and self.calls[p] == 1]
        if path not in makers:
            return path
        for maker in makers:
            if maker in self.attention or maker in self.convs:
                return maker
        return prefer if prefer in makers else makers[0]

    def aliases(self, path: str) -> list[str]:
        """The other modules that return the same map."""
        same = self.makers.get(self.outputs[path], ())
        return [p for p in same if p and p != path and self.calls[p] == 1]

    def branches(self, block: str) -> list[str]:
        """What ``block`` joins to shortcuts: of two operands the one with more convolutions."""
        found = []
        for join in self.joins:
            if join.module != block or len(join.operands) != 2:
                continue
            if join.shape != self.shapes[block][0]:
                continue  # a sum on the way, not of the block
            shallow, deep = sorted(join.operands, key=self.depth.__getitem__)
            if self.depth[shallow] == self.depth[deep]:
                continue
            path = self._inside(block, deep)
            while path is None and deep in self.source:
                deep = self.source[deep]
                path = self._inside(block, deep)
            if path:
                found.append(path)
        return list(dict.fromkeys(found))

    def _inside(self, block: str, place: Place) -> str | None:
        """What made a map in ``block``; of what no module made, what only passed it on."""
        maker = self.maker_of(place)
        paths = [maker] if maker else self.passed.get(place, ())
        return next((p for p in paths if p.startswith(f"{block}.") and self.calls[p] == 1), None)


def watch(model: nn.Module, image_size: int) -> Watched:
    """Run ``model`` once on the meta device, with hooks on its modules and on every operation."""
    seen = Watched()
    alive: list[Tensor] = []  # so that no id is used twice
    versions: dict[int, int] = {}
    running: list[str] = []
    scaled: dict[str, set[Place]] = {}  # of each running module: products with its input

    def place(x: Tensor) -> Place:
        alive.append(x)
        return id(x), versions.get(id(x), 0)

    def enter(path: str, args: tuple[Any, ...]) -> None:
        running.append(path)
        seen.entered.setdefault(path, len(seen.entered))
        seen.calls[path] = seen.calls.get(path, 0) + 1
        scaled[path] = set()
        first = args[0] if args else None
        first = first[0] if isinstance(first, list | tuple) and first else first
        if isinstance(first, Tensor) and first.ndim == 4:
            seen.inputs[path] = place(first)
            seen.shapes[path] = (_chw(first), _chw(first))

    def leave(path: str, out: Any) -> None:
        running.pop()
        if not isinstance(out, Tensor) or out.ndim != 4 or path not in seen.inputs:
            seen.shapes.pop(path, None)
            return
        here, input_shape = place(out), seen.shapes[path][1]
        seen.shapes[path] = (_chw(out), input_shape)
        seen.outputs[path] = here
        if here == seen.inputs.get(path):
            seen.passed.setdefault(here, []).append(path)
            return
        seen.makers.setdefault(here, []).append(path)
        if here in scaled[path] and _chw(out) == input_shape:
            seen.attention.append(path)

    class Operations(TorchDispatchMode):
        """Follows what comes from the image, how deep it lies, and where maps are joined."""

        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            flat = [b for a in args for b in (a if isinstance(a, list | tuple) else [a])]
            tensors = [a for a in flat if isinstance(a, Tensor)]
            came = [at for at in map(place, tensors) if at in seen.depth]
            out = func(*args, **(kwargs or {}))
            if func._schema.is_mutable and args and isinstance(args[0], Tensor):
                versions[id(args[0])] = versions.get(id(args[0]), 0) + 1
            if not came:
                return out
            deepest = max(came, key=seen.depth.__getitem__)
            packet = func.overloadpacket
            for result in out if isinstance(out, tuple | list) else (out,):
                if isinstance(result, Tensor):
                    here = place(result)
                    seen.depth[here] = seen.depth[deepest] + (packet in SUMS_OF_CHANNELS)
                    if torch.Tag.pointwise in func.tags or func.is_view:
                        seen.source[here] = deepest
            if isinstance(out, Tensor) and out.ndim == 4:
                adds = packet in _SUMS and len(came) == 2 and tensors[0].shape == tensors[1].shape
                if adds or (packet is aten.cat and len(came) > 1):
                    seen.joins.append(Join(running[-1], came, _chw(out), adds))
                elif packet in _PRODUCTS and len(came) == 2:
                    for path in running:
                        if {seen.inputs.get(path), *scaled[path]} & {*came}:
                            scaled[path].add(place(out))
            return out

    model = on_meta(model)
    image = torch.empty(1, 3, image_size, image_size, device="meta")
    seen.depth[place(image)] = 0
    # what the network makes itself, such as positions, has to be on the same device
    with hooked(model, enter, leave), Operations(), torch.no_grad(), torch.device("meta"):
        try:
            model.eval()(image)
        except Exception as error:  # of the network's own code, whatever it may raise
            reason, name = first_line(error), type(model).__name__
            raise BadValue(f"{name} takes no images of {image_size} pixels: {reason}") from error
    _settle(model, seen)
    return seen


aten = torch.ops.aten
_SUMS = {aten.add, aten.add_}
_PRODUCTS = {aten.mul, aten.mul_}


def _settle(model: nn.Module, seen: Watched) -> None:
    """Keep of the attention what learns and runs once, whole; and no join inside of it."""
    modules = dict(model.named_modules())
    seen.convs = frozenset(p for p, module in modules.items() if type(module) is nn.Conv2d)

    def learns(path: str) -> frozenset[int]:
        return frozenset(id(p) for p in modules[path].parameters())

    once = seen.once
    attention = {p for p in seen.attention if p in {*once} and learns(p)}
    for path in once:  # several in a row, and nothing else, are one
        within = [p for p in attention if p.startswith(f"{path}.")]
        if len(within) > 1 and learns(path) == frozenset().union(*map(learns, within)):
            attention = attention - {*within} | {path}
    inner = {p for p in attention if any(p.startswith(f"{q}.") for q in attention)}
    seen.attention = [p for p in once if p in attention - inner]
    outer = tuple(f"{path}." for path in seen.attention)
    seen.hidden = frozenset(path for path in seen.entered if path.startswith(outer))
    kept = []
    for join in seen.joins:
        if any(is_in(join.module, path) for path in seen.attention):
            continue
        while join.module and not [*modules[join.module].children()]:  # a module that only adds
            join.module = join.module.rpartition(".")[0]
        kept.append(join)
    seen.joins = kept


@contextmanager
def hooked(
    model: nn.Module,
    enter: Callable[[str, tuple[Any, ...]], None],
    leave: Callable[[str, Any], None],
) -> Iterator[None]:
    """Call ``enter(path, args)`` before and ``leave(path, out)`` after each module that runs."""
    handles = []
    for path, module in model.named_modules():
        handles.append(
            module.register_forward_pre_hook(lambda _, args, path=path: enter(path, args))
        )
        handles.append(
            module.register_forward_hook(lambda _, args, out, path=path: leave(path, out))
        )
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def is_in(path: str, outer: str) -> bool:
    """Whether the module ``path`` is ``outer`` or inside of it."""
    return path == outer or path.startswith(f"{outer}.")


def _chw(x: Tensor) -> Shape:
    return (x.shape[1], x.shape[2], x.shape[3])
