"""The routes: what answers, to whom, with which headers."""

import gzip
import re
import socket
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from foveate.dashboards import site as site_module
from foveate.dashboards import studies
from foveate.dashboards.app import create_app, serve
from foveate.dashboards.assets import HERE, Assets, shipped
from foveate.errors import BadValue, UnknownName, UserError
from foveate.search import databases, store
from foveate.search.records import Base

from .conftest import add_study, add_trial, browser

PAGES = ["/", "/s/1", "/s/1?cost=params&t=6", "/s/1/_panels", "/s/1/_drawer/4"]
JSON = ["/api/v1/studies", "/api/v1/studies/1/points", "/api/v1/studies/1/changes?since=0"]
PAGES += ["/s/1/trials", "/s/1/_trials?sort=-acc", "/s/1/trials/4", "/s/1/compare?t=3,4"]
JSON += ["/api/v1/studies/1/trials", "/api/v1/studies/1/trials/4"]
JSON += ["/api/v1/studies/1/compare?t=3,4", "/api/v1/studies/1/trials.json"]
ALL = [*PAGES, *JSON]
EVIL = "<img src=x onerror=alert(1)>"


@pytest.mark.parametrize("path", ALL)
def test_every_page_answers_to_reading_and_to_nothing_else(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 200
    assert client.head(path).status_code == 200
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        refused = client.request(method, path)
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "path", [*ALL, "/healthz", "/login", "/nowhere", "/api/v1/nothing", "/static/0/app.css"]
)
def test_every_answer_has_the_headers(client: TestClient, path: str) -> None:
    strangers = [client.get(path, headers={"Host": "evil.example"}), client.delete(path)]
    for answer in [client.get(path), *strangers]:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'; script-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert "object-src 'none'; base-uri 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers["cache-control"]


def test_a_fault_of_ours_has_the_headers_and_no_detail(
    storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studies, "overview", lambda session: 1 / 0)
    app = create_app(storage)
    quiet = TestClient(app, base_url="http://localhost", raise_server_exceptions=False)
    answer = quiet.get("/")
    assert answer.status_code == 500
    assert "content-security-policy" in answer.headers
    assert "division" not in answer.text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/s/2", 404),
        ("/s/x", 404),
        ("/s/-1", 404),
        ("/s/" + "9" * 40, 404),
        ("/s/" + "9" * 5000, 404),
        ("/s/1/_drawer/99", 404),
        ("/s/1/_drawer/x", 404),
        ("/s/1?t=x", 400),
        ("/s/1?t=99", 400),
        ("/s/1?cost=x", 400),
        ("/nowhere", 404),
        ("/api/v1/studies/2/points", 404),
        ("/api/v1/studies/x/points", 404),
        ("/api/v1/studies/2/changes?since=0", 404),
        ("/api/v1/studies/0x1/changes?since=0", 404),
        ("/api/v2/studies", 404),
    ],
)
def test_what_is_not_there_is_said_in_one_sentence(
    client: TestClient, path: str, status: int
) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    if path.startswith("/api/"):
        assert set(answer.json()) == {"error"}
        assert set(answer.json()["error"]) == {"code", "message"}
    else:
        assert f"<h1>{status}</h1>" in answer.text


def test_the_list_of_studies_equals_the_database(client: TestClient, session: Session) -> None:
    (said,) = client.get("/api/v1/studies").json()["studies"]
    study = store.find_study(session, "digits")
    assert said["counts"] == store.counts(session, study)
    assert (said["id"], said["name"], said["cursor"]) == (study.id, "digits", study.seq)
    assert (said["best"], said["front"]) == (91.23, 3)
    assert said["baseline"] == {"acc": 80.0, "gflops": study.bare_gflops}
    steps = store.front_steps(session, study)
    assert said["hypervolume"] == pytest.approx(100 * steps[-1].hypervolume, abs=1e-4)
    one = client.get("/api/v1/studies/1").json()
    assert said.items() <= one.items()
    assert [goal["name"] for goal in one["objectives"]] == ["accuracy", "gflops"]
    assert {"id": "eca", "code": "EC", "family": "channels, lightly"} in one["modules"]
    assert {"place": "s3b2", "path": "layer3.1"} in one["places"]
    page = client.get("/").text
    assert "91.23\N{NO-BREAK SPACE}%" in page
    assert '<a href="/s/1">digits</a>' in page


