"""Drivers and artifacts have tables of their own; trials know their Optuna trial, what was chosen,
their seed and more costs.

Nobody searches meanwhile: what was being trained waits to be continued. Optuna's tables are
brought in step where a driver died between the two, since from here on both are written at once.
"""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

# Alembic loads this file by its path
from foveate.errors import BadValue  # type: ignore[import-not-found,unused-ignore]

revision = "0003"
down_revision = "0002"

STATES = ("waiting", "running", "complete", "stopped", "failed", "infeasible")
IN_OPTUNA = {"waiting": "WAITING", "complete": "COMPLETE", "stopped": "PRUNED", "failed": "FAIL"}
UNFINISHED = ("WAITING", "RUNNING")
Json = sa.JSON(none_as_null=True)

_new = sa.MetaData()
STUDY = sa.Table(
    "foveate_study",
    _new,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("uid", sa.String(32), nullable=False),
    sa.Column("name", sa.String(200), nullable=False, unique=True),
    sa.Column("optuna_id", sa.Integer, nullable=False),
    sa.Column("spec", Json, nullable=False),
    sa.Column("sites", Json, nullable=False),
    sa.Column("images", Json, nullable=False),
    sa.Column("fingerprint", sa.String(64)),
    sa.Column("classes", Json, nullable=False),
    sa.Column("space_size", sa.Text, nullable=False),
    sa.Column("reference_gflops", sa.Float(53), nullable=False),
    sa.Column("bare_gflops", sa.Float(53), nullable=False),
    sa.Column("bare", Json, nullable=False),
    sa.Column("reference", Json, nullable=False),
    sa.Column("versions", Json, nullable=False),
    sa.Column("environment", Json, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("created", sa.DateTime, nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("numbers", sa.Integer, nullable=False),
    sa.Column("skipped", sa.Integer, nullable=False),
    sa.Column("finished", sa.Integer, nullable=False),
    sa.Column("repeats", sa.Integer, nullable=False),
)
DRIVER = sa.Table(
    "foveate_driver",
    _new,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("uid", sa.String(32), nullable=False, unique=True),
    sa.Column("study_id", sa.ForeignKey("foveate_study.id", ondelete="CASCADE"), nullable=False),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("home", sa.String(120)),
    sa.Column("beats", sa.Integer, nullable=False),
    sa.Column("stop", sa.Boolean, nullable=False),
    sa.Column("started", sa.DateTime, nullable=False),
    sa.Column("beat", sa.DateTime, nullable=False),
    sa.Column("ended", sa.DateTime),
    sa.Column("how", sa.String(20)),
    sa.Index("foveate_driver_of_study", "study_id", "ended"),
)
TRIAL = sa.Table(
    "foveate_trial",
    _new,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("study_id", sa.ForeignKey("foveate_study.id", ondelete="CASCADE"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("optuna_id", sa.Integer, nullable=False),
    sa.Column("key", sa.String(16), nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("placement", sa.Text, nullable=False),
    sa.Column("origin", sa.String(80), nullable=False),
    sa.Column("chosen", Json),
    sa.Column("attributes", Json, nullable=False),
    sa.Column("parents", Json),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("driver_id", sa.ForeignKey("foveate_driver.id", ondelete="SET NULL")),
    sa.Column("parameters", sa.BigInteger, nullable=False),
    sa.Column("macs", sa.Float(53), nullable=False),
    sa.Column("gflops", sa.Float(53), nullable=False),
    sa.Column("memory", sa.Float(53)),
    sa.Column("latency", sa.Float(53)),
    sa.Column("violations", Json),
    sa.Column("accuracy", sa.Float(53)),
    sa.Column("epochs", sa.Integer, nullable=False),
    sa.Column("seconds", sa.Float(53), nullable=False),
    sa.Column("on_front", sa.Boolean, nullable=False),
    sa.Column("worker", sa.String(255)),
    sa.Column("device", sa.String(80)),
    sa.Column("metrics", Json),
    sa.Column("reason", sa.Text),
    sa.Column("verdict", Json),
    sa.Column("expected", sa.Float(53)),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("notes", Json, nullable=False),
    sa.Column("created", sa.DateTime, nullable=False),
    sa.Column("started", sa.DateTime),
    sa.Column("ended", sa.DateTime),
    sa.UniqueConstraint("study_id", "number"),
    sa.UniqueConstraint("study_id", "key", "seed"),
    sa.CheckConstraint("accuracy BETWEEN 0 AND 1", name="foveate_accuracy_is_a_share"),
    sa.CheckConstraint(f"state IN {STATES}", name="foveate_state_is_known"),
    sa.Index("foveate_trial_by_change", "study_id", "seq"),
    sa.Index("foveate_trial_by_state", "study_id", "state"),
    sa.Index("foveate_trial_on_front", "study_id", "on_front"),
)
ARTIFACT = sa.Table(
    "foveate_artifact",
    _new,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("study_id", sa.ForeignKey("foveate_study.id", ondelete="CASCADE"), nullable=False),
    sa.Column("trial_id", sa.ForeignKey("foveate_trial.id", ondelete="CASCADE")),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("bytes", sa.BigInteger),
    sa.Column("about", Json, nullable=False),
    sa.Column("created", sa.DateTime, nullable=False),
    sa.Index("foveate_artifact_of_trial", "trial_id", "kind"),
)
STEP = sa.Table(
    "foveate_front_step",
    sa.MetaData(),  # it stays as it is
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("study_id", sa.Integer),
    sa.Column("number", sa.Integer),
    sa.Column("members", Json),
)
DROPPED = {
    "foveate_study": ("driver", "driver_host", "driver_pid", "driver_beat"),
    "foveate_trial": ("weights",),
}

# Optuna's, as far as we read and write them
_optuna = sa.MetaData()
STUDIES = sa.Table("studies", _optuna, sa.Column("study_id"), sa.Column("study_name"))
TRIALS = sa.Table(
    "trials",
    _optuna,
    sa.Column("trial_id", sa.Integer),
    sa.Column("number", sa.Integer),
    sa.Column("study_id", sa.Integer),
    sa.Column("state", sa.Enum(*UNFINISHED, "COMPLETE", "PRUNED", "FAIL", name="trialstate")),
    sa.Column("datetime_start", sa.DateTime),
    sa.Column("datetime_complete", sa.DateTime),
)
PARAMS = sa.Table(
    "trial_params",
    _optuna,
    sa.Column("param_id", sa.Integer),
    sa.Column("trial_id", sa.Integer),
    sa.Column("param_name", sa.String),
    sa.Column("param_value", sa.Float(53)),
    sa.Column("distribution_json", sa.Text),
)
VALUES = sa.Table(
    "trial_values",
    _optuna,
    sa.Column("trial_id", sa.Integer),
    sa.Column("objective", sa.Integer),
    sa.Column("value", sa.Float(53)),
    sa.Column("value_type", sa.Enum("FINITE", "INF_POS", "INF_NEG", name="trialvaluetype")),
)
USER = sa.Table(
    "trial_user_attributes",
    _optuna,
    sa.Column("trial_id", sa.Integer),
    sa.Column("key", sa.String),
    sa.Column("value_json", sa.Text),
)
OTHERS = [  # tables of what belongs to a trial
    sa.Table(name, _optuna, sa.Column("trial_id", sa.Integer))
    for name in ("trial_system_attributes", "trial_intermediate_values", "trial_heartbeats")
]


def upgrade() -> None:
    """Make the tables, fill in the columns, and only then have the database insist on them."""
    connection = op.get_bind()
    DRIVER.create(connection)
    ARTIFACT.create(connection)
    for table in (STUDY, TRIAL):
        there = {column["name"] for column in sa.inspect(connection).get_columns(table.name)}
        for column in table.columns:
            if column.name not in there:
                op.add_column(table.name, sa.Column(column.name, column.type))
    studies = sa.select(*STUDY.c["id", "name", "spec", "seq", "bare_gflops", "reference_gflops"])
    for study in connection.execute(studies).all():
        _fill_study(connection, study)
    for name in ("metrics", "verdict"):
        _none_is_null(connection, TRIAL.c[name])
    epoch = sa.Table("foveate_epoch", sa.MetaData(), sa.Column("metrics", Json))
    _none_is_null(connection, epoch.c.metrics)
    if connection.dialect.name == "sqlite":
        for table in (STUDY, TRIAL):  # made anew, since SQLite cannot change what there is
            with op.batch_alter_table(table.name, copy_from=table, recreate="always"):
                pass
    else:
        _insist()
    op.drop_table("foveate_schema")


def _insist() -> None:
    for table in (STUDY, TRIAL):
        for name in DROPPED[table.name]:
            op.drop_column(table.name, name)
        for column in table.columns:
            if not column.nullable and not column.primary_key:
                op.alter_column(table.name, column.name, nullable=False)
    op.alter_column("foveate_trial", "parameters", type_=sa.BigInteger)
    op.drop_constraint("foveate_trial_study_id_key_key", "foveate_trial")
    op.create_unique_constraint(None, "foveate_trial", ["study_id", "key", "seed"])
    op.drop_constraint("foveate_state_is_known", "foveate_trial")
    op.create_check_constraint("foveate_state_is_known", "foveate_trial", f"state IN {STATES}")
    op.create_foreign_key(
        None, "foveate_trial", "foveate_driver", ["driver_id"], ["id"], ondelete="SET NULL"
    )
    op.create_index("foveate_trial_by_state", "foveate_trial", ["study_id", "state"])
    op.create_index("foveate_trial_on_front", "foveate_trial", ["study_id", "on_front"])


def _fill_study(connection: sa.Connection, study: Any) -> None:
    optuna_id = None
    if sa.inspect(connection).has_table("studies"):
        same = STUDIES.c.study_name == study.name
        optuna_id = connection.scalar(sa.select(STUDIES.c.study_id).where(same))
    if optuna_id is None:
        raise BadValue(f"study {study.name!r} has lost its Optuna study of that name")
    weights = sa.column("weights", sa.Text)
    trials = connection.execute(
        sa.select(TRIAL, weights).where(TRIAL.c.study_id == study.id).order_by(TRIAL.c.number)
    ).all()
    there = {
        trial.number: trial
        for trial in connection.execute(sa.select(TRIALS).where(TRIALS.c.study_id == optuna_id))
    }
    for number in sorted({trial.number for trial in trials} - set(there)):
        raise BadValue(f"trial {number} of study {study.name!r} has lost its Optuna trial")
    chosen = _chosen(connection, optuna_id)
    seed, seq = study.spec.get("recipe", {}).get("seed", 0), study.seq
    changed: list[dict[str, Any]] = []  # these two are written at once: there may be many
    kept: list[dict[str, Any]] = []
    for trial in trials:
        told, state = there.pop(trial.number), trial.state
        if state == "running":
            state, seq = "waiting", seq + 1
        filled = {
            "of": trial.id,
            "optuna_id": told.trial_id,
            "seed": seed,
            "chosen": chosen.get(told.trial_id),
            "attributes": {},
            "failures": 0,
            "state": state,
            "seq": trial.seq if state == trial.state else seq,
        }
        changed.append(filled)
        _step(connection, trial, state, told)
        if trial.weights is not None:
            file = {"study_id": study.id, "trial_id": trial.id, "kind": "weights", "about": {}}
            file |= {"address": trial.weights, "created": trial.ended or trial.created}
            kept.append(file)
    if changed:
        connection.execute(sa.update(TRIAL).where(TRIAL.c.id == sa.bindparam("of")), changed)
    if kept:
        connection.execute(sa.insert(ARTIFACT), kept)
    for left in there.values():
        _remove(connection, study.name, left)
    filled = {
        "optuna_id": optuna_id,
        "bare": {"gflops": study.bare_gflops},
        "reference": {"gflops": study.reference_gflops},
        "environment": {},
        "note": "",
        "seq": seq,
        "numbers": max((trial.number for trial in trials), default=-1) + 1,
        "repeats": 0,
        "skipped": max((trial.number for trial in trials), default=-1) + 1 - len(trials),
        "finished": sum(trial.state == "complete" for trial in trials),
    }
    connection.execute(sa.update(STUDY).where(STUDY.c.id == study.id).values(filled))
    steps = connection.execute(sa.select(STEP).where(STEP.c.study_id == study.id)).all()
    idle = [{"of": step.id} for step in steps if step.number not in step.members]
    if idle:
        connection.execute(sa.delete(STEP).where(STEP.c.id == sa.bindparam("of")), idle)


def _chosen(connection: sa.Connection, optuna_id: int) -> dict[int, dict[str, Any]]:
    """The parameters of each trial of Optuna's study that has any, by its id."""
    rows = connection.execute(
        sa.select(PARAMS)
        .join(TRIALS, TRIALS.c.trial_id == PARAMS.c.trial_id)
        .where(TRIALS.c.study_id == optuna_id)
        .order_by(PARAMS.c.param_id)
    )
    choices: dict[str, list[Any]] = {}  # parsed once
    found: dict[int, dict[str, Any]] = {}
    for row in rows:
        if (text := row.distribution_json) not in choices:
            choices[text] = json.loads(text)["attributes"]["choices"]
        found.setdefault(row.trial_id, {})[row.param_name] = choices[text][int(row.param_value)]
    return found


def _step(connection: sa.Connection, trial: Any, state: str, told: Any) -> None:
    """Bring Optuna's trial to where ours is, if a driver died between the two."""
    if told.state == IN_OPTUNA[state]:
        return
    if told.state not in UNFINISHED:
        raise BadValue(
            f"trial {trial.number} is {state}, and {told.state} in Optuna's tables: "
            "another program has changed it"
        )
    values = {"state": IN_OPTUNA[state], "datetime_complete": trial.ended}
    values["datetime_start"] = None if state == "waiting" else told.datetime_start or trial.started
    connection.execute(sa.update(TRIALS).where(TRIALS.c.trial_id == told.trial_id).values(values))
    if state == "waiting":
        return
    about = {"epochs": trial.epochs, "accuracy": trial.accuracy, "reason": trial.reason}
    if state == "stopped":
        about["expected accuracy"] = trial.expected
    mine = USER.c.trial_id == told.trial_id
    connection.execute(sa.delete(USER).where(mine, USER.c.key.in_(list(about))))
    rows = [{"key": key, "value_json": json.dumps(value)} for key, value in about.items()]
    connection.execute(sa.insert(USER), [row | {"trial_id": told.trial_id} for row in rows])
    if state == "complete":
        connection.execute(sa.delete(VALUES).where(VALUES.c.trial_id == told.trial_id))
        row = {"trial_id": told.trial_id, "value_type": "FINITE"}
        reached = enumerate([trial.accuracy or 0.0, trial.gflops])
        rows = [row | {"objective": n, "value": value} for n, value in reached]
        connection.execute(sa.insert(VALUES), rows)


def _remove(connection: sa.Connection, study: str, told: Any) -> None:
    """Delete a trial that Optuna alone has: its driver died before it was ours, and untrained."""
    if told.state not in UNFINISHED:
        raise BadValue(
            f"Optuna's study {study!r} has a trial {told.number}, {told.state}, that is none of "
            "ours: another program has made it"
        )
    for table in (PARAMS, VALUES, USER, *OTHERS, TRIALS):
        connection.execute(sa.delete(table).where(table.c.trial_id == told.trial_id))


def _none_is_null(connection: sa.Connection, column: sa.Column[Any]) -> None:
    """JSON's own null is the database's from here on."""
    said = sa.cast(column, sa.Text) == "null"
    connection.execute(sa.update(column.table).where(said).values({column.name: sa.null()}))
