"""Moments as users give them: how long ago, or a date."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from flowspan.errors import ConfigurationError

_AGO: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)", re.IGNORECASE)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(text: str, *, now: datetime | None = None) -> datetime:
    """The moment that a user means.

    Args:
        text: ``90s``, ``30m``, ``2h``, ``7d``, ``1w`` ago; or a date with or without a time in
            ISO form, in local time unless it names another zone.
        now: The present; the machine's own unless given.

    Raises:
        ConfigurationError: It is neither.
    """
    now = now or datetime.now(UTC)
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago is not None:
            return now - timedelta(**{_UNITS[ago[2].lower()]: float(ago[1])})
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"cannot understand the time {text!r}: write how long ago, as 30m, 2h or 7d, "
            "or a date, as 2026-11-20 or 2026-11-20T14:30"
        ) from None
