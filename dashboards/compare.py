"""``/s/{id}/compare?t=1,2``: how do these few differ, and which is better in what?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..errors import BadValue
from ..search import store
from ..search.records import Artifact, Trial
from ..spaces.parts import differing
from ..spaces.picture import picture
from ..spaces.placement import Module, Placement, diff
from .drawings import drawings_of
from .numbers import bytes_, delta, gflops, parameters, percent, signed, significant
from .pages import Frame
from .repeats import repeats
from .site import Asked, Site, asking, whole
from .trial import SHARES, as_json, bare_of, curve_of, is_number, standing
from .trials import joined

__all__ = ["Beside", "Cell", "ComparePage", "Figure", "routes"]

MOST = 4  # trials that fit side by side
FEWEST = 2


def routes(site: Site) -> list[Route]:
    """The page, and the same as JSON."""

    def page(request: Request) -> Response:
        with site.asked(request) as asked:
            numbers = asking(lambda: numbers_in(joined(request)))
            frame = site.frame(asked, "compare")

            def text() -> str:
                found = asking(lambda: ComparePage.load(asked, frame, numbers), status=404)
                return site.text(found)

            return site.kept(request, asked, text, kind="html", also=f"{frame.others}")

    def api(request: Request) -> Response:
        with site.asked(request) as asked:
            numbers = asking(lambda: numbers_in(joined(request)))

            def data() -> dict[str, Any]:
                return asking(lambda: compared(asked, numbers), status=404)

            return site.kept(request, asked, data)

    return [Route("/s/{id}/compare", page), Route("/api/v1/studies/{id}/compare", api)]


def numbers_in(query: Mapping[str, str]) -> list[int]:
    """The trials that an address asks for, each once, in its order."""
    said = [whole(one, "t", 400) for one in query.get("t", "").split(",") if one]
    numbers = list(dict.fromkeys(said))
    if len(numbers) > MOST:
        raise BadValue(f"at most {MOST} trials fit side by side, got {len(numbers)}")
    return numbers


def compared(asked: Asked, numbers: Sequence[int]) -> dict[str, Any]:
    """The trials as the page of each has them, and the places at which they differ."""
    trials = [store.find_trial(asked.session, asked.study, number) for number in numbers]
    places = [
        {"place": place, "site": site, "values": [said or "none" for said in row]}
        for place, site, row in differences(asked, trials)
    ]
    return {"trials": [as_json(asked, number) for number in numbers], "diff": places}


# ------------------------------------------------------------------------------------ its parts


@dataclass(frozen=True, kw_only=True, slots=True)
class Beside:
    """One of the trials."""

    trial: Trial = field(metadata={"help": "the trial itself"})
    standing: str = field(metadata={"help": "where it stands, in a few words"})
    picture: Markup = field(metadata={"help": "its architecture, differing blocks marked"})
    line: str = field(metadata={"help": "its architecture in one line"})
    changes: list[str] = field(metadata={"help": "what makes it of the first, a change a line"})
    address: str = field(metadata={"help": "of this page without it"})
    looks: Artifact | None = field(metadata={"help": "where it looks, if that was drawn"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """A figure of one trial."""

    text: str = field(metadata={"help": "the figure"})
    first: str | None = field(metadata={"help": "minus that of the first trial"})
    verdict: str | None = field(metadata={"help": "better, worse or the same, than the first"})
    bare: str | None = field(metadata={"help": "minus that of the bare backbone"})
    spread: str | None = field(metadata={"help": "sd over seeds, where there are several"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A row of the table of differences."""

    name: str = field(metadata={"help": "what it is"})
    goal: str = field(metadata={"help": "higher or lower is better, or nothing"})
    cells: list[Cell] = field(metadata={"help": "of each trial"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """An image, as one trial sees it."""

    address: str = field(metadata={"help": "of the image; behind it a slash and a site's place"})
    predicted: list[dict[str, Any]] = field(metadata={"help": "label and share of each guess"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """A validation image, as each of the trials sees it."""

    index: int = field(metadata={"help": "of the image in the validation split"})
    labels: list[str] = field(metadata={"help": "the truth"})
    first: Look = field(metadata={"help": "where the image itself is"})
    looks: list[Look | None] = field(metadata={"help": "of each trial; None: it was not drawn"})


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparePage:
    """``/s/{id}/compare``: how do these few differ, and which is better in what?"""

    TEMPLATE: ClassVar[str] = "compare.html"

    frame: Frame = field(metadata={"help": "what surrounds it"})
    beside: list[Beside] = field(metadata={"help": "the trials, in the order of the address"})
    figures: list[Figure] = field(metadata={"help": "what there is to compare in numbers"})
    places: list[tuple[str, str, list[str | None]]] = field(
        metadata={"help": "where they differ: place, path, and what stands there in each"}
    )
    unfinished: bool = field(metadata={"help": "whether one of them is not fully trained"})
    curves: dict[str, Any] = field(metadata={"help": "what the chart draws"})
    images: list[Seen] = field(metadata={"help": "validation images that some of them show"})
    enough: bool = field(metadata={"help": "whether there are two to compare"})
    room: bool = field(metadata={"help": "whether another one fits"})

    @classmethod
    def load(cls, asked: Asked, frame: Frame, numbers: Sequence[int]) -> Self:
        """The page of these trials; ``UnknownName`` if there is none of a number."""
        trials = [store.find_trial(asked.session, asked.study, number) for number in numbers]
        bare = bare_of(asked)
        lines = [
            {"name": f"#{one.number}", "kind": place, "data": curve_of(one)}
            for place, one in enumerate(trials)
        ]
        if bare is not None and bare not in trials:
            lines.append({"name": "bare", "kind": "seed", "data": curve_of(bare)})
        looks = [one.looks for one in trials]
        return cls(
            frame=frame,
            beside=beside(asked, trials),
            figures=figures_of(asked, trials, bare) if trials else [],
            places=differences(asked, trials),
            unfinished=any(one.state != "complete" for one in trials),
            curves={"lines": lines, "rungs": []},
            images=images_of(looks),
            enough=len(trials) >= FEWEST,
            room=len(trials) < MOST,
        )


def beside(asked: Asked, trials: Sequence[Trial]) -> list[Beside]:
    """The trials with their pictures, in which the blocks that differ are marked."""
    placements = [Placement.parse(one.placement) for one in trials]
    sites, numbers = asked.study.sites, [one.number for one in trials]
    marked = differing(placements, sites) if len(placements) >= FEWEST else set()
    drawings = drawings_of(asked)
    drawings.known(asked, numbers)
    found = []
    for trial, placement in zip(trials, placements, strict=True):
        others = ",".join(str(number) for number in numbers if number != trial.number)
        drawn = picture(placement, sites, known=drawings.glyphs, marked=marked)
        found.append(
            Beside(
                trial=trial,
                standing=standing(trial),
                picture=Markup(drawn),
                line=drawings.line(trial.number),
                changes=diff(placements[0], placement).splitlines(),
                address=f"?t={others}" if others else "?",
                looks=trial.looks,
            )
        )
    return found


def differences(asked: Asked, trials: Sequence[Trial]) -> list[tuple[str, str, list[str | None]]]:
    """The sites at which not all have the same: short name, path, and what stands there in each.

    They are in the order of the forward pass.
    """
    placements = [Placement.parse(one.placement) for one in trials]
    found = []
    if len({(one.backbone, one.image_size) for one in placements}) > 1:
        bases: list[str | None] = [base_of(one) for one in placements]
        found.append(("backbone", "backbone", bases))
    for place in asked.stands.places:
        rows = [one.at(place.path) for one in placements]
        if len(set(rows)) > 1:
            found.append((place.label, place.path, [written(modules) for modules in rows]))
    return found


def base_of(placement: Placement) -> str:
    """The backbone, and the size of images if it has one of its own."""
    at = f" at {placement.image_size} pixels" if placement.image_size else ""
    return f"{placement.backbone}{at}"


def written(modules: Sequence[Module]) -> str | None:
    """What stands at a site; ``None`` for nothing."""
    return " + ".join(map(str, modules)) or None


def images_of(looks: Sequence[Artifact | None]) -> list[Seen]:
    """Each image that a trial shows, with where each of the trials has it."""
    found: dict[int, list[Look | None]] = {}
    labels: dict[int, list[str]] = {}
    for at, one in enumerate(looks):
        if one is None or one.about.get("version") != 1:
            continue
        for place, image in enumerate(one.about["images"]):
            address = f"/artifacts/{one.id}/images/{place}"
            here = found.setdefault(image["index"], [None] * len(looks))
            here[at] = Look(address=address, predicted=image["predicted"])
            labels[image["index"]] = image["labels"]
    return [
        Seen(index=index, labels=labels[index], first=next(filter(None, here)), looks=here)
        for index, here in sorted(found.items())
    ]


# ------------------------------------------------------------------------------------ figures

Writer = Callable[[float], str]
COSTS: dict[str, tuple[str, Writer]] = {
    "gflops": ("GFLOPs", gflops),
    "parameters": ("parameters", lambda value: parameters(int(value))),
    "memory": ("memory", bytes_),
    "latency": ("latency", lambda value: f"{significant(value, 3)} ms"),
}


def figures_of(asked: Asked, trials: Sequence[Trial], bare: Trial | None) -> list[Figure]:
    """All figures that at least one of the trials has."""

    def accuracy(trial: Trial) -> float | None:
        return trial.accuracy

    def spread(trial: Trial) -> str | None:
        known, at = repeats(asked.snapshot), asked.snapshot.row(trial.number)
        if at is None or known.seeds[at] < 2:
            return None
        return f"± {100 * known.sd[at]:.2f} over {known.seeds[at]} seeds"

    found = [row("accuracy", "higher", trials, bare, accuracy, percent, points, is_fair, spread)]
    names = {name: None for one in trials for name in one.metrics or {} if name in SHARES}
    for name in names:
        found.append(row(name, "higher", trials, bare, metric(name), percent, points, is_fair))
    for name, (label, write) in COSTS.items():
        found.append(row(label, "lower", trials, bare, cost(name), write, ratio, always))
    found.append(row("trained", "", trials, bare, lambda one: one.seconds, seconds, None, always))
    return [one for one in found if any(cell.text != "–" for cell in one.cells)]


def metric(name: str) -> Callable[[Trial], float | None]:
    """The metric ``name`` of a trial, if it has it."""

    def of(trial: Trial) -> float | None:
        value = (trial.metrics or {}).get(name)
        return value if is_number(value) else None

    return of


def cost(name: str) -> Callable[[Trial], float | None]:
    """The cost ``name`` of a trial, if it is known."""
    return lambda trial: trial.costs.get(name)


def is_fair(one: Trial, other: Trial) -> bool:
    """Whether accuracies compare: both were trained to the end."""
    return one.state == other.state == "complete"


def always(one: Trial, other: Trial) -> bool:
    """Costs compare whatever the state."""
    return True


def points(mine: float, other: float) -> str:
    """A difference of shares."""
    return delta(mine - other)


def ratio(mine: float, other: float) -> str:
    """A difference in percent of the other."""
    return signed(100 * (mine - other) / other, "%") if other else "–"


def seconds(value: float) -> str:
    """A span of time, exactly."""
    return f"{value:,.0f} s"


def row(
    name: str,
    goal: str,
    trials: Sequence[Trial],
    bare: Trial | None,
    of: Callable[[Trial], float | None],
    write: Writer,
    less: Callable[[float, float], str] | None,
    fair: Callable[[Trial, Trial], bool],
    spread: Callable[[Trial], str | None] = lambda trial: None,
) -> Figure:
    """A figure of each trial, against the first one and against the bare backbone."""

    def against(trial: Trial, other: Trial | None) -> tuple[str, float] | None:
        if less is None or other is None or other is trial or not fair(trial, other):
            return None
        mine, theirs = of(trial), of(other)
        if mine is None or theirs is None:
            return None
        return less(mine, theirs), mine - theirs

    cells = []
    for trial in trials:
        value = of(trial)
        to_first, to_bare = against(trial, trials[0]), against(trial, bare)
        verdict = None
        if to_first is not None:
            sign = to_first[1] if goal == "higher" else -to_first[1]
            verdict = "better" if sign > 0 else "worse" if sign < 0 else "the same"
        cells.append(
            Cell(
                text="–" if value is None else write(value),
                first=to_first and to_first[0],
                verdict=verdict,
                bare=to_bare and to_bare[0],
                spread=spread(trial),
            )
        )
    return Figure(name=name, goal=goal, cells=cells)
