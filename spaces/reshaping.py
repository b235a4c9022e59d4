"""A network made over by inspection: a stem for small images, another width. No table of names.

This file imports torch only, since an exported model may hold it.
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode


def small_stem(model: nn.Module, leaves: Sequence[str], *, image_size: int = 224) -> nn.Module:
    """Give ``model`` a stem that keeps the resolution, in place, and return it.

    ``leaves`` are the paths of the modules without children that run before the first block, as
    ``site.stem_of`` finds them. Of these each convolution with a stride becomes 3x3 with stride 1
    and a padding that keeps the map (1, or its dilation), and each pooling, by whatever module that
    has no parameters and makes the map smaller, becomes ``nn.Identity``. A global pooling, as in a
    squeeze, stays. New kernels are drawn from the values of the old ones at random, times
    sqrt(old fan-in / new fan-in).

    Raises
        ValueError  if nothing in ``leaves`` makes the map smaller
    """
    shrinks = _shrinking(model, leaves, image_size)
    for path in shrinks:
        module = model.get_submodule(path)
        if isinstance(module, nn.Conv2d):
            _unstride(module)
        else:
            model.set_submodule(path, nn.Identity())
    if not shrinks:
        raise ValueError("nothing before its first block makes the map smaller")
    return model


def scale_width(model: nn.Module, width: float, *, image_size: int = 224) -> nn.Module:
    """Multiply the channels of ``model`` by ``width``, in place, and return it.

    Every number of channels c, but the image's and the classes', becomes
    ``max(1, round(c * width))``, a function of c alone: so what is added still fits, and what is
    concatenated or split does where c * width is whole. A single channel stays single: it is a map
    that all channels share. The groups of a depthwise convolution follow its channels; those of
    any other stay, and have to divide. Scaled are the convolutions, linear layers and norms of
    torch and what derives from them, and parameters of any other module with a single axis longer
    than 1. What comes first and last is found by following one pass of an image of ``image_size``
    pixels a side on the meta device. Code that holds numbers of channels of its own is not seen:
    another such pass shows whether all fits.

    New weights are drawn from the values of the old ones at random, times
    sqrt(old fan-in / new fan-in); what was constant stays so.

    Raises
        ValueError  with the reason if the channels do not fit then; ``model`` is as it was
    """
    if width == 1:
        return model
    twin = on_meta(model).eval()
    image = torch.empty(2, 3, image_size, image_size, device="meta")
    ends = _Ends(twin)
    with torch.no_grad(), torch.device("meta"):  # of what the network makes itself, too
        before = ends.follow(image).shape
        _scale(twin, width, ends)
        try:
            after = twin(image).shape
        except Exception as error:  # of the network's own code, whatever it may raise
            raise ValueError(first_line(error)) from None
    if after != before:
        raise ValueError(f"its output becomes {tuple(after)} instead of {tuple(before)}")
    return _scale(model, width, ends)


def on_meta(model: nn.Module) -> nn.Module:
    """A copy of ``model`` on the meta device; its weights are not copied on the way."""
    memo: dict[int, Any] = {}
    for p in model.parameters():
        memo[id(p)] = nn.Parameter(p.detach().to("meta"), requires_grad=p.requires_grad)
    for b in model.buffers():
        memo[id(b)] = b.detach().to("meta")
    return deepcopy(model, memo)


def first_line(error: BaseException) -> str:
    """What ``error`` says, in one line; the next, too, where a colon announces it."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    announced = len(lines) > 1 and lines[0].endswith(":")
    return " ".join(lines[: 1 + announced]) or type(error).__name__


# ------------------------------------------------------------------------------------------ stem


