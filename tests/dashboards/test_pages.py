"""What the pages say, against the database."""

import inspect
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from jinja2 import UndefinedError
from sqlalchemy import Engine
from sqlalchemy.event import listen
from sqlalchemy.orm import Session

from foveate.dashboards import axes, drawer, studies, tiles
from foveate.dashboards import front as pages
from foveate.dashboards.assets import render, shipped, templates
from foveate.dashboards.drawer import Drawer
from foveate.dashboards.front import FrontPage
from foveate.dashboards.noise import Noise, noise_of, within_noise
from foveate.dashboards.site import Asked, Site
from foveate.dashboards.studies import StudyCard, sparkline
from foveate.dashboards.view import View
from foveate.errors import UnknownName
from foveate.search import store
from foveate.search.health import wiggle
from foveate.search.records import Study, now

from .conftest import BARE, add_study, add_trial


def asked_of(session: Session, study: Study) -> tuple[Site, Asked]:
    """What a view is asked, of what is not committed yet, too."""
    session.flush()
    engine = session.get_bind()
    assert isinstance(engine, Engine)
    site = Site(engine, None)
    asked = site.look(session, study.id)
    assert asked is not None
    return site, asked


def front_page(session: Session, study: Study, **query: str) -> FrontPage:
    """The page as a view loads it."""
    site, asked = asked_of(session, study)
    return FrontPage.load(asked, site.frame(asked, "front"), query)


def drawer_of(session: Session, study: Study, number: int, **query: str) -> Drawer:
    _, asked = asked_of(session, study)
    view = View.of(asked, query)
    return Drawer.load(asked, view, pages.noise(asked, view), number)


@pytest.fixture
def study(session: Session) -> Study:
    return store.find_study(session, "digits")


def page_classes() -> Iterator[type]:
    for module in (pages, axes, drawer, studies, tiles):
        for _, found in inspect.getmembers(module, inspect.isclass):
            if is_dataclass(found) and found.__module__ == module.__name__:
                yield found


@pytest.mark.parametrize("page", list(page_classes()))
def test_every_field_says_what_it_is(page: type) -> None:
    assert page.__dataclass_params__.frozen  # type: ignore[attr-defined]
    for field in fields(page):
        assert len(field.metadata["help"]) > 5, field.name


def test_the_list_counts_what_the_database_holds(session: Session, study: Study) -> None:
    (card,) = map(StudyCard.of, store.overview(session))
    assert (card.name, card.backbone, card.dataset) == (
        "digits",
        "cifar-resnet20",
        "cluttered-digits",
    )
    expected = {"waiting": 1, "running": 1, "complete": 6, "stopped": 1, "failed": 1}
    expected["infeasible"] = 0
    assert card.counts == expected == store.counts(session, study)
    assert card.total == 10
    complete = store.trials(session, study, "complete")
    assert card.best == max(t.accuracy for t in complete if t.accuracy is not None)
    assert card.gain == pytest.approx(0.9123 - 0.8)
    assert card.front == 3
    assert card.cursor == study.seq
    assert abs((now() - card.last).total_seconds()) < 60


def test_the_list_takes_as_many_queries_for_many_studies_as_for_one(session: Session) -> None:
    def queries() -> int:
        session.flush()
        session.expire_all()
        seen: list[str] = []
        engine = session.get_bind()
        listen(engine, "before_cursor_execute", lambda *said: seen.append(said[2]))
        store.overview(session)
        return len(seen)

    one = queries()
    for i in range(5):
        add_trial(session, add_study(session, f"other {i}"), 0, origin="bare", curve=(0.5,))
    assert queries() <= one


def test_a_study_is_alive_while_its_driver_gives_signs(session: Session, study: Study) -> None:
    def alive() -> bool:
        session.flush()
        return StudyCard.of(*store.overview(session)).alive

    assert alive()
    (driver,) = store.drivers(session, study.id)
    driver.beat = now() - 2 * store.LEASE
    assert not alive()


def test_the_sparkline_ends_where_the_hypervolume_stands() -> None:
    assert sparkline([], 0) == ""
    assert "hypervolume 10.00 % to 30.00 %" in sparkline([(1, 0.1), (5, 0.3)], 9)
    ElementTree.fromstring(sparkline([(1, 0.1), (5, 0.3)], 9))


