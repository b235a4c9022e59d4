"""Putting a placement's modules into a backbone, which keeps its parameter names."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from .. import attention
from ..errors import BadValue, unknown
from .networks import backbone
from .placement import Module, Placement
from .site import Site, sites

__all__ = ["attach", "build", "complete", "plug"]


def build(
    placement: Placement, classes: int, *, image_size: int = 224, identity_init: bool = False
) -> nn.Module:
    """The untrained network of a placement: images (N, 3, H, W) to logits (N, ``classes``).

    Images may have any size; modules with tables for one size of map make them for ``image_size``.
    """
    model = backbone(placement.backbone, classes)
    return plug(model, placement, image_size=image_size, identity_init=identity_init)


def plug(
    model: nn.Module,
    placement: Placement,
    *,
    image_size: int = 224,
    identity_init: bool = False,
) -> nn.Module:
    """Put the modules of ``placement`` into ``model``, in place, and return it.

    A gate becomes the child ``attention`` of the module at its site (``attention1`` if a second
    stands there) and is applied to that module's output. What replaces a convolution takes its
    place, and keeps its ``weight`` if it goes on using it. So the backbone's parameter names stay
    as they were.
    """
    shapes = {site.path: site for site in sites(placement.backbone, image_size)}
    for module in placement.modules:
        entry, site = attention.entry(module.name), shapes[module.site]
        chosen = dict(module.hyperparameters)
        if entry.kind != "gate":
            conv = model.get_submodule(module.site)
            assert isinstance(conv, nn.Conv2d)
            size = site.input_shape[1:]
            wrapped = entry.wrap(conv, size, identity_init=identity_init, **chosen)
            model.set_submodule(module.site, wrapped)
        else:
            channels, height, width = site.shape
            gate = entry.build(channels, (height, width), identity_init=identity_init, **chosen)
            attach(model.get_submodule(module.site), gate)
    return model


def attach(host: nn.Module, gate: nn.Module) -> None:
    """Apply ``gate`` to all that ``host`` returns, as its child ``attention``."""
    name = "attention"
    while hasattr(host, name):
        name = f"attention{int(name.removeprefix('attention') or 0) + 1}"
    host.add_module(name, gate)
    if type(host).forward is not nn.Sequential.forward:  # a Sequential runs its children itself
        host.register_forward_hook(partial(_gated, name))


def _gated(name: str, host: nn.Module, args: tuple[Any, ...], out: Tensor) -> Tensor:
    gated: Tensor = getattr(host, name)(out)
    return gated


def complete(placement: Placement, image_size: int = 224) -> Placement:
    """``placement`` with every hyper-parameter spelled out and everything in it checked.

    Raises
        UnknownName  for a backbone, site, module or hyper-parameter that there is not
        BadValue     for a value out of range, or a module where it cannot stand
    """
    there = {site.path: site for site in sites(placement.backbone, image_size)}
    modules = []
    for module in placement.modules:
        if module.site not in there:
            raise unknown(f"site of {placement.backbone} called", module.site, list(there))
        chosen = check(module, there[module.site])
        others = [attention.entry(other.name) for other in placement.at(module.site)]
        if len(others) > 1 and others[0].kind != "gate":
            names = " and ".join(entry.name for entry in others)
            raise BadValue(f"only one module can replace {module.site!r}, got {names}")
        modules.append(Module(module.site, module.name, tuple(chosen.items())))
    return Placement.of(placement.backbone, modules)


def check(module: Module, site: Site) -> dict[str, Any]:
    """All hyper-parameters of ``module``; raises if it cannot stand at ``site``."""
    entry = attention.entry(module.name)
    if (entry.kind == "gate") == (site.kind == "conv"):
        place = "the output of a module" if entry.kind == "gate" else "a convolution"
        raise BadValue(
            f"{module.name} takes {place}, and {site.path!r} is a site of kind {site.kind}"
        )
    shape = site.shape if entry.kind == "gate" else site.input_shape
    with torch.device("meta"):
        conv = site.conv.build() if site.conv and entry.kind != "gate" else None
    if reason := entry.requires(shape[0], shape[1:], conv):
        raise BadValue(f"{site.path!r}: {reason}")
    return entry.complete(dict(module.hyperparameters))
