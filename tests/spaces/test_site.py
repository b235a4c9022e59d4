"""Sites: of the backbones, and of small networks that are built another way."""

import json
from collections import Counter
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from foveate import attention
from foveate.errors import BadValue
from foveate.spaces import Site, find_sites, sites
from foveate.spaces.networks import backbone
from foveate.spaces.site import KINDS, Conv, stem_of, survey

BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}
BLOCKS |= {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
CIFAR = {f"resnet{depth}": ((depth - 2) // 6,) * 3 for depth in (8, 20, 56)}


def of_kind(found: tuple[Site, ...] | list[Site], kind: str) -> list[Site]:
    return [site for site in found if kind in site.kinds]


def paths(found: tuple[Site, ...] | list[Site], kind: str) -> list[str]:
    return [site.path for site in of_kind(found, kind)]


@pytest.mark.parametrize("name", [*BLOCKS, *CIFAR])
def test_the_sites_of_a_resnet_are_those_of_its_papers(name: str) -> None:
    found, runs = sites(name, 64), (BLOCKS | CIFAR)[name]
    last = "bn3" if name in ("resnet50", "resnet101") else "bn2"
    convs = ["conv2"] if last == "bn3" else ["conv1", "conv2"]
    blocks = [f"layer{s}.{b}" for s, count in enumerate(runs, 1) for b in range(count)]
    assert paths(found, "stem") == ["relu" if name in CIFAR else "maxpool"]
    assert paths(found, "conv") == [f"{block}.{conv}" for block in blocks for conv in convs]
    assert paths(found, "branch") == [f"{block}.{last}" for block in blocks]
    assert paths(found, "block") == blocks
    ends = [f"layer{s}.{count - 1}" for s, count in enumerate(runs, 1)]
    assert paths(found, "stage") == ends
    assert {site.path: site.aliases for site in of_kind(found, "stage")} == {
        end: (end.split(".")[0],) for end in ends
    }
    assert len(found) == len({site.path for site in found})


def test_sites_come_in_the_order_of_the_forward_pass() -> None:
    assert [site.path for site in sites("resnet8", 32)][:7] == [
        "relu",
        "layer1.0.conv1",
        "layer1.0.conv2",
        "layer1.0.bn2",
        "layer1.0",
        "layer2.0.conv1",
        "layer2.0.conv2",
    ]


@pytest.mark.parametrize("name", ["resnet8", "resnet50"])
def test_every_site_knows_its_stage_and_its_block(name: str) -> None:
    for site in sites(name, 64):
        if site.kinds == ("stem",):
            assert (site.stage, site.block) == (0, "")
        else:
            assert site.path.startswith(f"layer{site.stage}.")
            assert site.block == ".".join(site.path.split(".")[:2])


@pytest.mark.parametrize(
    ("name", "size"), [("resnet8", 32), ("resnet8", 28), ("resnet18", 64), ("resnet50", 50)]
)
def test_every_site_has_the_shapes_that_pass_there(name: str, size: int) -> None:
    seen = {}
    with torch.device("meta"):
        model = backbone(name, classes=10).eval()
    for path, module in model.named_modules():
        module.register_forward_hook(
            lambda _, args, out, path=path: seen.update({path: (args[0].shape, out.shape)})
        )
    model(torch.empty(1, 3, size, size, device="meta"))
    for site in sites(name, size):
        shapes = [(1, *site.input_shape), (1, *site.shape)]
        assert [tuple(shape) for shape in seen[site.path]] == shapes


def test_a_convolutions_site_tells_how_to_copy_it() -> None:
    strided = next(site for site in sites("resnet18", 64) if site.path == "layer2.0.conv1")
    assert strided.conv == Conv(64, 128, (3, 3), (2, 2), (1, 1), (1, 1), 1, False)
    assert (strided.input_shape, strided.shape) == ((64, 16, 16), (128, 8, 8))
    assert all(
        (site.conv is not None) is (site.kinds == ("conv",)) for site in sites("resnet18", 64)
    )


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(4, 8, 3),
        nn.Conv2d(4, 8, (1, 5), stride=(1, 2), padding=(0, 2), bias=False),
        nn.Conv2d(4, 8, 3, padding="same", dilation=2, groups=2),
    ],
    ids=str,
)
def test_a_copy_of_a_convolution_has_its_shape(conv: nn.Conv2d) -> None:
    twin, x = Conv.of(conv).build(), torch.randn(2, 4, 9, 8)
    assert str(twin) == str(conv)
    twin.load_state_dict(conv.state_dict())
    assert torch.equal(twin(x), conv(x))


def test_a_site_is_plain_data() -> None:
    for site in sites("resnet8", 32):
        again = json.loads(json.dumps(site.to_dict()))
        assert again["path"] == site.path
        assert tuple(again["shape"]) == site.shape


def test_every_module_stands_at_sites_that_there_are() -> None:
    for name in attention.names():
        entry = attention.entry(name)
        assert {*entry.sites} <= {*KINDS}
        assert (entry.kind != "gate") is (entry.sites == ("conv",))


class Block(nn.Module):
    """A branch of one convolution, beside a shortcut."""

    def __init__(self, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride, 1)
        self.norm = nn.BatchNorm2d(channels)
        self.pool = nn.AvgPool2d(stride, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(x) + self.norm(self.conv(x))


class Net(nn.Module):
    """A stem, ``body`` and a head."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.body = body
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.stem(x)).mean((2, 3)))


def test_a_network_with_other_names_has_sites_too() -> None:
    net = Net(nn.Sequential(nn.Sequential(Block(8), Block(8)), nn.Sequential(Block(8, 2))))
    found = find_sites(net, 16)
    assert [(site.path, site.kinds, site.stage, site.block) for site in found] == [
        ("stem", ("stem",), 0, ""),
        ("body.0.0.conv", ("conv",), 1, "body.0.0"),
        ("body.0.0.norm", ("branch",), 1, "body.0.0"),
        ("body.0.0", ("block",), 1, "body.0.0"),
        ("body.0.1.conv", ("conv",), 1, "body.0.1"),
        ("body.0.1.norm", ("branch",), 1, "body.0.1"),
        ("body.0.1", ("block", "stage"), 1, "body.0.1"),
        ("body.1.0.conv", ("conv",), 2, "body.1.0"),
        ("body.1.0.norm", ("branch",), 2, "body.1.0"),
        ("body.1.0", ("block", "stage"), 2, "body.1.0"),
    ]
    assert [site.aliases for site in found if "stage" in site.kinds] == [
        ("body.0",),
        ("body.1", "body"),
    ]
    assert found[0].shape == (8, 16, 16)
    assert found[-1].shape == (8, 8, 8)


def test_a_stage_without_a_container_ends_at_its_last_block() -> None:
    found = find_sites(Net(nn.Sequential(Block(8), Block(8, 2), Block(8))), 16)
    assert paths(found, "stage") == ["body.0", "body.2"]


def test_without_shortcuts_a_block_is_a_convolution_and_what_follows_it() -> None:
    plain = Net(nn.Sequential(nn.Conv2d(8, 8, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2)))
    assert [(site.path, site.kinds, site.stage) for site in find_sites(plain, 16)] == [
        ("stem", ("conv", "branch", "block", "stage"), 1),
        ("body.0", ("conv",), 2),
        ("body.1", ("branch", "block", "stage"), 2),
    ]


def test_without_shortcuts_blocks_of_one_class_are_the_blocks() -> None:
    class Unit(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.act = nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.act(self.conv(x))

    found = find_sites(Net(nn.Sequential(Unit(), Unit())), 16)
    assert paths(found, "stem") == ["stem"]
    assert paths(found, "branch") == paths(found, "block") == ["body.0", "body.1"]
    assert found[2].aliases == ("body.0.act",)


def test_a_block_that_joins_nothing_is_one_by_its_class() -> None:
    class Maybe(Block):
        def forward(self, x: Tensor) -> Tensor:
            out = self.norm(self.conv(x))
            return out if isinstance(self.pool, nn.AvgPool2d) else out + x

    found = find_sites(Net(nn.Sequential(Maybe(8), Maybe(8, 2), Maybe(8))), 16)
    assert paths(found, "block") == ["body.0", "body.1", "body.2"]
    assert paths(found, "branch") == ["body.0.norm", "body.1", "body.2.norm"]


def test_looking_leaves_the_network_as_it_was() -> None:
    net = Net(nn.Sequential(Block(8), Block(8))).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    find_sites(net, 16)
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())


class Repeated(nn.Module):
    """Runs its block twice."""

    def __init__(self) -> None:
        super().__init__()
        self.block, self.last = Block(8), Block(8)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.block(self.block(x)))


def test_a_module_that_runs_twice_is_no_site() -> None:
    found = find_sites(Net(Repeated()), 16)
    assert {site.path for site in found if site.path.startswith("body.block")} == set()
    assert paths(found, "branch") == ["body.last.norm"]


def test_a_convolution_that_runs_twice_is_no_site() -> None:
    blocks = nn.Sequential(Block(8), Block(8))
    blocks[1].conv = blocks[0].conv
    found = find_sites(Net(blocks), 16)
    assert paths(found, "conv") == []
    assert paths(found, "branch") == ["body.0.norm", "body.1.norm"]


class Preactivated(nn.Module):
    """Norm, activation, convolution: the branch ends in a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.act = nn.BatchNorm2d(channels), nn.ReLU()
        self.conv = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(self.act(self.norm(x)))


def test_a_branch_may_end_in_a_convolution() -> None:
    found = find_sites(Net(nn.Sequential(Preactivated(8), Preactivated(8))), 16)
    assert paths(found, "branch") == ["body.0.conv", "body.1.conv"]
    assert paths(found, "conv") == []


class FunctionalStem(Net):
    """What feeds its first block is the output of no module."""

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(F.relu(self.stem(x))).mean((2, 3)))


def test_a_stem_that_ends_in_a_function_is_no_site() -> None:
    found = find_sites(FunctionalStem(nn.Sequential(Block(8), Block(8))), 16)
    assert paths(found, "stem") == []
    assert paths(found, "block") == ["body.0", "body.1"]


class Listed(Net):
    """Its blocks stand in a list, which does not run itself."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.body:
            x = block(x)
        return self.head(x.mean((2, 3)))


def test_a_list_of_blocks_is_no_site() -> None:
    found = find_sites(Listed(nn.ModuleList([Block(8), Block(8)])), 16)
    assert paths(found, "stage") == ["body.1"]


class LongShortcut(Net):
    """Adds around its whole body, itself."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head((x + self.body(x)).mean((2, 3)))


def test_the_network_itself_is_no_block() -> None:
    found = find_sites(LongShortcut(nn.Sequential(Block(8), Block(8))), 16)
    assert paths(found, "block") == ["body.0", "body.1"]
    assert all(site.path for site in found)


class TwoBranches(nn.Module):
    """Adds twice, as a block with two kinds of mixing does."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.first(x)
        return x + self.second(x)


def test_a_block_with_two_branches_is_one_block() -> None:
    found = find_sites(Net(nn.Sequential(TwoBranches(8))), 16)
    assert paths(found, "block") == ["body.0"]
    assert paths(found, "conv") == ["body.0.first"]
    assert paths(found, "branch") == ["body.0.first", "body.0.second"]
    assert found[1].kinds == ("conv", "branch")


class Joined(nn.Module):
    """Puts two paths side by side before it adds, as Inception-ResNet does."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.left = nn.Conv2d(channels, channels, 3, padding=1)
        self.right = nn.Conv2d(channels, channels, 1)
        self.join = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.join(torch.cat([self.left(x), self.right(x)], 1))


def test_what_was_concatenated_is_still_the_branch() -> None:
    found = find_sites(Net(nn.Sequential(Joined(8), Joined(8))), 16)
    assert paths(found, "branch") == ["body.0.join", "body.1.join"]


def test_stages_of_one_resolution_are_told_apart_by_their_containers() -> None:
    """At 16 pixels the last two stages of a torchvision ResNet have maps of 1 x 1."""
    found = sites("resnet18", 16)
    assert paths(found, "stage") == ["layer1.1", "layer2.1", "layer3.1", "layer4.1"]
    assert len({site.path for site in found}) == len(found)


def unit(inputs: int, outputs: int, kernel: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2), nn.ReLU())


