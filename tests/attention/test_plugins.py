"""A user's own file: what it registers, what travels, and one sentence for each mistake."""

import inspect
import linecache
import sys
from importlib import resources
from pathlib import Path
from string import Template
from textwrap import dedent

import pytest
import torch
from torch.testing import assert_close

import foveate
from foveate import attention
from foveate.attention import plug_in, read_plugin
from foveate.attention._plugins import EXPORTED, meanings
from foveate.errors import BadValue
from foveate.search import export
from foveate.spaces import cifar, plugging, preact

EXAMPLE = Path(foveate.__file__).parent / "examples" / "plugin.py"
MINE = """
from torch import Tensor, nn
from foveate.attention import Choice, register

@register("mine", attends="light", light=Choice(1, 2, default=1))
class Mine(nn.Module):
    \"\"\"Add a little light.\"\"\"

    def __init__(self, channels: int, *, identity_init: bool = False, light: int = 1) -> None:
        super().__init__()
        self.light = 0 if identity_init else light

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4:
            raise ValueError("no maps")
        return x + self.light
"""


pytestmark = pytest.mark.usefixtures("forget_plugins")


def homes() -> list[str]:
    return [name for name in sys.modules if name.startswith("foveate_plugin_")]


def test_a_plugin_registers_as_the_built_in_modules_do() -> None:
    assert plug_in("no/such/mine.py", MINE) == ("mine",)
    entry = attention.entry("mine")
    assert entry.summary == "Add a little light."
    assert (entry.home, entry.is_builtin) == ("'no/such/mine.py'", False)
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(entry.build(3, (4, 4), light=2)(x), x + 2)
    assert "mine" in attention.names()


def test_the_same_text_again_changes_nothing() -> None:
    plug_in("mine.py", MINE)
    before, entry = homes(), attention.entry("mine")
    assert plug_in("elsewhere/mine.py", MINE) == ("mine",)
    assert (homes(), attention.entry("mine")) == (before, entry)


def test_a_file_may_register_several() -> None:
    second = MINE[MINE.index("@register") :].replace('"mine"', '"also"').replace("Mine", "Also")
    assert plug_in("mine.py", MINE + second) == ("also", "mine")


def test_the_source_of_a_module_is_at_hand_without_its_file() -> None:
    plug_in("mine.py", MINE)
    plug_in("mine.py", MINE.replace('"mine"', '"other"').replace("Mine", "Other"))
    assert attention.entry("mine").source == MINE
    assert "class Other" in attention.entry("other").source
    built_in = Path(attention.__file__).with_name("se.py").read_text("utf-8")
    assert attention.entry("se").source == built_in


def test_tracebacks_and_inspect_show_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    plug_in(str(path), MINE)
    path.write_text("# written over\n" * 40)
    linecache.checkcache()
    assert inspect.getsource(attention.entry("mine").cls).startswith("@register(")
    with pytest.raises(ValueError, match="no maps") as raised:
        attention.entry("mine").build(3, (4, 4))(torch.zeros(1))
    last = raised.traceback[-1]
    assert (str(last.path), last.lineno + 1) == (str(path), 15)
    assert linecache.getline(str(path), 15) == '            raise ValueError("no maps")\n'


