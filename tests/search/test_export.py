import ast
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from safetensors.torch import save_file
from sqlalchemy.orm import Session
from torch import Tensor
from torch.testing import assert_close

from foveate import attention
from foveate.errors import BadValue, UnknownName
from foveate.search.export import chosen, export
from foveate.search.records import Artifact, Study, Trial
from foveate.search.spec import SearchSpec
from foveate.spaces import Module, Placement, Space, build, cost, sites
from foveate.spaces.networks import add_backbones
from foveate.spaces.plugging import complete
from foveate.workers.data import Images, Split
from foveate.workers.recipe import Recipe
from foveate.workers.train import Training

SIZE = 16
CLASSES = ('a "b"', "ü", "back\\slash", '"""', "e")  # folders may be called so
TRIED = {"resnet8": 3, "resnet18": 0}  # samples of the whole space, beside what is listed below
MIXED = {
    "resnet8": [
        Module("layer1.0.bn2", "se", (("reduction", 8),)),
        Module("layer1.0.conv1", "aw"),
        Module("layer2.0.bn2", "cram", (("mode", "residual"),)),
        Module("layer2.0.conv2", "aw"),
        Module("layer3", "steam"),
    ],
    "resnet18": [
        Module("layer1.0.bn2", "eca"),
        Module("layer1.0.conv2", "aw"),
        Module("layer2.1.bn2", "cbam"),
        Module("layer2", "steam"),
    ],
}


OTHERS = [  # where backbones come from, and what is done to them
    ("preresnet8", "sample 0"),
    ("wrn16_1", "sample 1"),
    ("resnet8@width=0.5", "resized"),
    ("googlenet@stem=small", "everywhere:eca"),
    ("mobilenet_v3_small@stem=small,width=0.5", "sample 0"),
    ("mobilenet_v3_small", "swapped"),
    ("timm:seresnext26t_32x4d@stem=small", "swapped"),
    ("nets:small", "sample 0"),
    ("nets:headless", "everywhere:aw"),
]
NETS = """
import torch
from torch import nn

class Unit(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x):
        return torch.relu(x + self.norm(self.conv(x)))

def small(num_classes, width=8):
    body = nn.Conv2d(3, width, 3), nn.ReLU(), Unit(width), nn.MaxPool2d(2), Unit(width)
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes)
    return nn.Sequential(*body, *head)

def headless():
    return small(1000)
"""


def cases() -> list[tuple[str, str]]:
    kinds = [
        "bare",
        *(f"everywhere:{name}" for name in attention.names()),
        "mixed",
        "two at a site",
    ]
    every = [(name, kind) for name in TRIED for kind in kinds]
    every += [(name, f"sample {n}") for name, count in TRIED.items() for n in range(count)]
    return [*every, ("resnet8", "authors' start"), *OTHERS]


def placement_of(backbone: str, kind: str) -> Placement:
    chosen = {"space": {"backbone": backbone, "modules": ["all"]}}
    space = Space(SearchSpec.of(chosen).space, SIZE)
    if kind == "mixed":
        return complete(Placement.of(backbone, MIXED[backbone]))
    if kind == "two at a site":
        both = [Module("layer1.0.bn2", "eca"), Module("layer1.0.bn2", "se")]
        return complete(Placement.of(backbone, both))
    if kind == "resized":
        return complete(Placement.of(backbone, MIXED["resnet8"], image_size=24), SIZE)
    if kind == "swapped":
        own = [site.path for site in sites(backbone, SIZE) if "existing" in site.kinds]
        swaps = [Module(path, "eca") for path in own[1::2]]
        return complete(Placement.of(backbone, [*swaps, *(Module(p, "remove") for p in own[::2])]))
    if kind.startswith("sample"):
        return space.sample(Random(kind), density=0.8)
    return space.baselines()["everywhere:cram" if kind == "authors' start" else kind]


@dataclass
class Made:
    """A study of one trial, trained, and what its network says of some images."""

    study: Study
    trial: Trial
    logits: Tensor


def noise(count: int, seed: int) -> Tensor:
    source = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, SIZE, SIZE), dtype=torch.uint8, generator=source)


