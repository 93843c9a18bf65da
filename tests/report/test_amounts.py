"""Amounts as people read them."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from flowspan.report import amounts

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("nanoseconds", "words"),
    [
        (-5, "0 µs"),
        (0, "0 µs"),
        (499, "0 µs"),
        (412_300, "412 µs"),
        (999_499, "999 µs"),
        (999_500, "1.0 ms"),
        (3_140_000, "3.1 ms"),
        (10_000_000, "10 ms"),
        (999_499_999, "999 ms"),
        (999_500_000, "1.00 s"),
        (1_000_000_000, "1.00 s"),
        (3_214_000_000, "3.21 s"),
        (9_994_999_999, "9.99 s"),
        (9_995_000_001, "10.0 s"),
        (59_940_000_000, "59.9 s"),
        (59_960_000_000, "1m 00s"),
        (125 * SECOND, "2m 05s"),
        (3_599_400_000_000, "59m 59s"),
        (3_599_600_000_000, "1h 00m"),
        (3_720 * SECOND, "1h 02m"),
        (86_399 * SECOND, "23h 59m"),
        (90_000 * SECOND, "1d 01h"),
        (90 * 86_400 * SECOND, "90d 00h"),
    ],
)
def test_duration(nanoseconds: int, words: str) -> None:
    """A duration has about three digits and never more than seven characters."""
    assert words == amounts.duration(nanoseconds)
    assert len(words) <= 7


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0"),
        (999, "999"),
        (9_804, "9,804"),
        (10_000, "10.0k"),
        (12_345, "12.3k"),
        (99_949, "99.9k"),
        (99_951, "100k"),
        (999_499, "999k"),
        (999_500, "1.00M"),
        (1_240_000, "1.24M"),
        (25_300_000, "25.3M"),
        (410_000_000, "410M"),
    ],
)
def test_tokens(number: int, words: str) -> None:
    """A number of tokens has at most five characters."""
    assert words == amounts.tokens(number)


@pytest.mark.parametrize(
    ("usd", "words"),
    [
        ("0", "$0"),
        ("0.0", "$0"),
        ("0.000367", "$0.000367"),
        ("0.00036749", "$0.000367"),
        ("0.0483", "$0.0483"),
        ("0.056577", "$0.0566"),
        ("0.1", "$0.10"),
        ("0.5", "$0.50"),
        ("0.9949", "$0.995"),
        ("0.995", "$1.00"),
        ("0.9999", "$1.00"),
        ("1", "$1.00"),
        ("12.345", "$12.34"),
        ("1234.5", "$1,234.50"),
        ("0.000000012", "$0.000000012"),
        ("0.0000000001", "<$1e-9"),
    ],
)
def test_money(usd: str, words: str) -> None:
    """Money keeps three digits below a dollar, and is never rounded away to nothing."""
    assert words == amounts.money(Decimal(usd))


def test_count() -> None:
    """A noun follows its number."""
    assert amounts.count(1, "run") == "1 run"
    assert amounts.count(1204, "run") == "1,204 runs"
    assert amounts.count(2, "retry", "retries") == "2 retries"


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (0, "0 B"),
        (812, "812 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (4_300_000, "4.1 MiB"),
        (1_073_741_823, "1.0 GiB"),
        (5 * 1024**4, "5120.0 GiB"),
    ],
)
def test_size(octets: int, words: str) -> None:
    """A size is in the unit that leaves few digits."""
    assert words == amounts.size(octets)


def _ns(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("then", "words"),
    [
        ("2026-11-20T05:12:44", "05:12:44"),
        ("2026-11-19T23:59:59", "11-19 23:59"),
        ("2025-11-20T05:12:44", "2025-11-20 05:12"),
    ],
)
def test_moment(then: str, words: str) -> None:
    """A moment of today needs no date, one of this year no year."""
    now = _ns("2026-11-20T22:00:00")

    assert words == amounts.moment(_ns(then), now=now, zone=UTC)


def test_broken_clock() -> None:
    """A clock that is years off does not break a report."""
    assert amounts.moment(2**70, now=0, zone=UTC).startswith("9892")
    assert amounts.moment(-5, now=0, zone=UTC) == "00:00:00"


def test_iso() -> None:
    """Machines get RFC 3339."""
    assert amounts.iso(_ns("2026-11-20T05:12:44") + 1_500) == "2026-11-20T05:12:44.000001Z"
