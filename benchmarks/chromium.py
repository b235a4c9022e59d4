"""Debian's Chromium under Playwright: where it is, how it is started, how to wait for a page."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

__all__ = ["NONE", "browser", "executable", "until"]

NAMES = ("chromium", "chromium-browser", "google-chrome")
NONE = (
    f"no browser: none of {', '.join(NAMES)} is on the path, and FOVEATE_CHROMIUM names no file; "
    "apt-get install chromium"
)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-extensions",
    "--disable-component-update",
    "--disable-background-networking",
    "--no-first-run",
    # whatever the page or the browser asks for elsewhere has no address
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


def executable() -> str | None:
    """The browser that ``FOVEATE_CHROMIUM`` names, or one that is installed."""
    named = os.environ.get("FOVEATE_CHROMIUM")
    if named:
        return shutil.which(named)
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def browser(path: str) -> Iterator[Browser]:
    """A browser without a window; each of its contexts begins with an empty profile."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield opened
        finally:
            opened.close()


def until(page: Page, script: str, *, seconds: float = 10.0, argument: Any = None) -> Any:
    """What ``script`` comes to, as soon as that is true.

    Playwright's own ``wait_for_function`` is refused by our Content-Security-Policy.

    Raises
        TimeoutError  if it is not true within ``seconds``
    """
    ends = monotonic() + seconds
    while True:
        found = page.evaluate(script, argument)
        if found:
            return found
        if monotonic() > ends:
            raise TimeoutError(f"not within {seconds:g} s: {script.strip()}; it is {found!r}")
        page.wait_for_timeout(20)