class Inception(nn.Module):
    """Four paths, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.three = unit(8, 2), nn.Sequential(unit(8, 2), unit(2, 2, 3))
        self.five = nn.Sequential(unit(8, 2), unit(2, 2, 5))
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), unit(8, 2))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], 1)


class Fire(nn.Module):
    """Squeezes, and expands by two paths."""

    def __init__(self) -> None:
        super().__init__()
        self.squeeze, self.act = nn.Conv2d(8, 2, 1), nn.ReLU(inplace=True)
        self.left, self.right = nn.Conv2d(2, 4, 1), nn.Conv2d(2, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.squeeze(x))
        return torch.cat([self.left(x).relu(), self.right(x).relu()], 1)


class Shuffle(nn.Module):
    """One half goes as it is beside what was computed of the other; then they are mixed."""

    def __init__(self) -> None:
        super().__init__()
        self.path = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.BatchNorm2d(4))

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, 1)
        return F.channel_shuffle(torch.cat([left, self.path(right)], 1), 2)


@pytest.mark.parametrize(
    ("block", "convs", "branch"),
    [
        (Inception, ["three.1.0", "five.1.0"], ""),
        (Fire, ["right"], ""),
        (Shuffle, ["path.0"], "path.1"),
    ],
)
def test_what_puts_maps_side_by_side_is_a_block(
    block: type[nn.Module], convs: list[str], branch: str
) -> None:
    found = find_sites(Net(nn.Sequential(block(), block())), 16)
    blocks = ["body.0", "body.1"]
    assert paths(found, "stem") == ["stem"]
    assert paths(found, "block") == blocks
    assert paths(found, "conv") == [f"{one}.{conv}" for one in blocks for conv in convs]
    assert paths(found, "branch") == [f"{one}.{branch}".rstrip(".") for one in blocks]
    assert paths(found, "stage") == ["body.1"]


class DenseLayer(nn.Module):
    """Sees all maps before it, and returns what it adds to them."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, 4, 3, padding=1)

    def forward(self, maps: list[Tensor]) -> Tensor:
        return self.conv(self.norm(torch.cat(maps, 1)).relu())