def test_the_list_is_sent_again_only_once_something_changed(
    client: TestClient, session: Session
) -> None:
    for path in ("/", "/api/v1/studies"):
        tag = client.get(path).headers["etag"]
        assert client.get(path, headers={"If-None-Match": tag}).status_code == 304
    study = store.find_study(session, "digits")
    add_trial(session, study, 10, curve=(0.4,), state="running")
    session.commit()
    answer = client.get("/api/v1/studies", headers={"If-None-Match": tag})
    assert answer.json()["studies"][0]["counts"]["running"] == 2


def test_a_study_that_begins_later_is_there(client: TestClient, session: Session) -> None:
    assert client.get("/s/2").status_code == 404
    add_study(session, "later")
    session.commit()
    assert client.get("/s/2").status_code == 200
    assert "later" in client.get("/").text


def test_a_database_without_studies_has_a_page(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/empty.db"
    databases.open_database(storage, create=True).dispose()
    assert "No study yet" in browser(storage).get("/").text


def test_a_missing_database_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="there is no database"):
        create_app(f"sqlite:///{tmp_path}/none.db")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written(client: TestClient, storage: str) -> None:
    database = Path(storage.removeprefix("sqlite:///"))
    before = database.read_bytes()
    for path in ALL:
        client.get(path)
    assert database.read_bytes() == before


def test_a_database_that_went_away_is_no_fault_of_ours(
    client: TestClient, session: Session
) -> None:
    assert client.get("/healthz").json()["db"] == "ok"
    tables = Base.metadata.sorted_tables
    connection = session.connection()
    connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    Base.metadata.drop_all(connection, tables=tables)
    session.commit()
    health = client.get("/healthz")
    assert (health.status_code, health.json()["ok"], health.json()["db"]) == (503, False, "gone")
    assert client.get("/").status_code == 503
    assert client.get("/api/v1/studies").json()["error"]["code"] == "no_database"


# ------------------------------------------------------------------------------------- names


