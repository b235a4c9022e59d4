from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, text, update
from sqlalchemy.orm import Session

from foveate._files import Folder
from foveate.errors import BadValue, UnknownName
from foveate.search import hands, store
from foveate.search.records import Base, Driver, Study
from foveate.search.runs import folder_name

Add = Callable[..., int]
Drive = Callable[..., int]

REFUSED = ["", ".hidden", "a/b", "a\0b", "🦊", "it's", 'say "x"', "x" * 10_000, "\ud800", "a\nb"]
SENTENCE = "a study's name has 1 to 100 letters, digits, spaces and any of _.+=-, got "


@pytest.mark.parametrize("name", REFUSED, ids=ascii)
def test_a_name_that_no_folder_can_have_is_refused(name: str, engine: Engine, study: Study) -> None:
    with pytest.raises(BadValue) as caught:
        hands.rename(engine, "tiny", name)
    assert str(caught.value).startswith(SENTENCE) and len(str(caught.value)) < 500
    str(caught.value).encode()  # a terminal can show it


def test_a_study_and_its_optuna_study_are_renamed(
    engine: Engine, study: Study, storage: str, add: Add, optunas: Any
) -> None:
    add(0.5)
    hands.rename(engine, "tiny", "größer = 2")
    with Session(engine) as session:
        assert [one.name for one in store.studies(session)] == ["größer = 2"]
    assert [state for _, state, *_ in optunas(storage, "größer = 2")] == ["COMPLETE"]


def test_a_study_may_be_renamed_while_it_is_searched(
    engine: Engine, study: Study, drive: Drive
) -> None:
    drive()
    hands.rename(engine, "tiny", "small")


def test_a_name_that_is_taken_is_refused_and_nothing_changes(
    engine: Engine, study: Study, new_study: Callable[..., Study], storage: str, optunas: Any
) -> None:
    import optuna

    new_study("other")
    optuna.create_study(storage=storage, study_name="theirs")
    for name in ("other", "theirs"):
        with pytest.raises(BadValue, match=f"^there is a study '{name}' in that database already"):
            hands.rename(engine, "tiny", name)
        with Session(engine) as session:
            assert {one.name for one in store.studies(session)} == {"tiny", "other"}
        assert optunas(storage, "tiny") == []


@pytest.mark.parametrize("name", ["tini", "\0", "\ud800", "🦊'\"; DROP TABLE trials"], ids=ascii)
def test_a_study_that_there_is_not_is_named(name: str, engine: Engine, study: Study) -> None:
    with pytest.raises(UnknownName, match=r"^no study .*there are: tiny$") as caught:
        hands.rename(engine, name, "other")
    str(caught.value).encode()


# --------------------------------------------------------------------------------------- deleting


