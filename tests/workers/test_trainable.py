import json
import os
import socket
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import ray
import torch
from safetensors.torch import load_file

from foveate.spaces import Module, Placement, build
from foveate.workers import trainable
from foveate.workers.data import Data, Images
from foveate.workers.recipe import Recipe
from foveate.workers.train import Training, accuracy
from foveate.workers.trainable import CHECKPOINT, WEIGHTS, CandidateTrainer

PLACEMENT = Placement.of("resnet8", [Module("layer1.0.bn2", "se"), Module("layer3.0.conv1", "aw")])
EPOCHS = 3

Actor = Callable[..., CandidateTrainer]


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
        assert set(report["epoch"]) == {"number", "train_loss", "accuracy", "seconds"}
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
    state = trainer.training.model.state_dict()
    assert weights.keys() == state.keys()
    assert all(torch.equal(weights[name], state[name]) for name in state)
    model = build(PLACEMENT, 10, identity_init=True)
    model.load_state_dict(weights)
    assert accuracy(model, digits.validation) == last["accuracy"]
    assert sorted(path.name for path in file.parent.iterdir()) == [CHECKPOINT, WEIGHTS]


def test_an_epoch_is_on_disk_before_it_is_reported(actor: Actor, config: dict[str, Any]) -> None:
    trainer = actor()
    for number in range(1, EPOCHS + 1):
        report = trainer.step()
        state = torch.load(Path(config["folder"]) / CHECKPOINT, weights_only=True)
        assert [epoch["number"] for epoch in state["history"]] == list(range(1, number + 1))
        assert state["history"][-1] == report["epoch"]
        assert state["finished"] == number


@pytest.mark.parametrize("name", [CHECKPOINT, WEIGHTS])
def test_a_file_is_written_whole_or_not_at_all(
    name: str, actor: Actor, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full: a report of failure, what was there stays, and no draft is left."""
    trainer, folder = actor(), Path(config["folder"])
    trainer.step()
    trainer.step()
    before = (folder / CHECKPOINT).read_bytes()

    def full(content: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    where, writer = (trainable, "save_file") if name == WEIGHTS else (torch, "save")
    monkeypatch.setattr(where, writer, full)
    report = trainer.step()
    assert report["failed"] == "OSError: [Errno 28] No space left on device"
    assert "epoch" not in report
    assert (folder / CHECKPOINT).read_bytes() == before
    left = {path.name for path in folder.iterdir()}
    assert left == {CHECKPOINT} | ({WEIGHTS} if name == CHECKPOINT else set())


def test_a_checkpoint_is_in_place_only_when_it_is_whole(
    actor: Actor, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies between writing and naming: the next one sees the epoch before."""
    trainer = actor()
    trainer.step()

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", dies)
    with pytest.raises(KeyboardInterrupt):
        trainer.step()
    state = torch.load(Path(config["folder"]) / CHECKPOINT, weights_only=True)
    assert state["finished"] == 1


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
    (Path(config["folder"]) / CHECKPOINT).unlink()
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
            "DivergedError: the loss is nan in epoch ",
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


def test_a_checkpoint_that_cannot_be_read_is_a_failure(
    actor: Actor, config: dict[str, Any]
) -> None:
    folder = Path(config["folder"])
    folder.mkdir(parents=True)
    (folder / CHECKPOINT).write_bytes(b"no checkpoint")
    assert "failed" in actor().step()


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
    first = trainer.training.images
    trainer.reset_config(config)
    assert trainer.training.images is first


def test_a_worker_uses_the_threads_that_it_was_given(actor: Actor) -> None:
    try:
        actor(threads=2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
