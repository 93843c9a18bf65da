"""Drivers: a module per client, each with its ``CLIENT``."""
