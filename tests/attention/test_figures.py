"""What the papers' tables say the modules add, exactly."""

from typing import Any

import pytest
import torch
from torch import nn

from foveate import attention
from foveate.spaces import Module, Placement, cost, sites

BARE = {"resnet18": 11_689_512, "resnet34": 21_797_672, "resnet50": 25_557_032}
BARE |= {"resnet101": 44_549_160}
ADDED = [  # the module wherever its paper places it, at 224 pixels and 1000 classes
    ("resnet50", "se", {}, 2_530_992),
    ("resnet50", "se", {"reduction": 8}, 5_046_880),
    ("resnet101", "se", {}, 4_777_712),
    ("resnet50", "cbam", {}, 2_530_992 + 16 * 100),
    ("resnet50", "cbam", {"kernel": 3}, 2_530_992 + 16 * 20),
    ("resnet101", "cbam", {}, 4_777_712 + 33 * 100),
    ("resnet50", "eca", {}, 13 * 5 + 3 * 7),
    ("resnet50", "eca", {"kernel": 3}, 16 * 3),
    ("resnet50", "pointwise", {}, 15_104 + 16),
    ("resnet50", "cram", {"head": "moments"}, 15_104 + 16),
    ("resnet50", "cram", {}, 16 * 15_104 + 16 * (16 + 32 + 1285)),
    ("resnet50", "aw", {}, 157_184 + 8_024),
    ("resnet50", "aw", {"reduction": 8}, 314_368 + 8_496),
    ("resnet18", "steam", {}, 320),
    ("resnet34", "steam", {}, 320),
    ("resnet50", "steam", {}, 320),
    ("resnet101", "steam", {"heads": 8, "reach": 4}, 320),
]
PUBLISHED = [  # millions of parameters
    ("resnet50", "se", 28.088),
    ("resnet101", "se", 49.327),
    ("resnet50", "cbam", 28.090),
    ("resnet101", "cbam", 49.330),
    ("resnet50", "eca", 25.557),
]


def everywhere(backbone: str, name: str, **chosen: Any) -> Placement:
    """``name`` at every site where its paper places it."""
    kinds, settings = attention.entry(name).sites, tuple(sorted(chosen.items()))
    there = [site.path for site in sites(backbone, 224) if site.kind in kinds]
    return Placement.of(backbone, [Module(path, name, settings) for path in there])


def parameters(backbone: str, name: str, **chosen: Any) -> int:
    return cost(everywhere(backbone, name, **chosen), 224).parameters


@pytest.mark.parametrize(("backbone", "name", "chosen", "added"), ADDED)
def test_adds_as_many_parameters_as_the_formula_says(
    backbone: str, name: str, chosen: dict[str, Any], added: int
) -> None:
    assert parameters(backbone, name, **chosen) - BARE[backbone] == added


@pytest.mark.parametrize(("backbone", "name", "millions"), PUBLISHED)
def test_the_whole_has_as_many_parameters_as_published(
    backbone: str, name: str, millions: float
) -> None:
    assert round(parameters(backbone, name) / 1e6, 3) == millions


def test_eca_has_the_kernels_of_the_released_network_too() -> None:
    released = {"layer1": 3, "layer2": 5, "layer3": 5, "layer4": 7}
    modules = [
        Module(site.path, "eca", (("kernel", released[site.path.split(".")[0]]),))
        for site in sites("resnet50", 224)
        if site.kind == "branch"
    ]
    assert cost(Placement.of("resnet50", modules), 224).parameters - BARE["resnet50"] == 80


@pytest.mark.parametrize(("channels", "kernel"), [(1, 3), (64, 3), (256, 5), (1024, 5), (2048, 7)])
def test_the_kernel_of_eca_grows_with_the_channels(channels: int, kernel: int) -> None:
    module = attention.entry("eca").build(channels, (7, 7))
    assert module.get_parameter("mix.weight").numel() == kernel


@pytest.mark.parametrize(("reduction", "without_norms"), [(16, 157_184), (8, 314_368)])
def test_aw_is_mostly_its_two_pointwise_convolutions(reduction: int, without_norms: int) -> None:
    placement = everywhere("resnet50", "aw", reduction=reduction)
    assert len(placement.modules) == 16
    norms = 0
    for site in sites("resnet50", 224):
        if site.kind == "conv":
            with torch.device("meta"):
                conv = nn.Conv2d(site.input_shape[0], site.shape[0], 3)
                module = attention.entry("aw").wrap(conv, (7, 7), reduction=reduction)
            norms += sum(
                p.numel()
                for norm in module.modules()
                if isinstance(norm, nn.BatchNorm2d)
                for p in norm.parameters()
            )
    assert (
        parameters("resnet50", "aw", reduction=reduction) - BARE["resnet50"] - norms
        == without_norms
    )


def test_steam_stands_behind_the_stem_and_the_four_stages() -> None:
    placement = everywhere("resnet50", "steam")
    paths = {module.site for module in placement.modules}
    assert paths == {"maxpool", "layer1", "layer2", "layer3", "layer4"}


def test_steam_costs_next_to_nothing() -> None:
    added = cost(everywhere("resnet50", "steam"), 224) - cost(Placement("resnet50"), 224)
    assert added.macs < 0.005e9
    assert 0 < added.operations < 0.01e9


DOCUMENTED = {  # the "parameters" line of each module's docstring, for C channels
    "aw": lambda c: c * (c // 16) + (c // 16) * c + 2 * (c // 16) + 2 * c,
    "cbam": lambda c: 2 * c * (c // 16) + c // 16 + c + 2 * 7 * 7 + 2,
    "cram": lambda c: c * 16 + 16 + 32 + 1285,
    "eca": lambda c: 3 if c < 128 else 5,
    "pointwise": lambda c: c + 1,
    "se": lambda c: 2 * c * (c // 16) + c // 16 + c,
    "steam": lambda c: 64,
}


@pytest.mark.parametrize("channels", [16, 64, 256])
@pytest.mark.parametrize("name", attention.names())
def test_has_as_many_parameters_as_it_says(name: str, channels: int) -> None:
    assert name in DOCUMENTED, f"write the parameters of {name!r} into DOCUMENTED in {__file__}"
    entry = attention.entry(name)
    if entry.kind == "gate":
        module, own = entry.build(channels, (7, 7)), 0
    else:
        conv = nn.Conv2d(channels, channels, 3)
        own = sum(p.numel() for p in conv.parameters())
        module = entry.wrap(conv, (7, 7))
    assert sum(p.numel() for p in module.parameters()) - own == DOCUMENTED[name](channels)
