"""A user's own module in a search: in the spec, the study, the workers and the export."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from sqlalchemy.orm import Session

import foveate
from foveate import attention
from foveate.errors import BadValue
from foveate.search import databases, store
from foveate.search.export import export
from foveate.search.records import Study, Trial
from foveate.search.spec import Plugin, SearchSpec
from foveate.spaces import Module, Placement, SpaceSettings, build
from foveate.spaces.plugging import complete
from foveate.workers.data import Data, load

EXAMPLE = str(Path(foveate.__file__).parent / "examples" / "plugin.py")
DEFAULT = SpaceSettings().modules
DIM = '''
"""What a file may look like."""

from __future__ import annotations

import math, typing
from functools import lru_cache
import torch.nn.functional as F
from torch import nn
from foveate.attention import (
    Choice,
    register,
)

try:
    from math import cbrt
except ImportError:  # until Python 3.11
    cbrt = None


@lru_cache(maxsize=None)
def darkness(depth: int) -> Later:
    return math.exp(-depth)


@typing.final
@register("dim", attends="light", depth=Choice(0, 1, default=1))
@typing.no_type_check
class Dim(nn.Module):
    """Take a little light."""

    def __init__(self, channels, *, identity_init: bool = False, depth: int = 1):
        super().__init__()
        self.factor = nn.Parameter(torch_full(channels, 1 if identity_init else darkness(depth)))

    def forward(self, x):
        return F.relu(self.factor)[:, None, None] * x


if __name__ == "__main__":
    import foveate
    print(foveate)
'''.replace("torch_full(channels, ", "nn.init.constant_(nn.Linear(1, channels).bias.data, ")
INVERTS = """
from torch import nn
from foveate.attention import register

@register("inverts", attends="positions")
class Inverts(nn.Module):
    def __init__(self, channels, *, identity_init=False):
        super().__init__()

    def forward(self, x):
        return x @ (x.mT @ x).inverse()