class Tags(HTMLParser):
    """Collects the tags of a page and the texts of its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def tags(text: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(text)
    return parser.tags


def test_hostile_names_stay_text(session: Session, storage: str) -> None:
    study = add_study(session, EVIL)
    study.spec = {"space": {"backbone": EVIL}, "data": {"name": "</script>" + EVIL}}
    add_trial(session, study, 0, origin="bare", curve=(0.5,))
    add_trial(
        session,
        study,
        1,
        origin=f"everywhere:{EVIL}",
        chosen={"layer1.0": EVIL},
        extra=0.1,
        curve=(0.6,),
    )
    add_trial(session, study, 2, extra=0.2, state="failed", reason=f"</script>{EVIL}")
    running = add_trial(session, study, 3, extra=0.2, curve=(0.6,), state="running")
    running.worker = running.device = EVIL
    session.commit()
    client = browser(storage)
    for path in ["/", "/s/2", "/s/2?t=1", "/s/2?t=2", "/s/2/_panels", "/s/2/_drawer/3"]:
        text = client.get(path).text
        assert EVIL not in text
        for tag, attributes in tags(text):
            assert not any(name.startswith("on") for name in attributes), (tag, attributes)
            if tag == "img":
                assert (attributes["src"] or "").startswith("/static/")
            if tag == "script":
                assert attributes.get("src") or attributes.get("type") == "application/json"
    said = client.get("/api/v1/studies")
    assert said.headers["content-type"] == "application/json"
    assert said.json()["studies"][0]["name"] == EVIL
    points = client.get("/api/v1/studies/2/points").json()
    assert points["baselines"][1]["name"] == f"everywhere:{EVIL}"
    assert client.get(f"/{EVIL}").text.count(EVIL) == 0


def test_a_module_of_a_plugin_is_shown_by_its_name(session: Session, storage: str) -> None:
    study = add_study(session, "own")
    plugin = {"path": "mine.py", "source": "raise RuntimeError('a page runs no plugin')"}
    study.spec = study.spec | {"plugins": [plugin]}
    add_trial(session, study, 0, origin="bare", curve=(0.5,))
    chosen = {"layer1.0": "mine"}
    add_trial(session, study, 1, origin="everywhere:mine", chosen=chosen, extra=0.1, curve=(0.6,))
    session.commit()
    client = browser(storage)
    for path in ["/", "/s/2", "/s/2?t=1", "/s/2/_panels", "/s/2/_drawer/1"]:
        answer = client.get(path)
        assert answer.status_code == 200 and "RuntimeError" not in answer.text
        assert path == "/" or "mine" in answer.text
    points = client.get("/api/v1/studies/2/points").json()
    assert points["front"]["drawing"] == ["bare", "· | mine · | · · | · ·"]


# ------------------------------------------------------------------------------------- files


def test_every_file_that_a_page_names_is_there_and_may_be_kept(client: TestClient) -> None:
    named = re.findall(r'(?:src|href)="(/static/[^"]+)"', client.get("/s/1").text)
    assert len(named) >= 5
    for path in named:
        answer = client.get(path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-encoding"] == "gzip"
        plain = client.get(path, headers={"Accept-Encoding": "identity"})
        assert plain.content == answer.content == (HERE / "static" / Path(path).name).read_bytes()


def test_modules_import_only_what_is_there() -> None:
    there = set(shipped().files)
    for path in (HERE / "static").glob("*.js"):
        if path.name != "echarts.min.js":
            named = re.findall(r'from "\./([^"]+)"', path.read_text())
            assert set(named) <= there, path.name


def test_the_address_of_files_changes_with_them(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("1")
    before = Assets(tmp_path).address("a.js")
    assert Assets(tmp_path).address("a.js") == before
    (tmp_path / "a.js").write_text("2")
    assert Assets(tmp_path).address("a.js") != before


@pytest.mark.parametrize(
    "path", ["../app.py", "..%2fapp.py", "%2e%2e/app.py", "echarts.min.js.map", ""]
)
def test_no_other_file_is_served(client: TestClient, path: str) -> None:
    assert client.get(f"/static/{shipped().hash}/{path}").status_code == 404


def test_nothing_of_ours_names_another_server() -> None:
    for folder in ("static", "templates"):
        for path in (HERE / folder).iterdir():
            if not path.name.startswith("echarts."):
                text = path.read_text().replace("http://www.w3.org/2000/svg", "")
                assert not re.search(r"https?://|innerHTML|eval\(", text), path.name


# ------------------------------------------------------------------------------------- serving


def test_other_machines_need_a_token(storage: str) -> None:
    for host in ("0.0.0.0", "::", "192.168.1.5", "gpu.example"):
        with pytest.raises(BadValue, match="--generate-token, or leave out --host"):
            serve(storage, host=host)


def test_a_port_in_use_is_one_sentence(storage: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError) as raised:
            serve(storage, port=port)
    assert str(raised.value) == f"port {port} is taken; choose another with --port"


def test_a_port_that_cannot_be_is_one_sentence(storage: str) -> None:
    with pytest.raises(BadValue, match="port must be 0 to 65535, got 99999"):
        serve(storage, port=99999)


def test_serving_prints_the_address_and_ends_when_interrupted(storage: str) -> None:
    code = f"from foveate.dashboards.app import serve; serve({storage!r}, port=0)"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        assert httpx.get(f"{address}healthz").json()["ok"]
        server.send_signal(2)
        rest, errors = server.communicate(timeout=10)
    assert (server.returncode, rest, errors) == (0, "", "")


def test_the_dashboard_starts_without_the_heavy_packages(storage: str) -> None:
    code = (
        "import sys; from foveate.dashboards.app import create_app, serve; "
        f"create_app({storage!r}); "
        "print({'torch', 'torchvision', 'ray', 'optuna', 'matplotlib'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


def test_answers_are_kept_up_to_a_limit(
    client: TestClient, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_module, "KEPT", 2_000)
    site = site_module.Site(databases.open_database(storage), None)
    for i in range(50):
        body = site._answer(f"answer {i}", lambda i=i: f"{i}" * 3_000, "html")  # type: ignore[misc]
        assert gzip.decompress(body) == f"{i}".encode() * 3_000
    assert site._held == sum(map(len, site._answers.values())) <= 2_000
    assert "answer 49" in site._answers and "answer 0" not in site._answers
