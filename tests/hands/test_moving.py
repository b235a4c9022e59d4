from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from foveate.errors import BadValue, UnknownName
from foveate.search import moving, store
from foveate.search.databases import open_database
from foveate.search.records import Artifact, Epoch, FrontStep, Study, Trial

Add = Callable[..., int]
OWN = {"id", "study_id", "trial_id", "optuna_id", "driver_id", "uid", "name"}


@pytest.fixture
def life(study: Study, add: Add, drive: Callable[..., int]) -> None:
    """A trial in every state."""
    driver = drive()
    add(0.5, 0.6, origin="bare", weights="/runs/0/weights.safetensors")
    add(0.5, 0.7, "layer1.0.bn2=se", extra=0.1)
    add(0.4, "layer2.0.bn2=se", state="stopped", expected=0.5, reason="place 3 of 3")
    add("layer3.0.bn2=se", state="failed", reason='it\'s "bad" 🦊')
    add("layer3.0.bn2=eca", state="infeasible", extra=0.5)
    add(0.3, 0.4, "layer2.0.bn2=eca", state="running", driver=driver)
    add("layer1.0.bn2=eca", state="waiting")


def rows(storage: str, name: str) -> dict[str, list[dict[str, Any]]]:
    """All of a study, but ids."""
    engine = open_database(storage, read_only=True)
    with Session(engine) as session:
        study = store.find_study(session, name)
        mine = select(Trial.id).where(Trial.study_id == study.id)
        found = {
            "study": select(Study).where(Study.id == study.id),
            "trials": select(Trial).where(Trial.study_id == study.id).order_by(Trial.number),
            "epochs": select(Epoch).where(Epoch.trial_id.in_(mine)).order_by(Epoch.at),
            "steps": select(FrontStep).where(FrontStep.study_id == study.id).order_by(FrontStep.id),
            "files": select(Artifact).where(Artifact.study_id == study.id),
        }
        return {
            kind: [
                {c.name: getattr(one, c.name) for c in one.__table__.columns if c.name not in OWN}
                for one in session.scalars(wanted)
            ]
            for kind, wanted in found.items()
        }


@pytest.mark.usefixtures("life")
@pytest.mark.parametrize("where", ["other file", "same file", "postgres"])
def test_a_copy_has_all_of_a_study(
    where: str,
    study: Study,
    storage: str,
    tmp_path: Path,
    optunas: Any,
    request: pytest.FixtureRequest,
) -> None:
    to = {"other file": f"sqlite:///{tmp_path}/other.db", "same file": storage}.get(where)
    to = to or request.getfixturevalue("postgres")
    assert moving.copy(storage, "tiny", to, "copied") == (7, 7)
    before, after = rows(storage, "tiny"), rows(to, "copied")
    before["trials"][5]["state"] = "waiting"  # nobody trains it there
    assert after == before
    assert len(after["steps"]) == 2 and len(after["files"]) == 1 and len(after["epochs"]) == 7
    theirs = optunas(storage)
    theirs[5] = (5, "WAITING", None, theirs[5][3])
    assert optunas(to, "copied") == theirs
    engine = open_database(to)
    with Session(engine) as session:
        copied = store.find_study(session, "copied")
        assert store.every_driver(session, copied) == []
        assert copied.uid != study.uid
        one = store.find_trial(session, copied, 1)
        assert one.study_id == copied.id and [e.number for e in one.curve] == [1, 2]
    with Session(engine) as session, session.begin():  # and it goes on
        copied = store.locked(session, store.find_study(session, "copied").id)
        store.note(session, store.find_trial(session, copied, 6), "mine")
    engine.dispose()


@pytest.mark.usefixtures("life")
def test_a_copy_goes_back_again(storage: str, postgres: str, optunas: Any, tmp_path: Path) -> None:
    moving.copy(storage, "tiny", postgres, "there")
    back = f"sqlite:///{tmp_path}/back.db"
    moving.copy(postgres, "there", back, "tiny")
    assert rows(back, "tiny") == rows(postgres, "there")
    assert optunas(back) == optunas(postgres, "there")


@pytest.mark.usefixtures("life")
def test_optunas_constraints_and_attributes_are_copied(storage: str) -> None:
    moving.copy(storage, "tiny", storage, "copied")
    one, other = (optuna.load_study(study_name=n, storage=storage) for n in ("tiny", "copied"))
    assert other.directions == one.directions
    for before, after in zip(one.trials, other.trials, strict=True):
        assert after.user_attrs == before.user_attrs and after.user_attrs["placement"]
        assert after.constraints == before.constraints
        assert after.distributions == before.distributions
    assert other.trials[4].constraints == {"gflops <= 0.05": 0.2}


@pytest.mark.usefixtures("life")
@pytest.mark.parametrize("taken", ["ours", "optuna's"])
def test_nothing_is_written_over(
    taken: str, storage: str, new_study: Callable[..., Study], engine: Engine
) -> None:
    if taken == "ours":
        new_study("other")
    else:
        optuna.create_study(storage=storage, study_name="other")
    with pytest.raises(BadValue, match=r"^there is a study 'other' in sqlite:.* already, of ours "):
        moving.copy(storage, "tiny", storage, "other")
    with Session(engine) as session:
        assert session.scalar(select(func.count()).select_from(Trial)) == 7


def test_nothing_is_made_for_a_study_that_there_is_not(
    storage: str, study: Study, tmp_path: Path
) -> None:
    with pytest.raises(UnknownName, match=r"^no study 'tini'; did you mean 'tiny'"):
        moving.copy(storage, "tini", f"sqlite:///{tmp_path}/other.db")
    with pytest.raises(BadValue, match=r"^a study's name has 1 to 100 letters"):
        moving.copy(storage, "tiny", f"sqlite:///{tmp_path}/other.db", "a/b")
    assert not (tmp_path / "other.db").exists()


@pytest.mark.usefixtures("life")
def test_a_copy_that_breaks_leaves_nothing(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> int:
        raise OSError("the disk is full")

    monkeypatch.setattr(moving._Copy, "_pairs", broken)
    to = f"sqlite:///{tmp_path}/other.db"
    with pytest.raises(OSError, match="full"):
        moving.copy(storage, "tiny", to)
    engine = open_database(to)
    with Session(engine) as session:
        assert store.studies(session) == []
    engine.dispose()
    assert optuna.get_all_study_names(to) == []
