"""The page of one trial, the trial as JSON, its picture, and the files that it left."""

import json
import os
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from statistics import fmean, stdev
from typing import Any
from xml.etree import ElementTree
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from foveate.dashboards import artifacts
from foveate.dashboards.artifacts import is_ours
from foveate.dashboards.trial import rungs_of
from foveate.search import store
from foveate.search.records import Artifact, Study, Trial
from foveate.search.stopping import Stopping

from .conftest import add_trial, browser

API = "/api/v1/studies/1/trials"
EVIL = "<img src=x onerror=alert(1)>\"'&"


@pytest.fixture
def study(session: Session) -> Study:
    return store.find_study(session, "digits")


def trial_of(client: TestClient, number: int) -> dict[str, Any]:
    answer = client.get(f"{API}/{number}")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


# ------------------------------------------------------------------------------------ as JSON


def test_a_trial_is_its_row_and_all_that_is_known_besides(client: TestClient) -> None:
    found = trial_of(client, 4)
    (row,) = [one for one in client.get(f"{API}?at=4").json()["rows"] if one["n"] == 4]
    assert {name: found[name] for name in row} == row
    assert [(one["place"], one["site"], one["module"]) for one in found["places"]] == [
        ("s2b1", "layer2.0", "aw"),
        ("s3b2", "layer3.1", "se"),
        ("s3", "layer3", "steam"),
    ]
    assert found["curve"]["epoch"] == [1, 2]
    assert found["curve"]["val_acc"] == [70.0, 91.23]
    assert found["curve"]["train_loss"] == [1.0, 1.0] and found["curve"]["secs"] == [1.5, 1.5]
    assert (found["error"], found["stop_reason"], found["parents"]) == (None, None, [])
    (weights,) = found["artifacts"]
    assert (weights["kind"], weights["name"], weights["url"]) == ("weights", "4.safetensors", None)


def test_why_it_ended_is_told_by_how_it_ended(client: TestClient) -> None:
    stopped, failed = trial_of(client, 6), trial_of(client, 7)
    assert stopped["stop_reason"] == "behind at epoch 1: rank 3 of 4" and stopped["error"] is None
    assert failed["error"] == "CUDA out of memory\ntraceback" and failed["stop_reason"] is None
    assert "CUDA out of memory\ntraceback" in client.get("/s/1/trials/7").text


def test_what_modules_add_is_told_where_it_was_recorded(
    client: TestClient, session: Session, study: Study
) -> None:
    assert {one["gflops"] for one in trial_of(client, 4)["places"]} == {None}
    assert "was not recorded when this trial was added" in client.get("/s/1/trials/4").text
    trial = store.find_trial(session, study, 4)
    trial.added = [[1000, 4_000_000], [500, 1_000_000], [-100, 0]]
    store._change(trial)
    session.commit()
    found = trial_of(client, 4)["places"]
    # the placement has them by site: layer2.0, layer3, layer3.1
    assert {one["module"]: (one["params"], one["gflops"]) for one in found} == {
        "aw": (1000, 0.004),
        "steam": (500, 0.001),
        "se": (-100, 0.0),
    }
    page = client.get("/s/1/trials/4").text
    assert "80\N{NO-BREAK SPACE}%" in page.replace("&nbsp;", "\N{NO-BREAK SPACE}")
    assert "+1,400" in page


def test_parents_and_children_find_each_other(
    client: TestClient, session: Session, study: Study
) -> None:
    store.find_trial(session, study, 5).parents = [3, 2]
    changed = store.find_trial(session, study, 8)
    changed.parents = [13, 3]
    store._change(changed)
    session.commit()
    assert trial_of(client, 5)["parents"] == [3, 2]
    assert trial_of(client, 3)["children"] == [5, 8]
    assert trial_of(client, 1)["children"] == []  # though 13 has a 1 in it
    page = client.get("/s/1/trials/3").text
    assert 'led to</dt><dd><a href="/s/1/trials/5">#5</a>' in page