# --------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("x = 1\ny = (\n", " is no Python, line 2: '(' was never closed"),
        ("return 3", " is no Python, line 1: 'return' outside function"),
        ("x = 1\n\nx / 0\n", " fails, line 3: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit('done\\nfor')", " fails, line 2: SystemExit: done"),
        ("def f():\n    raise KeyError\nf()", " fails, line 2: KeyError"),
        ("", ' registers no module; @register("NAME", attends="...") stands above a class'),
        ("from foveate.attention import register", " registers no module; "),
        (
            MINE.replace('"mine"', '"se"'),
            " fails, line 5: attention 'se' is already registered, "
            "by SqueezeExcitation in foveate.attention.se",
        ),
        (
            MINE.replace(", light=Choice(1, 2, default=1)", ", hue=Choice(1, 2, default=1)"),
            " fails, line 5: ValueError: Mine must take hue=1",
        ),
        (
            MINE.replace("identity_init", "quiet"),
            " fails, line 5: ValueError: Mine must take identity_init=False",
        ),
        ("from .helpers import f", ", line 1: imports .helpers; a plugin stands alone"),
        ("def f():\n    from .. import g", ", line 2: imports ..; a plugin stands alone"),
        (
            "import math\nimport einops.layers as e",
            ", line 2: imports einops; a plugin needs torch, torchvision and the standard library "
            "only, as an exported model does",
        ),
        ("from numpy import sqrt", ", line 1: imports numpy; a plugin needs torch, "),
        ("from torch import *", ", line 1: imports * of torch; name what is needed"),
        (
            "import foveate",
            ", line 1: of foveate it takes `from foveate.attention import Choice, register` only: "
            "an exported model does without foveate",
        ),
        ("from foveate.spaces import sites", ", line 1: of foveate it takes `from fov"),
        ("from foveate.attention import Entry", ", line 1: of foveate it takes `from fov"),
        ("from foveate.attention import register as r", ", line 1: of foveate it takes "),
        ("try:\n    from foveate.attention import register\nfinally: 0", ", line 2: of foveate "),
        (
            "from foveate.attention import Choice\nLIGHT = Choice(1, default=1)",
            ", line 2: 'Choice' belongs above a class at the top of the file: "
            "an exported model does without foveate",
        ),
        (
            "class Rectangle: ...",
            ": 'Rectangle' is defined here and defined in foveate.attention.cram; "
            "an exported model.py holds both, so call it something else",
        ),
        (
            "from torch import log2",
            ": 'log2' is torch.log2 here and math.log2 in foveate.attention.eca; an exported ",
        ),
        ("def load(): ...", ": 'load' is defined here and defined in every exported model; "),
        ("if True:\n    MEAN, x = 1, 2", ": 'MEAN' is defined here and defined in every "),
        ("nn = 3", ": 'nn' is defined here and torch.nn in every exported model; "),
        ("import os as json", ": 'json' is os here and json in every exported model; "),
    ],
)
def test_a_mistake_is_one_sentence_and_nothing_of_it_stays(source: str, sentence: str) -> None:
    names, modules = attention.names(), homes()
    with pytest.raises(BadValue) as caught:
        plug_in("my/mine.py", dedent(source))
    assert str(caught.value).startswith(f"the plugin 'my/mine.py'{sentence}")
    assert "\n" not in str(caught.value)
    assert (attention.names(), homes()) == (names, modules)


def test_a_file_that_fails_half_way_leaves_nothing() -> None:
    with pytest.raises(BadValue, match=r"^the plugin 'mine.py' fails, line 18: RuntimeError: no$"):
        plug_in("mine.py", MINE + "\nraise RuntimeError('no')")
    assert "mine" not in attention.names() and homes() == []
    assert "mine.py" not in linecache.cache
    assert plug_in("mine.py", MINE) == ("mine",)


def test_a_name_of_another_plugin_is_taken() -> None:
    plug_in("first.py", MINE)
    with pytest.raises(BadValue) as caught:
        plug_in("second.py", MINE.replace("class Mine", "class Other"))
    assert str(caught.value) == (
        "the plugin 'second.py' fails, line 5: "
        "attention 'mine' is already registered, by Mine in 'first.py'"
    )
    assert attention.entry("mine").cls.__name__ == "Mine"


def test_a_definition_of_another_plugin_is_taken() -> None:
    plug_in("first.py", MINE)
    with pytest.raises(BadValue) as caught:
        plug_in("second.py", MINE.replace('"mine"', '"other"'))
    assert str(caught.value) == (
        "the plugin 'second.py': 'Mine' is defined here and defined in 'first.py'; "
        "an exported model.py holds both, so call it something else"
    )


