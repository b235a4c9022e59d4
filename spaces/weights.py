"""Weights from a file, into a network whose head may have another number of classes."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from pickle import UnpicklingError
from typing import Any
from warnings import catch_warnings, simplefilter

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ..errors import BadValue
from .reshaping import first_line

__all__ = ["head_of", "is_file", "load", "read"]

_ENDINGS = (".pth", ".pt", ".safetensors")
_WRAPPERS = ("state_dict", "model", "model_state_dict", "ema", "state_dict_ema", "model_ema")
_PREFIXES = ("module.", "_orig_mod.")  # of DistributedDataParallel and of torch.compile


def is_file(weights: str) -> bool:
    """Whether ``weights`` are meant as a file, rather than by the name of those of a library."""
    return weights.endswith(_ENDINGS) or "/" in weights


def read(path: str) -> dict[str, Tensor]:
    """The state dict in a ``.pth``, ``.pt`` or ``.safetensors`` file, on the CPU.

    It may stand under ``state_dict``, ``model``, ``model_state_dict`` or ``ema``, and its names may
    begin with ``module.`` or ``_orig_mod.``.

    Raises
        BadValue  if there is no such file, or no state dict of tensors in it
    """
    try:
        if path.endswith(".safetensors"):
            content: Any = load_file(path, device="cpu")
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise BadValue(f"there is no file of weights {path!r}") from None
    except UnpicklingError:
        raise BadValue(
            f"cannot read the weights {path!r}: it has to hold weights alone, as "
            "torch.save(model.state_dict(), path) writes them"
        ) from None
    except Exception as error:  # of a file that is no such thing, whatever its reader makes of it
        raise BadValue(
            f"cannot read the weights {path!r}: {type(error).__name__}: {first_line(error)}"
        ) from None
    while wrapper := next((key for key in _WRAPPERS if _holds(content, key)), None):
        content = content[wrapper]
    if not isinstance(content, Mapping) or not content:
        raise BadValue(f"{path!r} holds no weights: it is a {type(content).__name__}")
    state: Any = OrderedDict(content)
    if metadata := getattr(content, "_metadata", None):  # the versions of the modules
        state._metadata = metadata
    found: dict[str, Tensor] = _without_prefixes(state)
    for key, value in found.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise BadValue(
                f"{path!r} holds no weights: its {key!r} is a {type(value).__name__}, not a tensor"
            )
    return found


def head_of(build: Callable[[int], nn.Module]) -> frozenset[str]:
    """The parameters of the head: those whose shape follows the number of classes.

    ``build`` makes the network for a number of classes, and is called on the meta device.
    """
    one, other = (_shapes(build(classes)) for classes in (7, 11))
    return frozenset(name for name in one if one[name] != other.get(name))


def load(
    model: nn.Module,
    state: Mapping[str, Tensor],
    *,
    head: Iterable[str],
    stored: nn.Module,
    ignored: Iterable[str] = (),
    source: str,
) -> None:
    """Copy ``state`` into ``model``, in place.

    The ``head`` stays new if it has another shape there, or is not there. ``stored`` is the same
    network, on the meta device, before its stem was made small: of a kernel that was larger then,
    the centre is taken; a smaller one becomes the centre. Entries of ``ignored`` may be there, too.
    All else has to fit exactly. On the meta device this is checked, and nothing copied.

    Raises
        BadValue  naming ``source``, if entries are missing, unexpected or of another shape
    """
    there, before = _shapes(model), _shapes(stored)
    dropped = {*ignored} - there.keys()
    if any(name not in state or state[name].shape != there[name] for name in head):
        dropped |= {*head}
    fitting: Any = OrderedDict()
    for name, tensor in state.items():
        if name in dropped:
            continue
        if there.get(name) != tensor.shape and before.get(name) == tensor.shape:
            tensor = _centred(tensor, there[name])
        fitting[name] = tensor
    misshapen = [
        f"{name} {tuple(tensor.shape)} instead of {tuple(there[name])}"
        for name, tensor in fitting.items()
        if name in there and tensor.shape != there[name]
    ]
    _refuse(source, "of another shape", misshapen)
    # what the modules say of old versions of themselves
    metadata = getattr(state, "_metadata", None) or getattr(model.state_dict(), "_metadata", {})
    fitting._metadata = metadata
    with catch_warnings():
        simplefilter("ignore")  # that nothing is copied to the meta device
        result = model.load_state_dict(fitting, strict=False)
    _refuse(source, "missing", [name for name in result.missing_keys if name not in dropped])
    _refuse(source, "unexpected", result.unexpected_keys)


def _holds(content: Any, key: str) -> bool:
    return isinstance(content, Mapping) and isinstance(content.get(key), Mapping)


def _without_prefixes(state: Any) -> Any:
    """``state`` without what wrappers put before every name; of an average, without its count."""
    names = [name for name in state if name != "n_averaged"]
    for prefix in _PREFIXES:
        if names and all(str(name).startswith(prefix) for name in names):
            bare: Any = OrderedDict((name.removeprefix(prefix), state[name]) for name in names)
            if versions := getattr(state, "_metadata", None):
                bare._metadata = {f"{k}.".removeprefix(prefix)[:-1]: versions[k] for k in versions}
            return _without_prefixes(bare)
    return state


def _shapes(model: nn.Module) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in model.state_dict().items()}


def _centred(kernel: Tensor, shape: torch.Size) -> Tensor:
    """The centre of ``kernel``, or ``kernel`` in the centre of zeros, axis by axis."""
    for axis in (2, 3):
        extra = kernel.shape[axis] - shape[axis]
        if extra > 0:
            kernel = kernel.narrow(axis, extra // 2, shape[axis])
        elif extra < 0:
            wide = kernel.new_zeros([*kernel.shape[:axis], shape[axis], *kernel.shape[axis + 1 :]])
            wide.narrow(axis, (1 - extra) // 2, kernel.shape[axis]).copy_(kernel)
            kernel = wide
    return kernel


def _refuse(source: str, what: str, names: list[str], shown: int = 3) -> None:
    if names:
        more = f" and {len(names) - shown} more" if len(names) > shown else ""
        raise BadValue(
            f"the weights {source} do not fit: {what} {'is' if len(names) == 1 else 'are'} "
            f"{', '.join(names[:shown])}{more}"
        )
