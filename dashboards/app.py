"""The web application: routes over a study's tables, opened for reading only."""

import errno
import logging
import socket
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import TypeVar

import uvicorn
from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from ..errors import BadValue
from ..search import store
from ..search.databases import open_database
from . import front, placing, studies, workers
from .guard import HEADERS, Guard, SecurityHeaders, Token, clean_address
from .pages import ErrorPage, LoginPage
from .site import Site

__all__ = ["create_app", "serve"]

LOG = logging.getLogger(__name__)
T = TypeVar("T")
PAGES = (studies, front, placing, workers)  # each has its views
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
    common = Common(site)
    hosts = [*LOCAL, *allowed_hosts]
    return Starlette(
        routes=[*common.routes(), *(route for page in PAGES for route in page.routes(site))],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False),
            Middleware(GZipMiddleware, minimum_size=1000, compresslevel=5),
            Middleware(Guard, token=secret, refusal=common.refusal),
        ],
        exception_handlers={
            HTTPException: common.refused,
            OperationalError: common.database_gone,
            Exception: common.our_fault,
        },
    )


class Common:
    """What belongs to no page: health, static files, the token, refusals."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def routes(self) -> list[Route]:
        """Their addresses."""
        return [
            Route("/healthz", self.health),
            Route("/login", self.login, methods=["GET", "POST"]),
            Route("/static/{hash}/{name}", self.static),
        ]

    def health(self, request: Request) -> Response:
        """Whether the database answers."""
        with self.site.session() as session:
            store.studies(session)
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

    async def login(self, request: Request) -> Response:
        """The form that asks for the token, and what becomes of it."""
        if self.site.token is None:
            return RedirectResponse("/", status_code=303)
        if request.method != "POST":
            return self.site.html(LoginPage(to="/", mistake=None))
        known, to = await self.site.token.login(request)
        if known:
            return self.site.token.let_in(request, to)
        return self.site.html(LoginPage(to=to, mistake="That is not the token."), status=401)

    def refusal(self, request: Request, status: int, message: str) -> Response:
        """One sentence, as JSON or as a page; who lacks the token is asked for it."""
        if request.url.path.startswith("/api/"):
            error = {"code": CODES.get(status, "error"), "message": message}
            return JSONResponse({"error": error}, status_code=status)
        if status == 401:
            to = clean_address(request)
            said = "token" in request.query_params
            mistake = "That is not the token." if said else None
            return self.site.html(LoginPage(to=to, mistake=mistake), status=status)
        return self.site.html(ErrorPage(status=status, message=message), status=status)

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
            return JSONResponse({"ok": False, "version": self.site.version, "db": "gone"}, 503)
        return self.refusal(request, 503, "the database does not answer")

    async def our_fault(self, request: Request, error: Exception) -> Response:
        """A fault of ours; the server's log has the traceback."""
        response = self.refusal(request, 500, "this is a fault of ours; the log says more")
        response.headers.update(HEADERS)  # Starlette answers this outside of the middleware
        return response


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
