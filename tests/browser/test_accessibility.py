"""Pages for everybody: axe's rules, narrow screens, keyboards, less motion, forced colours."""

from importlib.resources import files
from typing import Any, Literal

import pytest
from playwright.sync_api import Page

from foveate.benchmarks.chromium import until
from foveate.benchmarks.serving import Served

from .conftest import Serve, Trouble, Visit
from .front import drawn
from .studies import add_better

ADDRESSES = ["/", "/s/1", "/s/1?t=6", "/s/1?t=7&cost=params", "/nowhere"]
THEMES: list[Literal["light", "dark"]] = ["light", "dark"]
WIDTHS = [1500, 390]
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = "(tags) => axe.run(document, { runOnly: tags, resultTypes: ['violations'] })"


def settle(page: Page) -> None:
    """Waits for what scripts draw."""
    if page.locator("#pareto").count():
        drawn(page)


def complaints(page: Page) -> list[str]:
    """What axe finds, and where."""
    page.evaluate(AXE)
    found: dict[str, Any] = page.evaluate(RUN, RULES)
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("path", ADDRESSES)
def test_axe_has_no_complaint_and_nothing_is_wider_than_the_screen(
    ten_server: Served,
    visit: Visit,
    trouble: Trouble,
    path: str,
    theme: Literal["light", "dark"],
    width: int,
) -> None:
    if path == "/nowhere":
        trouble.expect("status of 404")
    page = visit(ten_server, path, width=width, color_scheme=theme)
    settle(page)
    assert complaints(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 19, 23)"
    assert dark == (theme == "dark")


@pytest.mark.parametrize("theme", THEMES)
def test_the_form_that_asks_for_the_token_is_for_everybody_too(
    serve: Serve, storage: str, visit: Visit, theme: Literal["light", "dark"]
) -> None:
    page = visit(serve(storage, token="horse"), "/login", width=390, color_scheme=theme)
    assert complaints(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_axe_would_complain(ten_server: Served, visit: Visit) -> None:
    page = visit(ten_server, "/")
    page.evaluate("document.querySelector('main').append(document.createElement('button'))")
    assert any("button-name" in one for one in complaints(page))


# ------------------------------------------------------------------------------------- keyboard

FOCUSED = """() => {
  const at = document.activeElement;
  const rings = [at, at.nextElementSibling].filter(Boolean).map((one) => getComputedStyle(one));
  return {
    what: at.outerHTML.slice(0, 80),
    ring: Math.max(...rings.map((one) => one.outlineStyle === "none" ? 0 : parseFloat(one.outlineWidth))),
    page: at === document.body,
  };
}"""


@pytest.mark.parametrize("path", ADDRESSES[:3])
def test_the_keyboard_sees_where_it_is(ten_server: Served, visit: Visit, path: str) -> None:
    page = visit(ten_server, path)
    settle(page)
    seen = []
    while len(seen) < 60:
        page.keyboard.press("Tab")
        at = page.evaluate(FOCUSED)
        if at["page"]:
            break
        seen.append(at["what"])
        assert at["ring"] >= 3, at["what"]
    assert "skip" in seen[0]
    assert len(seen) > 2


def test_the_skip_link_leads_to_the_front_as_a_table(ten_server: Served, visit: Visit) -> None:
    page = visit(ten_server, "/s/1")
    drawn(page)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#front') !== null")


# --------------------------------------------------------------------------- motion and colours


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_what_is_new_moves_only_for_who_likes_it(
    serve: Serve, storage: str, visit: Visit, motion: str
) -> None:
    page = visit(serve(storage), "/s/1", reduced_motion=motion)
    drawn(page)
    moving = "document.getAnimations().filter((one) => one.playState === 'running').length > 0"
    page.evaluate(
        f"() => {{ window.moved = false; const look = () => {{ window.moved ||= {moving};"
        " requestAnimationFrame(look); }; look(); }"
    )
    best = add_better(storage, 1)[0]
    page.locator(f'#front tr[data-trial="{best}"].new').wait_for()
    page.wait_for_timeout(200)
    assert page.evaluate("window.moved") == (motion == "no-preference")


LUMINANCES = """() => {
  const chart = echarts.getInstanceByDom(document.getElementById("pareto"));
  const shown = [chart.getOption().xAxis[0].axisLabel.color, getComputedStyle(document.body).backgroundColor];
  return shown.map((text) => {
    const [r, g, b] = text.match(/[0-9.]+/g).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  });
}"""


@pytest.mark.parametrize("theme", THEMES)
def test_forced_colours_leave_states_apart_and_the_chart_readable(
    ten_server: Served, visit: Visit, theme: Literal["light", "dark"]
) -> None:
    page = visit(ten_server, "/s/1", forced_colors="active", color_scheme=theme)
    drawn(page)
    until(page, "() => matchMedia('(forced-colors: active)').matches")
    colours = page.evaluate(
        "[...document.querySelectorAll('.states .share')]"
        ".map((one) => getComputedStyle(one).backgroundColor)"
    )
    assert len(set(colours)) == len(colours) > 2
    low, high = sorted(page.evaluate(LUMINANCES))
    assert (high + 0.05) / (low + 0.05) >= 4.5
    assert complaints(page) == []
