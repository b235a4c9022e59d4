"""What a map shows, against gates that are computed by hand."""

import json
from dataclasses import replace
from io import BytesIO
from math import cos, exp, pi, sin, tanh
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn
from torch.testing import assert_close

from foveate import attention
from foveate.spaces import Module, Placement, build
from foveate.spaces.plugging import complete, plugged
from foveate.workers.data import Images, Split
from foveate.workers.factors import factors, is_flat, lengths
from foveate.workers.looking import chosen, look

SITE = "layer2.0.bn2"
SIGNS = [(-1, -1), (1, -1), (1, 1), (-1, 1)]


def network(*modules: Module, side: int = 8) -> tuple[nn.Module, Placement]:
    """A network whose new parts are no identity, as after a training."""
    placement = complete(Placement.of("resnet8", modules), side)
    torch.manual_seed(0)
    model = build(placement, 10, image_size=side)
    for _, part in plugged(model, placement):
        for parameter in part.parameters():
            parameter.data += 0.3 * torch.randn_like(parameter)
    return model.eval(), placement


def seen_by(part: nn.Module, model: nn.Module, images: Images, places: list[int]) -> Tensor:
    """What comes into ``part`` of these validation images."""
    seen: list[Tensor] = []
    hook = part.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    with torch.no_grad():
        model(images.validation.normalised(images.validation.at(places)))
    hook.remove()
    return seen[0]


def opened(content: bytes, name: str) -> np.ndarray[Any, Any]:
    with ZipFile(BytesIO(content)) as file:
        return np.asarray(Image.open(BytesIO(file.read(name))))


# ------------------------------------------------------------------------------- what is measured


@settings(deadline=None, max_examples=50)  # shared cores may pause
@given(st.integers(0, 10**6), st.booleans())
def test_a_factor_of_positions_is_found_beside_one_of_channels(seed: int, dead: bool) -> None:
    torch.manual_seed(seed)
    x = torch.randn(2, 16, 6, 7)
    if dead:  # as behind a ReLU
        x = x.relu()
        x[0, :, 1, 2] = 0
    a, s = 0.1 + torch.rand(2, 16), 0.1 + torch.rand(2, 6, 7)
    found_a, found_s, rest = factors(x, a[:, :, None, None] * s[:, None] * x)
    assert rest < 1e-6
    both = found_a[:, :, None, None] * found_s[:, None]
    expected = (a[:, :, None, None] * s[:, None]).double()
    known = x != 0
    assert_close(both.expand_as(x)[known], expected[known], rtol=1e-4, atol=0)
    assert found_s.isnan().equal(~x.any(1))


def test_a_factor_of_channels_alone_leaves_positions_flat() -> None:
    x, a = torch.randn(2, 6, 4, 5).relu(), torch.rand(2, 6, 1, 1)
    _, s, rest = factors(x, a * x)
    assert is_flat(s) and rest < 1e-6
    assert not is_flat(lengths(x, a * x))  # which is why it is not simply lengths that are shown


def test_a_factor_of_positions_alone_has_its_own_scale() -> None:
    x, s = torch.randn(2, 6, 4, 5), 0.1 + torch.rand(2, 4, 5)
    assert_close(factors(x, s[:, None] * x)[1], s.double(), rtol=1e-5, atol=0)
    assert_close(lengths(x, s[:, None] * x), s.double(), rtol=1e-5, atol=0)


def test_the_map_of_cbam_is_its_spatial_gate(digits: Images) -> None:
    model, placement = network(Module(SITE, "cbam"))
    about, content = look(model, placement, digits, 3, seed=0)
    ((_, part),) = plugged(model, placement)
    cbam: Any = part
    x = seen_by(part, model, digits, [one["index"] for one in about["images"]])
    pooled = torch.stack([x.amax((2, 3)), x.mean((2, 3))])
    channels = x * cbam.excite(cbam.squeeze(pooled).relu()).sum(0).sigmoid()[:, :, None, None]
    both = torch.stack([channels.amax(1), channels.mean(1)], 1)
    by_hand = cbam.norm(cbam.conv(both)).sigmoid()[:, 0].detach().double()
    (site,) = about["sites"]
    assert (site["shows"], site["shape"]) == ("map", list(by_hand.shape[1:]))
    low, high = site["range"]
    for image, gate in enumerate(by_hand):
        grey, known = np.moveaxis(opened(content, f"map-{image}-0.png").astype(float), -1, 0)
        assert (known == 255).all()
        ratio = (low + (high - low) * grey / 255) / gate.numpy()
        step = (high - low) / 255 / gate.min().item()
        assert ratio.max() - ratio.min() <= 1.1 * step  # one factor for all positions
        assert (low + (high - low) * grey / 255).mean() == pytest.approx(1, abs=(high - low) / 500)