def test_a_study_is_deleted_with_all_that_belongs_to_it(
    engine: Engine,
    study: Study,
    new_study: Callable[..., Study],
    storage: str,
    add: Add,
    drive: Drive,
    optunas: Any,
) -> None:
    kept = new_study("kept")
    for one in (study, kept):
        drive(silent=100, ended=None, to=one)
        add(0.5, 0.6, to=one, weights="/runs/x/weights.safetensors", origin="bare")
        add(0.1, "layer1.0.bn2=se", to=one, state="stopped", expected=0.4, extra=0.1)
    before = optunas(storage, "kept")
    with Session(engine) as session:
        counted = {t.name: _count(session, t.name) for t in Base.metadata.sorted_tables}
    assert all(n and n % 2 == 0 for n in counted.values()), counted
    with Session(engine) as session, session.begin():
        session.execute(update(Driver).values(ended=Driver.beat))
    gone = hands.delete(engine, "tiny")
    assert (gone.trials, gone.epochs, list(gone.folders)) == (2, 3, [])
    with Session(engine) as session:
        left = {t.name: _count(session, t.name) for t in Base.metadata.sorted_tables}
        assert left == {name: n // 2 for name, n in counted.items()}
        assert _count(session, "trials") == 2 and _count(session, "studies") == 1
        assert _count(session, "trial_values") == 2 and _count(session, "study_directions") == 2
    assert optunas(storage, "kept") == before


def _count(session: Session, table: str) -> int:
    return session.scalar(select(func.count()).select_from(text(table))) or 0


def test_a_study_that_is_searched_is_not_deleted(
    engine: Engine, study: Study, drive: Drive
) -> None:
    drive()
    with pytest.raises(
        BadValue, match=r"^study 'tiny' is being searched by process 4000 on here; "
    ):
        hands.delete(engine, "tiny")
    with Session(engine) as session:
        assert len(store.studies(session)) == 1


def test_a_silent_driver_is_at_work_if_its_beats_go_on(
    engine: Engine, study: Study, drive: Drive
) -> None:
    slow, _ = drive(silent=3600.0), drive(silent=-7200.0)  # their clocks are wrong
    paused = []

    def pause(seconds: float) -> None:
        paused.append(seconds)
        with Session(engine) as session, session.begin():
            session.execute(update(Driver).where(Driver.id == slow).values(beats=Driver.beats + 1))

    assert [one.id for one in hands.at_work(engine, study.id, pause=pause)] == [slow]
    assert paused == [2 * store.BEAT.total_seconds()]


def test_files_go_with_a_study_whatever_it_was_called(
    engine: Engine, new_study: Callable[..., Study], tmp_path: Path, add: Add
) -> None:
    runs = tmp_path / "runs"
    study = new_study("first", folder=str(runs))
    folder = runs / folder_name(study)
    (folder / "0").mkdir(parents=True)
    (folder / "0" / "weights.safetensors").write_bytes(b"x")
    (runs / "another-00000000").mkdir()
    hands.rename(engine, "first", "second")
    gone = hands.delete(engine, "second", files=True)
    assert list(gone.folders) == [str(folder)]
    assert [path.name for path in runs.iterdir()] == ["another-00000000"]


def test_files_are_found_from_another_folder_by_the_weights(
    engine: Engine,
    new_study: Callable[..., Study],
    tmp_path: Path,
    add: Add,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = new_study("first", folder="runs")
    folder = tmp_path / "runs" / folder_name(study)
    (folder / "0").mkdir(parents=True)
    add(0.5, to=study, weights=f"{folder}/0/weights.safetensors")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert list(hands.delete(engine, "first", files=True).folders) == [str(folder)]
    assert not folder.exists()


def test_files_in_an_object_store_go_too(
    engine: Engine, new_study: Callable[..., Study], bucket: str, add: Add
) -> None:
    study = new_study("first", folder=bucket)
    there = Folder(bucket).at(folder_name(study)).at("0")
    there.write("weights.safetensors", b"x")
    add(0.5, to=study, weights=there.address("weights.safetensors"))
    (gone,) = hands.delete(engine, "first", files=True).folders
    assert folder_name(study) in gone and there.names() == []
    assert folder_name(study) not in Folder(bucket).folders()


def test_files_that_another_study_refers_to_stay(
    engine: Engine, new_study: Callable[..., Study], tmp_path: Path, add: Add
) -> None:
    one, other = (new_study(name, folder=str(tmp_path / "runs")) for name in ("one", "other"))
    folder = tmp_path / "runs" / folder_name(one)
    folder.mkdir(parents=True)
    add(0.5, to=other, weights=f"{folder}/0/weights.safetensors")
    with pytest.raises(BadValue, match=r"^'other' refers to weights of study 'one': delete that "):
        hands.delete(engine, "one", files=True)
    assert folder.is_dir()
    assert hands.delete(engine, "one").trials == 0
    assert folder.is_dir()


# --------------------------------------------------------------------------------------- stopping


def test_all_drivers_of_a_study_are_asked_to_end(
    engine: Engine, study: Study, new_study: Callable[..., Study], drive: Drive
) -> None:
    drive(), drive(), drive(to=new_study("other"))
    assert hands.stop(engine, "tiny") == 2
    with Session(engine) as session:
        assert [one.stop for one in session.scalars(select(Driver).order_by(Driver.id))] == [
            True,
            True,
            False,
        ]


def test_waiting_ends_with_the_last_driver(engine: Engine, study: Study, drive: Drive) -> None:
    drive()
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            with Session(engine) as session, session.begin():
                session.execute(update(Driver).values(ended=Driver.beat, how="closed"))

    hands.wait_until_stopped(engine, study.id, pause=pause)
    assert pauses == [1.0] * 3


def test_nobody_waits_for_a_driver_that_died(engine: Engine, study: Study, drive: Drive) -> None:
    drive(silent=100)
    hands.wait_until_stopped(engine, study.id, pause=lambda seconds: None)


# ----------------------------------------------------------------------------------------- notes


def test_notes_are_kept_line_after_line(engine: Engine, study: Study, add: Add) -> None:
    add(0.5)
    texts = ['it\'s "good" 🦊', "=1+1", "x" * 10_000, "NUL \0 and half \ud800 pairs"]
    for text_ in texts:
        hands.note(engine, "tiny", text_)
        hands.note(engine, "tiny", text_, trial=0)
    shown = [*texts[:3], "NUL ␀ and half ? pairs"]
    with Session(engine) as session:
        found = store.find_study(session, "tiny")
        assert found.note.splitlines() == shown
        assert store.find_trial(session, found, 0).notes == shown


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("  \n", "a note has to say something"),
        (
            "x" * 20_000,
            "a study has room for notes of 20,000 characters, 19,999 are left, and this one has "
            "20,000",
        ),
    ],
    ids=["empty", "long"],
)
def test_a_note_that_cannot_be_kept_whole_is_refused(
    given: str, sentence: str, engine: Engine, study: Study
) -> None:
    with pytest.raises(BadValue) as caught:
        hands.note(engine, "tiny", given)
    assert str(caught.value) == sentence


def test_a_note_changes_the_trial_for_those_who_follow_it(
    engine: Engine, study: Study, add: Add
) -> None:
    add(0.5)
    with Session(engine) as session:
        before = store.find_study(session, "tiny").seq
    hands.note(engine, "tiny", "look", trial=0)
    with Session(engine) as session:
        found = store.find_study(session, "tiny")
        assert [one.number for one in store.rows_since(session, found, ("number",), before)] == [0]
