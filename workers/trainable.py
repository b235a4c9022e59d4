"""The Ray side of a trial: an actor that trains one candidate after the other."""

import ctypes
import gc
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from ray import tune
from safetensors.torch import load as unpacked
from torch import nn

from .. import attention
from .._files import UNREACHABLE, Folder
from ..spaces.networks import add_backbones, trunk
from ..spaces.placement import Placement
from ..spaces.plugging import build
from ..spaces.timing import latencies
from .checkpoints import WEIGHTS, Checkpoints, packed
from .data import Data, Images, load
from .looking import LOOKS, look
from .machine import watched_epochs
from .recipe import Recipe
from .train import DivergedError, Epoch, Training
from .watchdog import left_word, watched

__all__ = ["CandidateTrainer"]

TIMED = 1.0  # seconds in which forward passes are timed, of each of the two networks


class CandidateTrainer(tune.Trainable):
    """Trains the placement of its configuration, an epoch a step; the images stay in memory.

    After each epoch a checkpoint is in place before the epoch is reported, with all epochs so far
    in it. So a trial that lost its worker or its driver goes on from there, and an epoch that was
    trained but not recorded is reported again.

    A step's report has ``number``, ``worker`` and ``device``; ``epoch`` if one is finished;
    ``failed``, why the trial ends without a result; ``note``, what befell it on the way. Where the
    configuration asks for a ``latency``, the first step trains nothing and reports it: ``ms`` of
    an image, ``bare_ms`` of ``bare``, the backbone to compare with, and on which ``device``.
    """

    notes: list[str]  # for the next report

    def setup(self, config: dict[str, Any], images: Mapping[str, Any] | None = None) -> None:
        """Begin the first trial of this actor; ``images`` are ``Images.arrays`` of all trials."""
        torch.set_num_threads(config["threads"])
        _keep_freed_memory()
        gc.collect()
        gc.freeze()  # of torch and Ray nothing is ever freed: a later collection passes it over
        self.shipped = images
        self._images: tuple[tuple[Data, str], Images] | None = None
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin the next trial in the same process."""
        self.config = new_config
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """The next epoch; a failure is a result, too, so that it is not tried again in vain."""
        seconds, word = self.config["stuck_after"], Path(self.logdir) / "stuck.txt"
        if (place := left_word(word)) is not None:
            word.unlink()
            return self._report(failed=f"stuck: no epoch within {seconds:g} s, in {place}")
        try:
            with watched(word, seconds):
                found = next(self.found)
            return self._report(**found)
        except Exception as error:  # whatever it is, the study has to hear of it
            return self._report(failed=_reason(error))

    def cleanup(self) -> None:
        """Nothing outlives the process."""

    def _report(self, **about: Any) -> dict[str, Any]:
        about["note"] = "; ".join(self.notes)
        self.notes = []
        who = {"number": self.config["number"], "worker": self.worker, "device": self.device_name}
        return who | {name: value for name, value in about.items() if value}

    def _begin(self, config: dict[str, Any]) -> None:
        self.worker = f"{socket.gethostname()}:{os.getpid()}"
        self.device_name = "cpu"
        self.notes = []
        self.failure: str | None = None  # of a training that came to its end
        self._forget()
        self.found = self._found(config)  # nothing happens before the first step

    def _forget(self) -> None:
        """The model of before makes room, on the GPU, too."""
        self.training: Training | None = None
        gc.collect()
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()

    def _found(self, config: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """What each step has to report."""
        for plugin in config["plugins"]:  # as text: this machine may not have the file
            attention.plug_in(**plugin)
        for file in config["backbones"]:
            add_backbones(file["path"], file["source"])
        if config.get("latency"):
            yield {"latency": self._latency(config)}
        for epoch in self._train(config):
            found = {"epoch": asdict(epoch), "failed": self.failure}
            if epoch.number == config["recipe"]["epochs"] and not self.failure:
                found["looks"] = self._looks(config)
            yield found

    def _looks(self, config: dict[str, Any]) -> str | None:
        """Where the trained network looks, drawn from its kept weights: so one that dies before
        this is reported draws it again. What goes wrong is told, and ends no trial.
        """
        placement = Placement.parse(config["placement"])
        if not config.get("looks") or not placement.names:
            return None
        try:
            folder, data = Folder(config["folder"]), Data.of(config["data"])
            images = self._images_on(data, self._device(config))
            model = _network(config, images, config["placement"])
            model.load_state_dict(unpacked(folder.read(WEIGHTS)))
            about, content = look(model, placement, images, config["looks"], data.seed)
            folder.write(LOOKS, content)
            return json.dumps({"about": about, "bytes": len(content)})
        except Exception as error:  # a plugin's, a full disk's, ...
            self.notes.append(f"where it looks cannot be drawn: {_reason(error)}")
            return None

    def _latency(self, config: dict[str, Any]) -> dict[str, Any]:
        """Of the placement and of the bare backbone in turns: what disturbs one disturbs both."""
        device = self._device(config)
        images = self._images_on(Data.of(config["data"]), device)
        models = {name: _network(config, images, config[name]) for name in ("placement", "bare")}
        timed = latencies(models, images.size, batches=(1,), device=device, seconds=TIMED)
        (own,), (bare,) = timed["placement"], timed["bare"]
        ms, bare_ms = 1000 * own.median_seconds, 1000 * bare.median_seconds
        return {"ms": ms, "bare_ms": bare_ms, "device": own.device}

    def _train(self, config: dict[str, Any]) -> Iterator[Epoch]:
        """The epochs that are not recorded yet; out of memory once, each batch goes on in parts."""
        folder = Folder(config["folder"])
        folder.make()
        checkpoints = Checkpoints(folder)
        micro, recorded = 1, config["recorded"]
        while True:
            state, history, notes = checkpoints.load()
            where = f"went on from epoch {len(history)}" if history else "began anew"
            self.notes += [f"{note}: {where}" for note in notes]
            micro = max(micro, state.pop("micro") if state else 1)
            yield from history[recorded:]
            try:
                self.training = self._training(config, micro)
                if state is not None:
                    self.training.load_state_dict(state)
                    state = None
                yield from self._watched_epochs(self.training, folder, checkpoints, history)
                return
            except Exception as error:
                if micro > 1 or not _is_out_of_memory(error):
                    raise
            # here its traceback is gone, and with it what the step before held
            self._forget()
            micro, recorded = 2, max(recorded, len(history))
            self.notes.append(
                f"out of memory in epoch {len(history) + 1}: each batch goes on in {micro} parts"
            )

    def _training(self, config: dict[str, Any], micro: int) -> Training:
        device = self._device(config)
        images = self._images_on(Data.of(config["data"]), device)
        recipe = Recipe.of(config["recipe"])
        torch.manual_seed(recipe.seed)
        model = _network(config, images, config["placement"])
        backbone = Placement.parse(config["placement"]).backbone
        pretrained = trunk(backbone) if config["weights"] else ()
        return Training(model.to(device), images, recipe, pretrained=pretrained, micro=micro)

    def _device(self, config: dict[str, Any]) -> torch.device:
        device = torch.device("cuda" if config["gpus"] else "cpu")
        if device.type == "cuda":  # raises where torch sees none: no silent change to the CPU
            self.device_name = torch.cuda.get_device_name(device)
            torch.backends.cudnn.deterministic = True  # the same seed, the same curve
            if config["gpus"] < 1:  # to Ray a share of a GPU is bookkeeping only
                torch.cuda.set_per_process_memory_fraction(config["gpus"])
        return device

    def _images_on(self, data: Data, device: torch.device) -> Images:
        wanted = (data, str(device))
        if self._images is None or self._images[0] != wanted:
            there = load(data) if self.shipped is None else Images.from_arrays(self.shipped)
            self._images = wanted, there.to(device)
        return self._images[1]

    def _watched_epochs(
        self, training: Training, folder: Folder, checkpoints: Checkpoints, history: list[Epoch]
    ) -> Iterator[Epoch]:
        """Each epoch once it is kept; a disk that takes no checkpoint does not end a training."""
        takes = True
        for epoch in watched_epochs(training):
            history.append(epoch)
            if epoch.number >= training.recipe.epochs:
                self.failure = _kept(training, folder, checkpoints)
            try:
                checkpoints.save(training.state_dict() | {"micro": training.micro}, history)
                takes = True
            except UNREACHABLE as error:
                if takes and self.failure is None:
                    self.notes.append(f"no checkpoint since epoch {epoch.number}: {error}")
                takes = False
            yield epoch


def _network(config: dict[str, Any], images: Images, spelling: str) -> nn.Module:
    return build(
        Placement.parse(spelling),
        len(images.classes),
        image_size=images.size,
        identity_init=config["identity_init"],
        weights=config["weights"],
    )


def _kept(training: Training, folder: Folder, checkpoints: Checkpoints) -> str | None:
    """Write the weights; why they could not be written."""
    content = packed(training.weights())
    try:
        folder.write(WEIGHTS, content)
        return None
    except UNREACHABLE:
        checkpoints.clear()  # of a training that is over: they may be what fills the disk
    try:
        folder.write(WEIGHTS, content)
        return None
    except UNREACHABLE as error:
        return f"its weights cannot be written: {error}"


def _reason(error: Exception) -> str:
    if isinstance(error, DivergedError):
        return f"diverged: {error}"
    if isinstance(error, StopIteration):
        return "it has no more epochs"
    if _is_out_of_memory(error):
        return f"out of memory, with each batch in parts, too: {str(error).partition(chr(10))[0]}"
    return f"{type(error).__name__}: {error}"


def _is_out_of_memory(error: Exception) -> bool:
    words = ("can't allocate memory", "out of memory", "ALLOC_FAILED")  # of CPU, CUDA, cuBLAS
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error) for word in words)
    )


def _keep_freed_memory() -> None:
    """Have glibc keep what a step frees: the next step takes it again, without page faults."""
    with suppress(OSError, AttributeError):  # another C library
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD: smaller blocks come from the heap
        libc.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD: what the heap's top may hold free
