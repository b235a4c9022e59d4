"""What a page may cost: bytes, seconds, memory."""

import os
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest
from playwright.sync_api import CDPSession

from foveate.benchmarks.serving import Served, ours

from .conftest import Visit
from .front import drawn
from .studies import crowd, database


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The dashboard of 50,000 trials."""
    storage = database(tmp_path_factory.mktemp("host") / "foveate.db")
    crowd(storage, 50_000)
    with ours(storage) as server:
        yield server


def metered(devtools: CDPSession) -> list[int]:
    """The bytes of each answer, from now on, as they came over the wire."""
    lengths: list[int] = []

    def add(event: dict[str, Any]) -> None:
        lengths.append(int(event["encodedDataLength"]))

    devtools.on("Network.loadingFinished", add)
    devtools.send("Network.enable")
    return lengths


def allowed(seconds: float) -> float:
    """``seconds`` of a free machine; where others are at work, as many more as they take."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def quickest(visit: Visit, server: Served, enough: float) -> tuple[float, CDPSession, list[int]]:
    """Seconds until the page is drawn, with what it took: the best of three visits.

    One visit that is quick enough says that the page is.
    """
    found = []
    for _ in range(3):
        page = visit(server)
        devtools = page.context.new_cdp_session(page)
        lengths = metered(devtools)
        began = monotonic()
        page.goto(f"{server.url}/s/1", wait_until="commit")
        assert drawn(page, seconds=60)["points"] > 1_000
        found.append((monotonic() - began, devtools, lengths))
        if found[-1][0] <= enough:
            break
    return min(found, key=lambda one: one[0])


def test_ten_thousand_trials_stay_within_their_budgets(crowd_server: Served, visit: Visit) -> None:
    seconds, devtools, lengths = quickest(visit, crowd_server, allowed(5))
    assert seconds <= allowed(5)
    assert len(lengths) > 5
    assert 100_000 < sum(lengths) <= 600_000
    devtools.send("HeapProfiler.collectGarbage")
    assert devtools.send("Runtime.getHeapUsage")["usedSize"] <= 40e6


@pytest.mark.slow
def test_fifty_thousand_trials_are_drawn_in_ten_seconds(host: Served, visit: Visit) -> None:
    seconds, _, lengths = quickest(visit, host, allowed(10))
    assert seconds < allowed(10)
    assert sum(lengths) < 700_000
