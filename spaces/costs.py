"""What a placement costs, before training: the bare backbone and what each module adds."""

from collections.abc import Iterator
from functools import cache
from math import prod
from threading import RLock

import torch
from torch import nn

from ..errors import BadValue
from .counting import Cost, Trace, count, trace
from .networks import backbone, surveyed
from .placement import REMOVE, Module, Placement
from .plugging import complete, made, replaces
from .site import Site

__all__ = ["breakdown", "cost", "module_cost"]

NOTHING = Cost(0, 0, 0)
FLOAT32 = 4  # bytes
_LOCK = RLock()


@cache
def cost(
    placement: Placement, image_size: int, classes: int = 1000, *, identity_init: bool = False
) -> Cost:
    """The cost of ``placement`` for one image of ``image_size`` pixels squared.

    The backbone is counted once, and each module by itself at its site's shape: the sum is equal
    to counting the whole network, built with the same ``identity_init``. Where the placement has
    an ``image_size`` of its own, resizing to it is a part of preparing images and not counted.
    Its peak of activations is at most what is said, and just that unless the placement takes out
    an attention of the backbone's own or the backbone keeps its maps in another order of memory.

    Raises
        UnknownName, BadValue  as ``complete``
    """
    placement = complete(placement, image_size)
    size = placement.image_size or image_size
    bare = _bare(placement.backbone, size, classes)
    total = bare.cost
    gates: list[tuple[str, int]] = []
    replaced: list[tuple[str, int]] = []
    for module, site, own in _sited(placement, size):
        added, extra_bytes = _added(_anywhere(module), site.bare, identity_init)
        total = total + added - own
        if module.name != REMOVE:
            instead = "existing" in site.kinds or replaces(module.name)
            (replaced if instead else gates).append((site.path, extra_bytes))
    peak = bare.peak_with(gates=gates, replaced=replaced)
    return Cost(total.parameters, total.macs, total.operations, peak)


def breakdown(
    placement: Placement, image_size: int, *, identity_init: bool = False
) -> list[tuple[Module, Cost]]:
    """What each module of ``placement`` adds, less what it takes the place of."""
    placement = complete(placement, image_size)
    return [
        (module, module_cost(module, site, identity_init=identity_init) - own)
        for module, site, own in _sited(placement, placement.image_size or image_size)
    ]


def module_cost(module: Module, site: Site, *, identity_init: bool = False) -> Cost:
    """What ``module`` adds at ``site``, aside from an attention that it takes the place of."""
    return _added(_anywhere(module), site.bare, identity_init)[0]


def _sited(placement: Placement, size: int) -> Iterator[tuple[Module, Site, Cost]]:
    """Each module, its site, and what the attention costs that it takes the place of."""
    there = surveyed(placement.backbone, size)
    swapped = set()
    for module in placement.modules:
        site = there.at(module.site)
        assert site is not None  # it is complete
        instead = "existing" in site.kinds and site.path not in swapped
        swapped.add(site.path)
        yield module, site, _own(placement.backbone, site) if instead else NOTHING


def _anywhere(module: Module) -> Module:
    return Module("", module.name, module.hyperparameters)


@cache
def _bare(name: str, image_size: int, classes: int) -> Trace:
    with _LOCK:  # a network is hooked while it is counted
        return trace(_model(name, classes), 1, 3, image_size, image_size)


@cache
def _own(name: str, site: Site) -> Cost:
    """Of the attention that the backbone has at ``site``."""
    with _LOCK:
        return count(_model(name, 10).get_submodule(site.path), 1, *site.input_shape)


@cache
def _model(name: str, classes: int) -> nn.Module:
    with torch.device("meta"):
        return backbone(name, classes)


@cache
def _added(module: Module, site: Site, identity_init: bool) -> tuple[Cost, int]:
    """What a module adds, and the bytes that it holds at its peak beyond its input."""
    if module.name == REMOVE:
        return NOTHING, 0
    try:
        return _counted(module, site, identity_init)
    except NotImplementedError as error:  # by a plugin: ours use what there is a rule for
        raise BadValue(f"{module.name} cannot be priced: {error}") from None


def _counted(module: Module, site: Site, identity_init: bool) -> tuple[Cost, int]:
    instead = replaces(module.name)
    shape = site.input_shape if instead else site.shape
    with torch.device("meta"):
        new = made(module, site, identity_init=identity_init)
        conv = site.conv.build() if instead and site.conv else None
    added = count(new, 1, *shape)
    extra_bytes = (added.peak_bytes or 0) - FLOAT32 * prod(shape)
    return (added - count(conv, 1, *shape) if conv else added), extra_bytes
