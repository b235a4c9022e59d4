"""The Ray side of a trial: an actor that trains one candidate after the other."""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from ray import tune
from safetensors.torch import save_file

from .. import attention
from ..spaces.networks import add_backbones
from ..spaces.placement import Placement
from ..spaces.plugging import build
from .data import Data, Images, load
from .recipe import Recipe
from .train import Epoch, Training

__all__ = ["CHECKPOINT", "WEIGHTS", "CandidateTrainer"]

CHECKPOINT, WEIGHTS = "checkpoint.pt", "weights.safetensors"


class CandidateTrainer(tune.Trainable):
    """Trains the placement of its configuration, an epoch a step; the images stay in memory.

    After each epoch a checkpoint is in place before the epoch is reported, with all epochs so far
    in it. So a trial that lost its worker or its driver goes on from there, and an epoch that was
    trained but not recorded is reported again.
    """

    def setup(self, config: dict[str, Any]) -> None:
        """Begin the first trial of this actor."""
        torch.set_num_threads(config["threads"])
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin the next trial in the same process."""
        self.config = new_config
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """The next epoch; a failure is a result, too, so that it is not tried again in vain."""
        who = {"number": self.config["number"], "worker": self.worker, "device": self.device_name}
        try:
            if self.error is not None:
                raise self.error
            epoch = next(self.epochs)
        except Exception as error:  # whatever it is, the study has to hear of it
            return who | {"failed": f"{type(error).__name__}: {error}"}
        return who | {"epoch": asdict(epoch)}

    def cleanup(self) -> None:
        """Nothing outlives the process."""

    def _begin(self, config: dict[str, Any]) -> None:
        self.error: Exception | None = None
        self.epochs: Iterator[Epoch] = iter(())
        self.worker = f"{socket.gethostname()}:{os.getpid()}"
        self.device_name = "cpu"
        try:
            device = torch.device("cuda" if config["gpus"] else "cpu")
            if device.type == "cuda":  # raises where torch sees none: no silent change to the CPU
                self.device_name = torch.cuda.get_device_name(device)
            self.epochs = self._train(config, device)
        except Exception as error:  # reported by the first step
            self.error = error

    def _train(self, config: dict[str, Any], device: torch.device) -> Iterator[Epoch]:
        for plugin in config["plugins"]:  # as text: this machine may not have the file
            attention.plug_in(**plugin)
        for file in config["backbones"]:
            add_backbones(file["path"], file["source"])
        images = _images(Data.of(config["data"]), str(device))
        recipe = Recipe.of(config["recipe"])
        torch.manual_seed(recipe.seed)
        model = build(
            Placement.parse(config["placement"]),
            len(images.classes),
            image_size=images.size,
            identity_init=config["identity_init"],
            weights=config["weights"],
        )
        self.training = Training(model.to(device), images, recipe)
        folder = Path(config["folder"])
        folder.mkdir(parents=True, exist_ok=True)
        return self._resumed(folder, config["recorded"])

    def _resumed(self, folder: Path, recorded: int) -> Iterator[Epoch]:
        history: list[Epoch] = []
        checkpoint = folder / CHECKPOINT
        if checkpoint.exists():
            state = torch.load(checkpoint, map_location=self.training.device, weights_only=True)
            history = [Epoch(**epoch) for epoch in state.pop("history")]
            self.training.load_state_dict(
                {
                    key: value.cpu() if key.endswith("rng") and value is not None else value
                    for key, value in state.items()
                }
            )
        yield from history[recorded:]
        for epoch in self.training.epochs():
            history.append(epoch)
            if self._is_last(epoch):
                _replace(folder / WEIGHTS, _weights(self.training))
            state = self.training.state_dict() | {"history": [asdict(e) for e in history]}
            _replace(checkpoint, state)
            yield epoch

    def _is_last(self, epoch: Epoch) -> bool:
        return epoch.number >= self.training.recipe.epochs


@lru_cache(maxsize=1)
def _images(data: Data, device: str) -> Images:
    return load(data).to(torch.device(device))


def _weights(training: Training) -> dict[str, torch.Tensor]:
    state = training.model.state_dict()
    # a copy of each: what goes by two names would share its memory, which safetensors refuses
    return {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}


def _replace(path: Path, content: dict[str, Any]) -> None:
    """Write a file whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.name == WEIGHTS:
            save_file(content, draft)
        else:
            torch.save(content, draft)
        os.replace(draft, path)
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()
