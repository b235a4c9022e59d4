"""What a reader does on the Front page, and sees there: if the page changes, this does."""

from playwright.sync_api import Page

from foveate.benchmarks.chromium import until

__all__ = [
    "VIEW",
    "choose_cost",
    "chosen",
    "cost",
    "drawn",
    "open_chosen",
    "place",
    "view",
    "zoom",
]

DRAWN = """() => {
  const box = document.getElementById("pareto");
  if (!box || box.dataset.cursor === undefined) return null;
  const { points, front, cursor } = box.dataset;
  return { points: Number(points), front: Number(front), cursor: Number(cursor) };
}"""
PLACE = """(i) => {
  const box = document.getElementById("pareto");
  const chart = echarts.getInstanceByDom(box);
  const item = chart.getOption().series.find((one) => one.id === "front").data[i];
  const [x, y] = chart.convertToPixel({ seriesId: "front" }, (item.value ?? item).slice(0, 2));
  const { left, top } = box.getBoundingClientRect();
  return { x: left + x, y: top + y };
}"""
VIEW = """() => echarts.getInstanceByDom(document.getElementById("pareto")).getOption()
  .dataZoom.map(({ start, end }) => [start, end].map((share) => Math.round(100 * share) / 100))"""
CHOSEN = """() => {
  const title = document.querySelector("#drawer h2")?.textContent ?? "";
  return title.includes("#") ? Number(title.split("#")[1]) : null;
}"""


def drawn(page: Page, *, seconds: float = 20.0, **wanted: int) -> dict[str, int]:
    """What the chart says that it shows, once it says so, and once that is ``wanted``."""
    script = f"(wanted) => {{ const found = ({DRAWN})(); return found && Object.entries(wanted)"
    script += ".every(([name, value]) => found[name] === value) && found; }"
    found: dict[str, int] = until(page, script, seconds=seconds, argument=wanted)
    return found


def place(page: Page, i: int) -> dict[str, float]:
    """Where the front's ``i``-th member is on the screen, cheapest first."""
    page.locator("#pareto").scroll_into_view_if_needed()
    found: dict[str, float] = page.evaluate(PLACE, i)
    return found


def view(page: Page) -> list[list[float]]:
    """What part of each axis is in view, in percent."""
    found: list[list[float]] = page.evaluate(VIEW)
    return found


def zoom(page: Page) -> None:
    """Into the middle of the chart, with the wheel."""
    page.locator("#pareto").hover()
    page.keyboard.down("Shift")
    page.mouse.wheel(0, -240)
    page.keyboard.up("Shift")
    until(page, f"() => ({VIEW})().every(([start, end]) => end - start < 99)")


def chosen(page: Page) -> int | None:
    """The number of the trial in the drawer."""
    found: int | None = page.evaluate(CHOSEN)
    return found


def open_chosen(page: Page, number: int) -> None:
    """Waits until trial ``number`` is in the drawer."""
    until(page, f"(number) => ({CHOSEN})() === number", argument=number)


def cost(page: Page) -> str:
    """The cost axis that the page has chosen."""
    switch = "#cost input:checked, select#cost, #cost select"
    return page.locator(switch).first.input_value()


def choose_cost(page: Page, name: str) -> None:
    """Switch the cost axis as a reader does."""
    listed = page.locator("select#cost, #cost select")
    if listed.count():
        listed.first.select_option(name)
    else:
        page.locator("#cost label", has=page.locator(f'input[value="{name}"]')).click()
