"""How every candidate of a study is trained."""

from typing import Literal, Self

from pydantic import Field, model_validator

from .._settings import Settings
from ..errors import BadValue

__all__ = ["LOSSES", "METRICS", "Recipe"]

LOSSES = ("cross-entropy", "binary")
METRICS = {  # by loss; the first is what is taken unless another is named
    "cross-entropy": ("top-1", "top-5", "balanced", "worst-class"),
    "binary": ("mean-ap", "macro-f1", "exact-match"),
}


class Recipe(Settings):
    """One recipe for all candidates of a study, so that their accuracies compare."""

    epochs: int = Field(8, ge=1)
    batch: int = Field(32, ge=2)  # images a step
    optimizer: Literal["sgd", "adamw"] = "sgd"
    peak_lr: float = Field(0.2, gt=0)  # per step, at this batch size, once it is warmed up
    momentum: float = Field(0.9, ge=0, lt=1)  # Nesterov's, of sgd; the first beta of adamw
    schedule: Literal["one-cycle", "cosine", "step"] = "one-cycle"
    warmup: float = Field(0.3, ge=0, lt=1)  # share of all steps on the way up to peak_lr
    step_every: int = Field(30, ge=1)  # epochs between two steps of schedule step
    step_factor: float = Field(0.1, gt=0, lt=1)  # what such a step multiplies the rate by
    weight_decay: float = Field(5e-4, ge=0)  # not on norms and biases
    clip_norm: float | None = Field(None, gt=0)  # of the gradient of all parameters; None: not
    ema: float = Field(0.0, ge=0, lt=1)  # decay per step of averaged weights; 0: no average

    loss: Literal["cross-entropy", "binary"] = "cross-entropy"  # binary: images of several labels
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    metric: str | None = None  # what "accuracy" means; None: top-1, or mean-ap of loss binary

    augment: Literal["auto", "none", "shift", "shift+flip", "resized-crop", "resized-crop+flip"] = (
        "auto"  # auto: what labels survive; crops of random sizes for images of a folder
    )
    shift: int = Field(2, ge=0)  # pixels, at most, in each direction
    randaugment: int = Field(0, ge=0, le=30)  # magnitude of two random operations; 0: none
    mixup: float = Field(0.0, ge=0)  # of the beta distribution that mixes two images; 0: none
    cutmix: float = Field(0.0, ge=0)  # as mixup, for a rectangle; with both, a batch gets one

    train: Literal["all", "head"] = "all"  # head: the backbone stays; what is plugged in learns
    backbone_lr: float = Field(1.0, gt=0, le=1)  # share of peak_lr for what was pretrained

    precision: Literal["float32", "bfloat16"] = "float32"  # of autocast; weights stay float32
    channels_last: bool = True  # how maps lie in memory
    compile: bool = False  # torch.compile; its seconds count as training
    cuda_graphs: bool = True  # replay a step as one launch, on a GPU
    seed: int = Field(0, ge=0, lt=2**32)

    @model_validator(mode="after")
    def _that_go_together(self) -> Self:
        there = METRICS[self.loss]
        if self.metric is not None and self.metric not in there:
            raise BadValue(
                f"recipe.metric of loss {self.loss} may be {', '.join(there[:-1])} or {there[-1]}, "
                f"got {self.metric!r}"
            )
        if self.loss == "binary" and "label_smoothing" not in self.model_fields_set:
            object.__setattr__(self, "label_smoothing", 0.0)
        return self

    @property
    def measure(self) -> str:
        """The metric that "accuracy" means."""
        return self.metric or METRICS[self.loss][0]
