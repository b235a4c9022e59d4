"""The pictures of the pages: which are taken, and which the README shows."""

import re
from pathlib import Path

from starlette.testclient import TestClient

import foveate
from foveate.docs.screenshots import GUARDED, OUT, THEMES, pages

ROOT = Path(foveate.__file__).parent


def test_every_page_of_a_study_is_taken(client: TestClient) -> None:
    study = client.get("/api/v1/studies").json()["studies"][0]
    front = client.get("/api/v1/studies/1/points").json()["front"]["n"]
    taken = pages(study, front)
    for path in taken.values():
        assert client.get(path).status_code == 200, path
    bar = client.get("/s/1").text.partition('<nav aria-label="Pages">')[2].partition("</nav>")[0]
    linked = set(re.findall(r'href="([^"?]+)', bar))
    assert len(linked) >= 7
    assert linked <= {path.partition("?")[0] for path in taken.values()}


def test_the_readme_shows_pictures_that_are_taken() -> None:
    shown = set(re.findall(r"docs/screenshots/([\w-]+)\.webp", (ROOT / "README.md").read_text()))
    names = [*pages({"id": 1}, [1, 2, 3]), *GUARDED]
    every = {f"{name}-{theme}" for name in names for theme in THEMES}
    assert every <= shown
    assert {f"{name}.webp" for name in shown} <= {one.name for one in OUT.iterdir()}
