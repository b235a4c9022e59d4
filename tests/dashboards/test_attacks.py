"""What a hostile database, page or visitor may try, and does not get."""

import ast
import json
import struct
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from foveate.dashboards import snapshot
from foveate.dashboards.artifacts import is_ours
from foveate.errors import BadValue
from foveate.search import export, looks, store
from foveate.search.records import Study
from foveate.search.spec import SearchSpec
from foveate.spaces import Module, Placement, sites

from .conftest import HERE

RUNS = '"""+open("ran", "w").write("x")+"""'


def written(name: str, module: Module) -> str:
    """``model.py`` of a trial of a study called ``name``."""
    study = Study(
        name=name,
        sites=[site.to_dict() for site in sites("resnet8", 16)],
        images={"size": 16, "mean": [0.5], "std": [0.2]},
        classes=["a", RUNS],
    )
    placement = Placement.of("resnet8", [module])
    trial = store.Trial(number=0, placement=placement.spelling)
    return export.model_source(study, trial, SearchSpec(), placement)


def test_a_name_ends_no_docstring_of_an_export() -> None:
    source = written(RUNS, Module("layer1.0.bn2", "se"))
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    assert "open" not in {getattr(call.func, "id", None) for call in calls}
    assert "open('ran', 'w')" in (ast.get_docstring(ast.parse(source)) or "")


def test_a_hyper_parameter_is_a_name() -> None:
    hostile = Module("layer1.0.bn2", "se", {f"**({RUNS}), reduction": 4})
    with pytest.raises(BadValue, match="se has no hyper-parameter"):
        written("digits", hostile)


def test_a_study_with_code_of_its_own_is_not_exported_from_here(
    client: TestClient, session: Session
) -> None:
    study = session.get_one(Study, 1)
    study.spec = study.spec | {"plugins": [{"path": "own.py", "source": "1/0"}]}
    session.commit()
    said = client.post(
        "/api/v1/studies/1/trials/4/export", json={"format": "module"}, headers={"Origin": HERE}
    )
    assert said.status_code == 409
    assert "code of its own" in said.json()["error"]["message"]


@pytest.mark.parametrize(
    "address",
    [
        "s3://bucket/digits-0123abcd/a.zip?endpoint_override=evil.example&scheme=http",
        "s3://key:secret@bucket/digits-0123abcd/a.zip",
        "gs://anonymous@bucket/digits-0123abcd/a.zip",
        "file:///runs/digits-0123abcd/%2e%2e/%2e%2e/etc/passwd",
        "http://evil.example/digits-0123abcd/a.zip",
    ],
)
def test_an_address_leads_to_no_other_server_and_out_of_no_folder(address: str) -> None:
    assert not is_ours(address)


def test_a_device_is_no_file_of_ours(tmp_path: Path) -> None:
    folder = tmp_path / "digits-0123abcd"
    folder.mkdir()
    (folder / "endless").symlink_to("/dev/zero")
    assert not is_ours(str(folder / "endless"))


def test_a_zip_is_not_believed_what_it_says_of_itself(tmp_path: Path) -> None:
    content = BytesIO()
    with ZipFile(content, "w", ZIP_DEFLATED) as file:
        file.writestr("bomb", bytes(looks.MOST + 1))
        file.writestr("about.json", "{}")
    small = bytearray(content.getvalue())
    for at in (small.index(b"PK\x03\x04") + 22, small.index(b"PK\x01\x02") + 24):
        small[at : at + 4] = struct.pack("<I", 2)  # bytes, it says
    (tmp_path / "a.zip").write_bytes(bytes(small))
    with pytest.raises(BadValue, match="are broken"):
        looks.read(str(tmp_path / "a.zip"))


def test_a_file_has_only_so_many_pictures(tmp_path: Path) -> None:
    with ZipFile(tmp_path / "a.zip", "w") as file:
        about = {"images": [], "sites": [{"shows": "nothing"}] * 5000}
        file.writestr("about.json", json.dumps(about))
    with pytest.raises(BadValue, match="too many pictures"):
        looks.read(str(tmp_path / "a.zip"))


@pytest.mark.parametrize("path", ["/", "/s/1", "/api/v1/studies", "/?token=guess"])
def test_another_sites_page_may_lead_here_but_not_read(client: TestClient, path: str) -> None:
    picture = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}
    assert client.get(path, headers=picture).status_code == 403
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}
    assert client.get(path, headers=link).status_code == 200
    assert client.get(path).headers["cross-origin-resource-policy"] == "same-origin"


def test_an_answer_is_kept_under_its_own_address(client: TestClient) -> None:
    odd = client.get("/api/v1/studies/1/trials?min_acc%3D80%26state=complete").json()
    plain = client.get("/api/v1/studies/1/trials?min_acc=80&state=complete").json()
    assert odd["total"] == 10
    assert plain["total"] == 5


def test_filters_do_not_pile_up(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "KEPT", 20)
    for i in range(60):
        client.get(f"/api/v1/studies/1/trials?max_gflops=1.{i}")
    site = client.app.state.site  # type: ignore[attr-defined]
    (kept,) = [one.snapshot._kept for one in site.snapshots._latest.values()]
    assert len(kept) <= 20


def test_a_long_list_of_trials_is_not_repeated(client: TestClient) -> None:
    once = client.get("/s/1/_trials?keep=4")
    often = client.get("/s/1/_trials?keep=" + ",".join(["4"] * 3000))
    assert often.text.count("data-trial") == once.text.count("data-trial")
    many = client.get("/s/1/_trials?keep=" + ",".join(map(str, range(600))))
    assert many.status_code == 400
