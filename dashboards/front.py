"""``/s/{id}``: what is the best trade-off now?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self
from urllib.parse import urlencode

import numpy as np
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..search.records import STATES
from ..search.store import find_trial
from .axes import AXES, Axis, axes_of
from .drawer import Drawer
from .drawings import drawings_of
from .noise import Noise, noise_of, within_noise
from .numbers import word
from .pages import Frame
from .placements import Place
from .points import changes, history, points
from .site import Asked, Site, asking, whole
from .studies import backbone_of, dataset_of
from .tiles import Tiles
from .view import View

__all__ = ["FrontPage", "Panels", "PanelsPage", "Row", "routes"]


def routes(site: Site) -> list[Route]:
    """The page, its parts that change, and what its charts draw."""

    def page(request: Request) -> Response:
        with site.asked(request) as asked:
            found = asking(
                lambda: FrontPage.load(asked, site.frame(asked, "front"), request.query_params)
            )
            return site.html(found)

    def panels(request: Request) -> Response:
        with site.asked(request) as asked:
            view = asking(lambda: View.of(asked, request.query_params))

            def make() -> str:
                return site.text(PanelsPage(panels=Panels.load(asked, view)))

            return site.kept(request, asked, make, kind="html")

    def drawer(request: Request) -> Response:
        with site.asked(request) as asked:
            view = asking(lambda: View.of(asked, request.query_params))
            number = trial_in(request.path_params["number"], view)
            loaded = asking(lambda: find_trial(asked.session, asked.study, number), status=404)

            def make() -> str:
                return site.text(Drawer.load(asked, view, noise(asked, view), loaded.number))

            return site.kept(request, asked, make, kind="html")

    def api_points(request: Request) -> Response:
        query = request.query_params
        with site.asked(request) as asked:
            view = asking(lambda: View.of(asked, query))
            asking(lambda: view.window(query))
            return site.kept(request, asked, lambda: points(asked, view, query))

    def api_changes(request: Request) -> Response:
        since = whole(request.query_params.get("since", ""), "since", 400)
        with site.asked(request) as asked:
            view = asking(lambda: View.of(asked, request.query_params))
            if since == asked.snapshot.cursor:
                alive = {"Foveate-Alive": str(int(asked.alive))}
                return Response(status_code=204, headers=alive)
            return site.kept(request, asked, lambda: changes(asked, view, since))

    def api_hypervolume(request: Request) -> Response:
        with site.asked(request) as asked:
            view = asking(lambda: View.of(asked, request.query_params))
            return site.kept(request, asked, lambda: history(view))

    return [
        Route("/s/{id}", page),
        Route("/s/{id}/_panels", panels),
        Route("/s/{id}/_drawer/{number}", drawer),
        Route("/api/v1/studies/{id}/points", api_points),
        Route("/api/v1/studies/{id}/changes", api_changes),
        Route("/api/v1/studies/{id}/hypervolume", api_hypervolume),
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One trial, as the tables show it."""

    number: int = field(metadata={"help": "of the trial in its study, from 0"})
    origin: str = field(metadata={"help": "who proposed it: bare, everywhere:X, sampler"})
    state: str = field(metadata={"help": "one of records.STATES"})
    accuracy: float | None = field(metadata={"help": "validation share after the latest epoch"})
    gain: float | None = field(metadata={"help": "accuracy minus that of the bare backbone"})
    sd: float | None = field(metadata={"help": "of the accuracy over seeds, as a share"})
    seeds: int = field(metadata={"help": "with which the placement was fully trained"})
    noisy: bool = field(metadata={"help": "whether luck may explain what sets a neighbour apart"})
    cost: float = field(metadata={"help": "what the axis shows, in the unit of its column"})
    extra: float | None = field(metadata={"help": "that cost over the bare backbone's, percent"})
    strip: Markup = field(metadata={"help": "the architecture as a strip of glyphs, SVG"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Panels:
    """What of the page changes with the trials, the same for every reader."""

    id: int = field(metadata={"help": "of the study, in addresses"})
    axis: Axis = field(metadata={"help": "the cost that accuracy is drawn against"})
    alive: bool = field(metadata={"help": "whether a driver gave a sign of life lately"})
    tiles: Tiles = field(metadata={"help": "the six figures"})
    hint: str | None = field(metadata={"help": "what to say while there is no front to speak of"})
    front: list[Row] = field(metadata={"help": "the front, cheapest first"})
    front_of: list[str] = field(metadata={"help": "what the front is of: accuracy and costs"})
    noise: Noise = field(metadata={"help": "what luck does to an accuracy"})
    baselines: list[Row] = field(metadata={"help": "what to compare with, by number"})
    best: list[dict[str, Any]] = field(metadata={"help": "trials worth exporting, and why"})
    legend: list[tuple[str, Markup]] = field(metadata={"help": "modules and their glyphs"})

    @classmethod
    def load(cls, asked: Asked, view: View) -> Self:
        """The panels of a view."""
        snapshot, luck = view.snapshot, noise(asked, view)
        compared = np.flatnonzero(snapshot.compared).tolist()
        drawn = drawings_of(asked)
        drawn.known(asked, [int(snapshot.number[row]) for row in (*view.front, *compared)])
        noisy = within_noise(view.front, snapshot.accuracy, luck)
        tiles = Tiles.of_view(view)
        best = {
            "The most accurate": None if tiles.best is None else tiles.best.number,
            "The front's knee": None if view.knee is None else int(snapshot.number[view.knee]),
            "Best at ≤ +5 % GFLOPs": None if tiles.thrifty is None else tiles.thrifty.number,
        }
        return cls(
            id=asked.study.id,
            axis=view.axis,
            alive=asked.alive,
            tiles=tiles,
            hint=hint_of(asked, view, tiles),
            front=[row_of(asked, view, luck, row, row in noisy) for row in view.front],
            front_of=view.objectives,
            noise=luck,
            baselines=[row_of(asked, view, luck, row, False) for row in compared],
            best=[{"label": label, "number": n} for label, n in best.items() if n is not None],
            legend=drawn.legend(),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class PanelsPage:
    """``/s/{id}/_panels``: what of the page changes, alone."""

    TEMPLATE: ClassVar[str] = "_panels.html"

    panels: Panels = field(metadata={"help": "the panels"})


@dataclass(frozen=True, kw_only=True, slots=True)
class FrontPage:
    """``/s/{id}``: what is the best trade-off now?"""

    TEMPLATE: ClassVar[str] = "front.html"

    frame: Frame = field(metadata={"help": "what surrounds it"})
    panels: Panels = field(metadata={"help": "what of it changes with the trials"})
    drawer: Drawer | None = field(metadata={"help": "the trial asked for, or the front's knee"})
    chosen: int | None = field(metadata={"help": "number of the trial asked for"})
    shown: dict[str, str] = field(metadata={"help": "what the address says, made plain"})
    axes: tuple[Axis, ...] = field(metadata={"help": "all costs to choose from"})
    dataset: str = field(metadata={"help": "name of the images"})
    backbones: list[str] = field(metadata={"help": "networks of the trials, one or several"})
    modules: list[str] = field(metadata={"help": "modules of the study, for the filter"})
    places: tuple[Place, ...] = field(metadata={"help": "where any trial has a module"})
    states: tuple[str, ...] = field(metadata={"help": "of trials, for the filter"})
    filters: str = field(metadata={"help": "the filter as the end of an address"})

    @classmethod
    def load(cls, asked: Asked, frame: Frame, query: Mapping[str, str]) -> Self:
        """The page that an address asks for."""
        view = View.of(asked, query)
        view.window(query)
        chosen = query.get("t") or None
        number = None if chosen is None else whole(chosen, "t", 400)
        shown = number
        if shown is None and view.knee is not None:
            shown = int(view.snapshot.number[view.knee])
        stands, luck, axes = asked.stands, noise(asked, view), axes_of(view.snapshot)
        return cls(
            frame=frame,
            panels=Panels.load(asked, view),
            drawer=None if shown is None else Drawer.load(asked, view, luck, shown),
            chosen=number,
            shown={**view.filter.query, "cost": view.axis.id},
            axes=tuple(a for a in AXES if a is view.axis or a in axes),
            dataset=dataset_of(asked.study),
            backbones=list(stands.backbones) or [backbone_of(asked.study)],
            modules=list(drawings_of(asked).modules),
            places=stands.places,
            states=STATES,
            filters=urlencode(view.filter.query),
        )


def trial_in(text: str, view: View) -> int:
    """The number of the trial that an address names; ``knee`` is that of the front's."""
    if text == "knee" and view.knee is not None:
        return int(view.snapshot.number[view.knee])
    return whole(text, "a trial", 404)


def noise(asked: Asked, view: View) -> Noise:
    """What luck does to the accuracies of a view."""
    made: Noise = view.snapshot.kept(
        ("noise", view.axis.id, view.filter),
        lambda: noise_of(asked.session, view.snapshot, view.front),
    )
    return made


def row_of(asked: Asked, view: View, luck: Noise, row: int, noisy: bool) -> Row:
    """A row of the snapshot, as the tables show it."""
    snapshot = view.snapshot
    number, state = int(snapshot.number[row]), STATES[snapshot.state[row]]
    accuracy = float(snapshot.accuracy[row])
    bare = snapshot.bare_accuracy
    column = snapshot.columns[view.axis.cost]
    known = asked.study.bare | {"gflops": asked.study.bare_gflops}
    at_bare = known.get(view.axis.cost) if snapshot.bare is None else column[snapshot.bare]
    sd, seeds = luck.own.get(row, (None, 1))
    compared = row != snapshot.bare and state == "complete"
    extra = 100 * (column[row] / at_bare - 1) if at_bare and row != snapshot.bare else np.nan
    return Row(
        number=number,
        origin=snapshot.text("origin", row) or "",
        state=state,
        accuracy=accuracy if np.isfinite(accuracy) else None,
        gain=accuracy - bare if compared and bare is not None else None,
        sd=sd,
        seeds=seeds,
        noisy=noisy,
        cost=float(column[row]),
        extra=float(extra) if np.isfinite(extra) else None,  # some costs are not known of all
        strip=drawings_of(asked).strip(number),
    )


def hint_of(asked: Asked, view: View, tiles: Tiles) -> str | None:
    """What to say while there is no front, or hardly one."""
    states = view.snapshot.counts
    total = len(view.snapshot)
    if not total:
        return (
            "No trial yet. The search begins with the bare backbone; this page follows by itself."
        )
    if view.filter.query and not tiles.total:
        return "No trial is let through by these filters."
    if not states["complete"]:
        ended = states["stopped"] + states["failed"]
        if not ended or states["running"] or states["waiting"]:
            return "No trial is fully trained yet. The front begins with the first that is."
        if states["failed"] == total:
            last = int(view.snapshot.number[-1])
            why = find_trial(asked.session, asked.study, last).reason or "no reason was recorded"
            return f"All of {word(total, 'trial')} failed. The latest: {why.splitlines()[0]}"
        return "No trial was trained to its end, so there is no front."
    if not view.front:
        known = view.complete.any()
        return (
            f"No fully trained trial has a known {view.axis.label}."
            if known
            else "No fully trained trial is let through by these filters."
        )
    if tiles.complete == 1:
        return "One trial is fully trained. A trade-off takes two."
    return None