class DenseBlock(nn.ModuleDict):
    """Lists its layers by name, and puts what they return side by side."""

    def __init__(self, inputs: int, layers: int) -> None:
        super().__init__({f"layer{i}": DenseLayer(inputs + 4 * i) for i in range(layers)})

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for layer in self.values():
            maps.append(layer(maps))
        return torch.cat(maps, 1)


def dense() -> nn.Module:
    transition = nn.Sequential(nn.Conv2d(16, 8, 1), nn.AvgPool2d(2))
    last = nn.Conv2d(16, 8, 1)
    return Net(nn.Sequential(DenseBlock(8, 2), transition, DenseBlock(8, 2), last))


def test_the_layers_of_a_dense_block_are_blocks_and_it_is_a_stage() -> None:
    found = find_sites(dense(), 16)
    layers = [f"body.{block}.layer{i}" for block in (0, 2) for i in range(2)]
    assert [site.block for site in of_kind(found, "block")] == layers
    assert paths(found, "stage") == ["body.0", "body.2"]
    assert {site.stage for site in found} == {0, 1, 2}


def test_a_convolution_that_a_block_returns_stands_for_it_so_that_it_can_be_replaced() -> None:
    found = find_sites(dense(), 16)
    for site in of_kind(found, "block"):
        assert site.kinds == ("conv", "branch", "block")
        assert site.path == f"{site.block}.conv"
        assert site.aliases == (site.block,)
        assert site.conv is not None


