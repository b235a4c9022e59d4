import random
from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from foveate import attention
from foveate.spaces import Cost, Module, Placement, cost, count, sites
from foveate.spaces.costs import module_cost
from foveate.spaces.networks import backbone
from foveate.spaces.plugging import build

BARE = {  # parameters and multiply-adds at 224 pixels and 1000 classes
    "resnet18": (11_689_512, 1_814_073_344),
    "resnet34": (21_797_672, 3_663_761_408),
    "resnet50": (25_557_032, 4_089_184_256),
    "resnet101": (44_549_160, 7_801_405_440),
}


FREE = {"simam", "gct_gaussian", "ge"}  # may have no parameters


def on_meta(placement: Placement, classes: int = 1000, *, size: int) -> nn.Module:
    with torch.device("meta"):
        return build(placement, classes, image_size=size)


def counted(module: nn.Module, *shape: int) -> Cost:
    return count(module.to("meta"), *shape)


@pytest.mark.parametrize("name", BARE)
def test_a_bare_network_costs_what_is_published(name: str) -> None:
    bare = cost(Placement(name), 224)
    assert (bare.parameters, bare.macs) == BARE[name]


def test_the_operations_of_resnet50_are_those_of_the_tables() -> None:
    assert 4.12 <= cost(Placement("resnet50"), 224).gflops <= 4.14


def test_macs_leave_out_what_operations_count() -> None:
    bare = cost(Placement("resnet50"), 224)
    assert 1.005 < bare.operations / bare.macs < 1.02


CHECKED = [("resnet8", 32), ("resnet20", 28), ("resnet18", 64), ("resnet50", 96)]
MIXED = (Module("layer1.0.bn2", "se"), Module("layer2.0.conv1", "aw"), Module("layer2", "steam"))


@pytest.mark.parametrize(("name", "size"), CHECKED)
@pytest.mark.parametrize("modules", [(), MIXED], ids=["bare", "mixed"])
def test_macs_are_half_of_torchs_flops(name: str, size: int, modules: tuple[Module, ...]) -> None:
    if name == "resnet50":
        modules = tuple(m for m in modules if m.site != "layer1.0.bn2" and "conv1" not in m.site)
    placement = Placement.of(name, modules)
    model = on_meta(placement, size=size).eval()
    with FlopCounterMode(display=False) as theirs:
        model(torch.empty(1, 3, size, size, device="meta"))
    assert cost(placement, size).macs * 2 == theirs.get_total_flops()


@pytest.mark.parametrize("name", ["resnet8", "resnet50"])
def test_parameters_are_all_numbers_that_are_trained(name: str) -> None:
    with torch.device("meta"):
        model = backbone(name, classes=7)
    assert cost(Placement(name), 64, 7).parameters == sum(p.numel() for p in model.parameters())


def random_placement(name: str, size: int, seed: int) -> Placement:
    """Every module of the registry somewhere, at most two gates at a site."""
    rng, there = random.Random(seed), sites(name, size)
    modules, convs = [], set()
    for module in attention.names() * 2:
        entry = attention.entry(module)
        replaces = entry.kind != "gate"
        site = rng.choice(
            [s for s in there if ("conv" in s.kinds) >= replaces and s.path not in convs]
        )
        if replaces:
            convs.add(site.path)
        drawn = {key: rng.choice(choice.values) for key, choice in entry.hyperparameters.items()}
        modules.append(Module(site.path, module, tuple(sorted(drawn.items()))))
    return Placement.of(name, modules)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("name", "size"), [("resnet8", 32), ("resnet20", 28), ("resnet18", 50)])
def test_the_cost_is_that_of_the_whole_network(name: str, size: int, seed: int) -> None:
    placement = random_placement(name, size, seed)
    whole = count(on_meta(placement, 10, size=size), 1, 3, size, size)
    assert cost(placement, size, 10) == whole


@pytest.mark.parametrize("size", [64, 224])
def test_the_cost_of_a_deep_network_is_that_of_the_whole(size: int) -> None:
    placement = random_placement("resnet50", size, seed=0)
    assert cost(placement, size) == count(on_meta(placement, size=size), 1, 3, size, size)


