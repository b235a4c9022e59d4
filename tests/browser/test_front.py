"""The Front page in a browser: what it draws, how it is walked, what its address keeps."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page
from sqlalchemy.orm import Session

from foveate.benchmarks.chromium import until
from foveate.benchmarks.serving import Served
from foveate.search import databases, store
from foveate.spaces.placement import Placement

from ..dashboards.conftest import add_study, add_trial
from .conftest import Serve, Visit
from .front import VIEW, choose_cost, chosen, cost, drawn, open_chosen, place, view, zoom
from .studies import database

SAME = f"""(seen) => ({VIEW})().flat().every(
  (share, i) => Math.abs(share - seen.flat()[i]) < 0.1
)"""  # ECharts rounds what it is told


def front_of(page: Page, server: Served, cost: str) -> list[int]:
    """The numbers of the front's members, cheapest first, as the API has them."""
    answer = page.request.get(f"{server.url}/api/v1/studies/1/points?cost={cost}")
    numbers: list[int] = answer.json()["front"]["n"]
    return numbers


def test_ten_thousand_trials_are_drawn_as_the_api_has_them(
    crowd_server: Served, visit: Visit
) -> None:
    page = visit(crowd_server)
    with page.expect_response(re.compile(r"/api/v1/studies/1/points")) as asked:
        page.goto(f"{crowd_server.url}/s/1")
    told = asked.value.json()
    assert told["total"] == 10_000
    shown = drawn(page)
    assert shown == {
        "points": told["shown"],
        "front": len(told["front"]["n"]),
        "cursor": told["cursor"],
    }
    assert shown["points"] >= shown["front"] > 5
    assert len(told["front"]["n"]) == len(front_of(page, crowd_server, "gflops"))


def test_the_tables_and_the_chart_have_the_same_front(crowd_server: Served, visit: Visit) -> None:
    page = visit(crowd_server, "/s/1?cost=gflops")
    drawn(page)
    rows = page.locator("#front tbody tr[data-trial]")
    listed = [int(rows.nth(i).get_attribute("data-trial") or -1) for i in range(rows.count())]
    assert sorted(listed) == sorted(front_of(page, crowd_server, "gflops"))


def test_a_click_on_a_point_shows_that_trial(serve: Serve, storage: str, visit: Visit) -> None:
    server = serve(storage)
    page = visit(server, "/s/1?cost=gflops")
    drawn(page)
    for i, number in enumerate(front_of(page, server, "gflops")):
        at = place(page, i)
        page.mouse.move(at["x"], at["y"])
        page.mouse.click(at["x"], at["y"])
        open_chosen(page, number)
        assert f"t={number}" in page.url


def test_the_keyboard_leads_where_the_mouse_does(serve: Serve, storage: str, visit: Visit) -> None:
    server = serve(storage)
    page = visit(server, "/s/1?cost=gflops")
    drawn(page)
    front = front_of(page, server, "gflops")
    page.locator("#pareto").focus()
    for key, number in [
        ("Home", front[0]),
        ("ArrowRight", front[1]),
        ("End", front[-1]),
        ("ArrowLeft", front[-2]),
    ]:
        page.keyboard.press(key)
        open_chosen(page, number)
        assert f"t={number}" in page.url
    page.keyboard.press("Escape")
    until(page, "() => !new URLSearchParams(location.search).has('t')")


def test_a_row_of_the_table_shows_its_trial(serve: Serve, storage: str, visit: Visit) -> None:
    page = visit(serve(storage), "/s/1")
    drawn(page)
    page.locator('#front tr[data-trial="3"] button').focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    open_chosen(page, 4)


def test_the_address_is_the_view(serve: Serve, storage: str, visit: Visit) -> None:
    page = visit(serve(storage), "/s/1?cost=params&t=6")
    drawn(page)
    assert (cost(page), chosen(page)) == ("params", 6)
    choose_cost(page, "extra")
    until(page, "() => new URLSearchParams(location.search).get('cost') === 'extra'")
    page.locator('#front tr[data-trial="4"] button').click()
    open_chosen(page, 4)
    there = page.url
    page.reload()
    drawn(page)
    assert (page.url, cost(page), chosen(page)) == (there, "extra", 4)
    page.go_back()
    open_chosen(page, 6)
    page.go_back()
    until(page, "() => new URLSearchParams(location.search).get('cost') === 'params'")
    drawn(page)
    assert (cost(page), chosen(page)) == ("params", 6)


