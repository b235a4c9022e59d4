"""The pages behind the front: tables, one trial, several side by side, and what leaves them."""

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest
from playwright.sync_api import Page

from foveate.benchmarks.chromium import until
from foveate.benchmarks.serving import Served

from ..dashboards.test_exporting import real
from .conftest import Serve, Visit
from .front import drawn
from .studies import database, hostile

__all__ = ["real"]  # a database of networks with weights, as a fixture

HURT = "() => document.querySelector('img[src=x], [onerror]') !== null"


def numbers(page: Page) -> list[int]:
    found = page.evaluate(
        "[...document.querySelectorAll('main table tr[data-trial]')].map((r) => r.dataset.trial)"
    )
    return [int(number) for number in found]


@pytest.mark.parametrize("chosen", [(3, 4), (0, 3, 4, 5)])
def test_trials_stand_side_by_side(
    ten_server: Served, visit: Visit, chosen: tuple[int, ...]
) -> None:
    page = visit(ten_server, f"/s/1/compare?t={','.join(map(str, chosen))}")
    until(page, "() => document.querySelector('#curve canvas') !== null")
    pictures = page.locator(".aligned svg")
    assert pictures.count() == len(chosen)
    heads = page.locator("#figures thead th a[href*='/trials/']").all_inner_texts()
    assert heads == [f"#{number}" for number in chosen]
    assert "≠" in pictures.first.inner_html()
    words = page.locator("#figures tbody").inner_text()
    assert "better" in words and "worse" in words
    page.get_by_label(f"Compare without trial {chosen[-1]}").click()
    page.wait_for_url(lambda url: str(chosen[-1]) not in re.split("=|,|%2C", url))
    left = page.locator(".aligned svg").count()
    assert left == (len(chosen) - 1 if len(chosen) > 2 else 0)  # one alone is no comparison


def test_what_is_ticked_on_the_front_is_compared(ten_server: Served, visit: Visit) -> None:
    page = visit(ten_server, "/s/1")
    drawn(page)
    for number in (3, 4):
        page.locator(f'#front tr[data-trial="{number}"] input[type=checkbox]').check()
    until(page, "() => document.querySelector('#to-compare .count').textContent === '2'")
    page.locator("#to-compare").click()
    page.wait_for_url("**/compare?t=*")
    assert page.locator(".aligned svg").count() == 2


def test_filters_are_the_address_of_every_table_and_file(ten_server: Served, visit: Visit) -> None:
    page = visit(ten_server, "/s/1/trials?state=complete&sort=-acc&module=eca")
    assert numbers(page) == [3, 2]
    page.reload()
    assert numbers(page) == [3, 2]
    page.get_by_role("link", name="#", exact=False).first.wait_for()
    link = page.get_by_role("link", name="CSV").get_attribute("href")
    assert link is not None
    text = httpx.get(ten_server.url + link).text
    rows = list(csv.DictReader(io.StringIO(text)))
    address = "/api/v1/studies/1/trials?state=complete&sort=-acc&module=eca"
    there = httpx.get(ten_server.url + address).json()["rows"]
    assert [int(row["n"]) for row in rows] == [row["n"] for row in there] == [3, 2]
    assert [float(row["gflops"]) for row in rows] == [row["gflops"] for row in there]

    page.goto(f"{ten_server.url}/s/1/trials")
    assert len(numbers(page)) == 10
    page.go_back()
    assert numbers(page) == [3, 2]


@pytest.mark.slow
def test_an_export_is_downloaded_and_is_the_trial(
    real: Path, serve: Serve, visit: Visit, tmp_path: Path
) -> None:
    server = serve(f"sqlite:///{real}/foveate.db")
    page = visit(server, "/s/1/trials/0")
    row = httpx.get(f"{server.url}/api/v1/studies/1/trials/0").json()
    with page.expect_download(timeout=200_000) as download:
        page.get_by_role("button", name="Export module").click()
    kept = tmp_path / download.value.suggested_filename
    download.value.save_as(kept)
    with ZipFile(kept) as archive:
        archive.extractall(tmp_path)
        folder = tmp_path / archive.namelist()[0].partition("/")[0]
    code = (
        "import json, model, torch\n"
        "from torch.utils.flop_counter import FlopCounterMode\n"
        "net = model.load().eval()\n"
        "x = torch.zeros(1, 3, 16, 16)\n"
        "with FlopCounterMode(display=False) as counted, torch.no_grad():\n"
        "    shape = list(net(x).shape)\n"
        "size = sum(p.numel() for p in net.parameters())\n"
        "print(json.dumps([shape, size, counted.get_total_flops() / 2]))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    shape, size, macs = json.loads(ran.stdout)
    assert shape == [1, 3]
    assert size == row["params"]
    assert macs == pytest.approx(row["gflops"] * 1e9, rel=0.15)  # which counts other operators, too


def test_hostile_names_stay_text_on_every_page(serve: Serve, visit: Visit, tmp_path: Path) -> None:
    storage = database(tmp_path / "hostile.db")
    hostile(storage)
    page = visit(server := serve(storage))
    pages = ["/trials", "/trials/3", "/trials/4", "/compare?t=0,1", "/placement", "/workers"]
    for path in [*pages, "/stops"]:
        page.goto(f"{server.url}/s/1{path}")
        until(page, "() => document.querySelector('[data-state=loading]') === null")
        assert not page.evaluate(HURT), path
        assert "<img src=x" in page.locator("body").inner_text(), path