@pytest.mark.parametrize("name", attention.names())
def test_every_combination_of_hyper_parameters_has_a_cost(name: str) -> None:
    entry = attention.entry(name)
    site = next(site for site in sites("resnet8", 32) if {*site.kinds} & {*entry.sites})
    for values in product(*(choice.values for choice in entry.hyperparameters.values())):
        chosen = tuple(sorted(zip(entry.hyperparameters, values, strict=True)))
        added = module_cost(Module(site.path, name, chosen), site)
        if entry.kind == "mixer":  # in place of what the convolution costs
            assert added.operations > added.macs
        else:
            assert added.parameters > 0 or name in FREE
            assert added.operations > added.macs >= 0
        kept = module_cost(Module(site.path, name, chosen), site, identity_init=True)
        assert kept.parameters >= added.parameters and kept.macs >= added.macs


def test_the_cost_does_not_depend_on_who_asks_first() -> None:
    placement = random_placement("resnet8", 32, seed=9)
    once = cost(placement, 32, 10)
    assert cost(Placement.parse(placement.spelling), 32, 10) == once


def test_costs_add_up() -> None:
    one, other = Cost(1, 10, 100), Cost(2, 20, 200_000_000)
    assert one + other == Cost(3, 30, 200_000_100)
    assert one + other - other == one
    assert other.gflops == 0.2


def test_counting_changes_no_module() -> None:
    with torch.device("meta"):
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    keys = list(model.state_dict())
    count(model, 1, 3, 8, 8)
    assert list(model.state_dict()) == keys


LAYERS = [  # module, input, multiply-adds, operations
    (nn.Linear(8, 5), (1, 8), 40, 45),
    (nn.Linear(8, 5, bias=False), (3, 8), 120, 120),
    (nn.Conv2d(3, 4, 3), (1, 3, 8, 8), 36 * 4 * 27, 36 * 4 * 28),
    (nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2, bias=False), (1, 4, 8, 8), 2304, 2304),
    (nn.ConvTranspose2d(4, 2, 2, stride=2, bias=False), (1, 4, 5, 5), 25 * 32, 25 * 32),
    (nn.Conv1d(1, 1, 3, padding=1, bias=False), (1, 1, 9), 27, 27),
    (nn.BatchNorm2d(4), (1, 4, 5, 5), 0, 200),
    (nn.ReLU(), (1, 4, 5, 5), 0, 100),
    (nn.Sigmoid(), (2, 3), 0, 6),
    (nn.Softmax(1), (2, 3), 0, 18),
    (nn.AdaptiveAvgPool2d(1), (1, 4, 5, 5), 0, 100),
    (nn.AdaptiveAvgPool2d(2), (1, 4, 6, 6), 0, 144),
    (nn.MaxPool2d(3, 2, 1), (1, 4, 6, 6), 0, 144),
    (nn.Flatten(), (1, 4, 5, 5), 0, 0),
    (nn.Identity(), (1, 4, 5, 5), 0, 0),
    (nn.ZeroPad2d(1), (1, 4, 5, 5), 0, 0),
]


@pytest.mark.parametrize(("module", "shape", "macs", "operations"), LAYERS, ids=str)
def test_a_layer_costs_what_one_counts_by_hand(
    module: nn.Module, shape: tuple[int, ...], macs: int, operations: int
) -> None:
    parameters = sum(p.numel() for p in module.parameters())
    assert counted(module, *shape) == Cost(parameters, macs, operations)


class Product(nn.Module):
    """A matrix with its own transpose."""

    def forward(self, x: Tensor) -> Tensor:
        return x @ x.mT


def test_matrix_products_count() -> None:
    assert counted(Product(), 3, 5) == Cost(0, 45, 45)
    assert counted(Product(), 2, 3, 5) == Cost(0, 90, 90)


class Inverse(nn.Module):
    """What no rule counts."""

    def forward(self, x: Tensor) -> Tensor:
        return x.inverse()


def test_an_operation_without_a_rule_is_not_taken_for_free() -> None:
    with pytest.raises(
        NotImplementedError, match=r"^no rule counts the operations of aten\.linalg_inv"
    ):
        counted(Inverse(), 3, 3)
