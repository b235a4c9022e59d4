"""The files of a trial: its weights and its checkpoints."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import torch
from safetensors.torch import save

from .._files import UNREACHABLE, Folder, first_line
from .train import Epoch

__all__ = ["WEIGHTS", "Checkpoints", "packed"]

WEIGHTS = "weights.safetensors"


class Checkpoints:
    """The checkpoints of one training: the last, and the best of those before it.

    So there is one to go back to if the last cannot be read, and the best is always among them.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._there = {number for name in folder.names() if (number := _number(name)) is not None}

    def save(self, state: dict[str, Any], history: Sequence[Epoch]) -> None:
        """Put ``state`` in place as of the last epoch of ``history``; then older ones may go."""
        content = BytesIO()
        torch.save(state | {"history": [asdict(epoch) for epoch in history]}, content)
        last = history[-1].number
        self.folder.write(_name(last), content.getbuffer())
        accuracy = {epoch.number: epoch.accuracy for epoch in history}
        older = sorted(self._there - {last}, key=lambda n: (accuracy.get(n, -1.0), n))
        self._there.add(last)
        for number in older[:-1]:
            with suppress(*UNREACHABLE):  # the next one tries again
                self.folder.delete(_name(number))
                self._there.remove(number)

    def load(self) -> tuple[dict[str, Any] | None, list[Epoch], list[str]]:
        """The latest state that can be read, its history, and a word on each that cannot.

        Tensors are on the CPU.
        """
        notes: list[str] = []
        for number in sorted(self._there, reverse=True):
            try:
                content = BytesIO(self.folder.read(_name(number)))
                if ZipFile(content).testzip() is not None:  # torch.load looks at no checksum
                    raise ValueError("its bytes have changed")
                content.seek(0)
                state: dict[str, Any] = torch.load(content, map_location="cpu", weights_only=True)
                return state, [Epoch(**epoch) for epoch in state.pop("history")], notes
            except Exception as error:  # whatever a broken file makes of the unpickler
                notes.append(
                    f"the checkpoint of epoch {number} cannot be read "
                    f"({type(error).__name__}: {first_line(error)})"
                )
                self._there.remove(number)
        return None, [], notes

    def clear(self) -> None:
        """All that can be deleted goes: a full disk may have room for the weights then."""
        for number in sorted(self._there):
            with suppress(*UNREACHABLE):
                self.folder.delete(_name(number))
        self._there.clear()


def packed(weights: dict[str, torch.Tensor]) -> bytes:
    """``weights`` as a safetensors file."""
    # a copy of each: what goes by two names would share its memory, which safetensors refuses
    return save({name: w.detach().cpu().contiguous().clone() for name, w in weights.items()})


def _name(number: int) -> str:
    return f"epoch-{number:04}.pt"


def _number(name: str) -> int | None:
    digits = name.removeprefix("epoch-").removesuffix(".pt")
    return int(digits) if digits.isdecimal() and _name(int(digits)) == name else None
