"""Sees calls; knows nothing of money, limits or disk."""
