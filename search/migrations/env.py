"""Runs the migrations in the transaction that ``search.upgrade`` has begun."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table="foveate_version",  # Optuna's tables have Alembic's own
)
with context.begin_transaction():  # none of its own: the caller's ends it
    context.run_migrations()
