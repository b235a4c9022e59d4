"""How a recipe changes weights: the optimiser, its groups, the learning rate, averaged weights."""

from collections.abc import Container
from copy import deepcopy
from math import cos, pi
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from .recipe import Recipe

__all__ = ["Average", "learning_rate", "optimizer", "set_rate"]


def learning_rate(step: int, steps: int, per_epoch: int, recipe: Recipe) -> float:
    """The learning rate of ``step`` (from 0) of all ``steps``, as a share of ``peak_lr``.

    On the way up, the first ``warmup`` of all steps, it rises from 1/25: linearly, of one-cycle
    along a cosine. Then it falls along a cosine, to 0 (of one-cycle to 1/250,000), or with
    schedule step by ``step_factor`` every ``step_every`` epochs of the whole training.

    Source: one-cycle is https://arxiv.org/abs/1708.07120 with the shape and the figures of
    ``torch.optim.lr_scheduler.OneCycleLR``; cosine is https://arxiv.org/abs/1608.03983.
    """
    cycle = recipe.schedule == "one-cycle"
    rising = recipe.warmup * steps - 1
    if step < rising:
        share = step / rising
        return 1 + (1 / 25 - 1) * ((1 + cos(pi * share)) / 2 if cycle else 1 - share)
    if recipe.schedule == "step":
        return float(recipe.step_factor ** (step // (recipe.step_every * per_epoch)))
    rising = max(rising, 0.0)
    share = (step - rising) / max(steps - 1 - rising, 1)
    least = 1 / 250_000 if cycle else 0.0
    return least + (1 - least) * (1 + cos(pi * share)) / 2


def optimizer(model: nn.Module, recipe: Recipe, pretrained: Container[str] = ()) -> Optimizer:
    """The recipe's optimiser over what is trained, its kernels fused.

    Weight decay is for kernels and matrices, not for norms, biases and gates' scalars. Parameters
    whose names are in ``pretrained`` have ``backbone_lr`` of the rate, or with ``train: head``
    none: they are frozen in place. On a GPU the rate is a tensor, so that a captured step reads it.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        slow = name in pretrained
        if slow and recipe.train == "head":
            parameter.requires_grad_(False)
            continue
        groups.setdefault((parameter.ndim > 1, slow), []).append(parameter)
    first = next(model.parameters())
    given = [
        {
            "params": groups[decayed, slow],
            "weight_decay": recipe.weight_decay if decayed else 0.0,
            "scale": recipe.backbone_lr if slow else 1.0,
            "lr": torch.tensor(recipe.peak_lr, device=first.device)
            if first.is_cuda
            else recipe.peak_lr,
        }
        for decayed, slow in sorted(groups, reverse=True)
    ]
    if recipe.optimizer == "sgd":
        nesterov = recipe.momentum > 0
        return SGD(given, recipe.peak_lr, recipe.momentum, nesterov=nesterov, fused=True)
    betas = (recipe.momentum, 0.999)
    return AdamW(given, recipe.peak_lr, betas, fused=True, capturable=first.is_cuda)


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Give every group ``rate`` times its own scale, without waiting for the device."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate * group["scale"])
        else:
            group["lr"] = rate * group["scale"]


class Average:
    """An exponential moving average of a model's weights and buffers, as a model of its own.

    After step t (from 1) it moves by 1 - min(decay, t / (t + 9)) towards the model, so that the
    first steps are soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.decay = deepcopy(model).eval().requires_grad_(False), decay
        pairs = list(zip(_tensors(self.model), _tensors(model), strict=True))
        self._mine = [mine for mine, _ in pairs if mine.is_floating_point()]
        self._theirs = [theirs for _, theirs in pairs if theirs.is_floating_point()]
        self._counts = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the model after its ``step``, from 1."""
        towards = 1 - min(self.decay, step / (step + 9))
        torch._foreach_lerp_(self._mine, self._theirs, towards)
        for mine, theirs in self._counts:
            mine.copy_(theirs)


def _tensors(model: nn.Module) -> list[Any]:
    # by two names, once
    return list({id(t): t for t in [*model.parameters(), *model.buffers()]}.values())