def _shrinking(model: nn.Module, leaves: Sequence[str], image_size: int) -> list[str]:
    """Those of ``leaves`` that make a map smaller, in their order."""
    found: set[str] = set()
    twin = on_meta(model).eval()

    def watch(path: str, module: nn.Module, args: tuple[Any, ...], out: Any) -> None:
        x = args[0] if args else None
        if not (isinstance(x, Tensor) and isinstance(out, Tensor) and x.ndim == out.ndim == 4):
            return
        (_, inputs, *size), (_, outputs, *smaller) = x.shape, out.shape
        if isinstance(module, nn.Conv2d):
            shrinks = max(module.stride) > 1
        else:
            pools = inputs == outputs and not [*module.parameters()]
            shrinks = pools and sum(smaller) < sum(size) and max(smaller) > 1
        if shrinks:
            found.add(path)

    for path in leaves:
        twin.get_submodule(path).register_forward_hook(
            lambda module, args, out, path=path: watch(path, module, args, out)
        )
    with torch.no_grad(), torch.device("meta"):
        twin(torch.empty(1, 3, image_size, image_size))
    return [path for path in leaves if path in found]


def _unstride(conv: nn.Conv2d) -> None:
    area = conv.kernel_size[0] * conv.kernel_size[1]
    if conv.kernel_size != (3, 3):
        shape = (*conv.weight.shape[:2], 3, 3)
        _renew(conv, "weight", shape, area / 9)
        if conv.bias is not None:
            _renew(conv, "bias", tuple(conv.bias.shape), area / 9)
    conv.kernel_size, conv.stride = (3, 3), (1, 1)
    rows, columns = conv.dilation
    conv.padding = (rows, columns)
    conv._reversed_padding_repeated_twice = [columns, columns, rows, rows]


# ----------------------------------------------------------------------------------------- width


