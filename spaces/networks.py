"""Where: the backbones, by name."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from math import isfinite
from pathlib import PurePath
from typing import Any, get_type_hints

import torch
import torchvision
from torch import nn
from torch.overrides import TorchFunctionMode

from ..errors import BadValue, UserError, unknown
from . import own
from . import weights as stored_weights
from .cifar import CifarResNet
from .preact import PreactResNet, WideResNet
from .reshaping import first_line, on_meta, scale_width, small_stem
from .site import Site, Survey, stem_of, survey

__all__ = [
    "Description",
    "add_backbones",
    "backbone",
    "backbones",
    "canonical",
    "described",
    "own_source",
    "read_backbone",
    "sites",
    "size_for",
    "source_of",
    "surveyed",
    "torchvision_arguments",
    "trunk",
    "with_options",
]

_DEPTHS = (8, 14, 20, 26, 32, 38, 44, 56, 62, 68, 74, 80, 110)
_CIFAR = {f"resnet{depth}": depth for depth in _DEPTHS}
_PREACT = {f"preresnet{depth}": depth for depth in _DEPTHS}
_WIDTHS = {16: (1, 2, 4, 8, 10), 22: (2, 4, 8, 10), 28: (2, 4, 8, 10, 12), 40: (1, 2, 4, 8)}
_WIDE = {f"wrn{d}_{width}": (d, width) for d, widths in _WIDTHS.items() for width in widths}
_TRANSFORMERS = ("vit_*", "swin_*", "maxvit_*")
_TIMM = "timm:"
_STEMS = ("own", "small")
_MOST = 16.0  # times as wide


@dataclass(frozen=True, slots=True)
class Description:
    """What the name of a backbone says."""

    base: str  # without options: resnet50, timm:resnet50d, nets:small
    stem: str = "own"  # or small: without strides and poolings before the first block
    width: float = 1.0  # what its numbers of channels are multiplied by

    def __str__(self) -> str:
        """The canonical name: options sorted, defaults left out."""
        width = f"{self.width:g}"
        options = [f"stem={self.stem}"] * (self.stem != "own") + [f"width={width}"] * (width != "1")
        return f"{self.base}@{','.join(options)}" if options else self.base


def backbones() -> list[str]:
    """The names of the built-in backbones: for small images first, then torchvision's CNNs."""
    return [*_CIFAR, *_PREACT, *_WIDE, *_torchvision()]


def described(name: str) -> Description:
    """What ``name`` says; a file of backbones in it is read.

    Raises
        UnknownName  for a backbone or an option that there is not
        BadValue     for an option that cannot be meant, or a file that cannot be used
    """
    base, options = _split(name)
    if base.endswith(".py"):
        raise BadValue(f"a backbone in a file is spelled path/to/nets.py:function, got {name!r}")
    base = _taken_in(base)
    _factory(base)
    chosen = Description(base)
    given: set[str] = set()
    for option in options:
        key, is_given, value = option.partition("=")
        if not is_given or not value:
            raise BadValue(
                f"backbone {name!r}: options are spelled stem=small or width=0.5, joined by commas,"
                f" got {option!r}"
            )
        if key not in ("stem", "width"):
            raise unknown("option of a backbone", key, ["stem", "width"])
        if key in given:
            raise BadValue(f"backbone {name!r} gives its {key} twice")
        given.add(key)
        stem = value if key == "stem" else chosen.stem
        width = _number(name, value) if key == "width" else chosen.width
        chosen = _checked(replace(chosen, stem=stem, width=width))
    return chosen


def canonical(name: str) -> str:
    """The one spelling of a backbone's name; raises as ``described``."""
    return str(described(name))


def with_options(name: str, *, stem: str | None = None, width: float | None = None) -> str:
    """The canonical name of ``name`` with these options; what is ``None`` stays as it is there."""
    now = described(name)
    stem, width = stem or now.stem, now.width if width is None else width
    return str(_checked(replace(now, stem=stem, width=width)))


