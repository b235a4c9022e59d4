"""Metrics of epochs; of trials also why they were stopped, as data, and what befell them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("foveate_epoch", sa.Column("metrics", sa.JSON))
    op.add_column("foveate_trial", sa.Column("metrics", sa.JSON))
    op.add_column("foveate_trial", sa.Column("verdict", sa.JSON))
    op.add_column("foveate_trial", sa.Column("expected", sa.Float(53)))
    notes = sa.Column("notes", sa.JSON, nullable=False, server_default="[]")  # for rows there are
    op.add_column("foveate_trial", notes)
    with op.batch_alter_table("foveate_trial", recreate="never") as trial:
        if op.get_bind().dialect.name != "sqlite":  # there the next migration makes it anew
            trial.alter_column("notes", server_default=None)
    op.execute(sa.text("UPDATE foveate_schema SET version = 2"))
