"""The recorded search: it comes with the package, opens on every page, and tells no secrets."""

import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from zipfile import ZipFile

import pytest
from sqlalchemy.orm import Session
from starlette.routing import Route
from starlette.testclient import TestClient
from typer.testing import CliRunner

import foveate
from foveate.cli import app as command_line
from foveate.dashboards.app import create_app
from foveate.dashboards.demo import ARCHIVE, DATABASE, unpacked
from foveate.search import front, store
from foveate.search.databases import open_database

from .conftest import HERE, browser
from .test_exporting import exported

ROOT = Path(foveate.__file__).parent


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    with unpacked() as storage:
        yield storage


def test_every_page_of_it_opens(demo: str) -> None:
    routes = [route.path for route in create_app(demo).routes if isinstance(route, Route)]
    pages = [path for path in routes if re.fullmatch(r"/s/\{id\}(/[a-z]+)?", path)]
    assert "/s/{id}" in pages
    visitor = browser(demo)
    for path in ["/", *(page.format(id=1) for page in pages)]:
        assert visitor.get(path).status_code == 200, path


def test_it_is_a_search_with_all_that_the_pages_are_about(demo: str) -> None:
    with Session(open_database(demo, read_only=True)) as session:
        (study,) = store.studies(session)
        counts = store.counts(session, study)
        assert counts["complete"] >= 20
        assert counts["stopped"] >= 20
        members = store.front_trials(session, study)
        assert len(members) >= 3
        assert not store.drivers(session, study.id)
        knee = members[front.knee([(one.accuracy or 0.0, one.gflops) for one in members])]
        kept = [trial.number for trial in store.trials(session, study) if trial.weights]
        assert kept == sorted({knee.number, members[-1].number})
        for found in store.files(session, study).values():
            for artifact in found:
                file = Path(artifact.address)
                assert file.is_file()
                assert file.is_relative_to(study.spec["folder"])


def test_where_its_trials_look_is_to_be_seen(demo: str) -> None:
    visitor, seen = browser(demo), 0
    with Session(open_database(demo, read_only=True)) as session:
        (study,) = store.studies(session)
        for trial in store.front_trials(session, study):
            if trial.looks is None:
                continue
            page = visitor.get(f"/s/{study.id}/trials/{trial.number}").text
            (picture, *_) = re.findall(rf'src="(/artifacts/{trial.looks.id}/[^"]+)"', page)
            answer = visitor.get(picture)
            assert answer.status_code == 200
            assert answer.content.startswith(b"\x89PNG")
            seen += 1
    assert seen >= 2


@pytest.mark.slow
def test_its_best_can_be_exported(demo: str, tmp_path: Path) -> None:
    with Session(open_database(demo, read_only=True)) as session:
        best = store.front_trials(session, store.studies(session)[0])[-1].number
    app = create_app(demo, exports=tmp_path)
    with TestClient(app, base_url=HERE) as client:
        found = exported(client, best, "module")
    assert found["state"] == "done", found


def test_it_names_no_machine_and_no_path(tmp_path: Path) -> None:
    with ARCHIVE.open("rb") as packed, ZipFile(packed) as archive:
        path = archive.extract(DATABASE, tmp_path)
        assert all(
            name == DATABASE or name.startswith("foveate-runs/") for name in archive.namelist()
        )
    with closing(sqlite3.connect(path)) as connection:
        text = "\n".join(connection.iterdump())
        workers = connection.execute("SELECT DISTINCT worker FROM foveate_trial").fetchall()
    assert not re.search(r"""["' ]/(home|root|tmp|work|usr|opt)/""", text)
    assert socket.gethostname() not in {str(worker).partition(":")[0] for (worker,) in workers}
    assert all(worker is None or re.fullmatch(r"node-\d+:\d+", worker) for (worker,) in workers)


def test_it_is_shipped_and_small() -> None:
    settings = (ROOT / "pyproject.toml").read_text()
    shipped = re.search(r'"foveate.dashboards" = (\[.*\])', settings)
    assert shipped
    assert '"demo.zip"' in shipped[1]
    assert (ROOT / "dashboards" / "demo.zip").stat().st_size < 2_000_000


def test_a_copy_is_unpacked_and_gone_afterwards() -> None:
    with unpacked() as one, unpacked() as other:
        assert one != other
        there = [Path(storage.removeprefix("sqlite:///")) for storage in (one, other)]
        assert all(path.exists() for path in there)
    assert not any(path.parent.exists() for path in there)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_it_until_it_is_ended(tmp_path: Path, how: signal.Signals) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "foveate.cli", "dashboard", "--demo", "--port", str(port)]
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as server:
        assert server.stdout
        assert server.stdout.readline() == f"http://127.0.0.1:{port}/\n"
        assert len(list(tmp_path.glob("foveate-demo-*"))) == 1
        server.send_signal(how)
        server.wait(30)
    assert list(tmp_path.glob("foveate-demo-*")) == []


def test_who_has_no_database_is_told_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FOVEATE_STORAGE", raising=False)
    ran = CliRunner().invoke(command_line, ["dashboard"])
    assert ran.exit_code == 2
    assert ran.stderr == (
        "foveate: there is no database 'foveate.db'; `foveate search` makes one; "
        "`foveate dashboard --demo` shows a recorded one\n"
    )


@pytest.mark.slow
def test_an_installed_package_has_it(tmp_path: Path) -> None:
    """A wheel, unpacked elsewhere: what it serves is its own."""
    source = tmp_path / "source"  # building leaves files beside it
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "build", "*.egg-info"))
    built = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*built, "--wheel-dir", str(tmp_path), str(source)], check=True)
    (wheel,) = tmp_path.glob("foveate-*.whl")
    with ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "there")
    code = "from foveate.dashboards.demo import ARCHIVE, unpacked\n"
    code += "with unpacked() as storage: print(ARCHIVE)"
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "there")}
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, env=env, cwd=tmp_path
    )
    assert ran.stdout.strip() == str(tmp_path / "there" / "foveate" / "dashboards" / "demo.zip")
