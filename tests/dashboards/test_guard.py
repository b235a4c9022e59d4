"""Who may read, who may ask for something, and what everybody else is told."""

import json
import os
import re
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from typer.testing import CliRunner

from foveate.cli import app as command_line
from foveate.dashboards import tokens
from foveate.dashboards.app import methods_at
from foveate.dashboards.assets import shipped
from foveate.dashboards.guard import BehindProxy, Guard, json_of, local_path
from foveate.dashboards.objections import Objection
from foveate.dashboards.tokens import Guesses, Token, generated, neighbourhood, read_token
from foveate.errors import BadValue

from .conftest import HERE, browser

PAGES = ["/", "/s/1", "/s/1?cost=params&t=6", "/s/1/_panels", "/s/1/_drawer/4"]
JSON = ["/api/v1/studies", "/api/v1/studies/1/points", "/api/v1/studies/1/changes?since=0"]
ALL = [*PAGES, *JSON]
TOKEN = "correct horse ü"
BEARER = {"Authorization": f"Bearer {TOKEN}".encode()}
OURS = {"Origin": HERE}
TYPE = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def _no_penalty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "PENALTY", 0.0)


# ------------------------------------------------------------------------------------- hosts


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:8080", 200),
        ("127.0.0.1:1", 200),
        ("[::1]", 200),
        ("[::1]:8080", 200),
        ("LOCALHOST", 200),
        ("gpu.example", 200),
        ("a.b.cluster.example:80", 200),
        ("cluster.example", 400),
        ("evil", 400),
        ("evil.example", 400),
        ("evilcluster.example", 400),
        ("localhost.evil.com", 400),
        ("127.0.0.1.evil.example", 400),
        ("127.0.0.1.nip.io", 400),
        ("localhost@evil.example", 400),
        ("evil.example#localhost", 400),
        ("localhost:8080:8080", 400),
        ("localhost:http", 400),
        ("[::1]evil.example", 400),
        ("::1", 400),
        ("[::2]", 400),
        ("localhost evil.example", 400),
        ("localhost, evil.example", 400),
        ("", 400),
    ],
)
def test_only_known_names_of_this_machine_are_answered(
    storage: str, host: str, status: int
) -> None:
    known = browser(storage, allowed_hosts=["gpu.example", "*.cluster.example"], token=TOKEN)
    for path in ("/", "/api/v1/studies", "/healthz", "/static/0/app.css"):
        answer = known.get(path, headers=BEARER | {"Host": host})
        assert answer.status_code == (404 if status == 200 and "static" in path else status)
    said = known.get("/api/v1/studies", headers=BEARER | {"Host": host})
    assert status == 200 or said.json()["error"]["message"]


def test_a_request_names_one_server(client: TestClient) -> None:
    twice = [(b"Host", b"localhost"), (b"Host", b"evil.example")]
    assert client.get("/", headers=twice).status_code == 400


# ------------------------------------------------------------------------------------- token


@pytest.fixture
def locked(storage: str) -> TestClient:
    return browser(storage, token=TOKEN)


@pytest.mark.parametrize("path", ALL)
def test_without_the_token_nothing_of_a_study_is_told(locked: TestClient, path: str) -> None:
    for headers in [{}, {"Authorization": "Bearer wrong"}, {"Cookie": "foveate=wrong"}]:
        answer = locked.get(path, headers=headers)
        assert answer.status_code == 401
        assert "digits" not in answer.text
        assert answer.headers["www-authenticate"].startswith("Bearer")
    if path in JSON:
        assert answer.json()["error"]["code"] == "no_token"
    else:
        assert 'action="/login"' in answer.text


@pytest.mark.parametrize("path", ALL)
def test_the_token_opens_every_page(locked: TestClient, path: str) -> None:
    assert locked.get(path, headers=BEARER).status_code == 200


def test_what_holds_nothing_of_a_study_is_open(locked: TestClient) -> None:
    assert locked.get("/healthz").status_code == 200
    assert locked.get("/login").status_code == 200
    assert locked.get(shipped().address("app.css")).status_code == 200


