"""Who may read: the headers of every answer, the methods, the token."""

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from urllib.parse import parse_qs, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HEADERS", "Guard", "SecurityHeaders", "Token", "clean_address", "local_path"]

HEADERS = {
    # ECharts writes style attributes into its tooltip: hence inline styles; scripts stay strict
    "Content-Security-Policy": "default-src 'self'; script-src 'self'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
OPEN = ("/healthz", "/login", "/static/")  # hold nothing of a study
COOKIE = "foveate"
PENALTY = 0.3  # seconds that a wrong token waits for its answer
LONGEST_FORM = 4096  # bytes

Refusal = Callable[[Request, int, str], Response]


class SecurityHeaders:
    """Puts ``HEADERS`` on every answer; what says nothing on caching is not to be stored."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, with the headers."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, sent)


class Token:
    """The secret that a reader has to know, and the cookie that stands for it."""

    def __init__(self, secret: str) -> None:
        self.secret = secret.encode()
        self.cookie = hmac.new(self.secret, b"foveate dashboard", hashlib.sha256).hexdigest()

    def is_said(self, said: bytes) -> bool:
        """Whether ``said`` is the token."""
        return hmac.compare_digest(said, self.secret)

    def is_known(self, request: Request) -> bool:
        """Whether ``request`` carries the cookie."""
        carried = request.cookies.get(COOKIE, "")
        return hmac.compare_digest(carried.encode("utf-8", "replace"), self.cookie.encode())

    def let_in(self, request: Request, to: str) -> Response:
        """On to the page ``to``, with the cookie."""
        response = RedirectResponse(to, status_code=303)
        secure = request.url.scheme == "https"
        response.set_cookie(
            COOKIE, self.cookie, path="/", httponly=True, samesite="strict", secure=secure
        )
        return response

    async def login(self, request: Request) -> tuple[bool, str]:
        """What a filled login form says: whether it holds the token, and where to go."""
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > LONGEST_FORM:
                return False, "/"
        form = parse_qs(body.decode("utf-8", "replace"), errors="replace")
        known = self.is_said(form.get("token", [""])[0].encode())
        if not known:
            await asyncio.sleep(PENALTY)
        return known, local_path(form.get("to", ["/"])[0])


class Guard:
    """Lets through what only reads, from whoever knows the token; without one, from everybody."""

    def __init__(self, app: ASGIApp, token: Token | None, refusal: Refusal) -> None:
        self.app, self.token, self.refusal = app, token, refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse to."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        answer = await self.objection(request) or self.app
        await answer(scope, receive, send)

    async def objection(self, request: Request) -> Response | None:
        """The answer to a request that may not pass."""
        path = request.url.path
        logs_in = request.method == "POST" and path == "/login"
        if request.method not in ("GET", "HEAD") and not logs_in:
            refused = self.refusal(
                request, 405, f"{request.method} is not allowed: pages only read"
            )
            refused.headers["Allow"] = "GET, HEAD"
            return refused
        if self.token is None or path.startswith(OPEN):
            return None
        in_address = request.query_params.get("token")
        said = _bearer(request.headers)
        if said is None and in_address is not None:
            said = in_address.encode("utf-8", "replace")
        if said is not None and not self.token.is_said(said):
            await asyncio.sleep(PENALTY)
            return self._unknown(request, "that is not the token")
        if said is not None and in_address is not None:
            return self.token.let_in(request, clean_address(request))
        if said is not None or self.token.is_known(request):
            return None
        return self._unknown(request, "this dashboard asks for a token")

    def _unknown(self, request: Request, why: str) -> Response:
        refused = self.refusal(request, 401, why)
        refused.headers["WWW-Authenticate"] = 'Bearer realm="foveate"'
        return refused


def clean_address(request: Request) -> str:
    """The address of ``request`` without the token."""
    rest = [(key, value) for key, value in request.query_params.multi_items() if key != "token"]
    path = local_path(request.scope.get("root_path", "") + request.url.path)
    return f"{path}?{urlencode(rest)}" if rest else path


def local_path(path: str) -> str:
    """``path`` if it stays on this server, else the list of studies."""
    stays = path.startswith("/") and not path.startswith("//") and path.isprintable()
    return path if stays and "\\" not in path else "/"


def _bearer(headers: Headers) -> bytes | None:
    scheme, _, said = headers.get("authorization", "").partition(" ")
    # Starlette reads headers as latin-1; this is what was sent
    return said.strip().encode("latin-1") if scheme.lower() == "bearer" else None
