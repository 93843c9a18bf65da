"""Registries, tags and files."""
