import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, insert
from sqlalchemy.orm import Session

import foveate
from foveate.errors import BadValue, UnknownName
from foveate.search import frames, store
from foveate.search.records import Epoch, Study, Trial
from foveate.search.spreadsheets import FORMULA, for_a_spreadsheet

Add = Callable[..., int]
SE, ECA = "layer1.0.bn2=se", "layer2.0.bn2=eca"


@pytest.fixture
def loaded(study: Study, add: Add, storage: str) -> frames.LoadedStudy:
    add(0.5, 0.6, origin="bare")
    add(0.5, 0.7, SE, extra=0.1)
    add(0.55, ECA, extra=0.05)
    add(0.4, "layer3.0.bn2=eca", state="stopped", expected=0.5, reason='=HYPERLINK("x")')
    add("layer3.0.bn2=se", state="waiting", extra=0.2)
    add("layer3.0.bn2=cbam", state="waiting", extra=0.2)
    return foveate.load_study("tiny", storage=storage)


def test_every_column_is_documented_and_there(loaded: frames.LoadedStudy) -> None:
    for name, columns in frames.COLUMNS.items():
        frame = getattr(loaded, name)
        assert [*frame.columns] == [*columns] and len(frame) > 0
        assert all(columns.values())


def test_trials_are_as_recorded(loaded: frames.LoadedStudy) -> None:
    trials = loaded.trials
    assert [*trials.index] == list(range(6))
    assert [*trials["state"]] == ["complete"] * 3 + ["stopped"] + ["waiting"] * 2
    assert trials.loc[1, "accuracy"] == 0.7 and trials.loc[1, "gflops"] == pytest.approx(0.044)
    assert trials["accuracy"].isna().tolist() == [False] * 4 + [True] * 2
    assert trials["ended"].dtype.kind == "M" and trials["epochs"].dtype.kind == "i"
    assert trials["on_front"].dtype == bool and trials["latency"].dtype == float


def test_the_front_is_cheapest_first_with_what_it_costs(loaded: frames.LoadedStudy) -> None:
    assert loaded.front["trial"].tolist() == [0, 1]
    assert loaded.front["extra_percent"].tolist() == pytest.approx([0.0, 10.0])


def test_epochs_and_history_are_as_recorded(loaded: frames.LoadedStudy) -> None:
    assert loaded.epochs[["trial", "epoch", "accuracy"]].values.tolist() == [
        [0, 1, 0.5],
        [0, 2, 0.6],
        [1, 1, 0.5],
        [1, 2, 0.7],
        [2, 1, 0.55],
        [3, 1, 0.4],
    ]
    assert loaded.history["members"].tolist() == [[0], [0, 1]]
    assert loaded.history["hypervolume"].is_monotonic_increasing


def test_parameters_are_what_was_chosen_within_the_space(loaded: frames.LoadedStudy) -> None:
    chosen = loaded.parameters
    assert [*chosen.index] == [0, 1, 2, 3, 4]
    assert chosen.loc[1, "layer1.0.bn2"] == "se" and chosen.loc[0, "layer1.0.bn2"] == "none"
    assert pd.isna(chosen.loc[0, "se.reduction"])


def test_its_name_and_spec_are_there(loaded: frames.LoadedStudy) -> None:
    assert loaded.name == "tiny" and loaded.spec["space"]["backbone"] == "resnet8"
    assert repr(loaded) == "LoadedStudy('tiny')"


def test_a_study_without_trials_has_the_same_columns(study: Study, storage: str) -> None:
    empty = foveate.load_study("tiny", storage=storage)
    for name, columns in frames.COLUMNS.items():
        frame = getattr(empty, name)
        assert [*frame.columns] == [*columns] and len(frame) == 0
    assert empty.trials["accuracy"].dtype == float and len(empty.parameters) == 0


def test_names_that_there_are_not(study: Study, storage: str) -> None:
    for name in ("tini", "\0", "\ud800", "x" * 10_000):
        with pytest.raises(UnknownName, match=r"^no study .*there are: tiny$"):
            foveate.load_study(name, storage=storage)
    with pytest.raises(UnknownName, match=r"^there is no database 'none\.db'"):
        foveate.load_study("tiny", storage="sqlite:///none.db")


