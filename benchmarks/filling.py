"""Studies of thousands of invented trials, written in bulk: half complete, half stopped.

Placements are real, drawn at random with their real costs; after ``REAL`` of them one choice of
an earlier one is changed. Our tables, Optuna's of our study, and a study of Optuna's alone have
the same.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from random import Random
from typing import Any, NamedTuple

from samplers import Landscape
from sqlalchemy import Connection, Table, func, insert, select, text
from sqlalchemy.orm import Session

from foveate.search import databases, mirror, store
from foveate.search.front import front, scaled_hypervolume
from foveate.search.ledger import Job, Ledger, optuna_study
from foveate.search.records import Epoch, FrontStep, Study, Trial
from foveate.search.spec import SearchSpec
from foveate.spaces import Placement

__all__ = ["EPOCHS", "OURS", "PLAIN", "Filler", "Prepared"]

OURS, PLAIN = "ours", "plain"  # the second is of Optuna alone
EPOCHS = 3
STOPPED = 2  # after so many
REAL = 4_000
BEGAN = datetime(2026, 1, 1)
SPEC = {
    "data": {"name": "digits"},
    "space": {"backbone": "resnet34", "kinds": ["branch"]},  # 16 sites
    "recipe": {"epochs": EPOCHS},
    "trials": 10_000_000,
}


class Prepared:
    """What a driver has in memory before it opens the study."""

    def __init__(self, folder: str) -> None:
        self.spec = SearchSpec.of(SPEC | {"folder": f"{folder}/runs"})
        self.images, self.space = self.spec.prepare()
        _ = self.space.dearest_gflops, self.space.size  # worked out once
        self.classes = len(self.images.classes)
        self._landscape = Landscape(self.space, 0)

    def ledger(self, storage: str) -> Ledger:
        return Ledger(storage, OURS, self.spec, self.images, self.space, say=lambda text: None)

    def accuracy(self, placement: Placement, chosen: dict[str, Any] | None = None) -> float:
        """After the last epoch."""
        chosen = chosen or self.space.parameters(placement) or {}
        return self._landscape.accuracy(placement, chosen)

    def train(self, ledger: Ledger) -> None:
        """One trial: asked for, each epoch of it recorded, ended."""
        job = ledger.ask()
        assert isinstance(job, Job)
        curve = curve_to(self.accuracy(job.placement))
        for number, accuracy in enumerate(curve, 1):
            epoch = {"number": number, "train_loss": 1.0, "accuracy": accuracy, "seconds": 1.0}
            if ledger.report(job.number, worker="w", device="cpu", epoch=epoch) != "running":
                return


def curve_to(accuracy: float) -> list[float]:
    return [accuracy * (1 - 0.4**epoch) for epoch in range(1, EPOCHS + 1)]


class _One(NamedTuple):
    placement: Placement
    key: str
    chosen: dict[str, Any]
    about: dict[str, float]  # costs
    accuracy: float


class Filler:
    """Brings the studies in ``storage`` to so many trials."""

    def __init__(self, prepared: Prepared, storage: str) -> None:
        self._prepared, self._storage = prepared, storage
        self._new = self._invented()
        with prepared.ledger(storage) as ledger:  # makes the study
            for _ in prepared.space.baselines():
                prepared.train(ledger)
        url = databases.url_of(storage)
        self._plain = optuna_study(url, PLAIN, prepared.spec.objectives)

    def fill(self, trials: int, *, plain: bool) -> None:
        """Until there are ``trials`` of ours, and with ``plain`` as many of Optuna's alone."""
        engine = databases.open_database(self._storage)
        with Session(engine) as session, session.begin():
            study = store.locked(session, session.scalars(select(Study.id)).one())
            there = study.numbers
            rows, steps = self._rows(session, study, trials - there)
            connection = session.connection()
            self._add_mirrored(connection, study.optuna_id, rows)
            _bulk(connection, Trial.__table__, [_without(row, "curve") for row in rows])
            _bulk(connection, Epoch.__table__, [epoch for row in rows for epoch in _epochs(row)])
            _bulk(connection, FrontStep.__table__, steps)
            if plain:
                first = _last(connection, mirror._trials.c.trial_id) + 1
                last = mirror.last_number(session, self._plain) + 1
                some = [
                    row | {"number": last + i, "optuna_id": first + i}
                    for i, row in enumerate(islice(rows, trials - last))
                ]
                self._add_mirrored(connection, self._plain, some)
            _count_on(connection)
        if engine.dialect.name == "postgresql":  # as the server does soon, by itself
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("ANALYZE")
        engine.dispose()

    def _invented(self) -> Iterator[_One]:
        prepared, rng = self._prepared, Random(1)
        space, keys, real = prepared.space, set[str](), list[_One]()
        while True:
            if len(real) < REAL:
                placement = space.sample(rng)
                cost, chosen = space.cost(placement, prepared.classes), space.parameters(placement)
                about = {
                    "gflops": cost.gflops,
                    "parameters": cost.parameters,
                    "macs": float(cost.macs),
                }
                accuracy = prepared.accuracy(placement, chosen)
                one = _One(placement, placement.key, chosen or {}, about, accuracy)
                real.append(one)
            else:
                like = rng.choice(real)
                name = rng.choice(sorted(like.chosen))
                chosen = like.chosen | {name: rng.choice(space.coordinates[name])}
                accuracy = prepared.accuracy(like.placement, chosen) + rng.gauss(0, 0.003)
                gflops = like.about["gflops"] * (1 + rng.gauss(0, 1e-3))
                one = like._replace(
                    key=f"{rng.getrandbits(64):016x}",
                    chosen=chosen,
                    about=like.about | {"gflops": gflops},
                    accuracy=accuracy,
                )
            if one.key not in keys:
                keys.add(one.key)
                yield one

    def _rows(
        self, session: Session, study: Study, count: int
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Rows of our table of trials, with their curves, and those of the front's history."""
        connection, there = session.connection(), store.keys(session, study, 0)
        trial_id, optuna_id = (
            _last(connection, column) for column in (Trial.id, mirror._trials.c.trial_id)
        )
        members: list[Any] = list(store.front_trials(session, study))
        before = {one.number: one for one in members}
        points = [(store.point(one), one.number) for one in members]
        rows, steps = [], []
        for at, one in enumerate(
            islice((one for one in self._new if one.key not in there), count), 1
        ):
            is_complete = at % 2 == 0
            curve = curve_to(one.accuracy)[: None if is_complete else STOPPED]
            number, when = study.numbers, BEGAN + timedelta(seconds=study.numbers)
            study.numbers, study.seq = study.numbers + 1, study.seq + 1
            rows.append(
                {
                    "id": trial_id + at,
                    "study_id": study.id,
                    "number": number,
                    "optuna_id": optuna_id + at,
                    "key": one.key,
                    "seed": 0,
                    "placement": one.placement.spelling,
                    "origin": "sampler",
                    "chosen": one.chosen,
                    "attributes": {},
                    "state": "complete" if is_complete else "stopped",
                    "seq": study.seq,
                    **one.about,
                    "accuracy": curve[-1],
                    "expected": None if is_complete else curve_to(one.accuracy)[-1],
                    "epochs": len(curve),
                    "seconds": float(len(curve)),
                    "on_front": False,
                    "reason": None if is_complete else f"place 9 of 10 at epoch {STOPPED}",
                    "failures": 0,
                    "notes": [],
                    "created": when,
                    "started": when,
                    "ended": when,
                    "curve": curve,
                }
            )
            if not is_complete:
                continue
            study.finished += 1
            points.append(((curve[-1], one.about["gflops"]), number))
            kept = [points[i] for i in front([point for point, _ in points])]
            if points[-1] in kept:
                area = scaled_hypervolume([point for point, _ in kept], *store._box(study))
                steps.append(
                    {
                        "study_id": study.id,
                        "number": number,
                        "finished": study.finished,
                        "hypervolume": area,
                        "members": [member for _, member in kept],
                        "at": when,
                    }
                )
            points = kept
        on_front = {number for _, number in points}
        for row in rows:
            row["on_front"] = row["number"] in on_front
        for number, trial in before.items():
            trial.on_front = number in on_front
        session.flush()
        return rows, steps

    def _add_mirrored(
        self, connection: Connection, study_id: int, rows: Sequence[dict[str, Any]]
    ) -> None:
        """The same trials in Optuna's tables."""
        offered = self._prepared.space.coordinates
        trials = [
            {
                "trial_id": row["optuna_id"],
                "study_id": study_id,
                "number": row["number"],
                "state": mirror.STATES[row["state"]],
                "datetime_start": row["started"],
                "datetime_complete": row["ended"],
            }
            for row in rows
        ]
        _bulk(connection, mirror._trials, trials)
        for first in range(0, len(rows), 2_000):
            parameters = [
                {
                    "trial_id": row["optuna_id"],
                    "param_name": name,
                    "param_value": float(mirror._index(offered[name], value)),
                    "distribution_json": mirror._distribution(tuple(offered[name])),
                }
                for row in rows[first : first + 2_000]
                for name, value in row["chosen"].items()
            ]
            _bulk(connection, mirror._params, parameters)
        values = [
            {
                "trial_id": row["optuna_id"],
                "objective": place,
                "value": row[name],
                "value_type": "FINITE",
            }
            for row in rows
            if row["state"] == "complete"
            for place, name in enumerate(("accuracy", "gflops"))
        ]
        _bulk(connection, mirror._values, values)


def _epochs(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for number, accuracy in enumerate(row["curve"], 1):
        about = {"train_loss": 1.0, "accuracy": accuracy, "seconds": 1.0, "at": row["ended"]}
        yield {"trial_id": row["id"], "number": number} | about


def _without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}


def _bulk(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    if connection.dialect.name != "postgresql":
        connection.execute(insert(table), rows)
        return
    names = ", ".join(f'"{name}"' for name in rows[0])
    cursor = connection.connection.cursor()
    with cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row([_plain(value) for value in row.values()])


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value


def _last(connection: Connection, column: Any) -> int:
    return connection.scalar(select(func.max(column))) or 0


def _count_on(connection: Connection) -> None:
    """PostgreSQL gives the next ids after those that were written by hand."""
    if connection.dialect.name != "postgresql":
        return
    for table, name in ((Trial.__tablename__, "id"), ("trials", "trial_id")):
        sequence = f"pg_get_serial_sequence('{table}', '{name}')"
        connection.execute(text(f"SELECT setval({sequence}, (SELECT max({name}) FROM {table}))"))
