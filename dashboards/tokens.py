"""The secret that a reader has to know: where it comes from, its cookie, and who guesses at it."""

import asyncio
import hashlib
import hmac
import os
import secrets
from collections import deque
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from pathlib import Path
from tempfile import NamedTemporaryFile
from time import monotonic

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ..errors import BadValue
from .objections import Objection

__all__ = ["COOKIE", "Guesses", "Token", "generated", "read_token", "state_folder"]

COOKIE = "foveate"
PENALTY = 0.3  # seconds that a wrong token waits for its answer
WINDOW = 300.0  # seconds for which a wrong token counts
MOST_OF_ONE = 10  # wrong tokens in that time: of a client
MOST_OF_ALL = 100  # and of all clients together


class Token:
    """The secret, and the cookie that stands for it; another secret has another cookie."""

    def __init__(self, secret: str, *, clock: Callable[[], float] = monotonic) -> None:
        if not secret.strip():
            raise BadValue("the token must not be empty")
        self.secret = secret.encode()
        self.cookie = hmac.new(self.secret, b"foveate dashboard", hashlib.sha256).hexdigest()
        self.guesses = Guesses(clock)

    async def objection(self, said: bytes, request: Request) -> Objection | None:
        """What is wrong with ``said``: it is not the token, or too many others were not."""
        client = request.client.host if request.client else ""
        if wait := self.guesses.wait(client):
            message = f"too many wrong tokens; try again in {wait} s"
            return Objection(429, message, {"Retry-After": str(wait)})
        if hmac.compare_digest(said, self.secret):
            return None
        self.guesses.add(client)
        await asyncio.sleep(PENALTY)
        return Objection(401, "that is not the token")

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

    def let_out(self, request: Request) -> Response:
        """On to the form that asks for the token, without the cookie."""
        response = RedirectResponse("/login", status_code=303)
        secure = request.url.scheme == "https"
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict", secure=secure)
        return response


class Guesses:
    """The wrong tokens of late, at most ``MOST_OF_ALL`` of them."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.clock = clock
        self._wrong: deque[tuple[float, str]] = deque()

    def add(self, client: str) -> None:
        """Remember one of ``client``."""
        self._wrong.append((self.clock(), neighbourhood(client)))

    def wait(self, client: str) -> int:
        """Seconds until ``client`` may try again; 0: now."""
        now, home = self.clock(), neighbourhood(client)
        while self._wrong and self._wrong[0][0] <= now - WINDOW:
            self._wrong.popleft()
        every = [at for at, _ in self._wrong]
        mine = [at for at, where in self._wrong if where == home]
        full = [mine[-MOST_OF_ONE]] if len(mine) >= MOST_OF_ONE else []
        full += [every[-MOST_OF_ALL]] if len(every) >= MOST_OF_ALL else []
        return ceil(max(full) + WINDOW - now) if full else 0


def neighbourhood(client: str) -> str:
    """Whom a client's address stands for: who has one IPv6 address has its whole /64."""
    try:
        address = ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped or ip_network((address, 64), strict=False))
    return str(address)


# ------------------------------------------------------------------------------ where it comes from


def state_folder() -> Path:
    """Where what outlives a dashboard is kept: ``XDG_STATE_HOME``, or else ``~/.local/state``."""
    base = os.environ.get("XDG_STATE_HOME", "")
    home = Path(base) if os.path.isabs(base) else Path.home() / ".local" / "state"
    return home / "foveate"


def generated() -> tuple[str, Path]:
    """A new token, and the file in ``state_folder`` that only its owner can read it from.

    Raises
        BadValue  if that file cannot be written
    """
    token, path = secrets.token_urlsafe(32), state_folder() / "token"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with NamedTemporaryFile("w", dir=path.parent, delete=False) as file:  # made with mode 0600
            file.write(f"{token}\n")
        os.replace(file.name, path)
    except OSError as error:
        raise BadValue(f"cannot write the token to {str(path)!r}: {error.strerror}") from None
    return token, path


def read_token(path: Path) -> str:
    """The token in a file, without the line's end.

    Raises
        BadValue  if the file cannot be read, or holds none
    """
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise BadValue(f"cannot read the token file {str(path)!r}: {why}") from None
    if not token:
        raise BadValue(f"the token file {str(path)!r} is empty")
    return token
