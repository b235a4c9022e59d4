from itertools import pairwise

import pytest
import torch

from foveate.spaces.preact import PreactResNet, WideResNet


def by_hand(blocks: int, width: int, classes: int) -> int:
    """Parameters, counted from the tables of the papers."""
    channels = [16, 16 * width, 32 * width, 64 * width]
    total = 3 * 16 * 9 + 2 * channels[3] + channels[3] * classes + classes
    for stage, (before, after) in enumerate(pairwise(channels)):
        total += 9 * before * after + 2 * before + (2 * blocks - 1) * (9 * after**2 + 2 * after)
        if stage or before != after:
            total += before * after
    return total


@pytest.mark.parametrize("depth", [2, 7, 10, 18, 34, -4])
def test_the_depth_of_a_pre_activation_resnet_is_6n_plus_2(depth: int) -> None:
    with pytest.raises(
        ValueError, match=rf"has 6n \+ 2 layers \(8, 14, 20, \.\.\.\), got {depth}$"
    ):
        PreactResNet(depth, 10)


@pytest.mark.parametrize("depth", [4, 8, 20, 29, -2])
def test_the_depth_of_a_wide_resnet_is_6n_plus_4(depth: int) -> None:
    match = rf"has 6n \+ 4 layers \(10, 16, 22, \.\.\.\), got {depth}$"
    with pytest.raises(ValueError, match=match):
        WideResNet(depth, 2, 10)


def test_a_wide_resnet_has_a_width() -> None:
    with pytest.raises(ValueError, match=r"^a WideResNet is at least 1 wide, got 0$"):
        WideResNet(16, 0, 10)


@pytest.mark.parametrize(
    ("depth", "width", "parameters"),
    [  # as published, in millions: 36.5, 8.9, 11.0, 1.5, 2.2 and 17.2
        (28, 10, 36_479_194),
        (40, 4, 8_949_210),
        (16, 8, 10_961_370),
        (28, 2, 1_467_610),
        (40, 2, 2_243_546),
        (22, 8, 17_158_106),
    ],
)
def test_wide_resnets_have_the_published_number_of_parameters(
    depth: int, width: int, parameters: int
) -> None:
    with torch.device("meta"):
        model = WideResNet(depth, width, 10)
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert by_hand((depth - 4) // 6, width, 10) == parameters


@pytest.mark.parametrize("depth", [8, 20, 56, 110])
def test_pre_activation_resnets_have_the_parameters_of_their_formula(depth: int) -> None:
    with torch.device("meta"):
        model = PreactResNet(depth, 100)
    assert sum(p.numel() for p in model.parameters()) == by_hand((depth - 2) // 6, 1, 100)


@pytest.mark.parametrize("size", [(8, 8), (32, 32), (24, 40)])
def test_takes_small_images_of_any_shape(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    logits = WideResNet(10, 1, 5)(torch.randn(2, 3, *size))
    assert logits.shape == (2, 5)
    assert logits.isfinite().all()


def test_every_module_runs_once() -> None:
    runs: list[str] = []
    with torch.device("meta"):
        model = PreactResNet(14, 10)
        for path, module in model.named_modules():
            module.register_forward_hook(lambda *_, path=path: runs.append(path))
        model(torch.empty(1, 3, 32, 32))
    assert sorted(runs) == sorted(path for path, _ in model.named_modules())


def test_an_untouched_shortcut_passes_the_image_of_the_block_on() -> None:
    torch.manual_seed(0)
    block = PreactResNet(14, 10).layer1[1].eval()
    torch.nn.init.zeros_(block.conv2.weight)
    x = torch.randn(2, 16, 4, 4)
    assert torch.equal(block(x), x)
