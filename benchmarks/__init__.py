"""How long things take: the measuring code, and its results beside it."""
