"""Searches that the page starts, stops and resumes; what a stranger may not, and what is said."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from foveate.dashboards import launching
from foveate.dashboards.app import create_app
from foveate.dashboards.drivers import Drivers, Run
from foveate.dashboards.launching import CHOICES, FORM, expected
from foveate.errors import BadValue, UnknownName, UserError
from foveate.search import store
from foveate.search.launch_job import choices, field_of, preview
from foveate.search.spec import SearchSpec

from .conftest import HERE, add_study

HEADERS = {"Origin": HERE}
POSTS = [
    "/api/v1/launch",
    "/api/v1/launch/preview",
    "/api/v1/studies/1/stop",
    "/api/v1/studies/1/resume",
]
GETS = ["/api/v1/launch/choices", "/api/v1/launch/runs", "/api/v1/launch/runs/x"]


@pytest.fixture(autouse=True)
def _states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def visitor(storage: str, *, allow_launch: bool = False) -> TestClient:
    """A browser; where searches may be launched there is a token, and it has that."""
    token = "secret" if allow_launch else None
    app = create_app(storage, allow_launch=allow_launch, token=token)
    known = HEADERS | ({"Authorization": f"Bearer {token}"} if token else {})
    return TestClient(app, base_url=HERE, headers=known)


@pytest.fixture
def allowed(storage: str) -> TestClient:
    return visitor(storage, allow_launch=True)


# ------------------------------------------------------------------------------------- permission


def answers(client: TestClient, **headers: str) -> set[int]:
    posted = [client.post(path, json={}, headers=headers).status_code for path in POSTS]
    return {*posted, *(client.get(path, headers=headers).status_code for path in GETS)}


def test_a_dashboard_starts_nothing_unless_that_is_allowed(storage: str) -> None:
    client = visitor(storage)
    assert answers(client) == {403}
    said = client.post("/api/v1/launch", json={}).json()["error"]["message"]
    assert "--allow-launch" in said
    page = client.get("/launch")
    assert page.status_code == 200 and "foveate search spec.yaml" in page.text
    assert "launch.js" not in page.text


def test_the_first_search_of_all_may_be_started_from_the_page(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/none.db"
    with pytest.raises(UnknownName, match="there is no database"):
        visitor(storage)
    assert not (tmp_path / "none.db").exists()
    assert visitor(storage, allow_launch=True).get("/api/v1/studies").json() == {"studies": []}


def test_who_launches_has_a_token(storage: str) -> None:
    with pytest.raises(BadValue, match="runs code on this machine: choose a token with --token"):
        create_app(storage, allow_launch=True)
    client = visitor(storage, allow_launch=True)
    assert answers(client, Authorization="Bearer wrong") == {401}
    assert 403 not in {client.get(path).status_code for path in GETS[1:]}


def test_nothing_is_started_for_another_page(storage: str) -> None:
    client = visitor(storage, allow_launch=True)
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}):
        for path in POSTS:
            assert client.post(path, json={}, headers=headers).status_code == 403
    for path in POSTS:
        assert client.post(path, content="{}").status_code == 415
        assert client.get(path).status_code == 405


def test_the_list_of_studies_leads_there_if_it_is_allowed(
    storage: str, allowed: TestClient
) -> None:
    assert 'href="/launch"' in allowed.get("/").text
    assert 'href="/launch"' not in visitor(storage).get("/").text


# ------------------------------------------------------------------------------------ what is sent


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What would have been started."""
    found: list[tuple[str, str]] = []

    def begin(self: Drivers, study: str, home: Path) -> int:
        found.append((study, (home / "spec.yaml").read_text("utf-8")))
        return 4194304  # nobody's

    monkeypatch.setattr(Drivers, "_begin", begin)
    return found


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"name": "new", "text": ""}, 202),
        ({"name": "new"}, 400),
        ({"text": ""}, 400),
        ({"name": 1, "text": ""}, 400),
        ({"name": "new", "text": ["a"]}, 400),
        ({"name": "new", "text": "x" * 64_001}, 400),
        ({"name": "digits", "text": ""}, 409),
        ({"name": "", "text": ""}, 400),
        ({"name": "../evil", "text": ""}, 400),
        ({"name": ".hidden", "text": ""}, 400),
        ({"name": "a\nb: c", "text": ""}, 400),
        ({"name": "a;rm -rf /", "text": ""}, 400),
        ({"name": "x" * 101, "text": ""}, 400),
    ],
)
def test_only_a_name_and_a_text_start_a_search(
    allowed: TestClient, started: list[tuple[str, str]], asked: dict[str, Any], status: int
) -> None:
    answer = allowed.post("/api/v1/launch", json=asked)
    assert answer.status_code == status
    assert len(started) == (status == 202)
    assert status == 202 or len(answer.json()["error"]["message"]) < 400