IMAGES = noise(4, seed=9)


def made(backbone: str, kind: str, folder: Path) -> Made:
    """Trained for an epoch, then stirred, so that no weight is as it was made."""
    labels = torch.arange(8) % len(CLASSES)
    figures = torch.tensor([0.2, 0.3, 0.4]), torch.tensor([0.1, 0.2, 0.3])
    split = Split(noise(8, seed=1), labels, *figures)
    images = Images(CLASSES, split, split, split, may_flip=False)
    identity = kind != "authors' start"
    spec = SearchSpec.of({"space": {"backbone": backbone, "identity_init": identity}})
    space = Space(spec.space, SIZE)
    placement = placement_of(backbone, kind)
    assert placement.modules or kind == "bare"
    torch.manual_seed(0)
    model = build(placement, len(CLASSES), image_size=SIZE, identity_init=identity)
    list(Training(model, images, Recipe(epochs=1, batch=4, peak_lr=0.01)).epochs())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.02 * torch.randn_like(parameter)
    weights = folder / f"{backbone}-{kind}.safetensors".replace(":", "-")
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, weights)
    priced = cost(placement, SIZE, len(CLASSES), identity_init=identity)
    study = Study(
        name="tiny",
        spec=spec.to_dict(),
        sites=[site.to_dict() for site in space.sites],
        images=images.about(),
        classes=list(CLASSES),
        bare_gflops=cost(Placement.of(backbone, []), SIZE, len(CLASSES)).gflops,
        versions={"foveate": "0.1.0", "torch": torch.__version__},
    )
    trial = Trial(
        number=3,
        key=placement.key,
        placement=placement.spelling,
        origin="sampler",
        state="complete",
        accuracy=0.8125,
        epochs=1,
        gflops=priced.gflops,
        parameters=priced.parameters,
        artifacts=[Artifact(kind="weights", address=str(weights))],
    )
    model = model.eval().to(memory_format=torch.contiguous_format)  # each layout rounds its own way
    with torch.no_grad():
        return Made(study, trial, model(split.normalised(IMAGES).contiguous()))


# run as `python -I -c`: neither this folder nor the user's packages are on the path, and whatever
# a machine that only serves the model would not have cannot be imported
ELSEWHERE = """
import json, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("foveate", "safetensors", "ray", "optuna", "sqlalchemy"):
            raise ModuleNotFoundError(f"{name} is not here")

sys.meta_path.insert(0, Missing())
import torch
torch.set_num_threads(1)
images = torch.load(sys.argv[1], weights_only=True)
found = {}
for folder in sys.argv[2:]:
    sys.path.insert(0, folder)
    import model
    assert model.__file__.startswith(folder), model.__file__
    loaded = model.load()
    with torch.no_grad():
        logits = loaded(model.preprocess(images))
    found[folder] = {
        "logits": logits.tolist(),
        "classes": model.CLASSES,
        "size": model.IMAGE_SIZE,
        "training": loaded.training,
        "parameters": sum(parameter.numel() for parameter in loaded.parameters()),
    }
    sys.path.remove(folder)
    del sys.modules["model"]
print(json.dumps(found))
"""


@dataclass
class Exported:
    """What was exported, and what a process that has torch and torchvision only made of it."""

    made: Made
    folder: Path
    found: dict[str, Any]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Exported]:
    root = tmp_path_factory.mktemp("exported")
    torch.save(IMAGES, root / "images.pt")
    add_backbones("somewhere/nets.py", NETS)
    everything = {}
    for number, (backbone, kind) in enumerate(cases()):
        one = made(backbone, kind, root)
        everything[backbone, kind] = one, export(one.study, one.trial, root / f"out {number}")
    folders = [str(folder) for _, folder in everything.values()]
    ran = subprocess.run(
        [sys.executable, "-I", "-c", ELSEWHERE, str(root / "images.pt"), *folders],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    return {case: Exported(one, out, found[str(out)]) for case, (one, out) in everything.items()}


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "kind"), cases())
def test_the_exported_network_is_the_trained_one(
    backbone: str, kind: str, exported: dict[tuple[str, str], Exported]
) -> None:
    one = exported[backbone, kind]
    logits = torch.tensor(one.found["logits"])
    assert logits.std() > 1e-3 and logits.shape == (len(IMAGES), len(CLASSES))
    assert_close(logits, one.made.logits, rtol=0, atol=1e-6)
    assert one.found["parameters"] == one.made.trial.parameters
    assert one.found["classes"] == list(CLASSES)
    assert one.found["size"] == SIZE and not one.found["training"]


