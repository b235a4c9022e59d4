"""The same on PostgreSQL: what SQLite forgives it refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from typer.testing import CliRunner

from foveate import load_study
from foveate.cli import app
from foveate.search.databases import url_of
from foveate.search.records import Study


@pytest.fixture
def storage(postgres: str) -> str:
    """A database of its own."""
    name = f"foveate_{uuid4().hex}"
    engine = create_engine(url_of(postgres), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return make_url(postgres).set(database=name).render_as_string(hide_password=False)


def test_a_study_is_worked_on_by_hand(
    storage: str,
    study: Study,
    new_study: Callable[..., Study],
    add: Callable[..., int],
    tmp_path: Path,
    optunas: Any,
) -> None:
    def foveate(*words: str) -> str:
        ran = CliRunner().invoke(app, [*words, "--storage", storage])
        if ran.exception is not None and not isinstance(ran.exception, SystemExit):
            raise ran.exception
        return ran.output

    other = new_study("other")
    add(0.5, 0.60, origin="bare")
    add(
        0.3, "layer1.0.bn2=se", extra=0.5, state="stopped", expected=0.4, reason="NUL \0 and \ud800"
    )
    add(0.5, 0.70, "layer1.0.bn2=se", extra=0.5, to=other, weights="/runs/w")
    add(0.4, "layer2.0.bn2=eca", state="running", to=other)
    foveate("note", "tiny", "NUL \0 and \ud800 and 🦊")
    foveate("note", "tiny", "--trial", "1", "NUL \0 and \ud800 and 🦊")
    foveate("enqueue", "tiny", "--place", "layer3.0.bn2=se")
    assert "1 new there, 1 fully trained now, 0 there already" in foveate("merge", "other", "tiny")
    assert foveate("rename", "tiny", "other").endswith("of ours or of Optuna's\n")
    assert "called 'größer'" in foveate("rename", "tiny", "größer")
    for name in ("\0", "\ud800", "a\0b"):
        assert foveate("show", name).startswith("foveate: no study ")
    said = [(state, values) for _, state, values, _ in optunas(storage, "größer")]
    assert said == [
        ("COMPLETE", [0.6, 0.04]),
        ("COMPLETE", [0.7, 0.06]),
        ("WAITING", None),
        ("WAITING", None),
    ]
    loaded = load_study("größer", storage=storage)
    assert loaded.front["trial"].tolist() == [0, 1] and loaded.history["finished"].tolist() == [
        1,
        2,
    ]
    assert loaded.trials["state"].tolist() == ["complete", "complete", "waiting", "waiting"]
    assert "nobody searches" in foveate("health", "größer")
    assert "trials.parquet" in foveate(
        "data", "größer", "--out", str(tmp_path), "--format", "parquet"
    )
    assert "note        NUL ␀ and ? and 🦊" in foveate("show", "größer")
    assert "größer" in foveate("studies")
    assert "4 trials" in foveate("copy", "größer", "--as", "twin")
    assert foveate("delete", "größer", "--yes") == ("deleted study 'größer': 4 trials, 5 epochs\n")
    assert len(optunas(storage, "twin")) == 4 and len(optunas(storage, "other")) == 2
