"""The user's own backbones: in modules, in files, and in files that came as text."""

import inspect
import linecache
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
import torch
from torch import nn

from foveate.errors import BadValue, UnknownName
from foveate.spaces import Placement, cost, networks, own
from foveate.spaces.networks import (
    add_backbones,
    backbone,
    canonical,
    own_source,
    read_backbone,
    sites,
    source_of,
)

NETS = dedent("""
    import torch
    from torch import nn

    def small(num_classes):
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(8, num_classes),
        )

    def by_place(k, /):
        return small(k)

    def by_other_word(*, width=1, classes):
        return small(classes)

    def by_any_word(**keywords):
        return small(**keywords)

    def with_a_head(bias=True):
        return small(3)

    class Network(nn.Module):
        def __init__(self, num_classes: int) -> None:
            super().__init__()
            self.body = small(num_classes)

        def forward(self, x):
            return self.body(x)

    def of_fixed_size(num_classes):
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 30 * 30, num_classes))

    def counts(num_classes):
        widths = torch.linspace(4, 8, 2).int().tolist()
        return nn.Sequential(
            nn.Conv2d(3, widths[1], 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(widths[1], num_classes),
        )

    def fails(num_classes):
        raise RuntimeError("no such thing\\nas this")

    def no_module(num_classes):
        return [small(num_classes)]

    def no_head():
        return nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def wrong_classes(num_classes):
        return small(num_classes + 1)

    def needs_more(depth, width):
        return small(depth)

    class Auxiliary(Network):
        def forward(self, x):
            y = self.body(x)
            return (y, y) if self.training else y

    number = 3
    _hidden = small
""")


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(own, "_TEXTS", {})
    monkeypatch.setattr(own, "_sound", set())
    networks.surveyed.cache_clear()
    modules = {*sys.modules}
    yield
    networks.surveyed.cache_clear()
    for name in {*sys.modules} - modules:
        if name.startswith("foveate_backbones_"):
            del sys.modules[name]


@pytest.fixture
def nets(tmp_path: Path) -> str:
    path = tmp_path / "nets.py"
    path.write_text(NETS, encoding="utf-8")
    return str(path)


WORK = ["small", "by_place", "by_other_word", "by_any_word", "with_a_head", "Network"]


@pytest.mark.parametrize("function", [*WORK, "of_fixed_size", "counts", "_hidden"])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_function_in_a_file_is_a_backbone(function: str, device: str, nets: str) -> None:
    name = canonical(f"{nets}:{function}")
    assert name == f"nets:{function}"
    assert source_of(name) == "own"
    with torch.device(device):
        model = backbone(name, 7)
        assert model(torch.empty(2, 3, 32, 32)).shape == (2, 7)
    assert {p.device.type for p in model.parameters()} == {device}


def test_a_file_travels_as_text(nets: str) -> None:
    name, path, text = read_backbone(f"{nets}:small@width=0.50")
    assert (name, path, text) == ("nets:small@width=0.50", nets, NETS)
    assert own_source("nets:small") is None
    Path(nets).unlink()
    add_backbones(path, text)
    assert own_source(name) == (path, text)
    assert canonical(name) == "nets:small@width=0.5"
    assert backbone(name, 5)[0].out_channels == 4


def test_the_name_of_a_file_can_be_used_as_it_is(nets: str) -> None:
    assert own_source(f"{nets}:small") == (nets, NETS)
    with torch.device("meta"):
        assert backbone(f"{nets}:small@width=2", 5)[0].out_channels == 16
    assert {site.path for site in sites("nets:small", 32)}
    assert own_source("resnet50") is None


def test_a_text_comes_before_a_module_of_that_name() -> None:
    add_backbones("json.py", NETS)
    assert isinstance(backbone("json:Network", 4), nn.Module)


def test_the_same_text_again_changes_nothing_and_another_is_refused() -> None:
    add_backbones("here/nets.py", NETS)
    before = own.text_of("nets:small")
    add_backbones("there/nets.py", NETS)
    assert own.text_of("nets:small") is before
    sentence = "^there are two files of backbones called 'nets', 'here/nets.py' and 'b/nets.py', an"
    with pytest.raises(BadValue, match=sentence):
        add_backbones("b/nets.py", NETS + "\n")


def test_its_source_and_its_tracebacks_are_at_hand_without_the_file() -> None:
    add_backbones("gone/nets.py", NETS)
    model = backbone("nets:Network", 5)
    assert "self.body = small(num_classes)" in inspect.getsource(type(model))
    linecache.checkcache()
    with pytest.raises(RuntimeError) as caught:
        model(torch.empty(2, 4, 8, 8))
    shown = "".join(traceback.format_exception(caught.value))
    assert "return self.body(x)" in shown


