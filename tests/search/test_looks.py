"""The pictures of where a trial looks: who keeps them, and how a page reads them."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from PIL import Image
from sqlalchemy.orm import Session

from foveate._files import Folder
from foveate.errors import BadValue, UnknownName
from foveate.search import databases, drawn, looks, store
from foveate.search.ledger import Ledger
from foveate.search.records import Trial
from foveate.spaces import Placement, build
from foveate.workers.checkpoints import WEIGHTS, packed
from foveate.workers.data import Data, load
from foveate.workers.looking import LOOKS, look

Opened = Callable[..., Ledger]
Array = np.ndarray[Any, Any]


def pixels(png: bytes) -> Array:
    assert png.startswith(b"\x89PNG")
    return np.asarray(Image.open(BytesIO(png)).convert("RGB")).astype(int)


def png(values: Any) -> bytes:
    content = BytesIO()
    Image.fromarray(np.asarray(values, np.uint8)).save(content, "png")
    return content.getvalue()


def written(path: Path, files: dict[str, bytes]) -> str:
    with ZipFile(path, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    return str(path)


# ------------------------------------------------------------------------------ who keeps them


def finish(ledger: Ledger, job: Any, accuracy: float) -> Trial:
    """It is trained and drawn where it looks, as a worker would."""
    folder = ledger.folder(job.number)
    folder.make()
    for name in (WEIGHTS, LOOKS, "epoch-0003.pt"):
        folder.write(name, b"x")
    for number in range(1, 5):
        epoch = {"number": number, "train_loss": 1.0, "accuracy": accuracy, "seconds": 0.1}
        last = {"about": {"sites": [job.number]}, "bytes": 1} if number == 4 else None
        ledger.report(job.number, worker="here:1", device="cpu", epoch=epoch, looks=last)
    with Session(ledger.engine, expire_on_commit=False) as session:
        trial = store.find_trial(session, store.find_study(session, ledger.name), job.number)
        assert trial.state == "complete" and len(trial.artifacts) <= 2  # loaded here
        return trial


def test_a_member_of_the_front_keeps_its_pictures_and_another_leaves_none(opened: Opened) -> None:
    ledger = opened("trials=3", "stopping.rule=none")
    first, worse, better = (finish(ledger, ledger.ask(), share) for share in (0.7, 0.6, 0.9))
    assert [first.on_front, worse.on_front, better.on_front] == [True, False, True]
    for trial in (first, better):
        assert trial.looks is not None
        assert trial.looks.address == ledger.folder(trial.number).address(LOOKS)
        assert (trial.looks.bytes, trial.looks.about) == (1, {"sites": [trial.number]})
        assert ledger.folder(trial.number).names() == [LOOKS, WEIGHTS]
    assert worse.looks is None and ledger.folder(worse.number).names() == [WEIGHTS]


def test_who_leaves_the_front_keeps_them(opened: Opened) -> None:
    ledger = opened("trials=3", "stopping.rule=none")
    bare, cheap, dear = (ledger.ask() for _ in range(3))  # the last two: eca and se everywhere
    finish(ledger, bare, 0.7)
    left = finish(ledger, dear, 0.8)
    assert left.on_front
    finish(ledger, cheap, 0.9)
    with Session(ledger.engine) as session:
        left = store.find_trial(session, store.find_study(session, ledger.name), left.number)
        assert not left.on_front and left.looks is not None
        assert Path(left.looks.address).exists()


def test_what_a_lost_driver_had_kept_of_them_is_recorded(opened: Opened, by_hand: Any) -> None:
    """A journal of an older version, which knew of no pictures, is read as well."""
    ledger = opened("trials=2")
    for told in ({"looks": {"about": {"a": 1}, "bytes": 3}}, {}):
        job = ledger.ask()
        assert job is not None
        by_hand.train(ledger, job, until=3)
        entry = {"what": "report", "number": job.number, "worker": "w", "device": "cpu"}
        entry |= {"epoch": by_hand.epoch_of(job, 4), "failed": None, **told}
        with Session(ledger.engine) as session, session.begin():
            study = store.locked(session, ledger.study_id)
            assert ledger._recovered(session, study, entry)
            trial = store.find_trial(session, study, job.number)
            assert trial.state == "complete"
            assert trial.looks is None if not told else trial.looks.about == {"a": 1}


# ------------------------------------------------------------------------------- how they are read

ABOUT = {
    "version": 1,
    "size": 4,
    "images": [{"index": 3, "labels": ["a"], "predicted": []}],
    "sites": [
        {"site": "a", "module": "cbam", "shows": "map", "what": "", "range": [0.0, 1.0]},
        {"site": "b", "module": "cram", "shows": "rectangle", "what": "", "rectangles": []},
        {"site": "c", "module": "se", "shows": "nothing", "why": "because"},
    ],
}
CORNERS = [[0.25, 0.25], [0.75, 0.25], [0.75, 1.0], [0.25, 1.0]]


@pytest.fixture
def files() -> dict[str, bytes]:
    image = np.arange(48).reshape(4, 4, 3) * 5
    grey, known = [[0, 255], [128, 7]], [[255, 255], [255, 0]]
    about = json.loads(json.dumps(ABOUT))
    about["sites"][1]["rectangles"] = [{"corners": CORNERS, "inside": 0.375}]
    return {
        "about.json": json.dumps(about).encode(),
        "image-0.png": png(image),
        "map-0-0.png": png(np.stack([grey, known], -1)),
    }


@pytest.fixture
def found(files: dict[str, bytes], tmp_path: Path) -> looks.Looks:
    return looks.read(written(tmp_path / "a.zip", files))


def test_an_image_is_itself_and_its_pixels_grow_as_squares(found: looks.Looks) -> None:
    image = np.arange(48).reshape(4, 4, 3) * 5
    assert (pixels(found.picture(0)) == image).all()
    assert (pixels(found.picture(0, 12)) == image.repeat(3, 0).repeat(3, 1)).all()
    assert pixels(found.picture(0, 2)).shape == (2, 2, 3)


def test_a_map_lies_in_colours_on_the_pale_image(found: looks.Looks) -> None:
    table = pixels(looks.scale(256, 1))[0]
    assert len({tuple(colour) for colour in table.tolist()}) > 250
    assert (np.diff(table @ [0.2126, 0.7152, 0.0722]) > -0.5).all()  # ever lighter
    shown = pixels(found.overlay(0, 0, side=64))
    image = np.asarray(Image.open(BytesIO(found.picture(0, 64))).convert("L")).astype(int)
    image = looks.PALE * 128 + (1 - looks.PALE) * image
    low, high, middle = table[0], table[255], table[128]
    for (row, column), colour in {(0, 0): low, (0, 63): high, (63, 0): middle}.items():
        expected = (1 - looks.HEAT) * image[row, column] + looks.HEAT * colour
        assert shown[row, column] == pytest.approx(expected, abs=2)
    assert shown[63, 63] == pytest.approx(image[63, 63], abs=1)  # where nothing is known


def test_what_is_outside_of_a_rectangle_is_dark(found: looks.Looks) -> None:
    shown, image = pixels(found.overlay(0, 1, side=64)), pixels(found.picture(0, 64))
    assert (shown[40, 32] == image[40, 32]).all()
    assert shown[40, 4] == pytest.approx((1 - looks.SHADE) * image[40, 4], abs=1)
    assert shown[40, 16] == pytest.approx(looks.LINE, abs=60)


def test_a_rectangle_around_the_image_changes_nothing(
    files: dict[str, bytes], tmp_path: Path
) -> None:
    about = json.loads(files["about.json"])
    wide = [[-1.0, -1.0], [2.0, -1.0], [2.0, 2.0], [-1.0, 2.0]]
    about["sites"][1]["rectangles"][0]["corners"] = wide
    files["about.json"] = json.dumps(about).encode()
    found = looks.read(written(tmp_path / "a.zip", files))
    assert (pixels(found.overlay(0, 1, 64)) == pixels(found.picture(0, 64))).all()


def test_what_is_not_there_is_said_in_a_sentence(found: looks.Looks, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"^there is no image 1; there are 0 to 0$"):
        found.picture(1)
    with pytest.raises(UnknownName, match=r"^there is no site -1; there are 0 to 2$"):
        found.overlay(0, -1)
    with pytest.raises(UnknownName, match=r"^se at c shows nothing: because$"):
        found.overlay(0, 2)
    with pytest.raises(BadValue, match=r"^a picture has 1 to 1024 pixels a side, got 4000$"):
        found.picture(0, 4000)
    with pytest.raises(BadValue, match=r"^there are no pictures at '.*none\.zip': "):
        looks.read(str(tmp_path / "none.zip"))


@pytest.mark.parametrize("how", ["cut", "empty", "bomb", "missing", "no picture", "huge"])
def test_a_broken_file_is_said_to_be_one(
    how: str, files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.zip"
    if how == "missing":
        del files["image-0.png"]
    elif how == "no picture":
        files["image-0.png"] = files["image-0.png"][:40]
    elif how == "huge":
        files["image-0.png"] = png(np.zeros((2, 2000, 3)))
    elif how == "empty":
        files = {}
    written(path, files)
    if how == "cut":
        path.write_bytes(path.read_bytes()[:-30])
    elif how == "bomb":
        monkeypatch.setattr(looks, "MOST", 100)
    with pytest.raises(BadValue, match=r"^the pictures? (at )?'.*' (is|are) broken: "):
        looks.read(str(path)).picture(0)


def test_pictures_are_read_from_an_object_store(
    bucket: str, files: dict[str, bytes], tmp_path: Path
) -> None:
    folder = Folder(bucket).at("7")
    folder.write(LOOKS, Path(written(tmp_path / "a.zip", files)).read_bytes())
    assert looks.read(folder.address(LOOKS)).about == json.loads(files["about.json"])
    with pytest.raises(BadValue, match=r"^there are no pictures at 's3://.*/8/attention\.zip"):
        looks.read(Folder(bucket).at("8").address(LOOKS))


def test_pages_read_pictures_without_torch() -> None:
    code = "import sys; from foveate.search import looks; looks.scale(); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "ray", "optuna", "pyarrow"} & set(ran.stdout.split())


# ------------------------------------------------------------------------------------ by hand


@pytest.fixture
def trained(opened: Opened, by_hand: Any) -> Ledger:
    """A bare trial and one with attention, fully trained, with weights that a worker left."""
    ledger = opened("trials=2", "stopping.rule=none")
    for _ in range(2):
        job = ledger.ask()
        assert job is not None
        torch.manual_seed(0)
        model = build(job.placement, 10, image_size=8, identity_init=True)
        ledger.folder(job.number).make()
        ledger.folder(job.number).write(WEIGHTS, packed(model.state_dict()))
        by_hand.train(ledger, job)
    ledger.close()
    return ledger


def test_pictures_are_drawn_by_hand_of_any_complete_trial(trained: Ledger, storage: str) -> None:
    engine = databases.open_database(storage)
    with Session(engine) as session:
        study = store.find_study(session, "tiny")
        trial = store.find_trial(session, study, 1)
        assert trial.looks is None
        seq = study.seq
        placement = Placement.parse(trial.placement)
    first = drawn.draw_looks(engine, "tiny", 1)
    again = drawn.draw_looks(engine, "tiny", 1, count=2)
    torch.manual_seed(0)
    model = build(placement, 10, image_size=8, identity_init=True)
    about, content = look(model, placement, load(Data(name="digits")), 6, 0)
    assert first.about == about and first.bytes == len(content)
    assert again.about["images"] == about["images"][:2]
    assert again.id != first.id
    with Session(engine) as session:
        study = store.find_study(session, "tiny")
        trial = store.find_trial(session, study, 1)
        assert [one.kind for one in trial.artifacts] == ["weights", "attention"]
        assert trial.looks is not None and trial.looks.about == again.about
        assert looks.read(trial.looks.address).about == again.about
        assert store.artifact_numbered(session, again.id).kind == "attention"  # type: ignore[union-attr]
        assert trial.seq == study.seq == seq + 2
    engine.dispose()


def test_what_cannot_be_drawn_by_hand_is_one_sentence(trained: Ledger, storage: str) -> None:
    engine = databases.open_database(storage)
    with pytest.raises(BadValue, match=r"^trial 0 has no attention: it is a bare resnet8$"):
        drawn.draw_looks(engine, "tiny", 0)
    with pytest.raises(UnknownName, match=r"^study 'tiny' has no trial 7; it has trials 0 to 2$"):
        drawn.draw_looks(engine, "tiny", 7)
    trained.folder(1).delete(WEIGHTS)
    with pytest.raises(BadValue, match=r"^the weights of trial 1 are not at '.*weights\.safe"):
        drawn.draw_looks(engine, "tiny", 1)
    with Session(engine) as session, session.begin():
        store.forget(session, store.find_trial(session, store.find_study(session, "tiny"), 1))
    with pytest.raises(BadValue, match=r"^trial 1 is complete and has no weights: only of a fully"):
        drawn.draw_looks(engine, "tiny", 1)
    engine.dispose()


# ------------------------------------------------------------------------------------ a search

SPEC = """
data: {name: digits}
space: {modules: [cbam, se], sites: ["*.bn2"]}
recipe: {epochs: 2, batch: 64}
stopping: {rule: none}
sampler: {name: random, startup: 0}
looks: 3
"""


def rows(folder: Path) -> dict[int, tuple[bool, bool]]:
    """Of each trial: whether it is in one of the front's steps that it made, and has pictures."""
    with sqlite3.connect(folder / "foveate.db") as database:
        moved = {number for (number,) in database.execute("SELECT number FROM foveate_front_step")}
        drew = database.execute(
            "SELECT t.number FROM foveate_trial t JOIN foveate_artifact a ON a.trial_id = t.id"
            " WHERE a.kind = 'attention'"
        )
        pictured = {number for (number,) in drew}
        numbers = database.execute("SELECT number FROM foveate_trial").fetchall()
    return {number: (number in moved, number in pictured) for (number,) in numbers}


