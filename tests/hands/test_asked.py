from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from foveate.errors import BadValue, UserError
from foveate.search import asked, store
from foveate.search.records import Study
from foveate.spaces import Placement, Space, place

Add = Callable[..., int]


def placed(*texts: str, backbone: str = "resnet8") -> Placement:
    return place(backbone, texts, image_size=16)


def enqueue(engine: Engine, study: Study, *placements: Placement) -> list[int]:
    with Session(engine) as session, session.begin():
        locked = store.locked(session, study.id)
        space = asked.space_of(study)
        return [one.number for one in asked.enqueue(session, locked, placements, space)]


def test_a_placement_of_the_users_waits_with_its_costs_and_parameters(
    engine: Engine, study: Study, space: Space, storage: str, optunas: Any
) -> None:
    placement = placed("layer2.0.bn2=se(reduction=8)", "layer3.*=eca")
    assert enqueue(engine, study, placement) == [0]
    chosen = space.parameters(placement)
    priced = space.cost(placement, 10)
    with Session(engine) as session:
        trial = store.find_trial(session, store.find_study(session, "tiny"), 0)
        assert (trial.state, trial.origin, trial.chosen) == ("waiting", "user", chosen)
        assert (trial.gflops, trial.parameters) == (priced.gflops, priced.parameters)
        assert trial.memory == priced.peak_bytes and trial.macs == priced.macs
        assert Placement.parse(trial.placement) == placement and trial.key == placement.key
        assert store.next_waiting(session, trial.study) is trial
    assert optunas(storage) == [(0, "WAITING", None, chosen)]


def test_what_lies_outside_of_the_space_has_no_parameters(
    engine: Engine, study: Study, storage: str, optunas: Any
) -> None:
    enqueue(engine, study, placed("layer2.0.bn2=cbam"))
    with Session(engine) as session:
        trial = store.find_trial(session, store.find_study(session, "tiny"), 0)
        assert trial.chosen is None
    assert optunas(storage) == [(0, "WAITING", None, {})]


def test_a_placement_that_the_study_has_is_refused_and_none_is_added(
    engine: Engine, study: Study, add: Add
) -> None:
    add(0.5, 0.6, "layer1.0.bn2=se", state="stopped", seed=3)
    with pytest.raises(BadValue) as caught:
        enqueue(engine, study, placed("layer3.0.bn2=se"), placed("layer1.0.bn2=se"))
    there = "study 'tiny' has that placement already: it is trial 0, which is stopped"
    assert str(caught.value) == there
    with Session(engine) as session:
        assert len(store.trials(session, store.find_study(session, "tiny"))) == 1


def test_a_placement_is_enqueued_once(engine: Engine, study: Study) -> None:
    with pytest.raises(BadValue, match=r"it is trial 0, which is waiting$"):
        enqueue(engine, study, *[placed("layer3.0.bn2=se")] * 2)


@pytest.mark.parametrize("backbone", ["resnet14", "resnet8@width=0.5"])
def test_another_backbone_is_refused(backbone: str, engine: Engine, study: Study) -> None:
    with pytest.raises(BadValue) as caught:
        enqueue(engine, study, placed("layer1.0.bn2=se", backbone=backbone))
    there = f"study 'tiny' searches on resnet8, and this placement is on {backbone}"
    assert str(caught.value) == there


def test_a_spelled_placement_is_completed_and_checked() -> None:
    placement = placed("layer1.0.bn2=se")
    assert asked.spelled(placement.spelling, 16) == placement
    short = '{"version": 1, "backbone": "resnet8", "modules": [["layer1.0.bn2", "se", {}]]}'
    assert asked.spelled(short, 16) == placement


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "no placement in JSON: Expecting property name enclosed in double quotes: line 1 "),
        ("{}", "no placement in JSON: it lacks 'version', got '{}'"),
        ("[]", "no placement in JSON: "),
        ("null", "no placement in JSON: "),
        ('{"version": 9}', "no placement in JSON: a placement of version 9, not 1, got "),
        ('{"version": 1, "modules": [], "backbone": 3}', "no placement in JSON: "),
        ('{"version": 1, "modules": [], "backbone": "resnet9"}', "no backbone 'resnet9'; did you "),
        (
            '{"version": 1, "modules": [["a\\ud800\\u0000", "se", {}]], "backbone": "resnet8"}',
            "no s",
        ),
        (
            '{"version": 1, "modules": [["layer1.0.bn2", "se"]], "backbone": "resnet8"}',
            "no placeme",
        ),
        ("x" * 10_000, "no placement in JSON: Expecting value"),
        ("[" * 10_000, "no placement in JSON: "),
        ("\ud800", "no placement in JSON: "),
    ],
    ids=lambda text: ascii(text)[:30],
)
def test_json_that_is_no_placement_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        asked.spelled(text, 16)
    assert str(caught.value).startswith(sentence) and len(str(caught.value)) < 1000
    str(caught.value).encode()


def test_a_file_has_a_placement_a_line(tmp_path: Path) -> None:
    whole = placed("layer3.*=eca", "layer1.0.bn2=se(reduction=8)")
    lines = ["# mine", "", "layer3.*=eca  layer1.0.bn2=se( reduction=8 )", whole.spelling]
    (tmp_path / "mine.txt").write_text("\n".join(lines))
    assert asked.read_placements(str(tmp_path / "mine.txt"), "resnet8", 16) == [whole, whole]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, r"cannot read the placements in '.*': No such file or directory"),
        (b"\xff\xfe", r"cannot read the placements in '.*': they are no text"),
        (b"# nothing\n", r"there is no placement in '.*'"),
        (b"layer1.0.bn2=se\n\nlayer1.0.bn2=sse\n", r"line 3 of '.*': no attention module 'sse'"),
        (b"{}\n", r"line 1 of '.*': no placement in JSON: it lacks 'version'"),
    ],
    ids=["none", "bytes", "empty", "typo", "json"],
)
def test_a_file_that_is_none_is_one_sentence(
    content: bytes | None, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadValue, match=f"^{sentence}"):
        asked.read_placements(str(path), "resnet8", 16)


def test_users_who_enqueue_at_once_get_numbers_of_their_own(engine: Engine, study: Study) -> None:
    wanted = [placed(f"layer{stage}.0.bn2={name}") for stage in (1, 2, 3) for name in ("se", "eca")]
    with ThreadPoolExecutor(len(wanted)) as threads:
        numbers = [*threads.map(lambda one: enqueue(engine, study, one), wanted)]
    assert sorted(numbers) == [[number] for number in range(len(wanted))]
    with Session(engine) as session:
        found = store.find_study(session, "tiny")
        assert found.numbers == found.seq == len(wanted)
