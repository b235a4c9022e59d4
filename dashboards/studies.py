"""``/``: which searches exist, which are alive?"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Self

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..search.records import FrontStep, Study, now
from ..search.store import changed_since, counts, drivers, front_steps, front_trials, studies
from .site import Site, lives

__all__ = ["StudiesPage", "StudyCard", "routes"]

RECENT = 20  # changes to look through for the time of the last one


def routes(site: Site) -> list[Route]:
    """The list of studies, as a page and as JSON."""

    def page(request: Request) -> Response:
        with site.session() as session:
            return site.html(StudiesPage.load(session))

    def api(request: Request) -> Response:
        with site.session() as session:
            cards = [StudyCard.load(session, study) for study in studies(session)]
        return JSONResponse({"studies": [card_json(card) for card in cards]})

    return [Route("/", page), Route("/api/v1/studies", api)]


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyCard:
    """How one study stands, in a line."""

    id: int = field(metadata={"help": "of the study, in addresses"})
    name: str = field(metadata={"help": "as the user called it"})
    backbone: str = field(metadata={"help": "name of the network that attention is put into"})
    dataset: str = field(metadata={"help": "name of the images"})
    counts: dict[str, int] = field(metadata={"help": "trials by state"})
    total: int = field(metadata={"help": "trials of all states"})
    planned: int | None = field(metadata={"help": "trials that the search is to make"})
    best: float | None = field(metadata={"help": "best validation share of a fully trained trial"})
    front: int = field(metadata={"help": "trials on the front"})
    hypervolume: float | None = field(metadata={"help": "share of the reference box, 0 to 1"})
    flat: int = field(metadata={"help": "fully trained trials since the hypervolume rose"})
    bare_gflops: float = field(metadata={"help": "of the bare backbone"})
    alive: bool = field(metadata={"help": "whether a driver gave a sign of life lately"})
    created: datetime = field(metadata={"help": "when the study was made, UTC"})
    last: datetime = field(metadata={"help": "when something last changed, UTC"})
    cursor: int = field(metadata={"help": "Study.seq: number of the last change"})

    @classmethod
    def load(cls, session: Session, study: Study) -> Self:
        """The card of ``study``."""
        states = counts(session, study)
        on_front = front_trials(session, study)
        steps = front_steps(session, study)
        return cls(
            id=study.id,
            name=study.name,
            backbone=backbone_of(study),
            dataset=dataset_of(study),
            counts=states,
            total=sum(states.values()),
            planned=study.spec.get("trials"),
            # the most accurate trial is never dominated, so the front has it
            best=max((t.accuracy or 0.0 for t in on_front), default=None),
            front=len(on_front),
            hypervolume=steps[-1].hypervolume if steps else None,
            flat=flat_for(steps, study.finished),
            bare_gflops=study.bare_gflops,
            alive=any(lives(one.beat) for one in drivers(session, study.id)),
            created=study.created,
            last=last_change(session, study),
            cursor=study.seq,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class StudiesPage:
    """``/``: which searches exist, which are alive?"""

    TEMPLATE: ClassVar[str] = "studies.html"

    studies: list[StudyCard] = field(metadata={"help": "all studies, the latest first"})
    now: datetime = field(metadata={"help": "the present, UTC"})

    @classmethod
    def load(cls, session: Session) -> Self:
        """All studies of the database."""
        cards = [StudyCard.load(session, study) for study in studies(session)]
        return cls(studies=cards, now=now())


def card_json(card: StudyCard) -> dict[str, Any]:
    """A study in a line, as JSON."""
    return {
        "id": card.id,
        "name": card.name,
        "dataset": card.dataset,
        "backbone": card.backbone,
        "counts": card.counts,
        "best": card.best,
        "front": card.front,
        "hypervolume": card.hypervolume,
        "baseline": {"gflops": card.bare_gflops},
        "alive": card.alive,
        "started": f"{card.created.isoformat()}Z",
        "last": f"{card.last.isoformat()}Z",
        "cursor": card.cursor,
    }


def backbone_of(study: Study) -> str:
    """Name of the backbone, as the specification has it."""
    return _in(study.spec, "space", "backbone")


def dataset_of(study: Study) -> str:
    """Name of the images, as the specification has it."""
    return _in(study.spec, "data", "name")


def _in(spec: dict[str, Any], section: str, key: str) -> str:
    value = spec.get(section)
    return str(value.get(key, "–")) if isinstance(value, dict) else "–"


def last_change(session: Session, study: Study) -> datetime:
    """When a trial of ``study`` last changed; of a study without one, when it was made."""
    times = [study.created]
    for trial in changed_since(session, study, max(0, study.seq - RECENT)):
        times += [time for time in (trial.created, trial.started, trial.ended) if time is not None]
        times += [epoch.at for epoch in trial.curve[-1:]]
    return max(times)


def flat_for(steps: Sequence[FrontStep], finished: int) -> int:
    """How many of ``finished`` trials were fully trained since the hypervolume last rose."""
    rose = [step.finished for step in steps if step.hypervolume >= steps[-1].hypervolume]
    return finished - rose[0] if rose else 0
