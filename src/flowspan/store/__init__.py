"""The embedded store: one SQLite file, written with the standard library alone."""
