"""A real browser on real dashboards; what a page may not do, it is caught at."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route
from sqlalchemy.orm import Session

from foveate.benchmarks.chromium import NONE, browser, executable
from foveate.benchmarks.serving import Served, ours
from foveate.search import databases

from ..dashboards.conftest import fill
from .studies import crowd, database

__all__ = ["Serve", "Trouble", "Visit"]

Serve = Callable[..., Served]
Visit = Callable[..., Page]
TELL = """
addEventListener("securitypolicyviolation", (event) =>
  violated(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));
"""


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests of a process; each has contexts of its own in it."""
    path = executable()
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(NONE)
    with browser(path) as opened:
        yield opened


# ------------------------------------------------------------------------------------ databases


@pytest.fixture(scope="session")
def ten(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with one study of a trial in every state, to copy."""
    path = tmp_path_factory.mktemp("ten") / "foveate.db"
    engine = databases.open_database(f"sqlite:///{path}", create=True)
    with Session(engine) as session, session.begin():
        fill(session)
    engine.dispose()
    return path


@pytest.fixture
def storage(ten: Path, tmp_path: Path) -> str:
    """A database of ten trials for each test."""
    return f"sqlite:///{shutil.copy(ten, tmp_path)}"


@pytest.fixture(scope="session")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database of a study of 10,000 trials, to read only."""
    storage = database(tmp_path_factory.mktemp("crowd") / "foveate.db")
    crowd(storage, 10_000)
    return storage


# -------------------------------------------------------------------------------------- servers


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves a database from a process of its own, with the options of ``serve``."""
    begun = []

    def start(storage: str, **options: Any) -> Served:
        server = ours(storage, **options)
        begun.append(server)
        server.start()
        return server

    yield start
    for server in begun:
        server.kill()


@pytest.fixture(scope="session")
def crowd_server(crowded: str) -> Iterator[Served]:
    """The dashboard of 10,000 trials."""
    with ours(crowded) as server:
        yield server


@pytest.fixture(scope="session")
def ten_server(ten: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The dashboard of ten trials, to read only."""
    with ours(f"sqlite:///{shutil.copy(ten, tmp_path_factory.mktemp('read'))}") as server:
        yield server


# --------------------------------------------------------------------------------------- readers


class Trouble:
    """What pages did that they may not: errors, violations of the policy, requests elsewhere."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._expected: list[str] = []

    def expect(self, pattern: str) -> None:
        """What matches ``pattern`` is part of the test."""
        self._expected.append(pattern)

    @property
    def unexpected(self) -> list[str]:
        """What no pattern matches."""
        return [one for one in self.found if not any(re.search(p, one) for p in self._expected)]

    def watch(self, page: Page) -> None:
        """Note what ``page`` does from now on."""
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.found.append(f"error: {error}"))
        page.on("requestfailed", self._failed)
        page.on("dialog", lambda dialog: self.found.append(f"dialog: {dialog.message}"))

    def strayed(self, route: Route) -> None:
        """A request that leaves the server is noted, and goes nowhere."""
        self.found.append(f"strayed: {route.request.url}")
        route.abort()

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.found.append(f"console: {message.text}")

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # which the page did itself, or by being closed
            self.found.append(f"failed: {request.failure} {request.url}")


@pytest.fixture
def trouble() -> Trouble:
    """What the test's pages did that they may not; at the end there must be none."""
    return Trouble()


@pytest.fixture
def visit(chromium: Browser, trouble: Trouble) -> Iterator[Visit]:
    """Opens an address of a server in a new profile: ``visit(server, "/s/1", width=390)``.

    Without an address the page is blank. Other options are those of Playwright's contexts.
    ``beside`` is a page whose profile is shared.
    """
    contexts = []

    def open_page(
        server: Served,
        path: str | None = None,
        *,
        width: int = 1500,
        height: int = 1000,
        beside: Page | None = None,
        **options: Any,
    ) -> Page:
        if beside is not None:
            context = beside.context
        else:
            viewport = {"width": width, "height": height}
            context = chromium.new_context(viewport=viewport, **options)
            contexts.append(context)
            context.expose_function(
                "violated", lambda text: trouble.found.append(f"policy: {text}")
            )
            context.add_init_script(TELL)
            elsewhere = rf"^(?!{re.escape(server.url)}/|data:|blob:)"
            context.route(re.compile(elsewhere), trouble.strayed)
        page = context.new_page()
        trouble.watch(page)
        if path is not None:
            page.goto(server.url + path, wait_until="domcontentloaded")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not trouble.unexpected