def test_the_address_is_the_part_of_the_plane_too(serve: Serve, storage: str, visit: Visit) -> None:
    page = visit(serve(storage), "/s/1?cost=extra&t=3")
    drawn(page)
    zoom(page)
    until(page, "() => new URLSearchParams(location.search).has('x0')")
    there, seen = page.url, view(page)
    page.reload()
    drawn(page)
    until(page, SAME, argument=seen)
    assert (page.url, chosen(page)) == (there, 3)
    page.locator('#front tr[data-trial="4"] button').click()
    open_chosen(page, 4)
    page.locator("#whole").click()
    until(page, "() => !new URLSearchParams(location.search).has('x0')")
    page.go_back()
    open_chosen(page, 3)
    until(page, SAME, argument=seen)


def test_eight_tabs_at_once_are_all_drawn(crowd_server: Served, visit: Visit) -> None:
    pages = [visit(crowd_server)]
    pages += [visit(crowd_server, beside=pages[0]) for _ in range(7)]
    for page in pages:
        page.goto(f"{crowd_server.url}/s/1", wait_until="commit")
    found = [drawn(page, seconds=60) for page in pages]
    assert all(one == found[0] for one in found)


# ------------------------------------------------------------------------------- little or nothing


def study_of(path: Path, *trials: dict[str, object]) -> str:
    """A database with a study of these trials."""
    storage = database(path / "foveate.db")
    engine = databases.open_database(storage)
    with Session(engine) as session, session.begin():
        study = add_study(session, "little")
        for number, about in enumerate(trials):
            add_trial(session, study, number, **about)  # type: ignore[arg-type]
    engine.dispose()
    return storage


@pytest.mark.parametrize(
    ("trials", "said"),
    [
        ([], "No trial yet"),
        ([{"origin": "bare", "curve": (0.5, 0.7)}], "One trial"),
        ([{"state": "failed", "reason": f"out of memory {i}"} for i in range(3)], "out of memory"),
        ([{"origin": "bare", "curve": (0.5,), "state": "running"}], "No trial is fully trained"),
    ],
    ids=["none", "one", "all failed", "one running"],
)
def test_a_study_of_little_says_so(
    serve: Serve, visit: Visit, tmp_path: Path, trials: list[dict[str, object]], said: str
) -> None:
    page = visit(serve(study_of(tmp_path, *trials)), "/s/1")
    ends = sum(1 for one in trials if one.get("state", "complete") == "complete")
    drawn(page, front=ends)
    assert said in page.locator("main").inner_text()


def test_a_trial_without_its_accuracy_breaks_no_page(
    serve: Serve, visit: Visit, storage: str
) -> None:
    engine = databases.open_database(storage)
    with Session(engine) as session, session.begin():
        study = store.studies(session)[0]
        lost = store.find_trial(session, study, 2)
        assert (lost.state, lost.on_front) == ("complete", False)
        lost.accuracy = None
    engine.dispose()
    page = visit(serve(storage), "/s/1?t=2")
    drawn(page, front=3)
    assert chosen(page) == 2


def test_of_several_backbones_the_heat_map_says_which_it_shows(
    serve: Serve, storage: str, visit: Visit
) -> None:
    engine = databases.open_database(storage)
    with Session(engine) as session, session.begin():
        trial = store.find_trial(session, store.locked(session, 1), 2)
        trial.placement = Placement.of("resnet8", []).spelling
        store.note(session, trial, "of another backbone")
    engine.dispose()
    page = visit(serve(storage), "/s/1")
    until(
        page, "() => /of trials on cifar-resnet20$/.test(document.querySelector('#heat').innerText)"
    )