def test_a_name_that_looks_like_an_option_is_a_name(tmp_path: Path) -> None:
    drivers = Drivers("sqlite:///none.db", tmp_path / "runs")
    with pytest.raises(BadValue, match="there is no database"):
        drivers.stop("--help")


@pytest.mark.parametrize("trials", [0, -1, 1.5, "9", True, 10**8, [1]])
def test_a_number_of_trials_is_one(
    allowed: TestClient, started: list[tuple[str, str]], trials: Any
) -> None:
    assert allowed.post("/api/v1/studies/1/resume", json={"trials": trials}).status_code == 400
    assert not started


def test_a_study_goes_on_by_its_own_spec(
    storage: str, session: Session, started: list[tuple[str, str]]
) -> None:
    spec = SearchSpec.of({"space": {"modules": ["eca"]}, "trials": 7}).to_dict()
    study = add_study(session, "a: [b, #c] 'd'")  # no search would call it so
    add_study(session, "ünlü = 1").spec = spec
    study.spec = spec
    session.commit()
    allowed = visitor(storage, allow_launch=True)
    assert allowed.post("/api/v1/studies/2/resume", json={}).status_code == 400
    assert allowed.post("/api/v1/studies/3/resume", json={"trials": 9}).status_code == 202
    assert allowed.post("/api/v1/studies/4/resume", json={}).status_code == 404
    ((name, text),) = started
    assert name == "ünlü = 1"
    assert SearchSpec.of(yaml.safe_load(text)) == SearchSpec.of(spec | {"trials": 9})


def test_a_study_that_is_searched_is_not_begun_again(
    allowed: TestClient, started: list[tuple[str, str]]
) -> None:
    answer = allowed.post("/api/v1/studies/1/resume", json={})  # its driver beat just now
    assert answer.status_code == 409
    assert answer.json()["error"]["message"] == "study 'digits' is being searched already"
    assert not started


def test_runs_are_listed_the_latest_first_and_their_logs_by_id(
    allowed: TestClient, started: list[tuple[str, str]], tmp_path: Path
) -> None:
    for name in ("first", "second"):
        assert allowed.post("/api/v1/launch", json={"name": name, "text": "trials: 3"}).is_success
    runs = allowed.get("/api/v1/launch/runs").json()["runs"]
    assert [run["study"] for run in runs] == ["second", "first"]
    assert not runs[0]["alive"] and runs[0]["study_id"] is None
    log = tmp_path / "state" / "foveate" / "launched" / runs[0]["id"] / "log"
    log.write_bytes(b"old line\n" * 4000 + b"\xff the end\n")
    said = allowed.get(f"/api/v1/launch/runs/{runs[0]['id']}").json()
    assert said["log"].startswith("…") and said["log"].endswith(
        "old line\n\N{REPLACEMENT CHARACTER} the end\n"
    )
    for id in ("%2e%2e", "x", "%2e%2e%2flaunched", runs[0]["id"][:-1]):
        assert allowed.get(f"/api/v1/launch/runs/{id}").status_code == 404


def test_of_old_runs_only_some_are_kept(
    tmp_path: Path, started: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foveate.dashboards.drivers.KEPT", 2)
    drivers = Drivers("sqlite:///x.db", tmp_path / "runs")
    for name in "abc":
        drivers.start(name, "")
    assert len(drivers.runs()) == len(list((tmp_path / "runs").iterdir())) == 2


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadValue, match=r"cannot start a search from '.*': Not a directory"):
        Drivers("sqlite:///x.db", tmp_path / "file").start("a", "")


