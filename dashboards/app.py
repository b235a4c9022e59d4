"""The web application: routes over a study's tables, opened for reading only."""

import errno
import logging
import re
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import version
from ipaddress import ip_address
from typing import Any, TypeVar

import uvicorn
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from ..errors import BadValue, UnknownName
from ..search.databases import open_database
from ..search.records import Study
from ..search.store import front_trials, studies, study_numbered
from .assets import Page, render, shipped, templates
from .axes import Axis, axis_called, fitting_axis
from .guard import HEADERS, Guard, SecurityHeaders, Token, clean_address
from .openapi import description
from .pages import Drawer, ErrorPage, FrontPage, LoginPage, StudiesPage, StudyCard
from .points import changes, points

__all__ = ["create_app", "serve"]

LOG = logging.getLogger(__name__)
T = TypeVar("T")
LOCAL = ("localhost", "127.0.0.1", "[::1]")
FOREVER = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
CODES = {  # of errors, by their status
    400: "bad_value",
    401: "no_token",
    404: "not_found",
    405: "not_allowed",
    503: "no_database",
}


def create_app(
    storage: str, *, token: str | None = None, allowed_hosts: Sequence[str] = ()
) -> Starlette:
    """The dashboard of the database at ``storage``.

    With ``token``, every reader has to know it. Requests must name this machine as localhost or as
    one of ``allowed_hosts``.

    Raises
        UserError  if there is no such database, or it holds no study's tables
    """
    if token is not None and not token.strip():
        raise BadValue("token must not be empty")
    secret = None if token is None else Token(token)
    site = Site(open_database(storage, read_only=True, of="dashboard"), secret)
    hosts = [*LOCAL, *allowed_hosts]
    return Starlette(
        routes=site.routes(),
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False),
            Middleware(GZipMiddleware, minimum_size=1000, compresslevel=5),
            Middleware(Guard, token=secret, refusal=site.refusal),
        ],
        exception_handlers={
            HTTPException: site.refused,
            OperationalError: site.database_gone,
            Exception: site.our_fault,
        },
    )