def logged_in(client: TestClient, token: str = TOKEN, to: str = "/", **headers: str) -> Any:
    return client.post("/login", data={"token": token, "to": to}, headers=OURS | headers)


def test_the_form_gives_a_cookie_that_opens_the_page(locked: TestClient) -> None:
    wrong = logged_in(locked, "wrong", "/s/1")
    assert (wrong.status_code, "set-cookie" in wrong.headers) == (401, False)
    assert "That is not the token." in wrong.text and 'value="/s/1"' in wrong.text
    right = logged_in(locked, to="/s/1?cost=params")
    assert (right.status_code, right.headers["location"]) == (303, "/s/1?cost=params")
    cookie = right.headers["set-cookie"].lower()
    assert all(mark in cookie for mark in ("httponly", "samesite=strict", "path=/"))
    assert "horse" not in cookie and "secure" not in cookie
    assert locked.get("/s/1").status_code == 200
    assert locked.get("/api/v1/studies").status_code == 200


def test_logging_out_takes_the_cookie_back(locked: TestClient) -> None:
    logged_in(locked)
    assert '<a href="/login">Log out</a>' in locked.get("/").text
    assert 'action="/logout"' in locked.get("/login").text
    out = locked.post("/logout", headers=OURS)
    assert (out.status_code, out.headers["location"]) == (303, "/login")
    assert locked.get("/s/1").status_code == 401
    assert 'action="/login"' in locked.get("/login").text


def test_another_token_has_another_cookie(locked: TestClient, storage: str) -> None:
    logged_in(locked)
    other = browser(storage, token="another")
    other.cookies = locked.cookies
    assert other.get("/s/1").status_code == 401


def test_the_form_reads_no_endless_body(locked: TestClient) -> None:
    kind = OURS | {"Content-Type": "application/x-www-form-urlencoded"}
    endless = locked.post("/login", content=b"token=" + b"x" * 100_000, headers=kind)
    assert endless.status_code == 413
    assert locked.post("/login", content=b"\xff\xfe", headers=kind).status_code == 401


