"""Why something failed, in one line: the class of the error and what it says."""

from __future__ import annotations

from flowspan.store.records import RunRow


def reason(kind: str | None, message: str | None) -> str:
    """Both, where the message does not name the class itself; empty where neither is known.

    Args:
        kind: ``error.type``.
        message: A status description, or an exception's own words.
    """
    if kind and message and kind in message:
        return message
    return ": ".join(part for part in (kind, message) if part)


def failure(run: RunRow) -> str:
    """Why a run failed; empty where it did not, or where nothing is known."""
    return reason(run.error_type, run.error_message) if run.status == "error" else ""
