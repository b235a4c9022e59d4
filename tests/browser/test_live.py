"""A page that stays open: what comes, what goes away, and when nobody looks."""

from playwright.sync_api import Request
from sqlalchemy import update
from sqlalchemy.orm import Session

from foveate.benchmarks.chromium import until
from foveate.search import databases, store
from foveate.search.records import Driver, now

from .conftest import Serve, Trouble, Visit
from .front import chosen, drawn, open_chosen, view, zoom
from .studies import add_better

HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  Object.defineProperty(document, "visibilityState",
    { value: hidden ? "hidden" : "visible", configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""  # Playwright keeps every tab visible: this is what a page hears where one is not


def test_new_trials_are_drawn_told_and_leave_the_view_alone(
    serve: Serve, storage: str, visit: Visit
) -> None:
    page = visit(serve(storage), "/s/1?cost=gflops&t=3")
    before = drawn(page, front=3)
    zoom(page)
    seen, scrolled = view(page), page.evaluate("() => (scrollTo(0, 200), scrollY)")
    best = add_better(storage, 25)[-1]
    now = drawn(page, points=before["points"] + 25, seconds=5)
    assert now["cursor"] > before["cursor"]
    row = page.locator(f'#front tr[data-trial="{best}"]')
    row.wait_for(timeout=2_000)
    assert (chosen(page), view(page)) == (3, seen)
    assert page.evaluate("scrollY") == scrolled
    assert "t=3" in page.url
    until(page, "() => document.getElementById('say').textContent.includes('new front point')")
    told = page.locator("#say").inner_text()
    assert told.startswith("1 new front point: 95.6")
    assert page.locator("#say").get_attribute("aria-live") == "polite"


def test_a_server_that_ends_is_told_and_its_return_too(
    serve: Serve, storage: str, visit: Visit, trouble: Trouble
) -> None:
    trouble.expect("ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE")
    server = serve(storage)
    page = visit(server, "/s/1?t=4")
    before = drawn(page)
    stale = page.locator("#stale")
    assert stale.is_hidden()
    server.kill()
    stale.wait_for(timeout=8_000)
    until(page, "() => /[1-9][0-9]* s ago/.test(document.getElementById('stale').textContent)")
    assert chosen(page) == 4  # what was there stays
    add_better(storage, 2)
    server.start()
    stale.wait_for(state="hidden", timeout=20_000)
    drawn(page, points=before["points"] + 2)
    assert chosen(page) == 4


def test_a_hidden_page_asks_for_nothing_and_a_shown_one_at_once(
    serve: Serve, storage: str, visit: Visit
) -> None:
    asked: list[Request] = []
    page = visit(serve(storage), "/s/1")
    before = drawn(page)
    page.on("request", lambda request: asked.append(request))
    until(page, "() => performance.getEntries().some((one) => one.name.includes('/changes'))")
    asked.clear()
    page.evaluate(HIDE, True)
    add_better(storage, 1)
    page.wait_for_timeout(3_500)  # visible, it would have asked by now
    assert asked == []
    page.evaluate(HIDE, False)
    drawn(page, points=before["points"] + 1, seconds=1.5)
    assert asked


def test_idle_pages_ask_less_and_less(serve: Serve, storage: str, visit: Visit) -> None:
    engine = databases.open_database(storage)
    with Session(engine) as session, session.begin():  # nobody searches any more
        session.execute(update(Driver).values(beat=now() - 2 * store.LEASE))
    engine.dispose()
    page = visit(serve(storage), "/s/1")
    drawn(page)
    polls = (
        "performance.getEntriesByType('resource').filter((one) => one.name.includes('/changes'))"
    )
    until(page, f"() => {polls}.length >= 3", seconds=15)
    first, second, third = page.evaluate(f"{polls}.slice(0, 3).map((one) => one.startTime)")
    assert third - second > 1.15 * (second - first)  # by a half, give or take a tenth


def test_a_switched_axis_and_a_choice_survive_what_comes(
    serve: Serve, storage: str, visit: Visit
) -> None:
    page = visit(serve(storage), "/s/1?cost=params")
    before = drawn(page)
    page.locator("#front tr[data-trial] button").first.click()
    number = int(page.locator("#front tr[data-trial]").first.get_attribute("data-trial") or -1)
    open_chosen(page, number)
    add_better(storage, 3)
    drawn(page, points=before["points"] + 3)
    assert chosen(page) == number
    assert "cost=params" in page.url


def test_the_list_of_studies_follows(serve: Serve, storage: str, visit: Visit) -> None:
    page = visit(serve(storage), "/")
    card = page.locator("#studies")
    assert "95.6" not in card.inner_text()
    add_better(storage, 1)
    until(page, "() => document.getElementById('studies').textContent.includes('95.6')", seconds=5)
