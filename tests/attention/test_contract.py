"""What every attention module promises, run over the whole registry."""

import ast
import copy
import pickle
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from foveate import attention
from foveate.errors import BadValue, UnknownName
from foveate.spaces import cifar

Make = Callable[..., nn.Module]
Stir = Callable[[nn.Module], nn.Module]

SIZES = [(1, 1), (1, 7), (2, 2), (7, 7), (8, 5), (56, 56)]
CHANNELS = [1, 3, 16, 64, 96, 512]
GATES = [name for name in attention.names() if attention.entry(name).kind == "gate"]
WEIGHTS = [name for name in attention.names() if attention.entry(name).kind == "weight"]
CONVOLUTIONS: dict[str, dict[str, Any]] = {
    "plain": {"padding": 1, "bias": False},
    "bias": {"padding": 1},
    "no padding": {},
    "same padding": {"padding": "same"},
    "stride 2": {"padding": 1, "stride": 2},
    "4 groups": {"padding": 1, "groups": 4},
    "depth-wise": {"padding": 1, "groups": 8},
    "dilation 2": {"padding": 2, "dilation": 2},
    "circular": {"padding": 1, "padding_mode": "circular"},
    "reflected, stride 2": {"padding": 1, "padding_mode": "reflect", "stride": 2},
    "1 x 3": {"kernel_size": (1, 3), "padding": (0, 1)},
    "5 x 5, wider": {"kernel_size": 5, "padding": 2, "out_channels": 12},
}
# after the first step they learn too: the last layer of this head starts at zero
STARTS_SILENT = {
    "cram": {f"head.{n}.{p}" for n in ("project", "norm") for p in ("weight", "bias")},
    "gc": {f"{n}.{p}" for n in ("score", "squeeze", "norm") for p in ("weight", "bias")},
    "gct": {"alpha"},
    "nonlocal": {f"{n}.{p}" for n in ("theta", "phi", "g", "out") for p in ("weight", "bias")},
    "sa": {"norm_weight", "norm_bias"},
    "srm": {"norm.weight"},
}
# a softmax does not see what is added to all that it compares
NEVER_MATTERS = {"head.score.bias", "score.bias", "phi.bias"}


def tried(module: nn.Module, x: Tensor) -> Tensor:
    """The output, after a backward pass of all that training would add up."""
    y = module(x)
    weights = torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view_as(y)
    loss = (y * weights).sum()
    extra = getattr(module, "extra_loss", None)
    if loss.requires_grad:  # some modules have no parameters
        (loss if extra is None else loss + extra).backward()
    return y


def gradients(module: nn.Module) -> dict[str, Tensor]:
    found = {name: p.grad for name, p in module.named_parameters()}
    without = [name for name, gradient in found.items() if gradient is None]
    assert not without, f"no gradient reaches {without}"
    return {name: gradient for name, gradient in found.items() if gradient is not None}


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("channels", CHANNELS)
def test_keeps_the_shape_and_stays_finite(
    new: Make, entry: attention.Entry, channels: int, size: tuple[int, int]
) -> None:
    if reason := entry.requires(channels, size):
        assert reason.startswith(f"{entry.name} needs ") and f"{channels} channels" in reason
        return
    module = new(entry.name, channels, size)
    x = torch.randn(2, channels, *size, requires_grad=True)
    y = tried(module, x)
    assert y.shape == x.shape
    assert y.dtype == x.dtype
    assert y.isfinite().all()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert all(gradient.isfinite().all() for gradient in gradients(module).values())


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_takes_a_single_image_in_evaluation(
    new: Make, entry: attention.Entry, size: tuple[int, int]
) -> None:
    y = new(entry.name, 6, size).eval()(torch.randn(1, 6, *size))
    assert y.shape == (1, 6, *size)
    assert y.isfinite().all()


def test_every_combination_of_hyper_parameters_works(
    new: Make, combination: tuple[str, dict[str, Any]]
) -> None:
    name, chosen = combination
    module, x = new(name, 6, **chosen), torch.randn(2, 6, 6, 5)
    y = tried(module, x)
    assert y.shape == x.shape
    assert y.isfinite().all()
    assert all(gradient.isfinite().all() for gradient in gradients(module).values())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_takes_other_number_types(make: Make, dtype: torch.dtype) -> None:
    module = make().to(dtype)
    y = tried(module, torch.randn(2, 8, 6, 5, dtype=dtype))
    assert y.dtype == dtype
    assert y.isfinite().all()
    assert all(gradient.isfinite().all() for gradient in gradients(module).values())