def backbone(name: str, classes: int, *, weights: str | None = None) -> nn.Module:
    """A new backbone: images (N, 3, H, W) to logits (N, ``classes``), in training, too.

    ``resnet20``, ``preresnet20``, ``wrn28_10``, ... are for small images, ``resnet50``,
    ``mobilenet_v2``, ... torchvision's, ``timm:resnet50d`` is timm's, ``package.module:function``
    the user's own, as is ``path/to/nets.py:function``, whose name is ``nets:function`` from then
    on. Behind an ``@`` come options: ``resnet50@stem=small,width=0.5``.

    Without ``weights`` it is untrained. They are ``"DEFAULT"`` or another name of torchvision's or
    timm's weights of this network, which are downloaded unless they are at hand, or a ``.pth``,
    ``.pt`` or ``.safetensors`` file. A head of another number of classes stays new; all else has
    to fit. With ``stem=small`` a kernel that was larger gives its centre.

    Raises
        UnknownName  for a name that there is not
        BadValue     for a network that cannot be made like that, and weights that do not fit
    """
    chosen = described(name)
    if weights is not None and chosen.width != 1:
        raise BadValue(f"{chosen}: weights fit a network of its own width only, not {weights!r}")
    keywords = _keywords(chosen.base, weights)
    model = _reshaped(_build(chosen.base, classes, **keywords), chosen)
    if weights is not None:
        _load(model, chosen, weights)
    return model


@cache
def trunk(name: str) -> frozenset[str]:
    """The parameters of a backbone, by name, without its head's: what pretrained weights bring."""
    base = described(name).base
    keywords = _keywords(base)
    with torch.device("meta"):
        head = stored_weights.head_of(lambda classes: _build(base, classes, **keywords))
        names = [name for name, _ in _build(base, 7, **keywords).named_parameters()]
    return frozenset(names) - head


def source_of(name: str) -> str:
    """Whose a backbone is: ``cifar``, ``preact``, ``torchvision``, ``timm`` or ``own``."""
    return _source(described(name).base)


def read_backbone(name: str) -> tuple[str, str, str]:
    """``"path/nets.py:small"`` as ``("nets:small", "path/nets.py", its text)``, options kept.

    Raises
        BadValue  if there is no such file, or no name of a function behind it
    """
    base, options = _split(name)
    short, path, text = own.read_file(base)
    return "@".join([short, ",".join(options)]) if options else short, path, text


def add_backbones(path: str, text: str) -> None:
    """Make the functions of ``text``, the file ``path`` of another machine, backbones of this one.

    ``"nets:small"`` is then the function ``small`` of ``path/nets.py``, whatever module ``nets``
    could be imported. The same text again changes nothing.

    Raises
        BadValue  if it fails, or another text goes by the same name
    """
    own.add_text(path, text)


def own_source(name: str) -> tuple[str, str] | None:
    """The file that a user's backbone is defined in, and its text; ``None`` for all others."""
    text_of = own.text_of(_taken_in(_split(name)[0]))
    return (text_of.path, text_of.source) if text_of else None


def size_for(name: str) -> int:
    """Pixels a side of the images with which the backbone is looked at to give it its options."""
    chosen = described(name)
    with torch.device("meta"):
        return _size(_build(chosen.base, 2, **_keywords(chosen.base)), chosen)


def torchvision_arguments(name: str, weights: str | None = None) -> dict[str, Any]:
    """What torchvision's builder of ``name`` is given, beside the number of classes.

    Some networks have auxiliary heads unless told otherwise, and some were trained on images in
    another range, which they turn themselves when they have their ``weights``.
    """
    return _keywords(described(name).base, weights)


@cache
def surveyed(name: str, image_size: int) -> Survey:
    """Where the backbone called ``name`` has sites for square images of ``image_size`` pixels.

    Raises
        BadValue  if it cannot take images of this size
    """
    with torch.device("meta"):
        model = backbone(name, classes=10)
    try:
        return survey(model, image_size)
    except BadValue as error:
        reason = first_line(error.__cause__ or error)  # what the network raised
        size = f"{image_size} x {image_size} pixels"
        raise BadValue(f"{name} cannot take images of {size}: {reason}") from None


def sites(name: str, image_size: int) -> tuple[Site, ...]:
    """The sites of the backbone called ``name`` for square images of ``image_size`` pixels."""
    return surveyed(name, image_size).sites


