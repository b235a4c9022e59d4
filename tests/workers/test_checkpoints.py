"""Checkpoints on a disk, under URIs, and in a real S3 API where moto serves one."""

import os
import pickle
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load as unpacked

from foveate._files import Folder, folder_of, read_file
from foveate.errors import BadValue
from foveate.workers.checkpoints import WEIGHTS, Checkpoints, packed
from foveate.workers.train import Epoch

STATE = {"model": {"w": torch.arange(4.0)}, "finished": 1, "rng": torch.get_rng_state()}


def history(*accuracy: float) -> list[Epoch]:
    return [Epoch(number, 1.0, share, 0.5) for number, share in enumerate(accuracy, 1)]


@pytest.fixture(params=["path", "file", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    """A trial's folder in each kind of place, with a name that a URI has to quote."""
    where = {
        "path": lambda: str(tmp_path / "the runs"),
        "file": lambda: f"file://{tmp_path}/the%20runs",
        "s3": lambda: request.getfixturevalue("bucket"),
    }
    folder = Folder(where[request.param]()).at("a + b=c").at(request.node.name[:40])
    folder.make()
    return folder


def test_a_file_comes_back_by_its_address(folder: Folder) -> None:
    folder.write(WEIGHTS, b"weights")
    assert folder.names() == [WEIGHTS]
    assert read_file(folder.address(WEIGHTS)) == folder.read(WEIGHTS) == b"weights"
    assert Folder(folder.where).read(WEIGHTS) == b"weights"  # what a worker is told
    assert folder_of(folder.address(WEIGHTS)).where == folder.where
    folder.write(WEIGHTS, b"others")
    assert folder.read(WEIGHTS) == b"others"


def test_what_is_not_there(folder: Folder) -> None:
    assert folder.at("none").names() == []
    folder.at("none").clear()
    with pytest.raises(FileNotFoundError):
        folder.read(WEIGHTS)
    with pytest.raises(FileNotFoundError):
        read_file(folder.address(WEIGHTS))


def test_a_folder_is_cleared_but_for_what_is_wanted(folder: Folder) -> None:
    for name in (WEIGHTS, "epoch-0001.pt", ".epoch-0002.pt.77"):
        folder.write(name, b"x")
    folder.clear(but=[WEIGHTS])
    assert folder.names() == [WEIGHTS]
    folder.clear()
    assert folder.names() == []
    if not folder.where.startswith("s3:"):
        assert not Path(folder.where.removeprefix("file://").replace("%20", " ")).exists()


@pytest.mark.parametrize(
    ("accuracy", "kept"),
    [
        ([0.5], [1]),
        ([0.1, 0.2, 0.3], [2, 3]),
        ([0.1, 0.9, 0.3, 0.4], [2, 4]),
        ([0.9, 0.9, 0.3, 0.9], [2, 4]),
    ],
    ids=["one", "rising", "the best before", "equals"],
)
def test_the_last_and_the_best_before_it_are_kept(
    accuracy: list[float], kept: list[int], folder: Folder
) -> None:
    checkpoints = Checkpoints(folder)
    for number in range(1, len(accuracy) + 1):
        checkpoints.save(STATE, history(*accuracy[:number]))
    assert folder.names() == [f"epoch-{number:04}.pt" for number in kept]
    state, found, notes = Checkpoints(folder).load()
    assert state is not None and notes == [] and found == history(*accuracy)
    assert state["finished"] == 1 and torch.equal(state["model"]["w"], STATE["model"]["w"])
    assert torch.equal(state["rng"], STATE["rng"])


@pytest.mark.parametrize("break_it", ["cut", "empty", "other", "flipped"])
def test_a_broken_last_one_falls_back_to_the_other(break_it: str, folder: Folder) -> None:
    checkpoints = Checkpoints(folder)
    for number in range(1, 4):
        checkpoints.save(STATE, history(0.1, 0.3, 0.2)[:number])
    whole = folder.read("epoch-0003.pt")
    at = whole.index(STATE["model"]["w"].numpy().tobytes())
    flipped = bytes([*whole[:at], whole[at] ^ 1, *whole[at + 1 :]])
    broken = {"cut": whole[: len(whole) // 2], "empty": b"", "flipped": flipped}
    folder.write("epoch-0003.pt", broken.get(break_it, pickle.dumps(print)))
    again = Checkpoints(folder)
    state, found, [note] = again.load()
    assert state is not None and [epoch.number for epoch in found] == [1, 2]
    assert note.startswith("the checkpoint of epoch 3 cannot be read (")
    again.save(STATE, history(0.1, 0.3, 0.2))
    assert folder.read("epoch-0003.pt") == whole


def test_with_none_that_can_be_read_there_is_none(folder: Folder) -> None:
    for name in ("epoch-0001.pt", "epoch-0002.pt", "epoch-none.pt", "checkpoint.pt"):
        folder.write(name, b"no checkpoint")
    state, found, notes = Checkpoints(folder).load()
    assert (state, found, len(notes)) == (None, [], 2)


def test_checkpoints_make_room(folder: Folder) -> None:
    checkpoints = Checkpoints(folder)
    checkpoints.save(STATE, history(0.1))
    folder.write(WEIGHTS, b"weights")
    checkpoints.clear()
    assert folder.names() == [WEIGHTS]
    assert checkpoints.load() == (None, [], [])


def test_a_file_is_in_place_only_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies between writing and naming, or while it writes."""
    folder = Folder(tmp_path)
    folder.write("epoch-0001.pt", b"before")

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, dies)
            with pytest.raises(KeyboardInterrupt):
                folder.write("epoch-0001.pt", b"after")
        assert folder.read("epoch-0001.pt") == b"before"
        assert folder.names() == ["epoch-0001.pt"]  # and no draft


def test_tensors_that_share_their_memory_are_each_written() -> None:
    both = torch.randn(2, 3)
    found = unpacked(packed({"a": both, "b": both.T}))
    assert torch.equal(found["a"], both) and torch.equal(found["b"], both.T)


@pytest.mark.parametrize("where", ["foo://bucket/path", "s3://", "file://a b", "http://x/y"])
def test_a_folder_of_another_kind_is_refused(where: str) -> None:
    with pytest.raises(BadValue, match=r"a folder is a path, file:///path, s3://bucket/path or "):
        Folder(where)


def test_a_path_is_recorded_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Folder("runs").address(WEIGHTS) == f"{tmp_path}/runs/{WEIGHTS}"
    assert Folder("~/runs").where == f"{tmp_path}/runs"


def test_an_s3_store_that_does_not_answer_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "knows")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    query = f"endpoint_override=http://127.0.0.1:{port}&region=us-east-1&scheme=http"
    folder: Any = Folder(f"s3://runs/x?{query}")
    with pytest.raises(OSError, match="runs"):
        folder.make()
