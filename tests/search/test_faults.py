"""Whole searches in which things go wrong, by way of modules that a user might write."""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

from foveate import Recipe, SearchSpec, build
from foveate._files import Folder, read_file
from foveate.errors import BadValue
from foveate.search import looks
from foveate.workers.checkpoints import WEIGHTS
from foveate.workers.looking import LOOKS
from foveate.workers.train import Training

pytestmark = pytest.mark.usefixtures("forget_plugins")

SITES, STEPS, EPOCHS = 3, 16, 3  # of resnet8's last norms; an epoch of the digits in batches of 64
MIDDLE = SITES * (STEPS + STEPS // 2)  # calls until the middle of the second epoch
QUICK = ["data.name=digits", "space.sites=['*.bn2']", f"recipe.epochs={EPOCHS}", "recipe.batch=64"]
QUICK += ["looks=0"]

ODD = '''
import os
import resource
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from foveate.attention import register

FOLDER = Path({folder!r})


class Odd(nn.Module):
    """Does nothing, and counts its calls while it is trained, over all processes."""

    def __init__(self, channels: int, *, identity_init: bool = False) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))

    def forward(self, x_NCHW: Tensor) -> Tensor:
        if self.training and x_NCHW.device.type != "meta" and torch.is_grad_enabled():
            name = type(self).__name__
            with open(FOLDER / name, "a") as log:
                log.write(".")
                log.flush()
                x_NCHW = self.trained(x_NCHW, os.fstat(log.fileno()).st_size)
        return x_NCHW * self.scale[:, None, None]

    def trained(self, x_NCHW: Tensor, call: int) -> Tensor:
        return x_NCHW
'''

FAULTS = """

@register("dies", attends="channels")
class Dies(Odd):
    def trained(self, x_NCHW: Tensor, call: int) -> Tensor:
        if call == {middle}:
            os.kill(os.getpid(), 9)
        return x_NCHW


@register("explodes", attends="channels")
class Explodes(Odd):
    def trained(self, x_NCHW: Tensor, call: int) -> Tensor:
        return x_NCHW * float("nan") if call == {middle} else x_NCHW


@register("hungry", attends="channels")
class Hungry(Odd):
    def trained(self, x_NCHW: Tensor, call: int) -> Tensor:
        if len(x_NCHW) > 32 and call >= {middle}:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
        return x_NCHW


@register("starved", attends="channels")
class Starved(Odd):
    def trained(self, x_NCHW: Tensor, call: int) -> Tensor:
        if len(x_NCHW) > 16:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")
        return x_NCHW


@register("stuck", attends="channels")
class Stuck(Odd):
    def trained(self, x_NCHW: Tensor, call: int) -> Tensor:
        if call == {middle}:
            time.sleep(3600)
        return x_NCHW
"""

DISK = """

@register("filling", attends="channels")
class Filling(Odd):
    def trained(self, x_NCHW: Tensor, call: int) -> Tensor:
        if call == {middle}:  # from now on no file of this process may be larger
            resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, resource.RLIM_INFINITY))
        return x_NCHW
"""


class Row(NamedTuple):
    """A trial, as the database has it."""

    state: str
    reason: str | None
    notes: list[str]
    epochs: list[tuple[int, float, float]]  # number, loss, accuracy


def plugin(folder: Path, text: str, **figures: object) -> Path:
    path = folder / "odd.py"
    path.write_text((ODD + text).format(folder=str(folder), middle=MIDDLE, **figures))
    return path


def search(
    folder: Path, *changes: str, plugin: Path | None = None
) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "foveate.cli", "search", "--study", "tiny"]
    words += [word for change in (*QUICK, *changes) for word in ("--set", change)]
    words += [] if plugin is None else ["--plugin", str(plugin)]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=280)


def trials(folder: Path) -> dict[str, Row]:
    """By origin, without ``everywhere:``."""
    with sqlite3.connect(folder / "foveate.db") as database:
        return {
            origin.removeprefix("everywhere:"): Row(
                state,
                reason,
                json.loads(notes),
                database.execute(
                    "SELECT number, train_loss, accuracy FROM foveate_epoch"
                    " WHERE trial_id = ? ORDER BY number",
                    (key,),
                ).fetchall(),
            )
            for key, origin, state, reason, notes in database.execute(
                "SELECT id, origin, state, reason, notes FROM foveate_trial ORDER BY number"
            ).fetchall()
        }


def files(folder: Path) -> list[str]:
    """What the trials left: number and name."""
    return sorted("/".join(path.parts[-2:]) for path in folder.glob("foveate-runs/*/*/*"))


