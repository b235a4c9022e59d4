"""What a study came to: the front, the baselines beside it; as table, CSV, JSON, picture."""

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from rich.table import Table
from sqlalchemy.orm import Session

from ..spaces.placement import Placement, draw
from . import store
from .records import Study, Trial
from .spreadsheets import for_a_spreadsheet

__all__ = ["Row", "as_csv", "as_json", "as_table", "front_and_baselines", "picture"]


@dataclass(frozen=True, slots=True)
class Row:
    """A fully trained trial, beside the bare backbone."""

    trial: int
    origin: str  # "bare", "everywhere:NAME", "sampler"
    on_front: bool
    accuracy: float  # validation share, 0 to 1
    gflops: float
    extra_mflops: float  # over the bare backbone
    extra_percent: float
    parameters: int
    memory: float | None  # bytes of activations at their peak, of one image
    latency: float | None  # milliseconds of one image, if they were measured
    drawing: str
    placement: str  # Placement.spelling

    @classmethod
    def of(cls, study: Study, trial: Trial) -> "Row":
        """The row of ``trial``."""
        extra = trial.gflops - study.bare_gflops
        return cls(
            trial=trial.number,
            origin=trial.origin,
            on_front=trial.on_front,
            accuracy=trial.accuracy or 0.0,
            gflops=trial.gflops,
            extra_mflops=1000 * extra,
            extra_percent=100 * extra / study.bare_gflops,
            parameters=trial.parameters,
            memory=trial.memory,
            latency=trial.latency,
            drawing=draw(Placement.parse(trial.placement), study.sites),
            placement=trial.placement,
        )


def front_and_baselines(session: Session, study: Study) -> tuple[list[Row], list[Row]]:
    """The front, cheapest first, and the baselines that are fully trained, most accurate first."""
    front = [Row.of(study, trial) for trial in store.front_trials(session, study)]
    done = store.trials(session, study, "complete")
    baselines = [Row.of(study, trial) for trial in done if trial.is_baseline]
    return front, sorted(baselines, key=lambda row: (-row.accuracy, row.gflops))


def as_table(rows: Sequence[Row], title: str) -> Table:
    """For a terminal; with latencies, where they were measured."""
    is_timed = any(row.latency is not None for row in rows)
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    headings = ["trial", "accuracy %", "GFLOPs", "extra MFLOPs", "extra %", "parameters"]
    for heading in [*headings, *(["ms"] if is_timed else [])]:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("placement", overflow="fold")
    for row in rows:
        table.add_row(
            f"{row.trial}{'*' if row.on_front else ' '}",
            f"{100 * row.accuracy:.2f}",
            f"{row.gflops:.4g}",
            f"{row.extra_mflops:+.4g}",
            f"{row.extra_percent:+.2f}",
            f"{row.parameters:,}",
            *([f"{row.latency or float('nan'):.3g}"] if is_timed else []),
            row.drawing if row.origin in ("sampler", "bare") else row.origin.replace(":", " ", 1),
        )
    return table


def as_csv(rows: Sequence[Row]) -> str:
    """For a spreadsheet, a heading first."""
    text = StringIO()
    writer = csv.DictWriter(text, Row.__dataclass_fields__, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        cells = asdict(row).items()
        writer.writerow({name: for_a_spreadsheet(cell) for name, cell in cells})
    return text.getvalue()


def as_json(rows: Sequence[Row]) -> str:
    """For a program: a list of objects, placements as objects, too."""
    parsed = [asdict(row) | {"placement": json.loads(row.placement)} for row in rows]
    return json.dumps(parsed, indent=2, ensure_ascii=False)


def picture(session: Session, study: Study, path: Path) -> Path:
    """Write the front as a PNG: every trial, the front's steps, the baselines by name."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), dpi=150, layout="constrained")
    axes: Any = figure.add_subplot()
    found = [t for t in store.trials(session, study) if t.accuracy is not None]

    def at(trials: Iterable[Trial]) -> tuple[list[float], list[float]]:
        chosen = list(trials)
        cost = [100 * (t.gflops - study.bare_gflops) / study.bare_gflops for t in chosen]
        return cost, [100 * (t.accuracy or 0.0) for t in chosen]

    stopped = [t for t in found if t.state == "stopped"]
    complete = [t for t in found if t.state == "complete"]
    plain = [t for t in complete if not t.is_baseline]
    axes.scatter(*at(stopped), s=22, facecolors="none", edgecolors="#9aa8b6", label="stopped early")
    axes.scatter(*at(plain), s=26, color="#56b4e9", label="candidates")
    axes.scatter(
        *at(t for t in complete if t.is_baseline),
        s=34,
        color="#e69f00",
        marker="s",
        label="one module everywhere",
    )
    axes.scatter(
        *at(t for t in complete if t.origin == "bare"),
        s=80,
        color="#d55e00",
        marker="D",
        label="bare backbone",
    )
    cost, share = at(store.front_trials(session, study))
    if cost:
        right = max([*at(complete)[0], *cost])
        axes.step([*cost, right], [*share, share[-1]], where="post", color="#0072b2", label="front")
        axes.scatter(cost, share, s=60, facecolors="none", edgecolors="#0072b2", linewidths=1.6)
    for trial in complete:
        if trial.is_baseline:
            (x,), (y,) = at([trial])
            name = trial.origin.removeprefix("everywhere:")
            axes.annotate(name, (x, y), (5, -10), textcoords="offset points", fontsize=8)
    axes.set_xlabel(f"extra GFLOPs over the bare {study.spec['space']['backbone']}, %")
    axes.set_ylabel("validation accuracy, %")
    axes.set_title(f"{study.name}: {len(complete)} fully trained, {len(stopped)} stopped early")
    axes.grid(alpha=0.25)
    if found:
        axes.legend(loc="lower right", fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path
