"""Optuna's tables, as far as we write them: a trial there is what ours is, in one transaction.

Optuna writes a proposal in some fifty transactions, and a driver that dies between two of them
leaves a trial that nobody owns. Here it is one, the same in which our own row changes; so the two
never differ, and Optuna's own tools read the study as they read any other. Learning curves are not
told: intermediate values of a stopped trial break its samplers in multi-objective studies.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import (
    Column,
    CursorResult,
    DateTime,
    Enum,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Session

__all__ = [
    "add",
    "constrain",
    "finish",
    "forget",
    "last_number",
    "put",
    "remove_study",
    "rename_study",
    "set_state",
    "states",
]

STATES = {
    "waiting": "WAITING",
    "running": "RUNNING",
    "complete": "COMPLETE",
    "stopped": "PRUNED",
    "failed": "FAIL",
    "infeasible": "PRUNED",  # with its constraint values: samplers look at those first
}
EXPECTED = "expected accuracy"  # attribute of a stopped trial
CONSTRAINT = "constraints:"  # begins the system attributes that hold constraint values

_tables = MetaData()
_state = Enum("RUNNING", "WAITING", "COMPLETE", "PRUNED", "FAIL", name="trialstate")
_kind = Enum("FINITE", "INF_POS", "INF_NEG", name="trialvaluetype")
_studies = Table(
    "studies", _tables, Column("study_id", Integer, primary_key=True), Column("study_name", String)
)
_trials = Table(
    "trials",
    _tables,
    Column("trial_id", Integer, primary_key=True),
    Column("number", Integer),
    Column("study_id", Integer),
    Column("state", _state),
    Column("datetime_start", DateTime),
    Column("datetime_complete", DateTime),
)
_params = Table(
    "trial_params",
    _tables,
    Column("param_id", Integer, primary_key=True),
    Column("trial_id", Integer),
    Column("param_name", String),
    Column("param_value", Float(53)),
    Column("distribution_json", Text),
)
_values = Table(
    "trial_values",
    _tables,
    Column("trial_value_id", Integer, primary_key=True),
    Column("trial_id", Integer),
    Column("objective", Integer),
    Column("value", Float(53)),
    Column("value_type", _kind),
)


def _attributes(of: str, kind: str) -> Table:
    return Table(
        f"{of}_{kind}_attributes",
        _tables,
        Column(f"{of}_{kind}_attribute_id", Integer, primary_key=True),
        Column(f"{of}_id", Integer),
        Column("key", String),
        Column("value_json", Text),
    )


_user, _system = _attributes("trial", "user"), _attributes("trial", "system")
_of_trials = [_params, _values, _user, _system]
_of_trials += [
    Table(name, _tables, Column("trial_id", Integer))
    for name in ("trial_intermediate_values", "trial_heartbeats")
]
_of_studies = [_attributes("study", "user"), _attributes("study", "system")]
_of_studies += [Table("study_directions", _tables, Column("study_id", Integer))]


@lru_cache(maxsize=10_000)
def _distribution(choices: tuple[Any, ...]) -> str:
    return json.dumps({"name": "CategoricalDistribution", "attributes": {"choices": choices}})


def add(
    session: Session,
    study_id: int,
    number: int,
    state: str,
    *,
    chosen: Mapping[str, Any],
    choices: Mapping[str, Sequence[Any]],
    about: Mapping[str, Any],
    violations: Mapping[str, float],
    at: datetime,
) -> int:
    """A trial of Optuna's study ``study_id``; its ``trial_id``.

    ``chosen`` are its parameters, each one of its ``choices``; ``about`` its user attributes.
    """
    row = {
        "study_id": study_id,
        "number": number,
        "state": STATES[state],
        "datetime_start": None if state == "waiting" else at,
        "datetime_complete": at if state == "infeasible" else None,
    }
    added = cast("CursorResult[Any]", session.execute(insert(_trials).values(row)))
    (trial_id,) = added.inserted_primary_key or (None,)
    assert trial_id is not None  # it is the table's primary key
    _insert(
        session,
        _params,
        [
            {
                "trial_id": trial_id,
                "param_name": name,
                "param_value": float(_index(choices[name], value)),
                "distribution_json": _distribution(tuple(choices[name])),
            }
            for name, value in chosen.items()
        ],
    )
    put(session, trial_id, about)
    constrain(session, trial_id, violations)
    return int(trial_id)


def constrain(session: Session, trial_id: int, violations: Mapping[str, float]) -> None:
    """Add constraint values that the trial does not have yet."""
    rows = [(f"{CONSTRAINT}{name}", json.dumps(value)) for name, value in violations.items()]
    _insert(session, _system, _pairs(trial_id, rows))


def put(session: Session, trial_id: int, about: Mapping[str, Any]) -> None:
    """Add user attributes that the trial does not have yet."""
    rows = [(key, json.dumps(value)) for key, value in about.items()]
    _insert(session, _user, _pairs(trial_id, rows))


def last_number(session: Session, study_id: int) -> int:
    """The number of the study's newest trial, whoever added it; -1 if there is none."""
    mine = select(_trials.c.number).where(_trials.c.study_id == study_id)
    found = session.scalar(mine.order_by(_trials.c.trial_id.desc()).limit(1))
    return -1 if found is None else found


