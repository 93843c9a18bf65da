"""Inspects the surroundings: what would be recorded here, and why something would not."""

from flowspan.doctor.checkup import inspect

__all__ = ["inspect"]
