"""Weights: files of all kinds, and those of torchvision and timm, which their own code loads."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from foveate.errors import BadValue, UnknownName
from foveate.spaces.networks import backbone, torchvision_arguments
from foveate.spaces.weights import head_of, read

State = dict[str, torch.Tensor]


@pytest.fixture
def state() -> State:
    torch.manual_seed(1)
    model = backbone("resnet8", 10)
    return {name: torch.rand_like(x.float()).to(x.dtype) for name, x in model.state_dict().items()}


def save(content: Any, path: Path) -> str:
    if path.suffix == ".safetensors":
        save_file(content, path)
    else:
        torch.save(content, path)
    return str(path)


def differing(model: nn.Module, state: State) -> set[str]:
    mine = model.state_dict()
    return {n for n in mine if n not in state or not torch.equal(mine[n], state[n])}


# ------------------------------------------------------------------------------------------ files


@pytest.mark.parametrize("ending", ["pth", "pt", "safetensors"])
def test_a_file_of_weights_is_taken_exactly(ending: str, state: State, tmp_path: Path) -> None:
    path = save(state, tmp_path / f"weights.{ending}")
    assert differing(backbone("resnet8", 10, weights=path), state) == set()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: {"state_dict": s, "epoch": 3},
        lambda s: {"model": s, "optimizer": {"lr": 0.1}},
        lambda s: {"model_state_dict": s},
        lambda s: {"ema": {"state_dict": s}},
        lambda s: {f"module.{name}": x for name, x in s.items()},
        lambda s: {f"_orig_mod.{name}": x for name, x in s.items()},
        lambda s: {"model": {f"module._orig_mod.{name}": x for name, x in s.items()}},
    ],
)
def test_what_trainers_wrap_around_weights_is_taken_off(
    wrap: Callable[[State], Any], state: State, tmp_path: Path
) -> None:
    path = save(wrap(state), tmp_path / "checkpoint.pth")
    assert differing(backbone("resnet8", 10, weights=path), state) == set()


def test_real_wrappers_are_taken_off(tmp_path: Path) -> None:
    model = backbone("resnet8", 10)
    average = torch.optim.swa_utils.AveragedModel(model)
    path = save(average.state_dict(), tmp_path / "average.pth")
    assert differing(backbone("resnet8", 10, weights=path), model.state_dict()) == set()
    path = save(torch.compile(model).state_dict(), tmp_path / "compiled.pth")
    assert differing(backbone("resnet8", 10, weights=path), model.state_dict()) == set()


def test_a_head_of_other_classes_stays_new_and_all_else_is_taken(
    state: State, tmp_path: Path
) -> None:
    path = save(state, tmp_path / "weights.pth")
    torch.manual_seed(0)
    bare = backbone("resnet8", 7)
    torch.manual_seed(0)
    model = backbone("resnet8", 7, weights=path)
    assert differing(model, state) == {"fc.weight", "fc.bias"}
    assert torch.equal(model.fc.weight, bare.fc.weight)
    del state["fc.weight"], state["fc.bias"]
    path = save(state, tmp_path / "headless.pth")
    assert differing(backbone("resnet8", 7, weights=path), state) == {"fc.weight", "fc.bias"}


def renamed(state: State) -> State:
    return {name.replace("layer1.0", "stage1.0"): x for name, x in state.items()}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda s: s | {"bn1.weight": torch.ones(8), "bn1.bias": torch.ones(3)},
            "of another shape are bn1.bias (3,) instead of (16,), bn1.weight (8,) instead of (16,)",
        ),
        (
            lambda s: {n: x for n, x in s.items() if n != "bn1.weight"},
            "missing is bn1.weight",
        ),
        (lambda s: s | {"queue": torch.ones(8)}, "unexpected is queue"),
        (
            renamed,
            "missing are layer1.0.conv1.weight, layer1.0.bn1.weight, layer1.0.bn1.bias and 9 more",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(
    change: Callable[[State], State], sentence: str, state: State, tmp_path: Path
) -> None:
    path = save(change(state), tmp_path / "weights.safetensors")
    match = f"^{re.escape(f'the weights {path!r} do not fit: {sentence}')}$"
    for device in ("cpu", "meta"):
        with pytest.raises(BadValue, match=match), torch.device(device):
            backbone("resnet8", 7, weights=path)


def test_on_the_meta_device_nothing_is_copied(state: State, tmp_path: Path) -> None:
    path = save(state, tmp_path / "weights.pth")
    with torch.device("meta"):
        model = backbone("resnet8", 7, weights=path)
    assert all(x.is_meta for x in model.state_dict().values())


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "^there is no file of weights '.*weights.pth'$"),
        (b"no weights", "^cannot read the weights '.*weights.pth': "),
        (torch.ones(3), "^'.*weights.pth' holds no weights: it is a Tensor$"),
        ({"epoch": 3}, "^'.*weights.pth' holds no weights: its 'epoch' is a int, not a tensor$"),
        ({"model": nn.Linear(2, 2)}, "^cannot read the weights '.*weights.pth': .*[Ww]eights"),
    ],
)
def test_a_file_without_weights_is_one_sentence(
    content: Any, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(BadValue, match=sentence) as caught:
        backbone("resnet8", 7, weights=str(path))
    assert "\n" not in str(caught.value)


def test_a_broken_file_of_safetensors_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"\x08")
    with pytest.raises(BadValue, match=r"^cannot read the weights "):
        read(str(path))


def test_weights_do_not_fit_another_width(state: State, tmp_path: Path) -> None:
    path = save(state, tmp_path / "weights.pth")
    with pytest.raises(BadValue, match=r"^resnet8@width=2: weights fit a network of its own width"):
        backbone("resnet8@width=2", 10, weights=path)


def test_a_network_without_named_weights_says_so() -> None:
    with pytest.raises(BadValue, match=r"^resnet8 has no weights called 'DEFAULT'; a file of wei"):
        backbone("resnet8", 10, weights="DEFAULT")


def test_the_head_is_what_follows_the_number_of_classes() -> None:
    def build(name: str) -> frozenset[str]:
        with torch.device("meta"):
            return head_of(lambda classes: backbone(name, classes))

    assert build("resnet50") == {"fc.weight", "fc.bias"}
    assert build("squeezenet1_1") == {"classifier.1.weight", "classifier.1.bias"}
    assert build("vgg11") == {"classifier.6.weight", "classifier.6.bias"}


# ------------------------------------------------------------------------------------- small stem


def test_a_small_stem_takes_the_centre_of_a_larger_kernel(tmp_path: Path) -> None:
    stored = models.resnet18(num_classes=1000).state_dict()
    path = save(stored, tmp_path / "resnet18.pth")
    model = backbone("resnet18@stem=small", 10, weights=path)
    assert differing(model, stored) == {"conv1.weight", "fc.weight", "fc.bias"}
    assert torch.equal(model.conv1.weight, stored["conv1.weight"][:, :, 2:5, 2:5])
    path = save(model.state_dict(), tmp_path / "small.pth")  # a kernel that fits is taken as it is
    again = backbone("resnet18@stem=small", 10, weights=path)
    assert differing(again, model.state_dict()) == set()


def test_a_small_stem_takes_the_first_three_of_four(tmp_path: Path) -> None:
    stored = models.convnext_tiny(num_classes=3).state_dict()
    path = save(stored, tmp_path / "convnext.pth")
    model = backbone("convnext_tiny@stem=small", 3, weights=path)
    assert differing(model, stored) == {"features.0.0.weight"}
    stem = model.get_parameter("features.0.0.weight")
    assert torch.equal(stem, stored["features.0.0.weight"][:, :, :3, :3])


# ------------------------------------------------------------------------------------ torchvision


@pytest.fixture
def checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where torch.hub looks for what was downloaded."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def downloaded(name: str, folder: Path, state: State) -> str:
    weights = models.get_model_weights(name).DEFAULT
    return save(state, folder / weights.url.rpartition("/")[2])


@pytest.mark.parametrize("classes", [1000, 7])
@pytest.mark.parametrize("weights", ["DEFAULT", "IMAGENET1K_V1"])
def test_torchvisions_weights_are_loaded(classes: int, weights: str, checkpoints: Path) -> None:
    theirs = models.squeezenet1_1().eval()
    downloaded("squeezenet1_1", checkpoints, theirs.state_dict())
    ours = backbone("squeezenet1_1", classes, weights=weights).eval()
    head = {"classifier.1.weight", "classifier.1.bias"} if classes == 7 else set()
    assert differing(ours, theirs.state_dict()) == head
    x = torch.randn(2, 3, 64, 64)
    assert torch.equal(ours.features(x), theirs.features(x))


def test_the_old_names_in_densenets_file_are_translated(checkpoints: Path) -> None:
    everything = models.densenet121().state_dict()
    state = {n: x for n, x in everything.items() if not n.endswith("num_batches_tracked")}
    old = {re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", n): x for n, x in state.items()}
    assert old.keys() != state.keys()
    downloaded("densenet121", checkpoints, old)
    ours = backbone("densenet121", 5, weights="DEFAULT")
    changed = {n for n in differing(ours, state) if not n.endswith("num_batches_tracked")}
    assert changed == {"classifier.weight", "classifier.bias"}


@pytest.mark.parametrize("by", ["name", "file"])
def test_googlenets_weights_come_with_their_range_and_without_other_heads(
    by: str, checkpoints: Path
) -> None:
    torch.manual_seed(0)
    theirs = models.googlenet(init_weights=False, aux_logits=True)
    path = downloaded("googlenet", checkpoints, theirs.state_dict())
    assert any(name.startswith("aux1.") for name in theirs.state_dict())
    weights = "DEFAULT" if by == "name" else path
    ours = backbone("googlenet", 1000, weights=weights).eval()
    reference = models.googlenet(weights="DEFAULT").eval()
    x = torch.randn(2, 3, 64, 64)
    assert torch.equal(ours(x), reference(x))
    assert not any(name.startswith("aux") for name in ours.state_dict())
    assert torchvision_arguments("googlenet", weights)["transform_input"] is True
    assert "transform_input" not in torchvision_arguments("googlenet", "mine.pth")
    assert "transform_input" not in torchvision_arguments("googlenet")
    assert torchvision_arguments("resnet50", "DEFAULT") == {}


def test_unknown_weights_are_answered_with_those_there_are() -> None:
    sentence = (
        r"^no weights of resnet50 called 'IMAGENET1K_V3'; did you mean 'IMAGENET1K_V2'\? "
        "there are: DEFAULT, IMAGENET1K_V1, IMAGENET1K_V2$"
    )
    for device in ("cpu", "meta"):
        with torch.device(device), pytest.raises(UnknownName, match=sentence):
            backbone("resnet50", 10, weights="IMAGENET1K_V3")


def test_weights_that_cannot_be_had_are_one_sentence(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*args: object, **keywords: object) -> None:
        raise OSError("<urlopen error no route to host>\nat all")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    sentence = r"^cannot get the weights 'DEFAULT' of squeezenet1_1: <urlopen .* host>$"
    with pytest.raises(BadValue, match=sentence):
        backbone("squeezenet1_1", 10, weights="DEFAULT")


def test_with_torchvisions_weights_the_meta_device_needs_no_file(checkpoints: Path) -> None:
    with torch.device("meta"):
        model = backbone("googlenet", 10, weights="DEFAULT")
    assert model.transform_input
    assert not [*checkpoints.iterdir()]


# ------------------------------------------------------------------------------------------- timm


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where timm's hub looks for what was downloaded, when it is not to ask."""
    pytest.importorskip("timm")
    constants = pytest.importorskip("huggingface_hub").constants
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("classes", [1000, 7])
@pytest.mark.parametrize("weights", ["DEFAULT", "r160_in1k"])
def test_timms_weights_are_loaded(classes: int, weights: str, hub: Path) -> None:
    import timm

    theirs = timm.create_model("test_resnet")
    home = hub / "models--timm--test_resnet.r160_in1k"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text("0" * 40)
    snapshot = home / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    save(theirs.state_dict(), snapshot / "model.safetensors")
    ours = backbone("timm:test_resnet", classes, weights=weights)
    head = {"fc.weight", "fc.bias"} if classes == 7 else set()
    assert differing(ours, theirs.state_dict()) == head


def test_timms_weights_that_are_not_at_hand_are_one_sentence(hub: Path) -> None:
    sentence = r"^cannot get the weights 'DEFAULT' of timm:test_resnet: [^\n]+$"
    with pytest.raises(BadValue, match=sentence):
        backbone("timm:test_resnet", 10, weights="DEFAULT")


def test_unknown_weights_of_timms_are_answered_with_those_there_are() -> None:
    pytest.importorskip("timm")
    with pytest.raises(UnknownName, match=r"did you mean 'r160_in1k'\? there are: DEFAULT, r160_"):
        backbone("timm:test_resnet", 10, weights="r160_in1")
    with pytest.raises(UnknownName, match=r"^no weights of timm:test_vit4 called 'x'"):
        backbone("timm:test_vit4", 10, weights="x")
