import pytest

from foveate.errors import BadValue
from foveate.workers.recipe import Recipe


def test_a_recipe_is_plain_data_and_back() -> None:
    recipe = Recipe(epochs=3, augment="shift+flip", seed=7)
    assert Recipe.of(recipe.to_dict()) == recipe != Recipe()


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("epochs", 0, "epochs: should be greater than or equal to 1, got 0"),
        ("batch", 1, "batch: should be greater than or equal to 2, got 1"),  # norms need two
        ("peak_lr", 0, "peak_lr: should be greater than 0, got 0"),
        ("weight_decay", -1e-4, "weight_decay: should be greater than or equal to 0, got -0.0001"),
        ("label_smoothing", 1, "label_smoothing: should be less than 1, got 1"),
        ("shift", -1, "shift: should be greater than or equal to 0, got -1"),
        (
            "augment",
            "flip",
            "augment may be 'auto', 'none', 'shift', 'shift+flip', 'resized-crop' or "
            "'resized-crop+flip', got 'flip'",
        ),
        (
            "metric",
            "f1",
            "recipe.metric of loss cross-entropy may be top-1, top-5, balanced or "
            "worst-class, got 'f1'",
        ),
        ("optimizer", "adam", "optimizer may be 'sgd' or 'adamw', got 'adam'"),
        ("randaugment", 31, "randaugment: should be less than or equal to 30, got 31"),
        ("ema", 1, "ema: should be less than 1, got 1"),
    ],
)
def test_what_no_training_can_mean_is_refused(key: str, value: object, sentence: str) -> None:
    with pytest.raises(BadValue) as caught:
        Recipe.of({key: value})
    assert str(caught.value) == sentence


def test_a_metric_belongs_to_its_loss() -> None:
    assert Recipe(loss="binary", metric="macro-f1").measure == "macro-f1"
    assert (Recipe().measure, Recipe(loss="binary").measure) == ("top-1", "mean-ap")
    with pytest.raises(
        BadValue, match=r"^recipe\.metric of loss binary may be mean-ap, macro-f1 or "
    ):
        Recipe(loss="binary", metric="top-1")
