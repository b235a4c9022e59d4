"""What a reader of the dashboard waits for, against optuna-dashboard, on the same trials.

One SQLite file holds the study in our tables and in Optuna's, as every search writes both. Each
dashboard serves it from a process of its own to Chromium with an empty profile. Our Front page is
drawn once ECharts has finished: it then writes ``data-points`` on ``#pareto``. Optuna's page of the
study is drawn once plotly has put the first ``.point`` into the ``.scatterlayer`` of its
``#graph-pareto-front``. Bytes are those of all answers until then, as they came over the wire.

Then ours alone: how long until a trial that is recorded is drawn in an open page, and what twenty
viewers take of a core while two trials a second are recorded.

    python benchmarks/dashboard.py [--quick] [--json]
"""

import re
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from os import environ
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any
from urllib.request import Request, urlopen

import torch
from chromium import NONE, browser, executable, until
from filling import Filler, Prepared
from frame import Report, main
from playwright.sync_api import Browser
from serving import Served, optuna_dashboard, ours
from sqlalchemy.orm import Session
from watching import live, viewers

from foveate.search import databases, store

VIEWPORT = {"width": 1500, "height": 1000}
PATIENCE = 300  # seconds for one page: Optuna's took 77 of 10,000 trials


@dataclass(frozen=True)
class Dashboard:
    """One of the two: how it is served, and when its page is drawn."""

    name: str
    serve: Callable[[str], Served]
    page: str  # with a place for the study's number
    drawn: str  # JavaScript
    first: str  # pattern: what the page is made of, and its first data


OURS = Dashboard(
    "ours",
    ours,
    "/s/{ours}",
    "() => Number(document.querySelector('#pareto')?.dataset.points ?? 0)",
    r"/s/\d+|/api/v1/",
)
OPTUNAS = Dashboard(
    "optuna-dashboard",
    optuna_dashboard,
    "/dashboard/studies/{optunas}",
    "() => document.querySelectorAll('#graph-pareto-front .scatterlayer .point').length",
    r"/dashboard/studies/\d+|/api/meta|/api/studies/\d+\?after=",  # importances come later
)


@dataclass(frozen=True)
class Visit:
    """One page, from its address to its front."""

    seconds: float
    bytes: int
    cpu: float  # seconds of the renderer
    points: int
    addresses: list[str]  # that it asked for


def visit(chromium: Browser, url: str, drawn: str) -> Visit:
    """Open ``url`` with an empty profile."""
    context = chromium.new_context(viewport=VIEWPORT)
    page = context.new_page()
    devtools, lengths = context.new_cdp_session(page), list[int]()
    devtools.on("Network.loadingFinished", lambda event: lengths.append(event["encodedDataLength"]))
    devtools.send("Network.enable")
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    before, began = renderers(chromium), monotonic()
    page.goto(url, wait_until="commit", timeout=1000 * PATIENCE)
    points = until(page, drawn, seconds=PATIENCE)
    seconds, after = monotonic() - began, renderers(chromium)
    context.close()
    cpu = sum(taken - before.get(process, 0.0) for process, taken in after.items())
    return Visit(seconds, round(sum(lengths)), cpu, points, addresses)


def renderers(chromium: Browser) -> dict[int, float]:
    """CPU seconds of each process that draws pages, by its id."""
    session = chromium.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    return {one["id"]: one["cpuTime"] for one in processes if one["type"] == "renderer"}


def fetched(addresses: list[str]) -> float:
    """Seconds for the answers of all ``addresses``, one after the other."""
    began = monotonic()
    for address in addresses:
        with urlopen(Request(address, headers={"Accept-Encoding": "gzip"}), timeout=PATIENCE) as it:
            it.read()
    return monotonic() - began


