"""Pictures of every page, in both themes: ``make screenshots``.

    python docs/screenshots.py                                    # of the recorded search
    python docs/screenshots.py --storage sqlite:///foveate.db --out pictures

A page is taken once two pictures in a row are the same, so what is drawn late is on it. Its clock
stands two minutes after the last change, so that the same study gives the same pictures.
"""

import io
import sys
from argparse import ArgumentParser
from contextlib import nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from playwright.sync_api import Browser, Page

from foveate.benchmarks.chromium import NONE, browser, executable
from foveate.benchmarks.serving import ours
from foveate.dashboards.demo import unpacked

OUT = Path(__file__).parent / "screenshots"
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTHS = {"": 1500, "-narrow": 390}  # ending of the name -> pixels
NARROW = ("front", "trials", "trial")  # pages that are taken that narrow, too
LOOKS: dict[str, Any] = {"reduced_motion": "reduce", "locale": "en-GB", "timezone_id": "UTC"}
TOKEN = "for the pictures"
MOST = 250_000  # bytes of a picture
DRAWN = """() => [...document.querySelectorAll('.chart')].every(
    (box) => !box.offsetParent || box.matches('.none') || box.childElementCount)"""


GUARDED = ("login", "launch")  # of a dashboard that asks for a token and may launch


def pages(study: dict[str, Any], front: list[int]) -> dict[str, str]:
    """What there is to take of a study, by the picture's name; ``front`` is cheapest first."""
    home = f"/s/{study['id']}"
    return {
        "studies": "/",
        "front": home,
        "trials": f"{home}/trials",
        "trial": f"{home}/trials/{front[-1]}",
        "compare": f"{home}/compare?t={','.join(map(str, front[-3:]))}",
        "placement": f"{home}/placement",
        "workers": f"{home}/workers",
        "stops": f"{home}/stops",
    }


def picture(page: Page, address: str) -> Image.Image:
    """The whole page at an address."""
    answer = page.goto(address, wait_until="load")
    if answer is None or not answer.ok:
        sys.exit(f"screenshots: {address} answers {answer and answer.status}")
    return settled(page)


def settled(page: Page) -> Image.Image:
    """The whole page, once nothing moves any more."""
    page.evaluate("document.querySelectorAll('img').forEach((one) => (one.loading = 'eager'))")
    before = b""
    for _ in range(30):
        page.wait_for_timeout(400)
        taken = page.screenshot(full_page=True)
        if taken == before and page.evaluate(DRAWN):
            return Image.open(io.BytesIO(taken)).convert("RGB")
        before = taken
    sys.exit(f"screenshots: {page.url} does not come to rest")


def save(image: Image.Image, file: Path) -> None:
    """Keep a picture without loss."""
    image.save(file, lossless=True, quality=100)
    size = file.stat().st_size
    print(f"{file}: {size:,} bytes")
    if size > MOST:
        sys.exit(f"screenshots: {file} has more than {MOST:,} bytes")


def take(opened: Browser, server: str, out: Path) -> None:
    """Write the pictures of the latest study."""
    with opened.new_context() as context:
        study = context.request.get(f"{server}/api/v1/studies").json()["studies"][0]
        points = context.request.get(f"{server}/api/v1/studies/{study['id']}/points").json()
    now = datetime.fromisoformat(study["last"]) + timedelta(minutes=2)
    for theme in THEMES:
        for ending, width in WIDTHS.items():
            size: Any = {"width": width, "height": 900}
            with opened.new_context(viewport=size, color_scheme=theme, **LOOKS) as context:
                page = context.new_page()
                page.clock.set_fixed_time(now)
                for name, path in pages(study, points["front"]["n"]).items():
                    if not ending or name in NARROW:
                        save(picture(page, server + path), out / f"{name}{ending}-{theme}.webp")


def take_guarded(opened: Browser, server: str, out: Path) -> None:
    """Write the pictures of a dashboard that asks for ``TOKEN`` and may launch."""
    size: Any = {"width": WIDTHS[""], "height": 900}
    for theme in THEMES:
        with opened.new_context(viewport=size, color_scheme=theme, **LOOKS) as context:
            page = context.new_page()
            save(picture(page, f"{server}/login"), out / f"login-{theme}.webp")
            context.set_extra_http_headers({"Authorization": f"Bearer {TOKEN}"})
            page.goto(f"{server}/launch")
            page.locator('[data-key="space.modules"] input').first.wait_for(timeout=120_000)
            page.fill('[data-key="space.backbone"]', "resnet14")
            page.fill('[data-key="recipe.epochs"]', "12")
            page.click("#preview")
            page.locator("#facts").wait_for(timeout=120_000)
            save(settled(page), out / f"launch-{theme}.webp")


def main() -> None:
    """Parse, serve, take."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--storage", help="of the study; default: the recorded search")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the pictures")
    wanted = parser.parse_args()
    if (path := executable()) is None:
        sys.exit(f"screenshots: {NONE}")
    wanted.out.mkdir(parents=True, exist_ok=True)
    there = unpacked() if wanted.storage is None else nullcontext(wanted.storage)
    with there as storage, browser(path) as opened:
        with ours(storage) as server:
            take(opened, server.url, wanted.out)
        with ours(storage, token=TOKEN, allow_launch=True) as server:
            take_guarded(opened, server.url, wanted.out)


if __name__ == "__main__":
    main()