# ---------------------------------------------------------------------------------------- the form


def test_every_setting_of_the_form_is_one_of_the_spec() -> None:
    known = SearchSpec().to_dict()
    there = choices()
    for group in FORM.values():
        for one in group:
            section, _, key = one.key.rpartition(".")
            assert key in (known[section] if section else known), one.key
            if one.kind in ("names", "choice"):
                assert there.get(one.key) or CHOICES[one.key]
    for key, values in CHOICES.items():
        section, _, name = key.rpartition(".")
        for value in values:
            assert SearchSpec.of({section: {name: value}})


def test_a_preview_counts_what_the_search_would() -> None:
    text = "data: {name: digits}\nspace: {modules: [eca, se]}\nrecipe: {epochs: 3}\ntrials: 5"
    spec = SearchSpec.of(yaml.safe_load(text))
    images, space = spec.prepare()
    found = preview(text)
    assert found["placements"] == f"{space.size:,}"
    assert found["bare"] == space.cost(space.base, len(images.classes)).gflops
    assert found["dearest"] == space.dearest_gflops
    assert (found["trials"], found["epochs"], found["image_size"]) == (5, 3, images.size)
    assert found["name"] == spec.default_name


def test_a_preview_lists_folders_and_downloads_nothing(tmp_path: Path) -> None:
    for part in ("train/a", "train/b"):
        (tmp_path / part).mkdir(parents=True)
        for number in range(3):
            (tmp_path / part / f"{number}.jpg").write_bytes(b"no picture")
    found = preview(yaml.safe_dump({"data": {"name": f"imagefolder:{tmp_path}"}}))
    assert (found["image_size"], found["classes"]) == (224, 2)
    found = preview(yaml.safe_dump({"data": {"name": "cifar100", "root": str(tmp_path / "none")}}))
    assert (found["image_size"], found["classes"]) == (32, 100)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("text", "said", "field"),
    [
        ("recipe: {epochs: 0}", "recipe.epochs: should be greater", "recipe.epochs"),
        ("recipe: {epoch: 1}", "no setting 'recipe.epoch'; did you", "recipe.epochs"),
        ("trials: 0", "trials: should be greater", "trials"),
        ("- a", "a spec holds settings, got list", None),
        ("a: [1", "this is no YAML, line", None),
        ("!!python/object/apply:os.system ['true']", "this is no YAML", None),
        ("data: {name: 'imagefolder:/no/where'}", "there is no folder '/no/where'", "data.name"),
        ("data: {name: 1e400}", "no data set '1e400'", "data.name"),
        ("data: {image_size: 1}", "data.image_size: should be", "data.image_size"),
        ("space: {modules: [ecaa]}", "no attention module 'ecaa'; did you", "space.modules"),
        ("space: {backbone: resnet9}", "no backbone 'resnet9'; did you", "space.backbone"),
        ("trials: 99999999999999999999999999999", "", None),
        ("1: 2", "a setting is called by a word, got 1", None),
    ],
)
def test_what_is_wrong_is_said_in_the_specs_own_words(
    text: str, said: str, field: str | None
) -> None:
    if not said:
        assert preview(text)["trials"] == 99999999999999999999999999999
        return
    with pytest.raises(UserError) as raised:
        preview(text)
    assert said in str(raised.value)
    assert field_of(str(raised.value)) == field


def test_how_long_it_takes_comes_from_an_earlier_study(session: Session) -> None:
    found = {
        "trials": 10,
        "epochs": 4,
        "workers": 2,
        "elsewhere": False,
        "time_budget": None,
        "data": "cluttered-digits",
        "backbone": "cifar-resnet20",
    }
    said = expected(session, found).replace("\N{NO-BREAK SPACE}", " ")
    assert said == (  # its epochs took 1.5 s each
        "10 trials of 4 epochs; about 30 s without early stopping: an epoch took 1.5 s in study "
        "digits, and 2 run at once"
    )
    assert "is unknown: no study here" in expected(session, found | {"backbone": "other"})
    assert "workers are counted" in expected(session, found | {"elsewhere": True})
    assert "ended after 2" in expected(session, found | {"time_budget": 120.0})


