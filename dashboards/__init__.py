"""Look: the web application over a study's tables."""