@pytest.mark.slow
def test_the_folder_holds_a_model_its_weights_and_a_card(
    exported: dict[tuple[str, str], Exported],
) -> None:
    one = exported["resnet8", "mixed"]
    names = sorted(path.name for path in one.folder.iterdir())
    assert [name for name in names if name != "__pycache__"] == [
        "README.md",
        "architecture.svg",
        "model.py",
        "weights.safetensors",
    ]
    card = (one.folder / "README.md").read_text("utf-8")
    extra = 1000 * (one.made.trial.gflops - one.made.study.bare_gflops)
    for said in (
        "# resnet8, trial 3 of tiny",
        "| validation accuracy | 81.25 %, after 1 epochs, seed 0 |",
        f"{one.made.trial.gflops:.6g} (every operation counted",
        f"| over the bare backbone | {extra:.4g} MFLOPs, ",
        f"{one.made.trial.parameters:,}",
        f"`{one.made.trial.key}`",
        "- `layer1.0.bn2`: se(reduction=8) (https://",
        "from model import CLASSES, load, preprocess",
        "](architecture.svg)",
    ):
        assert said in card
    assert "$" not in card
    picture = ElementTree.parse(one.folder / "architecture.svg").getroot()
    drawn = [g.attrib["data-module"] for g in picture.iter() if "data-module" in g.attrib]
    assert sorted(drawn) == ["aw", "aw", "cram", "se", "steam"]


@pytest.mark.slow
def test_what_the_source_needs_lies_beside_it(exported: dict[tuple[str, str], Exported]) -> None:
    beside = {
        case: {path.name for path in one.folder.iterdir()} & {"backbone.py", "reshaping.py"}
        for case, one in exported.items()
    }
    assert beside["nets:small", "sample 0"] == {"backbone.py"}
    assert beside["resnet8@width=0.5", "resized"] == {"reshaping.py"}
    assert not any(beside[case] for case in cases() if case not in OTHERS)
    said = {case: (one.folder / "model.py").read_text("utf-8") for case, one in exported.items()}
    timms = said["timm:seresnext26t_32x4d@stem=small", "swapped"]
    assert "Needs torch, torchvision and timm." in timms
    assert "Needs torch and torchvision only." in said["nets:small", "sample 0"]