def test_a_map_is_the_gate_itself_where_channels_are_alike(digits: Images) -> None:
    model, placement = network(Module(SITE, "cram"))
    ((_, part),) = plugged(model, placement)
    x = seen_by(part, model, digits, [0, 1])
    gate = (part(x) / x).detach()[:, 0]
    assert_close(factors(x, part(x).detach())[1].float(), gate, rtol=1e-3, atol=1e-6)


def test_the_rectangle_of_cram_is_where_its_numbers_say(digits: Images) -> None:
    model, placement = network(Module(SITE, "cram"))
    ((_, part),) = plugged(model, placement)
    cram: Any = part
    torch.nn.init.zeros_(cram.head.predict.weight)
    cram.head.predict.bias.data = torch.tensor([0.3, -0.2, -1.0, -2.0, 0.4])
    about, _ = look(model, placement, digits, 2, seed=0)
    (site,) = about["sites"]
    assert site["shows"] == "rectangle" and len(site["rectangles"]) == 2
    middle = (0.5 + tanh(0.3) / 2, 0.5 + tanh(-0.2) / 2)
    wide, high = ((0.1 + 1.4 / (1 + exp(-t))) / 2 for t in (-1.0, -2.0))
    angle = pi / 2 * tanh(0.4)
    for found in site["rectangles"]:
        for (x, y), (u, v) in zip(found["corners"], SIGNS, strict=True):
            along, across = u * wide, v * high
            assert x == pytest.approx(
                middle[0] + cos(angle) * along - sin(angle) * across, abs=1e-4
            )
            assert y == pytest.approx(
                middle[1] + sin(angle) * along + cos(angle) * across, abs=1e-4
            )
        assert found["inside"] == pytest.approx(4 * wide * high, abs=0.1)  # of 64 pixels


def test_a_rectangle_that_covers_the_image_has_all_of_it(digits: Images) -> None:
    placement = complete(Placement.of("resnet8", [Module(SITE, "cram")]), 8)
    about, _ = look(build(placement, 10, image_size=8), placement, digits, 1, seed=0)
    assert [one["inside"] for one in about["sites"][0]["rectangles"]] == [1.0]


@pytest.mark.parametrize("name", ["se", "eca", "srm"])
def test_attention_to_channels_alone_has_no_map(name: str, digits: Images) -> None:
    model, placement = network(Module(SITE, name))
    about, content = look(model, placement, digits, 2, seed=0)
    ((_, part),) = plugged(model, placement)
    x = seen_by(part, model, digits, [one["index"] for one in about["images"]])
    gate = (part(x) / x).nanmean((2, 3))
    low, high = f"{gate.min():.3g}", f"{gate.max():.3g}"
    why = f"it multiplies each channel, by {low} to {high}, alike at every position"
    assert about["sites"] == [{"site": SITE, "module": name, "shows": "nothing", "why": why}]
    with ZipFile(BytesIO(content)) as file:
        assert file.namelist() == ["about.json", "image-0.png", "image-1.png"]


@pytest.mark.parametrize(
    ("kind", "y", "why"),
    [
        ("gate", lambda x: x, "it leaves what it gets as it is"),
        ("gate", lambda x: x + torch.arange(4.0)[:, None, None], "it adds the same at every pos"),
        ("gate", lambda x: x / 0, "what it makes of these images is not finite"),
        ("mixer", lambda x: 2 * x, "it takes the place of a convolution"),
        ("weight", lambda x: 2 * x, "it attends to the weights of a convolution"),
    ],
)
def test_what_has_nothing_to_show_says_why(kind: str, y: Any, why: str) -> None:
    from foveate.workers.looking import _told

    x = torch.randn(2, 4, 5, 5)
    said = _told(kind, nn.Identity(), x, y(x), 8)
    assert said["shows"] == "nothing" and said["why"].startswith(why)


