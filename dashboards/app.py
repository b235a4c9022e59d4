"""The web application: routes over a study's tables, opened for reading only."""

import errno
import logging
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from typing import TypeVar
from urllib.parse import urlencode

import uvicorn
from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Match, Route
from starlette.types import Scope

from ..errors import BadValue, UnknownName
from ..search import store
from ..search.databases import open_database
from . import (
    artifacts,
    compare,
    exporting,
    front,
    launching,
    placing,
    stops,
    studies,
    trial,
    trials,
    workers,
)
from .drivers import Drivers
from .guard import (
    HEADERS,
    BehindProxy,
    Guard,
    SecurityHeaders,
    clean_address,
    form_of,
    local_path,
)
from .objections import Objection
from .openapi import description
from .pages import ErrorPage, LoginPage
from .processes import settled
from .site import Site
from .tokens import Token, state_folder

__all__ = ["create_app", "serve"]

LOG = logging.getLogger(__name__)
T = TypeVar("T")
PAGES = (  # each has its views
    studies,
    front,
    trials,
    trial,
    compare,
    placing,
    workers,
    stops,
    artifacts,
    exporting,
    launching,
)
TOKENS = "a token with --token, --token-file, FOVEATE_TOKEN or --generate-token"
PAUSE = 0.4  # seconds
LOCAL = ("localhost", "127.0.0.1", "[::1]")
FOREVER = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
CODES = {  # of errors, by their status
    400: "bad_value",
    401: "no_token",
    403: "forbidden",
    404: "not_found",
    405: "not_allowed",
    413: "too_long",
    415: "wrong_type",
    429: "too_many",
    503: "no_database",
}


def create_app(
    storage: str,
    *,
    token: str | None = None,
    allowed_hosts: Sequence[str] = (),
    behind_proxy: bool = False,
    exports: Path | None = None,
    allow_launch: bool = False,
    pause: float = 0.0,
) -> Starlette:
    """The dashboard of the database at ``storage``.

    With ``token``, every reader has to know it. Requests must name this machine as localhost or as
    one of ``allowed_hosts``. ``behind_proxy`` believes what a proxy says of who asks. ``exports``
    is the folder in which exported trials are kept for a while; by default a temporary one. With
    ``allow_launch``, who may read may also start searches, and so run code on this machine. What
    was read of a study serves all who ask within ``pause`` seconds.

    Raises
        UserError  if there is no such database, or it holds no study's tables
    """
    secret = None if token is None else Token(token)
    others = [name for name in allowed_hosts if not loopback(name.strip("[]"))]
    if secret is None and (behind_proxy or others):
        what = "behind a proxy" if behind_proxy else "under another name"
        raise BadValue(f"{what} others can read the dashboard: choose {TOKENS}")
    if secret is None and allow_launch:
        raise BadValue(f"who launches searches runs code on this machine: choose {TOKENS}")
    where = settled(storage)
    try:
        engine = open_database(storage, read_only=True, of="dashboard")
    except UnknownName:
        if not allow_launch:
            raise
        open_database(storage, create=True).dispose()  # for the first search
        engine = open_database(storage, read_only=True, of="dashboard")
    drivers = Drivers(where, state_folder() / "launched") if allow_launch else None
    site = Site(engine, secret, storage=where, exports=exports, launching=drivers, pause=pause)
    common = Common(site)
    routes = [*common.routes(), *(route for page in PAGES for route in page.routes(site))]
    proxied = [Middleware(BehindProxy)] if behind_proxy else []
    app = Starlette(
        routes=routes,
        middleware=[
            *proxied,
            Middleware(SecurityHeaders),
            Middleware(GZipMiddleware, minimum_size=1000, compresslevel=5),
            Middleware(
                Guard,
                token=secret,
                hosts=[*LOCAL, *allowed_hosts],
                methods=lambda scope: methods_at(scope, routes),
                refusal=common.refusal,
            ),
        ],
        exception_handlers={
            HTTPException: common.refused,
            OperationalError: common.database_gone,
            Exception: common.our_fault,
        },
        lifespan=common.life,
    )
    app.state.site = site
    return app


def methods_at(scope: Scope, routes: Sequence[Route]) -> list[str]:
    """What the address of a request answers to; of one that names nothing, what pages do."""
    at = [route for route in routes if route.matches(scope)[0] is not Match.NONE]
    return sorted({method for route in at for method in route.methods or ()}) or ["GET", "HEAD"]


