"""The first tables: studies, trials, epochs and steps of the front."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

STATES = ("waiting", "running", "complete", "stopped", "failed")


def upgrade() -> None:
    """Make the tables."""
    version = op.create_table("foveate_schema", sa.Column("version", sa.Integer, primary_key=True))
    assert version is not None  # it is made now, not as text
    op.bulk_insert(version, [{"version": 1}])
    op.create_table(
        "foveate_study",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("uid", sa.String(32), nullable=False),
        sa.Column("name", sa.String(200), nullable=False, unique=True),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("sites", sa.JSON, nullable=False),
        sa.Column("images", sa.JSON, nullable=False),
        sa.Column("classes", sa.JSON, nullable=False),
        sa.Column("space_size", sa.Text, nullable=False),
        sa.Column("reference_gflops", sa.Float(53), nullable=False),
        sa.Column("bare_gflops", sa.Float(53), nullable=False),
        sa.Column("versions", sa.JSON, nullable=False),
        sa.Column("created", sa.DateTime, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("driver", sa.String(64)),
        sa.Column("driver_host", sa.String(255)),
        sa.Column("driver_pid", sa.Integer),
        sa.Column("driver_beat", sa.DateTime),
    )
    op.create_table(
        "foveate_trial",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("study_id", sa.Integer, _of("foveate_study.id"), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("key", sa.String(16), nullable=False),
        sa.Column("placement", sa.Text, nullable=False),
        sa.Column("origin", sa.String(80), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("parameters", sa.Integer, nullable=False),
        sa.Column("macs", sa.Float(53), nullable=False),
        sa.Column("gflops", sa.Float(53), nullable=False),
        sa.Column("accuracy", sa.Float(53)),
        sa.Column("epochs", sa.Integer, nullable=False),
        sa.Column("seconds", sa.Float(53), nullable=False),
        sa.Column("on_front", sa.Boolean, nullable=False),
        sa.Column("worker", sa.String(255)),
        sa.Column("device", sa.String(80)),
        sa.Column("reason", sa.Text),
        sa.Column("weights", sa.Text),
        sa.Column("created", sa.DateTime, nullable=False),
        sa.Column("started", sa.DateTime),
        sa.Column("ended", sa.DateTime),
        sa.UniqueConstraint("study_id", "number"),
        sa.UniqueConstraint("study_id", "key"),
        sa.CheckConstraint("accuracy BETWEEN 0 AND 1", name="foveate_accuracy_is_a_share"),
        sa.CheckConstraint(f"state IN {STATES}", name="foveate_state_is_known"),
    )
    op.create_index("foveate_trial_by_change", "foveate_trial", ["study_id", "seq"])
    op.create_table(
        "foveate_epoch",
        sa.Column("trial_id", sa.Integer, _of("foveate_trial.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("train_loss", sa.Float(53), nullable=False),
        sa.Column("accuracy", sa.Float(53), nullable=False),
        sa.Column("seconds", sa.Float(53), nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.CheckConstraint("number >= 1", name="foveate_epochs_count_from_1"),
    )
    op.create_table(
        "foveate_front_step",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("study_id", sa.Integer, _of("foveate_study.id"), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("finished", sa.Integer, nullable=False),
        sa.Column("hypervolume", sa.Float(53), nullable=False),
        sa.Column("members", sa.JSON, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.UniqueConstraint("study_id", "number"),
    )


def _of(column: str) -> sa.ForeignKey:
    return sa.ForeignKey(column, ondelete="CASCADE")