# ------------------------------------------------------------------------------------- the names


def _split(name: str) -> tuple[str, list[str]]:
    base, at, options = name.rpartition("@")
    if not at or "/" in options or ":" in options:  # of a folder's name
        return name, []
    return base, options.split(",")


def _taken_in(base: str) -> str:
    """The name of ``base`` from now on: of a function in a file, whose text is read and run."""
    if not own.is_file(base):
        return base
    short, path, text = own.read_file(base)
    own.add_text(path, text)
    return short


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadValue(f"backbone {name!r}: the width is a number, got {text!r}") from None


def _checked(chosen: Description) -> Description:
    if chosen.stem not in _STEMS:
        raise BadValue(f"the stem of a backbone is own or small, got {chosen.stem!r}")
    if not (isfinite(chosen.width) and 0 < chosen.width <= _MOST):
        raise BadValue(
            f"the width of a backbone is above 0 and at most {_MOST:g}, got {chosen.width:g}"
        )
    return replace(chosen, width=float(f"{chosen.width:g}"))


@cache
def _torchvision() -> tuple[str, ...]:
    models = torchvision.models
    names = models.list_models(module=models, exclude=_TRANSFORMERS)

    def by_number(name: str) -> list[tuple[int, str]]:
        parts = re.findall(r"\d+|\D+", name)
        return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]

    return tuple(sorted(names, key=by_number))


@cache
def _timm() -> tuple[str, ...]:
    return tuple(f"{_TIMM}{name}" for name in _timm_package().list_models())


def _timm_package() -> Any:
    try:
        import timm  # heavy, and an extra
    except ImportError:
        raise BadValue(
            "backbones called timm:NAME are timm's, which is not installed: "
            "pip install foveate[timm]"
        ) from None
    return timm


def _source(base: str) -> str:
    for source, names in (("cifar", _CIFAR), ("preact", _PREACT), ("preact", _WIDE)):
        if base in names:
            return source
    if base.startswith(_TIMM):
        return "timm"
    return "own" if ":" in base else "torchvision"


# ---------------------------------------------------------------------------------- the networks


def _factory(base: str) -> Callable[..., nn.Module]:
    """What builds ``base`` for a number of classes, and keywords that are torchvision's only."""
    if base in _CIFAR:
        return lambda classes: CifarResNet(_CIFAR[base], classes)
    if base in _PREACT:
        return lambda classes: PreactResNet(_PREACT[base], classes)
    if base in _WIDE:
        return lambda classes: WideResNet(*_WIDE[base], classes)
    if base.startswith(_TIMM):
        return _timm_factory(base)
    if ":" in base:
        return own.factory(base)
    if base not in _torchvision():
        raise unknown("backbone", base, backbones())
    return lambda classes, **keywords: torchvision.models.get_model(
        base, weights=None, num_classes=classes, **keywords
    )


def _timm_factory(base: str) -> Callable[[int], nn.Module]:
    timm, name = _timm_package(), base.removeprefix(_TIMM)
    if base not in _timm():
        bare, _, tag = name.partition(".")
        if tag and f"{_TIMM}{bare}" in _timm():
            raise BadValue(
                f"backbone {base!r}: {tag!r} names weights, not a network; they are the weights "
                f"{tag!r} of {_TIMM}{bare}"
            )
        raise unknown("backbone", base, _timm())

    def build(classes: int) -> nn.Module:
        model: nn.Module = timm.create_model(name, pretrained=False, num_classes=classes)
        return model

    return build


def _keywords(base: str, weights: str | None = None, *, auxiliary: bool = False) -> dict[str, Any]:
    if _source(base) != "torchvision":
        return {}
    builder = torchvision.models.get_model_builder(base)
    takes = inspect.signature(get_type_hints(builder)["return"]).parameters
    keywords: dict[str, Any] = {}
    if "aux_logits" in takes:
        keywords["aux_logits"] = auxiliary
    if "init_weights" in takes:  # as it is by default, without a warning
        keywords["init_weights"] = True
    if "transform_input" in takes and weights is not None and _is_torchvisions(base, weights):
        keywords["transform_input"] = True
    return keywords