class Site:
    """The views: each finds what the address names, loads a page, renders it."""

    def __init__(self, engine: Engine, token: Token | None) -> None:
        self.engine, self.token = engine, token
        self.version = version("foveate")
        self.assets = shipped()
        self.env = templates(self.assets)

    def routes(self) -> list[Route]:
        """All addresses."""
        return [
            Route("/", self.studies),
            Route("/s/{id}", self.front),
            Route("/s/{id}/_panels", self.panels),
            Route("/s/{id}/_drawer/{number}", self.drawer),
            Route("/api/v1/openapi.json", self.api_description),
            Route("/api/v1/studies", self.api_studies),
            Route("/api/v1/studies/{id}/points", self.api_points),
            Route("/api/v1/studies/{id}/changes", self.api_changes),
            Route("/healthz", self.health),
            Route("/login", self.login, methods=["GET", "POST"]),
            Route("/static/{hash}/{name}", self.static),
        ]

    # ------------------------------------------------------------------------------------ pages

    def studies(self, request: Request) -> Response:
        """The list of studies."""
        with Session(self.engine) as session:
            return self.html(StudiesPage.load(session))

    def front(self, request: Request) -> Response:
        """The Front page of a study."""
        return self.html(self._front_page(request))

    def panels(self, request: Request) -> Response:
        """The parts of the Front page that change, for its script to put in place."""
        return self.html(self._front_page(request), template="_panels.html")

    def _front_page(self, request: Request) -> FrontPage:
        asked = request.query_params
        with Session(self.engine) as session:
            study = find(session, request)
            cost, chosen = asked.get("cost"), asked.get("t")
            return asking(
                lambda: FrontPage.load(
                    session,
                    study,
                    cost=cost,
                    chosen=None if chosen is None else whole(chosen, "t", 400),
                )
            )

    def drawer(self, request: Request) -> Response:
        """One trial, to put beside the chart."""
        number = whole(request.path_params["number"], "a trial", 404)
        with Session(self.engine) as session:
            study = find(session, request)
            return self.html(asking(lambda: Drawer.load(session, study, number), status=404))

    def html(self, page: Page, *, status: int = 200, template: str | None = None) -> HTMLResponse:
        """``page`` as an answer."""
        return HTMLResponse(render(self.env, page, template), status_code=status)

    # -------------------------------------------------------------------------------------- JSON

    def api_description(self, request: Request) -> Response:
        """The API in OpenAPI's words."""
        return JSONResponse(description(self.version))

    def api_studies(self, request: Request) -> Response:
        """All studies in a line each."""
        with Session(self.engine) as session:
            cards = [StudyCard.load(session, study) for study in studies(session)]
        return JSONResponse({"studies": [card_json(card) for card in cards]})

    def api_points(self, request: Request) -> Response:
        """Everything that the charts draw; 304 where the reader has it already."""
        with Session(self.engine) as session:
            study = find(session, request)
            axis = axis_of(request, session, study)
            tag = f'"{study.seq}-{axis.id}-{self.version}"'
            headers = {"ETag": tag, "Cache-Control": "no-cache"}
            if tag in request.headers.get("if-none-match", ""):
                return Response(status_code=304, headers=headers)
            return JSONResponse(points(session, study, axis), headers=headers)

    def api_changes(self, request: Request) -> Response:
        """What changed since the cursor ``since``; 204 if nothing did."""
        since = whole(request.query_params.get("since", ""), "since", 400)
        with Session(self.engine) as session:
            study = find(session, request)
            changed = changes(session, study, axis_of(request, session, study), since)
        return Response(status_code=204) if changed is None else JSONResponse(changed)

    def health(self, request: Request) -> Response:
        """Whether the database answers."""
        with Session(self.engine) as session:
            studies(session)
        return JSONResponse({"ok": True, "version": self.version, "db": "ok"})

    # ------------------------------------------------------------------------- files and the token

    def static(self, request: Request) -> Response:
        """A static file; its address changes with it, so it may be kept for ever."""
        asset = self.assets.files.get(request.path_params["name"])
        if asset is None or request.path_params["hash"] != self.assets.hash:
            raise HTTPException(404, "there is no such file")
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(asset.body, media_type=asset.type, headers=FOREVER)
        headers = FOREVER | {"Content-Encoding": "gzip"}
        return Response(asset.zipped, media_type=asset.type, headers=headers)

    async def login(self, request: Request) -> Response:
        """The form that asks for the token, and what becomes of it."""
        if self.token is None:
            return RedirectResponse("/", status_code=303)
        if request.method != "POST":
            return self.html(LoginPage(to="/", mistake=None))
        known, to = await self.token.login(request)
        if known:
            return self.token.let_in(request, to)
        return self.html(LoginPage(to=to, mistake="That is not the token."), status=401)

    # ------------------------------------------------------------------------------------ refusals

    def refusal(self, request: Request, status: int, message: str) -> Response:
        """One sentence, as JSON or as a page; who lacks the token is asked for it."""
        if request.url.path.startswith("/api/"):
            error = {"code": CODES.get(status, "error"), "message": message}
            return JSONResponse({"error": error}, status_code=status)
        if status == 401:
            to = clean_address(request)
            said = "token" in request.query_params
            mistake = "That is not the token." if said else None
            return self.html(LoginPage(to=to, mistake=mistake), status=status)
        return self.html(ErrorPage(status=status, message=message), status=status)

    async def refused(self, request: Request, error: Exception) -> Response:
        """An address that names nothing."""
        assert isinstance(error, HTTPException)
        message = error.detail
        if error.status_code == 404 and message == "Not Found":
            message = f"there is no page {request.url.path!r}"
        return self.refusal(request, error.status_code, message)

    async def database_gone(self, request: Request, error: Exception) -> Response:
        """The database went away, is locked for too long, or changed; the log says which."""
        LOG.warning("the database does not answer: %s", error)
        if request.url.path == "/healthz":
            return JSONResponse({"ok": False, "version": self.version, "db": "gone"}, 503)
        return self.refusal(request, 503, "the database does not answer")

    async def our_fault(self, request: Request, error: Exception) -> Response:
        """A fault of ours; the server's log has the traceback."""
        response = self.refusal(request, 500, "this is a fault of ours; the log says more")
        response.headers.update(HEADERS)  # Starlette answers this outside of the middleware
        return response


