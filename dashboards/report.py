"""A study as one file that asks for nothing: the charts of its pages, for a mail or an appendix.

Scripts, styles and data are inside, and a Content-Security-Policy that lets nothing else run and
nothing be fetched: what a study, a worker or an error is called stays text.
"""

import base64
import hashlib
import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import Any, ClassVar, Self

import numpy as np
from jinja2 import Environment
from markupsafe import Markup

from ..errors import BadValue
from ..search import store
from ..search.about import written
from ..search.databases import open_database
from ..search.records import now
from ..spaces.placement import Placement
from . import numbers
from .assets import render, shipped
from .axes import Axis, axes_of
from .bundle import bundle
from .drawings import drawings_of
from .files import as_tex
from .filters import Filter
from .front import Panels, Row
from .heat import METRICS, heat
from .points import history, points
from .since import Since
from .site import Asked, Site
from .stops import accuracies_since, in_words, settings_of, stops, verdicts_since
from .view import View

__all__ = ["Report", "Script", "report", "write"]

MARK = "<!doctype html>\n<!-- A report by foveate"  # how the file begins
STYLES = ("app.css", "front.css", "heatmap.css", "panels.css", "report.css")
LINK = re.compile(r'<a href="/[^"]*"[^>]*>(.*?)</a>', re.DOTALL)


def write(storage: str, study: str, out: Path) -> int:
    """Write the report of ``study`` to ``out``; how many bytes it has.

    Raises
        UserError  if there is no such study, ``out`` is something else than a report, or it cannot
                   be written
    """
    if not out.parent.is_dir():
        raise BadValue(f"the folder of {str(out)!r} does not exist")
    if out.exists() and not _is_report(out):
        raise BadValue(f"{str(out)!r} is no report; choose another file with --out")
    site = Site(open_database(storage, read_only=True, of="dashboard"), None)
    with site.session() as session:
        asked = site.look(session, store.find_study(session, study).id)
        assert asked is not None  # nobody deletes a study in between
        text = report(site, asked)
    site.engine.dispose()
    made = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        made.write_text(text, encoding="utf-8")
        made.replace(out)  # never half a report
        return out.stat().st_size
    except OSError as error:
        raise BadValue(f"cannot write {str(out)!r}: {error.strerror}") from None
    finally:
        made.unlink(missing_ok=True)


def report(site: Site, asked: Asked) -> str:
    """The report of a study as HTML."""
    env: Environment = site.env.overlay()
    env.filters["unlinked"] = unlinked
    return render(env, Report.load(asked))


def unlinked(html: str) -> Markup:
    """``html`` without links to pages of the dashboard, their text kept."""
    return Markup(LINK.sub(r"\1", html))


def _is_report(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(MARK)) == MARK.encode()


@dataclass(frozen=True, slots=True)
class Script:
    """A script as it stands in the page, and its hash, by which the policy knows it."""

    text: Markup
    hash: str

    @classmethod
    def of(cls, source: str) -> Self:
        """``source``, as HTML takes it."""
        text = source.replace("</script", r"<\/script").replace("<!--", r"<\!--")
        digest = hashlib.sha256(text.encode()).digest()
        return cls(Markup(text), f"'sha256-{base64.b64encode(digest).decode()}'")