def _is_torchvisions(base: str, weights: str) -> bool:
    """Whether ``weights`` are those of torchvision, by their name or that of their file."""
    known = torchvision.models.get_model_weights(base)
    files = {PurePath(entry.url).name for entry in known}
    return not stored_weights.is_file(weights) or PurePath(weights).name in files


def _build(base: str, classes: int, **keywords: Any) -> nn.Module:
    make = _factory(base)
    if torch.get_default_device().type != "meta":
        return make(classes, **keywords)
    try:
        return make(classes, **keywords)
    except UserError:
        raise
    except Exception:  # it computes with values, which the meta device has not
        with torch.device("cpu"), _Unfilled():
            model = make(classes, **keywords)
        return on_meta(model)


class _Unfilled(TorchFunctionMode):
    """Puts what is made to be filled, as the weights of all layers, on the meta device."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.empty:
            kwargs = {**(kwargs or {}), "device": "meta"}
        return func(*args, **(kwargs or {}))


def _reshaped(model: nn.Module, chosen: Description) -> nn.Module:
    if chosen.stem == "own" and chosen.width == 1:
        return model
    size = _size(model, chosen)
    if chosen.stem == "small":
        try:
            small_stem(model, stem_of(on_meta(model), size), image_size=size)
        except ValueError as error:
            raise BadValue(f"{chosen.base} has no stem to make smaller: {error}") from None
    try:
        return scale_width(model, chosen.width, image_size=size)
    except ValueError as error:
        raise BadValue(
            f"{chosen.base} cannot be made {chosen.width:g} times as wide: {error}"
        ) from None


def _size(model: nn.Module, chosen: Description) -> int:
    """Of images that the network takes: it is looked at with them, whatever it is for."""
    try:
        size, _ = own.tried(on_meta(model).eval())
    except Exception as error:  # of the network's own code, whatever it may raise
        raise BadValue(
            f"{chosen.base} takes no images that its stem could be seen with: {first_line(error)}"
        ) from None
    return size


# ----------------------------------------------------------------------------------- the weights


def _load(model: nn.Module, chosen: Description, weights: str) -> None:
    base = chosen.base
    on_the_meta_device = torch.get_default_device().type == "meta"
    if stored_weights.is_file(weights):
        state = stored_weights.read(weights)
    elif on_the_meta_device:
        _named(base, weights)
        return  # nothing is to be copied: nothing is downloaded
    else:
        state = _pretrained(base, weights).state_dict()
    keywords, whole = _keywords(base), _keywords(base, auxiliary=True)
    with torch.device("meta"):
        stored = _build(base, 7, **keywords)
        head = stored_weights.head_of(lambda classes: _build(base, classes, **keywords))
        ignored = _build(base, 7, **whole).state_dict().keys() if whole else ()
    stored_weights.load(
        model,
        state,
        head=head,
        stored=stored,
        ignored=ignored,
        source=repr(weights),
    )


def _named(base: str, weights: str) -> Callable[[], nn.Module]:
    """What makes the network with the weights of that name, as its library does."""
    source = _source(base)
    if source == "torchvision":
        known = torchvision.models.get_model_weights(base)
        names = ["DEFAULT", *(entry.name for entry in known)]
        if weights not in names:
            raise unknown(f"weights of {base} called", weights, names)
        return lambda: torchvision.models.get_model(base, weights=weights)
    if source == "timm":
        timm, name = _timm_package(), base.removeprefix(_TIMM)
        tags = [full.partition(".")[2] for full in timm.list_pretrained(f"{name}.*")]
        names = ["DEFAULT", *tags] if tags else []
        if weights not in names:
            raise unknown(f"weights of {base} called", weights, names)
        full = name if weights == "DEFAULT" else f"{name}.{weights}"
        return lambda: timm.create_model(full, pretrained=True)
    raise BadValue(f"{base} has no weights called {weights!r}; a file of weights may be given")


def _pretrained(base: str, weights: str) -> nn.Module:
    build = _named(base, weights)
    try:
        return build()
    except (OSError, RuntimeError) as error:
        raise BadValue(
            f"cannot get the weights {weights!r} of {base}: {first_line(error)}"
        ) from None
