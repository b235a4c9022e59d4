"""What a placement costs, before training: the bare backbone and what each module adds."""

from functools import cache

import torch
from torch import nn

from .. import attention
from ..errors import BadValue
from .counting import Cost, count
from .networks import backbone, surveyed
from .placement import REMOVE, Module, Placement
from .plugging import complete
from .site import Site

__all__ = ["Cost", "cost", "count"]


@cache
def cost(
    placement: Placement, image_size: int, classes: int = 1000, *, identity_init: bool = False
) -> Cost:
    """The cost of ``placement`` for one image of ``image_size`` pixels squared.

    The backbone is counted once, and each module by itself at its site's shape: the sum is equal
    to counting the whole network, built with the same ``identity_init``. Where the placement has
    an ``image_size`` of its own, resizing to it is a part of preparing images and not counted.

    Raises
        UnknownName, BadValue  as ``complete``
    """
    placement = complete(placement, image_size)
    size = placement.image_size or image_size
    there = surveyed(placement.backbone, size)
    total = _bare(placement.backbone, size, classes)
    replaced = set()
    for module in placement.modules:
        site = there.at(module.site)
        assert site is not None  # it is complete
        if "existing" in site.kinds and site.path not in replaced:
            total -= _own(placement.backbone, size, site)
            replaced.add(site.path)
        total += module_cost(module, site, identity_init=identity_init)
    return total


@cache
def module_cost(module: Module, site: Site, *, identity_init: bool = False) -> Cost:
    """What ``module`` adds at ``site``, aside from what it takes the place of there."""
    if module.name == REMOVE:
        return Cost(0, 0, 0)
    anywhere = Site("", (), 0, "", site.shape, site.input_shape, site.conv)  # equal ones: once
    return _added(Module("", module.name, module.hyperparameters), anywhere, identity_init)


@cache
def _bare(name: str, image_size: int, classes: int) -> Cost:
    return count(_model(name, classes), 1, 3, image_size, image_size)


@cache
def _own(name: str, image_size: int, site: Site) -> Cost:
    """Of the attention that the backbone has at ``site``."""
    there = _model(name, 10).get_submodule(site.path)
    return count(there, 1, *site.input_shape)


@cache
def _model(name: str, classes: int) -> nn.Module:
    with torch.device("meta"):
        return backbone(name, classes)


@cache
def _added(module: Module, site: Site, identity_init: bool) -> Cost:
    try:
        return _counted(module, site, identity_init)
    except NotImplementedError as error:  # by a plugin: ours use what there is a rule for
        raise BadValue(f"{module.name} cannot be priced: {error}") from None


def _counted(module: Module, site: Site, identity_init: bool) -> Cost:
    entry = attention.entry(module.name)
    chosen = dict(module.hyperparameters)
    channels, *size = site.shape if entry.kind == "gate" else site.input_shape
    with torch.device("meta"):
        if entry.kind == "gate":
            gate = entry.build(channels, (size[0], size[1]), identity_init=identity_init, **chosen)
            return count(gate, 1, *site.shape)
        assert site.conv is not None
        conv = site.conv.build()
        bare = count(conv, 1, *site.input_shape)
        wrapped = entry.wrap(conv, (size[0], size[1]), identity_init=identity_init, **chosen)
        return count(wrapped, 1, *site.input_shape) - bare
