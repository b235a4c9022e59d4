"""The trials of a study, brought into another one of the same specification."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from ..errors import BadValue
from . import store
from .asked import space_of
from .records import Study
from .spec import SearchSpec

__all__ = ["Merged", "merge"]

WHAT = (
    *("key", "seed", "placement", "origin", "chosen", "attributes"),
    *("parameters", "macs", "gflops", "memory", "added", "violations", "created"),
)
OUTCOME = (
    *("latency", "accuracy", "epochs", "seconds", "worker", "device", "metrics", "reason"),
    *("verdict", "expected", "failures", "notes", "started", "ended"),
)


@dataclass(slots=True)
class Merged:
    """What became of the trials that were brought."""

    new: int = 0
    replaced: int = 0  # were there, but not fully trained
    kept: int = 0  # are there already, or are being trained there
    left: int = 0  # of another seed, and not trained

    def __str__(self) -> str:
        said = f"{self.new} new there, {self.replaced} fully trained now, {self.kept} there already"
        return f"{said}, {self.left} not trained and left out" if self.left else said


def merge(old: Session, study: Study, new: Session, into: Study) -> Merged:
    """Bring the trials of ``study`` into ``into``, which is locked; front and history are rebuilt.

    Of two trials of one placement and seed there is one: the fully trained, else that of ``into``.
    What is trained right now in ``into`` stays as it is; in ``study``, it comes as a waiting one.
    With another seed in its recipe ``study`` has the same placements trained again; then only what
    was trained comes, as the search of ``into`` would go on with its own seed.

    Raises
        BadValue  if figures of the two cannot be compared
    """
    _check(study, into)
    choices = space_of(into).coordinates
    there = {(one.key, one.seed): one for one in store.trials(new, into)}
    files = store.files(old, study)
    merged, numbers, seed = Merged(), dict[int, int](), into.spec["recipe"].get("seed", 0)
    with new.no_autoflush:  # a flush a trial is enough
        for trial in store.trials(old, study):
            same = there.get((trial.key, trial.seed))
            if trial.seed != seed and trial.state in ("waiting", "running"):
                merged.left += 1
                continue
            if same is None:
                parents = [numbers[n] for n in trial.parents or () if n in numbers] or None
                what = {name: getattr(trial, name) for name in WHAT}
                given = choices if trial.chosen else {}
                same = store.add_trial(new, into, choices=given, parents=parents, **what)
                merged.new += 1
            elif trial.state == "complete" and same.state not in ("complete", "running"):
                store.forget(new, same)
                merged.replaced += 1
            else:
                merged.kept += 1
                numbers[trial.number] = same.number
                continue
            numbers[trial.number] = same.number
            state = "waiting" if trial.state == "running" else trial.state
            outcome: dict[str, Any] = {name: getattr(trial, name) for name in OUTCOME}
            curve, left = store.curve_of(old, trial), files.get(trial.id, [])
            store.become(new, same, state, curve=curve, artifacts=left, **outcome)
    new.flush()
    store.rebuild_front(new, into)
    return merged


def _check(study: Study, into: Study) -> None:
    for key, one, other in SearchSpec.of(study.spec).differences(into.spec):
        if key == "recipe.seed":
            continue
        raise BadValue(
            f"studies {study.name!r} and {into.name!r} cannot be compared: {key} is {one!r} in "
            f"the first, and {other!r} in the second"
        )
    prints = {study.fingerprint, into.fingerprint} - {None}
    if (study.classes, study.images) != (into.classes, into.images) or len(prints) > 1:
        raise BadValue(f"studies {study.name!r} and {into.name!r} have different images")