def set_state(session: Session, trial_id: int, state: str, at: datetime | None) -> None:
    """The trial waits or runs."""
    changed = update(_trials).where(_trials.c.trial_id == trial_id)
    session.execute(changed.values(state=STATES[state], datetime_start=at))


def finish(
    session: Session,
    trial_id: int,
    state: str,
    *,
    values: Sequence[float] | None,
    about: Mapping[str, Any],
    at: datetime,
) -> None:
    """The trial has ended, with ``values`` if it is complete."""
    changed = update(_trials).where(_trials.c.trial_id == trial_id)
    session.execute(changed.values(state=STATES[state], datetime_complete=at))
    rows = [
        {"trial_id": trial_id, "objective": n, "value": value, "value_type": "FINITE"}
        for n, value in enumerate(values or ())
    ]
    _insert(session, _values, rows)
    put(session, trial_id, about)


def forget(session: Session, trial_id: int, about: Sequence[str]) -> None:
    """The trial's values, and these of its user attributes, are no longer known."""
    session.execute(delete(_values).where(_values.c.trial_id == trial_id))
    session.execute(delete(_user).where(_user.c.trial_id == trial_id, _user.c.key.in_(about)))


def states(session: Session, study_id: int) -> dict[int, str]:
    """The state of each trial by its number, in Optuna's words."""
    wanted = select(_trials.c.number, _trials.c.state).where(_trials.c.study_id == study_id)
    return {number: str(state) for number, state in session.execute(wanted)}


def rename_study(session: Session, study_id: int, name: str) -> None:
    """Optuna's study is called ``name`` from now on."""
    changed = update(_studies).where(_studies.c.study_id == study_id)
    session.execute(changed.values(study_name=name))


def remove_study(session: Session, study_id: int) -> None:
    """Delete Optuna's study and all that belongs to it."""
    trials = select(_trials.c.trial_id).where(_trials.c.study_id == study_id)
    for table in _of_trials:
        session.execute(delete(table).where(table.c.trial_id.in_(trials)))
    for table in (*_of_studies, _trials, _studies):
        session.execute(delete(table).where(table.c.study_id == study_id))


def _pairs(trial_id: int, rows: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    return [{"trial_id": trial_id, "key": key, "value_json": text} for key, text in rows]


def _insert(session: Session, table: Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        session.execute(insert(table), rows)


def _index(choices: Sequence[Any], value: Any) -> int:
    for index, choice in enumerate(choices):
        if choice == value and type(choice) is type(value):
            return index
    raise ValueError(f"{value!r} is none of {list(choices)}")
