"""Who may read, and from where something may be asked for: every request passes here first."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .objections import Objection
from .tokens import Token

__all__ = [
    "HEADERS",
    "BehindProxy",
    "Guard",
    "SecurityHeaders",
    "clean_address",
    "form_of",
    "json_of",
    "local_path",
]

POLICY = "Content-Security-Policy"
HEADERS = {
    # ECharts writes style attributes into its tooltip: hence inline styles; scripts stay strict
    "Content-Security-Policy": "default-src 'self'; script-src 'self'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
OPEN = ("/healthz", "/login", "/logout", "/static/")  # hold nothing of a study
FORMS = ("/login", "/logout")  # all else that is posted is JSON
LONGEST_FORM = 4096  # bytes
LONGEST_JSON = 256 * 1024
PORTS = {"http": 80, "https": 443}

Refusal = Callable[[Request, Objection], Response]
Methods = Callable[[Scope], Sequence[str]]  # that an address answers to


class SecurityHeaders:
    """Puts ``HEADERS`` on every answer, but a policy of its own stays: that of a file is stricter.

    What says nothing on caching is not to be stored.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, with the headers."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                stricter = headers.get(POLICY, HEADERS[POLICY])
                headers.update(HEADERS | {POLICY: stricter})
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, sent)


class BehindProxy:
    """Believes the nearest proxy what it says of the client: its address, and whether it has TLS.

    Only the last value of each header counts: those before it may be the client's own.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer to the client instead of the proxy."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            scheme, client = (
                ",".join(headers.getlist(f"x-forwarded-{name}")).rpartition(",")[2].strip()
                for name in ("proto", "for")
            )
            if scheme in PORTS:
                scope = dict(scope) | {"scheme": scheme}
            if client:
                scope = dict(scope) | {"client": (client, 0)}
        await self.app(scope, receive, send)


class Guard:
    """Lets through what this dashboard is asked for by its own pages, from who knows the token.

    Without a token everybody may read. ``hosts`` are the names that this server has, ``*.x`` all
    that end in ``.x``: a page of another server, which had its own name lead here, says that name.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: Token | None,
        hosts: Sequence[str],
        methods: Methods,
        refusal: Refusal,
    ) -> None:
        self.app, self.token, self.methods, self.refusal = app, token, methods, refusal
        self.hosts = [host.lower() for host in hosts]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse to."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        answer = await self.answer(request) or self.app
        await answer(scope, receive, send)

    async def answer(self, request: Request) -> Response | None:
        """The answer to a request that does not get to the application."""
        objection = self.misnamed(request) or self.misused(request) or self.foreign(request)
        if objection is None and not (self.token is None or request.url.path.startswith(OPEN)):
            said, in_address = _said(request)
            if said is not None:
                objection = await self.token.objection(said, request)
                if objection is None and in_address:
                    return self.token.let_in(request, clean_address(request))
            elif not self.token.is_known(request):
                objection = Objection(401, "this dashboard asks for a token")
        if objection is None:
            return None
        refused = self.refusal(request, objection)
        refused.headers.update(objection.headers)
        if objection.status == 401:
            refused.headers["WWW-Authenticate"] = 'Bearer realm="foveate"'
        return refused

    def misnamed(self, request: Request) -> Objection | None:
        """Whether the request names another server."""
        said = request.headers.getlist("host")
        named = _NAME.fullmatch(said[0].lower()) if len(said) == 1 else None
        if named is None:
            return Objection(400, "a request must name the server with one Host header")
        name = named["name"]
        for host in self.hosts:
            if host in ("*", name) or (host.startswith("*.") and name.endswith(host[1:])):
                return None
        return Objection(
            400,
            f"this server is not called {name[:100]!r}; whoever started it can name it so with "
            "--allowed-host",
        )

    def misused(self, request: Request) -> Objection | None:
        """Whether the address does not answer to the method."""
        taken = self.methods(request.scope)
        if request.method in taken:
            return None
        message = f"{request.method[:20]} is not allowed here: {' and '.join(taken)} are"
        return Objection(405, message, {"Allow": ", ".join(taken)})

    def foreign(self, request: Request) -> Objection | None:
        """Whether a request may come from a page of another server.

        A browser says where it comes from. What does not, and is no browser, has the token.
        """
        if request.method in ("GET", "HEAD"):
            far = request.headers.get("sec-fetch-site") in ("cross-site", "same-site")
            if far and request.headers.get("sec-fetch-dest", "document") != "document":
                return Objection(403, "a page of another site may lead here, but not read")
            return None
        site, origin = (request.headers.get(name) for name in ("sec-fetch-site", "origin"))
        own = f"{request.url.scheme}://{request.headers['host']}"
        if origin not in (None, "null") and _origin(origin) != _origin(own):
            return Objection(403, f"a page of {origin[:100]!r} may not ask {own} for this")
        if site is not None and site not in ("same-origin", "none"):
            return Objection(403, f"a page of another site ({site[:20]}) may not ask for this")
        if site is None and origin == "null":
            return Objection(403, "a page without an origin may not ask for this")
        if site is None and origin is None and not request.headers.get("authorization"):
            return Objection(403, f"say where this comes from, with the header Origin: {own}")
        wanted = "application/x-www-form-urlencoded"
        if request.url.path not in FORMS:
            wanted = "application/json"
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != wanted and not (request.url.path == "/logout" and not kind):
            return Objection(415, f"the content type must be {wanted}, got {kind[:100]!r}")
        return None


_NAME = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^\s:/?#@\[\]\\]+)(:[0-9]{1,5})?")


def _origin(url: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port; ``None`` of what is no origin."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme)
    except ValueError:
        return None
    if not parts.hostname or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname, port


def _said(request: Request) -> tuple[bytes | None, bool]:
    """The token that the request says outright, and whether its address says it."""
    scheme, _, said = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return said.strip().encode("latin-1"), False  # Starlette reads headers so
    in_address = request.query_params.get("token")
    if in_address is None or request.method not in ("GET", "HEAD"):
        return None, False
    return in_address.encode("utf-8", "replace"), True


# ------------------------------------------------------------------------------------- what is sent


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form, as far as it is not too long."""
    body = await _body(request, LONGEST_FORM)
    fields = parse_qs(body.decode("utf-8", "replace"), errors="replace")
    return {name: values[0] for name, values in fields.items()}


async def json_of(request: Request) -> dict[str, Any]:
    """The JSON object that is sent; 400 for anything else, 413 if it is too long."""
    body = await _body(request, LONGEST_JSON)
    try:
        found = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise HTTPException(400, "the body must be JSON") from None
    if not isinstance(found, dict):
        raise HTTPException(400, f"the body must be a JSON object, got a {type(found).__name__}")
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


async def _body(request: Request, most: int) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise HTTPException(413, f"the body may have at most {most:,} bytes")
    return body


def clean_address(request: Request) -> str:
    """The address of ``request`` without the token."""
    rest = [(key, value) for key, value in request.query_params.multi_items() if key != "token"]
    path = local_path(request.scope.get("root_path", "") + request.url.path)
    return f"{path}?{urlencode(rest)}" if rest else path


def local_path(path: str) -> str:
    """``path`` if it stays on this server, else the list of studies."""
    stays = path.startswith("/") and not path.startswith("//") and path.isprintable()
    return path if stays and "\\" not in path else "/"
