"""How our tables came to be what they are, a file for each version; Alembic runs them."""
