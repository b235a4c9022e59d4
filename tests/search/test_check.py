"""What ``foveate db check`` finds: each fault made by hand, in a database of a real search."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from foveate.errors import BadValue, UnknownName
from foveate.search.check import findings
from foveate.search.databases import REVISION
from foveate.search.upgrade import upgrade

DATA = Path(__file__).parent / "data"
BACKUP = "go back to a copy of the database"
LEAVE = f"{BACKUP}, or leave it, since a search reads ours"

Break = Callable[..., str]


@pytest.fixture
def broken(tmp_path: Path) -> Break:
    """The address of a database that was whole before these statements."""

    def broken(*statements: str) -> str:
        path = tmp_path / "foveate.db"
        with closing(sqlite3.connect(path)) as database:
            database.executescript((DATA / "version2.sql").read_text())
        upgrade(f"sqlite:///{path}")
        with closing(sqlite3.connect(path)) as database:
            database.executescript(";".join(statements))
        return f"sqlite:///{path}"

    return broken


def test_nothing_is_found_where_nothing_is_wrong(broken: Break) -> None:
    assert findings(broken()) == []


LAST = "(SELECT trial_id FROM trials WHERE study_id = 1 AND number = 15)"
REACHED = "UPDATE foveate_trial SET accuracy = 0.75, gflops = 0.25 WHERE id = "
REACHED += "(SELECT id FROM foveate_trial WHERE study_id = 1 AND number = 15)"
WRONG = [
    (
        "UPDATE foveate_version SET version_num = '0042'",
        f"{{}} holds tables of version 0042, of a newer program than this one, which knows "
        f"{REVISION}: install that version of foveate",
    ),
    (
        "DELETE FROM foveate_trial WHERE study_id = 2 AND number = 5",
        f"2 rows of foveate_epoch belong to rows of foveate_trial that are gone: {BACKUP}",
    ),
    ("DROP TABLE foveate_artifact", f"the table foveate_artifact is gone: {BACKUP}"),
    (
        "DROP INDEX foveate_trial_by_state",
        f"the tables are not those of version {REVISION} (add index: "
        f"foveate_trial_by_state of foveate_trial): {BACKUP}",
    ),
    (
        "ALTER TABLE foveate_trial DROP COLUMN memory",
        f"the tables are not those of version {REVISION} (add column: memory of foveate_trial): "
        f"{BACKUP}",
    ),
    (
        "ALTER TABLE foveate_trial ADD COLUMN colour TEXT",
        f"the tables are not those of version {REVISION} (remove column: colour of foveate_trial): "
        f"{BACKUP}",
    ),
    ("DROP TABLE studies", f"Optuna's tables are gone: {BACKUP}"),
    (
        "UPDATE foveate_study SET optuna_id = 9 WHERE name = 'digits'",
        f"study 'digits' has lost its Optuna study: {BACKUP}",
    ),
    (
        "UPDATE studies SET study_name = 'other' WHERE study_name = 'digits'",
        "study 'digits' is called 'other' in Optuna's tables: rename it there, since Optuna's "
        "tools find it by that name",
    ),
    (
        "UPDATE trials SET study_id = 9 WHERE study_id = 1 AND number IN (3, 12)",
        f"study 'digits': trials 3, 12 missing in Optuna's tables: {BACKUP}",
    ),
    (
        "INSERT INTO trials (number, study_id, state) VALUES (16, 1, 'WAITING')",
        "study 'digits': trial 16 in Optuna's tables only, where no search sees them: delete "
        "them there",
    ),
    (
        "UPDATE trials SET state = 'RUNNING' WHERE study_id = 1 AND number = 3",
        f"study 'digits': trial 3 is stopped, and RUNNING in Optuna's tables: {LEAVE}",
    ),
    (
        "UPDATE foveate_trial SET optuna_id = 99 WHERE study_id = 1 AND number = 3",
        f"study 'digits': trial 3 belongs to another trial of Optuna's: {BACKUP}",
    ),
    (
        f"UPDATE trial_values SET value = 0.5 WHERE trial_id = {LAST} AND objective = 0;"
        f"{REACHED};"
        f"UPDATE trial_values SET value = 0.25 WHERE trial_id = {LAST} AND objective = 1",
        "study 'digits': trial 15 reached (0.75, 0.25), and (0.5, 0.25) in Optuna's tables: "
        + LEAVE,
    ),
    (
        f"DELETE FROM trial_values WHERE trial_id = {LAST}; {REACHED}",
        f"study 'digits': trial 15 reached (0.75, 0.25), and () in Optuna's tables: {LEAVE}",
    ),
    (
        "UPDATE foveate_study SET numbers = 4 WHERE name = 'digits'",
        f"study 'digits': numbers is 4, and 16 by its trials: {BACKUP}",
    ),
    (
        "UPDATE foveate_study SET finished = 4 WHERE name = 'digits'",
        f"study 'digits': finished is 4, and 8 by its trials: {BACKUP}",
    ),
    (
        "UPDATE foveate_study SET seq = 4 WHERE name = 'digits'",
        f"study 'digits': a trial changed after the last change, 4: {BACKUP}",
    ),
]


@pytest.mark.parametrize(("statements", "line"), WRONG)
def test_each_fault_is_a_line_that_says_what_to_do(
    broken: Break, statements: str, line: str
) -> None:
    storage = broken(statements)
    assert line.format(storage) in findings(storage)


def test_many_trials_are_not_all_named(broken: Break) -> None:
    storage = broken("UPDATE trials SET study_id = 9 WHERE study_id = 1 AND number > 3")
    first, line = findings(storage)
    assert first == f"12 rows of trials belong to rows of studies that are gone: {BACKUP}"
    assert line.startswith("study 'digits': trials 4, 5, 6, 7, 8 and 7 more missing in Optuna's")


def test_a_damaged_file_is_found(broken: Break) -> None:
    storage = broken("PRAGMA writable_schema = ON")
    path = Path(storage.removeprefix("sqlite:///"))
    whole = bytearray(path.read_bytes())
    with closing(sqlite3.connect(path)) as database:
        size = database.execute("PRAGMA page_size").fetchone()[0]
        wanted = "SELECT rootpage FROM sqlite_master WHERE name = 'foveate_trial_by_change'"
        page = database.execute(wanted).fetchone()[0]
    start = (page - 1) * size
    whole[start + 3 : start + 5] = b"\0\1"  # the index says that it has a single cell
    path.write_bytes(whole)
    first, *_ = findings(storage)
    assert first.startswith("the file is damaged (") and first.endswith(BACKUP)


def test_an_older_database_is_told_to_be_brought_up_to_date(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "old.db")) as database:
        database.executescript((DATA / "version1.sql").read_text())
    (line,) = findings(f"sqlite:///{tmp_path}/old.db")
    assert line.endswith("`foveate db upgrade` brings them there")


def test_there_must_be_something_to_look_over(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="there is no database"):
        findings(f"sqlite:///{tmp_path}/none.db")
    (tmp_path / "empty.db").touch()
    with pytest.raises(UnknownName, match="holds no study of ours"):
        findings(f"sqlite:///{tmp_path}/empty.db")
    (tmp_path / "notes.db").write_text("all my notes\n" * 500)
    with pytest.raises(BadValue, match="is no database of ours: file is not a database"):
        findings(f"sqlite:///{tmp_path}/notes.db")
