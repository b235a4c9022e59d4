import warnings
from math import cos, pi

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, OneCycleLR, StepLR

from foveate.spaces import Module, Placement, build
from foveate.spaces.networks import trunk
from foveate.workers.optimization import Average, learning_rate, optimizer, set_rate
from foveate.workers.recipe import Recipe

STEPS, PER_EPOCH = 120, 10


def rates(recipe: Recipe) -> list[float]:
    return [learning_rate(step, STEPS, PER_EPOCH, recipe) for step in range(STEPS)]


def torchs(make: type, **how: object) -> list[float]:
    """The rates of torch's own schedule, of a peak of 1."""
    holder = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 1.0)
    schedule, found = make(holder, **how), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no step of the optimiser in between
        for _ in range(STEPS):
            found.append(holder.param_groups[0]["lr"])
            schedule.step()
    return found


def test_one_cycle_is_torchs() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = torchs(OneCycleLR, max_lr=1.0, total_steps=STEPS + 1, cycle_momentum=False)
    # torch counts one step more than there are: compare schedules of the same length
    recipe = Recipe()
    found = [learning_rate(step, STEPS + 1, PER_EPOCH, recipe) for step in range(STEPS)]
    assert found == pytest.approx(expected, abs=1e-12)
    assert rates(recipe)[0] == pytest.approx(1 / 25)
    assert rates(recipe)[-1] == pytest.approx(1 / 250_000)


def test_cosine_is_torchs() -> None:
    recipe = Recipe(schedule="cosine", warmup=0.0)
    assert rates(recipe) == pytest.approx(torchs(CosineAnnealingLR, T_max=STEPS - 1), abs=1e-12)


def test_steps_are_torchs() -> None:
    recipe = Recipe(schedule="step", warmup=0.0, step_every=4, step_factor=0.3)
    expected = torchs(StepLR, step_size=4 * PER_EPOCH, gamma=0.3)
    assert rates(recipe) == pytest.approx(expected)


@pytest.mark.parametrize("schedule", ["cosine", "step"])
def test_it_warms_up_along_a_line(schedule: str) -> None:
    recipe = Recipe.of({"schedule": schedule, "warmup": 0.25, "step_every": 1000})
    rising = int(0.25 * STEPS) - 1
    expected = torchs(LinearLR, start_factor=1 / 25, total_iters=rising)
    assert rates(recipe)[: rising + 1] == pytest.approx(expected[: rising + 1])
    assert max(rates(recipe)) == pytest.approx(1.0)


@pytest.mark.parametrize("schedule", ["one-cycle", "cosine", "step"])
@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_the_shortest_training_has_a_rate(schedule: str, steps: int) -> None:
    recipe = Recipe.of({"schedule": schedule})
    found = [learning_rate(step, steps, 1, recipe) for step in range(steps)]
    assert all(0 <= rate <= 1 for rate in found)
    assert found[0] > 0


def test_what_was_left_out_is_what_is_usual_beside_what_was_chosen() -> None:
    adamw = Recipe(optimizer="adamw", schedule="cosine")
    assert (adamw.peak_lr, adamw.weight_decay, adamw.warmup) == (2e-3, 0.05, 0.05)
    assert Recipe(optimizer="adamw", peak_lr=0.1).peak_lr == 0.1
    assert (Recipe().peak_lr, Recipe().warmup, Recipe().label_smoothing) == (0.2, 0.3, 0.1)
    assert Recipe(loss="binary").label_smoothing == 0
    for recipe in (adamw, Recipe(), Recipe(loss="binary")):
        assert Recipe.of(recipe.to_dict()) == recipe


GATED = Placement.of("resnet8", [Module("layer1.0.bn2", "se"), Module("layer3", "steam")])


@pytest.fixture
def gated() -> nn.Module:
    return build(GATED, 10, identity_init=True)


def named(model: nn.Module, parameters: list[nn.Parameter]) -> set[str]:
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {names[id(parameter)] for parameter in parameters}


def test_weight_decay_is_for_kernels_and_matrices(gated: nn.Module) -> None:
    decayed, others = optimizer(gated, Recipe(weight_decay=0.5)).param_groups
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.5, 0)
    assert all(p.ndim > 1 for p in decayed["params"])
    assert all(p.ndim <= 1 for p in others["params"])
    there = named(gated, [*decayed["params"], *others["params"]])
    assert there == {name for name, _ in gated.named_parameters()}


def test_a_pretrained_backbone_learns_at_its_own_rate(gated: nn.Module) -> None:
    trained = optimizer(gated, Recipe(backbone_lr=0.1), trunk("resnet8"))
    set_rate(trained, 0.2)
    slow = [p for g in trained.param_groups if g["lr"] == pytest.approx(0.02) for p in g["params"]]
    fast = [p for g in trained.param_groups if g["lr"] == pytest.approx(0.2) for p in g["params"]]
    assert named(gated, slow) == trunk("resnet8")
    new = {"fc.weight", "fc.bias"}
    assert named(gated, fast) >= new and all(
        name in new or "attention" in name for name in named(gated, fast)
    )


def test_head_only_freezes_the_backbone_and_trains_what_is_new(gated: nn.Module) -> None:
    trained = optimizer(gated, Recipe(train="head"), trunk("resnet8"))
    moving = {name for name, p in gated.named_parameters() if p.requires_grad}
    assert moving.isdisjoint(trunk("resnet8")) and "fc.weight" in moving
    assert any("attention" in name for name in moving)
    assert named(gated, [p for g in trained.param_groups for p in g["params"]]) == moving


def test_adamw_has_the_recipes_momentum(gated: nn.Module) -> None:
    made = optimizer(gated, Recipe(optimizer="adamw", momentum=0.8))
    assert isinstance(made, torch.optim.AdamW)
    assert made.param_groups[0]["betas"] == (0.8, 0.999)


def test_an_average_is_the_sum_by_hand() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average, expected = Average(model, 0.5), model[0].weight.detach().double().clone()
    for step in range(1, 20):
        with torch.no_grad():
            model[0].weight.fill_(cos(pi * step))
            model[1].num_batches_tracked += 1
        average.update(step)
        decay = min(0.5, step / (step + 9))
        expected = decay * expected + (1 - decay) * cos(pi * step)
    torch.testing.assert_close(average.model[0].weight.double(), expected)
    assert int(average.model[1].num_batches_tracked) == 19
    assert not any(p.requires_grad for p in average.model.parameters())
