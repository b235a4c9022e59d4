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
        ("augment", "flip", "augment may be 'auto', 'none', 'shift' or 'shift+flip', got 'flip'"),
    ],
)
def test_what_no_training_can_mean_is_refused(key: str, value: object, sentence: str) -> None:
    with pytest.raises(BadValue) as caught:
        Recipe.of({key: value})
    assert str(caught.value) == sentence
