"""What every trial of a study reached after each epoch, in memory, kept in step with the database.

Each look reads what changed since the last, whoever changed it: so rungs are full again after a
restart, and several drivers share them.
"""

from collections.abc import Mapping
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
        self._reached: dict[int, dict[int, Reached]] = {}  # by epoch, once it is asked for

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
        for epoch, there in self._reached.items():
            for number in changed:
                there.pop(number, None)
            there |= _reached(changed, epoch)

    def reached(self, epoch: int) -> dict[int, Reached]:
        """Every trial that finished ``epoch``, as it stood then."""
        if epoch not in self._reached:
            self._reached[epoch] = _reached(self._curves, epoch)
        return dict(self._reached[epoch])

    def finished(self) -> list[list[float]]:
        """The curves of the fully trained."""
        return [c.accuracies for c in self._curves.values() if c.state == "complete"]


def _reached(curves: Mapping[int, _Curve], epoch: int) -> dict[int, Reached]:
    return {
        number: Reached(number, tuple(curve.accuracies[:epoch]), (curve.gflops,))
        for number, curve in curves.items()
        if len(curve.accuracies) >= epoch
    }
