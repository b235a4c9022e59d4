"""Where attention may stand in a backbone, found by watching one forward pass."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from .watching import Shape, Watched, is_in, watch

__all__ = ["KINDS", "Conv", "Site", "Survey", "find_sites", "stem_of", "survey"]

KINDS = ("stem", "conv", "branch", "block", "stage", "existing", "named")


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

    def matches(self, pattern: str) -> bool:
        """Whether the glob ``pattern`` fits its path or one of its aliases."""
        return any(fnmatchcase(path, pattern) for path in (self.path, *self.aliases))

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
        self.stages = max((site.stage for site in self.sites), default=0)  # how many there are

    def at(self, path: str) -> Site | None:
        """The site at the module ``path``; ``None`` if it makes no map or runs more than once."""
        return self._called.get(path)


def find_sites(model: nn.Module, image_size: int) -> list[Site]:
    """The sites of ``model`` that inspection finds, in the order of the forward pass."""
    return list(survey(model, image_size).sites)


def stem_of(model: nn.Module, image_size: int) -> list[str]:
    """The modules without children that run before the first block, in their order."""
    watched = watch(model, image_size)
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
    watched = watch(model, image_size)
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

    for path in watched.attention:  # what stands between blocks
        if path not in found:
            before = [b for b in blocks if watched.entered[b] < watched.entered[path]]
            add(path, "existing", home[before[-1]] if before else 0, "")

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
        block = next((b for b in blocks if is_in(path, b)), "")
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


def _blocks(model: nn.Module, seen: Watched) -> list[str]:
    """The paths of the blocks, in the order in which they begin."""
    once, modules = seen.once, dict(model.named_modules())
    joining = [p for p in once if any(join.module == p for join in seen.joins)]
    blocks: list[str] = []
    for path in joining:  # outer ones first
        if any(is_in(path, block) for block in blocks):
            continue
        inner = [p for p in once if p != path and is_in(p, path)]
        alike = {type(modules[p]) for p in inner if p in joining}  # a first one may join nothing
        nested = [p for p in inner if type(modules[p]) in alike]
        outermost = [p for p in nested if not any(is_in(p, q) for q in nested if q != p)]
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
            near = any(is_in(path, block) or is_in(block, path) for block in blocks)
            if not near and _has_conv(modules[path]) and path not in seen.attention:
                blocks.append(path)
    if not blocks:
        blocks = _plain_blocks(once, modules, seen)
    return sorted(blocks, key=seen.entered.__getitem__)


def _plain_blocks(once: list[str], modules: dict[str, nn.Module], seen: Watched) -> list[str]:
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


def _inside(block: str, seen: Watched) -> list[str]:
    """The modules of ``block`` that run once, in the order in which they begin."""
    if block not in seen.first:
        return [path for path in seen.once if is_in(path, block)]
    begin, end = seen.entered[seen.first[block]], seen.entered[block]
    return [path for path in seen.once if begin <= seen.entered[path] <= end]


def _has_conv(module: nn.Module) -> bool:
    return any(isinstance(m, nn.Conv2d) for m in module.modules())


def _stages(blocks: list[str], seen: Watched) -> list[list[str]]:
    """Runs of blocks of one resolution, and of one container where a container has only one."""

    def side(block: str) -> tuple[int, ...]:
        return seen.shapes[block][0][1:]

    def holder(block: str) -> str:
        outer = (p for p in seen.once if p != block and is_in(block, p))
        return next((p for p in outer if len({side(b) for b in blocks if is_in(b, p)}) == 1), "")

    runs: list[list[str]] = []
    before = None
    for block in blocks:
        here = (side(block), holder(block))
        if here != before:
            runs.append([])
            before = here
        runs[-1].append(block)
    return runs


def _container(run: list[str], modules: dict[str, nn.Module], seen: Watched) -> str | None:
    """The module that holds exactly the blocks of ``run``, if it runs once and returns a map."""
    parent = run[-1].rpartition(".")[0]
    inside = {f"{parent}.{name}" for name, _ in modules[parent].named_children()}
    return parent if inside == {*run} and parent in seen.once else None
