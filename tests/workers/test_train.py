from collections.abc import Iterator
from copy import deepcopy
from dataclasses import asdict, replace
from io import BytesIO
from itertools import islice
from time import sleep
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from foveate.spaces import Module, Placement, build
from foveate.spaces.networks import trunk
from foveate.workers.data import Images, Split
from foveate.workers.recipe import Recipe
from foveate.workers.train import DivergedError, Epoch, Training, measured

BARE = Placement.of("resnet8", [])
FEW = slice(0, 256)  # images


@pytest.fixture(scope="module")
def few(digits: Images) -> Images:
    """So few images that an epoch takes a tenth of a second."""

    def cut(split: Split) -> Split:
        return replace(split, images=split.images[FEW], labels=split.labels[FEW])

    return replace(digits, train=cut(digits.train), validation=cut(digits.validation))


def training(images: Images, recipe: Recipe, placement: Placement = BARE) -> Training:
    torch.manual_seed(recipe.seed)
    return Training(build(placement, 10, identity_init=True), images, recipe)


def curve(epochs: Iterator[Epoch]) -> list[tuple[int, float, float]]:
    """All but the seconds."""
    return [(epoch.number, epoch.train_loss, epoch.accuracy) for epoch in epochs]


def saved(made: Training) -> dict[str, Any]:
    """Its state, as it comes back from a file."""
    file = BytesIO()
    torch.save(made.state_dict(), file)
    file.seek(0)
    state: dict[str, Any] = torch.load(file, weights_only=True)
    return state


CRAM = Placement.of("resnet8", [Module("layer1.0.bn2", "cram", (("equivariance", 1.0),))])


@pytest.mark.parametrize("placement", [BARE, CRAM], ids=["bare", "cram"])
def test_the_same_seed_gives_the_same_curve_bit_for_bit(
    placement: Placement, few: Images, recipe: Recipe
) -> None:
    def trained(seed: int) -> tuple[list[tuple[int, float, float]], list[Tensor]]:
        made = training(few, recipe.model_copy(update={"seed": seed}), placement)
        return curve(made.epochs()), list(made.model.parameters())

    (once, weights), (again, same_weights), (other, _) = (trained(seed) for seed in (0, 0, 1))
    assert once == again != other
    assert all(torch.equal(a, b) for a, b in zip(weights, same_weights, strict=True))


def test_the_seed_of_the_recipe_decides_the_order_of_the_images(few: Images) -> None:
    """The same start, another order."""
    recipes = [Recipe(epochs=1, batch=64, seed=seed) for seed in (0, 1)]
    models = [training(few, recipes[0]).model for _ in recipes]
    curves = [
        curve(Training(model, few, recipe).epochs())
        for model, recipe in zip(models, recipes, strict=True)
    ]
    assert curves[0] != curves[1]


@pytest.mark.parametrize("stop_after", [1, 2, 3])
@pytest.mark.parametrize("placement", [BARE, CRAM], ids=["bare", "cram"])
def test_a_restart_in_the_middle_goes_on_bit_for_bit(
    stop_after: int, placement: Placement, few: Images
) -> None:
    recipe = Recipe(epochs=4, batch=64, augment="shift+flip")
    whole = training(few, recipe, placement)
    expected = curve(whole.epochs())

    first = training(few, recipe, placement)
    begun = curve(islice(first.epochs(), stop_after))
    state = saved(first)
    torch.manual_seed(12345)  # another process, with chance of its own
    second = Training(build(placement, 10, identity_init=True), few, recipe)
    second.load_state_dict(state)
    assert begun + curve(second.epochs()) == expected
    for name, value in second.model.state_dict().items():
        assert torch.equal(value, whole.model.state_dict()[name]), name


def test_the_loss_falls_and_the_digits_are_learnt(digits: Images) -> None:
    epochs = list(training(digits, Recipe(epochs=3, batch=32)).epochs())
    losses = [epoch.train_loss for epoch in epochs]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] < 2.31  # chance: log(10)
    assert epochs[-1].accuracy > 0.8
    assert [epoch.number for epoch in epochs] == [1, 2, 3]
    assert all(epoch.seconds > 0 for epoch in epochs)


