"""Putting a placement's modules into a backbone, which keeps its parameter names."""

from collections.abc import Iterable
from functools import cache, partial
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from .. import attention
from ..errors import BadValue, unknown
from .networks import backbone, canonical, surveyed
from .placement import REMOVE, Module, Placement
from .site import Site

__all__ = [
    "attach",
    "build",
    "check",
    "complete",
    "completed",
    "everywhere",
    "in_order",
    "made",
    "may_stand",
    "plug",
    "plugged",
    "replaces",
    "unplug",
]


def build(
    placement: Placement,
    classes: int,
    *,
    image_size: int = 224,
    identity_init: bool = False,
    weights: str | None = None,
) -> nn.Module:
    """The network of a placement: images (N, 3, H, W) to logits (N, ``classes``).

    Images may have any size; modules with tables for one size of map make them for ``image_size``,
    or for the placement's own, to which images are then resized. ``weights`` are the backbone's,
    loaded before anything is plugged in: see ``backbone``.
    """
    complete(placement, image_size)  # inspection may draw numbers: it has to come before weights
    model = backbone(placement.backbone, classes, weights=weights)
    plug(model, placement, image_size=image_size, identity_init=identity_init)
    if placement.image_size is not None:
        model.register_forward_pre_hook(partial(_resized, placement.image_size))
    return model


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
    place, and keeps its ``weight`` if it goes on using it. What replaces an attention of the
    backbone's own is a child of an ``nn.Identity`` in its place. So the backbone's parameters keep
    their names, and its checkpoints load before this and after it (then with ``strict=False``).
    What is new has the device, the type of numbers and the mode of ``model``.

    Raises
        UnknownName, BadValue  as ``complete``
        BadValue               where a module already stands that replaced a convolution
    """
    placement = complete(placement, image_size)
    there = surveyed(placement.backbone, placement.image_size or image_size)
    for module in in_order(placement.modules):
        site = there.at(module.site)
        assert site is not None  # it is complete
        try:
            here = model.get_submodule(module.site)
        except AttributeError:
            raise BadValue(
                f"this {type(model).__name__} is no {placement.backbone}: it has no {module.site!r}"
            ) from None
        if "existing" in site.kinds and not hasattr(here, _REPLACED):
            here = _replace(model, module.site, nn.Identity())
        if module.name == REMOVE:
            continue
        if not replaces(module.name):
            attach(here, _as_in(model, made(module, site, identity_init=identity_init)))
            continue
        if type(here) is not nn.Conv2d:
            got = type(here).__name__
            raise BadValue(
                f"{module.name} takes a convolution, and {module.site!r} is now of {got}"
            )
        wrapped = made(module, site, here, identity_init=identity_init)
        _replace(model, module.site, _as_in(model, wrapped))
    return model


def made(
    module: Module, site: Site, conv: nn.Conv2d | None = None, *, identity_init: bool = False
) -> nn.Module:
    """The attention module of ``module`` at ``site``: a gate, or what takes the place of ``conv``,
    by default of a new convolution like the one there.
    """
    entry, chosen = attention.entry(module.name), dict[str, Any](module.hyperparameters)
    if entry.kind == "gate":
        return entry.build(site.shape[0], site.shape[1:], identity_init=identity_init, **chosen)
    if conv is None:
        assert site.conv is not None
        conv = site.conv.build()
    return entry.wrap(conv, site.input_shape[1:], identity_init=identity_init, **chosen)


def unplug(model: nn.Module) -> nn.Module:
    """Take everything out of ``model`` that ``plug`` put in, in place, and return it.

    What was replaced comes back; a convolution that an attention on weights went on using, with
    the weights that it has by now.
    """
    for path, module in [*model.named_modules()]:
        for number, hook in _gating(module).items():
            home, _, name = hook.args[0].rpartition(".")
            delattr(module.get_submodule(home), name)
            del module._forward_hooks[number]
        for number, hook in [*module._forward_pre_hooks.items()]:
            if isinstance(hook, partial) and hook.func is _resized:
                del module._forward_pre_hooks[number]
        if hasattr(module, _REPLACED):
            (before,) = getattr(module, _REPLACED)
            for name in before._parameters:  # loading or moving may have made new ones
                if module._parameters.get(name) is not None:
                    before._parameters[name] = module._parameters[name]
            model.set_submodule(path, _as_in(model, before).train(module.training))
    return model


def plugged(model: nn.Module, placement: Placement) -> list[tuple[Module, nn.Module]]:
    """Each module of a complete ``placement``, and what ``plug`` made of it in ``model``."""
    found = []
    for site in dict.fromkeys(module.site for module in placement.modules):
        host = model.get_submodule(site)
        gates = (host.get_submodule(hook.args[0]) for hook in _gating(host).values())
        for module in in_order(module for module in placement.modules if module.site == site):
            if module.name != REMOVE:
                found.append((module, host if replaces(module.name) else next(gates)))
    return found


def _gating(module: nn.Module) -> dict[int, partial[Any]]:
    """The hooks by which gates are applied to what ``module`` returns, by number."""
    return {
        number: hook
        for number, hook in module._forward_hooks.items()
        if isinstance(hook, partial) and hook.func is _gated
    }


def _as_in(model: nn.Module, module: nn.Module) -> nn.Module:
    """``module`` with the device, the type of numbers and the mode of ``model``."""
    if (like := next(model.parameters(), None)) is not None:
        module.to(like.device, like.dtype)
    return module.train(model.training)


_REPLACED = "foveate_replaced"  # (module,): a tuple, so that it is no child


def _replace(model: nn.Module, path: str, module: nn.Module) -> nn.Module:
    setattr(module, _REPLACED, (model.get_submodule(path),))
    model.set_submodule(path, module)
    return module


def attach(host: nn.Module, gate: nn.Module) -> None:
    """Apply ``gate`` to all that ``host`` returns, as its child ``attention``."""
    home, path = host, ""
    while isinstance(home, nn.Sequential | nn.ModuleList | nn.ModuleDict) and len(home):
        # containers run or list their children; one without parameters may be shared by many
        children = list(home.named_children())
        own = [child for child in children if [*child[1].parameters()]]
        name, home = (own or children)[-1]
        path += f"{name}."
    name = "attention"
    while hasattr(home, name):
        name = f"attention{int(name.removeprefix('attention') or 0) + 1}"
    home.add_module(name, gate)
    host.register_forward_hook(partial(_gated, path + name))


def _gated(path: str, host: nn.Module, args: tuple[Any, ...], out: Tensor) -> Tensor:
    gated: Tensor = host.get_submodule(path)(out)
    return gated


def _resized(size: int, model: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
    images, *rest = args
    if not torch.compiler.is_exporting() and images.shape[-2:] == (size, size):
        return None  # an exported network has no such branch: it takes images of any size
    return (interpolate(images, (size, size), mode="bilinear", antialias=True), *rest)


def complete(placement: Placement, image_size: int = 224) -> Placement:
    """``placement`` in its one spelling, with every hyper-parameter, and everything checked.

    Raises
        UnknownName  for a backbone, site, module or hyper-parameter that there is not
        BadValue     for a value out of range, or a module where it cannot stand
    """
    name = canonical(placement.backbone)
    there = surveyed(name, placement.image_size or image_size)
    modules: dict[str, list[Module]] = {}
    for module in placement.modules:
        if (site := there.at(module.site)) is None:
            raise unknown(
                f"site of {name} called",
                module.site,
                [s.path for s in there.sites],
                near=[s.path for s in there.others],
            )
        modules.setdefault(site.path, []).append(completed(module, site))
    for path, here in modules.items():
        here[:] = in_order(here)
        if len(here) > 1 and replaces(here[1].name):
            names = " and ".join(module.name for module in here[:2])
            raise BadValue(f"only one module can replace {path!r}, got {names}")
        if len(here) > 1 and here[0].name == REMOVE:
            raise BadValue(f"{here[1].name} at {path!r} already stands in for what was there")
    ordered = [module for _, here in sorted(modules.items()) for module in here]
    size = None if placement.image_size == image_size else placement.image_size
    return Placement(name, tuple(ordered), size)


def in_order(modules: Iterable[Module]) -> list[Module]:
    """What replaces something first, whatever its site, then the gates.

    So a gate behind a container is the child of a module in it that stays there.
    """
    return sorted(modules, key=lambda module: not replaces(module.name))


def replaces(name: str) -> bool:
    """Whether the module called ``name`` takes the place of something."""
    return name == REMOVE or attention.entry(name).kind != "gate"


@cache
def completed(module: Module, site: Site) -> Module:
    """``module`` at ``site`` with all hyper-parameters; raises if it cannot stand there.

    Of values that build the same network there, such as reductions that leave one channel, it has
    those that come first: the defaults, then in the order of the choices.
    """
    if module.name == REMOVE:
        if "existing" not in site.kinds or module.hyperparameters:
            raise BadValue(
                f"{REMOVE} takes out an attention of the backbone's own, and {site.path!r} is "
                f"a site of kind {' and '.join(site.kinds)}"
            )
        return Module(site.path, REMOVE)
    entry = attention.entry(module.name)
    check(module.name, site)
    chosen = Module("", module.name, entry.complete(dict(module.hyperparameters)))
    if entry.is_builtin:  # of a plugin, who knows what a value does
        chosen = _meanings(module.name, site.bare)[chosen]
    return Module(site.path, module.name, chosen.hyperparameters)


@cache
def _meanings(name: str, site: Site) -> dict[Module, Module]:
    """Each setting of a module at ``site``, and the first one that builds the same."""
    choices = sorted(attention.entry(name).hyperparameters.items())
    defaults = {key: choice.default for key, choice in choices}
    every = product(*(choice.values for _, choice in choices))
    settings = [defaults, *(dict(zip(defaults, values, strict=True)) for values in every)]
    first: dict[object, Module] = {}
    found: dict[Module, Module] = {}
    for chosen in settings:
        module = Module("", name, chosen)
        with torch.device("meta"):
            built = _anatomy(made(module, site)) if choices else name
        found.setdefault(module, first.setdefault(built, module))
    return found


def _anatomy(built: nn.Module) -> object:
    """What a module is made of: equal for two that compute the same with the same weights."""
    parts = []
    for path, part in built.named_modules():
        own = {k: v for k, v in vars(part).items() if k not in _EVERY and not _is_plain(v)}
        if own:  # who knows what it is: like nothing else
            return object()
        plain = sorted((k, repr(v)) for k, v in vars(part).items() if k not in _EVERY)
        parts.append((path, type(part), part.extra_repr(), tuple(plain)))
    tensors = [*built.named_parameters(), *built.named_buffers()]
    return (*parts, *((path, tuple(t.shape), t.dtype) for path, t in tensors))


_EVERY = frozenset(vars(nn.Module())) | {"training"}


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


@cache
def check(name: str, site: Site) -> None:
    """Raise ``BadValue`` if the module called ``name`` cannot stand at ``site``."""
    entry = attention.entry(name)
    conv = None
    if entry.kind != "gate":
        if site.conv is None:
            kinds = " and ".join(site.kinds)
            raise BadValue(
                f"{name} takes a convolution, and {site.path!r} is a site of kind {kinds}"
            )
        with torch.device("meta"):
            conv = site.conv.build()
    shape = site.shape if entry.kind == "gate" else site.input_shape
    if reason := entry.requires(shape[0], shape[1:], conv):
        raise BadValue(f"{site.path!r}: {reason}")


def may_stand(name: str, site: Site) -> bool:
    """Whether the module called ``name`` can stand at ``site``."""
    try:
        check(name, site)
    except BadValue:
        return False
    return True


def everywhere(name: str, module: str, image_size: int = 224) -> Placement:
    """``module`` at all the sites of the backbone ``name`` where its paper places it."""
    there, entry = surveyed(canonical(name), image_size), attention.entry(module)
    found = [
        Module(site.path, module)
        for site in there.sites
        if entry.stands_at(site.kinds, site.stage, there.stages) and may_stand(module, site)
    ]
    if not found:
        raise BadValue(f"{module} stands at {entry.places}, and {name} has no such site for it")
    return complete(Placement.of(name, found), image_size)
