"""Stems and widths: of torchvision's networks, and of small ones that ask for more."""

import gc
import weakref

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torchvision import models

from foveate.spaces.networks import backbone
from foveate.spaces.reshaping import on_meta, scale_width, small_stem
from foveate.spaces.site import stem_of


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def on_the_meta_device(name: str, classes: int = 7) -> nn.Module:
    with torch.device("meta"):
        return backbone(name, classes)


def last_map(model: nn.Module, size: int) -> tuple[int, int]:
    """The last resolution above 1 x 1 in a pass of an image."""
    seen: list[tuple[int, int]] = []

    def note(_: nn.Module, args: object, out: object) -> None:
        if isinstance(out, Tensor) and out.ndim == 4 and min(out.shape[2:]) > 1:
            seen.append((out.shape[2], out.shape[3]))

    for module in model.modules():
        module.register_forward_hook(note)
    model.eval()(torch.empty(1, 3, size, size, device="meta"))
    return seen[-1]


# ------------------------------------------------------------------------------------------ stems


@pytest.mark.parametrize(
    ("name", "changed", "side"),
    [  # what becomes another module, and the side of the last map of an image of 32 pixels
        ("resnet18", {"conv1", "maxpool"}, 4),
        ("resnet50", {"conv1", "maxpool"}, 4),
        ("mobilenet_v2", {"features.0.0"}, 2),
        ("efficientnet_b0", {"features.0.0"}, 2),
        ("densenet121", {"features.conv0", "features.pool0"}, 4),
        ("regnet_y_400mf", {"stem.0"}, 2),
        ("googlenet", {"conv1.conv", "maxpool1", "maxpool2"}, 8),
        ("convnext_tiny", {"features.0.0"}, 4),
        ("shufflenet_v2_x1_0", {"conv1.0", "maxpool"}, 4),
        ("inception_v3", {"Conv2d_1a_3x3.conv", "maxpool1", "maxpool2"}, 6),
    ],
)
def test_a_small_stem_keeps_the_resolution_of_the_image(
    name: str, changed: set[str], side: int
) -> None:
    model, before = on_the_meta_device(f"{name}@stem=small"), on_the_meta_device(name)
    leaves = {p: repr(m) for p, m in before.named_modules() if not [*m.children()]}
    there = {p: m for p, m in model.named_modules() if p in leaves}
    assert {p for p, module in there.items() if repr(module) != leaves[p]} == changed
    for path in changed:
        module, old = there[path], before.get_submodule(path)
        if isinstance(old, nn.Conv2d):
            assert isinstance(module, nn.Conv2d)
            assert type(module) is type(old)
            assert module.kernel_size == (3, 3) == module.weight.shape[2:]
            assert (module.stride, module.padding) == ((1, 1), (1, 1))
            assert (module.bias is None) == (old.bias is None)
        else:
            assert isinstance(module, nn.Identity)
    assert model.training
    assert last_map(model, 32) == (side, side)


def test_a_network_that_begins_with_its_blocks_has_no_stem() -> None:
    model = on_the_meta_device("vgg11")
    with pytest.raises(ValueError, match=r"^nothing before its first block makes the map smaller$"):
        small_stem(model, stem_of(on_meta(model), 64), image_size=64)


class Squeezing(nn.Module):
    """A stem of everything, with a squeeze in it, before a block."""

    def __init__(self) -> None:
        super().__init__()
        self.dilated = nn.Conv2d(3, 6, 3, 2, 2, dilation=2, groups=3, padding_mode="reflect")
        self.halved = nn.AdaptiveMaxPool2d(16)
        self.squeeze = nn.AdaptiveAvgPool2d(1)
        self.excite = nn.Conv2d(6, 6, 1)
        self.shuffled = nn.PixelUnshuffle(2)
        self.block = nn.Conv2d(24, 4, 3)
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.halved(self.dilated(x))
        x = x * self.excite(self.squeeze(x)).sigmoid()
        return self.fc(self.block(self.shuffled(x)).mean((2, 3)))


def test_of_a_stem_only_what_makes_its_map_smaller_changes() -> None:
    torch.manual_seed(0)
    leaves = ["dilated", "halved", "squeeze", "excite", "shuffled"]
    model = small_stem(Squeezing(), leaves, image_size=64)
    conv = model.dilated
    assert (conv.stride, conv.padding, conv.dilation, conv.groups) == ((1, 1), (2, 2), (2, 2), 3)
    assert conv(torch.randn(1, 3, 20, 24)).shape == (1, 6, 20, 24)
    assert isinstance(model.halved, nn.Identity)
    assert isinstance(model.squeeze, nn.AdaptiveAvgPool2d)
    assert isinstance(model.shuffled, nn.PixelUnshuffle)
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 5)