def test_an_epoch_tells_what_its_time_went_into(
    few: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = training(few, Recipe(epochs=2, batch=64))
    shuffled = Split.shuffled

    def slowly(*args: Any) -> Iterator[tuple[Tensor, Tensor]]:
        for batch in shuffled(*args):
            sleep(0.05)
            yield batch

    monkeypatch.setattr(Split, "shuffled", slowly)
    for epoch in made.epochs():
        assert 4 * 0.05 <= epoch.machine["data"] < epoch.seconds
        assert 0 < epoch.machine["validation"] < epoch.seconds - epoch.machine["data"] + 1e-3


def test_training_goes_on_only_when_asked(few: Images) -> None:
    begun = training(few, Recipe(epochs=3, batch=64))
    epochs = begun.epochs()
    next(epochs)
    assert begun.finished == 1
    rest = list(begun.epochs())
    assert [epoch.number for epoch in rest] == [2, 3] and begun.finished == 3
    assert list(begun.epochs()) == []


@pytest.mark.filterwarnings("ignore:Detected call of")
def test_a_loss_that_is_no_number_ends_the_training(few: Images) -> None:
    wild = training(few, Recipe(epochs=3, batch=64, peak_lr=1e30))
    with pytest.raises(DivergedError, match=r"^the loss is (nan|inf) in epoch \d$"):
        list(wild.epochs())


class WithExtraLoss(nn.Module):
    """Its extra loss pulls a parameter of its own up."""

    def __init__(self) -> None:
        super().__init__()
        self.pulled = nn.Parameter(torch.zeros(1))
        self.head = nn.Linear(3 * 8 * 8, 10)
        self.extra_loss: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.extra_loss = -self.pulled.sum()
        out: Tensor = self.head(x.flatten(1))
        return out


def test_a_modules_extra_loss_is_trained_on_and_not_reported(few: Images) -> None:
    recipe = Recipe(epochs=1, batch=64, augment="none", peak_lr=1e-6, label_smoothing=0.1)
    torch.manual_seed(0)
    model = WithExtraLoss()
    x, labels = next(few.train.batches(len(few.train)))
    alone = F.cross_entropy(model.head(x.flatten(1)), labels, label_smoothing=0.1)
    (epoch,) = Training(model, few, recipe).epochs()
    assert float(model.pulled.detach()) > 0
    assert epoch.train_loss == pytest.approx(float(alone.detach()), rel=1e-3)


def test_the_extra_loss_of_cram_changes_what_is_learnt(few: Images, recipe: Recipe) -> None:
    def learnt(equivariance: float) -> list[tuple[int, float, float]]:
        module = Module("layer1.0.bn2", "cram", (("equivariance", equivariance),))
        return curve(training(few, recipe, Placement.of("resnet8", [module])).epochs())

    assert learnt(1.0) != learnt(0.0)


def test_the_learning_rate_rises_and_falls_within_the_recipe(few: Images) -> None:
    made = training(few, Recipe(epochs=5, batch=64, peak_lr=0.1))
    rates = [made.optimizer.param_groups[0]["lr"] for _ in made.epochs()]
    assert 0 < max(rates) <= 0.1
    assert rates[-1] < 1e-5
    assert made.taken == 5 * (256 // 64)


def test_accuracy_is_a_count_by_hand(digits: Images) -> None:
    torch.manual_seed(0)
    model, recipe = build(BARE, 10), Recipe()
    with torch.no_grad():
        model.eval()
        right = sum(
            int(model(digits.validation.normalised(image[None])).argmax()) == int(label)
            for image, label in zip(digits.validation.images, digits.validation.labels, strict=True)
        )
    for batch in (500, 7, 10_000):
        model.train()
        share = measured(model, digits, recipe, batch=batch)["top-1"]
        assert share == pytest.approx(right / len(digits.validation), abs=1e-9)
    assert not model.training  # the next epoch turns it back
    before = [buffer.clone() for buffer in model.buffers()]
    on_test = measured(model, digits, recipe, digits.test)
    assert on_test != measured(model, digits, recipe)
    assert all(torch.equal(a, b) for a, b in zip(before, model.buffers(), strict=True))


WAYS: dict[str, dict[str, Any]] = {
    "adamw, cosine": {"optimizer": "adamw", "schedule": "cosine"},
    "steps, clipped": {"schedule": "step", "step_every": 1, "clip_norm": 0.5},
    "averaged": {"ema": 0.9},
    "mixed": {"mixup": 0.3, "cutmix": 1.0},
    "randaugment": {"randaugment": 9},
    "crops": {"augment": "resized-crop+flip"},
    "bfloat16": {"precision": "bfloat16"},
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_training_learns_and_goes_on_bit_for_bit(way: str, few: Images) -> None:
    recipe = Recipe.of({"epochs": 3, "batch": 32} | WAYS[way])
    whole = training(few, recipe)
    expected = curve(whole.epochs())
    assert expected[-1][1] < expected[0][1]  # the loss

    first = training(few, recipe)
    begun = curve(islice(first.epochs(), 1))
    state = saved(first)
    torch.manual_seed(12345)
    second = Training(build(BARE, 10, identity_init=True), few, recipe)
    second.load_state_dict(state)
    assert begun + curve(second.epochs()) == expected
    for name, value in second.weights().items():
        assert torch.equal(value, whole.weights()[name]), name


def test_the_average_is_what_counts_and_what_is_kept(few: Images) -> None:
    recipe = Recipe(epochs=4, batch=16, ema=0.95)
    made = training(few, recipe)
    *_, last = made.epochs()
    assert made.average is not None
    shares = [measured(m, few, recipe)["top-1"] for m in (made.average.model, made.model)]
    assert last.accuracy == shares[0] != shares[1]
    kept, own = made.weights()["fc.weight"], made.model.state_dict()["fc.weight"]
    assert torch.equal(kept, made.average.model.state_dict()["fc.weight"])
    assert not torch.equal(kept, own)


def test_parts_of_a_batch_make_the_step_of_the_whole(few: Images) -> None:
    """Without norms over the batch the same but for rounding."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 32), nn.ReLU(), nn.Linear(32, 10))
    recipe = Recipe(epochs=2, batch=50, schedule="cosine", peak_lr=0.05)
    curves = [
        curve(Training(deepcopy(model), few, recipe, micro=micro).epochs()) for micro in (1, 2, 3)
    ]
    for other in curves[1:]:
        for mine, theirs in zip(curves[0], other, strict=True):
            assert mine == pytest.approx(theirs, rel=1e-4)


def test_a_frozen_backbone_stays_what_it_was_and_its_norms_too(few: Images) -> None:
    placement = Placement.of("resnet8", [Module("layer1.0.bn2", "se")])
    torch.manual_seed(0)
    model = build(placement, 10, identity_init=True)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    made = Training(model, few, Recipe(epochs=2, train="head"), pretrained=trunk("resnet8"))
    list(made.epochs())
    moved = {n for n, value in made.model.state_dict().items() if not torch.equal(value, before[n])}
    assert moved >= {"fc.weight", "fc.bias"}
    assert all(name.startswith("fc") or "attention" in name for name in moved)


def test_a_pretrained_backbone_moves_less(few: Images) -> None:
    def moved(share: float) -> float:
        torch.manual_seed(0)
        model = build(BARE, 10)
        before = model.state_dict()["conv1.weight"].clone()
        recipe = Recipe(epochs=1, batch=64, backbone_lr=share, peak_lr=0.01)
        list(Training(model, few, recipe, pretrained=trunk("resnet8")).epochs())
        return float((model.state_dict()["conv1.weight"] - before).norm())

    assert moved(0.01) < 0.1 * moved(1.0)


def test_several_labels_are_learnt(few: Images) -> None:
    """Which of two properties a digit has: even, and more than four."""

    def named(split: Split) -> Split:
        labels = torch.stack([split.labels % 2 == 0, split.labels > 4], 1).float()
        return replace(split, labels=labels)

    several = replace(
        few,
        classes=("even", "large"),
        train=named(few.train),
        validation=named(few.validation),
        multi_label=True,
    )
    torch.manual_seed(0)
    recipe = Recipe(epochs=8, batch=16, loss="binary", mixup=0.1)
    epochs = list(Training(build(BARE, 2), several, recipe).epochs())
    assert epochs[-1].accuracy == epochs[-1].metrics["mean-ap"] > 0.85
    assert {"macro-f1", "exact-match", "per-class"} < epochs[-1].metrics.keys()


def test_the_metric_of_the_recipe_is_what_accuracy_means(few: Images) -> None:
    for metric in ("top-5", "balanced", "worst-class"):
        (epoch,) = training(few, Recipe(epochs=1, batch=64, metric=metric)).epochs()
        assert epoch.accuracy == epoch.metrics[metric]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("begun", [False, True], ids=["new", "in the middle"])
def test_a_rehearsal_changes_nothing(optimizer: Any, begun: bool, few: Images) -> None:
    """What is done before a step is captured: weights, norms, optimiser and chance stay."""
    recipe = Recipe(epochs=3, batch=64, optimizer=optimizer)
    expected = curve(training(few, recipe, CRAM).epochs())
    made = training(few, recipe, CRAM)
    found = curve(islice(made.epochs(), 1)) if begun else []
    made.model.train()
    x, labels = next(few.train.batches(64))
    made.rehearse(x, labels)
    assert found + curve(made.epochs()) == expected


@pytest.mark.slow
def test_a_compiled_training_learns_the_same(few: Images) -> None:
    recipe = Recipe(epochs=2, batch=64)
    plain = list(training(few, recipe).epochs())
    compiled = list(training(few, recipe.model_copy(update={"compile": True})).epochs())
    for one, other in zip(plain, compiled, strict=True):
        assert other.train_loss == pytest.approx(one.train_loss, rel=0.02)
    assert compiled[0].seconds > 2 * compiled[1].seconds  # compiling is paid for where it happens


def test_a_data_set_smaller_than_a_batch_is_one_batch(few: Images) -> None:
    tiny = replace(few.train, images=few.train.images[:10], labels=few.train.labels[:10])
    made = training(replace(few, train=tiny), Recipe(epochs=2, batch=64))
    assert len(list(made.epochs())) == 2


def test_an_epoch_is_plain_data() -> None:
    epoch = Epoch(1, 2.0, 0.5, 0.1)
    assert Epoch(**asdict(epoch)) == epoch


def test_the_state_holds_numbers_only(few: Images, recipe: Recipe) -> None:
    made = training(few, recipe)
    list(made.epochs())
    state = made.state_dict()
    assert state["finished"] == 2
    assert_close(state["order_rng"], made.rng.get_state())
    assert state["cuda_rng"] is None
