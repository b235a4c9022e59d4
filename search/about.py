"""All that there is to say of a study, or of one of its trials, in lines of text."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import yaml
from sqlalchemy.orm import Session

from ..spaces.placement import Placement, draw
from . import store
from .hands import ago
from .records import Driver, Study, Trial

__all__ = ["about_study", "about_trial", "state_counts", "who", "written"]

UNITS = {"gflops": "GFLOPs", "parameters": "parameters", "memory": "bytes", "latency": "ms"}


def about_study(session: Session, study: Study) -> Iterator[tuple[str, str]]:
    """What ``study`` searches, on which images, and how it stands, by catchword."""
    images, stands = study.images, store.standing(session, study)
    yield (
        "study",
        f"{study.name}, begun {_at(study.created)}, last changed {ago(stands.changed)} ago",
    )
    parts = [f"{images[one]:,} {one}" for one in ("train", "validation", "test") if one in images]
    parts.append(f"{images['size']} pixels a side")
    named = f"{study.spec['data']['name']}: {', '.join(parts)}"
    yield "images", f"{named}, {len(study.classes)} classes"
    costs = study.bare or {"gflops": study.bare_gflops}
    said = (_cost(name, value) for name, value in costs.items() if value is not None)
    yield "backbone", f"{study.spec['space']['backbone']}, bare: {', '.join(said)}"
    yield "space", f"{int(study.space_size):,} placements"
    yield "trials", f"{state_counts(session, study)}; {study.spec['trials']} are wanted"
    for driver in store.every_driver(session, study):
        yield "driver", who(driver)
    if stands.best is not None:
        yield "best", f"{100 * stands.best:.2f} %"
        yield "front", f"{stands.on_front} trials, hypervolume {stands.hypervolume or 0.0:.4f}"
    for line in study.note.splitlines():
        yield "note", line


def about_trial(session: Session, study: Study, trial: Trial) -> Iterator[tuple[str, str]]:
    """What became of ``trial``, and how, by catchword."""
    on_front = ", on the front" if trial.on_front else ""
    yield "trial", f"{trial.number} of {study.name}: {trial.state}{on_front}"
    yield "origin", trial.origin
    if trial.parents:
        yield "parents", ", ".join(map(str, trial.parents))
    placement = Placement.parse(trial.placement)
    yield "drawn", draw(placement, study.sites)
    for module in placement.modules:
        yield "module", f"{module.site}: {module}"
    yield "placement", trial.placement
    extra = 100 * (trial.gflops / study.bare_gflops - 1)
    costs = [f"{trial.gflops:.4g} GFLOPs ({extra:+.2f} %)"]
    costs += [
        _cost(name, value)
        for name in ("parameters", "memory", "latency")
        if (value := getattr(trial, name)) is not None
    ]
    yield "costs", ", ".join(costs)
    for name, value in (trial.violations or {}).items():
        yield "constraint", f"{name}: {'broken' if value > 0 else 'kept'}, by {abs(value):.2%}"
    if trial.accuracy is not None:
        yield "accuracy", f"{100 * trial.accuracy:.2f} % after {trial.epochs} epochs"
    if trial.expected is not None:
        yield "expected", f"{100 * trial.expected:.2f} %, had it been trained to the end"
    for name, value in (trial.metrics or {}).items():
        if isinstance(value, float | int):
            yield "metric", f"{name}: {value:.4g}"
    if trial.reason:
        yield {"stopped": "stopped", "failed": "failed"}.get(trial.state, "reason"), trial.reason
    for note in trial.notes:
        yield "note", note
    if trial.worker:
        yield "worker", f"{trial.worker} on {trial.device}, {trial.seconds:,.1f} s"
    for file in store.files(session, study).get(trial.id, []):
        yield file.kind, file.address
    for name in ("created", "started", "ended"):
        if (moment := getattr(trial, name)) is not None:
            yield name, _at(moment)


def who(driver: Driver) -> str:
    """A driver, and whether it lives."""
    name = f"process {driver.pid} on {driver.host}, begun {_at(driver.started)}"
    if driver.ended is not None:
        how = "was lost" if driver.how == "lost" else "ended"
        return f"{name}, {how} {ago(driver.ended)} ago"
    asked = ", asked to end" if driver.stop else ""
    return f"{name}, gave a sign of life {ago(driver.beat)} ago{asked}"


def state_counts(session: Session, study: Study) -> str:
    """How many trials are in each state that there is."""
    there = [f"{n:,} {state}" for state, n in store.counts(session, study).items() if n]
    return ", ".join(there) or "none yet"


def written(spec: dict[str, Any]) -> str:
    """A specification as YAML; files of the user's by their paths."""
    files = {
        name: [one["path"] for one in spec[name]]
        for name in ("plugins", "backbone_files")
        if spec.get(name)
    }
    text: str = yaml.safe_dump(spec | files, sort_keys=False, allow_unicode=True)
    return text


def _cost(name: str, value: float) -> str:
    figure = f"{value:,.0f}" if value == int(value) else f"{value:,.4g}"
    return f"{figure} {UNITS.get(name, name)}"


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
