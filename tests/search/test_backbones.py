"""Backbones of the user's own in a spec and in a search; several of them, widths and sizes."""

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file
from sqlalchemy.orm import Session

from foveate.errors import BadValue, UnknownName
from foveate.search import databases, store
from foveate.search.spec import SearchSpec
from foveate.spaces import Placement, backbone

NETS = """
import torch
from torch import nn

class Unit(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x):
        return torch.relu(x + self.norm(self.conv(x)))

def mine(num_classes, width=8):
    body = nn.Conv2d(3, width, 3), nn.ReLU(), Unit(width), nn.MaxPool2d(2), Unit(width)
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes)
    return nn.Sequential(*body, *head)
"""


@pytest.fixture
def nets(tmp_path: Path) -> str:
    """A file of backbones, of a name that no other test has."""
    path = tmp_path / f"nets_{abs(hash(tmp_path))}.py"
    path.write_text(NETS)
    return str(path)


def test_a_spec_holds_the_text_of_its_backbones(nets: str) -> None:
    spec = SearchSpec.read(None, [f"space.backbone={nets}:mine"])
    name = f"{Path(nets).stem}:mine"
    assert spec.space.backbone == name
    assert [(file.path, file.source) for file in spec.backbone_files] == [(nets, NETS)]
    assert name in spec.default_name or spec.default_name.endswith("mine")
    Path(nets).unlink()
    again = SearchSpec.of(json.loads(json.dumps(spec.to_dict())))
    assert again == spec and not again.differences(spec.to_dict())


def test_another_text_is_another_study(nets: str) -> None:
    spec = SearchSpec.read(None, [f"space.backbone={nets}:mine"])
    stored = spec.to_dict()
    stored["backbone_files"][0]["source"] += "\n# changed\n"
    assert [setting for setting, _, _ in spec.differences(stored)] == ["backbone_files"]


def test_a_spec_names_backbones_widths_and_sizes() -> None:
    spec = SearchSpec.read(
        None,
        ["space.backbone=resnet8@width=1.0", "space.backbones=[resnet14]", "space.widths=[1, 2]"],
    )
    assert spec.space.backbone == "resnet8" and spec.space.widths == (1.0, 2.0)
    assert not spec.backbone_files


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ("space.backbone=none.py:mine", BadValue, "cannot read the file of backbones 'none.py': "),
        ("space.backbone=no.such:mine", BadValue, "backbone 'no.such:mine': there is no module "),
        ("space.backbone=resnet8@wide=2", UnknownName, "no option of a backbone 'wide'; did you "),
        ("space.backbones=[resnet9]", UnknownName, "no backbone 'resnet9'; did you mean 'resnet"),
        ("space.preset=everything", BadValue, "space.preset may be 'ean', 'papers', 'gates'"),
        ("space.granularity=site", BadValue, "space.granularity may be 'block', 'stage' or 'net"),
        ("space.kinds=[branches]", BadValue, "a kind of site is stem, conv, branch, block, stag"),
        ("space.widths=[0]", BadValue, "a width or a size is greater than 0, got 0"),
        ("space.most=0", BadValue, "space.most: should be greater than or equal to 1, got 0"),
    ],
)
def test_a_mistake_is_one_sentence(change: str, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error) as caught:
        SearchSpec.read(None, [change])
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------------- searches with Ray

SEARCH = """
    import os
    from pathlib import Path
    from rich.console import Console
    from foveate import SearchSpec
    from foveate.search.run import run

    if __name__ == "__main__":
        spec = SearchSpec.read("spec.yaml")
        if os.path.exists("nets.py"):
            os.rename("nets.py", "moved.txt")
        run(spec, "tiny", "sqlite:///foveate.db", Console(), Path("results"))
"""


def searched(folder: Path, space: dict[str, Any], trials: int) -> list[Any]:
    """The trials of a short search, as (origin, state, placement)."""
    document = {
        "data": {"name": "digits"},
        "space": space,
        "recipe": {"epochs": 1, "batch": 128},
        "resources": {"workers": 1},
        "trials": trials,
    }
    (folder / "spec.yaml").write_text(yaml.safe_dump(document))
    ran = subprocess.run(
        [sys.executable, "-c", dedent(SEARCH)], cwd=folder, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    engine = databases.open_database(f"sqlite:///{folder}/foveate.db")
    with Session(engine) as session:
        study = store.find_study(session, "tiny")
        found = [(t.origin, t.state, Placement.parse(t.placement)) for t in study.trials]
    engine.dispose()
    return found


@pytest.mark.slow
def test_workers_and_exports_need_no_file_of_a_backbone(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(NETS)
    found = searched(tmp_path, {"backbone": "nets.py:mine", "modules": ["se"]}, 3)
    assert [origin for origin, _, _ in found] == ["bare", "everywhere:se", "sampler"]
    assert all(state in ("complete", "stopped") for _, state, _ in found)
    assert {placement.backbone for _, _, placement in found} == {"nets:mine"}
    assert not (tmp_path / "nets.py").exists()
    foveate = [sys.executable, "-m", "foveate.cli"]
    words = [*foveate, "export", "tiny", "--trial", "1", "--out", "out"]
    ran = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "out" / "backbone.py").read_text() == NETS
    code = "import model, torch; print(model.load()(torch.randn(2, 3, 8, 8)).shape)"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "out", capture_output=True, text=True
    )
    assert ran.stdout.strip() == "torch.Size([2, 10])", ran.stderr


@pytest.mark.slow
def test_a_search_chooses_backbones_widths_and_sizes_and_starts_from_weights(
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    trained = backbone("resnet8", 7).state_dict()  # of other classes: its head stays new
    save_file(trained, tmp_path / "trained.safetensors")
    space = {
        "backbone": "resnet8",
        "image_sizes": [8, 12],
        "modules": ["eca"],
        "most": 2,
        "weights": str(tmp_path / "trained.safetensors"),
    }
    found = searched(tmp_path, space, 5)
    assert [origin for origin, _, _ in found] == [
        "bare",
        "everywhere:eca",
        "bare:resnet8 at 12 pixels",
        "sampler",
        "sampler",
    ]
    assert all(state in ("complete", "stopped") for _, state, _ in found)
    assert all(len(p.modules) <= 2 for origin, _, p in found if origin == "sampler")