class Squeeze(nn.Module):
    """Gates channels by their means."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.mean((2, 3), keepdim=True)).sigmoid() * x


class Efficient(nn.Module):
    """Gates channels by a convolution along them, in place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.conv(x.mean((2, 3)).unsqueeze(1)).sigmoid().squeeze(1)
        return x.mul_(gate[:, :, None, None].expand_as(x))


class Spatial(nn.Module):
    """Gates places."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.conv(torch.stack([x.mean(1), x.amax(1)], 1)).sigmoid()


class Convolutional(nn.Module):
    """Gates channels, then places."""

    def __init__(self) -> None:
        super().__init__()
        self.channel, self.spatial = Squeeze(), Spatial()

    def forward(self, x: Tensor) -> Tensor:
        return self.spatial(self.channel(x))


class TwoGates(nn.Module):
    """A product of its input with two gates."""

    def __init__(self) -> None:
        super().__init__()
        self.rows, self.columns = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        rows = self.rows(x.mean(3, keepdim=True)).sigmoid()
        return x * rows * self.columns(x.mean(2, keepdim=True)).sigmoid()


class Swish(nn.Module):
    """Multiplies its input, too, but has nothing to learn."""

    def forward(self, x: Tensor) -> Tensor:
        return x * x.sigmoid()


class Scale(nn.Module):
    """Multiplies its input with what it learns, not with what it computed."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(8, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class Attended(Block):
    """A branch with something between its convolution and its end."""

    def __init__(self, inner: nn.Module, *, last: bool = False) -> None:
        super().__init__(8)
        self.inner, self.last = inner, last

    def forward(self, x: Tensor) -> Tensor:
        if self.last:
            return x + self.inner(self.norm(self.conv(x)))
        return x + self.norm(self.inner(self.conv(x)))


