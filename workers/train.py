"""The training loop: a generator, so that whoever asks decides what becomes of each epoch."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from time import perf_counter
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD
from torch.optim.lr_scheduler import OneCycleLR

from .data import Images, Split
from .recipe import Recipe

__all__ = ["DivergedError", "Epoch", "Training", "accuracy"]


class DivergedError(ArithmeticError):
    """The loss is no longer a number."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """What an epoch of training came to."""

    number: int  # from 1
    train_loss: float  # nats per image, as trained: smoothed and augmented
    accuracy: float  # share of the validation images
    seconds: float  # of training and validation


class Training:
    """One model on its way through a recipe; ``state_dict`` holds all that a restart needs.

    A training that is restored in the middle goes on bit for bit as one that was never stopped,
    on the same device with the same number of threads. With ``micro`` parts to each batch it takes
    less memory and the same steps; batch norms see a part at a time.
    """

    def __init__(self, model: nn.Module, images: Images, recipe: Recipe, micro: int = 1) -> None:
        self.micro = micro
        self.model = model.to(memory_format=torch.channels_last)
        self.images, self.recipe = images, recipe
        self.device = images.train.images.device
        self.finished = 0  # epochs
        self.rng = torch.Generator().manual_seed(recipe.seed)
        flip = recipe.augment == "shift+flip" or (recipe.augment == "auto" and images.may_flip)
        self.shift, self.flip = 0 if recipe.augment == "none" else recipe.shift, flip
        self.optimizer = SGD(
            _groups(model, recipe.weight_decay), recipe.peak_lr, momentum=0.9, nesterov=True
        )
        steps = recipe.epochs * max(1, len(images.train) // recipe.batch)
        self.schedule = OneCycleLR(self.optimizer, recipe.peak_lr, total_steps=steps)

    def epochs(self) -> Iterator[Epoch]:
        """Train to the recipe's end, yielding after each epoch; to stop early, stop asking."""
        for number in range(self.finished + 1, self.recipe.epochs + 1):
            start = perf_counter()
            train_loss = self._train()
            share = accuracy(self.model, self.images.validation, batch=500 // self.micro)
            self.finished = number
            yield Epoch(number, train_loss, share, perf_counter() - start)

    def _train(self) -> float:
        recipe, train = self.recipe, self.images.train
        total, count = torch.zeros((), device=self.device), 0
        brings: list[Any] = [m for m in self.model.modules() if hasattr(m, "extra_loss")]
        self.model.train()
        for x, labels in train.shuffled(recipe.batch, self.rng, shift=self.shift, flip=self.flip):
            self.optimizer.zero_grad()
            for part, names in zip(x.chunk(self.micro), labels.chunk(self.micro), strict=True):
                loss = cross_entropy(
                    self.model(part), names, label_smoothing=recipe.label_smoothing
                )
                total += loss.detach() * len(names)  # stays on the device: no wait at each step
                for module in brings:
                    if module.extra_loss is not None:
                        loss = loss + module.extra_loss
                        module.extra_loss = None  # its graph ends with this step
                (loss * (len(names) / len(labels))).backward()
            count += len(labels)
            self.optimizer.step()
            self.schedule.step()
        mean = float(total) / count  # the one wait
        if not isfinite(mean):
            raise DivergedError(f"the loss is {mean} in epoch {self.finished + 1}")
        return mean

    def weights(self) -> dict[str, torch.Tensor]:
        """What is exported of it."""
        return self.model.state_dict()

    def state_dict(self) -> dict[str, Any]:
        """Everything that changes while training, the generators' states included."""
        return {
            "finished": self.finished,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "order_rng": self.rng.get_state(),
            "torch_rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state(self.device)
            if self.device.type == "cuda"
            else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where ``state`` was taken."""
        self.finished = state["finished"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.rng.set_state(state["order_rng"])
        torch.set_rng_state(state["torch_rng"])
        if state["cuda_rng"] is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda_rng"], self.device)


@torch.no_grad()
def accuracy(model: nn.Module, split: Split, *, batch: int = 500) -> float:
    """The share of ``split`` that ``model`` names rightly."""
    model.eval()
    right = torch.zeros((), device=split.images.device)
    for x, labels in split.batches(batch):
        right += (model(x).argmax(1) == labels).sum()
    return float(right) / len(split)


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay on matrices and kernels, none on norms, biases and gates' scalars."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": others}]