def test_a_token_in_the_address_is_taken_out_of_it(locked: TestClient) -> None:
    answer = locked.get("/s/1", params={"t": "4", "token": TOKEN, "cost": "extra"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/s/1?t=4&cost=extra")
    assert locked.get("/s/1").status_code == 200
    locked.cookies.clear()
    assert locked.get("/s/1?token=wrong").status_code == 401


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example", "x"])
def test_logging_in_leads_nowhere_else(locked: TestClient, to: str) -> None:
    assert logged_in(locked, to=to).headers["location"] == "/"
    if to.startswith("//"):
        locked.cookies.clear()
        url = f"{HERE}{to}/?token={TOKEN}"
        assert not locked.get(url).headers["location"].startswith("//")


@given(st.text(max_size=20))
def test_a_local_path_is_one(text: str) -> None:
    path = local_path(text)
    assert re.match(r"/([^/\\]|$)", path) and "\n" not in path


def test_an_empty_token_is_no_token(storage: str) -> None:
    with pytest.raises(BadValue, match="the token must not be empty"):
        browser(storage, token=" ")


# --------------------------------------------------------------------------------------- guessing


def test_who_guesses_too_often_waits(storage: str) -> None:
    locked = browser(storage, token=TOKEN)
    for number in range(tokens.MOST_OF_ONE):
        wrong = {"Authorization": f"Bearer {number}"}
        assert locked.get("/api/v1/studies", headers=wrong).status_code == 401
    ways = [
        locked.get("/api/v1/studies", headers=BEARER),
        locked.get(f"/s/1?token={TOKEN}"),
        logged_in(locked),
    ]
    for answer in ways:
        assert answer.status_code == 429 and "set-cookie" not in answer.headers
        assert 290 <= int(answer.headers["retry-after"]) <= 300
    assert ways[0].json()["error"]["code"] == "too_many"
    assert "Too many wrong tokens; try again in" in ways[1].text


def test_who_is_in_stays_in_while_others_guess(locked: TestClient) -> None:
    logged_in(locked)
    for _ in range(tokens.MOST_OF_ONE + 1):
        locked.get("/api/v1/studies", headers={"Authorization": "Bearer wrong"})
    assert locked.get("/api/v1/studies").status_code == 200


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_guesses_are_forgotten_after_a_while() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    for _ in range(tokens.MOST_OF_ONE):
        guesses.add("10.0.0.1")
        clock.now += 1
    assert guesses.wait("10.0.0.1") == tokens.WINDOW - tokens.MOST_OF_ONE
    assert guesses.wait("10.0.0.2") == 0
    clock.now += guesses.wait("10.0.0.1")
    assert guesses.wait("10.0.0.1") == 0


def test_many_clients_together_guess_no_more_than_a_few() -> None:
    guesses = Guesses(Clock())
    for number in range(tokens.MOST_OF_ALL):
        assert guesses.wait(f"10.0.0.{number}") == 0
        guesses.add(f"10.0.0.{number}")
    assert guesses.wait("10.9.9.9") == tokens.WINDOW


def test_who_has_an_address_of_ipv6_has_its_network() -> None:
    assert neighbourhood("2001:db8::1") == neighbourhood("2001:db8::dead:beef")
    assert neighbourhood("2001:db8::1") != neighbourhood("2001:db8:0:1::1")
    assert neighbourhood("::ffff:10.0.0.1") == neighbourhood("10.0.0.1")
    assert neighbourhood("fe80::1%eth0") == neighbourhood("fe80::2")
    assert neighbourhood("testclient") == "testclient"


# ------------------------------------------------------------------------- what changes something


def small_app(token: str | None = None, proxy: bool = False) -> Starlette:
    """One address that takes JSON, behind the guard."""

    async def post(request: Request) -> Response:
        return JSONResponse(await json_of(request))

    def refusal(request: Request, objection: Objection) -> Response:
        return JSONResponse({"error": objection.message}, objection.status)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return JSONResponse({"error": error.detail}, error.status_code)

    routes = [Route("/api/job", post, methods=["POST"]), Route("/api/job/1", post)]
    guard = Middleware(
        Guard,
        token=None if token is None else Token(token),
        hosts=["localhost", "127.0.0.1", "[::1]"],
        methods=lambda scope: methods_at(scope, routes),
        refusal=refusal,
    )
    middleware = [Middleware(BehindProxy), guard] if proxy else [guard]
    return Starlette(
        routes=routes, middleware=middleware, exception_handlers={HTTPException: refused}
    )


def small(token: str | None = None, *, base: str = HERE, proxy: bool = False) -> TestClient:
    return TestClient(small_app(token, proxy), base_url=base)


SITE = "Sec-Fetch-Site"
COMINGS = [
    ({"Origin": HERE}, 200),
    ({"Origin": HERE, SITE: "same-origin"}, 200),
    ({"Origin": HERE.upper()}, 200),
    ({SITE: "same-origin"}, 200),
    ({SITE: "none"}, 200),
    ({"Origin": "null", SITE: "same-origin"}, 200),  # a form, under no-referrer
    ({}, 403),
    ({"Origin": "null"}, 403),
    ({"Origin": "null", SITE: "cross-site"}, 403),
    ({SITE: "cross-site"}, 403),
    ({SITE: "same-site"}, 403),
    ({SITE: "nonsense"}, 403),
    ({"Origin": HERE, SITE: "cross-site"}, 403),
    ({"Origin": "http://evil.example"}, 403),
    ({"Origin": "http://evil.example", SITE: "same-origin"}, 403),
    ({"Origin": "http://127.0.0.1:8081"}, 403),
    ({"Origin": "http://127.0.0.1"}, 403),
    ({"Origin": "https://127.0.0.1:8080"}, 403),
    ({"Origin": "http://localhost:8080"}, 403),
    ({"Origin": f"{HERE}.evil.example"}, 403),
    ({"Origin": f"http://evil.example@{HERE[7:]}"}, 403),
    ({"Origin": f"{HERE}/path"}, 403),
    ({"Origin": "http://127.0.0.1:99999999"}, 403),
    ({"Origin": "http://[::1"}, 403),
    ({"Origin": ""}, 403),
]


@pytest.mark.parametrize(("headers", "status"), COMINGS)
def test_only_our_own_pages_may_ask_for_something(headers: dict[str, str], status: int) -> None:
    answer = small().post("/api/job", content=b"{}", headers=TYPE | headers)
    assert answer.status_code == status
    assert answer.json() == {} if status == 200 else answer.json()["error"]


def test_the_usual_port_need_not_be_said() -> None:
    for base, origin in [
        ("http://localhost", "http://localhost:80"),
        ("http://localhost:80", "http://localhost"),
        ("https://localhost", "https://localhost:443"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ]:
        headers = TYPE | {"Origin": origin}
        assert small(base=base).post("/api/job", content=b"{}", headers=headers).status_code == 200


def test_a_program_that_has_the_token_needs_no_origin() -> None:
    client = small(TOKEN)
    assert client.post("/api/job", content=b"{}", headers=TYPE | BEARER).status_code == 200
    wrong = TYPE | {"Authorization": "Bearer x"}
    assert client.post("/api/job", content=b"{}", headers=wrong).status_code == 401
    foreign = TYPE | BEARER | {"Origin": "http://evil.example"}
    assert client.post("/api/job", content=b"{}", headers=foreign).status_code == 403
    assert client.post("/api/job", content=b"{}", headers=TYPE | OURS).status_code == 401
    posted = client.post(f"/api/job?token={TOKEN}", content=b"{}", headers=TYPE | OURS)
    assert posted.status_code == 401  # an address ends up in logs


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("Application/JSON", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("text/plain; application/json", 415),
        ("", 415),
    ],
)
def test_only_json_is_taken(kind: str, status: int) -> None:
    headers = OURS | {"Content-Type": kind}
    assert small().post("/api/job", content=b"{}", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{}", 200),
        (b'{"a": [1, 2.5, null, "\xc3\xbc"]}', 200),
        (b"", 400),
        (b"[]", 400),
        (b"null", 400),
        (b'"text"', 400),
        (b"1e999", 400),
        (b'{"a": NaN}', 400),
        (b'{"a": ' + b"9" * 10_000 + b"}", 400),
        (b"\xff\xfe", 400),
        (b"{", 400),
        (b"[" * 100_000, 400),
        (b'{"a": "' + b"x" * 300_000 + b'"}', 413),
    ],
)
def test_a_body_is_a_json_object_of_some_length(body: bytes, status: int) -> None:
    answer = small().post("/api/job", content=body, headers=TYPE | OURS)
    assert answer.status_code == status
    assert status == 200 or answer.json()["error"]


@pytest.mark.parametrize(
    "method", ["HEAD", "OPTIONS", "TRACE", "PUT", "PATCH", "DELETE", "CONNECT", "PROPFIND", "GET"]
)
def test_an_address_that_is_posted_to_answers_to_nothing_else(method: str) -> None:
    answer = small().request(method, "/api/job", headers=TYPE | OURS)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", [*ALL, "/healthz", "/static/0/app.css", "/nowhere"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_what_is_read_is_not_written(client: TestClient, path: str, method: str) -> None:
    refused = client.request(method, path, headers=TYPE | OURS)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


# ------------------------------------------------------------------------------- behind a proxy

TLS = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}


