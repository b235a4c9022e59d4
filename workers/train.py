"""The training loop: a generator, so that whoever asks decides what becomes of each epoch."""

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from math import isfinite
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .augment import Augment, mixed
from .data import Images, Split
from .metrics import Measured, Tally
from .optimization import Average, learning_rate, optimizer, set_rate
from .recipe import Recipe

__all__ = ["DivergedError", "Epoch", "Training", "measured"]

REHEARSED = 3  # steps before one is captured: the optimiser makes its state, cuDNN its choices


class DivergedError(ArithmeticError):
    """The loss is no longer a number."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """What an epoch of training came to."""

    number: int  # from 1
    train_loss: float  # nats per image, as trained: smoothed and augmented
    accuracy: float  # of the validation images: the recipe's metric, a share
    seconds: float  # of training and validation; of the first, of compiling and capturing, too
    metrics: Measured = field(default_factory=dict)  # every metric of the validation images
    # what it took of its machine: seconds that the next batch was waited for ("data"; on a GPU
    # what was begun may go on meanwhile) and of "validation"; and what workers.machine measures
    machine: dict[str, float] = field(default_factory=dict)


class Training:
    """One model on its way through a recipe; ``state_dict`` holds all that a restart needs.

    A training that is restored in the middle goes on bit for bit as one that was never stopped,
    on the same device with the same number of threads. Within an epoch nothing waits for the
    device. ``pretrained`` names the parameters that the backbone brought with it, for recipes that
    treat them differently. With ``micro`` > 1 a batch goes through the model in so many parts, for
    one step all the same; only norms over the batch see the parts.
    """

    def __init__(
        self,
        model: nn.Module,
        images: Images,
        recipe: Recipe,
        *,
        pretrained: Collection[str] = (),
        micro: int = 1,
    ) -> None:
        self.model = model.to(memory_format=torch.channels_last)
        self.images, self.recipe, self.micro = images, recipe, micro
        self.device = images.train.device
        self.finished = 0  # epochs
        self.taken = 0  # steps
        self.waited = 0.0  # seconds for the batches of this epoch
        self.per_epoch = max(1, len(images.train) // recipe.batch)
        self.rng = torch.Generator().manual_seed(recipe.seed)
        self.augment = Augment(
            recipe, may_flip=images.may_flip, photographs=images.photographs, size=images.size
        )
        self.optimizer = optimizer(model, recipe, pretrained)
        self.trained = [p for group in self.optimizer.param_groups for p in group["params"]]
        self.average = Average(model, recipe.ema) if recipe.ema else None
        self.frozen = _frozen_norms(model) if recipe.train == "head" else []
        self.brings: list[Any] = [m for m in model.modules() if hasattr(m, "extra_loss")]
        self.forward = torch.compile(model) if recipe.compile else model
        self.graph: _Captured | None = None

    def epochs(self) -> Iterator[Epoch]:
        """Train to the recipe's end, yielding after each epoch; to stop early, stop asking."""
        for number in range(self.finished + 1, self.recipe.epochs + 1):
            start, self.waited = perf_counter(), 0.0
            train_loss = self._train()
            trained = perf_counter()
            metrics = measured(self.evaluated, self.images, self.recipe, batch=500 // self.micro)
            share = metrics[self.recipe.measure]
            assert isinstance(share, float)
            self.finished = number
            ended = perf_counter()
            took = {"data": round(self.waited, 4), "validation": round(ended - trained, 4)}
            yield Epoch(number, train_loss, share, ended - start, metrics, took)

    @property
    def evaluated(self) -> nn.Module:
        """The model whose accuracy counts: the averaged one, if there is an average."""
        return self.average.model if self.average else self.model

    def _train(self) -> float:
        recipe, steps = self.recipe, self.per_epoch * self.recipe.epochs
        total, count = torch.zeros((), device=self.device), 0
        self.model.train()
        for norm in self.frozen:
            norm.eval()
        for x, labels in self._waited_for(
            self.images.train.shuffled(recipe.batch, self.rng, self.augment)
        ):
            targets = labels
            if recipe.mixup or recipe.cutmix:
                targets = labels if labels.is_floating_point() else self._one_hot(labels)
                x, targets = mixed(x, targets, recipe, self.rng)
            rate = learning_rate(self.taken, steps, self.per_epoch, recipe)
            set_rate(self.optimizer, recipe.peak_lr * rate)
            total += self.take(x, targets) * len(labels)  # no wait at each step
            self.taken += 1
            count += len(labels)
            if self.average:
                self.average.update(self.taken)
        mean = float(total) / count  # the one wait
        if not isfinite(mean):
            raise DivergedError(f"the loss is {mean} in epoch {self.finished + 1}")
        return mean

    def _waited_for(self, batches: Iterator[tuple[Tensor, Tensor]]) -> Iterator[Any]:
        while True:
            start = perf_counter()
            batch = next(batches, None)
            self.waited += perf_counter() - start
            if batch is None:
                return
            yield batch

    def take(self, x: Tensor, targets: Tensor) -> Tensor:
        """One step; the loss before it, still on the device."""
        if not self._may_capture:
            return self.step(x, targets)
        if self.graph is None:
            self.graph = _Captured(self, x, targets)
        return self.graph(x, targets)

    def rehearse(self, x: Tensor, targets: Tensor, steps: int = REHEARSED) -> None:
        """Take some steps, and leave weights, buffers, optimiser and chance as they were."""
        state = {name: value.clone() for name, value in self.model.state_dict().items()}
        known = {
            parameter: {key: value.clone() for key, value in values.items()}
            for parameter, values in self.optimizer.state.items()
        }
        chance = [(torch.get_rng_state, torch.set_rng_state)]
        if self.device.type == "cuda":
            chance.append((torch.cuda.get_rng_state, torch.cuda.set_rng_state))
        drawn = [get() for get, _ in chance]
        for _ in range(steps):
            self.step(x, targets)
        for (_, put), before in zip(chance, drawn, strict=True):
            put(before)
        with torch.no_grad():
            for name, value in self.model.state_dict().items():
                value.copy_(state[name])
            for parameter, values in self.optimizer.state.items():
                for key, value in values.items():  # in place: a captured step knows these tensors
                    value.copy_(known[parameter][key]) if parameter in known else value.zero_()

    @property
    def _may_capture(self) -> bool:
        # `torch.compile` brings launches of its own, and what it compiles may not be captured
        return self.device.type == "cuda" and self.recipe.cuda_graphs and not self.recipe.compile

    def step(self, x: Tensor, targets: Tensor) -> Tensor:
        """Forward, backward, and what the optimiser makes of it."""
        self.optimizer.zero_grad()
        total = torch.zeros((), device=self.device)
        for part, aims in zip(x.chunk(self.micro), targets.chunk(self.micro), strict=True):
            with autocast(self.device, self.recipe):
                logits = self.forward(part)
            loss = _loss(logits.float(), aims, self.recipe)
            share = len(part) / len(x)
            total += loss.detach() * share
            for module in self.brings:
                if module.extra_loss is not None:
                    loss = loss + module.extra_loss
                    module.extra_loss = None  # its graph ends with this step
            (loss * share if self.micro > 1 else loss).backward()
        if self.recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.trained, self.recipe.clip_norm)
        self.optimizer.step()
        return total

    def _one_hot(self, labels: Tensor) -> Tensor:
        return F.one_hot(labels, len(self.images.classes)).float()

    def weights(self) -> dict[str, Tensor]:
        """What the validation images were judged by."""
        return self.evaluated.state_dict()

    def state_dict(self) -> dict[str, Any]:
        """Everything that changes while training, the generators' states included."""
        cuda = self.device.type == "cuda"
        return {
            "finished": self.finished,
            "taken": self.taken,
            "model": self.model.state_dict(),
            "average": self.average.model.state_dict() if self.average else None,
            "optimizer": self.optimizer.state_dict(),
            "order_rng": self.rng.get_state(),
            "torch_rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state(self.device) if cuda else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where ``state`` was taken."""
        self.finished, self.taken = state["finished"], state["taken"]
        self.model.load_state_dict(state["model"])
        if self.average:
            self.average.model.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.graph = None  # the optimiser has other tensors now
        self.rng.set_state(state["order_rng"].cpu())
        torch.set_rng_state(state["torch_rng"].cpu())
        if state["cuda_rng"] is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda_rng"].cpu(), self.device)


@torch.no_grad()
def measured(
    model: nn.Module, images: Images, recipe: Recipe, split: Split | None = None, batch: int = 500
) -> Measured:
    """Every metric of ``recipe`` that ``model`` reaches on the validation images, or ``split``."""
    split = split or images.validation
    model.eval()
    tally = Tally(recipe.loss, len(images.classes), split.device)
    for x, labels in split.batches(batch):
        with autocast(split.device, recipe):
            logits = model(x)
        tally.add(logits, labels)
    return tally.result()


def autocast(device: torch.device, recipe: Recipe) -> AbstractContextManager[None]:
    """The recipe's number type for what may have it."""
    low = recipe.precision == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16, enabled=low)