ATTENTION = [Squeeze, Efficient, Spatial, Convolutional, TwoGates]


@pytest.mark.parametrize("inner", ATTENTION)
def test_attention_that_is_there_already_is_a_site(inner: type[nn.Module]) -> None:
    found = find_sites(Net(nn.Sequential(Attended(inner()), Attended(inner()))), 16)
    assert paths(found, "existing") == ["body.0.inner", "body.1.inner"]
    assert paths(found, "branch") == ["body.0.norm", "body.1.norm"]
    assert paths(found, "block") == ["body.0", "body.1"]
    assert paths(found, "conv") == ["body.0.conv", "body.1.conv"]


@pytest.mark.parametrize("inner", ATTENTION)
def test_attention_at_the_end_of_a_branch_is_one_site_with_it(inner: type[nn.Module]) -> None:
    found = find_sites(Net(nn.Sequential(Attended(inner(), last=True))), 16)
    (site,) = of_kind(found, "existing")
    assert (site.path, site.kinds) == ("body.0.inner", ("branch", "existing"))


def test_attention_that_a_block_returns_is_one_site_with_it() -> None:
    """Else to swap it, and to take it out and put the same behind the block, would be two."""

    class Returned(nn.Sequential):
        """Two convolutions and attention, without a shortcut."""

    def block() -> nn.Module:
        return Returned(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), Squeeze())

    found = find_sites(Net(nn.Sequential(block(), block())), 16)
    assert [(s.path, s.kinds) for s in found if "block" in s.kinds] == [
        ("body.0.2", ("branch", "block", "existing")),
        ("body.1.2", ("branch", "block", "stage", "existing")),
    ]
    assert found[-1].aliases == ("body.1", "body")


@pytest.mark.parametrize("inner", [Swish, Scale, nn.Identity, nn.PReLU, lambda: nn.BatchNorm2d(8)])
def test_what_only_looks_like_attention_is_none(inner: Any) -> None:
    found = find_sites(Net(nn.Sequential(Attended(inner()), Attended(inner()))), 16)
    assert paths(found, "existing") == []
    assert paths(found, "branch") == ["body.0.norm", "body.1.norm"]


def test_modules_that_return_the_same_map_are_one_site() -> None:
    net = Net(nn.Sequential(nn.Sequential(nn.Sequential(Block(8))), nn.Identity()))
    end = find_sites(net, 16)[-1]
    assert end.path == "body.0.0.0"
    assert end.kinds == ("block", "stage")
    assert end.aliases == ("body.0.0", "body.0", "body")


def test_the_survey_knows_a_site_by_each_of_its_names() -> None:
    there = survey(Net(nn.Sequential(nn.Sequential(Block(8)), Block(8, 2))), 16)
    site = there.at("body.0.0")
    assert site is not None
    assert site.path == "body.0.0"
    assert there.at("body.0") is site
    other = there.at("body.1.pool")
    assert other is not None
    assert (other.kinds, other.stage, other.block) == (("named",), 2, "body.1")
    assert there.at("body.0.0.pool") is None  # an nn.Identity makes no map
    assert there.at("head") is None  # no map
    assert there.at("body.7") is None
    assert there.at("") is None
    assert there.stages == 2


