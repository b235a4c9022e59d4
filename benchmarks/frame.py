"""What every benchmark shares: its flags, its targets, its table, and where results are kept.

A benchmark is one command. ``--quick`` takes under two minutes, ``--json`` prints the targets as
a list, and a missed target makes the exit status 1. Full runs are kept under ``results/``.
"""

import json
import platform
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from os import cpu_count
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("foveate", "torch", "torchvision", "optuna", "ray", "numpy")


@dataclass(frozen=True)
class Target:
    """A measured value and what it has to be."""

    name: str
    value: float
    target: str  # such as "<= 300"

    @property
    def ok(self) -> bool:
        sign, bound = self.target.split()
        wanted = float(bound)
        return {"<=": self.value <= wanted, ">=": self.value >= wanted}[sign]


@dataclass
class Report:
    """What a benchmark found: targets, and figures that have none."""

    targets: list[Target] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def target(self, name: str, value: float, target: str) -> None:
        self.targets.append(Target(name, round(value, 4), target))


def main(
    name: str, measure: Callable[[Namespace, Report], None], options: ArgumentParser | None = None
) -> None:
    """Parse, measure, print, keep."""
    parser = options or ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="under two minutes, nothing kept")
    parser.add_argument("--json", action="store_true", help="print the targets as JSON only")
    arguments = parser.parse_args()
    report = Report()
    measure(arguments, report)
    if not arguments.quick:  # before anything else can go wrong
        print(f"kept in {_keep(name, report)}", file=sys.stderr)
    if arguments.json:
        print(json.dumps([asdict(t) | {"ok": t.ok} for t in report.targets], indent=2))
    else:
        _show(report)
    sys.exit(0 if all(target.ok for target in report.targets) else 1)


def machine() -> dict[str, Any]:
    """Where a result comes from."""
    import torch

    from foveate.spaces.timing import device_name

    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": device_name(torch.device("cpu")),
        "cores": cpu_count(),
        "gpu": cuda,
        "python": platform.python_version(),
    } | {package: version(package) for package in PACKAGES}


def _show(report: Report) -> None:
    console = Console()
    table = Table(box=None, pad_edge=False)
    for heading in ("target", "value", "wanted", ""):
        table.add_column(heading)
    for target in report.targets:
        verdict = "[green]ok" if target.ok else "[red]missed"
        table.add_row(target.name, f"{target.value:g}", target.target, verdict)
    console.print(table)
    for name, value in report.figures.items():
        if isinstance(value, dict) and all(isinstance(row, dict) for row in value.values()):
            console.print(_rows(name, value))
        else:
            console.print(f"{name}: {value}", highlight=False, markup=False)


def _rows(title: str, rows: dict[str, dict[str, Any]]) -> Table:
    """A figure that is a table: a row of named values for each of its keys."""
    table = Table(box=None, pad_edge=False, title=title, title_justify="left", title_style="")
    headings = list(dict.fromkeys(key for row in rows.values() for key in row))
    for heading in ("", *headings):
        table.add_column(str(heading))
    for name, row in rows.items():
        table.add_row(name, *(str(row.get(heading, "-")) for heading in headings))
    return table


def _keep(name: str, report: Report) -> Path:
    now = datetime.now(UTC)
    content = {
        "benchmark": name,
        "date": now.strftime("%Y-%m-%d %H:%M UTC"),
        "machine": machine(),
        "targets": [asdict(target) | {"ok": target.ok} for target in report.targets],
        "figures": report.figures,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}-{now:%Y-%m-%d}.json"
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path