def _loss(logits: Tensor, targets: Tensor, recipe: Recipe) -> Tensor:
    smoothing = recipe.label_smoothing
    if recipe.loss == "binary":
        aims = targets * (1 - smoothing) + smoothing / 2
        return F.binary_cross_entropy_with_logits(logits, aims)
    return F.cross_entropy(logits, targets, label_smoothing=smoothing)


def _frozen_norms(model: nn.Module) -> list[nn.Module]:
    """Norms of which nothing is trained: their running figures stay, too."""
    return [
        module
        for module in model.modules()
        if isinstance(module, nn.modules.batchnorm._NormBase)
        and (own := list(module.parameters(recurse=False)))
        and not any(p.requires_grad for p in own)
    ]


class _Captured:
    """A whole step as one launch: on a GPU small networks are bound by their hundreds of them."""

    def __init__(self, training: Training, x: Tensor, targets: Tensor) -> None:
        self.x, self.targets = x.clone(), targets.clone()
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):  # where gradients may be made that capturing shall not see
            training.rehearse(self.x, self.targets)
        torch.cuda.current_stream().wait_stream(aside)
        self.graph = torch.cuda.CUDAGraph()
        training.optimizer.zero_grad()  # capturing makes gradients in the graph's own memory
        with torch.cuda.graph(self.graph):
            self.loss = training.step(self.x, self.targets)

    def __call__(self, x: Tensor, targets: Tensor) -> Tensor:
        self.x.copy_(x)
        self.targets.copy_(targets)
        self.graph.replay()
        return self.loss