def test_the_spread_is_over_all_seeds_of_the_placement(
    client: TestClient, session: Session, study: Study
) -> None:
    shares = [0.9123, 0.90, 0.93]
    first = store.find_trial(session, study, 4)
    for number, share in enumerate(shares[1:], 10):
        trial = add_trial(session, study, number, extra=0.25, curve=(0.6, share))
        trial.key, trial.seed, trial.placement = first.key, number, first.placement
    session.commit()
    found = trial_of(client, 4)
    assert found["seeds"] == 3
    assert found["acc_sd"] == pytest.approx(100 * stdev(shares), abs=1e-4)
    page = client.get("/s/1/trials/4").text
    assert f"{100 * fmean(shares):.2f}\N{NO-BREAK SPACE}% ± {100 * stdev(shares):.2f}" in page
    assert "over 3 seeds" in page and '"seed 11"' in page


def test_metrics_stand_against_those_of_the_bare_backbone(
    client: TestClient, session: Session, study: Study
) -> None:
    for number, share in ((0, 0.8), (4, 0.9123)):
        trial = store.find_trial(session, study, number)
        per_class = [share] * 9 + [None]
        trial.metrics = {"top-1": share, "balanced": share - 0.1, "per-class": per_class}
        store._change(trial)
    session.commit()
    page = client.get("/s/1/trials/4").text
    assert page.count("+11.23") >= 1 + 2 + 9  # the accuracy, two metrics, nine classes
    assert "top-1" not in client.get("/s/1/trials/3").text


# ------------------------------------------------------------------------------------ rungs


def judged(number: int, session: Session, study: Study, **spec: Any) -> list[Any]:
    found = rungs_of(store.find_trial(session, study, number), Stopping(**spec), 8)
    return [(one.epoch, one.accuracy, one.threshold, one.kept) for one in found]


def test_the_threshold_is_that_of_the_decision_and_of_no_other(
    session: Session, study: Study
) -> None:
    verdict = {"epoch": 3, "accuracy": 0.5, "threshold": 0.61, "rule": "pareto", "of": 9}
    curve = (0.3, 0.5, 0.55)
    add_trial(session, study, 10, curve=curve, state="stopped", verdict=verdict, reason="behind")
    add_trial(session, study, 11, curve=(0.3, 0.5, 0.6, 0.6), state="running")
    add_trial(session, study, 12, curve=(0.3, 0.5), state="running")
    spec = {"first": 2, "factor": 1.6}  # rungs at 2, 3, 5
    assert judged(10, session, study, **spec) == [(2, 0.5, None, True), (3, 0.55, 0.61, False)]
    assert judged(11, session, study, **spec) == [
        (2, 0.5, None, True),
        (3, 0.6, None, True),
        (5, None, None, None),
    ]
    assert judged(12, session, study, **spec)[0] == (2, 0.5, None, None)  # it may be right now
    assert judged(0, session, study, **spec) == []  # a baseline
    assert judged(11, session, study, rule="none") == []
    first, second = rungs_of(store.find_trial(session, study, 10), Stopping(**spec), 8)
    assert (first.judged, second.judged) == (None, 0.5)


# ------------------------------------------------------------------------------------ the page


@pytest.mark.parametrize("number", range(10))
def test_every_state_has_a_page(client: TestClient, number: int) -> None:
    page = client.get(f"/s/1/trials/{number}")
    assert page.status_code == 200
    assert f"<h1>Trial #{number}</h1>" in page.text
    assert ("Export module" in page.text) == (number in (0, 4))  # where weights were kept


def test_the_way_leads_by_number_and_along_the_front(client: TestClient) -> None:
    page = client.get("/s/1/trials/3").text
    for link in (
        'rel="prev" href="/s/1/trials/2"',
        'rel="next" href="/s/1/trials/4"',
        'href="/s/1/trials/0" title="the next cheaper one',
        'href="/s/1/trials/4" title="the next dearer one',
    ):
        assert link in page
    assert "next cheaper" not in client.get("/s/1/trials/5").text
    assert 'rel="prev"' not in client.get("/s/1/trials/0").text
    assert 'rel="next"' not in client.get("/s/1/trials/9").text


def test_the_command_exports_what_the_page_shows(
    client: TestClient, session: Session, study: Study
) -> None:
    study.name = "it's mine; rm -rf /"
    session.commit()
    page = client.get("/s/1/trials/4").text
    command = "foveate export &#39;it&#39;&#34;&#39;&#34;&#39;s mine; rm -rf /&#39; --trial 4"
    assert command in page


