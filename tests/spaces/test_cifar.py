import pytest
import torch

from foveate.spaces.cifar import CifarResNet


@pytest.mark.parametrize("depth", [2, 7, 18, 34, 101, -4])
def test_the_depth_is_6n_plus_2(depth: int) -> None:
    with pytest.raises(ValueError, match=rf"^a CIFAR ResNet has 6n \+ 2 layers .*, got {depth}$"):
        CifarResNet(depth, 10)


@pytest.mark.parametrize(
    ("depth", "parameters"),
    [(8, 78_042), (20, 272_474), (32, 466_906), (56, 855_770), (110, 1_730_714)],
)
def test_has_the_known_number_of_parameters(depth: int, parameters: int) -> None:
    with torch.device("meta"):
        model = CifarResNet(depth, 10)
    assert sum(p.numel() for p in model.parameters()) == parameters


@pytest.mark.parametrize("depth", [8, 14, 20])
def test_the_depth_counts_the_layers_with_weights(depth: int) -> None:
    with torch.device("meta"):
        model = CifarResNet(depth, 10)
    on_the_way = [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear) and "shortcut" not in name
    ]
    assert len(on_the_way) == depth


@pytest.mark.parametrize("size", [(8, 8), (32, 32), (24, 40)])
def test_takes_small_images_of_any_shape(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    logits = CifarResNet(8, 5)(torch.randn(2, 3, *size))
    assert logits.shape == (2, 5)
    assert logits.isfinite().all()


def test_its_stages_halve_the_map_and_double_the_channels() -> None:
    with torch.device("meta"):
        model, x = CifarResNet(8, 10), torch.empty(1, 16, 32, 32)
        shapes = []
        for stage in (model.layer1, model.layer2, model.layer3):
            x = stage(x)
            shapes.append(tuple(x.shape[1:]))
    assert shapes == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]
