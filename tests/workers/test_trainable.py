import gc
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import ray
import torch
from safetensors.torch import load_file

from foveate._files import Folder
from foveate.spaces import Module, Placement, build
from foveate.spaces.timing import device_name
from foveate.workers import trainable
from foveate.workers.checkpoints import WEIGHTS, Checkpoints
from foveate.workers.data import Data, Images
from foveate.workers.looking import LOOKS, look
from foveate.workers.recipe import Recipe
from foveate.workers.train import Training, measured
from foveate.workers.trainable import CandidateTrainer
from foveate.workers.watchdog import left_word, watched

PLACEMENT = Placement.of("resnet8", [Module("layer1.0.bn2", "se"), Module("layer3.0.conv1", "aw")])
EPOCHS = 3

Actor = Callable[..., CandidateTrainer]


@pytest.fixture(autouse=True)
def _nothing_is_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker's process is not the tests'."""
    monkeypatch.setattr(gc, "freeze", lambda: None)


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    """What the driver sends."""
    return {
        "number": 7,
        "plugins": [],
        "backbones": [],
        "placement": PLACEMENT.spelling,
        "recorded": 0,
        "identity_init": True,
        "weights": None,
        "data": Data(name="digits").to_dict(),
        "recipe": Recipe(epochs=EPOCHS, batch=128).to_dict(),
        "folder": str(tmp_path / "runs" / "7"),
        "threads": 1,
        "gpus": 0,
        "stuck_after": None,
    }


@pytest.fixture
def actor(config: dict[str, Any]) -> Actor:
    """A trainer in this process, without Ray: ``actor(recorded=2)``."""

    def start(**changes: Any) -> CandidateTrainer:
        return CandidateTrainer(config=config | changes)

    return start


def reports(trainer: CandidateTrainer, count: int = EPOCHS) -> list[dict[str, Any]]:
    return [trainer.step() for _ in range(count)]


def curve(found: list[dict[str, Any]]) -> list[tuple[int, float, float]]:
    """All but the seconds."""
    return [(r["epoch"]["number"], r["epoch"]["train_loss"], r["epoch"]["accuracy"]) for r in found]


def names(config: dict[str, Any]) -> list[str]:
    return Folder(config["folder"]).names()


def full(_: int) -> None:
    """What the disk says to fsync when it is."""
    raise OSError(28, "No space left on device")


@pytest.fixture
def expected(digits: Images) -> list[tuple[int, float, float]]:
    """The curve of a training without any of this."""
    recipe = Recipe(epochs=EPOCHS, batch=128)
    torch.manual_seed(recipe.seed)
    model = build(PLACEMENT, 10, identity_init=True)
    found = [{"epoch": asdict(epoch)} for epoch in Training(model, digits, recipe).epochs()]
    return curve(found)


def test_a_step_is_an_epoch_and_says_who_trained_it(actor: Actor, expected: Any) -> None:
    found = reports(actor())
    assert curve(found) == expected
    for report in found:
        assert report["number"] == 7
        assert report["worker"] == f"{socket.gethostname()}:{os.getpid()}"
        assert report["device"] == "cpu"
        parts = {"number", "train_loss", "accuracy", "seconds", "metrics", "machine"}
        assert set(report["epoch"]) == parts
        assert json.loads(json.dumps(report)) == report  # plain data
    assert not ray.is_initialized()


def test_the_weights_are_the_models_and_reach_the_accuracy(
    actor: Actor, digits: Images, config: dict[str, Any]
) -> None:
    trainer = actor()
    file = Path(config["folder"]) / WEIGHTS
    assert "epoch" in trainer.step() and "epoch" in trainer.step()
    assert not file.exists()  # only a whole training leaves weights
    last = trainer.step()["epoch"]
    weights = load_file(file)
    assert trainer.training is not None
    state = trainer.training.model.state_dict()
    assert weights.keys() == state.keys()
    assert all(torch.equal(weights[name], state[name]) for name in state)
    model = build(PLACEMENT, 10, identity_init=True)
    model.load_state_dict(weights)
    assert measured(model, digits, Recipe())["top-1"] == last["accuracy"]
    assert names(config) == ["epoch-0002.pt", "epoch-0003.pt", WEIGHTS]


def test_an_epoch_is_on_disk_before_it_is_reported(actor: Actor, config: dict[str, Any]) -> None:
    trainer = actor()
    for number in range(1, EPOCHS + 1):
        report = trainer.step()
        state, history, _ = Checkpoints(Folder(config["folder"])).load()
        assert [epoch.number for epoch in history] == list(range(1, number + 1))
        assert asdict(history[-1]) == report["epoch"]
        assert state is not None and state["finished"] == number


def test_a_full_disk_ends_no_training_and_is_told_once(
    actor: Actor, config: dict[str, Any], expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = actor()
    first = trainer.step()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        second = trainer.step()
    assert second["note"] == "no checkpoint since epoch 2: [Errno 28] No space left on device"
    assert names(config) == ["epoch-0001.pt"]  # what was there stays, and no draft is left
    third = trainer.step()  # there is room again
    assert curve([first, second, third]) == expected
    assert "failed" not in third and "note" not in third
    assert names(config) == ["epoch-0001.pt", "epoch-0003.pt", WEIGHTS]


def test_weights_that_cannot_be_written_fail_a_training_and_keep_its_curve(
    actor: Actor, config: dict[str, Any], expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = actor()
    begun = reports(trainer, EPOCHS - 1)
    monkeypatch.setattr(os, "fsync", full)
    last = trainer.step()
    assert curve([*begun, last]) == expected
    assert last["failed"] == "its weights cannot be written: [Errno 28] No space left on device"
    assert names(config) == []  # checkpoints went, to make room


def test_checkpoints_make_room_for_the_weights(
    actor: Actor, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, sync = actor(), os.fsync
    reports(trainer, EPOCHS - 1)

    def full_with_checkpoints(file: int) -> None:
        full(file) if any(name.startswith("epoch") for name in names(config)) else sync(file)

    monkeypatch.setattr(os, "fsync", full_with_checkpoints)
    last = trainer.step()
    assert "failed" not in last and WEIGHTS in names(config)


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_new_worker_goes_on_where_the_last_one_died(
    done: int, actor: Actor, expected: Any
) -> None:
    begun = reports(actor(), done)
    torch.manual_seed(999)
    rest = reports(actor(recorded=done), EPOCHS - done)
    assert curve(begun) + curve(rest) == expected


@pytest.mark.parametrize("recorded", [0, 1, 2])
def test_an_epoch_that_was_trained_and_not_recorded_is_reported_again(
    recorded: int, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = reports(actor(), 2)
    second = actor(recorded=recorded)
    trained = []
    train = Training._train

    def counted(self: Training) -> float:
        trained.append(self.finished + 1)
        return train(self)

    monkeypatch.setattr(Training, "_train", counted)
    again = reports(second, EPOCHS - recorded)
    assert [report["epoch"] for report in again[: 2 - recorded]] == [
        report["epoch"] for report in first[recorded:]
    ]
    assert trained == [3]
    assert again[-1]["epoch"]["number"] == 3


def test_without_its_checkpoint_a_trial_begins_again(
    actor: Actor, config: dict[str, Any], expected: Any
) -> None:
    """On another machine, without a shared folder: the ledger passes over what it has."""
    reports(actor(), 2)
    Folder(config["folder"]).clear()
    assert curve(reports(actor(recorded=2))) == expected


def test_a_trial_that_is_over_has_no_more_epochs(actor: Actor) -> None:
    trainer = actor()
    reports(trainer)
    assert "failed" in trainer.step()


@pytest.mark.parametrize(
    ("change", "beginning"),
    [
        (
            {"placement": Placement.of("resnet8", [Module("no", "se")]).spelling},
            "UnknownName: no site of resnet8 called 'no'",
        ),
        ({"data": {"name": "imagefolder:/no/where"}}, "BadValue: imagefolder: there is no folder"),
        (
            {"recipe": {"epochs": 2, "peak_lr": 1e30}},
            "diverged: the loss is nan in epoch ",
        ),
        ({"folder": "/proc/no/where"}, "FileNotFoundError: "),
    ],
    ids=["placement", "data", "learning rate", "folder"],
)
def test_a_failure_is_a_report_and_not_a_crash(
    change: dict[str, Any], beginning: str, actor: Actor
) -> None:
    trainer = actor(**change)
    found = reports(trainer, 2)
    failed = next(report for report in found if "failed" in report)
    assert failed["failed"].startswith(beginning)
    assert failed["number"] == 7 and failed["worker"].endswith(f":{os.getpid()}")


@pytest.mark.parametrize("left", [0, 1])
def test_a_checkpoint_that_cannot_be_read_costs_epochs_and_no_trial(
    left: int, actor: Actor, config: dict[str, Any], expected: Any
) -> None:
    """The machine died while it wrote: the one before is taken, or none."""
    reports(actor(), 2)
    for name in names(config)[left:]:
        whole = Folder(config["folder"]).read(name)
        Folder(config["folder"]).write(name, whole[: len(whole) // 2])
    found = reports(actor(recorded=0))
    assert curve(found) == expected
    assert found[0]["note"].startswith("the checkpoint of epoch 2 cannot be read (")
    assert found[0]["note"].endswith("): went on from epoch 1" if left else "): began anew")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_a_failure_and_not_the_cpu(actor: Actor) -> None:
    assert "failed" in actor(gpus=1).step()


def test_the_same_actor_trains_the_next_trial(
    actor: Actor, config: dict[str, Any], tmp_path: Path, expected: Any
) -> None:
    bare = Placement.of("resnet8", [])
    trainer = actor(number=6, placement=bare.spelling, folder=str(tmp_path / "runs" / "6"))
    other = trainer.step()
    assert trainer.reset_config(config)
    found = reports(trainer)
    assert curve(found) == expected
    assert [other["number"], found[0]["number"]] == [6, 7]


def test_a_failed_trial_does_not_touch_the_next(
    actor: Actor, config: dict[str, Any], expected: Any
) -> None:
    trainer = actor(data={"name": "imagefolder:/no/where"})
    assert "failed" in trainer.step()
    trainer.reset_config(config)
    assert curve(reports(trainer)) == expected


def test_the_images_stay_in_memory_from_trial_to_trial(
    actor: Actor, config: dict[str, Any]
) -> None:
    trainer = actor()
    trainer.step()
    assert trainer.training is not None
    first = trainer.training.images
    trainer.reset_config(config | {"recorded": 1})
    trainer.step()
    assert trainer.training.images is first


def test_a_worker_uses_the_threads_that_it_was_given(actor: Actor) -> None:
    try:
        actor(threads=2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_images_that_were_sent_are_used_where_they_lie(
    config: dict[str, Any], digits: Images, expected: Any
) -> None:
    """As Ray gives them: arrays that nobody may write to. The files may be gone."""
    arrays = digits.arrays()
    for name in ("train", "validation", "test"):
        for key in ("images", "labels", "mean", "std"):
            arrays[name][key].flags.writeable = False

    class Sent(CandidateTrainer):
        def setup(self, config: dict[str, Any]) -> None:
            super().setup(config, images=arrays)

    trainer = Sent(config | {"data": {"name": "imagefolder:/no/where"}})
    assert curve(reports(trainer)) == expected
    assert trainer.training is not None
    assert trainer.training.images.train.images.data_ptr() == digits.train.images.data_ptr()


# ------------------------------------------------------------------------------------- latency

ASKED = {"latency": True, "bare": Placement("resnet8").spelling}


@pytest.fixture
def briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainable, "TIMED", 0.01)


@pytest.fixture
def passes(briefly: None, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, torch.Size]]:
    """The images that each network got to be timed, by a clock on which a pass takes 2 s, or 3."""
    seen: list[tuple[str, torch.Size]] = []
    now, made = 0.0, trainable.build

    def watched_build(placement: Placement, *words: Any, **named: Any) -> torch.nn.Module:
        model = made(placement, *words, **named)

        def look(_: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
            nonlocal now
            now += 3.0 if placement.modules else 2.0
            seen.append(("placement" if placement.modules else "bare", given[0].shape))

        model.register_forward_pre_hook(look)
        return model

    monkeypatch.setattr(trainable, "build", watched_build)
    monkeypatch.setattr("foveate.spaces.timing.perf_counter", lambda: now)
    return seen


def test_a_latency_that_is_asked_for_is_reported_before_any_epoch(
    actor: Actor, config: dict[str, Any], expected: Any, briefly: None
) -> None:
    trainer = actor(**ASKED)
    first = trainer.step()
    assert set(first) - {"trial_id"} == {"number", "worker", "device", "latency"}
    assert names(config) == [] and trainer.training is None  # nothing is trained yet
    found = first["latency"]
    assert set(found) == {"ms", "bare_ms", "device"}
    assert 0 < found["ms"] < 60_000 and 0 < found["bare_ms"] < 60_000
    assert found["device"] == device_name(torch.device("cpu"))
    assert json.loads(json.dumps(first)) == first
    assert curve(reports(trainer)) == expected  # the training does not notice


def test_the_latency_is_of_one_image_in_turns_with_the_bare_backbone(
    actor: Actor, passes: list[tuple[str, torch.Size]]
) -> None:
    found = actor(**ASKED).step()["latency"]
    assert (found["ms"], found["bare_ms"]) == (3000.0, 2000.0)
    assert {shape for _, shape in passes} == {(1, 3, 8, 8)}  # of the size of the data
    assert [name for name, _ in passes][-10:] == ["placement", "bare"] * 5


def test_a_latency_that_is_known_is_not_measured(
    actor: Actor, passes: list[tuple[str, torch.Size]]
) -> None:
    first, second = reports(actor(**ASKED), 2)
    assert "latency" in first and second["epoch"]["number"] == 1
    assert ("bare", (1, 3, 8, 8)) in passes
    passes.clear()
    again = actor(**ASKED | {"latency": False}, recorded=1)
    assert again.step()["epoch"]["number"] == 2
    assert "bare" not in dict(passes)


def test_after_a_restart_that_knows_no_latency_it_is_reported_before_what_was_not_recorded(
    actor: Actor, briefly: None
) -> None:
    first = reports(actor(), 2)
    latency, *again = reports(actor(**ASKED), 3)
    assert "latency" in latency
    assert [report["epoch"] for report in again] == [report["epoch"] for report in first]


def test_a_backbone_that_cannot_be_timed_is_a_failure(actor: Actor) -> None:
    bare = Placement("resnet9").spelling
    assert actor(latency=True, bare=bare).step()["failed"].startswith("UnknownName: no backbone")


# ------------------------------------------------------------------------------- out of memory


class Memory:
    """Too little for more than ``most`` images at once, from an epoch on."""

    def __init__(self, patch: pytest.MonkeyPatch, most: int, error: Exception, since: int) -> None:
        self.most, self.error, self.since, self.seen = most, error, since, 0
        train, normalised = Training._train, Training.__init__

        def counted(training: Training) -> float:
            self.seen = training.finished + 1
            return train(training)

        def made(training: Training, model: torch.nn.Module, *words: Any, **named: Any) -> None:
            model.register_forward_pre_hook(self.look)
            normalised(training, model, *words, **named)

        patch.setattr(Training, "_train", counted)
        patch.setattr(Training, "__init__", made)

    def look(self, model: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        if model.training and self.seen >= self.since and len(given[0]) > self.most:
            raise self.error


ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB.\nmore"),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you"),
    MemoryError(),
]


@pytest.mark.parametrize("error", ERRORS, ids=["GPU", "CPU", "Python"])
@pytest.mark.parametrize("since", [1, 2])
def test_out_of_memory_once_goes_on_in_parts_from_the_last_checkpoint(
    since: int, error: Exception, actor: Actor, expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Memory(monkeypatch, 64, error, since)
    found = reports(actor())
    assert [report["epoch"]["number"] for report in found] == [1, 2, 3]
    assert [report.get("note") for report in found] == [
        f"out of memory in epoch {since}: each batch goes on in 2 parts" if n == since else None
        for n in (1, 2, 3)
    ]
    assert curve(found)[: since - 1] == expected[: since - 1]
    assert found[-1]["epoch"]["accuracy"] > expected[0][2]


def test_a_new_worker_keeps_the_parts(
    actor: Actor, digits: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        Memory(patch, 64, MemoryError(), 2)
        reports(actor(), 2)
    trainer = actor(recorded=2)
    trainer.step()
    assert trainer.training is not None and trainer.training.micro == 2


def test_out_of_memory_again_is_a_failure(
    actor: Actor, config: dict[str, Any], expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Memory(monkeypatch, 63, ERRORS[0], 2)
    trainer = actor()
    first, second = reports(trainer, 2)
    assert curve([first]) == expected[:1]
    assert second["note"] == "out of memory in epoch 2: each batch goes on in 2 parts"
    assert second["failed"] == (
        f"out of memory, with each batch in parts, too: {str(ERRORS[0]).partition(chr(10))[0]}"
    )
    trainer.reset_config(config)
    assert trainer.training is None  # the model of before made room


# --------------------------------------------------------------------------------------- stuck


def test_what_is_stuck_ends_and_says_where(tmp_path: Path) -> None:
    """Also while it holds the interpreter's lock: a regular expression that takes ages."""
    code = (
        "import re, sys\nfrom pathlib import Path\n"
        "from foveate.workers.watchdog import watched\n"
        "def spin():\n    re.match('(a+)+b', 'a' * 40)\n"
        "with watched(Path('word.txt'), 0.5):\n    spin()\n"
    )
    (tmp_path / "spinning.py").write_text(code)
    ran = subprocess.run([sys.executable, "spinning.py"], cwd=tmp_path, timeout=60)
    assert ran.returncode == 1
    place = left_word(tmp_path / "word.txt")
    assert place is not None and place.startswith(("/", "spinning.py"))
    dump = (tmp_path / "word.txt").read_text()
    assert "in spin" in dump and dump.startswith("0x")