def test_times_are_those_of_the_record(client: TestClient, session: Session, study: Study) -> None:
    trial = store.find_trial(session, study, 4)
    assert trial.started is not None
    trial.created = trial.started - timedelta(seconds=90)
    trial.ended = trial.started + timedelta(minutes=30)
    store._change(trial)
    session.commit()
    page = client.get("/s/1/trials/4").text
    assert "after 90\N{NO-BREAK SPACE}s in the queue" in page
    assert "30\N{NO-BREAK SPACE}min later" in page
    assert "1.5\N{NO-BREAK SPACE}s an epoch" in page
    assert "waiting for data" not in page  # nothing was measured


def test_what_the_time_went_into_is_told_if_every_epoch_told_it(
    client: TestClient, session: Session, study: Study
) -> None:
    spaced = "\N{NO-BREAK SPACE}"
    trial = store.find_trial(session, study, 3)
    first, second = trial.curve
    first.metrics = {"machine": {"data": 0.5, "validation": 1.25, "cores": 0.9}}
    store._change(trial)
    session.commit()
    assert "waiting for data" not in client.get("/s/1/trials/3").text  # of half of it
    second.metrics = {"machine": {"data": 0.25, "validation": 1.0}}
    store._change(trial)
    session.commit()
    page = client.get("/s/1/trials/3").text
    assert f"2.2{spaced}s validation, 0.8{spaced}s waiting for data" in page
    timing = client.get("/api/v1/studies/1/trials/3").json()["timing"]
    assert (timing["data"], timing["validation"], timing["trained"]) == (0.75, 2.25, 3.0)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/s/1/trials/99", 404),
        ("/s/1/trials/x", 404),
        ("/s/2/trials/1", 404),
        (f"{API}/99", 404),
        (f"{API}/-1", 404),
        (f"{API}/99/arch.svg", 404),
        (f"{API}/x/arch.svg", 404),
        ("/artifacts/999", 404),
        ("/artifacts/x", 404),
    ],
)
def test_what_is_not_there_is_said_in_one_sentence(
    client: TestClient, path: str, status: int
) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    if path.startswith("/api"):
        assert answer.json()["error"]["message"]
    if path == f"{API}/99":
        said = "study 'digits' has no trial 99; it has trials 0 to 9"
        assert answer.json()["error"]["message"] == said


def test_hostile_names_stay_text(client: TestClient, session: Session, study: Study) -> None:
    trial = store.find_trial(session, study, 7)
    trial.reason, trial.worker, trial.device, trial.origin = [f"{EVIL}</script>"] * 4
    trial.notes, trial.metrics = [EVIL], {EVIL: 0.5, "per-class": [0.1] * 10}
    study.classes = [EVIL] * 10
    study.name = EVIL
    session.add(
        Artifact(study_id=1, trial_id=trial.id, kind=EVIL[:40], address=f"/x/{EVIL}", about={})
    )
    store._change(trial)
    session.commit()
    page = client.get("/s/1/trials/7").text
    assert "<img src=x" not in page
    assert page.count("&lt;img src=x onerror=alert(1)&gt;") >= 9
    data = page.split('id="curve-data">')[1].split("</script>")[0]
    assert json.loads(data)["lines"][0]["name"] == "#7"


# ------------------------------------------------------------------------------------ the picture