def test_a_preview_that_fails_names_the_field(
    allowed: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {"error": "trials: no", "field": "trials"}
    monkeypatch.setattr(launching, "answer", lambda *_, **__: wrong)
    said = allowed.post("/api/v1/launch/preview", json={"text": ""})
    assert (said.status_code, said.json()["error"]["field"]) == (400, "trials")


# ------------------------------------------------------------------------------------ a real search

TINY = """
data: {name: digits}
space: {backbone: resnet8, modules: [eca, se]}
recipe: {epochs: 2, batch: 64}
resources: {workers: 1, threads: 1, gpus: 0}
stopping: {rule: none}
trials: 40
"""


def until(found: Callable[[], Any], seconds: float = 280.0) -> Any:
    end = time.monotonic() + seconds
    while not (one := found()):
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.5)
    return one


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a database that is not there yet; searches that run beside it are ended."""
    monkeypatch.chdir(tmp_path)
    yield "sqlite:///foveate.db"
    drivers = Drivers("", tmp_path / "state" / "foveate" / "launched")
    for run in drivers.runs():
        if drivers.is_alive(run):
            os.killpg(run.pid, 2)
            until(lambda run=run: not drivers.is_alive(run), 60)  # type: ignore[misc]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_search_is_started_stopped_and_resumed_from_the_page(empty: str) -> None:
    client = visitor(empty, allow_launch=True)
    begun = client.post("/api/v1/launch", json={"name": "tiny", "text": TINY}).json()

    def run(id: str) -> dict[str, Any]:
        return next(r for r in client.get("/api/v1/launch/runs").json()["runs"] if r["id"] == id)

    def log(id: str) -> str:
        text: str = client.get(f"/api/v1/launch/runs/{id}").json()["log"]
        return text

    assert run(begun["run"])["alive"] and run(begun["run"])["pid"] == begun["pid"]
    again = client.post("/api/v1/launch", json={"name": "tiny", "text": TINY})
    assert again.status_code in (400, 409)

    def complete() -> int:
        studies = client.get("/api/v1/studies").json()["studies"]
        return studies[0]["counts"]["complete"] if studies else 0

    until(lambda: complete() or not run(begun["run"])["alive"])
    assert complete(), log(begun["run"])
    stopped = client.post("/api/v1/studies/1/stop", json={})
    assert stopped.status_code == 200 and "asked 1 driver of study 'tiny'" in stopped.text
    until(lambda: not run(begun["run"])["alive"])
    assert "Stopped, as somebody asked" in log(begun["run"])
    done = complete()
    assert 1 <= done < 40

    later = visitor(empty, allow_launch=True)  # another dashboard knows of it
    resumed = later.post("/api/v1/studies/1/resume", json={"trials": done + 1})
    assert resumed.status_code == 202, resumed.text
    until(lambda: not run(resumed.json()["run"])["alive"])
    assert "Finished" in log(resumed.json()["run"])
    assert complete() == done + 1
    assert run(begun["run"])["study_id"] == 1
    nobody = client.post("/api/v1/studies/1/stop", json={}).json()["message"]
    assert nobody == "nobody searches study 'tiny'"


def test_a_process_that_lives_is_told_from_one_that_has_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sleeping(module: str, *words: str) -> list[str]:
        return [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]

    monkeypatch.setattr("foveate.dashboards.drivers.command", sleeping)
    drivers = Drivers("sqlite:///x.db", tmp_path / "runs")
    run: Run = drivers.start("a", "")
    try:
        assert drivers.is_alive(run)
        until(lambda: drivers.log(run) == "up\n", 60)
        assert os.getsid(run.pid) == run.pid  # it does not end with us
        with pytest.raises(BadValue, match="study 'a' is being searched already"):
            Drivers("sqlite:///x.db", tmp_path / "runs").start("a", "")
    finally:
        os.kill(run.pid, 9)
    until(lambda: not drivers.is_alive(run), 60)


def test_the_pace_of_a_study_is_none_before_its_first_epoch(session: Session) -> None:
    assert store.pace(session, store.find_study(session, "digits")) == pytest.approx(1.5)
    assert store.pace(session, add_study(session, "new")) is None
