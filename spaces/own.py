"""The user's own backbones: a function that makes one, in a module or in a file of theirs.

A file becomes text, as it does for a plugin: a worker on another machine has no file.
"""

import inspect
import sys
from collections.abc import Callable
from hashlib import sha256
from importlib import import_module
from pathlib import PurePath
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import nn

from ..attention._plugins import load_text, read_text
from ..errors import BadValue, listed, unknown
from .reshaping import first_line, on_meta

__all__ = [
    "Text",
    "add_text",
    "argument_of",
    "factory",
    "is_file",
    "read_file",
    "text_of",
    "tried",
]

SIZES = (224, 32, 64, 28, 96, 128, 160, 192, 256, 299, 384, 512)  # pixels a side, tried in turn


class Text(NamedTuple):
    """A file of backbones."""

    path: str
    source: str
    module: ModuleType


_TEXTS: dict[str, Text] = {}  # by the name of the file, without its ending


def read_file(name: str) -> tuple[str, str, str]:
    """``"path/nets.py:small"`` as ``("nets:small", "path/nets.py", its text)``.

    Raises
        BadValue  if there is no such file, or no name of a function behind it
    """
    path, _, function = name.rpartition(":")
    if not path or not function.isidentifier():
        raise BadValue(f"a backbone in a file is spelled path/to/nets.py:function, got {name!r}")
    return f"{PurePath(path).stem}:{function}", path, read_text("file of backbones", path)


def add_text(path: str, source: str) -> None:
    """Run ``source``, the text of ``path``: its functions are backbones from now on.

    Raises
        BadValue  if it fails, or another text goes by the same name
    """
    name = PurePath(path).stem
    if name in _TEXTS:
        if _TEXTS[name].source != source:
            raise BadValue(
                f"there are two files of backbones called {name!r}, {_TEXTS[name].path!r} and "
                f"{path!r}, and they differ; rename one"
            )
        return
    home = f"foveate_backbones_{sha256(source.encode()).hexdigest()[:16]}"
    with torch.device("cpu"):  # what it defines is for good, whoever asked on the meta device
        module = load_text("file of backbones", home, path, source)
    _TEXTS[name] = Text(path, source, module)


def text_of(name: str) -> Text | None:
    """The file that ``"nets:small"`` is defined in, if it came as a text."""
    return _TEXTS.get(name.rpartition(":")[0])


def factory(name: str) -> Callable[[int], nn.Module]:
    """What builds the backbone ``"nets:small"`` for a number of classes.

    The user's function is given ``num_classes`` or ``classes`` if it takes one of these, else it
    is given its one required argument; if it has none, the network's last linear layer is replaced.

    Raises
        BadValue     if it cannot be imported, called or used
        UnknownName  if there is no such function
    """
    make = _function(name)
    how = _how(name, make)
    return lambda classes: _made(name, make, how, classes)


def argument_of(name: str) -> str:
    """The keyword that the classes are given by; ``"*"``: by place; ``""``: not at all."""
    return _how(name, _function(name))


def _function(name: str) -> Callable[..., Any]:
    home, _, function = name.rpartition(":")
    module = _module(name, home)
    make = getattr(module, function, None)
    if make is None:
        there = [key for key, value in vars(module).items() if _is_own(key, value, module)]
        raise unknown(f"backbone in {_where(home)} called", function, sorted(there))
    if not callable(make):
        raise BadValue(f"backbone {name!r} is a {type(make).__name__}, not a function")
    found: Callable[..., Any] = make
    return found


def _is_own(key: str, value: object, module: ModuleType) -> bool:
    mine = getattr(value, "__module__", None) == module.__name__
    return callable(value) and mine and not key.startswith("_")


def _where(home: str) -> str:
    return repr(_TEXTS[home].path) if home in _TEXTS else f"module {home!r}"


def _module(name: str, home: str) -> ModuleType:
    if home in _TEXTS:
        return _TEXTS[home].module
    try:
        with torch.device("cpu"):
            return import_module(home)
    except ModuleNotFoundError as error:
        if error.name and (home == error.name or home.startswith(f"{error.name}.")):
            raise BadValue(
                f"backbone {name!r}: there is no module {error.name!r}; a file is spelled "
                "path/to/nets.py:function"
            ) from None
        raise BadValue(f"backbone {name!r}: the import of {home!r} fails: {error}") from None
    except Exception as error:  # of the user's code, whatever it may raise
        raise BadValue(f"backbone {name!r}: the import of {home!r} fails: {_said(error)}") from None