@pytest.fixture(scope="module")
def suffered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search that everything befell."""
    folder = tmp_path_factory.mktemp("suffered")
    changes = ["space.modules=[dies, explodes, hungry, starved, stuck]", "trials=6"]
    ran = search(folder, *changes, "resources.stuck_after=20s", plugin=plugin(folder, FAULTS))
    assert ran.returncode == 0, ran.stderr
    (folder / "output").write_text(ran.stdout)
    return folder


@pytest.mark.slow
def test_a_search_goes_on_whatever_befalls_its_trials(suffered: Path) -> None:
    assert {name: row.state for name, row in trials(suffered).items()} == {
        "bare": "complete",
        "dies": "complete",
        "explodes": "failed",
        "hungry": "complete",
        "starved": "failed",
        "stuck": "failed",
    }
    assert files(suffered) == [f"{number}/{WEIGHTS}" for number in (0, 1, 3)]
    output = (suffered / "output").read_text()
    for row in trials(suffered).values():
        assert (row.reason or "") in output and all(note in output for note in row.notes)


@pytest.mark.slow
def test_a_worker_killed_in_mid_epoch_costs_that_part_of_an_epoch(suffered: Path) -> None:
    row = trials(suffered)["dies"]
    (note,) = row.notes
    assert re.fullmatch(r"its worker died \(\w[^\n]+\); another goes on with it", note)
    assert [number for number, _, _ in row.epochs] == [1, 2, 3]
    calls = (suffered / "Dies").stat().st_size
    assert calls == SITES * EPOCHS * STEPS + MIDDLE - SITES * STEPS
    changes = [*QUICK, "space.modules=[dies]"]
    spec = SearchSpec.read(None, changes, [str(suffered / "odd.py")])
    images, space = spec.prepare()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = build(space.baselines()["everywhere:dies"], 10, image_size=8, identity_init=True)
    in_one_go = Training(model, images, Recipe(epochs=EPOCHS, batch=64)).epochs()
    assert row.epochs == [(e.number, e.train_loss, e.accuracy) for e in in_one_go]
    torch.set_num_threads(before)


@pytest.mark.slow
def test_a_loss_that_is_no_number_ends_its_trial_and_keeps_its_curve(suffered: Path) -> None:
    row = trials(suffered)["explodes"]
    assert row.reason == "diverged: the loss is nan in epoch 2"
    assert [number for number, _, _ in row.epochs] == [1]


@pytest.mark.slow
def test_out_of_memory_goes_on_in_parts_once(suffered: Path) -> None:
    hungry, starved = trials(suffered)["hungry"], trials(suffered)["starved"]
    assert hungry.notes == ["out of memory in epoch 2: each batch goes on in 2 parts"]
    assert [number for number, _, _ in hungry.epochs] == [1, 2, 3]
    assert starved.notes == ["out of memory in epoch 1: each batch goes on in 2 parts"]
    assert starved.reason is not None and starved.epochs == []
    assert starved.reason.startswith("out of memory, with each batch in parts, too: ")


@pytest.mark.slow
def test_a_stuck_trial_says_where(suffered: Path) -> None:
    row = trials(suffered)["stuck"]
    line = (suffered / "odd.py").read_text().splitlines().index("            time.sleep(3600)") + 1
    where = f"{suffered / 'odd.py'}:{line} trained"
    assert row.reason == f"stuck: no epoch within 20 s, in {where}"
    assert [number for number, _, _ in row.epochs] == [1]
    assert (suffered / "Stuck").stat().st_size == MIDDLE  # not tried again


@pytest.mark.slow
@pytest.mark.parametrize(
    ("most", "state", "left"),
    [
        (450_000, "complete", [f"0/{WEIGHTS}", f"1/{WEIGHTS}"]),
        (200_000, "failed", [f"0/{WEIGHTS}"]),
    ],
    ids=["checkpoints", "weights, too"],
)
def test_a_disk_that_fills_up(most: int, state: str, left: list[str], tmp_path: Path) -> None:
    odd = plugin(tmp_path, DISK, most=most)
    ran = search(tmp_path, "space.modules=[filling]", "trials=2", plugin=odd)
    assert ran.returncode == 0, ran.stderr
    row = trials(tmp_path)["filling"]
    assert row.state == state and files(tmp_path) == left
    assert [number for number, _, _ in row.epochs] == [1, 2, 3]  # trained to its end
    full = "[Errno 27] File too large"
    assert row.notes == [f"no checkpoint since epoch 2: {full}"]
    if state == "failed":
        assert row.reason == f"its weights cannot be written: {full}"
        assert row.reason in ran.stdout
    assert row.notes[0] in ran.stdout


@pytest.mark.slow
def test_a_search_in_which_all_fails_alike_ends_early_and_says_so(tmp_path: Path) -> None:
    ran = search(tmp_path, "recipe.peak_lr=1e30", "trials=12", "space.modules=[se, eca, simam]")
    assert ran.returncode == 1, ran.stderr
    assert "Ended early, since the trials fail one like the other: " in ran.stdout, ran.stderr
    with sqlite3.connect(tmp_path / "foveate.db") as database:
        rows = database.execute("SELECT state, reason FROM foveate_trial").fetchall()
    failed = [reason for state, reason in rows if state == "failed"]
    assert 5 <= len(failed) <= 6 and {state for state, _ in rows} <= {"failed", "waiting"}
    assert all(reason.startswith("diverged: the loss is nan in") for reason in failed)
    assert f" failed: {failed[-1]}\n" in ran.stdout and files(tmp_path) == []


@pytest.mark.slow
def test_a_search_of_nothing_but_failures_is_no_success(tmp_path: Path) -> None:
    ran = search(tmp_path, "recipe.peak_lr=1e30", "trials=2")
    assert ran.returncode == 1, ran.stderr
    assert "Every trial failed: 2 of 2 trials" in ran.stdout
    again = search(tmp_path, "recipe.peak_lr=1e30", "trials=2")
    assert again.returncode == 1 and "Every trial failed" in again.stdout


@pytest.mark.slow
def test_images_that_vanish_in_mid_search_are_in_their_pack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOVEATE_CACHE", str(tmp_path / "cache"))
    rng = np.random.RandomState(0)
    for label in ("cat", "dog"):
        (tmp_path / "pets" / label).mkdir(parents=True)
        for number in range(20):
            noise = rng.randint(256, size=(16, 16, 3)).astype(np.uint8)
            Image.fromarray(noise).save(tmp_path / "pets" / label / f"{number}.png")
    changes = [f"data.name=imagefolder:{tmp_path}/pets", "data.image_size=16", "recipe.batch=8"]
    gone = ODD + (
        "\n\n@register('takes', attends='channels')\nclass Takes(Odd):\n"
        "    def trained(self, x_NCHW: Tensor, call: int) -> Tensor:\n"
        "        if call == 2:\n"
        "            os.rename(FOLDER / 'pets', FOLDER / 'away')\n"
        "            os.kill(os.getpid(), 9)\n"
        "        return x_NCHW\n"
    )
    (tmp_path / "odd.py").write_text(gone.format(folder=str(tmp_path)))
    ran = search(
        tmp_path, *changes, "space.modules=[takes]", "trials=2", plugin=tmp_path / "odd.py"
    )
    assert ran.returncode == 0, ran.stderr
    assert [row.state for row in trials(tmp_path).values()] == ["complete", "complete"]
    shutil.rmtree(tmp_path / "away")
    more = [*changes, "space.modules=[takes]", "trials=3"]
    again = search(tmp_path, *more, plugin=tmp_path / "odd.py")
    assert again.returncode == 0, again.stderr
    shutil.rmtree(tmp_path / "cache")
    last = search(tmp_path, *more, plugin=tmp_path / "odd.py")
    assert last.returncode == 2 and "there is no folder" in last.stderr


@pytest.mark.slow
def test_a_search_keeps_its_files_in_an_object_store(bucket: str, tmp_path: Path) -> None:
    changes = ["resources.workers=2", "trials=3", "space.modules=[se, eca]", f"folder={bucket}"]
    changes.append("looks=2")
    ran = search(tmp_path, *changes)
    assert ran.returncode == 0, ran.stderr
    with sqlite3.connect(tmp_path / "foveate.db") as database:
        rows = database.execute(
            "SELECT state, address, worker FROM foveate_trial t"
            " JOIN foveate_artifact a ON a.trial_id = t.id WHERE kind = 'weights' ORDER BY number"
        ).fetchall()
        drawn = database.execute(
            "SELECT number, address FROM foveate_trial t"
            " JOIN foveate_artifact a ON a.trial_id = t.id WHERE kind = 'attention'"
        ).fetchall()
    assert [state for state, _, _ in rows] == ["complete"] * 3
    assert len({worker for _, _, worker in rows}) == 2  # one starts while the other trains
    best = (tmp_path / "results" / "tiny" / "best" / WEIGHTS).read_bytes()
    assert best in [read_file(weights) for _, weights, _ in rows]
    study = rows[0][1].partition("/0/")[0]
    for number in range(3):
        left = [LOOKS, WEIGHTS] if number in dict(drawn) else [WEIGHTS]
        assert Folder(f"{study}/{number}?{bucket.partition('?')[2]}").names() == left
    assert all(len(looks.read(address).about["images"]) == 2 for _, address in drawn)
    assert not (tmp_path / "foveate-runs").exists()


@pytest.mark.parametrize(
    ("written", "seconds"), [("30m", 1800.0), ("90", 90.0), (20, 20.0), ("null", None)]
)
def test_when_a_trial_counts_as_stuck(written: object, seconds: float | None) -> None:
    spec = SearchSpec.read(None, [f"resources.stuck_after={written}"])
    assert spec.resources.stuck_after == seconds
    assert SearchSpec.of(spec.to_dict()) == spec


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(BadValue, match="30 apples"):
        SearchSpec.read(None, ["resources.stuck_after=30 apples"])