def test_a_new_stem_is_distributed_as_the_old_one_was() -> None:
    torch.manual_seed(0)
    model = models.resnet18(num_classes=10)
    old = model.conv1.weight.detach().clone()
    gone = weakref.ref(model.conv1.weight)
    small_stem(model, ["conv1", "bn1", "relu", "maxpool"])
    gc.collect()
    assert gone() is None
    new = model.conv1.weight
    assert new.requires_grad
    assert_close(new.std(), old.std() * (49 / 9) ** 0.5, rtol=0.06, atol=0)
    assert new.unique().numel() > 1000


# ----------------------------------------------------------------------------------------- widths


WORK = {  # the families that have to, at these widths
    "resnet18": (0.5, 0.75, 1.5, 2),
    "resnet50": (0.5, 0.75, 1.5, 2),
    "resnext50_32x4d": (0.5, 0.75, 1.5, 2),
    "vgg11": (0.5, 0.75, 1.5, 2),
    "vgg11_bn": (0.5, 2),
    "alexnet": (0.5, 0.75, 1.5, 2),
    "mobilenet_v2": (0.5, 0.75, 1.5, 2),
    "mobilenet_v3_small": (0.5, 2),
    "efficientnet_b0": (0.5, 2),
    "convnext_tiny": (0.5, 0.75, 1.5, 2),
    "densenet121": (0.5, 2),
    "googlenet": (0.5, 2),
    "mnasnet1_0": (0.5, 2),
    "squeezenet1_1": (0.5, 2),
    "shufflenet_v2_x1_0": (0.5, 2),
    "regnet_y_400mf": (0.5, 2),
    "resnet20": (0.5, 0.75, 1.5, 2),
    "preresnet20": (0.5, 0.75, 1.5, 2),
    "wrn16_2": (0.5, 0.75, 1.5, 2),
}


@pytest.mark.parametrize("name", WORK)
def test_a_width_multiplies_every_channel_but_the_images_and_the_classes(name: str) -> None:
    before = on_the_meta_device(name)
    for width in WORK[name]:
        model = on_the_meta_device(f"{name}@width={width}")
        assert model.eval()(torch.empty(2, 3, 224, 224, device="meta")).shape == (2, 7)
        assert 0.9 * width**2 < parameters(model) / parameters(before) < 1.15 * width**2
        convs = [
            (old, new)
            for old, new in zip(before.modules(), model.modules(), strict=True)
            if isinstance(old, nn.Conv2d)
        ]
        assert convs[0][1].in_channels == 3
        for old, new in convs[:-1]:  # of SqueezeNet, the last makes the classes
            assert new.out_channels == round(old.out_channels * width)
            assert new.weight.shape[0] == new.out_channels
            depthwise = 1 < old.groups == old.in_channels
            assert new.groups == (new.in_channels if depthwise else old.groups)


def test_half_of_mobilenet_v2_is_nearly_torchvisions_own_half() -> None:
    """Which rounds to multiples of 8, and leaves the last 1280 channels."""
    with torch.device("meta"):
        theirs = models.mobilenet_v2(width_mult=0.5, num_classes=10)
    ours = on_the_meta_device("mobilenet_v2@width=0.5", 10)
    ratio = parameters(ours.features[:-1]) / parameters(theirs.features[:-1])
    assert 0.96 < ratio < 1.04


def test_a_width_of_1_changes_nothing() -> None:
    model = models.resnet18(num_classes=10)
    state = {name: (id(x), x.clone()) for name, x in model.state_dict(keep_vars=True).items()}
    assert scale_width(model, 1) is model
    for name, x in model.state_dict(keep_vars=True).items():
        assert id(x) == state[name][0]
        assert torch.equal(x, state[name][1])


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_of_the_old_weights_none_stays_alive(name: str) -> None:
    model = models.get_model(name, num_classes=10)
    old = {n: weakref.ref(p) for n, p in model.named_parameters() if n != "classifier.1.bias"}
    old.pop("fc.bias", None)  # as many as the classes
    scale_width(model, 0.5, image_size=64)
    gc.collect()
    alive = [n for n, ref in old.items() if ref() is not None]
    assert all(model.get_parameter(n) is old[n]() for n in alive)
    assert not [n for n in alive if model.get_parameter(n).ndim > 1]
    assert sum(p.numel() for p in model.parameters()) == parameters(
        on_the_meta_device(f"{name}@width=0.5", 10)
    )


@pytest.mark.parametrize(
    ("name", "width"),
    [("resnet20", 1.5), ("mobilenet_v3_small", 0.5), ("convnext_tiny", 0.25), ("wrn16_1", 0.5)],
)
def test_a_scaled_network_trains(name: str, width: float) -> None:
    torch.manual_seed(0)
    model = backbone(f"{name}@width={width}", 10)
    logits = model(torch.randn(4, 3, 64, 64))
    assert 1e-4 < logits.std() < 30
    nn.functional.cross_entropy(logits, torch.arange(4)).backward()
    for path, p in model.named_parameters():
        assert p.grad is not None, path
        assert p.grad.isfinite().all(), path


