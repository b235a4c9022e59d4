"""A short measurement of how fast one worker trains, beside others that do so at the same time."""

from collections.abc import Iterator
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from .. import attention
from ..spaces.networks import add_backbones
from ..spaces.placement import Placement
from ..spaces.plugging import build
from .data import Data, Images, load
from .recipe import Recipe
from .train import Training

__all__ = ["Probe"]

WARM = 5  # steps before the clock starts


class Probe:
    """Trains a placement as a candidate would be, for some seconds; nothing comes of it.

    ``config`` is what a ``CandidateTrainer`` takes. On a GPU it keeps to its share of the memory,
    and raises torch's ``OutOfMemoryError`` if that is too little.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        torch.set_num_threads(config["threads"])
        device = torch.device("cuda" if config["gpus"] else "cpu")
        if device.type == "cuda" and config["gpus"] < 1:
            torch.cuda.set_per_process_memory_fraction(config["gpus"])
        for plugin in config["plugins"]:
            attention.plug_in(**plugin)
        for file in config["backbones"]:
            add_backbones(file["path"], file["source"])
        images: Images = load(Data.of(config["data"])).to(device)
        recipe = Recipe.of(config["recipe"])
        model = build(
            Placement.parse(config["placement"]), len(images.classes), image_size=images.size
        )
        self.training = Training(model.to(device), images, recipe)
        self.batches = self._epochs()
        self._steps(WARM)

    def _epochs(self) -> Iterator[tuple[Tensor, Tensor]]:
        training = self.training
        while True:
            yield from training.images.train.shuffled(
                training.recipe.batch, training.rng, training.augment
            )

    def _steps(self, count: int) -> int:
        images = 0
        for _ in range(count):
            x, labels = next(self.batches)
            self.training.take(x, labels)
            images += len(labels)
        if self.training.device.type == "cuda":
            torch.cuda.synchronize()
        return images

    def ready(self) -> None:
        """Return once everything is warm."""

    def rate(self, seconds: float) -> float:
        """Training images a second, over about ``seconds``."""
        images, start = 0, perf_counter()
        while (spent := perf_counter() - start) < seconds:
            images += self._steps(WARM)
        return images / spent
