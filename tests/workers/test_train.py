from collections.abc import Iterator
from dataclasses import asdict, replace
from io import BytesIO
from itertools import islice
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from foveate.spaces import Module, Placement, build
from foveate.workers.data import Images, Split
from foveate.workers.recipe import Recipe
from foveate.workers.train import DivergedError, Epoch, Training, accuracy

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
    file = BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    torch.manual_seed(12345)  # another process, with chance of its own
    second = Training(build(placement, 10, identity_init=True), few, recipe)
    second.load_state_dict(torch.load(file, weights_only=True))
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


def test_weight_decay_is_for_kernels_and_matrices(few: Images) -> None:
    placement = Placement.of("resnet8", [Module("layer1.0.bn2", "se"), Module("layer3", "steam")])
    made = training(few, Recipe(weight_decay=0.5), placement)
    decayed, others = made.optimizer.param_groups
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.5, 0)
    assert all(p.ndim > 1 for p in decayed["params"])
    assert all(p.ndim <= 1 for p in others["params"])
    everything = [*decayed["params"], *others["params"]]
    assert {*map(id, everything)} == {*map(id, made.model.parameters())}
    assert len(everything) == len(list(made.model.parameters()))


def test_the_learning_rate_rises_and_falls_within_the_recipe(few: Images) -> None:
    made = training(few, Recipe(epochs=5, batch=64, peak_lr=0.1))
    start = made.optimizer.param_groups[0]["lr"]
    rates = []
    for _ in made.epochs():
        rates.append(made.optimizer.param_groups[0]["lr"])
    assert start < max(rates) <= 0.1
    assert rates[-1] < start
    assert made.schedule.last_epoch == 5 * (256 // 64)


def test_accuracy_is_a_count_by_hand(digits: Images) -> None:
    torch.manual_seed(0)
    model = build(BARE, 10)
    with torch.no_grad():
        model.eval()
        right = sum(
            int(model(digits.validation.normalised(image[None])).argmax()) == int(label)
            for image, label in zip(digits.validation.images, digits.validation.labels, strict=True)
        )
    for batch in (500, 7, 10_000):
        model.train()
        assert accuracy(model, digits.validation, batch=batch) == pytest.approx(
            right / len(digits.validation), abs=1e-9
        )
    assert not model.training  # the next epoch turns it back
    before = [buffer.clone() for buffer in model.buffers()]
    accuracy(model, digits.validation)
    assert all(torch.equal(a, b) for a, b in zip(before, model.buffers(), strict=True))


@pytest.mark.parametrize(
    ("augment", "may_flip", "expected"),
    [
        ("auto", False, (2, False)),
        ("auto", True, (2, True)),
        ("none", True, (0, False)),
        ("shift", True, (2, False)),
        ("shift+flip", False, (2, True)),
    ],
)
def test_images_are_moved_and_mirrored_as_far_as_their_labels_survive(
    augment: Any, may_flip: bool, expected: tuple[int, bool], few: Images
) -> None:
    made = training(replace(few, may_flip=may_flip), Recipe(augment=augment))
    assert (made.shift, made.flip) == expected


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