def test_behind_a_proxy_with_tls_the_cookie_is_secure(storage: str) -> None:
    trusting = browser(storage, token=TOKEN, behind_proxy=True)
    origin = HERE.replace("http:", "https:")
    right = logged_in(trusting, **TLS, Origin=origin)
    assert right.status_code == 303 and "; secure" in right.headers["set-cookie"].lower()
    assert logged_in(trusting, **TLS).status_code == 403  # HERE is http
    doubting = logged_in(browser(storage, token=TOKEN), **TLS)
    assert "; secure" not in doubting.headers["set-cookie"].lower()


def test_behind_a_proxy_each_client_has_guesses_of_its_own(storage: str) -> None:
    trusting = browser(storage, token=TOKEN, behind_proxy=True)
    wrong = {"Authorization": "Bearer wrong"}
    for number in range(tokens.MOST_OF_ONE):
        chain = {"X-Forwarded-For": f"{number}.1.1.1, 203.0.113.7"}  # the first is the client's own
        assert trusting.get("/api/v1/studies", headers=wrong | chain).status_code == 401
    assert trusting.get("/api/v1/studies", headers=BEARER | TLS).status_code == 429
    other = {"X-Forwarded-For": "203.0.113.8"}
    assert trusting.get("/api/v1/studies", headers=BEARER | other).status_code == 200