def test_what_takes_no_classes_gets_another_head(nets: str) -> None:
    torch.manual_seed(0)
    model = backbone(f"{nets}:with_a_head", 7)
    assert [*model[-1].weight.shape] == [7, 8]
    assert model.training


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        ("fails", "^backbone 'nets:fails' fails: RuntimeError: no such thing$"),
        ("no_module", "^backbone 'nets:no_module' returns a list, not an nn.Module$"),
        ("no_head", "^backbone 'nets:no_head' takes no number of classes, and its output is not "),
        (
            "wrong_classes",
            r"^backbone 'nets:wrong_classes' returns \(2, 8\) for 2 images and 7 classes, not ",
        ),
        ("needs_more", "^backbone 'nets:needs_more' needs depth and width; it has to take num_cla"),
        ("Auxiliary", "^backbone 'nets:Auxiliary' returns a tuple in training, not a tensor of lo"),
        ("number", "^backbone 'nets:number' is a int, not a function$"),
        ("smal", r"^no backbone in 'gone/nets.py' called 'smal'; did you mean 'small'\? there are"),
    ],
)
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_function_that_cannot_be_used_is_one_sentence(
    function: str, sentence: str, device: str
) -> None:
    add_backbones("gone/nets.py", NETS)
    with torch.device(device), pytest.raises((BadValue, UnknownName), match=sentence) as caught:
        backbone(f"nets:{function}", 7)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("def small(:", "^the file of backbones 'nets.py' is no Python, line 1: "),
        ("\n1 / 0", "^the file of backbones 'nets.py' fails, line 2: ZeroDivisionError: division "),
        ("from . import other", "^the file of backbones 'nets.py' fails, line 1: ImportError: "),
    ],
)
def test_a_file_that_fails_is_one_sentence_and_nothing_of_it_stays(
    text: str, sentence: str
) -> None:
    with pytest.raises(BadValue, match=sentence):
        add_backbones("nets.py", text)
    assert own.text_of("nets:small") is None
    add_backbones("nets.py", NETS)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("no/such/nets.py:small", "^cannot read the file of backbones 'no/such/nets.py': No such "),
        ("no/such/nets.py:", "^a backbone in a file is spelled path/to/nets.py:function, got "),
        ("no_such_module:small", "^backbone 'no_such_module:small': there is no module 'no_such_m"),
        ("torch.no_such:small", "^backbone 'torch.no_such:small': there is no module 'torch.no_su"),
        ("torch.nn:Linea", r"^no backbone in module 'torch.nn' called 'Linea'"),
    ],
)
def test_a_name_that_leads_nowhere_is_one_sentence(name: str, sentence: str) -> None:
    with pytest.raises((BadValue, UnknownName), match=sentence):
        canonical(name)


def test_a_module_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_networks.py").write_text(NETS, encoding="utf-8")
    (tmp_path / "my_broken.py").write_text("import no_such_module", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert backbone("my_networks:small", 5)[-1].out_features == 5
    assert own_source("my_networks:small") is None
    sentence = "^backbone 'my_broken:small': the import of 'my_broken' fails: No module named 'no_s"
    with pytest.raises(BadValue, match=sentence):
        backbone("my_broken:small", 5)
    del sys.modules["my_networks"]


def test_a_folder_may_have_an_at_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "a@b"
    folder.mkdir()
    (folder / "nets.py").write_text(NETS, encoding="utf-8")
    assert canonical(f"{folder}/nets.py:small") == "nets:small"
    assert canonical(f"{folder}/nets.py:small@width=0.5") == "nets:small@width=0.5"


def test_a_network_may_make_tensors_while_it_runs(tmp_path: Path) -> None:
    """Positions, for one; they are made on whatever device is the default."""
    path = tmp_path / "ramped.py"
    path.write_text(
        """
import torch
from torch import nn

class Unit(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x):
        return x + self.conv(x) * torch.linspace(0, 1, x.shape[-1])

def net(num_classes):
    body = nn.Conv2d(3, 4, 3), Unit(), Unit()
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, num_classes))
"""
    )
    name = canonical(f"{path}:net")
    assert [site.path for site in sites(name, 16) if "block" in site.kinds] == ["1", "2"]
    assert cost(Placement(name), 16, 5).parameters == 112 + 2 * 148 + 25
    assert cost(Placement(f"{name}@width=0.5"), 16, 5).parameters == 56 + 2 * 38 + 15
    with torch.no_grad():
        assert backbone(f"{name}@width=0.5", 5)(torch.randn(2, 3, 16, 16)).shape == (2, 5)
