"""A study as one file: what is in it, what it asks for, what it may overwrite."""

import base64
import hashlib
import json
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient
from typer.testing import CliRunner

from foveate.cli import app as command_line
from foveate.dashboards.demo import unpacked
from foveate.dashboards.report import MARK, write
from foveate.errors import BadValue, UnknownName, UserError
from foveate.search import store
from foveate.search.databases import open_database
from foveate.search.spec import SearchSpec

from .conftest import add_study, add_trial

EVIL = "</script><!--<script><img src=x onerror=alert(1)>"


class Parts(HTMLParser):
    """Tags with their attributes, and the text of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.scripts: list[tuple[dict[str, str], str]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags.append((tag, found))
        if tag == "script":
            self.scripts.append((found, ""))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = attributes, text + data
        else:
            self.text += data

    @property
    def data(self) -> dict[str, Any]:
        (found,) = (json.loads(text) for at, text in self.scripts if at.get("id") == "data")
        return dict(found)


def report(storage: str, tmp_path: Path, name: str = "digits") -> Parts:
    out = tmp_path / "report.html"
    size = write(storage, name, out)
    text = out.read_text("utf-8")
    assert size == len(text.encode())
    assert text.startswith(MARK)
    return Parts(text)


def test_it_asks_for_nothing(storage: str, tmp_path: Path) -> None:
    made = report(storage, tmp_path)
    policies = [at for _, at in made.tags if at.get("http-equiv") == "Content-Security-Policy"]
    assert [at["content"].split(";")[0] for at in policies] == ["default-src 'none'"]
    for tag, attributes in made.tags:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            assert attributes.get(name, "#").startswith(("#", "data:")), (tag, attributes)
    assert not [tag for tag, _ in made.tags if tag in ("iframe", "object", "embed", "form", "base")]
    assert "url(" not in made.text
    assert "@import" not in made.text


def test_its_policy_lets_its_own_scripts_run_and_no_other(storage: str, tmp_path: Path) -> None:
    made = report(storage, tmp_path)
    (policy,) = (at["content"] for _, at in made.tags if "http-equiv" in at)
    allowed = re.findall(r"'sha256-([^']+)'", policy)
    code = [text for at, text in made.scripts if "type" not in at]
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in code]
    assert hashes == allowed
    assert len(code) == 3
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]


def test_its_charts_draw_what_the_pages_draw(
    storage: str, client: TestClient, tmp_path: Path
) -> None:
    data = report(storage, tmp_path).data
    api = "/api/v1/studies/1"
    assert {"gflops", "extra", "params"} <= {axis["id"] for axis in data["axes"]}
    for axis in data["axes"]:
        said = client.get(f"{api}/points?cost={axis['id']}").json()
        assert axis["points"] == said
        assert axis["points"]["front"]["n"]
    for metric, said in data["heat"].items():
        assert said == client.get(f"{api}/heatmap?metric={metric}").json()
    assert data["stops"] == client.get(f"{api}/stops").json()
    assert data["hypervolume"] == client.get(f"{api}/hypervolume").json()


def test_its_first_axis_is_the_one_that_the_page_opens_on(
    storage: str, client: TestClient, tmp_path: Path
) -> None:
    page = client.get("/s/1").text
    (opened,) = re.findall(r'"cost": ?"(\w+)"', page)
    assert report(storage, tmp_path).data["axes"][0]["id"] == opened


def test_tables_can_be_copied_as_latex(storage: str, session: Session, tmp_path: Path) -> None:
    text = report(storage, tmp_path).text
    (front,) = re.findall(
        r"(\\begin{tabular}{rrrrrl}\n\\toprule\n[^$]*?architecture.*?)\\bottom", text, re.S
    )[:1]
    rows = [line for line in front.splitlines() if re.match(r"\d", line)]
    members = store.front_trials(session, store.find_study(session, "digits"))
    assert [int(row.split(" &")[0]) for row in rows] == [trial.number for trial in members]
    assert "91.23" in rows[-1]


def test_it_says_how_it_was_made(storage: str, tmp_path: Path) -> None:
    text = report(storage, tmp_path).text
    assert "backbone: cifar-resnet20" in text
    assert "foveate search spec.yaml --study digits\n" in text


def test_its_settings_are_a_spec_of_the_same_search(tmp_path: Path) -> None:
    with unpacked() as storage:
        text = report(storage, tmp_path, "where attention helps").text
        with Session(open_database(storage, read_only=True)) as session:
            (study,) = store.studies(session)
            wanted = study.spec
    (settings,) = re.findall(r"plugins:.*?^seed: \d+\n", text, re.DOTALL | re.MULTILINE)
    (tmp_path / "spec.yaml").write_text(settings)
    again = SearchSpec.read(str(tmp_path / "spec.yaml")).to_dict()
    assert again | {"folder": None} == wanted | {"folder": None}
    assert "foveate-demo" not in text


def test_names_from_anywhere_stay_text(storage: str, session: Session, tmp_path: Path) -> None:
    study = add_study(session, EVIL)
    study.note = EVIL
    study.spec = study.spec | {"data": {"name": EVIL}, "extra": EVIL}
    study.environment = {EVIL: EVIL}
    add_trial(session, study, 0, origin="bare", curve=(0.6, 0.8))
    add_trial(session, study, 1, chosen={EVIL: EVIL}, extra=0.1, curve=(0.6, 0.9))
    add_trial(session, study, 2, extra=0.2, state="failed", reason=EVIL)
    session.commit()
    made = report(storage, tmp_path, EVIL)
    assert not [at for tag, at in made.tags if tag == "img" and at["src"] == "x"]
    assert len(made.scripts) == 4
    assert made.data["axes"][0]["points"]["front"]["n"] == [0, 1]
    assert made.text.count(EVIL) >= 4
    assert f"--study {shlex.quote(EVIL)}" in made.text


@pytest.mark.parametrize("state", [None, "waiting", "failed", "running"])
def test_a_study_without_a_front_has_one_too(
    storage: str, session: Session, tmp_path: Path, state: str | None
) -> None:
    study = add_study(session, "bleak")
    if state:
        add_trial(session, study, 0, origin="bare", state=state)
    session.commit()
    made = report(storage, tmp_path, "bleak")
    assert made.data["axes"][0]["points"]["front"]["n"] == []


def test_an_older_report_is_overwritten_and_nothing_else(storage: str, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    write(storage, "digits", out)
    before = out.read_text("utf-8")
    write(storage, "digits", out)
    assert len(out.read_text("utf-8")) == len(before)
    assert sorted(path.name for path in tmp_path.glob("*.html*")) == ["report.html"]
    notes = tmp_path / "notes.html"
    notes.write_text("<!doctype html>\n<p>mine")
    with pytest.raises(BadValue, match=r"notes.html' is no report; choose another file with --out"):
        write(storage, "digits", notes)
    assert notes.read_text() == "<!doctype html>\n<p>mine"
    with pytest.raises(BadValue, match="is no report"):
        write(storage, "digits", tmp_path)
    with pytest.raises(BadValue, match=r"the folder of '.*none/report.html' does not exist"):
        write(storage, "digits", tmp_path / "none" / "report.html")


def test_what_goes_wrong_leaves_no_file(storage: str, tmp_path: Path) -> None:
    for name, where in [("digit", storage), ("digits", f"sqlite:///{tmp_path}/none.db")]:
        with pytest.raises(UserError) as raised:
            write(where, name, tmp_path / "report.html")
        assert isinstance(raised.value, UnknownName)
    assert not list(tmp_path.glob("*.html*"))


def test_a_full_disk_is_one_sentence(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, other: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(BadValue, match=r"cannot write '.*report.html': No space left on device"):
        write(storage, "digits", tmp_path / "report.html")
    assert not [path for path in tmp_path.iterdir() if "html" in path.name]


def test_the_command_says_where_it_is(storage: str, tmp_path: Path) -> None:
    out = tmp_path / "digits.html"
    words = ["report", "digits", "--storage", storage, "--out", str(out)]
    ran = CliRunner().invoke(command_line, words)
    assert ran.exit_code == 0
    assert (
        ran.stdout
        == f"the report of study 'digits' is in {out}: {out.stat().st_size / 1e6:.1f} MB\n"
    )
    out.write_text("mine")
    ran = CliRunner().invoke(command_line, words)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr.startswith("foveate: ")
