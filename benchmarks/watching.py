"""Open pages while a search records trials: when they are drawn, and what they cost the server."""

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from random import Random
from statistics import median
from threading import Event, Thread
from time import monotonic
from urllib.parse import urlsplit

from chromium import until
from filling import Prepared
from playwright.sync_api import Browser, Page, Response
from serving import Served, ours
from sqlalchemy.orm import Session

from foveate.search import databases, store

__all__ = ["live", "viewers"]

CURSOR = "() => Number(document.querySelector('#pareto')?.dataset.cursor ?? 0)"
VIEWERS = 20
RATE = 2  # trials a second
ACCEPT = {"Accept-Encoding": "gzip"}  # as browsers do
POLL = 2.0  # seconds, as live.js has it while something changes


def live(
    prepared: Prepared, storage: str, chromium: Browser, *, seconds: float
) -> dict[str, float]:
    """Seconds from a trial's last record until an open page has drawn it: median and worst."""
    with ours(storage) as server, opened(chromium, server) as page:
        drawn: list[tuple[float, int]] = []  # when, up to which change
        with recording(prepared, storage, each=1.0) as recorded:
            ends = monotonic() + seconds
            while monotonic() < ends:
                note(page, drawn)
        ends = monotonic() + 20  # for the last ones
        while drawn[-1][1] < recorded[-1][1] and monotonic() < ends:
            note(page, drawn)
    waits = [
        next((then for then, cursor in drawn if cursor >= seq), float("inf")) - when
        for when, seq in recorded
    ]
    assert len(waits) > 3
    return {"median": median(waits), "worst": max(waits)}


def note(page: Page, drawn: list[tuple[float, int]]) -> None:
    cursor = page.evaluate(CURSOR)
    if not drawn or drawn[-1][1] != cursor:
        drawn.append((monotonic(), cursor))
    page.wait_for_timeout(20)


def viewers(
    prepared: Prepared, storage: str, chromium: Browser, *, seconds: float
) -> tuple[float, float]:
    """The share of a core that the server takes for so many viewers, and requests a second.

    A real page says what one asks for at each change; the viewers ask for the same, as often.
    """
    with ours(storage) as server, recording(prepared, storage, each=1 / RATE):
        with opened(chromium, server) as page:
            page.wait_for_timeout(6000)  # what a tab asks for at first is not what it goes on with
            wanted = asked_by(page, seconds=40)  # more than a page's SLOWLY
        over, counts = Event(), Counter[str]()
        crowd = [
            Thread(target=view, args=(server, wanted, number, over, counts))
            for number in range(VIEWERS)
        ]
        for one in crowd:
            one.start()
        over.wait(2 * POLL)  # until all have begun
        before, took, began = counts.total(), server.cpu_seconds(), monotonic()
        over.wait(seconds)
        elapsed = monotonic() - began
        share = (server.cpu_seconds() - took) / elapsed
        asked = (counts.total() - before) / elapsed
        lost = sum(not one.is_alive() for one in crowd)
        over.set()
        for one in crowd:
            one.join()
    if lost or counts["failed"]:
        raise RuntimeError(f"{lost} viewers and {counts['failed']} requests failed")
    return share, asked


def asked_by(page: Page, *, seconds: float) -> dict[str, float]:
    """What an open page asks for: each address, how often at a change; first that of changes."""
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    page.wait_for_timeout(1000 * seconds)
    polls = [one for one in answers if "/changes?" in one.url and one.status == 200]
    assert polls, "the page saw no change"
    others = Counter(
        one.url for one in answers if "/changes?" not in one.url and "/static/" not in one.url
    )
    return {polls[-1].url: 1.0} | {url: count / len(polls) for url, count in others.items()}


def view(
    server: Served, wanted: dict[str, float], number: int, over: Event, counts: Counter[str]
) -> None:
    """Poll as live.js does, and ask for what the page would ask for, until it is over."""
    rng = Random(number)
    connection = HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    poll, *others = wanted
    over.wait(POLL * rng.random())
    while not over.is_set():
        changes = get(connection, poll, counts)
        if changes:
            poll = re.sub(r"since=\d+", f"since={json.loads(changes)['cursor']}", poll)
            for address in others:
                if rng.random() < wanted[address]:
                    get(connection, address, counts)
        over.wait(POLL * rng.uniform(0.9, 1.1))
    connection.close()


def get(connection: HTTPConnection, url: str, counts: Counter[str]) -> bytes:
    parts = urlsplit(url)
    wanted = ("GET", f"{parts.path}?{parts.query}")
    try:
        connection.request(*wanted, headers=ACCEPT)
        answer = connection.getresponse()
    except ConnectionError:  # the server ends a connection that was idle: browsers begin another
        connection.close()
        connection.request(*wanted, headers=ACCEPT)
        answer = connection.getresponse()
    body = answer.read()
    counts["answered" if answer.status in (200, 204) else "failed"] += 1
    return gzip.decompress(body) if answer.headers["Content-Encoding"] == "gzip" else body


@contextmanager
def opened(chromium: Browser, server: Served) -> Iterator[Page]:
    """The Front page of the first study, drawn."""
    context = chromium.new_context(viewport={"width": 1500, "height": 1000})
    page = context.new_page()
    page.goto(f"{server.url}/s/1", wait_until="commit")
    until(page, CURSOR, seconds=60)
    yield page
    context.close()


@contextmanager
def recording(
    prepared: Prepared, storage: str, *, each: float
) -> Iterator[list[tuple[float, int]]]:
    """A search that records a trial every so many seconds: when, and which change it was.

    It is a driver as any other, in a thread of this process.
    """
    recorded: list[tuple[float, int]] = []
    over, engine = Event(), databases.open_database(storage, read_only=True, of="dashboard")

    def search() -> None:
        with prepared.ledger(storage) as ledger:
            due = monotonic()
            while not over.wait(max(0.0, due - monotonic())):
                due = max(due + each, monotonic())
                prepared.train(ledger)
                when = monotonic()
                with Session(engine) as session:
                    recorded.append((when, store.studies(session)[0].seq))

    driver = Thread(target=search)
    driver.start()
    try:
        yield recorded
    finally:
        over.set()
        driver.join()
        engine.dispose()