@pytest.mark.parametrize("identity_init", [False, True])
def test_stays_finite_under_autocast(make: Make, identity_init: bool) -> None:
    module = make(identity_init=identity_init)
    with torch.autocast("cpu", torch.bfloat16):
        y = tried(module, torch.randn(2, 8, 6, 5))
    assert y.isfinite().all()
    assert all(gradient.isfinite().all() for gradient in gradients(module).values())


@pytest.mark.parametrize("identity_init", [False, True])
def test_keeps_the_number_type_under_autocast(
    make: Make, entry_of: str, identity_init: bool
) -> None:
    """A convolution before it gives bfloat16, and what follows expects that."""
    module, is_gate = make(identity_init=identity_init), attention.entry(entry_of).kind == "gate"
    for dtype in (torch.bfloat16, torch.float32):
        with torch.autocast("cpu", torch.bfloat16):
            y = module(torch.randn(2, 8, 6, 5, dtype=dtype))
        assert y.dtype == (dtype if is_gate else torch.bfloat16)


def test_every_parameter_learns_from_the_first_step(new: Make, entry: attention.Entry) -> None:
    module = new(entry.name, 64, (7, 7))
    tried(module, torch.randn(4, 64, 7, 7))
    silent = {name for name, gradient in gradients(module).items() if not gradient.any()}
    assert silent == STARTS_SILENT.get(entry.name, set())


def test_every_parameter_matters(make: Make, stir: Stir) -> None:
    module = stir(make(128)).eval()
    tried(module, torch.randn(16, 128, 6, 5))
    size = {name: float(g.abs().max()) for name, g in gradients(module).items()}
    assert {name for name, largest in size.items() if largest < 1e-6} <= NEVER_MATTERS


def test_treats_each_image_alone(make: Make, stir: Stir) -> None:
    module, x = stir(make()).eval(), torch.randn(3, 8, 6, 5)
    assert_close(module(x)[1:2], module(x[1:2]), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_a_new_one_with_identity_init_changes_nothing(
    new: Make, variant: tuple[str, dict[str, Any]], training: bool
) -> None:
    name, chosen = variant
    entry, x = attention.entry(name), torch.randn(3, 8, 6, 5)
    if entry.kind == "gate":
        module, expected = new(name, identity_init=True, **chosen), x
    else:
        conv = nn.Conv2d(8, 8, 3, padding=1)
        module, expected = entry.wrap(conv, (6, 5), identity_init=True, **chosen), conv(x)
    assert_close(module.train(training)(x), expected, atol=1e-5, rtol=0)


def test_a_new_one_with_identity_init_can_learn(make: Make) -> None:
    module = make(identity_init=True)
    host = {
        id(parameter) for parameter in (getattr(module, "weight", None),) if parameter is not None
    }
    tried(module, torch.randn(4, 8, 6, 5))
    own = [p for p in module.parameters() if id(p) not in host]
    assert any(p.grad is not None and p.grad.abs().max() > 1e-6 for p in own)


def test_its_state_is_its_state_dict(make: Make, stir: Stir) -> None:
    trained, loaded, x = stir(make()), make(), torch.randn(2, 8, 6, 5)
    loaded.load_state_dict(trained.state_dict(), strict=True)
    assert torch.equal(loaded.eval()(x), trained.eval()(x))


@pytest.mark.parametrize("trained", [False, True], ids=["new", "after a training step"])
@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))],
    ids=["deepcopy", "pickle"],
)
def test_a_copy_does_the_same(
    make: Make, copied: Callable[[nn.Module], nn.Module], trained: bool
) -> None:
    module, x = make(), torch.randn(2, 8, 6, 5)
    if trained:
        tried(module, x)
    twin = copied(module)
    assert torch.equal(twin.eval()(x), module.eval()(x))
    assert not {id(p) for p in twin.parameters()} & {id(p) for p in module.parameters()}


