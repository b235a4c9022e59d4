"""What the papers' tables say the modules add, exactly."""

from collections.abc import Callable
from math import gcd, log2
from typing import Any

import pytest
import torch
from torch import nn

from foveate import attention
from foveate.spaces import Module, Placement, cost, plug, sites
from foveate.spaces.costs import count
from foveate.spaces.networks import backbone as network

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
    ("resnet50", "ceca", {}, 13 * 5 + 3 * 7),
    ("resnet50", "triplet", {}, 16 * 300),
    ("resnet50", "sge", {}, 16 * 128),
    ("resnet50", "gct", {}, 3 * 15_104),
    ("resnet101", "gct", {}, 3 * 32_512),
    ("resnet50", "gct_gaussian", {}, 0),
    ("resnet50", "gct_gaussian", {"width": "learned"}, 16),
    ("resnet50", "simam", {}, 0),
    ("resnet50", "ge", {}, 0),
    ("resnet50", "ge", {"gather": "conv"}, 5_549_568),  # 31.107 M; published with biases: 31.12
    ("resnet50", "ge", {"gather": "conv", "extent": 8}, 3 * 11 * 15_104),
    ("resnet50", "srm", {}, 4 * 15_104),
    ("resnet50", "nonlocal", {}, 4 * 526_592 + 6 * 2_101_760),
    ("resnet50", "mhsa", {}, 20_852_008 - 25_557_032),
]
PUBLISHED = [  # millions of parameters
    ("resnet50", "se", 28.088),
    ("resnet101", "se", 49.327),
    ("resnet50", "cbam", 28.090),
    ("resnet101", "cbam", 49.330),
    ("resnet50", "eca", 25.557),
    ("resnet50", "ceca", 25.557),
    ("resnet50", "bam", 25.915),
    ("resnet50", "srm", 25.617),
    ("resnet101", "srm", 44.679),
    ("resnet50", "coord", 27.475),
    ("resnet50", "triplet", 25.562),
    ("resnet50", "gc", 28.079),
    ("resnet50", "fca", 28.072),
    ("resnet50", "sa", 25.558),
    ("resnet50", "ema", 25.755),
    ("resnet50", "mca", 25.557),
    ("resnet50", "sge", 25.559),
    ("resnet50", "mhsa", 20.852),
]


def everywhere(backbone: str, name: str, **chosen: Any) -> Placement:
    """``name`` at every site where its paper places it."""
    entry, settings = attention.entry(name), tuple(sorted(chosen.items()))
    all_sites = sites(backbone, 224)
    stages = max(site.stage for site in all_sites)
    there = [site.path for site in all_sites if entry.stands_at(site.kinds, site.stage, stages)]
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
    with torch.device("meta"):
        plugged = plug(network(backbone, 1000), everywhere(backbone, name))
    assert sum(p.numel() for p in plugged.parameters()) == parameters(backbone, name)


@pytest.mark.parametrize("name", ["eca", "ceca"])
def test_eca_has_the_kernels_of_the_released_network_too(name: str) -> None:
    released = {"layer1": 3, "layer2": 5, "layer3": 5, "layer4": 7}
    modules = [
        Module(site.path, name, (("kernel", released[site.path.split(".")[0]]),))
        for site in sites("resnet50", 224)
        if "branch" in site.kinds
    ]
    assert cost(Placement.of("resnet50", modules), 224).parameters - BARE["resnet50"] == 80


@pytest.mark.parametrize(("channels", "kernel"), [(1, 3), (64, 3), (256, 5), (1024, 5), (2048, 7)])
@pytest.mark.parametrize("name", ["eca", "ceca"])
def test_the_kernel_of_eca_grows_with_the_channels(name: str, channels: int, kernel: int) -> None:
    module = attention.entry(name).build(channels, (7, 7))
    assert module.get_parameter("mix.weight").numel() == kernel


@pytest.mark.parametrize(("reduction", "without_norms"), [(16, 157_184), (8, 314_368)])
def test_aw_is_mostly_its_two_pointwise_convolutions(reduction: int, without_norms: int) -> None:
    placement = everywhere("resnet50", "aw", reduction=reduction)
    assert len(placement.modules) == 16
    norms = 0
    for site in sites("resnet50", 224):
        if "conv" in site.kinds:
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
    assert paths == {"maxpool", "layer1.2", "layer2.3", "layer3.5", "layer4.2"}


def test_steam_costs_next_to_nothing() -> None:
    added = cost(everywhere("resnet50", "steam"), 224) - cost(Placement("resnet50"), 224)
    assert added.macs < 0.005e9
    assert 0 < added.operations < 0.01e9