def test_channels_that_change_places_have_their_lengths_compared() -> None:
    from foveate.workers.looking import LENGTH, _told

    x = torch.randn(2, 32, 5, 5)
    s = torch.linspace(0.2, 1, 25).view(5, 5)
    said = _told("gate", nn.Identity(), x, s * x.roll(1, dims=1), 8)
    assert said["what"] == LENGTH
    assert said["maps"] == pytest.approx(np.broadcast_to(s / 0.6, (2, 5, 5)), rel=1e-5)


def test_what_hardly_differs_does_not_look_as_if_it_did() -> None:
    from foveate.workers.looking import _told

    x, s = torch.randn(1, 8, 5, 5), torch.linspace(1, 1.01, 25).view(5, 5)
    low, high = _told("gate", nn.Identity(), x, s * x, 8)["range"]
    assert (low, high) == pytest.approx((0.95, 1.05), rel=1e-4)


@pytest.mark.parametrize("name", attention.names())
def test_something_is_said_of_every_module(name: str, digits: Images) -> None:
    entry = attention.entry(name)
    model, placement = network(Module(SITE if entry.kind == "gate" else "layer2.0.conv2", name))
    about, content = look(model, placement, digits, 2, seed=0)
    (site,) = about["sites"]
    assert (site["shows"] in ("map", "rectangle", "nothing") and site.get("what")) or site["why"]
    if site["shows"] == "map":
        low, high = site["range"]
        assert 0 <= low < high < float("inf")
        assert opened(content, "map-1-0.png").shape == (*site["shape"], 2)


@pytest.mark.parametrize("name", ["gc", "mhsa", "nonlocal"])
def test_the_shares_of_attention_are_those_by_which_values_are_taken(name: str) -> None:
    """Written another way."""
    torch.manual_seed(0)
    entry = attention.entry(name)
    if entry.kind == "gate":
        module: Any = entry.build(16, (3, 4))
    else:
        module = entry.wrap(nn.Conv2d(16, 16, 3, padding=1), (3, 4))
    x = torch.randn(2, 16, 3, 4)
    share = module.attended(x)
    assert share.shape == (2, 3, 4)
    assert_close(share.sum((1, 2)), torch.ones(2))
    if name == "gc":
        logits = torch.einsum("nchw,c->nhw", x, module.score.weight[0, :, 0, 0])
        expected = logits.exp() / logits.exp().sum((1, 2), keepdim=True)
    elif name == "nonlocal":
        theta, phi = (
            torch.einsum("nchw,mc->nmhw", x, layer.weight[:, :, 0, 0]) + layer.bias[:, None, None]
            for layer in (module.theta, module.phi)
        )
        alike = torch.einsum("nmij,nmhw->nijhw", theta, phi).exp()
        expected = (alike / alike.sum((3, 4), keepdim=True)).mean((1, 2))
    else:  # in turn, of each position, what all take of a value that is 1 there and 0 elsewhere
        weights, values = module._found(x)
        here = torch.eye(12)[:, None, None, :, None].expand(-1, *values.shape[:3], 1)
        taken = torch.stack([(weights @ one).mean((1, 2, 3)) for one in here], 1)
        expected = taken.unflatten(1, (3, 4))
    assert_close(share, expected)


# ---------------------------------------------------------------------------------- which images


def test_the_images_are_of_different_classes_and_the_same_for_all_trials(digits: Images) -> None:
    split = digits.validation
    few, more = chosen(split, 6, seed=3), chosen(split, 25, seed=3)
    assert len({int(split.labels[place]) for place in few}) == 6
    assert len({int(split.labels[place]) for place in more[:10]}) == 10
    assert more[:6] == few and len(set(more)) == 25
    assert few != chosen(split, 6, seed=4)
    assert len(chosen(split, 10**6, seed=3)) == len(split)