def test_a_class_of_another_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in("first.py", MINE)
    elsewhere = attention.entry("mine").cls
    monkeypatch.setattr("torch.hub.Elsewhere", elsewhere, raising=False)
    source = """
    from torch import hub
    from foveate.attention import register

    def replaced(cls):
        return hub.Elsewhere

    @register("other", attends="nothing")
    @replaced
    class Other: ...
    """
    with pytest.raises(BadValue) as caught:
        plug_in("second.py", dedent(source))
    assert str(caught.value) == (
        f"the plugin 'second.py' registers 'other', a class of {elsewhere.__module__}; "
        "it has to be defined in the file, which an exported model holds"
    )
    assert "other" not in attention.names()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot read the plugin {path!r}: No such file or directory"),
        (b"x = '\xff\xfe'\n", "the plugin {path!r} is no text in UTF-8"),
        (b"# coding: klingon\n", "the plugin {path!r} is no text in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    content: bytes | None, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.py"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadValue) as caught:
        read_plugin(str(path))
    assert str(caught.value) == sentence.format(path=str(path))


def test_a_text_is_the_same_on_every_machine(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_bytes(b"\xef\xbb\xbf" + MINE.replace("\n", "\r\n").encode())
    assert read_plugin(str(path)) == MINE


def test_what_runs_as_a_program_may_use_what_it_likes() -> None:
    program = "\nif __name__ == '__main__':\n    import numpy, foveate\n    build = register\n"
    assert plug_in("mine.py", MINE + program) == ("mine",)


# ----------------------------------------------------------------------- what an export holds


def test_the_names_of_an_exported_model_are_known() -> None:
    text = resources.files("foveate.search").joinpath("model.py.template").read_text("utf-8")
    given = {"title": "", "drawing": "", "imports": "", "classes": "[]", "size": 8, "mean": (1,)}
    given |= {"std": (1,), "modules": "", "needs": "", "building": "    model = None"}
    defined = meanings(Template(text).substitute(given))
    for file in (cifar, preact):
        defined |= meanings(inspect.getsource(file))
    for function in (plugging.attach, plugging._gated, plugging._resized, export._beside):
        defined |= meanings(inspect.getsource(function))
    source = inspect.getsource(export)
    imported = {name: what for name, what in EXPORTED.items() if what != "defined"}
    assert defined | imported == EXPORTED
    assert all(name in source for name in imported)


@pytest.mark.parametrize("name", attention.names())
def test_a_built_in_module_keeps_to_what_a_plugin_has_to_keep(name: str) -> None:
    mine = meanings(attention.entry(name).source)
    clashes = [n for n in mine.keys() & EXPORTED.keys() if mine[n] != EXPORTED[n]]
    assert clashes == []


# ------------------------------------------------------------------------------------ the example


@pytest.fixture
def spread() -> attention.Entry:
    (name,) = plug_in(str(EXAMPLE), read_plugin(str(EXAMPLE)))
    return attention.entry(name)


@pytest.mark.parametrize("weights", ["channel", "shared"])
def test_the_example_agrees_with_its_formula(spread: attention.Entry, weights: str) -> None:
    module = spread.build(4, (5, 3), weights=weights).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += torch.randn_like(parameter)
    x = torch.randn(2, 4, 5, 3, dtype=torch.float64)
    deviation = (x.flatten(2).var(2, correction=0) + 1e-5) ** 0.5
    logits = module.get_parameter("scale") * deviation + module.get_parameter("shift")
    expected = torch.einsum("nchw,nc->nchw", x, 1 / (1 + torch.exp(-logits)))
    assert_close(module(x), expected)


@pytest.mark.parametrize(("weights", "own"), [("channel", 128), ("shared", 2)])
def test_the_example_starts_and_costs_as_it_says(
    spread: attention.Entry, weights: str, own: int
) -> None:
    x = torch.randn(2, 64, 1, 1)
    module = spread.build(64, (1, 1), identity_init=True, weights=weights)
    assert_close(module(x), x, atol=1e-5, rtol=0)
    assert sum(parameter.numel() for parameter in module.parameters()) == own
    x = torch.randn(2, 64, 3, 3)
    (module(x) * torch.randn_like(x)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())


def test_the_example_says_what_a_built_in_module_says(spread: attention.Entry) -> None:
    assert all(f"\n{heading}\n" in spread.documentation for heading in ("Shapes", "Cost"))