# -------------------------------------------------------------------------------- of an address


def find(session: Session, request: Request) -> Study:
    """The study that the address names, or 404."""
    id = whole(request.path_params["id"], "a study", 404)
    study = study_numbered(session, id)
    if study is None:
        raise HTTPException(404, f"there is no study {id} in this database")
    return study


def axis_of(request: Request, session: Session, study: Study) -> Axis:
    """The cost axis that is asked for, or the fitting one."""
    cost = request.query_params.get("cost")
    if cost is None:
        return fitting_axis(front_trials(session, study))
    return asking(lambda: axis_called(cost))


def whole(text: str, what: str, status: int) -> int:
    """A whole number of an address; of any other text, the status."""
    if not re.fullmatch("[0-9]{1,9}", text):
        raise HTTPException(status, f"{what} must be a whole number, got {text[:40]!r}")
    return int(text)


def asking(load: Callable[[], T], *, status: int = 400) -> T:
    """What ``load`` gives; a name that it does not know is the reader's mistake."""
    try:
        return load()
    except UnknownName as error:
        raise HTTPException(status, str(error)) from None


def card_json(card: StudyCard) -> dict[str, Any]:
    """A study in a line, as JSON."""
    return {
        "id": card.id,
        "name": card.name,
        "dataset": card.dataset,
        "backbone": card.backbone,
        "counts": card.counts,
        "best": card.best,
        "front": card.front,
        "hypervolume": card.hypervolume,
        "baseline": {"gflops": card.bare_gflops},
        "alive": card.alive,
        "started": f"{card.created.isoformat()}Z",
        "last": f"{card.last.isoformat()}Z",
        "cursor": card.cursor,
    }


# ------------------------------------------------------------------------------------- the server


def serve(
    storage: str,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    token: str | None = None,
    allowed_hosts: Sequence[str] = (),
) -> None:
    """Serve the dashboard until interrupted; prints the address to open.

    Raises
        UserError  if there is no such database, the port is taken, or other machines could read
                   without a token
    """
    if token is None and not loopback(host):
        raise BadValue(
            f"on {host!r} other machines can read the dashboard: "
            "choose a token with --token, or leave out --host"
        )
    app = create_app(storage, token=token, allowed_hosts=[*names_of(host), *allowed_hosts])
    with listening(host, port) as listener:
        shown = names_of(host)[0]
        print(f"http://{shown}:{listener.getsockname()[1]}/", flush=True)
        config = uvicorn.Config(
            app,
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=3,  # browsers keep their connections open
        )
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def loopback(host: str) -> bool:
    """Whether only this machine reaches ``host``."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def names_of(host: str) -> list[str]:
    """What a browser may call the server that listens on ``host``, the best name first."""
    try:
        address = ip_address(host)
    except ValueError:
        return [host]
    if not address.is_unspecified:
        return [f"[{host}]" if address.version == 6 else host]
    own = socket.gethostname()
    found = {own: None, socket.getfqdn(): None}
    with suppress(OSError):
        for entry in socket.getaddrinfo(own, None):
            known = ip_address(str(entry[4][0]).partition("%")[0])
            found[f"[{known}]" if known.version == 6 else str(known)] = None
    return list(found)


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens on ``host`` and ``port``; a ``UserError`` says why there is none."""
    if not 0 <= port <= 65535:
        raise BadValue(f"port must be 0 to 65535, got {port}")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise BadValue(f"there is no address {host!r} to listen on") from None
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise BadValue(f"port {port} is taken; choose another with --port") from None
        raise BadValue(f"cannot listen on {host!r}, port {port}: {error.strerror}") from None
    return listener