def test_the_picture_is_a_file_of_its_own(client: TestClient, session: Session) -> None:
    answer = client.get(f"{API}/4/arch.svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert "sandbox" in answer.headers["content-security-policy"]
    root = ElementTree.fromstring(answer.text)
    assert sorted(
        one.get("data-module") or "" for one in root.iter() if "data-module" in one.attrib
    ) == [
        "aw",
        "se",
        "steam",
    ]
    tag = answer.headers["etag"]
    again = client.get(f"{API}/4/arch.svg", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert answer.headers["cache-control"] == "no-cache"  # another database may be here tomorrow
    named = client.get(f"{API}/4/arch.svg?v={4:016x}")
    assert "immutable" in named.headers["cache-control"]


# ------------------------------------------------------------------------------------ files


def looks_file(path: Path, **more: bytes) -> dict[str, Any]:
    """Pictures of two images and a map, as a search writes them; what is said of them."""
    about = {
        "version": 1,
        "size": 8,
        "images": [
            {"index": 5, "labels": ["3"], "predicted": [{"label": "3", "share": 0.75}]},
            {"index": 9, "labels": ["4"], "predicted": [{"label": "8", "share": 0.5}]},
        ],
        "sites": [
            {"site": "layer2.0", "module": "aw", "shows": "nothing", "why": "it has no positions"},
            {
                "site": "layer3.1",
                "module": "se",
                "shows": "map",
                "what": f"as large {EVIL}",
                "range": [0.5, 2.0],
                "shape": [4, 4],
            },
        ],
    }

    def picture(mode: str, size: int) -> bytes:
        content = BytesIO()
        Image.fromarray(np.full((size, size, len(mode)), 90, np.uint8), mode).save(content, "png")
        return content.getvalue()

    files = {"about.json": json.dumps(about).encode()}
    for image in range(2):
        files |= {f"image-{image}.png": picture("RGB", 8), f"map-{image}-1.png": picture("LA", 4)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with ZipFile(path, "w") as file:
        for name, content in (files | more).items():
            file.writestr(name, content)
    return about


Left = Callable[..., int]


@pytest.fixture
def left(session: Session, study: Study, tmp_path: Path) -> Left:
    """Records a file of trial 4; gives its id."""
    artifacts._read.cache_clear()

    def left(path: str | Path, kind: str = "attention", **about: Any) -> int:
        trial = store.find_trial(session, study, 4)
        session.add(
            one := Artifact(
                study_id=1, trial_id=trial.id, kind=kind, address=str(path), about=about
            )
        )
        store._change(trial)
        session.commit()
        return one.id

    return left


def test_pictures_are_shown_beside_the_trial(
    client: TestClient, left: Left, tmp_path: Path
) -> None:
    path = tmp_path / "digits-0123abcd" / "4" / "attention.zip"
    id = left(path, **looks_file(path))
    page = client.get("/s/1/trials/4").text
    assert page.count(f'src="/artifacts/{id}/images/') == 4
    assert "it has no positions" in page and "✗ 8 50 %" in page and "✓ 3 75 %" in page
    assert "<img src=x" not in page
    for part in ("images/0", "images/1?side=96", "images/0/1", "images/1/1?side=30"):
        answer = client.get(f"/artifacts/{id}/{part}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
        assert answer.headers["content-security-policy"] == (
            "default-src 'none'; frame-ancestors 'none'; sandbox"
        )
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.content.startswith(b"\x89PNG")
        tag = answer.headers["etag"]
        again = client.get(f"/artifacts/{id}/{part}", headers={"If-None-Match": tag})
        assert again.status_code == 304
    assert Image.open(BytesIO(client.get(f"/artifacts/{id}/images/1?side=96").content)).size == (
        96,
        96,
    )
    whole = client.get(f"/artifacts/{id}")
    assert whole.headers["content-disposition"].startswith("attachment; filename=")
    with ZipFile(BytesIO(whole.content)) as file:
        assert file.namelist() == [
            "image-0.png",
            "image-0-site-1.png",
            "image-1.png",
            "image-1-site-1.png",
        ]
    assert client.get("/looks/scale.png").content.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("part", "status"),
    [
        ("images/2", 404),
        ("images/0/0", 404),  # shows nothing
        ("images/0/7", 404),
        ("images/x", 404),
        ("images/0?side=0", 400),
        ("images/0?side=99999", 400),
        ("images/0?side=x", 400),
    ],
)
def test_a_picture_that_is_not_there_is_said_in_one_sentence(
    client: TestClient, left: Left, tmp_path: Path, part: str, status: int
) -> None:
    path = tmp_path / "digits-0123abcd" / "attention.zip"
    assert client.get(f"/artifacts/{left(path, **looks_file(path))}/{part}").status_code == status


def test_of_a_file_nothing_is_sent_but_pictures(
    client: TestClient, left: Left, tmp_path: Path
) -> None:
    path = tmp_path / "digits-0123abcd" / "attention.zip"
    evil = b"<script>alert(1)</script>"
    about = looks_file(path, **{"index.html": evil, "image-1.png": evil})
    id = left(path, **about)
    for part in ("", "/images/0", "/images/1", "/index.html", "/images/index.html"):
        assert evil not in client.get(f"/artifacts/{id}{part}").content
    assert client.get(f"/artifacts/{id}/images/1").status_code == 404
    assert client.get(f"/artifacts/{id}/images/0").status_code == 200


def test_only_pictures_in_folders_of_studies_are_opened(
    client: TestClient, left: Left, tmp_path: Path
) -> None:
    inside = tmp_path / "digits-0123abcd"
    about = looks_file(inside / "fine.zip")
    outside = tmp_path / "elsewhere" / "attention.zip"
    looks_file(outside)
    (inside / "link.zip").symlink_to(outside)
    (tmp_path / "linked-0123abcd").symlink_to(tmp_path / "elsewhere")
    assert client.get(f"/artifacts/{left(inside / 'fine.zip', **about)}").status_code == 200
    for address in (
        outside,
        inside / "link.zip",
        tmp_path / "linked-0123abcd" / "attention.zip",
        f"{inside}/../elsewhere/attention.zip",
        "/etc/passwd",
        "file:///etc/passwd",
        "http://169.254.169.254/x-0123abcd/attention.zip",
        "",
        "\0",
        "/dev/zero",
    ):
        answer = client.get(f"/artifacts/{left(address, **about)}")
        assert answer.status_code == 404, address
        assert "root:" not in answer.text
    secret = inside / "secret.txt"
    secret.write_text("root:x:0:0")
    for path in (secret, inside, inside / "gone.zip"):  # in its folder, but no pictures
        answer = client.get(f"/artifacts/{left(path, **about)}")
        assert (answer.status_code, "root:" in answer.text) == (404, False)


def test_weights_are_not_served(client: TestClient, session: Session, left: Left) -> None:
    (weights,) = [one.id for one in session.query(Artifact).join(Trial).filter(Trial.number == 4)]
    answer = client.get(f"/artifacts/{weights}")
    assert answer.status_code == 404
    assert "weights leave by an export" in answer.text


@pytest.mark.parametrize(
    ("address", "ours"),
    [
        ("/data/runs/digits-0123abcd/4/attention.zip", True),
        ("/data/runs/my study-0123abcd/attention.zip", True),
        ("s3://bucket/runs/digits-0123abcd/4/attention.zip?region=x", True),
        ("file:///data/digits-0123abcd/4/attention.zip", True),
        ("/data/runs/digits-0123abcd", False),  # the folder itself
        ("/data/runs/digits-0123ABCD/attention.zip", False),
        ("/data/runs/-0123abcd/attention.zip", False),
        ("/data/digits-0123abcd/../../etc/passwd", False),
        ("s3://bucket/digits-0123abcd/../secret", False),
        ("s3://digits-0123abcd/secret", False),
        ("https://host/digits-0123abcd/attention.zip", False),
        ("/etc/passwd", False),
    ],
)
def test_which_files_are_ours(address: str, ours: bool) -> None:
    assert is_ours(address) == ours


def test_reading_a_trial_writes_nothing(client: TestClient, storage: str) -> None:
    database = Path(storage.removeprefix("sqlite:///"))
    before = database.read_bytes()
    for path in ("/s/1/trials/4", f"{API}/4", f"{API}/4/arch.svg", "/artifacts/1"):
        client.get(path)
    assert database.read_bytes() == before and os.access(database, os.W_OK)


def test_a_trial_that_changes_is_shown_anew(storage: str, session: Session, study: Study) -> None:
    client = browser(storage)
    before = client.get("/s/1/trials/8")
    assert "55.00" in before.text
    trial = store.find_trial(session, study, 8)
    store.record_epoch(session, trial, number=2, accuracy=0.66, train_loss=1.0, seconds=1.0)
    session.commit()
    after = client.get("/s/1/trials/8", headers={"If-None-Match": before.headers["etag"]})
    assert after.status_code == 200 and "66.00" in after.text