def test_what_is_in_time_leaves_no_word(tmp_path: Path) -> None:
    word = tmp_path / "there" / "word.txt"
    for seconds in (None, 60.0):
        with watched(word, seconds):
            pass
        assert left_word(word) is None and not word.exists()
    word.write_text("0x01\n")  # its process was killed by somebody else
    assert left_word(word) is None


def test_the_next_worker_reports_what_was_stuck(actor: Actor) -> None:
    trainer = actor(stuck_after=1800.0)
    word = Path(trainer.logdir) / "stuck.txt"
    word.write_text(
        "0x00007f\nTimeout (0:30:00)!\nThread 0x00008a (most recent call first):\n"
        '  File "/other.py", line 3 in wait\n\nThread 0x00007f (most recent call first):\n'
        '  File "/my/module.py", line 17 in forward\n  File "/torch.py", line 9 in call\n'
    )
    report = trainer.step()
    assert report["failed"] == "stuck: no epoch within 1800 s, in /my/module.py:17 forward"
    assert not word.exists()


def test_the_last_report_brings_where_the_network_looks(
    actor: Actor, config: dict[str, Any], digits: Images, expected: Any
) -> None:
    found = reports(actor(looks=2))
    assert curve(found) == expected  # nothing of the training sees it
    assert [sorted({"looks"} & report.keys()) for report in found] == [[], [], ["looks"]]
    told, folder = json.loads(found[-1]["looks"]), Folder(config["folder"])
    model = build(PLACEMENT, 10, image_size=8, identity_init=True)
    model.load_state_dict(load_file(Path(folder.where) / WEIGHTS))
    about, content = look(model, PLACEMENT, digits, 2, seed=0)
    assert folder.read(LOOKS) == content
    assert told == {"about": about, "bytes": len(content)}
    assert [site["module"] for site in about["sites"]] == ["se", "aw"]


