"""Templates and static files of the application, read once."""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Protocol

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from . import numbers

__all__ = ["Asset", "Assets", "Page", "render", "shipped", "templates"]

HERE = Path(__file__).parent
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One static file."""

    body: bytes
    zipped: bytes
    type: str  # of its content


class Assets:
    """The static files under one address that changes whenever one of them does.

    One hash for all, as the modules import each other by relative addresses.
    """

    def __init__(self, folder: Path) -> None:
        self.files: dict[str, Asset] = {}
        digest = hashlib.sha256()
        for path in sorted(folder.iterdir()):
            body = path.read_bytes()
            digest.update(f"{path.name} {len(body)} ".encode() + body)
            guessed = mimetypes.guess_type(path.name)[0] or "text/plain"
            type = TYPES.get(path.suffix, guessed)
            self.files[path.name] = Asset(body, gzip.compress(body, 6, mtime=0), type)
        self.hash = digest.hexdigest()[:12]

    def address(self, name: str) -> str:
        """Where the file ``name`` is served; ``KeyError`` if there is none."""
        assert self.files[name]
        return f"/static/{self.hash}/{name}"


@cache
def shipped() -> Assets:
    """The files of this package."""
    return Assets(HERE / "static")


class Page(Protocol):
    """A frozen dataclass that names its template."""

    TEMPLATE: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]


def templates(assets: Assets) -> Environment:
    """The templates: a name that the page does not have raises, and every value is escaped."""
    env = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    env.globals = {"static": assets.address, "locked": False, "launching": False}
    for name in numbers.__all__:
        env.filters[name] = getattr(numbers, name)
    return env


def render(env: Environment, page: Page, template: str | None = None) -> str:
    """The page as HTML, in its own template or in another that uses the same fields."""
    values = {field.name: getattr(page, field.name) for field in fields(page)}
    return env.get_template(template or page.TEMPLATE).render(values)