class _Ends(TorchDispatchMode):
    """Follows one pass, to tell which parameters see the image's channels and which the classes'.

    Of each tensor it knows whether it comes of the image, whether a learned sum over channels lies
    between, and which parameters its channels belong to.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.model = model
        self.first: set[str] = set()  # parameters whose inputs are the image's channels
        self.untouched: set[str] = set()  # parameters that belong to the image's channels
        self.last: frozenset[str] = frozenset()  # parameters whose outputs are the classes
        self._alive: list[Tensor] = []  # so that no id is used twice
        self._known: dict[int, tuple[bool, bool, frozenset[str]]] = {}
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            self._note(tensor, False, False, frozenset({name}))

    def follow(self, image: Tensor) -> Tensor:
        """Run the model on ``image`` and return its output."""
        self._note(image, True, False, frozenset())
        with self:
            out = self.model(image)
        if not isinstance(out, Tensor):
            raise ValueError(f"it returns a {type(out).__name__}, not a tensor")
        self.last = self._known.get(id(out), (False, False, frozenset()))[2]
        return out

    def _note(self, tensor: Tensor, image: bool, mixed: bool, names: frozenset[str]) -> None:
        self._alive.append(tensor)
        self._known[id(tensor)] = image, mixed, names

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        flat = [b for a in args for b in (a if isinstance(a, list | tuple) else [a])]
        came = [self._known[id(a)] for a in flat if isinstance(a, Tensor) and id(a) in self._known]
        out = func(*args, **(kwargs or {}))
        data = [known for known in came if known[0]]
        learned = frozenset[str]().union(*(names for image, _, names in came if not image))
        names = frozenset[str]().union(*(names for _, _, names in came))
        mixed = any(known[1] for known in data)
        if data and func.overloadpacket in SUMS_OF_CHANNELS:
            if learned and not mixed:
                self.first |= learned
            mixed, names = True, learned or names
        elif data and not mixed:
            self.untouched |= learned
        for result in out if isinstance(out, tuple | list) else (out,):
            if isinstance(result, Tensor):
                self._note(result, bool(data), mixed, names)
        return out


SUMS_OF_CHANNELS = {
    torch.ops.aten.convolution,
    torch.ops.aten.addmm,
    torch.ops.aten.mm,
    torch.ops.aten.bmm,
    torch.ops.aten.baddbmm,
}


def _scale(model: nn.Module, width: float, ends: _Ends) -> nn.Module:
    done: dict[int, Tensor] = {}  # what several modules share stays shared
    kept = ends.untouched | ends.last

    def scaled(count: int) -> int:
        return count if count == 1 else max(1, round(count * width))

    for path, module in model.named_modules():
        prefix = f"{path}." if path else ""
        own = {f"{prefix}{name}" for name in (*module._parameters, *module._buffers)}
        handled: set[str] = set()
        if isinstance(module, nn.Linear | nn.modules.conv._ConvNd):
            weight = f"{prefix}weight"
            _scale_sum(module, path, scaled, weight in ends.first, weight in ends.last, done)
            handled = {"weight", "bias"}
        elif not own.isdisjoint(kept):
            pass
        elif isinstance(module, nn.modules.batchnorm._NormBase):
            module.num_features = scaled(module.num_features)
        elif isinstance(module, nn.GroupNorm):
            channels = scaled(module.num_channels)
            if module.num_groups == module.num_channels:
                module.num_groups = channels
            elif channels % module.num_groups:
                raise ValueError(
                    f"the {module.num_groups} groups of {path} do not divide {channels} channels"
                )
            module.num_channels = channels
        elif isinstance(module, nn.LayerNorm | nn.RMSNorm) and len(module.normalized_shape) == 1:
            module.normalized_shape = (scaled(module.normalized_shape[0]),)
        for name, tensor in [*module._parameters.items(), *module._buffers.items()]:
            if tensor is None or name in handled or f"{prefix}{name}" in kept:
                continue
            long = [axis for axis, length in enumerate(tensor.shape) if length > 1]
            if len(long) == 1:
                shape = [*tensor.shape]
                shape[long[0]] = scaled(shape[long[0]])
                _renew(module, name, shape, 1.0, done)
    return model


def _scale_sum(
    module: Any, path: str, scaled: Any, first: bool, last: bool, done: dict[int, Tensor]
) -> None:
    """Scale a linear layer or a convolution; ``first`` and ``last`` keep an end as it is."""
    if module._parameters.get("weight") is None:
        raise ValueError(f"the weight of {path} is computed from others")
    names = ("in_channels", "out_channels")
    if isinstance(module, nn.Linear):
        names = ("in_features", "out_features")
    inputs, outputs = (getattr(module, name) for name in names)
    fan_in = inputs // getattr(module, "groups", 1)
    new_inputs = inputs if first else scaled(inputs)
    new_outputs = outputs if last else scaled(outputs)
    shape = [*module.weight.shape]
    if isinstance(module, nn.Linear):
        groups, shape[:2] = 1, [new_outputs, new_inputs]
    else:
        groups = new_inputs if module.groups == inputs else module.groups
        if new_inputs % groups or new_outputs % groups:
            raise ValueError(
                f"the {groups} groups of {path} do not divide {new_inputs} and {new_outputs} "
                "channels"
            )
        shape[:2] = (
            [new_inputs, new_outputs // groups]
            if module.transposed
            else [new_outputs, new_inputs // groups]
        )
        module.groups = groups
    for name, count in zip(names, (new_inputs, new_outputs), strict=True):
        setattr(module, name, count)
    ratio = fan_in / (new_inputs // groups)
    _renew(module, "weight", shape, ratio, done)
    if module.bias is not None:
        _renew(module, "bias", (new_outputs,), ratio, done)


def _renew(
    module: nn.Module,
    name: str,
    shape: Sequence[int],
    ratio: float,
    done: dict[int, Tensor] | None = None,
) -> None:
    """Replace a parameter or buffer by one of ``shape`` that is distributed as it was.

    ``ratio`` is the old fan-in divided by the new one.
    """
    old = getattr(module, name)
    if tuple(old.shape) == tuple(shape) and ratio == 1:
        return
    done = {} if done is None else done
    new = done.get(id(old))
    if new is None:
        new = torch.empty(tuple(shape), dtype=old.dtype, device=old.device)
        _redraw(new, old.detach(), ratio**0.5)
        if isinstance(old, nn.Parameter):
            new = nn.Parameter(new, requires_grad=old.requires_grad)
        done[id(old)] = new
    setattr(module, name, new)


@torch.no_grad()
def _redraw(new: Tensor, old: Tensor, scale: float) -> None:
    if new.is_meta or not old.numel():
        return
    values = old.flatten()
    if bool((values == values[0]).all()):
        new.fill_(values[0])
        return
    for part in new.view(-1).split(1 << 20):  # so that the indices of a large layer fit
        part.copy_(values[torch.randint(len(values), part.shape, device=old.device)])
    new.mul_(scale)
