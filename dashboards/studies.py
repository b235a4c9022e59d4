"""``/``: which searches exist, which are alive?"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Self

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..search.objectives import UNITS
from ..search.records import Study
from ..search.stopping import Stopping, rungs
from ..search.store import Head, Overview, overview, study_heads
from .drawings import drawings_of
from .site import Asked, Site, lives

__all__ = ["StudiesPage", "StudyCard", "backbone_of", "dataset_of", "routes"]

WIDE, HIGH = 240, 44  # of a sparkline, in its own units


def routes(site: Site) -> list[Route]:
    """The list of studies, as a page and as JSON, and each of them as JSON."""

    def page(request: Request) -> Response:
        with site.session() as session:
            heads = study_heads(session)

            def make() -> str:
                cards = [StudyCard.of(one) for one in overview(session)]
                launching = site.launching is not None
                return site.text(StudiesPage(studies=cards, launching=launching))

            return site.answer(request, told_by(heads), make, kind="html")

    def api(request: Request) -> Response:
        with site.session() as session:
            heads = study_heads(session)

            def make() -> dict[str, Any]:
                return {"studies": [card_json(StudyCard.of(one)) for one in overview(session)]}

            return site.answer(request, told_by(heads), make)

    def api_one(request: Request) -> Response:
        with site.asked(request) as asked:
            return site.kept(request, asked, lambda: study_json(asked))

    return [
        Route("/", page),
        Route("/api/v1/studies", api),
        Route("/api/v1/studies/{id}", api_one),
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyCard:
    """How one study stands, in a line."""

    id: int = field(metadata={"help": "of the study, in addresses"})
    name: str = field(metadata={"help": "as the user called it"})
    backbone: str = field(metadata={"help": "name of the network that attention is put into"})
    dataset: str = field(metadata={"help": "name of the images"})
    sampler: str = field(metadata={"help": "what proposes its trials"})
    counts: dict[str, int] = field(metadata={"help": "trials by state"})
    total: int = field(metadata={"help": "trials of all states"})
    planned: int | None = field(metadata={"help": "trials that the search is to make"})
    best: float | None = field(metadata={"help": "best validation share of a fully trained trial"})
    bare: float | None = field(metadata={"help": "validation share of the bare backbone"})
    gain: float | None = field(metadata={"help": "best minus bare"})
    front: int = field(metadata={"help": "trials on the front"})
    hypervolume: float | None = field(metadata={"help": "share of the reference box, 0 to 1"})
    spark: Markup = field(metadata={"help": "the history of the hypervolume, as SVG"})
    bare_gflops: float = field(metadata={"help": "of the bare backbone"})
    alive: bool = field(metadata={"help": "whether a driver gave a sign of life lately"})
    created: datetime = field(metadata={"help": "when the study was made, UTC"})
    last: datetime = field(metadata={"help": "when something last changed, UTC"})
    cursor: int = field(metadata={"help": "Study.seq: number of the last change"})

    @classmethod
    def of(cls, one: Overview) -> Self:
        """The card of a study."""
        known = one.best is not None and one.bare is not None
        return cls(
            id=one.id,
            name=one.name,
            backbone=_in(one.spec, "space", "backbone"),
            dataset=_in(one.spec, "data", "name"),
            sampler=_in(one.spec, "sampler", "name"),
            counts=one.counts,
            total=sum(one.counts.values()),
            planned=one.spec.get("trials"),
            best=one.best,
            bare=one.bare,
            gain=(one.best or 0.0) - (one.bare or 0.0) if known else None,
            front=one.front,
            hypervolume=one.steps[-1][1] if one.steps else None,
            spark=sparkline(one.steps, one.finished),
            bare_gflops=one.bare_gflops,
            alive=any(lives(beat) for beat in one.beats),
            created=one.created,
            last=one.changed,
            cursor=one.seq,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class StudiesPage:
    """``/``: which searches exist, which are alive?"""

    TEMPLATE: ClassVar[str] = "studies.html"

    studies: list[StudyCard] = field(metadata={"help": "all studies, the latest first"})
    launching: bool = field(metadata={"help": "whether searches may be started from here"})


def told_by(heads: list[Head]) -> str:
    """What the list of studies depends on, as text."""
    lively = [head.beat is not None and lives(head.beat) for head in heads]
    return repr([(*head[:-1], alive) for head, alive in zip(heads, lively, strict=True)])


def card_json(card: StudyCard) -> dict[str, Any]:
    """A study in a line, as JSON; shares in percent."""
    percent = {name: getattr(card, name) for name in ("best", "hypervolume", "bare")}
    best, volume, bare = (
        None if share is None else round(100 * share, 4) for share in percent.values()
    )
    return {
        "id": card.id,
        "name": card.name,
        "dataset": card.dataset,
        "backbone": card.backbone,
        "sampler": card.sampler,
        "counts": card.counts,
        "best": best,
        "front": card.front,
        "hypervolume": volume,
        "baseline": {"acc": bare, "gflops": card.bare_gflops},
        "alive": card.alive,
        "started": f"{card.created.isoformat()}Z",
        "last": f"{card.last.isoformat()}Z",
        "cursor": card.cursor,
    }


def study_json(asked: Asked) -> dict[str, Any]:
    """A study in a line, and what it searches over."""
    found = overview(asked.session, asked.study.id)
    if not found:  # deleted a moment ago
        raise HTTPException(404, f"there is no study {asked.study.id} in this database")
    spec, stands = asked.study.spec, asked.stands
    rule, epochs = spec.get("stopping"), spec.get("recipe", {}).get("epochs")
    goals = [
        {"name": name, "goal": "min", "unit": UNITS[name]} for name in asked.study.objectives[1:]
    ]
    return card_json(StudyCard.of(found[0])) | {
        "places": [{"place": place.label, "path": place.path} for place in stands.places],
        "modules": [
            {"id": name, "code": glyph.code, "family": glyph.family}
            for name, glyph in drawings_of(asked).glyphs.items()
        ],
        "objectives": [{"name": "accuracy", "goal": "max", "unit": "%"}, *goals],
        "rungs": rungs(Stopping(**rule), epochs) if rule is not None and epochs is not None else [],
    }


def sparkline(steps: list[tuple[int, float]], finished: int) -> Markup:
    """The history of the hypervolume as a small picture; nothing before it begins."""
    if not steps:
        return Markup("")
    volumes = [volume for _, volume in steps]
    low, high = min(volumes), max(volumes)
    width, height = max(1, finished - steps[0][0]), high - low or 1.0

    def at(when: int, volume: float) -> tuple[float, float]:
        up = (volume - low) / height if high > low else 1.0
        return WIDE * (when - steps[0][0]) / width, 3 + (HIGH - 6) * (1 - up)

    x, y = at(*steps[0])
    path = [f"M{x:.1f} {y:.1f}"]
    for step in steps[1:]:
        x, y = at(*step)
        path.append(f"H{x:.1f}V{y:.1f}")
    line = "".join(path) + f"H{WIDE}"
    said = f"hypervolume {100 * volumes[0]:.2f} % to {100 * volumes[-1]:.2f} %"
    return Markup(
        f'<svg class="spark" viewBox="0 0 {WIDE} {HIGH}" preserveAspectRatio="none" role="img" '
        f'aria-label="{said}"><path class="under" d="{line}V{HIGH}H0z"/><path d="{line}"/></svg>'
    )


def backbone_of(study: Study) -> str:
    """Name of the backbone, as the specification has it."""
    return _in(study.spec, "space", "backbone")


def dataset_of(study: Study) -> str:
    """Name of the images, as the specification has it."""
    return _in(study.spec, "data", "name")


def _in(spec: dict[str, Any], section: str, key: str) -> str:
    value = spec.get(section)
    return str(value.get(key, "–")) if isinstance(value, dict) else "–"
