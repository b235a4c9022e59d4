"""How every candidate of a study is trained."""

from typing import Literal

from pydantic import Field

from .._settings import Settings

__all__ = ["Recipe"]


class Recipe(Settings):
    """One recipe for all candidates of a study, so that their accuracies compare."""

    epochs: int = Field(8, ge=1)
    batch: int = Field(32, ge=2)  # images a step
    peak_lr: float = Field(0.2, gt=0)  # of the one-cycle schedule, at this batch size
    weight_decay: float = Field(5e-4, ge=0)  # not on norms and biases
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    augment: Literal["auto", "none", "shift", "shift+flip"] = "auto"  # auto: what labels survive
    shift: int = Field(2, ge=0)  # pixels, at most, in each direction
    seed: int = Field(0, ge=0, lt=2**32)