"""
Forget = Callable[[], None]
pytestmark = pytest.mark.usefixtures("forget_plugins")


@pytest.fixture
def dim(tmp_path: Path) -> str:
    """The path of a plugin."""
    path = tmp_path / "dim.py"
    path.write_text(DIM)
    return str(path)


# --------------------------------------------------------------------------------------- the spec


def test_a_plugin_is_written_as_a_path_and_read_at_once(dim: str, forget_plugins: Forget) -> None:
    spec = SearchSpec.of({"plugins": [dim]})
    Path(dim).unlink()
    assert spec.plugins == (Plugin(path=dim, source=DIM),)
    forget_plugins()
    again = SearchSpec.of(json.loads(json.dumps(spec.to_dict())))
    assert again == spec and attention.entry("dim").source == DIM


def test_a_spec_with_a_plugin_may_be_written_as_yaml(dim: str, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(f"plugins: [{dim}]\nspace: {{modules: [dim, se]}}\n")
    spec = SearchSpec.read(str(tmp_path / "spec.yaml"))
    assert spec.space.modules == ("dim", "se")
    Path(dim).unlink()
    (tmp_path / "copy.yaml").write_text(yaml.safe_dump(spec.to_dict()))
    assert SearchSpec.read(str(tmp_path / "copy.yaml")) == spec


def test_paths_of_the_command_line_come_beside_those_of_the_spec(dim: str) -> None:
    spec = SearchSpec.read(None, [f"plugins=[{dim}]"], [EXAMPLE, dim])
    assert [plugin.path for plugin in spec.plugins] == [dim, EXAMPLE]
    assert spec == SearchSpec.read(None, [], [dim, EXAMPLE])


@pytest.mark.parametrize(
    "space", [{}, {"space": {"sites": ["layer1*"]}}, {"space": SpaceSettings(backbone="resnet14")}]
)
def test_a_space_without_modules_has_the_usual_ones_and_those_of_plugins(
    space: dict[str, Any],
) -> None:
    found = SearchSpec.of({"plugins": [EXAMPLE], **space}).space
    assert found.modules == tuple(sorted([*DEFAULT, "spread"]))
    assert SearchSpec.of(space).space.modules == DEFAULT


def test_all_are_those_of_plugins_too(dim: str) -> None:
    spec = SearchSpec.of({"plugins": [dim], "space": {"modules": ["all"]}})
    assert spec.space.modules == tuple(attention.names()) and "dim" in spec.space.modules


@pytest.mark.parametrize("preset", ["papers", "gates", "full"])
def test_presets_have_those_of_plugins_too(preset: str, dim: str) -> None:
    spec = SearchSpec.read(None, [f"space.preset={preset}"], [dim])
    assert {"dim", "cram"} <= {*spec.space.modules}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("plugins=no.py", "plugins: should be a valid tuple, got 'no.py'"),
        ("plugins=[no.py]", "cannot read the plugin 'no.py': No such file or directory"),
        ("plugins=[3]", "plugins.0: should be a valid dictionary or instance of Plugin, got 3"),
        ("plugins=[{path: a.py}]", "plugins.0.source is missing"),
        ("plugins=[{path: a.py, source: x = }]", "the plugin 'a.py' is no Python, line 1: inva"),
    ],
)
def test_a_plugin_that_is_none_is_one_sentence(change: str, sentence: str) -> None:
    for more in ([], [EXAMPLE]):
        with pytest.raises(BadValue) as caught:
            SearchSpec.read(None, [change], more)
        assert str(caught.value).startswith(sentence)


def test_a_search_takes_no_module_of_a_plugin_that_it_does_not_name(dim: str) -> None:
    SearchSpec.of({"plugins": [dim]})
    with pytest.raises(BadValue) as caught:
        SearchSpec.of({"space": {"modules": ["dim"]}})
    assert str(caught.value) == (
        f"space.modules names 'dim', which is in {dim!r}; "
        "a search takes it from there only if plugins names that file"
    )


def test_a_module_that_cannot_be_priced_is_told_before_anything_starts() -> None:
    plugin = {"path": "inverts.py", "source": INVERTS}
    spec = SearchSpec.of({"plugins": [plugin], "data": {"name": "digits"}})
    with pytest.raises(
        BadValue, match=r"^inverts cannot be priced: no rule counts the operations "
    ):
        spec.prepare()


# -------------------------------------------------------------------------------------- the study


def test_a_study_keeps_to_the_text_of_its_plugins(
    opened: Any, by_hand: Any, dim: str, tmp_path: Path, forget_plugins: Forget
) -> None:
    modules = "space.modules=[dim, se]"
    with opened(f"plugins=[{dim}]", modules, "trials=4") as first:
        by_hand.train_all(first)
    forget_plugins()
    moved = str(Path(dim).rename(tmp_path / "moved.py"))
    with opened(f"plugins=[{moved}]", modules, "trials=5") as again:
        assert len(by_hand.train_all(again)) == 1
    forget_plugins()
    Path(moved).write_text(DIM.replace("exp(-depth)", "exp(-2 * depth)"))
    with pytest.raises(BadValue) as caught:
        opened(f"plugins=[{moved}]", modules)
    assert re.fullmatch(
        rf"study 'tiny' was begun with plugins = \['{moved}' \(([0-9a-f]{{8}})\)\], "
        rf"got \['{moved}' \((?!\1)([0-9a-f]{{8}})\)\]; "
        "choose another name with --study, or leave the setting",
        str(caught.value),
    )
    forget_plugins()
    with pytest.raises(BadValue, match=r"^study 'tiny' was begun with plugins = .*, got \[\]; "):
        opened()


def test_a_study_is_opened_from_its_own_record(
    opened: Any, storage: str, dim: str, forget_plugins: Forget
) -> None:
    opened(f"plugins=[{dim}]", "space.modules=[dim]").close()
    Path(dim).unlink()
    forget_plugins()
    engine = databases.open_database(storage, read_only=True)
    with Session(engine) as session:
        spec = SearchSpec.of(store.find_study(session, "tiny").spec)
    engine.dispose()
    assert spec.space.modules == ("dim",) and attention.entry("dim").source == DIM


# ------------------------------------------------------------------------------------- the export

# run as `python -I -c`: without this package, and without the plugins' files
ELSEWHERE = """
import json, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("foveate", "safetensors", "ray", "optuna", "sqlalchemy"):
            raise ModuleNotFoundError(f"{name} is not here")

sys.meta_path.insert(0, Missing())
import torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
import model
with torch.no_grad():
    print(json.dumps(model.load()(model.preprocess(torch.load("images.pt"))).tolist()))
