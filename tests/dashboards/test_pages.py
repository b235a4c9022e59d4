"""What the pages say, against the database."""

import inspect
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from jinja2 import UndefinedError
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from foveate.dashboards import axes
from foveate.dashboards import front as pages
from foveate.dashboards.assets import render, shipped, templates
from foveate.dashboards.front import Drawer, FrontPage
from foveate.dashboards.site import Site
from foveate.dashboards.studies import StudiesPage
from foveate.errors import UnknownName
from foveate.search import store
from foveate.search.records import Study, now

from .conftest import BARE, add_study, add_trial


def front_page(session: Session, study: Study, **options: Any) -> FrontPage:
    """The page as a view loads it, of what is not committed yet, too."""
    session.flush()
    engine = session.get_bind()
    assert isinstance(engine, Engine)
    site = Site(engine, None)
    asked = site.look(session, study.id)
    assert asked is not None
    return FrontPage.load(asked, site.frame(asked, "front"), **options)


@pytest.fixture
def study(session: Session) -> Study:
    return store.find_study(session, "digits")


def page_classes() -> Iterator[type]:
    for module in (pages, axes):
        for _, found in inspect.getmembers(module, inspect.isclass):
            if is_dataclass(found) and found.__module__ == module.__name__:
                yield found


@pytest.mark.parametrize("page", list(page_classes()))
def test_every_field_says_what_it_is(page: type) -> None:
    assert page.__dataclass_params__.frozen  # type: ignore[attr-defined]
    for field in fields(page):
        assert len(field.metadata["help"]) > 5, field.name


def test_the_list_counts_what_the_database_holds(session: Session, study: Study) -> None:
    (card,) = StudiesPage.load(session).studies
    assert (card.name, card.backbone, card.dataset) == (
        "digits",
        "cifar-resnet20",
        "cluttered-digits",
    )
    expected = {"waiting": 1, "running": 1, "complete": 6, "stopped": 1, "failed": 1}
    expected["infeasible"] = 0
    assert card.counts == expected == store.counts(session, study)
    assert card.total == 10
    assert card.best == max(t.accuracy for t in store.trials(session, study, "complete"))
    assert card.front == 3
    assert card.cursor == study.seq
    assert abs((now() - card.last).total_seconds()) < 60


def test_a_study_is_alive_while_its_driver_gives_signs(session: Session, study: Study) -> None:
    assert StudiesPage.load(session).studies[0].alive
    (driver,) = store.drivers(session, study.id)
    driver.beat = now() - 2 * store.LEASE
    session.flush()
    assert not StudiesPage.load(session).studies[0].alive


def test_the_front_has_its_deltas_to_the_bare_backbone(session: Session, study: Study) -> None:
    page = front_page(session, study, cost="gflops")
    assert [row.number for row in page.front] == [0, 3, 4]
    last = page.front[-1]
    assert last.accuracy == 0.9123
    assert last.gain == pytest.approx(0.9123 - 0.8)
    assert last.gflops == pytest.approx(BARE * 1.25)
    assert last.extra_mflops == pytest.approx(10.0)
    assert last.extra_percent == pytest.approx(25.0)
    assert last.parameters == 310_000
    assert last.drawing == "· | · · | aw · | · se > steam"
    assert [row.weights for row in page.front] == [True, False, True]
    assert page.best == last
    assert page.thrifty is not None
    assert page.thrifty.number == 3  # 4 costs 25 % more
    assert [row.number for row in page.baselines] == [0, 1]
    assert [(row.number, row.epochs, row.accuracy) for row in page.running] == [(8, 1, 0.55)]


def test_on_the_axis_of_parameters_the_front_is_that_of_parameters(
    session: Session, study: Study
) -> None:
    page = front_page(session, study, cost="params")
    assert [row.number for row in page.front] == [5, 3, 4]


def test_an_unknown_axis_says_which_there_are(session: Session, study: Study) -> None:
    with pytest.raises(UnknownName, match=r"no cost axis 'gflop'; did you mean 'gflops'\?"):
        front_page(session, study, cost="gflop")


def test_the_page_opens_on_extra_cost_where_the_front_would_be_a_wall() -> None:
    def opened(*costs: float) -> str:
        trials: Any = [SimpleNamespace(gflops=cost) for cost in costs]
        return axes.fitting_axis(trials).id

    assert opened() == opened(1.0) == opened(1.0, 1.1, 1.3, 1.4) == "gflops"
    assert opened(1.0, 1.001, 1.002, 1.003, 1.004, 1.5) == "extra"


def test_the_drawer_shows_the_knee_until_a_trial_is_chosen(session: Session, study: Study) -> None:
    page = front_page(session, study, cost="gflops")
    assert page.drawer is not None
    assert (page.drawer.trial.number, page.drawer.title) == (3, "the front's knee")
    assert page.drawer.curve == {"this": [70.0, 85.0], "bare": [60.0, 80.0]}
    chosen = front_page(session, study, cost="gflops", chosen=6).drawer
    assert chosen == Drawer.load(session, study, 6)
    assert chosen is not None
    assert (chosen.title, chosen.trial.reason) == ("stopped", "behind at epoch 1: rank 3 of 4")


def test_flat_counts_the_trials_since_the_hypervolume_rose(session: Session, study: Study) -> None:
    steps = store.front_steps(session, study)
    assert [step.number for step in steps] == [0, 1, 3, 4]
    assert front_page(session, study).card.flat == 1  # 5 is dominated


@pytest.mark.parametrize(
    ("ends", "hint"),
    [
        ([], "No trial yet"),
        (["running"], "No trial is fully trained yet"),
        (["failed", "running"], "No trial is fully trained yet"),
        (["failed", "failed"], "All of 2\N{NO-BREAK SPACE}trials failed. The latest: no memory"),
        (["failed", "stopped"], "No trial was trained to its end"),
        (["complete", "failed"], "One trial is fully trained. A trade-off takes two."),
        (["complete", "complete"], None),
    ],
)
def test_a_page_without_a_front_says_why(
    session: Session, ends: list[str], hint: str | None
) -> None:
    study = add_study(session, "other")
    for number, state in enumerate(ends):
        curve = () if state == "failed" else (0.5,)
        reason = {"reason": "no memory\nat line 3"} if state == "failed" else {}
        add_trial(session, study, number, curve=curve, state=state, extra=number, **reason)
    page = front_page(session, study)
    assert (page.hint or "").startswith(hint or "")
    assert (page.hint is None) == (hint is None)
    assert render(templates(shipped()), page)


def test_a_page_of_failures_without_a_reason_is_still_a_page(session: Session) -> None:
    study = add_study(session, "other")
    add_trial(session, study, 0, state="failed", reason="")
    assert "no reason was recorded" in (front_page(session, study).hint or "")


def test_a_name_that_the_page_does_not_have_raises(session: Session, study: Study) -> None:
    env = templates(shipped())
    page = front_page(session, study)
    env.loader = None
    broken = env.from_string("{{ card.name }} {{ leaders }}")
    with pytest.raises(UndefinedError, match="'leaders' is undefined"):
        broken.render({field.name: getattr(page, field.name) for field in fields(page)})