def test_initial_distributions_keep_their_shape_and_follow_the_fan_in() -> None:
    torch.manual_seed(0)
    old = models.convnext_tiny(num_classes=10)
    state = {name: x.clone() for name, x in old.state_dict().items()}
    new = scale_width(old, 0.5, image_size=64).state_dict()
    conv = "features.1.0.block.3.weight"  # linear, of 96 to 384
    assert new[conv].shape == (192, 48)
    assert_close(new[conv].std(), state[conv].std() * 2**0.5, rtol=0.05, atol=0)
    depthwise = "features.1.0.block.0.weight"
    assert_close(new[depthwise].std(), state[depthwise].std(), rtol=0.05, atol=0)
    scale = "features.1.0.layer_scale"
    assert torch.equal(new[scale], torch.full((48, 1, 1), 1e-6))
    assert torch.equal(new["features.0.1.weight"], torch.ones(48))


class Ends(nn.Module):
    """Normalises its images, and its logits, with parameters of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.ones(1, 3, 1, 1))
        self.norm = nn.BatchNorm2d(3)
        self.conv = nn.Conv2d(3, 8, 3)
        self.up = nn.ConvTranspose2d(8, 6, 2, groups=2)
        self.groups = nn.GroupNorm(2, 6)
        self.map = nn.Conv2d(6, 1, 1)
        self.gain = nn.Parameter(torch.randn(1, 6, 1, 1))
        self.fc = nn.Linear(6, 6)
        self.head = nn.Linear(6, 6)
        self.temperature = nn.Parameter(torch.randn(6))

    def forward(self, x: Tensor) -> Tensor:
        x = self.groups(self.up(self.conv(self.norm(x - self.mean)))) * self.gain
        x = (x * self.map(x).sigmoid()).mean((2, 3))
        return self.head(self.fc(x)) * self.temperature


def test_what_belongs_to_the_image_or_the_classes_stays() -> None:
    torch.manual_seed(0)
    model = scale_width(Ends(), 2, image_size=8)
    shapes = {name: tuple(x.shape) for name, x in model.state_dict().items() if x.ndim}
    assert shapes == {
        "mean": (1, 3, 1, 1),
        "norm.weight": (3,),
        "norm.bias": (3,),
        "norm.running_mean": (3,),
        "norm.running_var": (3,),
        "conv.weight": (16, 3, 3, 3),
        "conv.bias": (16,),
        "up.weight": (16, 6, 2, 2),
        "up.bias": (12,),
        "groups.weight": (12,),
        "groups.bias": (12,),
        "map.weight": (1, 12, 1, 1),
        "map.bias": (1,),
        "gain": (1, 12, 1, 1),
        "fc.weight": (12, 12),
        "fc.bias": (12,),
        "head.weight": (6, 12),
        "head.bias": (6,),
        "temperature": (6,),
    }
    assert model(torch.randn(2, 3, 8, 8)).shape == (2, 6)


def test_shared_weights_stay_shared() -> None:
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), first, second)
    model.append(nn.Linear(4, 4))
    scale_width(model, 2, image_size=8)
    assert first.weight is second.weight
    assert first.weight.shape == (8, 8)


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.channels = 8
        self.conv = nn.Conv2d(3, 8, 3)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv(x).mean((2, 3)).view(-1, self.channels))


@pytest.mark.parametrize(
    ("model", "width", "reason"),
    [
        (Counting(), 0.5, ""),
        (
            nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1, groups=4), nn.Flatten()),
            0.25,
            "the 4 groups of 1 do not divide 2 and 8 channels",
        ),
        (
            nn.Sequential(nn.Conv2d(3, 8, 1), nn.GroupNorm(4, 8), nn.Conv2d(8, 2, 1)),
            0.75,
            "the 4 groups of 1 do not divide 6 channels",
        ),
    ],
)
def test_a_network_that_does_not_fit_then_says_why_and_stays(
    model: nn.Module, width: float, reason: str
) -> None:
    before = {name: tuple(x.shape) for name, x in model.state_dict().items()}
    with pytest.raises(ValueError, match=f"^{reason}"):
        scale_width(model, width, image_size=8)
    assert {name: tuple(x.shape) for name, x in model.state_dict().items()} == before


def test_a_copy_on_the_meta_device_has_no_weights_and_shares_what_was_shared() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 4))
    model[2].weight = model[0].weight
    model[0].bias.requires_grad_(False)
    twin = on_meta(model)
    assert all(x.is_meta for x in twin.state_dict().values())
    assert not any(x.is_meta for x in model.state_dict().values())
    assert twin[2].weight is twin[0].weight
    assert not twin[0].bias.requires_grad