"""


def answers(folder: Path, images: torch.Tensor, cwd: Path) -> torch.Tensor:
    """What an exported model says of uint8 ``images``, in a process without this package."""
    torch.save(images, cwd / "images.pt")
    words = [sys.executable, "-I", "-c", ELSEWHERE, str(folder)]
    ran = subprocess.run(words, cwd=cwd, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return torch.tensor(json.loads(ran.stdout))


def test_an_exported_model_holds_its_plugins(
    study: Study, add: Callable[..., Trial], dim: str, tmp_path: Path, forget_plugins: Forget
) -> None:
    spec = SearchSpec.of({"plugins": [EXAMPLE, dim], "space": {"identity_init": False}})
    chosen = [Module("layer1.0.bn2", "spread"), Module("layer2.0.bn2", "dim")]
    chosen += [Module("layer2.0.conv1", "aw"), Module("layer3.0.bn2", "cram")]
    placement = complete(Placement.of("resnet8", chosen), 16)
    torch.manual_seed(0)
    model = build(placement, 10, image_size=16).eval()
    weights = tmp_path / "weights.safetensors"
    save_file({name: t.contiguous() for name, t in model.state_dict().items()}, weights)
    study.spec = spec.to_dict()
    trial = add(0.8, weights=str(weights))
    trial.placement = placement.spelling
    images = torch.randint(0, 256, (4, 3, 16, 16), dtype=torch.uint8)
    with torch.no_grad():
        expected = model((images / 255 - 0.2) / 0.3)

    Path(dim).unlink()
    forget_plugins()
    folder = export(study, trial, tmp_path / "out")
    logits = answers(folder, images, tmp_path)
    assert expected.std() > 1e-3
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)
    source = (folder / "model.py").read_text("utf-8")
    assert "@register" not in source and "foveate" not in source and "__main__" not in source
    assert "@typing.final\n@typing.no_type_check\nclass Dim" in source
    assert "@lru_cache(maxsize=None)\ndef darkness" in source
    card = (folder / "README.md").read_text("utf-8")
    assert "- `layer2.0.bn2`: dim(depth=1)\n" in card


# ------------------------------------------------------------------------------- a search with Ray

SEARCH = """
import os, sys
from pathlib import Path
from rich.console import Console
from foveate import SearchSpec
from foveate.search.run import run

if __name__ == "__main__":
    spec = SearchSpec.read("spec.yaml", [], ["spread.py"])
    os.rename("spread.py", "moved.txt")
    run(spec, "tiny", "sqlite:///foveate.db", Console(), Path("results"))
"""
SPEC = """
data: {name: digits}
space: {modules: [spread, se], sites: ["*.bn2"]}
recipe: {epochs: 2, batch: 64}
resources: {workers: 1}
trials: 4
"""


@pytest.mark.slow
def test_a_search_ships_a_plugin_to_its_workers_as_text(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC)
    (tmp_path / "spread.py").write_text(Path(EXAMPLE).read_text("utf-8"))
    ran = subprocess.run(
        [sys.executable, "-c", SEARCH], cwd=tmp_path, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert "Finished: 4 of 4 trials" in ran.stdout and not (tmp_path / "spread.py").exists()

    def foveate(*words: str) -> subprocess.CompletedProcess[str]:
        whole = [sys.executable, "-m", "foveate.cli", *words]
        return subprocess.run(whole, cwd=tmp_path, capture_output=True, text=True)

    storage = f"sqlite:///{tmp_path}/foveate.db"
    engine = databases.open_database(storage)
    with Session(engine) as session:
        study = store.find_study(session, "tiny")
        (tmp_path / "own.yaml").write_text(yaml.safe_dump(study.spec))
        (trial,) = [t for t in store.trials(session, study) if t.origin == "everywhere:spread"]
        assert trial.state == "complete" and trial.accuracy is not None
        number, placement, weights = trial.number, trial.placement, trial.weights or ""
    # another process goes on: from the study's own record, or from the file wherever it is now
    ran = foveate("search", "own.yaml", "--study", "tiny", "--trials", "5")
    assert "Finished: 5 of 5 trials" in ran.stdout, ran.stderr
    ran = foveate(
        "search", "spec.yaml", "--plugin", "moved.txt", "--study", "tiny", "--trials", "6"
    )
    assert "Finished: 6 of 6 trials" in ran.stdout, ran.stderr
    with Session(engine) as session:
        states = store.counts(session, store.find_study(session, "tiny"))
    engine.dispose()
    assert states["failed"] == 0 and states["complete"] + states["stopped"] == 6

    ran = foveate("export", "tiny", "--trial", str(number), "--out", "out")
    assert ran.returncode == 0, ran.stderr
    attention.plug_in(EXAMPLE, attention.read_plugin(EXAMPLE))
    images = load(Data(name="digits"))
    model = build(Placement.parse(placement), 10, image_size=images.size, identity_init=True)
    model.load_state_dict(load_file(weights))
    raw = images.test.images[:8]
    with torch.no_grad():
        expected = model.eval()(images.test.normalised(raw))
    torch.testing.assert_close(
        answers(tmp_path / "out", raw, tmp_path), expected, rtol=0, atol=1e-4
    )