@pytest.mark.slow
def test_members_of_the_front_of_a_real_search_have_pictures_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC)
    command = [sys.executable, "-m", "foveate.cli", "search", "spec.yaml", "--study", "tiny"]
    for trials in ("4", "6"):  # the second goes on with the first
        ran = subprocess.run(
            [*command, "--trials", trials], cwd=tmp_path, capture_output=True, text=True
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
    found = rows(tmp_path)
    assert len(found) == 6 and found.pop(0) == (True, False)  # the bare backbone has no attention
    assert all(moved == pictured for moved, pictured in found.values())
    assert any(moved for moved, _ in found.values())
    engine = databases.open_database(f"sqlite:///{tmp_path}/foveate.db")
    with Session(engine) as session:
        shown = []
        for trial in store.trials(session, store.find_study(session, "tiny")):
            assert trial.weights is not None
            left = Folder(Path(trial.weights).parent).names()
            assert left == ([LOOKS, WEIGHTS] if trial.looks else [WEIGHTS])
            if trial.looks is not None:
                read = looks.read(trial.looks.address)
                assert read.about == trial.looks.about
                assert trial.looks.bytes == Path(trial.looks.address).stat().st_size
                shown.append([one["index"] for one in read.about["images"]])
                for site, said in enumerate(read.about["sites"]):
                    if said["shows"] != "nothing":
                        assert pixels(read.overlay(2, site, 32)).shape == (32, 32, 3)
        assert all(one == shown[0] and len(one) == 3 for one in shown)  # to compare
    engine.dispose()