def _said(error: BaseException) -> str:
    what, kind = first_line(error), type(error).__name__
    return kind if what == kind else f"{kind}: {what}"


def _how(name: str, make: Callable[..., Any]) -> str:
    """The keyword that the classes go by; ``"*"`` if by place, ``""`` if not at all."""
    try:
        parameters = [*inspect.signature(make).parameters.values()]
    except ValueError:  # of code without a signature
        return "*"
    kinds = inspect.Parameter
    keywords = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    for keyword in ("num_classes", "classes"):
        if keyword in keywords:
            return keyword
    packed = (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)
    needed = [p for p in parameters if p.default is p.empty and p.kind not in packed]
    if len(needed) == 1 and needed[0].kind is not kinds.KEYWORD_ONLY:
        return "*"
    if needed:
        raise BadValue(
            f"backbone {name!r} needs {listed(p.name for p in needed)}; it has to take "
            "num_classes, or nothing"
        )
    return "num_classes" if any(p.kind is kinds.VAR_KEYWORD for p in parameters) else ""


_sound: set[tuple[Callable[..., Any], int]] = set()  # functions whose networks were looked at


def _made(name: str, make: Callable[..., Any], how: str, classes: int) -> nn.Module:
    try:
        model = make(classes) if how == "*" else make(**({how: classes} if how else {}))
    except Exception as error:  # of the user's code, whatever it may raise
        if torch.get_default_device().type == "meta":
            raise  # it may compute with values: whoever chose that device knows another way
        raise BadValue(f"backbone {name!r} fails: {_said(error)}") from None
    if not isinstance(model, nn.Module):
        raise BadValue(f"backbone {name!r} returns a {type(model).__name__}, not an nn.Module")
    if not how:
        model = _with_head(name, model, classes)
    if (make, classes) not in _sound:
        _check(name, model, classes)
        _sound.add((make, classes))
    return model


def _check(name: str, model: nn.Module, classes: int) -> None:
    twin = on_meta(model)
    for mode in (False, True):
        try:
            _, out = tried(twin.train(mode))
        except Exception:  # of an image that is too small or large; ``sites`` says so of the real
            return
        if not isinstance(out, torch.Tensor):
            when = "training" if mode else "evaluation"
            raise BadValue(
                f"backbone {name!r} returns a {type(out).__name__} in {when}, not a tensor of "
                "logits"
            )
        if out.shape != (2, classes):
            raise BadValue(
                f"backbone {name!r} returns {tuple(out.shape)} for 2 images and {classes} "
                f"classes, not (2, {classes})"
            )


def tried(twin: nn.Module) -> tuple[int, Any]:
    """A size of images that the network on the meta device takes, and what it returns for two.

    If it takes none, what it raised for the first is raised.
    """
    failure: Exception | None = None
    for size in SIZES:
        try:
            with torch.no_grad(), torch.device("meta"):
                return size, twin(torch.empty(2, 3, size, size))
        except Exception as error:  # of the network's own code, whatever it may raise
            failure = failure or error
    assert failure is not None
    raise failure


def _with_head(name: str, model: nn.Module, classes: int) -> nn.Module:
    twin = on_meta(model).eval()
    made: dict[int, tuple[str, Any]] = {}
    for path, module in twin.named_modules():
        if isinstance(module, nn.Linear) and path:
            module.register_forward_hook(
                lambda _, args, out, path=path: made.update({id(out): (path, out)})
            )
    try:
        _, out = tried(twin)
    except Exception as error:  # of the user's code, whatever it may raise
        raise BadValue(f"backbone {name!r} fails on an image: {_said(error)}") from None
    if id(out) not in made:
        raise BadValue(
            f"backbone {name!r} takes no number of classes, and its output is not that of an "
            "nn.Linear, which could be replaced; let it take num_classes"
        )
    path, _ = made[id(out)]
    head = model.get_submodule(path)
    assert isinstance(head, nn.Linear)
    like = {"device": head.weight.device, "dtype": head.weight.dtype}
    new = nn.Linear(head.in_features, classes, head.bias is not None, **like)
    model.set_submodule(path, new)
    return model


def is_file(name: str) -> bool:
    """Whether ``name`` spells a function in a file rather than in a module."""
    home = name.rpartition(":")[0]
    return home.endswith(".py") or "/" in home or (sys.platform == "win32" and "\\" in home)