def looked_at(
    dashboard: Dashboard, chromium: Browser, storage: str, numbers: dict[str, int], times: int
) -> dict[str, float]:
    """Medians of so many visits; the server's own time, cold and warm; its memory afterwards."""
    with dashboard.serve(storage) as server:
        url = server.url + dashboard.page.format(**numbers)
        visits = [visit(chromium, url, dashboard.drawn) for _ in range(times)]
        megabytes = server.megabytes()
        first = [one for one in visits[0].addresses if re.search(dashboard.first, one)]
        server.kill()
        server.start()
        cold = fetched(first)
        warm = median(fetched(first) for _ in range(times))
    return {
        "drawn, s": median(one.seconds for one in visits),
        "kB": median(one.bytes for one in visits) / 1e3,
        "renderer CPU, s": median(one.cpu for one in visits),
        "points": visits[0].points,
        "server cold, ms": 1000 * cold,
        "server warm, ms": 1000 * warm,
        "server MB": megabytes,
    }


def numbers_of(storage: str) -> dict[str, int]:
    """The study's number in our addresses and in Optuna's."""
    engine = databases.open_database(storage, read_only=True, of="dashboard")
    with Session(engine) as session:
        (study,) = store.studies(session)
        found = {"ours": study.id, "optunas": study.optuna_id}
    engine.dispose()
    return found


def measure(arguments: Namespace, report: Report) -> None:
    path = executable()
    if path is None:
        raise SystemExit(NONE)
    torch.set_num_threads(1)
    small, large, huge = (300, 1_000, 3_000) if arguments.quick else (1_000, 10_000, 50_000)
    times = 3 if arguments.quick else 5
    rows: dict[str, dict[str, Any]] = {}

    def row(trials: int, dashboard: Dashboard, times: int) -> dict[str, float]:
        found = looked_at(dashboard, chromium, storage, numbers, times)
        rows[f"{trials:,} trials, {dashboard.name}"] = {
            name: float(f"{value:.3g}") if value < 1000 else round(value)
            for name, value in found.items()
        }
        return found

    with TemporaryDirectory(prefix="foveate-dashboard-") as folder, browser(path) as chromium:
        environ["FOVEATE_CACHE"] = f"{folder}/cache"
        storage = f"sqlite:///{folder}/foveate.db"
        prepared = Prepared(folder)
        filler = Filler(prepared, storage)
        numbers = numbers_of(storage)
        for trials in (small, large):
            filler.fill(trials, plain=False)
            mine = row(trials, OURS, times)
            theirs = row(trials, OPTUNAS, 2 if arguments.quick else 3)
        compare(report, mine, theirs, quick=arguments.quick)
        seconds = 10 if arguments.quick else 60
        for name, value in live(prepared, storage, chromium, seconds=seconds).items():
            report.target(f"s from recorded to drawn, {name}", value, "<= 3")
        share, asked = viewers(prepared, storage, chromium, seconds=seconds)
        report.target("share of a core for 20 viewers", share, "<= 0.05")
        report.figures["requests a second of 20 viewers"] = round(asked, 1)
        filler.fill(huge, plain=False)
        growth = row(huge, OURS, times)["drawn, s"] / mine["drawn, s"]
        report.target(f"time to draw {huge:,} trials over {large:,}", growth, "<= 1.5")
        report.figures["Chromium"] = chromium.version
    report.figures["optuna-dashboard"] = version("optuna-dashboard")
    report.figures["pages"] = rows


def compare(
    report: Report, mine: dict[str, float], theirs: dict[str, float], *, quick: bool
) -> None:
    """The targets hold at 10,000 trials; of the few of a quick run less can be asked."""
    faster, fewer, memory = (">= 3", ">= 10", "<= 0.6") if quick else (">= 30", ">= 100", "<= 0.1")
    report.target("times sooner drawn", theirs["drawn, s"] / mine["drawn, s"], faster)
    report.target("times fewer bytes", theirs["kB"] / mine["kB"], fewer)
    report.target("share of its memory", mine["server MB"] / theirs["server MB"], memory)


if __name__ == "__main__":
    main("dashboard", measure)