def test_what_an_activation_changes_in_place_is_another_map_afterwards() -> None:
    class InPlace(Block):
        def forward(self, x: Tensor) -> Tensor:
            return x + F.relu(self.norm(self.conv(x)), inplace=True)

    class Module(Block):
        def __init__(self) -> None:
            super().__init__(8)
            self.act = nn.ReLU(inplace=True)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.act(self.norm(self.conv(x)))

    there = survey(Net(nn.Sequential(Module(), Module())), 16)
    norm, act = there.at("body.0.norm"), there.at("body.0.act")
    assert norm is not None
    assert act is not None
    assert (norm.kinds, act.kinds) == (("named",), ("branch",))
    assert paths(find_sites(Net(nn.Sequential(InPlace(8))), 16), "block") == ["body.0"]


def test_an_identity_on_a_shortcut_is_no_site() -> None:
    there = survey(Net(nn.Sequential(Block(8), Block(8))), 16)
    assert there.at("body.0.pool") is None
    assert not any(site.path.endswith("pool") for site in (*there.sites, *there.others))


def test_a_stem_is_what_runs_before_the_first_block() -> None:
    class Deep(Net):
        def __init__(self) -> None:
            super().__init__(nn.Sequential(Block(8), Block(8)))
            self.stem = nn.Sequential(unit(3, 4, 3), unit(4, 8, 3))

    assert stem_of(Net(nn.Sequential(Block(8))), 16) == ["stem"]
    assert stem_of(Deep(), 16) == ["stem.0.0", "stem.0.1", "stem.1.0", "stem.1.1"]
    plain = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU())
    assert stem_of(plain, 16) == []


def test_images_that_are_too_small_are_refused_with_a_sentence() -> None:
    net = Net(nn.Sequential(nn.MaxPool2d(4), nn.MaxPool2d(4)))
    with pytest.raises(BadValue, match=r"^Net takes no images of 8 pixels: .*too small"):
        find_sites(net, 8)


FAMILIES: dict[str, tuple[tuple[int, ...], dict[str, int]]] = {  # blocks a stage, sites by kind
    "alexnet": ((1, 1, 3), {"conv": 5}),
    "vgg11_bn": ((1, 1, 2, 2, 2), {"conv": 8}),
    "squeezenet1_1": ((2, 2, 4), {"stem": 1, "conv": 8}),
    "googlenet": ((2, 5, 2), {"stem": 1, "conv": 18}),  # the 5 x 5 are 3 x 3 there
    "inception_v3": ((3, 5, 3), {"stem": 1, "conv": 50}),
    "densenet121": ((6, 12, 24, 16), {"stem": 1, "conv": 58}),
    "shufflenet_v2_x0_5": ((4, 8, 4), {"stem": 1, "conv": 19}),  # 3 of them on shortcuts
    "mobilenet_v2": ((1, 2, 3, 7, 4), {"stem": 1, "conv": 17}),  # 4 + 3 of 14 x 14, 3 + 1 of 7 x 7
    "mobilenet_v3_small": ((1, 2, 5, 3), {"stem": 1, "conv": 11, "existing": 9}),
    "mnasnet0_5": ((3, 3, 3, 2, 4, 1), {"stem": 1, "conv": 16}),
    "efficientnet_b0": ((1, 2, 2, 3, 3, 4, 1), {"stem": 1, "conv": 16, "existing": 16}),
    "efficientnet_v2_s": ((2, 4, 4, 6, 9, 15), {"stem": 1, "conv": 40, "existing": 30}),
    "regnet_y_400mf": ((1, 3, 6, 6), {"stem": 1, "conv": 16, "existing": 16}),
    "convnext_tiny": ((3, 3, 9, 3), {"stem": 1, "conv": 18}),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_has_the_blocks_of_its_paper(name: str) -> None:
    given: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):
        given = {"aux_logits": False, "init_weights": False}
    with torch.device("cpu" if name.startswith("regnet") else "meta"):
        model = torchvision.models.get_model(name, weights=None, **given)
    there, (runs, kinds) = survey(model, 224), FAMILIES[name]
    blocks = Counter(site.stage for site in of_kind(there.sites, "block"))
    assert tuple(blocks[stage] for stage in range(1, there.stages + 1)) == runs
    known = Counter(kind for site in there.sites for kind in site.kinds)
    assert known == {"branch": sum(runs), "block": sum(runs), "stage": len(runs), **kinds}
    assert all(site.conv is not None for site in of_kind(there.sites, "conv"))
    names = [path for site in there.sites for path in (site.path, *site.aliases)]
    assert len(names) == len({*names})