def test_importing_foveate_loads_nothing_heavy() -> None:
    code = (
        "import sys, foveate; heavy = {'torch', 'pandas', 'sqlalchemy', 'ray', 'optuna'};"
        "print(sorted(heavy & set(sys.modules)));"
        "import foveate.search.frames, foveate.search.health, foveate.search.hands;"
        "print(sorted({'torch', 'ray', 'optuna'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split("\n") == ["[]", "[]", ""]


def many(engine: Engine, study: Study, trials: int, epochs: int) -> None:
    """Rows of a long search, without Optuna's."""
    given: dict[str, Any] = {"study_id": study.id, "origin": "sampler", "state": "complete"}
    given |= {"parameters": 1, "macs": 1.0, "memory": None, "failures": 0, "notes": []}
    given |= {"attributes": {}, "metrics": {"top5": 0.9}, "epochs": epochs, "seconds": 1.0}
    with Session(engine) as session, session.begin():
        rows = [
            given
            | {"number": n, "optuna_id": n, "key": f"{n:016x}", "seq": n, "placement": "{}" * 200}
            | {"chosen": {f"layer{i}": "se" for i in range(16)}}
            | {"gflops": 1.0 + n / trials, "accuracy": n / trials, "on_front": n % 100 == 0}
            for n in range(trials)
        ]
        session.execute(insert(Trial), rows)
        ids = [row.id for row in store.trial_rows(session, study, ("id",))]
        epoch = {"train_loss": 1.0, "accuracy": 0.5, "seconds": 1.0, "metrics": {"top5": 0.9}}
        curves = [epoch | {"trial_id": i, "number": n} for i in ids for n in range(1, epochs + 1)]
        session.execute(insert(Epoch), curves)


def test_ten_thousand_trials_are_read_in_well_under_a_second(
    engine: Engine, study: Study, storage: str
) -> None:
    many(engine, study, 10_000, 2)
    foveate.load_study("tiny", storage=storage).trials  # noqa: B018, imports
    begin = perf_counter()
    loaded = foveate.load_study("tiny", storage=storage)
    assert len(loaded.trials) == 10_000 and len(loaded.front) == 100
    assert perf_counter() - begin < 2.0  # 0.2 to 0.5 beside other work


# ------------------------------------------------------------------------------------------ files


@pytest.mark.parametrize("format", frames.FORMATS)
def test_what_is_written_reads_back(
    format: str, loaded: frames.LoadedStudy, tmp_path: Path
) -> None:
    written = frames.write(loaded, tmp_path / "all", format)
    assert [path.name for path in written] == [
        "study.json",
        *(f"{name}.{format}" for name in frames.COLUMNS),
    ]
    read = {"csv": pd.read_csv, "json": pd.read_json, "parquet": pd.read_parquet}[format]
    for name in frames.COLUMNS:
        frame, there = getattr(loaded, name), read(tmp_path / "all" / f"{name}.{format}")
        assert [*there.columns] == [*frame.columns] and len(there) == len(frame)
        for column in ("trial", "accuracy", "gflops", "hypervolume"):
            if column in there:
                assert there[column].tolist() == pytest.approx(frame[column].tolist(), nan_ok=True)
        for column in [one for one in frames.NESTED if one in frame]:
            found = [json.loads(one) if isinstance(one, str) else one for one in there[column]]
            nested = [one if isinstance(one, dict | list) else None for one in found]
            wanted = [one if isinstance(one, dict | list) else None for one in frame[column]]
            assert nested == wanted
    about = json.loads((tmp_path / "all" / "study.json").read_text())
    assert about["spec"] == loaded.spec and about["columns"]["trials"] == frames.TRIALS
    assert about["bare_gflops"] == 0.04 and about["name"] == "tiny"


def test_a_formula_in_a_table_is_text(loaded: frames.LoadedStudy, tmp_path: Path) -> None:
    frames.write(loaded, tmp_path, "csv")
    there = pd.read_csv(tmp_path / "trials.csv")
    assert there.loc[3, "reason"] == '\'=HYPERLINK("x")'


@given(st.text() | st.integers() | st.floats(allow_nan=False) | st.none())
def test_only_text_that_begins_a_formula_is_changed(cell: object) -> None:
    safe = for_a_spreadsheet(cell)
    if isinstance(cell, str):
        assert safe.removeprefix("'") == cell.removeprefix("'") or safe == f"'{cell}"
        assert not safe.startswith(FORMULA)
    else:
        assert safe is cell


def test_a_format_that_there_is_not_is_named(loaded: frames.LoadedStudy, tmp_path: Path) -> None:
    with pytest.raises(BadValue, match=r"^--format may be csv, json or parquet, got 'xml'$"):
        frames.write(loaded, tmp_path / "all", "xml")
    assert not (tmp_path / "all").exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(
    loaded: frames.LoadedStudy, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BadValue, match=r"^cannot write '.*file': File exists$"):
        frames.write(loaded, tmp_path / "file", "csv")