def test_the_front_has_its_deltas_to_the_bare_backbone(session: Session, study: Study) -> None:
    panels = front_page(session, study, cost="gflops").panels
    assert [row.number for row in panels.front] == [0, 3, 4]
    last = panels.front[-1]
    assert last.accuracy == 0.9123
    assert last.gain == pytest.approx(0.9123 - 0.8)
    assert last.cost == pytest.approx(BARE * 1.25)
    assert last.extra == pytest.approx(25.0)
    assert [last.strip.count(f"<title>{name}") for name in ("aw", "se", "steam")] == [1, 1, 1]
    found = panels.tiles
    assert (found.total, found.complete, found.running, found.failed) == (10, 6, 1, 1)
    assert found.best is not None and found.best.number == 4
    assert found.thrifty is not None and found.thrifty.number == 3  # 4 costs 25 % more
    assert [one["number"] for one in panels.best] == [4, 3, 3]  # the best, the knee, a cheap one
    assert [row.number for row in panels.baselines] == [0, 1]


def test_on_the_axis_of_parameters_the_front_is_that_of_parameters(
    session: Session, study: Study
) -> None:
    panels = front_page(session, study, cost="params").panels
    assert [row.number for row in panels.front] == [5, 3, 4]
    assert [row.cost for row in panels.front] == [272_000, 273_000, 310_000]


def test_filters_are_for_every_panel(session: Session, study: Study) -> None:
    panels = front_page(session, study, cost="gflops", module="eca").panels
    assert [row.number for row in panels.front] == [3]
    assert (panels.tiles.total, panels.tiles.complete) == (2, 2)
    assert panels.tiles.best is not None and panels.tiles.best.number == 3
    nothing = front_page(session, study, min_acc="99").panels
    assert (nothing.hint, nothing.front) == ("No trial is let through by these filters.", [])


def test_an_axis_is_offered_where_a_trial_has_that_cost(session: Session, study: Study) -> None:
    assert [axis.id for axis in front_page(session, study).axes] == ["gflops", "extra", "params"]
    store.find_trial(session, study, 3).latency = 6.9
    study.seq += 1
    store.find_trial(session, study, 3).seq = study.seq
    page = front_page(session, study, cost="latency")
    assert [axis.id for axis in page.axes] == ["gflops", "extra", "params", "latency"]
    assert [(row.number, row.cost) for row in page.panels.front] == [(3, 6.9)]


def test_a_front_of_three_objectives_is_that_of_the_search(session: Session, study: Study) -> None:
    study.spec = study.spec | {"objectives": ["accuracy", "gflops", "parameters"]}
    panels = front_page(session, study, cost="gflops").panels
    assert panels.front_of == ["accuracy", "gflops", "parameters"]
    assert [row.number for row in panels.front] == [0, 3, 4, 5]  # 5 has the fewest parameters


def test_time_saved_is_what_stopped_trials_were_spared(session: Session, study: Study) -> None:
    study.spec = study.spec | {"recipe": {"epochs": 5}}
    saved = front_page(session, study).panels.tiles.saved
    spent = sum(trial.seconds for trial in store.trials(session, study))
    assert (saved.stopped, saved.seconds) == (1, pytest.approx(4 * 1.5))  # one of five epochs
    assert saved.share == pytest.approx(6 / (spent + 6), abs=1e-4)
    assert saved.where == "Training"  # no device said that it is a GPU


def test_an_unknown_axis_says_which_there_are(session: Session, study: Study) -> None:
    with pytest.raises(UnknownName, match=r"no cost axis 'gflop'; did you mean 'gflops'\?"):
        front_page(session, study, cost="gflop")


def test_the_page_opens_on_extra_cost_where_the_front_would_be_a_wall() -> None:
    def opened(*costs: float, dearest: float | None = None, objective: str = "gflops") -> str:
        study = SimpleNamespace(objectives=["accuracy", objective])
        every = [*costs] if dearest is None else [*costs, dearest]
        seen: Any = SimpleNamespace(
            gflops=np.array(every),
            on_front=np.arange(len(every)) < len(costs),
            complete=np.ones(len(every), dtype=bool),
            study=study,
        )
        return axes.fitting_axis(seen).id

    assert opened() == opened(1.0) == opened(1.0, 1.1, 1.3, 1.4) == "gflops"
    assert opened(1.0, 1.001, 1.002, 1.003, 1.004, 1.5) == "extra"
    assert opened(1.0, 1.1, 1.2, dearest=4.0) == "gflops"
    assert opened(1.0, 1.1, 1.2, dearest=6.0) == "extra"
    assert opened(1.0, objective="parameters") == "params"