class Common:
    """What belongs to no page: health, static files, the token, refusals."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def routes(self) -> list[Route]:
        """Their addresses."""
        return [
            Route("/healthz", self.health),
            Route("/api/v1/openapi.json", self.api_description),
            Route("/login", self.login),
            Route("/login", self.log_in, methods=["POST"]),
            Route("/logout", self.log_out, methods=["POST"]),
            Route("/static/{hash}/{name}", self.static),
        ]

    @asynccontextmanager
    async def life(self, app: Starlette) -> AsyncIterator[None]:
        """While the server runs; then what it started ends."""
        yield
        await run_in_threadpool(self.site.jobs.close)

    def api_description(self, request: Request) -> Response:
        """The API in OpenAPI's words."""
        return JSONResponse(description(self.site.version))

    def health(self, request: Request) -> Response:
        """Whether the database answers."""
        with self.site.session() as session:
            store.study_names(session)
        return JSONResponse({"ok": True, "version": self.site.version, "db": "ok"})

    def static(self, request: Request) -> Response:
        """A static file; its address changes with it, so it may be kept for ever."""
        asset = self.site.assets.files.get(request.path_params["name"])
        if asset is None or request.path_params["hash"] != self.site.assets.hash:
            raise HTTPException(404, "there is no such file")
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(asset.body, media_type=asset.type, headers=FOREVER)
        headers = FOREVER | {"Content-Encoding": "gzip"}
        return Response(asset.zipped, media_type=asset.type, headers=headers)

    def login(self, request: Request) -> Response:
        """The form that asks for the token; to who has shown it, a way out."""
        if self.site.token is None:
            return RedirectResponse("/", status_code=303)
        known = self.site.token.is_known(request)
        return self.site.html(LoginPage(to="/", mistake=None, known=known))

    async def log_in(self, request: Request) -> Response:
        """What becomes of the filled form."""
        if self.site.token is None:
            return RedirectResponse("/", status_code=303)
        form = await form_of(request)
        to, said = local_path(form.get("to", "/")), form.get("token", "").encode()
        if objection := await self.site.token.objection(said, request):
            return self.refusal(request, objection, to=to)
        return self.site.token.let_in(request, to)

    def log_out(self, request: Request) -> Response:
        """The cookie is taken back."""
        if self.site.token is None:
            return RedirectResponse("/", status_code=303)
        return self.site.token.let_out(request)

    def refusal(self, request: Request, objection: Objection, to: str | None = None) -> Response:
        """One sentence, as JSON or as a page; who lacks the token is asked for it."""
        status, message, headers = objection
        if request.url.path.startswith("/api/"):
            error = {"code": CODES.get(status, "error"), "message": message}
            return JSONResponse({"error": error}, status, dict(headers))
        if status in (401, 429) and self.site.token is not None:
            said = status == 429 or to is not None or "token" in request.query_params
            mistake = f"{message[0].upper()}{message[1:]}." if said else None
            page = LoginPage(to=to or clean_address(request), mistake=mistake, known=False)
            refused = self.site.html(page, status=status)
        else:
            refused = self.site.html(ErrorPage(status=status, message=message), status=status)
        refused.headers.update(headers)
        return refused

    async def refused(self, request: Request, error: Exception) -> Response:
        """An address that names nothing."""
        assert isinstance(error, HTTPException)
        message = error.detail
        if error.status_code == 404 and message == "Not Found":
            message = f"there is no page {request.url.path!r}"
        return self.refusal(request, Objection(error.status_code, message, error.headers or {}))

    async def database_gone(self, request: Request, error: Exception) -> Response:
        """The database went away, is locked for too long, or changed; the log says which."""
        LOG.warning("the database does not answer: %s", error)
        if request.url.path == "/healthz":
            return JSONResponse({"ok": False, "version": self.site.version, "db": "gone"}, 503)
        return self.refusal(request, Objection(503, "the database does not answer"))

    async def our_fault(self, request: Request, error: Exception) -> Response:
        """A fault of ours; the server's log has the traceback."""
        objection = Objection(500, "this is a fault of ours; the log says more")
        response = self.refusal(request, objection)
        response.headers.update(HEADERS)  # Starlette answers this outside of the middleware
        return response


# ------------------------------------------------------------------------------------- the server


def serve(
    storage: str,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    token: str | None = None,
    show_token: bool = False,
    allowed_hosts: Sequence[str] = (),
    behind_proxy: bool = False,
    exports: Path | None = None,
    allow_launch: bool = False,
) -> None:
    """Serve the dashboard until interrupted; prints the address to open.

    With ``show_token`` that address holds the token, once. The rest is as in ``create_app``.

    Raises
        UserError  if there is no such database, the port is taken, or other machines could read
                   without a token
    """
    if token is None and not loopback(host):
        raise BadValue(
            f"on {host!r} other machines can read the dashboard: choose {TOKENS}, or leave out "
            "--host"
        )
    hosts = [*names_of(host), *allowed_hosts]
    app = create_app(
        storage,
        token=token,
        allowed_hosts=hosts,
        behind_proxy=behind_proxy,
        exports=exports,
        allow_launch=allow_launch,
        pause=PAUSE,
    )
    with listening(host, port) as listener:
        said = f"?{urlencode({'token': token})}" if show_token and token else ""
        print(f"http://{names_of(host)[0]}:{listener.getsockname()[1]}/{said}", flush=True)
        config = uvicorn.Config(
            app,
            access_log=False,
            log_level="warning",
            server_header=False,
            proxy_headers=False,  # uvicorn would believe anybody on this machine
            timeout_graceful_shutdown=3,  # browsers keep their connections open
        )
        Thread(target=app.state.site.warm_up, daemon=True).start()
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
