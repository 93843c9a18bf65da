"""Why something failed, in one line: the class of the error and what it says."""

from __future__ import annotations


def reason(kind: str | None, message: str | None) -> str:
    """Both, where the message does not name the class itself; empty where neither is known.

    Args:
        kind: ``error.type``.
        message: A status description, or an exception's own words.
    """
    if kind and message and kind in message:
        return message
    return ": ".join(part for part in (kind, message) if part)
