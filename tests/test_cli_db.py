"""``foveate db``, and what other commands say of an older database."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from foveate.cli import app
from foveate.search.databases import REVISION
from foveate.search.upgrade import older

DATA = Path(__file__).parent / "search" / "data"


def foveate(*words: str) -> Result:
    return CliRunner().invoke(app, words)


@pytest.fixture
def storage(tmp_path: Path) -> str:
    """A database of the second version."""
    with closing(sqlite3.connect(tmp_path / "old.db")) as database:
        database.executescript((DATA / "version2.sql").read_text())
    return f"sqlite:///{tmp_path}/old.db"


def on_a_terminal(answer: str, *words: str) -> tuple[int, str, str]:
    """The status, output and errors of a command whose user answers."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "foveate.cli", *words]
    with subprocess.Popen(
        command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        os.write(ours, f"{answer}\n".encode())
        out, err = running.communicate()
    os.close(ours)
    os.close(theirs)
    return running.returncode, out, err


def test_the_help_shows_examples() -> None:
    for name in ("upgrade", "check"):
        shown = foveate("db", name, "--help")
        assert shown.exit_code == 0 and f"Example: foveate db {name}" in shown.output


def test_an_older_database_is_brought_up_to_date(storage: str, tmp_path: Path) -> None:
    done = foveate("db", "upgrade", "--yes", "--storage", storage)
    assert (done.exit_code, done.output.splitlines()) == (
        0,
        [
            f"{storage}: 2 studies, 22 trials, tables of version 0002; this program writes "
            f"version {REVISION}",
            "A copy of the file is made beside it first.",
            f"It is of version {REVISION} now; as it was: {tmp_path}/old.db.0002.bak",
        ],
    )
    again = foveate("db", "upgrade", "--storage", storage)
    assert (again.exit_code, again.output) == (
        0,
        f"{storage} holds tables of version {REVISION}: there is nothing to do\n",
    )
    checked = foveate("db", "check", "--storage", storage)
    assert (checked.exit_code, checked.output) == (0, f"{storage} is as it should be\n")


@pytest.mark.parametrize(("answer", "agreed"), [("y", True), ("n", False), ("", False)])
def test_who_is_at_a_terminal_is_asked(storage: str, answer: str, agreed: bool) -> None:
    status, out, err = on_a_terminal(answer, "db", "upgrade", "--storage", storage)
    assert "Bring it up to date now? [y/N]: " in out
    assert (older(storage) is None) == agreed and (status == 0) == agreed
    if not agreed:
        assert (status, err) == (2, f"foveate: {storage} stays of version 0002\n")


@pytest.mark.parametrize(
    ("words", "way"),
    [
        (["db", "upgrade"], "say --yes"),
        (["search"], "`foveate db upgrade`, or --yes, brings it up to date"),
    ],
)
def test_nobody_is_asked_where_nobody_is(storage: str, words: list[str], way: str) -> None:
    refused = foveate(*words, "--storage", storage)
    sentence = f"foveate: {storage} is of an older version, and nobody can be asked: {way}\n"
    assert (refused.exit_code, refused.stderr) == (2, sentence)
    assert older(storage) is not None


@pytest.mark.parametrize("words", [["studies"], ["front", "digits"], ["replay", "digits"]])
def test_other_commands_leave_an_older_database(storage: str, words: list[str]) -> None:
    refused = foveate(*words, "--storage", storage)
    assert (refused.exit_code, refused.stderr) == (
        2,
        f"foveate: {storage} holds tables of version 0002, and this program writes {REVISION}: "
        "`foveate db upgrade` brings them there\n",
    )
    assert older(storage) is not None


@pytest.mark.parametrize(
    "words", [["studies"], ["front", "digits"], ["search"], ["search", "--yes"], ["db", "upgrade"]]
)
def test_all_commands_leave_a_newer_database(storage: str, words: list[str]) -> None:
    foveate("db", "upgrade", "--yes", "--storage", storage)
    with closing(sqlite3.connect(storage.removeprefix("sqlite:///"))) as database:
        database.execute("UPDATE foveate_version SET version_num = '0099'")
        database.commit()
    refused = foveate(*words, "--storage", storage)
    assert (refused.exit_code, refused.stderr) == (
        2,
        f"foveate: {storage} holds tables of version 0099, of a newer program than this one, which "
        f"knows {REVISION}: install that version of foveate\n",
    )
    checked = foveate("db", "check", "--storage", storage)
    assert checked.exit_code == 1 and "of a newer program than this one" in checked.output


def test_a_database_that_is_not_there_is_no_fault_of_a_check(tmp_path: Path) -> None:
    for name in ("upgrade", "check"):
        refused = foveate("db", name, "--storage", f"sqlite:///{tmp_path}/none.db")
        sentence = f"foveate: there is no database '{tmp_path}/none.db'; `foveate search` makes one"
        assert (refused.exit_code, refused.stderr) == (2, f"{sentence}\n")
    assert list(tmp_path.iterdir()) == []


def test_what_a_check_finds_is_a_line_each(storage: str) -> None:
    foveate("db", "upgrade", "--yes", "--storage", storage)
    with closing(sqlite3.connect(storage.removeprefix("sqlite:///"))) as database:
        database.execute("UPDATE trials SET state = 'RUNNING' WHERE number = 0")
        database.commit()
    checked = foveate("db", "check", "--storage", storage)
    assert checked.exit_code == 1
    assert [line.split(",")[0] for line in checked.output.splitlines()] == [
        "study 'begun': trial 0 is complete",  # the latest study first
        "study 'digits': trial 0 is complete",
    ]