@dataclass(frozen=True, kw_only=True, slots=True)
class Front:
    """The front and the baselines on one cost axis."""

    axis: Axis = field(metadata={"help": "the cost that accuracy is drawn against"})
    panels: Panels = field(metadata={"help": "what the Front page says of it"})
    front_tex: str = field(metadata={"help": "the front's table, as LaTeX"})
    baselines_tex: str = field(metadata={"help": "the baselines' table, as LaTeX"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A trial on the front of the study's own objectives."""

    row: Row = field(metadata={"help": "its figures"})
    picture: Markup = field(metadata={"help": "its architecture, SVG"})
    modules: list[tuple[str, list[str]]] = field(metadata={"help": "each with where it stands"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """One file: how a study stands, and how it came about."""

    TEMPLATE: ClassVar[str] = "report.html"

    name: str = field(metadata={"help": "of the study"})
    note: str = field(metadata={"help": "the user's, on the study"})
    backbone: str = field(metadata={"help": "name of the network that attention is put into"})
    dataset: str = field(metadata={"help": "name of the images"})
    facts: list[tuple[str, str]] = field(metadata={"help": "of the images, the space, the time"})
    fronts: list[Front] = field(metadata={"help": "one for each cost axis, the first one shown"})
    members: list[Member] = field(metadata={"help": "the front, cheapest first"})
    heat_tex: str = field(metadata={"help": "the table of gains, as LaTeX"})
    rule: list[str] = field(metadata={"help": "how trials are stopped early, in sentences"})
    spec: str = field(metadata={"help": "the settings, as YAML, without where they ran"})
    command: str = field(metadata={"help": "that searches so again"})
    environment: list[tuple[str, str]] = field(metadata={"help": "machine, packages, versions"})
    data: dict[str, Any] = field(metadata={"help": "what the charts draw"})
    styles: Markup = field(metadata={"help": "all of the style sheets"})
    icon: str = field(metadata={"help": "the address of the icon: its text"})
    scripts: list[Script] = field(metadata={"help": "in the order in which they run"})
    mark: Markup = field(metadata={"help": "how the file begins"})
    made: datetime = field(metadata={"help": "when, UTC"})
    version: str = field(metadata={"help": "of foveate that made it"})

    @classmethod
    def load(cls, asked: Asked) -> Self:
        """The report of a study as it is now."""
        study, snapshot = asked.study, asked.snapshot
        views = [View.of(asked, {"cost": axis.id}) for axis in axes_of(snapshot)]
        views.sort(key=lambda view: view.axis is not View.first_axis(snapshot))
        fronts = [front_of(asked, view) for view in views]
        gains = heat(asked, Filter())
        return cls(
            name=study.name,
            note=study.note,
            backbone=str(study.spec["space"]["backbone"]),
            dataset=str(study.spec["data"]["name"]),
            facts=facts_of(asked),
            fronts=fronts,
            members=members_of(asked, fronts[0].panels.front),
            heat_tex=heat_tex(gains),
            rule=in_words(*settings_of(study)),
            spec=written(portable(study.spec)),
            command=f"foveate search spec.yaml --study {shlex.quote(study.name)}",
            environment=[
                (str(key), str(value))
                for source in (study.environment, study.versions)
                for key, value in source.items()
                if key != "host"  # nobody's business where the report goes
            ],
            data={
                "axes": [
                    {"id": view.axis.id, "name": view.axis.name, "scale": view.axis.scale}
                    | {"points": points(asked, view, {})}
                    for view in views
                ],
                "hypervolume": history(views[0]),
                "heat": {metric: heat(asked, Filter(), metric) for metric in METRICS},
                "curves": {"lines": curves_of(asked, fronts[0].panels.front)},
                "stops": stops(
                    asked,
                    Filter(),
                    Since(verdicts_since).of(asked),
                    Since(accuracies_since).of(asked),
                ),
            },
            styles=Markup("\n".join(_asset(name) for name in STYLES)),
            icon="data:image/svg+xml;base64,"
            + base64.b64encode(_asset("favicon.svg").encode()).decode(),
            scripts=[
                Script.of(_asset("theme.js")),
                Script.of(_asset("echarts.min.js")),
                Script.of(bundle("report.js", _modules())),
            ],
            mark=Markup(MARK),
            made=now(),
            version=version("foveate"),
        )


def front_of(asked: Asked, view: View) -> Front:
    """The front of a view, its tables as LaTeX, too."""
    panels = Panels.load(asked, view)
    line = drawings_of(asked).line
    cost = "GFLOPs" if view.axis.cost == "gflops" else view.axis.cost
    labels = ["trial", "accuracy, %", "gain", cost, "extra, %"]

    def tex(rows: Sequence[Row], named: str) -> str:
        def cells(row: Row) -> list[str]:
            return [
                str(row.number),
                "" if row.accuracy is None else f"{100 * row.accuracy:.2f}",
                "" if row.gain is None else numbers.delta(row.gain),
                numbers.cost(row.cost, view.axis.cost),
                "" if row.extra is None else f"{row.extra:+.3g}",
                line(row.number) if named == "architecture" else row.origin,
            ]

        table = [cells(row) for row in rows]
        return "".join(as_tex([*labels, named], [True] * 5 + [False], [table]))

    complete = [row for row in panels.baselines if row.state == "complete"]
    return Front(
        axis=view.axis,
        panels=panels,
        front_tex=tex(panels.front, "architecture"),
        baselines_tex=tex(complete, "modules"),
    )


def members_of(asked: Asked, rows: Sequence[Row]) -> list[Member]:
    """The architectures of ``rows``, with the settings of each module."""
    drawn = drawings_of(asked)
    found = []
    for row in rows:
        trial = store.find_trial(asked.session, asked.study, row.number)
        places: dict[str, list[str]] = {}
        for module in Placement.parse(trial.placement).modules:
            places.setdefault(str(module), []).append(module.site)
        modules = list(places.items())
        found.append(Member(row=row, picture=drawn.whole(row.number), modules=modules))
    return found


def curves_of(asked: Asked, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Accuracy in percent after each epoch: of the front's members, and of the bare backbone.

    The most accurate stands out; the others are its company.
    """
    snapshot = asked.snapshot
    bare = None if snapshot.bare is None else int(snapshot.number[snapshot.bare])
    wanted = [row.number for row in reversed(rows) if row.number != bare]
    found = []
    for number in [*wanted[:1], *([] if bare is None else [bare]), *wanted[1:]]:
        trial = store.find_trial(asked.session, asked.study, number)
        kind = "bare" if number == bare else "this" if number == wanted[0] else "seed"
        curve = [round(100 * epoch.accuracy, 4) for epoch in trial.curve]
        name = "bare" if number == bare else f"#{number}"
        found.append({"name": name, "kind": kind, "data": curve})
    return found


def facts_of(asked: Asked) -> list[tuple[str, str]]:
    """What was searched, on which images, and when."""
    study, images = asked.study, asked.study.images
    parts = [f"{images[one]:,} {one}" for one in ("train", "validation", "test") if one in images]
    parts.append(f"{images['size']} pixels a side")
    facts = [
        ("images", ", ".join([*parts, f"{len(study.classes)} classes"])),
        ("space", f"{int(study.space_size):,} placements"),
        ("begun", f"{study.created:%Y-%m-%d %H:%M} UTC"),
    ]
    ended = asked.snapshot.ended[np.isfinite(asked.snapshot.ended)]
    if len(ended):
        seconds = float(asked.snapshot.seconds.sum())
        last = datetime.fromtimestamp(float(ended.max()), UTC)
        facts.append(("last trial", f"{last:%Y-%m-%d %H:%M} UTC"))
        facts.append(("trained", f"{numbers.duration(seconds)} in sum, of all trials"))
    if study.fingerprint:
        facts.append(("fingerprint", f"sha256 {study.fingerprint}, of the images"))
    return facts


def portable(spec: dict[str, Any]) -> dict[str, Any]:
    """The settings without where they ran: the folder of the files, the cluster's address."""
    kept = {name: value for name, value in spec.items() if name != "folder"}
    for files in ("plugins", "backbone_files"):
        if kept.get(files):
            kept[files] = [one | {"path": PurePath(one["path"]).name} for one in kept[files]]
    if "data" in kept:
        kind, colon, path = str(kept["data"].get("name", "")).partition(":")
        kept["data"] = {name: value for name, value in kept["data"].items() if name != "root"}
        kept["data"]["name"] = f"{kind}{colon}{PurePath(path).name}"
    if "resources" in kept:
        kept["resources"] = kept["resources"] | {"address": None}
    return kept


def heat_tex(gains: dict[str, Any]) -> str:
    """Modules and places with the mean gain of each, and how many trials it is of."""

    def cell(value: float | None, count: int) -> str:
        return "" if value is None else f"{value:+.2f} ({count})"

    rows = [
        [module, *map(cell, values, counts)]
        for module, values, counts in zip(gains["modules"], gains["value"], gains["n"], strict=True)
    ]
    labels = ["module", *gains["places"]]
    return "".join(as_tex(labels, [False] + [True] * len(gains["places"]), [rows]))


def _asset(name: str) -> str:
    return shipped().files[name].body.decode()


def _modules() -> dict[str, str]:
    return {name: _asset(name) for name in shipped().files if name.endswith(".js")}
