"""What all views share: the database, snapshots of its studies, how an answer is made and kept."""

import gzip
import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar
from urllib.parse import urlencode

from sqlalchemy import Engine
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ..errors import UserError
from ..search import store
from ..search.records import Study, now
from .assets import Page, render, shipped, templates
from .drivers import Drivers
from .jobs import Jobs
from .pages import Frame
from .placements import Stands
from .snapshot import Snapshot, Snapshots
from .tokens import Token

__all__ = ["Asked", "Site", "asking", "whole"]

T = TypeVar("T")
KEPT = 64 * 2**20  # bytes of answers
WARM = 10  # studies that are read when the server starts
TYPES = {"html": "text/html; charset=utf-8", "json": "application/json", "svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A study that an address names, as it is now."""

    session: Session  # open while the view runs, for reading
    study: Study
    snapshot: Snapshot
    alive: bool  # whether a driver gave a sign of life lately

    @property
    def stands(self) -> Stands:
        """What stands where in the trials of the snapshot, and perhaps in later ones."""
        return self.snapshot.kept(
            "stands", lambda: self.snapshot.places.of(self.session, self.study)
        )


class Site:
    """The views' common ground; each file of views has ``routes(site)``."""

    def __init__(
        self,
        engine: Engine,
        token: Token | None,
        *,
        storage: str = "",  # for processes of ours, with its password
        exports: Path | None = None,
        launching: Drivers | None = None,  # if searches may be started from the page
        pause: float = 0.0,  # seconds for which a look at a study serves all that ask for it
    ) -> None:
        self.engine, self.token, self.storage = engine, token, storage
        self.jobs, self.launching = Jobs(exports), launching
        self.version = version("foveate")
        self.assets = shipped()
        self.env = templates(self.assets)
        self.env.globals |= {"locked": token is not None, "launching": launching is not None}
        self.snapshots = Snapshots(pause)
        self._answers: OrderedDict[str, bytes] = OrderedDict()
        self._held = 0  # bytes of them
        self._lock = Lock()
        self._making: dict[str, Lock] = {}

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A look at the database."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def asked(self, request: Request) -> Iterator[Asked]:
        """The study that the address names, or 404."""
        id = whole(request.path_params["id"], "a study", 404)
        with self.session() as session:
            found = self.look(session, id)
            if found is None:
                raise HTTPException(404, f"there is no study {id} in this database")
            yield found

    def look(self, session: Session, id: int) -> Asked | None:
        """The study of this id as it is now, if there is one."""
        found = self.snapshots.of(session, id)
        if found is None:
            return None
        alive = found.head.beat is not None and lives(found.head.beat)
        return Asked(session, found.snapshot.study, found.snapshot, alive)

    def warm_up(self) -> None:
        """Read the latest studies before somebody waits for them."""
        with self.session() as session:
            for id, _ in store.study_names(session)[:WARM]:
                found = self.look(session, id)
                if found is not None:
                    _ = found.stands

    def html(self, page: Page, *, status: int = 200, template: str | None = None) -> HTMLResponse:
        """``page`` as an answer."""
        return HTMLResponse(render(self.env, page, template), status_code=status)

    def kept(
        self,
        request: Request,
        asked: Asked,
        make: Callable[[], Any],
        *,
        kind: str = "json",
        also: str = "",
    ) -> Response:
        """What ``make`` gives, made once for a study's cursor and an address; 304 for who has it.

        ``make`` gives the text of an HTML page or an SVG, or what JSON can say, by ``kind``.
        ``also`` is whatever else the answer depends on.
        """
        state = f"{asked.study.uid} {asked.snapshot.cursor} {asked.study.name} {asked.alive} {also}"
        return self.answer(request, state, make, kind=kind, cursor=asked.snapshot.cursor)

    def answer(
        self,
        request: Request,
        state: str,
        make: Callable[[], Any],
        *,
        kind: str = "json",
        cursor: int = 0,
    ) -> Response:
        """What ``make`` gives, made once for an address while ``state`` says the same."""
        query = urlencode(sorted(request.query_params.multi_items()))
        named = f"{self.version} {self.assets.hash} {state} {request.url.path}?{query}"
        digest = hashlib.sha256(named.encode("utf-8", "replace")).hexdigest()[:16]
        tag = f'"{cursor}-{digest}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        body = self._answer(digest, make, kind)
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
        else:
            body = gzip.decompress(body)
        return Response(body, media_type=TYPES[kind], headers=headers)

    def _answer(self, digest: str, make: Callable[[], Any], kind: str) -> bytes:
        with self._lock:
            making = self._making.setdefault(digest, Lock())
        with making:  # who asks for the same meanwhile waits for it
            with self._lock:
                if digest in self._answers:
                    self._answers.move_to_end(digest)
                    return self._answers[digest]
            try:
                made = make()
            finally:
                with self._lock:
                    self._making.pop(digest, None)
            text = json.dumps(made, separators=(",", ":")) if kind == "json" else made
            body = gzip.compress(text.encode(), 5, mtime=0)
            with self._lock:
                self._held += len(body) - len(self._answers.pop(digest, b""))
                self._answers[digest] = body
                while self._held > KEPT and len(self._answers) > 1:
                    self._held -= len(self._answers.popitem(last=False)[1])
            return body

    def frame(self, asked: Asked, page: str) -> Frame:
        """What surrounds ``page`` of a study."""
        return Frame(
            page=page,
            id=asked.study.id,
            name=asked.study.name,
            others=store.study_names(asked.session),
            alive=asked.alive,
            cursor=asked.snapshot.cursor,
        )

    def text(self, page: Page, template: str | None = None) -> str:
        """``page`` as HTML, for ``kept``."""
        return render(self.env, page, template)


def lives(beat: datetime) -> bool:
    """Whether a driver whose last sign of life was at ``beat`` is at work."""
    return now() - beat < store.LEASE


def whole(text: str, what: str, status: int) -> int:
    """A whole number of an address; of any other text, the status."""
    if not re.fullmatch("[0-9]{1,9}", text):
        raise HTTPException(status, f"{what} must be a whole number, got {text[:40]!r}")
    return int(text)


def asking(load: Callable[[], T], *, status: int = 400) -> T:
    """What ``load`` gives; what it does not know or take is the reader's mistake."""
    try:
        return load()
    except UserError as error:
        raise HTTPException(status, str(error)) from None