def test_gct_stands_before_every_convolution_for_little() -> None:
    with torch.device("meta"):
        model = network("resnet50", 1000)
        convs = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
        gates = [attention.entry("gct").build(conv.in_channels, (7, 7)) for conv in convs]
    added = sum(p.numel() for gate in gates for p in gate.parameters())
    assert len(convs) == 53
    assert round((BARE["resnet50"] + added) / 1e6, 3) == 25.625


def test_sk_has_the_published_groups_and_width() -> None:
    placement = everywhere("resnet50", "sk")
    with torch.device("meta"):
        middle = attention.entry("sk").wrap(nn.Conv2d(1024, 1024, 3, padding=1), (7, 7))
    assert [conv.groups for conv in middle.modules() if isinstance(conv, nn.Conv2d)] == [32, 32]
    assert middle.get_parameter("squeeze.weight").shape == (64, 1024)
    added = 0
    for width, blocks in zip((64, 128, 256, 512), (3, 4, 6, 3), strict=True):
        hidden = max(width // 16, 32)
        branches = 2 * (9 * width * width // 32 + 2 * width)
        selection = width * hidden + 2 * hidden + 2 * width * hidden
        added += blocks * (branches + selection - 9 * width * width)
    assert len(placement.modules) == 16
    assert parameters("resnet50", "sk") - BARE["resnet50"] == added


def reduced(channels: int, reduction: int = 16) -> int:
    return max(1, channels // reduction)


def grown_kernel(channels: int) -> int:
    """Of ECA: odd, at least 3."""
    t = int((log2(channels) + 1) / 2)
    return max(3, t if t % 2 else t + 1)


def channel_kernel(channels: int) -> int:
    """Of MCA along the channels: odd, at least 1."""
    k = round((log2(channels) - 1) / 1.5)
    return max(1, k if k % 2 else k - 1)


def bam(c: int) -> int:
    m = reduced(c)
    return 3 * c * m + c + 18 * m * m + 13 * m + 1


def coord(c: int) -> int:
    m = max(8, c // 32)
    return 3 * c * m + 3 * m + 2 * c


def ema(c: int) -> int:
    inside = c // gcd(c, 32)
    return 10 * inside * inside + 4 * inside


def gc(c: int) -> int:
    m = reduced(c)
    return 2 * c * m + 2 * c + 3 * m + 1


def mhsa(c: int, height: int = 7, width: int = 7) -> int:
    return 3 * c * c + 2 * (c // 4) * (height + width - 1)


def nonlocal_(c: int) -> int:
    m = c // 2
    return 4 * c * m + 3 * m + 3 * c


def sk(c: int) -> int:
    d = max(c // 16, 32)
    return 18 * c * c // gcd(c, 32) + 4 * c + 3 * c * d + 2 * d


DOCUMENTED: dict[str, Callable[[int], int]] = {  # "parameters" of each docstring, for C channels
    "aw": lambda c: c * (c // 16) + (c // 16) * c + 2 * (c // 16) + 2 * c,
    "bam": bam,
    "cbam": lambda c: 2 * c * (c // 16) + c // 16 + c + 2 * 7 * 7 + 2,
    "ceca": grown_kernel,
    "coord": coord,
    "cram": lambda c: c * 16 + 16 + 32 + 1285,
    "eca": grown_kernel,
    "ema": ema,
    "fca": lambda c: 2 * c * reduced(c),
    "gc": gc,
    "gct": lambda c: 3 * c,
    "gct_gaussian": lambda c: 0,
    "ge": lambda c: 0,
    "mca": lambda c: 12 + channel_kernel(c),
    "mhsa": mhsa,
    "nonlocal": nonlocal_,
    "pointwise": lambda c: c + 1,
    "sa": lambda c: 3 * c // gcd(c // 2, 64),
    "se": lambda c: 2 * c * (c // 16) + c // 16 + c,
    "sge": lambda c: 2 * gcd(c, 64),
    "simam": lambda c: 0,
    "sk": sk,
    "srm": lambda c: 4 * c,
    "steam": lambda c: 64,
    "triplet": lambda c: 6 * 7 * 7 + 6,
}
CHOSEN: list[tuple[str, dict[str, Any], Callable[[int], int]]] = [  # other hyper-parameters
    ("bam", {"identity_init": True}, bam),
    ("ema", {"groups": 8}, lambda c: 10 * (c // 8) ** 2 + 4 * (c // 8)),
    ("fca", {"reduction": 8, "frequencies": 4}, lambda c: 2 * c * (c // 8)),
    ("gct_gaussian", {"width": "learned"}, lambda c: 1),
    ("gct_gaussian", {"width": "learned", "identity_init": True}, lambda c: 2),
    ("ge", {"identity_init": True}, lambda c: 1),
    ("ge", {"gather": "conv"}, lambda c: (7 * 7 + 2) * c),
    ("ge", {"gather": "conv", "extent": 8}, lambda c: 11 * c * 3),
    ("sa", {"groups": 8}, lambda c: 3 * c // 8),
    ("sge", {"groups": 8}, lambda c: 16),
    ("simam", {"identity_init": True}, lambda c: 1),
    ("triplet", {"kernel": 3}, lambda c: 60),
]


def made(name: str, channels: int, size: tuple[int, int], **chosen: Any) -> tuple[nn.Module, int]:
    """The module, and how many parameters it takes over from a convolution."""
    entry = attention.entry(name)
    with torch.device("meta"):
        if entry.kind == "gate":
            return entry.build(channels, size, **chosen), 0
        conv = nn.Conv2d(channels, channels, 3, padding=1)
        own = sum(p.numel() for p in conv.parameters()) if entry.kind == "weight" else 0
        return entry.wrap(conv, size, **chosen), own


def adds_at(name: str, channels: int, **chosen: Any) -> int:
    module, own = made(name, channels, (7, 7), **chosen)
    return sum(p.numel() for p in module.parameters()) - own


@pytest.mark.parametrize("channels", [16, 64, 256])
@pytest.mark.parametrize("name", attention.names())
def test_has_as_many_parameters_as_it_says(name: str, channels: int) -> None:
    assert name in DOCUMENTED, f"write the parameters of {name!r} into DOCUMENTED in {__file__}"
    assert adds_at(name, channels) == DOCUMENTED[name](channels)


@pytest.mark.parametrize("channels", [16, 64, 256])
@pytest.mark.parametrize(("name", "chosen", "says"), CHOSEN)
def test_has_as_many_with_other_hyperparameters(
    name: str, chosen: dict[str, Any], says: Callable[[int], int], channels: int
) -> None:
    assert adds_at(name, channels, **chosen) == says(channels)


BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}
BLOCKS |= {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
GATES = [name for name in attention.names() if attention.entry(name).kind == "gate"]


@pytest.mark.parametrize("backbone", BLOCKS)
@pytest.mark.parametrize("name", [name for name in GATES if name != "steam"])
def test_adds_its_parameters_as_often_as_its_paper_places_it(name: str, backbone: str) -> None:
    entry = attention.entry(name)
    first = 256 if backbone in ("resnet50", "resnet101") else 64
    added = 0
    for stage, blocks in enumerate(BLOCKS[backbone], 1):
        if stage in (entry.stages or (1, 2, 3, 4)):
            units = 1 if entry.sites == ("stage",) else blocks
            added += units * DOCUMENTED[name](first * 2 ** (stage - 1))
    assert parameters(backbone, name) - BARE[backbone] == added


def test_mhsa_shrinks_the_last_stage() -> None:
    added = mhsa(512, 14, 14) + 2 * mhsa(512) - 3 * 9 * 512 * 512
    assert parameters("resnet50", "mhsa") - BARE["resnet50"] == added


def whole_ge(c: int, h: int, w: int, extent: int, *, conv: bool) -> int:
    if not extent:
        return (3 if conv else 2) * c * h * w
    halvings = range(1, int(log2(extent)) + 1) if conv else [int(log2(extent))]
    per_value = 13 if conv else (2 * extent - 1) ** 2 + 2
    return c * h * w + per_value * c * sum(-(-h // 2**i) * -(-w // 2**i) for i in halvings)


Operations = Callable[[int, int, int], float]
COSTS: list[tuple[str, dict[str, Any], Operations]] = [  # "multiply-adds" of each docstring
    (
        "aw",
        {},
        lambda c, h, w: (
            9 * 2 * c * reduced(c) + c * h * w + (18 * c * h * w if 2 * h * w < c else 9 * c * c)
        ),
    ),
    (
        "bam",
        {},
        lambda c, h, w: (
            2 * c * reduced(c)
            + (c * reduced(c) + 18 * reduced(c) ** 2 + reduced(c) + 5 * c) * h * w
        ),
    ),
    ("cbam", {}, lambda c, h, w: 4 * c * reduced(c) + (6 * c + 2 * 7 * 7) * h * w),
    ("ceca", {}, lambda c, h, w: grown_kernel(c) * c + 2 * c * h * w),
    ("ceca", {"kernel": 9}, lambda c, h, w: 9 * c + 2 * c * h * w),
    ("coord", {}, lambda c, h, w: 4 * c * h * w + 2 * c * max(8, c // 32) * (h + w)),
    ("coord", {"reduction": 8}, lambda c, h, w: 4 * c * h * w + 2 * c * max(8, c // 8) * (h + w)),
    ("cram", {}, lambda c, h, w: (17 * c + 100) * h * w),
    ("cram", {"head": "moments"}, lambda c, h, w: (2 * c + 40) * h * w),
    ("eca", {}, lambda c, h, w: grown_kernel(c) * c + 2 * c * h * w),
    ("ema", {}, lambda c, h, w: (9 * c // 32 + 17) * c * h * w + c // 32 * c * (h + w)),
    ("ema", {"groups": 8}, lambda c, h, w: (9 * c // 8 + 17) * c * h * w + c // 8 * c * (h + w)),
    ("fca", {}, lambda c, h, w: 3 * c * h * w + 2 * c * reduced(c)),
    ("gc", {}, lambda c, h, w: 3 * c * h * w + 2 * c * reduced(c)),
    ("gct", {}, lambda c, h, w: 2 * c * h * w + 9 * c),
    ("gct_gaussian", {}, lambda c, h, w: 2 * c * h * w + 9 * c),
    ("gct_gaussian", {"width": "learned"}, lambda c, h, w: 2 * c * h * w + 9 * c),
    ("ge", {}, lambda c, h, w: whole_ge(c, h, w, 0, conv=False)),
    ("ge", {"extent": 2}, lambda c, h, w: whole_ge(c, h, w, 2, conv=False)),
    ("ge", {"extent": 8}, lambda c, h, w: whole_ge(c, h, w, 8, conv=False)),
    ("ge", {"gather": "conv"}, lambda c, h, w: whole_ge(c, h, w, 0, conv=True)),
    ("ge", {"gather": "conv", "extent": 2}, lambda c, h, w: whole_ge(c, h, w, 2, conv=True)),
    ("ge", {"gather": "conv", "extent": 8}, lambda c, h, w: whole_ge(c, h, w, 8, conv=True)),
    ("mca", {}, lambda c, h, w: 12 * c * h * w),
    (
        "mhsa",
        {},
        lambda c, h, w: 3 * c * c * h * w + (2 * c + 24) * (h * w) ** 2 + c * h * w * (h + w),
    ),
    ("nonlocal", {}, lambda c, h, w: 2 * c * c * h * w + (c + 3) * (h * w) ** 2),
    ("nonlocal", {"reduction": 8}, lambda c, h, w: c * c / 2 * h * w + (c / 4 + 3) * (h * w) ** 2),
    ("pointwise", {}, lambda c, h, w: 2 * c * h * w),
    ("sa", {}, lambda c, h, w: 9 * c * h * w),
    ("se", {}, lambda c, h, w: 2 * c * reduced(c) + 2 * c * h * w),
    ("sge", {}, lambda c, h, w: 4 * c * h * w + 9 * 64 * h * w),
    ("sge", {"groups": 8}, lambda c, h, w: 4 * c * h * w + 9 * 8 * h * w),
    ("simam", {}, lambda c, h, w: 8 * c * h * w),
    ("sk", {}, lambda c, h, w: (18 * c / 32 + 11) * c * h * w + 3 * c * 32),
    ("srm", {}, lambda c, h, w: 4 * c * h * w + 7 * c),
    ("steam", {}, lambda c, h, w: 4 * c * h * w + 14 * 4 * (c + 2 * 7 * 7)),
    ("steam", {"heads": 8, "reach": 4}, lambda c, h, w: 4 * c * h * w + 112 * (4 * c + 98)),
    ("triplet", {}, lambda c, h, w: 9 * c * h * w + 105 * (c * w + c * h + h * w)),
    ("triplet", {"kernel": 3}, lambda c, h, w: 9 * c * h * w + 25 * (c * w + c * h + h * w)),
]


@pytest.mark.parametrize("shape", [(64, 14, 14), (256, 7, 7)], ids=str)
@pytest.mark.parametrize(("name", "chosen", "says"), COSTS)
def test_costs_about_what_it_says(
    name: str, chosen: dict[str, Any], says: Operations, shape: tuple[int, int, int]
) -> None:
    module, _ = made(name, shape[0], shape[1:], **chosen)
    counted = count(module, 1, *shape).operations
    if attention.entry(name).kind == "weight":
        with torch.device("meta"):
            bare = nn.Conv2d(shape[0], shape[0], 3, padding=1)
        counted -= count(bare, 1, *shape).operations
    assert counted == pytest.approx(says(*shape), rel=0.15)


def test_what_each_module_costs_is_checked() -> None:
    assert {name for name, _, _ in COSTS} == {*attention.names()}
