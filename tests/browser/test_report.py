"""A report in a browser that may fetch nothing: it draws what the pages draw."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page
from sqlalchemy.orm import Session

from foveate.dashboards.report import write
from foveate.search import store
from foveate.search.databases import open_database

from .conftest import Trouble
from .front import drawn
from .studies import database, hostile
from .test_accessibility import complaints

Open = Callable[..., Page]


@pytest.fixture
def read(chromium: Browser, trouble: Trouble, tmp_path: Path) -> Iterator[Open]:
    """Opens the report of a study from a file, without a network."""
    contexts = []

    def open_report(
        storage: str, name: str, *, width: int = 1500, theme: Literal["light", "dark"] = "light"
    ) -> Page:
        path = tmp_path / "report.html"
        write(storage, name, path)
        context = chromium.new_context(
            viewport={"width": width, "height": 1000}, color_scheme=theme, offline=True
        )
        contexts.append(context)
        address = path.as_uri()
        context.route(re.compile(rf"^(?!{re.escape(address)}|data:)"), trouble.strayed)
        page = context.new_page()
        trouble.watch(page)
        page.goto(address)
        return page

    yield open_report
    for context in contexts:
        context.close()
    assert not trouble.unexpected


@pytest.mark.parametrize("width", [1500, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_opens_without_a_network_for_everybody(
    storage: str, read: Open, theme: Literal["light", "dark"], width: int
) -> None:
    page = read(storage, "digits", theme=theme, width=width)
    assert drawn(page)["front"] == 3
    for chart in ("hypervolume", "curves"):
        assert page.locator(f"#{chart} canvas").count() == 1
    assert page.locator("#heat td[data-m]").count() > 3
    assert complaints(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_each_axis_has_its_front_and_its_table(storage: str, read: Open) -> None:
    page = read(storage, "digits")
    data: dict[str, Any] = page.evaluate("JSON.parse(document.getElementById('data').textContent)")
    for axis in data["axes"]:
        page.select_option("#cost", axis["id"])
        front = axis["points"]["front"]["n"]
        drawn(page, front=len(front))
        rows = page.locator("#front tr[data-trial]:visible")
        assert [int(row.get_attribute("data-trial") or -1) for row in rows.all()] == front


def test_a_row_and_its_point_are_one_choice(storage: str, read: Open) -> None:
    page = read(storage, "digits")
    drawn(page)
    page.locator("#front tr[data-trial='4']:visible td.number").first.click()
    chosen = page.evaluate(
        "echarts.getInstanceByDom(document.getElementById('pareto')).getOption()"
        ".series.find((one) => one.id === 'ring').data.map((one) => one.value[2])"
    )
    assert chosen == [4]
    assert page.locator("#front tr.chosen:visible").count() == 1


def test_latex_is_copied(storage: str, read: Open) -> None:
    page = read(storage, "digits")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#front summary:visible").click()
    page.locator("#front [data-copy]:visible").click()
    page.locator("#front [data-copy]:visible", has_text="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("% \\usepackage{booktabs}\n\\begin{tabular}")


def test_it_prints_in_light_colours_and_goes_back(storage: str, read: Open) -> None:
    page = read(storage, "digits", theme="dark")
    drawn(page)
    theme = "document.documentElement.dataset.theme ?? null"
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(theme) == "light"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(theme) is None
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 720, "height": 1000})
    assert page.evaluate("document.documentElement.scrollWidth") <= 720
    assert page.locator("#front [data-copy]:visible").count() == 0


def test_hostile_names_do_nothing(tmp_path: Path, read: Open) -> None:
    storage = database(tmp_path / "hostile.db")
    hostile(storage)
    with Session(open_database(storage, read_only=True)) as session:
        (study,) = store.studies(session)
        name = study.name
    page = read(storage, name)
    page.wait_for_timeout(500)
    assert page.evaluate("window.hurt === undefined")
    assert page.locator("img[src='x']").count() == 0


def test_a_script_that_got_in_would_not_run(storage: str, read: Open, trouble: Trouble) -> None:
    trouble.expect("Content Security Policy")
    page = read(storage, "digits")
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'),"
        " { textContent: 'window.hurt = 1' }))"
    )
    assert page.evaluate("window.hurt === undefined")
    assert trouble.found


@pytest.mark.slow
def test_ten_thousand_trials_are_a_file_to_mail(crowded: str, read: Open, tmp_path: Path) -> None:
    page = read(crowded, "crowd")
    assert drawn(page)["points"] > 1000
    assert (tmp_path / "report.html").stat().st_size < 5e6