def test_images_are_shown_as_they_are_judged(digits: Images) -> None:
    model, placement = network(Module(SITE, "cbam"))
    about, content = look(model, placement, digits, 4, seed=0)
    for number, said in enumerate(about["images"]):
        place = said["index"]
        raw = digits.validation.images[place]
        assert (opened(content, f"image-{number}.png") == raw.permute(1, 2, 0).numpy()).all()
        assert said["labels"] == [digits.classes[int(digits.validation.labels[place])]]
        with torch.no_grad():
            share = model(digits.validation.normalised(raw[None])).softmax(1)[0]
        (taken,) = said["predicted"]
        assert taken["label"] == digits.classes[int(share.argmax())]
        assert taken["share"] == pytest.approx(float(share.max()), abs=1e-4)


def test_an_image_may_have_several_labels(digits: Images) -> None:
    labels = torch.zeros(len(digits.validation), 10)
    labels[:, 2] = labels[:, 5] = 1
    several = replace(
        digits, multi_label=True, validation=replace(digits.validation, labels=labels)
    )
    model, placement = network(Module(SITE, "se"))
    model.get_submodule("fc").bias.data = torch.tensor([9.0, -9.0] * 5)
    about, _ = look(model, placement, several, 2, seed=0)
    for said in about["images"]:
        assert said["labels"] == ["2", "5"]
        assert [one["label"] for one in said["predicted"]] == ["0", "2", "4", "6", "8"]


# -------------------------------------------------------------------------------- what is stored


def test_a_file_is_the_same_whenever_it_is_drawn_and_says_what_is_in_it(digits: Images) -> None:
    model, placement = network(Module(SITE, "cbam"), Module("layer3.0.bn2", "se"))
    about, content = look(model, placement, digits, 2, seed=0)
    assert look(model, placement, digits, 2, seed=0) == (about, content)
    with ZipFile(BytesIO(content)) as file:
        assert json.loads(file.read("about.json")) == about
        names = {"about.json", "image-0.png", "image-1.png", "map-0-0.png", "map-1-0.png"}
        assert set(file.namelist()) == names
    assert [site["site"] for site in about["sites"]] == [SITE, "layer3.0.bn2"]


def test_large_images_and_maps_are_made_smaller(digits: Images) -> None:
    rng = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (2, 3, 320, 320), generator=rng, dtype=torch.uint8)
    split = replace(digits.validation, images=pixels, labels=torch.tensor([1, 2]))
    large = replace(digits, train=split, validation=split)
    model, placement = network(Module("layer1.0.bn2", "cbam"), side=320)
    about, content = look(model, placement, large, 2, seed=0)
    assert about["size"] == 256 and about["sites"][0]["shape"] == [64, 64]
    assert opened(content, "image-0.png").shape == (256, 256, 3)
    assert opened(content, "map-0-0.png").shape == (64, 64, 2)
    assert len(content) < 2 * (256 * 256 * 3 + 64 * 64 * 2) + 4000


def test_the_model_stays_as_it_is(digits: Images) -> None:
    model, placement = network(Module(SITE, "cbam"), Module("layer3.0.bn2", "cram"))
    model.train()
    model.get_submodule("layer1").eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [part.training for part in model.modules()]
    hooks = [len(part._forward_hooks) for part in model.modules()]
    chance = torch.get_rng_state()
    look(model, placement, digits, 2, seed=0)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [part.training for part in model.modules()] == modes
    assert [len(part._forward_hooks) for part in model.modules()] == hooks
    assert torch.equal(torch.get_rng_state(), chance)


def test_a_network_that_has_come_apart_is_said_to_have(digits: Images) -> None:
    model, placement = network(Module(SITE, "cbam"))
    model.get_submodule("layer1.0.conv1").weight.data.fill_(float("nan"))
    about, _ = look(model, placement, digits, 2, seed=0)
    assert about["sites"][0]["why"] == "what it makes of these images is not finite"
    assert [one["predicted"] for one in about["images"]] == [[], []]


def test_places_of_a_split_are_those_that_batches_have() -> None:
    pixels = torch.randint(0, 256, (5, 3, 10, 10), dtype=torch.uint8)
    figure = torch.full((3,), 0.5)
    split = Split(
        pixels, torch.tensor([0, 1, 2]), figure, figure, rows=torch.tensor([4, 0, 2]), side=8
    )
    (batch, _), *_ = split.batches(3)
    assert_close(split.normalised(split.at([2, 0])), batch[[2, 0]])