def test_the_drawer_shows_the_knee_until_a_trial_is_chosen(session: Session, study: Study) -> None:
    found = front_page(session, study, cost="gflops").drawer
    assert found is not None
    assert (found.trial.number, found.title) == (3, "the front's knee")
    assert (found.curves.this, found.curves.bare) == ([70.0, 85.0], [60.0, 80.0])
    chosen = front_page(session, study, cost="gflops", t="6").drawer
    assert chosen is not None
    assert (chosen.title, chosen.trial.reason) == ("stopped", "behind at epoch 1: rank 3 of 4")
    assert drawer_of(session, study, 2, cost="gflops").title == "dominated"
    assert drawer_of(session, study, 3, min_acc="86").title == "not among those shown"
    with pytest.raises(UnknownName, match="has no trial 99; it has trials 0 to 9"):
        drawer_of(session, study, 99)


def test_the_drawer_has_the_rungs_and_the_threshold_that_stopped_a_trial(
    session: Session, study: Study
) -> None:
    study.spec = study.spec | {"recipe": {"epochs": 8}, "stopping": {"first": 2, "factor": 2.0}}
    stopped = store.find_trial(session, study, 6)
    stopped.verdict = {"epoch": 2, "threshold": 0.4}
    curves = drawer_of(session, study, 6).curves
    assert (curves.rungs, curves.verdict) == ([2, 4], {"epoch": 2, "threshold": 40.0})
    assert drawer_of(session, study, 0).curves.rungs == []  # a baseline is never stopped


def test_noise_is_that_of_repeated_seeds_where_there_are_some(
    session: Session, study: Study
) -> None:
    _, asked = asked_of(session, study)
    assert noise_of(session, asked.snapshot, [0, 3]).common is None  # two epochs are too few
    for number, accuracy in ((10, 0.84), (11, 0.86)):
        add_trial(session, study, number, extra=0.01, curve=(0.7, accuracy))
        again = store.find_trial(session, study, number)
        again.key, again.seed = store.find_trial(session, study, 3).key, number
    _, asked = asked_of(session, study)
    noise = noise_of(session, asked.snapshot, [0, 3])
    sd, seeds = noise.own[3]
    assert (sd, seeds) == (pytest.approx(0.01), 3)
    assert noise.sd(4) == pytest.approx(0.01)  # of one seed: that of the others
    assert noise.how == "from 1\N{NO-BREAK SPACE}placement trained with several seeds"


def test_neighbours_whose_bars_overlap_are_within_noise() -> None:
    accuracy = np.array([0.80, 0.815, 0.90, 0.919])
    assert within_noise([0, 1, 2, 3], accuracy, Noise(0.01, "", {})) == {0, 1, 2, 3}
    assert within_noise([0, 1, 2, 3], accuracy, Noise(0.009, "", {})) == {0, 1}
    assert within_noise([0, 1, 2, 3], accuracy, Noise(None, "", {})) == set()
    assert within_noise([0, 1], accuracy, Noise(0.001, "", {1: (0.02, 3)})) == {0, 1}


def test_a_guess_of_the_noise_is_from_the_ends_of_the_fronts_curves(session: Session) -> None:
    study = add_study(session, "longer")
    rising = (0.2, 0.4, 0.5)
    wiggling = (
        *rising,
        *(0.5 + 0.005 * i for i in range(9)),
        0.55,
        0.58,
        0.6,
        0.61,
        0.59,
        0.61,
        0.59,
        0.61,
    )
    add_trial(session, study, 0, origin="bare", curve=wiggling)
    add_trial(session, study, 1, extra=0.1, curve=(*rising, 0.6, 0.65, 0.7))
    _, asked = asked_of(session, study)
    assert noise_of(session, asked.snapshot, [1]).common is None  # it rises to its end
    noise = noise_of(session, asked.snapshot, [0, 1])
    assert noise.common == pytest.approx(wiggle(wiggling[-5:]))
    assert noise.how.startswith("guessed from the last 5 epochs")


def test_flat_counts_the_trials_since_the_hypervolume_rose(session: Session, study: Study) -> None:
    steps = store.front_steps(session, study)
    assert [step.number for step in steps] == [0, 1, 3, 4]
    assert front_page(session, study).panels.tiles.flat == 1  # 5 is dominated


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
    assert (page.panels.hint or "").startswith(hint or "")
    assert (page.panels.hint is None) == (hint is None)
    assert render(templates(shipped()), page)


def test_a_page_of_failures_without_a_reason_is_still_a_page(session: Session) -> None:
    study = add_study(session, "other")
    add_trial(session, study, 0, state="failed", reason="")
    assert "no reason was recorded" in (front_page(session, study).panels.hint or "")


def test_a_name_that_the_page_does_not_have_raises(session: Session, study: Study) -> None:
    env = templates(shipped())
    page = front_page(session, study)
    env.loader = None
    broken = env.from_string("{{ frame.name }} {{ leaders }}")
    with pytest.raises(UndefinedError, match="'leaders' is undefined"):
        broken.render({field.name: getattr(page, field.name) for field in fields(page)})