@pytest.mark.slow
@pytest.mark.parametrize("backbone", TRIED)
def test_the_source_imports_torch_and_the_standard_library_only(
    backbone: str, exported: dict[tuple[str, str], Exported]
) -> None:
    source = (exported[backbone, "mixed"].folder / "model.py").read_text("utf-8")
    tree = ast.parse(source)
    imported = {
        alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names
    }
    imported |= {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert all(
        name.split(".")[0] in {"torch", "torchvision"} | sys.stdlib_module_names
        for name in imported
    )
    assert ("torchvision" in imported) == (backbone == "resnet18")
    assert "@register" not in source and "$" not in source


@pytest.fixture
def trained(tmp_path: Path) -> Made:
    return made("resnet8", "bare", tmp_path)


def test_an_export_may_be_repeated_in_its_folder(trained: Made, tmp_path: Path) -> None:
    out = export(trained.study, trained.trial, tmp_path / "deep" / "out")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert sorted(before) == ["README.md", "architecture.svg", "model.py", "weights.safetensors"]
    (out / "__pycache__").mkdir()
    (out / "model.py").write_text("old")
    assert export(trained.study, trained.trial, out) == out
    after = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    assert after == before


def test_a_folder_with_other_files_is_left_alone(trained: Made, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    (tmp_path / "file").write_text("a file")
    for name in ("out", "file"):
        with pytest.raises(BadValue) as caught:
            export(trained.study, trained.trial, tmp_path / name)
        there = repr(str(tmp_path / name))
        assert str(caught.value) == f"{there} holds other files; choose another folder with --out"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("state", ["stopped", "failed", "running", "waiting"])
def test_only_a_fully_trained_trial_can_be_exported(
    state: str, trained: Made, tmp_path: Path
) -> None:
    trained.trial.state = state
    with pytest.raises(BadValue) as caught:
        export(trained.study, trained.trial, tmp_path / "out")
    assert str(caught.value) == f"trial 3 is {state}: only fully trained trials can be exported"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("weights", [None, "/no/where/weights.safetensors"])
def test_weights_that_are_gone_are_asked_for(
    weights: str | None, trained: Made, tmp_path: Path
) -> None:
    (kept,) = trained.trial.artifacts
    if weights is None:
        trained.trial.artifacts.remove(kept)
    else:
        kept.address = weights
    with pytest.raises(BadValue) as caught:
        export(trained.study, trained.trial, tmp_path / "out")
    assert str(caught.value) == f"the weights of trial 3 are not at {weights!r}"
    assert not (tmp_path / "out").exists()


# -------------------------------------------------------------------------------------- which one


Add = Callable[..., Trial]


@pytest.fixture
def some(add: Add) -> None:
    """0, 2, 3, 4 are on the front; 2 is its knee and 4 the most accurate."""
    add(0.50, extra=0.0, origin="bare")
    add(0.45, extra=0.2)
    add(0.80, extra=0.1)
    add(0.82, extra=0.6)
    add(0.90, extra=1.0)
    add(0.99, extra=0.1, state="stopped")


@pytest.mark.usefixtures("some")
@pytest.mark.parametrize(
    ("wanted", "number"),
    [
        ({"best": True}, 4),
        ({"knee": True}, 2),
        ({"max_gflops": 0.07}, 3),
        ({"max_gflops": 0.04}, 0),
        ({"max_gflops": 1e9}, 4),
        ({"number": 1}, 1),
        ({"number": 0}, 0),
        ({"number": 5}, 5),  # to be refused by `export`, which says why
    ],
)
def test_a_trial_is_chosen_by_what_it_is(
    wanted: dict[str, Any], number: int, session: Session, study: Study
) -> None:
    assert chosen(session, study, **wanted).number == number


@pytest.mark.usefixtures("some")
@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"best": True, "knee": True},
        {"best": True, "number": 0},
        {"max_gflops": 0.0, "number": 0},
    ],
)
def test_exactly_one_has_to_be_asked_for(
    wanted: dict[str, Any], session: Session, study: Study
) -> None:
    sentence = "^choose one of --best, --knee, --max-gflops and --trial$"
    with pytest.raises(BadValue, match=sentence):
        chosen(session, study, **wanted)


@pytest.mark.usefixtures("some")
@pytest.mark.parametrize("budget", [0.0, 0.039, -1.0])
def test_a_budget_that_nothing_keeps_is_told_the_cheapest(
    budget: float, session: Session, study: Study
) -> None:
    with pytest.raises(BadValue) as caught:
        chosen(session, study, max_gflops=budget)
    assert str(caught.value) == (
        f"nothing on the front is within {budget:g} GFLOPs; the cheapest, trial 0, has 0.04"
    )


@pytest.mark.usefixtures("some")
def test_a_trial_that_there_is_not_is_an_unknown_name(session: Session, study: Study) -> None:
    with pytest.raises(UnknownName, match=r"has no trial 9; it has trials 0 to 5$"):
        chosen(session, study, number=9)


def test_a_study_without_a_trained_trial_has_nothing_to_choose(
    session: Session, study: Study, add: Add
) -> None:
    add(0.5, state="stopped")
    for wanted in ({"best": True}, {"knee": True}, {"max_gflops": 1.0}):
        with pytest.raises(BadValue, match=r"^study 'tiny' has no fully trained trial yet$"):
            chosen(session, study, **wanted)


def test_of_two_equally_accurate_the_cheaper_is_the_best(
    session: Session, study: Study, add: Add
) -> None:
    add(0.9, extra=0.2)
    add(0.9, extra=0.1)
    assert chosen(session, study, best=True).number == 1
