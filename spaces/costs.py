"""What a placement costs, before training: the bare backbone and what each module adds."""

from functools import cache
from typing import Any

import torch

from .. import attention
from ..errors import BadValue, unknown
from .counting import Cost, count
from .networks import backbone
from .placement import Module, Placement
from .site import Site, sites

__all__ = ["Cost", "cost", "count"]


@cache
def cost(
    placement: Placement, image_size: int, classes: int = 1000, *, identity_init: bool = False
) -> Cost:
    """The cost of ``placement`` for one image of ``image_size`` pixels squared.

    The backbone is counted once, and each module by itself at its site's shape: the sum is equal
    to counting the whole network, built with the same ``identity_init``.
    """
    there = {site.path: site for site in sites(placement.backbone, image_size)}
    total = _bare(placement.backbone, image_size, classes)
    for module in placement.modules:
        if module.site not in there:
            raise unknown(f"site of {placement.backbone} called", module.site, list(there))
        total += module_cost(module, there[module.site], identity_init=identity_init)
    return total


def module_cost(module: Module, site: Site, *, identity_init: bool = False) -> Cost:
    """What ``module`` adds at ``site``."""
    return _added(module.name, module.hyperparameters, site, identity_init)


@cache
def _bare(name: str, image_size: int, classes: int) -> Cost:
    with torch.device("meta"):
        model = backbone(name, classes)
    return count(model, 1, 3, image_size, image_size)


@cache
def _added(
    name: str, hyperparameters: tuple[tuple[str, Any], ...], site: Site, identity_init: bool
) -> Cost:
    try:
        return _counted(name, hyperparameters, site, identity_init)
    except NotImplementedError as error:  # by a plugin: ours use what there is a rule for
        raise BadValue(f"{name} cannot be priced: {error}") from None


def _counted(
    name: str, hyperparameters: tuple[tuple[str, Any], ...], site: Site, identity_init: bool
) -> Cost:
    entry = attention.entry(name)
    chosen = {"identity_init": identity_init} | dict(hyperparameters)
    if entry.kind == "gate":
        channels, height, width = site.shape
        with torch.device("meta"):
            gate = entry.build(channels, (height, width), **chosen)
        return count(gate, 1, *site.shape)
    with torch.device("meta"):
        assert site.conv is not None
        conv = site.conv.build()
        bare = count(conv, 1, *site.input_shape)
        wrapped = entry.wrap(conv, site.input_shape[1:], **chosen)
        return count(wrapped, 1, *site.input_shape) - bare