def test_a_worker_that_died_before_it_could_say_so_draws_again(
    actor: Actor, config: dict[str, Any]
) -> None:
    last = reports(actor(looks=2))[-1]
    Folder(config["folder"]).delete(LOOKS)
    again = actor(looks=2, recorded=EPOCHS - 1).step()
    assert again["looks"] == last["looks"] and again["epoch"] == last["epoch"]
    assert LOOKS in names(config)


@pytest.mark.parametrize("how", ["disk", "module"])
def test_what_cannot_be_drawn_is_told_and_fails_no_trial(
    how: str, actor: Actor, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = actor(looks=2)
    reports(trainer, EPOCHS - 1)
    write = Folder.write

    def full_of_pictures(self: Folder, name: str, content: Any) -> None:
        full(0) if name == LOOKS else write(self, name, content)

    def broken(*_: Any) -> None:
        raise RuntimeError("a plugin's own fault")

    if how == "disk":
        monkeypatch.setattr(Folder, "write", full_of_pictures)
    else:
        monkeypatch.setattr(trainable, "look", broken)
    last = trainer.step()
    why = {
        "disk": "OSError: [Errno 28] No space left on device",
        "module": "RuntimeError: a plugin's own fault",
    }
    assert last["note"] == f"where it looks cannot be drawn: {why[how]}"
    assert "failed" not in last and "looks" not in last
    assert WEIGHTS in names(config) and LOOKS not in names(config)


def test_a_bare_network_looks_nowhere_in_particular(actor: Actor, config: dict[str, Any]) -> None:
    bare = Placement.of("resnet8", [])
    last = reports(actor(looks=2, placement=bare.spelling))[-1]
    assert "looks" not in last and "note" not in last and LOOKS not in names(config)