def test_who_is_not_alone_needs_a_token(storage: str) -> None:
    named = [{"allowed_hosts": [name]} for name in ("*", "dash.example.com", "[::2]")]
    for options in ({"behind_proxy": True}, *named):
        with pytest.raises(BadValue, match="others can read the dashboard: choose a token with --"):
            browser(storage, **options)
        assert browser(storage, token=TOKEN, **options).get("/", headers=BEARER).status_code == 200
    assert browser(storage, allowed_hosts=["127.0.0.2", "[::1]"]).get("/").status_code == 200


# ------------------------------------------------------------------------- where a token comes from


def test_a_generated_token_is_read_by_its_owner_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    old = os.umask(0)
    try:
        first, path = generated()
        path.chmod(0o644)
        token, path = generated()
    finally:
        os.umask(old)
    assert path == tmp_path / "foveate" / "token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["token"]
    assert read_token(path) == token != first
    assert len(token) >= 43


def test_a_token_that_cannot_be_written_or_read_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(BadValue, match=r"cannot write the token to '.*/foveate/token': "):
        generated()
    with pytest.raises(BadValue, match=r"cannot read the token file '.*': No such file"):
        read_token(tmp_path / "none")
    with pytest.raises(BadValue, match=r"the token file '.*' is empty"):
        read_token(tmp_path / "file")
    (tmp_path / "bytes").write_bytes(b"\xff")
    with pytest.raises(BadValue, match=r"cannot read the token file '.*': it is no text"):
        read_token(tmp_path / "bytes")


def dashboard(*words: str, **environment: str) -> Any:
    return CliRunner().invoke(command_line, ["dashboard", *words], env=environment)


def test_the_command_takes_one_token_and_names_the_ways(storage: str, tmp_path: Path) -> None:
    alone = dashboard("--storage", storage, "--host", "0.0.0.0")
    assert alone.exit_code == 2
    for way in ("--token", "--token-file", "FOVEATE_TOKEN", "--generate-token"):
        assert way in alone.stderr
    (tmp_path / "token").write_text("secret\n")
    file = ["--token-file", str(tmp_path / "token")]
    for words, environment in [
        ([*file, "--token", "x"], {}),
        ([*file, "--generate-token"], {}),
        (file, {"FOVEATE_TOKEN": "x"}),
    ]:
        both = dashboard("--storage", storage, *words, **environment)
        assert both.exit_code == 2 and "foveate: choose one of --token" in both.stderr


def test_a_generated_token_is_printed_in_the_address(storage: str, tmp_path: Path) -> None:
    words = ["--storage", storage, "--generate-token", "--port", str(free_port())]
    with subprocess.Popen(
        [sys.executable, "-m", "foveate.cli", "dashboard", *words],
        env=os.environ | {"XDG_STATE_HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        entered = httpx.get(address)
        refused = httpx.get(address.partition("?")[0])
        server.send_signal(2)
        rest, said = server.communicate(timeout=20)
    token = (tmp_path / "foveate" / "token").read_text().strip()
    assert address.endswith(f"/?token={token}")
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    assert refused.status_code == 401
    assert token not in rest + said


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def test_what_is_refused_is_json_where_json_is_asked_for(client: TestClient) -> None:
    for answer in [
        client.get("/api/v1/studies", headers={"Host": "evil"}),
        client.post("/api/v1/studies", headers=TYPE | OURS),
        client.get("/api/v1/none"),
    ]:
        assert set(json.loads(answer.text)["error"]) == {"code", "message"}