class Copies(TorchDispatchMode):
    """Counts how often as much as a whole map is copied."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size, self.found = size, []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        aten = torch.ops.aten
        copying = (aten.clone, aten.copy_, aten._to_copy, aten.cat, aten.stack, aten.repeat)
        if func.overloadpacket in copying and out.numel() >= self.size:
            self.found.append(str(func))
        return out


COPIES = {"sa": 1}  # the shuffle moves every channel: that is no hidden copy


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format], ids=str)
def test_keeps_the_layout_without_a_copy(make: Make, entry_of: str, layout: Any) -> None:
    module = make(64, (14, 14), identity_init=False).to(memory_format=layout)
    x = torch.randn(2, 64, 14, 14).to(memory_format=layout)
    with Copies(x.numel()) as copies:
        y = module(x)
    assert y.is_contiguous(memory_format=layout)
    if attention.entry(entry_of).kind == "gate":
        assert len(copies.found) <= COPIES.get(entry_of, 0), copies.found
    back = x.clone().requires_grad_()
    module(back).sum().backward()
    assert back.grad is not None and back.grad.is_contiguous(memory_format=layout)


def test_keeps_its_function_in_channels_last(make: Make, stir: Stir) -> None:
    module, x = stir(make()).eval(), torch.randn(2, 8, 6, 5)
    other = copy.deepcopy(module).to(memory_format=torch.channels_last)
    y = other(x.to(memory_format=torch.channels_last))
    assert_close(y, module(x), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("identity_init", [True, False])
@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_takes_the_place_of_a_convolution_or_says_of_which(
    variant: tuple[str, dict[str, Any]], kind: str, identity_init: bool
) -> None:
    name, chosen = variant
    entry = attention.entry(name)
    if entry.kind == "gate":
        return
    settings = {"in_channels": 8, "out_channels": 8, "kernel_size": 3} | CONVOLUTIONS[kind]
    conv, x = nn.Conv2d(**settings), torch.randn(3, 8, 7, 6, requires_grad=True)
    if reason := entry.requires(8, (7, 6), conv):
        assert entry.kind == "mixer", "a weight attention takes any convolution"
        assert reason.startswith(f"{name} takes the place of a ")
        with pytest.raises(BadValue, match=f"^{re.escape(reason)}$"):
            entry.wrap(conv, (7, 6))
        return
    wrapped = entry.wrap(conv, (7, 6), identity_init=identity_init, **chosen)
    y, bare = tried(wrapped, x), conv(x)
    assert y.shape == bare.shape
    assert y.isfinite().all()
    assert gradients(wrapped)
    assert torch.allclose(y, bare, atol=1e-5, rtol=0) is identity_init
    assert torch.allclose(wrapped.eval()(x), bare, atol=1e-5, rtol=0) is identity_init


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_weight_attention_keeps_the_very_parameters(name: str) -> None:
    conv = nn.Conv2d(8, 8, 3)
    wrapped = attention.entry(name).wrap(conv, (7, 7))
    assert isinstance(wrapped, nn.Conv2d)
    assert wrapped.weight is conv.weight
    assert wrapped.bias is conv.bias
    assert wrapped.state_dict().keys() > conv.state_dict().keys()


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_weight_attention_follows_its_convolution(name: str) -> None:
    conv = nn.Conv2d(8, 8, 3, dtype=torch.float64)
    wrapped = attention.entry(name).wrap(conv, (7, 7))
    assert {p.dtype for p in wrapped.parameters()} == {torch.float64}
    assert wrapped(torch.randn(2, 8, 7, 7).double()).dtype == torch.float64


def test_an_unknown_hyper_parameter_is_a_sentence(entry: attention.Entry) -> None:
    with pytest.raises(UnknownName, match=rf"^no hyper-parameter of '{entry.name}' called 'hue'; "):
        entry.complete({"hue": 3})


def test_a_misspelt_hyper_parameter_is_answered_with_what_was_meant(entry: attention.Entry) -> None:
    for name, choice in entry.hyperparameters.items():
        typo = f"{name[:-1]}"
        with pytest.raises(UnknownName) as raised:
            entry.complete({typo: choice.default})
        assert f"called {typo!r}; did you mean {name!r}? there are: " in str(raised.value)


def test_a_wrong_value_is_answered_with_those_that_work(entry: attention.Entry) -> None:
    for name, choice in entry.hyperparameters.items():
        for wrong in (-1, "wrong", None, True):
            with pytest.raises(BadValue) as raised:
                entry.complete({name: wrong})
            sentence = str(raised.value)
            assert sentence.startswith(f"{entry.name}: {name} may be ")
            assert sentence.endswith(f", got {wrong!r}")
            assert all(repr(value) in sentence for value in choice.values)


def test_what_is_left_open_takes_its_default(entry: attention.Entry) -> None:
    defaults = {name: choice.default for name, choice in entry.hyperparameters.items()}
    completed = entry.complete({})
    assert completed == defaults
    assert list(completed) == sorted(completed)
    assert entry.complete(completed) == completed


@pytest.mark.parametrize(("channels", "size"), [(0, (7, 7)), (8, (0, 7)), (8, (7, 0))])
def test_what_cannot_be_built_is_refused_by_name(
    entry: attention.Entry, channels: int, size: tuple[int, int]
) -> None:
    reason = f"{entry.name} needs at least 1 channel and 1 pixel, got {channels} of {size}"
    assert entry.requires(8, (1, 1)) is None
    assert entry.requires(channels, size) == reason
    if channels:
        built = entry.build if entry.kind == "gate" else entry.wrap
        of: Any = channels if entry.kind == "gate" else nn.Conv2d(channels, 8, 3)
        with pytest.raises(BadValue, match=f"^{re.escape(reason)}$"):
            built(of, size)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"channels": "64"}, "channels must be a whole number, got '64'"),
        ({"channels": 64.0}, "channels must be a whole number, got 64.0"),
        ({"channels": True}, "channels must be a whole number, got True"),
        ({"size": 7}, r"size is \(height, width\) in pixels, got 7"),
        ({"size": (7, 7, 7)}, r"size is \(height, width\) in pixels, got \(7, 7, 7\)"),
        ({"size": (7, 3.5)}, r"size is \(height, width\) in pixels, got \(7, 3.5\)"),
        ({"identity_init": 1}, "identity_init may be False or True, got 1"),
    ],
    ids=str,
)
def test_arguments_of_a_wrong_type_are_a_sentence(
    entry: attention.Entry, given: dict[str, Any], sentence: str
) -> None:
    arguments: dict[str, Any] = {"channels": 8, "size": (7, 7)} | given
    if entry.kind != "gate":
        if isinstance(given.get("channels"), int | str | float):
            arguments["channels"], sentence = nn.Linear(8, 8), "takes the place of an nn.Conv2d"
        conv = arguments.pop("channels")
        arguments["conv"] = nn.Conv2d(8, 8, 3, padding=1) if conv == 8 else conv
    built = entry.build if entry.kind == "gate" else entry.wrap
    with pytest.raises(BadValue, match=f"^{entry.name}:? {sentence}"):
        built(**arguments)


def test_a_gate_wraps_nothing_and_what_replaces_a_convolution_stands_nowhere(
    entry: attention.Entry,
) -> None:
    if entry.kind == "gate":
        with pytest.raises(BadValue, match=f"^{entry.name} stands behind a module: use build"):
            entry.wrap(nn.Conv2d(8, 8, 3), (7, 7))
    else:
        with pytest.raises(BadValue, match=f"^{entry.name} replaces a convolution: use wrap"):
            entry.build(8, (7, 7))


def test_says_what_it_computes_and_what_it_costs(entry: attention.Entry) -> None:
    text = entry.cls.__doc__ or ""
    assert entry.summary.endswith(".")
    assert entry.paper.startswith("https://")
    assert entry.sites and entry.attends
    assert all(f"\n    {heading}\n" in text for heading in ("Shapes", "Cost"))


def test_several_files_fit_into_one_module() -> None:
    """An exported model inlines the files of its modules one after the other."""
    files = [f for f in Path(attention.__file__).parent.glob("*.py") if not f.name.startswith("_")]
    files.append(Path(cifar.__file__))  # a backbone of ours is inlined too
    defined, imported = defaultdict(set), defaultdict(set)
    for file in files:
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            match node:
                case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                    defined[name].add(file.name)
                case ast.Assign(targets=targets):
                    for name in ast.walk(ast.Tuple(targets)):
                        if isinstance(name, ast.Name):
                            defined[name.id].add(file.name)
                case ast.AnnAssign(target=ast.Name(id=name)):
                    defined[name].add(file.name)
                case ast.Import(names=aliases):
                    for alias in aliases:
                        imported[alias.asname or alias.name].add(alias.name)
                case ast.ImportFrom(names=aliases, module=source):
                    for alias in aliases:
                        imported[alias.asname or alias.name].add(f"{source}.{alias.name}")
    assert {name: where for name, where in defined.items() if len(where) > 1} == {}
    assert {name: what for name, what in imported.items() if len(what) > 1} == {}
    assert defined.keys().isdisjoint(imported)
