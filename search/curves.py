"""What every trial of a study reached after each epoch, in memory, kept in step with the database.

Each look reads what changed since the last, whoever changed it: so rungs are full again after a
restart, and several drivers share them.
"""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from . import store
from .records import Study
from .stopping import Reached

__all__ = ["Curves"]


@dataclass(slots=True)
class _Curve:
    state: str
    gflops: float
    accuracies: list[float]  # after each epoch


class Curves:
    """The learning curves of one study."""

    def __init__(self) -> None:
        self._seq = 0  # of the last change that is in here
        self._curves: dict[int, _Curve] = {}

    def refresh(self, session: Session, study: Study) -> None:
        """Read what changed since the last time."""
        changed: dict[int, _Curve] = {}
        for seq, number, state, gflops, _, accuracy in store.curves_since(
            session, study, self._seq
        ):
            curve = changed.setdefault(number, _Curve(state, gflops, []))
            curve.accuracies.append(accuracy)
            self._seq = max(self._seq, seq)
        self._curves |= changed

    def reached(self, epoch: int) -> dict[int, Reached]:
        """Every trial that finished ``epoch``, as it stood then."""
        return {
            number: Reached(number, tuple(curve.accuracies[:epoch]), (curve.gflops,))
            for number, curve in self._curves.items()
            if len(curve.accuracies) >= epoch
        }

    def finished(self) -> list[list[float]]:
        """The curves of the fully trained."""
        return [c.accuracies for c in self._curves.values() if c.state == "complete"]
