"""Pack a study as the one that ``foveate dashboard --demo`` shows: ``make demo``.

    foveate search docs/demo.yaml --study "where attention helps" --storage sqlite:///demo.db
    python docs/demo.py demo.db

Other studies of the database are left out. Every figure stays as it was recorded. What would tell
of the machine is made neutral: names of hosts, paths, the version of the system, the driver's home.
The weights of the front's knee and of its best are kept, so that they can be exported; the records
of the others go, as if never kept.
"""

import re
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, ZipFile

from sqlalchemy.orm import Session

from foveate.dashboards.demo import ARCHIVE, DATABASE
from foveate.errors import BadValue, UserError
from foveate.search import front, store
from foveate.search.databases import open_database
from foveate.search.hands import delete
from foveate.search.records import Study

NAME = "where attention helps"
MOST = 2_000_000  # bytes that a package may grow by
RUNS = "foveate-runs"  # the folder of the files, in the archive
PATH = re.compile(r"(?<![\w.)])/(home|root|tmp|work|Users|usr|opt|mnt|var)/")


def pack(database: Path, out: Path) -> None:
    """Write the study of ``database`` and the files it needs to ``out``."""
    with TemporaryDirectory() as folder:
        made = Path(folder) / DATABASE
        opened = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        with closing(opened) as source, closing(sqlite3.connect(made)) as target:
            source.backup(target)  # a search may still write
        engine = open_database(f"sqlite:///{made}")
        with Session(engine) as session:
            others = [one.name for one in store.studies(session) if one.name != NAME]
        for name in others:
            delete(engine, name)
        with Session(engine) as session, session.begin():
            study = store.find_study(session, NAME)
            there = thin(session, study)
            neutral = rules(session, study, there)
        engine.dispose()
        with closing(sqlite3.connect(made)) as connection:
            scrub(connection, neutral)
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("VACUUM")
        with ZipFile(out, "w", ZIP_DEFLATED, compresslevel=9) as archive:
            archive.write(made, DATABASE)
            for address in there:
                archive.write(address, neutral(address))
    size = out.stat().st_size
    if size > MOST:
        raise BadValue(f"{out} has {size:,} bytes, more than {MOST:,}")
    print(f"{out}: {size:,} bytes, {len(there)} files beside the database")


def thin(session: Session, study: Study) -> list[str]:
    """Forget all weights but the knee's and the best's; where the files are that are left."""
    members = store.front_trials(session, study)
    knee = members[front.knee([(one.accuracy or 0.0, one.gflops) for one in members])]
    wanted = {knee.id, members[-1].id}  # the dearest of a front is the most accurate
    kept = []
    for trial_id, found in store.files(session, study).items():
        for file in found:
            if file.kind == "weights" and trial_id not in wanted:
                session.delete(file)
            else:
                kept.append(file.address)
    return kept


def rules(session: Session, study: Study, addresses: list[str]) -> Callable[[str], str]:
    """What makes a text neutral."""
    drivers = store.every_driver(session, study)
    hosts = {study.environment["host"], *(one.host for one in drivers)}
    hosts |= {str(one.worker).rpartition(":")[0] for one in store.trials(session, study)}
    changes = [
        (re.escape(address.partition(f"/{RUNS}/")[0] + "/"), "")
        for address in addresses[:1]  # all are in one folder
    ]
    changes += [(re.escape(study.environment["system"]), study.environment["system"].split("-")[0])]
    changes += [(re.escape(str(one.home)), "") for one in drivers if one.home]
    changes += [(r"/[^\s\"':]*/(foveate|site-packages)/", r"\1/")]  # of tracebacks
    changes += [
        (rf"\b{re.escape(host)}\b", f"node-{number}")
        for number, host in enumerate(sorted(filter(None, hosts - {"None"})), 1)
    ]

    def neutral(text: str) -> str:
        for pattern, new in changes:
            text = re.sub(pattern, new, text)
        return text

    return neutral


def scrub(connection: sqlite3.Connection, neutral: Callable[[str], str]) -> None:
    """Make every text of every table neutral; ``BadValue`` if a path is left."""
    connection.create_function("neutral", 1, neutral, deterministic=True)
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (table,) in tables:
        for _, column, *_ in connection.execute(f'PRAGMA table_info("{table}")').fetchall():
            texts = f"WHERE typeof({column}) = 'text'"
            connection.execute(f"UPDATE {table} SET {column} = neutral({column}) {texts}")
            for (value,) in connection.execute(f"SELECT {column} FROM {table} {texts}"):
                if found := PATH.search(value):
                    raise BadValue(f"{table}.{column} has a path: {value[found.start() :][:80]!r}")
    connection.commit()


if __name__ == "__main__":
    try:
        pack(Path(sys.argv[1]), Path(str(ARCHIVE)))
    except UserError as error:
        sys.exit(f"demo: {error}")
