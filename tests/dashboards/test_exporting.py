"""Exports that the page asks for: a real network, real processes, and what a stranger may try."""

import io
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import torch
from optuna.storages._rdb import models
from safetensors.torch import save_file
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from foveate.dashboards.app import create_app
from foveate.dashboards.jobs import Jobs
from foveate.search import databases, formats, store
from foveate.search.export_job import _plain
from foveate.search.records import Artifact, Study
from foveate.search.spec import SearchSpec
from foveate.spaces import Module, Placement, build, cost, sites

from .conftest import HERE

SIZE = 16
CLASSES = ["a", "ü", "c"]
NAME = "my=own + digits"
HEADERS = {"Origin": HERE}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database whose trials 0 (mixed) and 1 (aw) have the weights of real networks."""
    folder = tmp_path_factory.mktemp("real")
    spec = SearchSpec.of({"space": {"backbone": "resnet8", "modules": ["se", "eca", "aw"]}})
    engine = databases.open_database(f"sqlite:///{folder}/foveate.db", create=True)
    with Session(engine) as session, session.begin():
        models.BaseModel.metadata.create_all(session.connection())
        theirs = models.StudyModel(study_name=NAME)
        session.add(theirs)
        session.flush()
        study = store.add_study(
            session,
            name=NAME,
            optuna_id=theirs.study_id,
            spec=spec.to_dict(),
            sites=[site.to_dict() for site in sites("resnet8", SIZE)],
            images={"size": SIZE, "mean": [0.2, 0.3, 0.4], "std": [0.1, 0.2, 0.3]},
            classes=CLASSES,
            space_size="9",
            reference_gflops=1.0,
            bare_gflops=cost(Placement("resnet8"), SIZE, len(CLASSES)).gflops,
            versions={},
        )
        for modules in (
            [Module("layer1.0.bn2", "se"), Module("layer2.0.bn2", "eca")],
            [Module("layer1.0.conv1", "aw")],
        ):
            add(session, study, Placement.of("resnet8", modules), folder)
    engine.dispose()
    return folder


def add(session: Session, study: Study, placement: Placement, folder: Path) -> None:
    priced = cost(placement, SIZE, len(CLASSES), identity_init=True)
    trial = store.add_trial(
        session,
        study,
        choices={},
        key=placement.key,
        placement=placement.spelling,
        origin="sampler",
        parameters=priced.parameters,
        macs=float(priced.macs),
        gflops=priced.gflops,
    )
    model = build(placement, len(CLASSES), image_size=SIZE, identity_init=True)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    path = folder / f"{trial.number}.safetensors"
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, path)
    driver = store.register(session, study, uid=f"d{trial.number}", host="here", pid=1)
    store.start(session, trial, driver.id)
    store.record_epoch(session, trial, number=1, accuracy=0.8, train_loss=1.0, seconds=1.0)
    store.finish(session, trial, "complete")
    trial.artifacts.append(Artifact(study_id=study.id, kind="weights", address=str(path)))


@pytest.fixture
def browser(real: Path, tmp_path: Path) -> Iterator[TestClient]:
    storage = f"sqlite:///{real}/foveate.db"
    with TestClient(create_app(storage, exports=tmp_path / "exports"), base_url=HERE) as client:
        yield client


def exported(client: TestClient, trial: int, format: str, seconds: float = 280) -> dict[str, Any]:
    path = f"/api/v1/studies/1/trials/{trial}/export"
    asked = client.post(path, json={"format": format}, headers=HEADERS)
    assert asked.status_code == 202
    address = f"/api/v1/jobs/{asked.json()['job']}"
    assert asked.headers["location"] == address
    end, found, stages = time.monotonic() + seconds, {}, []
    while found.get("state") not in ("done", "failed"):
        assert time.monotonic() < end
        time.sleep(0.1)
        found = client.get(address).json()
        stages += [found["stage"]] if found["stage"] not in (None, *stages) else []
    return found | {"stages": stages}


@pytest.mark.slow
def test_a_module_from_the_page_runs_elsewhere(browser: TestClient, tmp_path: Path) -> None:
    found = exported(browser, 0, "module")
    assert found["state"] == "done", found
    assert found["name"] == "my-own-digits-trial-0.zip"
    assert "parameters and" in found["message"] and "those trained" in found["message"]
    assert set(found["stages"]) <= {"reading", "building", "checking"}
    file = browser.get(found["url"])
    assert file.headers["content-disposition"] == f'attachment; filename="{found["name"]}"'
    assert file.headers["content-type"] == "application/zip"
    assert file.headers["x-content-type-options"] == "nosniff"
    assert len(file.content) == found["bytes"]
    with ZipFile(io.BytesIO(file.content)) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path)
    folder = "my-own-digits-trial-0"
    files = ("README.md", "architecture.svg", "model.py", "weights.safetensors")
    assert names == [f"{folder}/{name}" for name in files]
    code = "import model, torch; print(tuple(model.load()(torch.zeros(2, 3, 16, 16)).shape))"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / folder, capture_output=True, text=True
    )
    assert (ran.stdout, ran.returncode) == ("(2, 3)\n", 0), ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("trial", "batch"), [(0, "any"), (1, "1")])
def test_onnx_runs_and_says_how_to_use_it(
    browser: TestClient, trial: int, batch: str, tmp_path: Path
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnxscript", reason="onnxscript, which torch exports with, is not there")
    found = exported(browser, trial, "onnx")
    assert found["state"] == "done", found
    assert found["name"] == f"my-own-digits-trial-{trial}.onnx"
    assert ("one image at a time" in found["message"]) == (batch == "1")
    session = onnxruntime.InferenceSession(browser.get(found["url"]).content)
    about = session.get_modelmeta().custom_metadata_map
    assert about["classes"] == '["a", "ü", "c"]' and about["mean"] == "[0.2, 0.3, 0.4]"
    assert about["batch"] == batch
    (images,) = session.get_inputs()
    assert images.name == "images" and images.shape[1:] == [3, SIZE, SIZE]
    assert (images.shape[0] == 1) == (batch == "1")


@pytest.mark.slow
def test_pt2_runs_and_says_how_to_use_it(browser: TestClient) -> None:
    found = exported(browser, 1, "pt2")
    assert found["state"] == "done", found
    files = {"about.json": ""}
    content = io.BytesIO(browser.get(found["url"]).content)
    network = torch.export.load(content, extra_files=files).module()
    for count in (1, 2, 5):
        assert network(torch.zeros(count, 3, SIZE, SIZE)).shape == (count, len(CLASSES))
    assert '"classes": ["a", "ü", "c"]' in files["about.json"]


@pytest.mark.slow
def test_what_differs_from_what_was_recorded_is_not_handed_out(real: Path, tmp_path: Path) -> None:
    engine = databases.open_database(f"sqlite:///{real}/foveate.db", read_only=True)
    with Session(engine) as session, session.no_autoflush:
        study = store.find_study(session, NAME)
        trial = store.find_trial(session, study, 0)
        trial.parameters += 1
        with pytest.raises(formats.BadValue, match=r"trial 0 is recorded with [\d,]+ and"):
            formats.write(study, trial, "module", tmp_path / "out")
        session.rollback()
    engine.dispose()


@pytest.mark.slow
def test_weights_that_are_gone_are_said_in_one_sentence(
    browser: TestClient, real: Path, tmp_path: Path
) -> None:
    weights = real / "1.safetensors"
    weights.rename(tmp_path / "elsewhere")
    try:
        found = exported(browser, 1, "module")
    finally:
        (tmp_path / "elsewhere").rename(weights)
    assert found["state"] == "failed"
    assert found["message"] == f"the weights of trial 1 are not at {str(weights)!r}"
    assert "url" not in found


# ------------------------------------------------------------------------------------- requests


@pytest.fixture
def quiet(storage: str, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """A dashboard in which no job is begun."""
    monkeypatch.setattr(Jobs, "_run", lambda *_: None)
    return TestClient(create_app(storage), base_url=HERE)


@pytest.mark.parametrize(
    ("trial", "status", "said"),
    [
        ("4", 202, ""),
        ("1", 409, "the weights of trial 1 were not kept"),
        ("6", 409, "trial 6 is stopped: only fully trained ones are exported"),
        ("9", 409, "trial 9 is waiting: only fully trained ones are exported"),
        ("99", 404, "99"),
        ("-1", 404, "a trial must be a whole number"),
        ("9" * 400, 404, "a trial must be a whole number"),
        ("%2e%2e", 404, ""),
    ],
)
def test_only_trained_trials_with_weights_are_exported(
    quiet: TestClient, trial: str, status: int, said: str
) -> None:
    path = f"/api/v1/studies/1/trials/{trial}/export"
    answer = quiet.post(path, json={"format": "module"}, headers=HEADERS)
    assert answer.status_code == status
    assert status == 202 or said in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "asked",
    [
        {"format": "exe"},
        {"format": None},
        {"format": ["module"]},
        {"format": {"a": 1}},
        {"format": 1e308},
        {"format": "../module"},
        {"format": "module", "out": "/etc"},
        {"format": "x" * 5000},
        {"format": "torchscript"},
    ],
)
def test_an_unknown_format_is_one_short_sentence(quiet: TestClient, asked: Any) -> None:
    answer = quiet.post("/api/v1/studies/1/trials/4/export", json=asked, headers=HEADERS)
    assert answer.status_code == 400
    assert len(answer.json()["error"]["message"]) < 250


@pytest.mark.parametrize("job", ["x", "..", "%2e%2e%2f", "a" * 5000, "export-x", "0"])
def test_no_job_is_found_by_guessing(quiet: TestClient, job: str) -> None:
    for path in (f"/api/v1/jobs/{job}", f"/api/v1/jobs/{job}/file"):
        assert quiet.get(path).status_code == 404


def test_an_export_needs_the_token_and_our_own_page(storage: str) -> None:
    locked = TestClient(create_app(storage, token="secret"), base_url=HERE)
    path = "/api/v1/studies/1/trials/4/export"
    assert locked.post(path, json={"format": "module"}, headers=HEADERS).status_code == 401
    foreign = {"Origin": "http://evil.example", "Authorization": "Bearer secret"}
    assert locked.post(path, json={"format": "module"}, headers=foreign).status_code == 403
    assert locked.get("/api/v1/jobs/x").status_code == 401
    assert locked.get(path, headers={"Authorization": "Bearer secret"}).status_code == 405


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("digits", "digits"),
        ('"; filename="x.exe', "filename-x.exe"),
        ("a\r\nSet-Cookie: x", "a-Set-Cookie-x"),
        ("../../etc/passwd", "etc-passwd"),
        ("große Studie", "gro-e-Studie"),
        ("😀", "study"),
        ("x" * 300, "x" * 60),
    ],
)
def test_a_files_name_is_plain_whatever_the_study_is_called(name: str, plain: str) -> None:
    assert _plain(name) == plain


@pytest.mark.slow
def test_a_file_that_is_not_the_network_is_not_left(
    real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = databases.open_database(f"sqlite:///{real}/foveate.db", read_only=True)

    def another(*_: Any) -> torch.nn.Module:
        torch.manual_seed(1)
        return build(Placement("resnet8"), len(CLASSES), image_size=SIZE).eval()

    monkeypatch.setattr(formats, "_trained", another)
    with Session(engine) as session:
        study = store.find_study(session, NAME)
        trial = store.find_trial(session, study, 0)
        with pytest.raises(formats.BadValue, match="the logits of the export differ by"):
            formats.write(study, trial, "pt2", tmp_path / "net.pt2")
    engine.dispose()
    assert not (tmp_path / "net.pt2").exists()
