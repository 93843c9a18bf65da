"""Moments as users give them."""

from datetime import UTC, datetime, timedelta

import pytest

from flowspan.errors import ConfigurationError
from flowspan.report.since import moment

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("2h", timedelta(hours=2)),
        (" 1.5 H ", timedelta(hours=1.5)),
        ("7d", timedelta(days=7)),
        ("1w", timedelta(weeks=1)),
    ],
)
def test_ago(text: str, ago: timedelta) -> None:
    """A number with a unit is how long ago."""
    assert moment(text, now=NOW) == NOW - ago


def test_date() -> None:
    """A date is one in local time; another zone may be named."""
    assert moment("2026-11-20T14:30:00+02:00") == datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
    assert moment("2026-11-20").tzinfo is not None
    assert moment("2026-11-20").replace(tzinfo=None) == datetime(2026, 11, 20)  # noqa: DTZ001 - local


def test_now() -> None:
    """Unless said, the present is the machine's."""
    assert abs(moment("0s") - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("text", ["", "yesterday", "2x", "99999999999999w", "2026-13-01"])
def test_neither(text: str) -> None:
    """What is neither is answered with what would be."""
    with pytest.raises(ConfigurationError, match=r"cannot understand the time .*2026-11-20"):
        moment(text, now=NOW)
