"""Trials know what each of their modules adds to the costs; of older ones it is not known."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column."""
    op.add_column("foveate_trial", sa.Column("added", sa.JSON(none_as_null=True)))
