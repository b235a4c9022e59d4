"""Where attention may stand in a backbone, found by watching one forward pass."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ..errors import BadValue

__all__ = ["KINDS", "Conv", "Site", "Survey", "find_sites", "stem_of", "survey"]

KINDS = ("stem", "conv", "branch", "block", "stage", "existing", "named")
Shape = tuple[int, int, int]  # C, H, W


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
    """A place in a backbone: a module whose output, or which itself, attention may change.

    Modules that return the very same map are one site, so that no network has two spellings.
    """

    path: str  # dotted path of that module
    kinds: tuple[str, ...]  # of KINDS; a block at the end of its stage is both
    stage: int  # 0 is the stem, then 1, 2, ... by falling resolution
    block: str  # path of the block that it belongs to; "" outside of blocks
    shape: Shape  # of the module's output
    input_shape: Shape  # of its input
    conv: Conv | None = None  # if the module is a convolution
    aliases: tuple[str, ...] = ()  # modules around it that return the same map

    @property
    def bare(self) -> "Site":
        """All of it that matters to a module there, so that equal ones are looked at once."""
        return Site("", (), 0, "", self.shape, self.input_shape, self.conv)

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


class Survey:
    """Where a backbone has sites, and where else a user may want some."""

    def __init__(self, sites: Iterable[Site], others: Iterable[Site]) -> None:
        self.sites = tuple(sites)  # in the order of the forward pass
        self.others = tuple(others)  # every other module that returns a map, once in a pass
        self._called = {
            path: site
            for site in (*self.others, *self.sites)
            for path in (*site.aliases, site.path)
        }

    def at(self, path: str) -> Site | None:
        """The site at the module ``path``; ``None`` if it makes no map or runs more than once."""
        return self._called.get(path)

    @property
    def stages(self) -> int:
        """How many stages there are."""
        return max((site.stage for site in self.sites), default=0)


def find_sites(model: nn.Module, image_size: int) -> list[Site]:
    """The sites of ``model`` that inspection finds, in the order of the forward pass."""
    return list(survey(model, image_size).sites)


def stem_of(model: nn.Module, image_size: int) -> list[str]:
    """The modules without children that run before the first block, in their order."""
    watched = _watch(model, image_size)
    if not (blocks := _blocks(model, watched)):
        return []
    begin = watched.entered[watched.first.get(blocks[0], blocks[0])]
    leaves = [path for path, module in model.named_modules() if path and not [*module.children()]]
    return sorted(
        (path for path in leaves if watched.entered.get(path, begin) < begin),
        key=watched.entered.__getitem__,
    )


def survey(model: nn.Module, image_size: int) -> Survey:
    """Run ``model`` once on the meta device, on a square image, and say where it has sites.

    block     a module that joins maps, by addition or concatenation, or is of the same class as
              one that does; without such modules, of a class that is there several times; without
              those, a convolution with what follows it up to the next
    branch    the output of what a block computes, before it is joined to a shortcut; the block
              itself where nothing is
    stage     a run of blocks of one resolution and container
    stem      what feeds the first block
    conv      a convolution inside a block, larger than 1 x 1
    existing  a module that multiplies its own input with what it computed from it: attention
    named     any other module that returns a map: only for those who name it

    Modules that run more than once in a pass are no sites, nor are those inside of attention.

    Raises
        BadValue  for images that ``model`` does not take
    """
    watched = _watch(model, image_size)
    blocks = _blocks(model, watched)
    found: dict[str, _Draft] = {}
    modules = dict(model.named_modules())

    def add(path: str, kind: str, stage: int, block: str) -> None:
        path = watched.canonical(path, prefer=block)
        found.setdefault(path, _Draft(stage, block)).kinds.append(kind)

    if blocks:
        begin = watched.first.get(blocks[0], blocks[0])
        if stem := watched.maker_of(watched.inputs[begin]):
            add(stem, "stem", 0, "")
    home: dict[str, int] = {}  # block -> its stage
    for stage, run in enumerate(_stages(blocks, watched), 1):
        for block in run:
            home[block] = stage
            inside = _inside(block, watched)
            for path in inside:
                module = modules[path]
                if isinstance(module, nn.Conv2d) and module.kernel_size != (1, 1):
                    add(path, "conv", stage, block)
                if path in watched.attention:
                    add(path, "existing", stage, block)
            branches = [b for b in watched.branches(block) if b in watched.shapes]
            for branch in branches or [block]:
                add(branch, "branch", stage, block)
            add(block, "block", stage, block)
        last = _container(run, modules, watched) or run[-1]
        if watched.canonical(last, prefer=run[-1]) not in found:
            found[last] = _Draft(stage, "")
        found[watched.canonical(last, prefer=run[-1])].kinds.append("stage")

    def site(path: str, draft: "_Draft") -> Site:
        module, kinds = modules[path], tuple(k for k in KINDS if k in draft.kinds)
        conv = Conv.of(module) if type(module) is nn.Conv2d else None
        shape, input_shape = watched.shapes[path]
        same = tuple(other for other in watched.aliases(path) if other not in found)
        return Site(path, kinds, draft.stage, draft.block, shape, input_shape, conv, same)

    sites = [site(path, draft) for path, draft in found.items()]
    taken = {path for one in sites for path in (one.path, *one.aliases)}
    others = []
    for path in watched.once:
        block = next((b for b in blocks if path == b or path.startswith(f"{b}.")), "")
        changes = path in watched.makers.get(watched.outputs[path], ())
        if path not in taken and changes and watched.canonical(path) == path:
            draft = _Draft(home.get(block, 0), block, ["named"])
            others.append(site(path, draft))
    return Survey(sites, others)


@dataclass(slots=True)
class _Draft:
    """A site that is being found."""

    stage: int
    block: str
    kinds: list[str] = field(default_factory=list)


Place = tuple[int, int]  # a tensor's id, and how often it was changed in place


@dataclass(slots=True)
class _Join:
    """An addition or a concatenation of maps."""

    module: str  # the innermost that ran
    operands: list[Place]
    shape: Shape  # of the result
    adds: bool


@dataclass(slots=True)
class _Watched:
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
    joins: list[_Join] = field(default_factory=list)
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


def _watch(model: nn.Module, image_size: int) -> _Watched:
    """Run ``model`` once on the meta device, with hooks on its modules and on every operation."""
    seen = _Watched()
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
                    seen.depth[here] = seen.depth[deepest] + (packet in _LEARNED)
                    if torch.Tag.pointwise in func.tags or func.is_view:
                        seen.source[here] = deepest
            if isinstance(out, Tensor) and out.ndim == 4:
                adds = packet in _SUMS and len(came) == 2 and tensors[0].shape == tensors[1].shape
                if adds or (packet is aten.cat and len(came) > 1):
                    seen.joins.append(_Join(running[-1], came, _chw(out), adds))
                elif packet in _PRODUCTS and len(came) == 2:
                    for path in running:
                        if {seen.inputs.get(path), *scaled[path]} & {*came}:
                            scaled[path].add(place(out))
            return out

    model = _on_meta(model)
    image = torch.empty(1, 3, image_size, image_size, device="meta")
    seen.depth[place(image)] = 0
    with _hooks(model, enter, leave), Operations(), torch.no_grad():
        try:
            model.eval()(image)
        except RuntimeError as error:
            reason, name = str(error).partition("\n")[0], type(model).__name__
            raise BadValue(f"{name} takes no images of {image_size} pixels: {reason}") from error
    _settle(model, seen)
    return seen


aten = torch.ops.aten
_SUMS = {aten.add, aten.add_}
_PRODUCTS = {aten.mul, aten.mul_}
_LEARNED = {aten.convolution, aten.addmm, aten.mm, aten.bmm, aten.baddbmm}


def _settle(model: nn.Module, seen: _Watched) -> None:
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
        if any(_is_in(join.module, path) for path in seen.attention):
            continue
        while join.module and not [*modules[join.module].children()]:  # a module that only adds
            join.module = join.module.rpartition(".")[0]
        kept.append(join)
    seen.joins = kept


def _blocks(model: nn.Module, seen: _Watched) -> list[str]:
    """The paths of the blocks, in the order in which they begin."""
    once, modules = seen.once, dict(model.named_modules())
    joining = [p for p in once if any(join.module == p for join in seen.joins)]
    blocks: list[str] = []
    for path in joining:  # outer ones first
        if any(_is_in(path, block) for block in blocks):
            continue
        inner = [p for p in once if p != path and _is_in(p, path)]
        alike = {type(modules[p]) for p in inner if p in joining}  # a first one may join nothing
        nested = [p for p in inner if type(modules[p]) in alike]
        outermost = [p for p in nested if not any(_is_in(p, q) for q in nested if q != p)]
        adds = any(join.adds for join in seen.joins if join.module == path)
        if len(outermost) < 2 + adds:  # else it holds blocks
            blocks.append(path)
    classes = {type(modules[path]) for path in blocks}
    if not blocks:
        kinds = [type(modules[path]) for path in once if _has_conv(modules[path])]
        classes = {cls for cls in kinds if kinds.count(cls) > 1}
    for path in once:
        cls = type(modules[path])
        if cls in classes and not cls.__module__.startswith("torch.nn.") and path not in blocks:
            near = any(_is_in(path, block) or _is_in(block, path) for block in blocks)
            if not near and _has_conv(modules[path]) and path not in seen.attention:
                blocks.append(path)
    if not blocks:
        blocks = _plain_blocks(once, modules, seen)
    return sorted(blocks, key=seen.entered.__getitem__)


def _plain_blocks(once: list[str], modules: dict[str, nn.Module], seen: _Watched) -> list[str]:
    """The last module of each convolution and what follows it at its resolution."""
    blocks: list[str] = []
    for path in once:
        if [*modules[path].children()]:
            continue
        output, input_shape = seen.shapes[path]
        if isinstance(modules[path], nn.Conv2d):
            blocks.append(path)
            seen.first[path] = path
        elif (
            blocks
            and seen.inputs[path] == seen.outputs[blocks[-1]]
            and output == input_shape
            and path == seen.maker_of(seen.outputs[path])  # not what changes nothing
        ):
            seen.first[path] = seen.first.pop(blocks[-1])
            blocks[-1] = path
    return blocks


def _inside(block: str, seen: _Watched) -> list[str]:
    """The modules of ``block`` that run once, in the order in which they begin."""
    if block not in seen.first:
        return [path for path in seen.once if _is_in(path, block)]
    begin, end = seen.entered[seen.first[block]], seen.entered[block]
    return [path for path in seen.once if begin <= seen.entered[path] <= end]


def _has_conv(module: nn.Module) -> bool:
    return any(isinstance(m, nn.Conv2d) for m in module.modules())


def _stages(blocks: list[str], seen: _Watched) -> list[list[str]]:
    """Runs of blocks of one resolution, and of one container where a container has only one."""

    def side(block: str) -> tuple[int, ...]:
        return seen.shapes[block][0][1:]

    def holder(block: str) -> str:
        outer = (p for p in seen.once if p != block and _is_in(block, p))
        return next((p for p in outer if len({side(b) for b in blocks if _is_in(b, p)}) == 1), "")

    runs: list[list[str]] = []
    before = None
    for block in blocks:
        here = (side(block), holder(block))
        if here != before:
            runs.append([])
            before = here
        runs[-1].append(block)
    return runs


def _container(run: list[str], modules: dict[str, nn.Module], seen: _Watched) -> str | None:
    """The module that holds exactly the blocks of ``run``, if it runs once and returns a map."""
    parent = run[-1].rpartition(".")[0]
    inside = {f"{parent}.{name}" for name, _ in modules[parent].named_children()}
    return parent if inside == {*run} and parent in seen.once else None


def _on_meta(model: nn.Module) -> nn.Module:
    if all(p.device.type == "meta" for p in [*model.parameters(), *model.buffers()]):
        return model
    return deepcopy(model).to("meta")


@contextmanager
def _hooks(model: nn.Module, enter: Any, leave: Any) -> Iterator[None]:
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


def _is_in(path: str, outer: str) -> bool:
    return path == outer or path.startswith(f"{outer}.")


def _chw(x: Tensor) -> Shape:
    return (x.shape[1], x.shape[2], x.shape[3])
