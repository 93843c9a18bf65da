"""Reads what a collector wrote into ClickHouse, with the questions of the embedded store."""
