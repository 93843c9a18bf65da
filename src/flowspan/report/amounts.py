"""Amounts as people read them: durations, tokens, money, sizes and moments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Final

_SECOND: Final = 1_000_000_000
_MINUTE: Final = 60 * _SECOND

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MOMENT: Final = 250_000_000_000_000_000
"""Microseconds up to the year 9892: a broken clock must not break a report."""

_THOUSAND: Final = 1000
_TEN_THOUSAND: Final = 10_000
_MILLION: Final = 1_000_000
_CENT: Final = Decimal("0.01")


def duration(nanoseconds: int) -> str:
    """A duration with about three digits: ``412 µs``, ``3.21 s``, ``2m 05s``, ``1h 02m``."""
    if nanoseconds < _SECOND:
        return _below_a_second(max(nanoseconds, 0))
    if nanoseconds < _MINUTE:
        seconds = nanoseconds / _SECOND
        if round(seconds, 1) < 60:  # noqa: PLR2004 - 59.96 s is a minute
            return f"{seconds:.2f} s" if round(seconds, 2) < 10 else f"{seconds:.1f} s"  # noqa: PLR2004 - three digits
    return _minutes_and_up(nanoseconds)


def _below_a_second(nanoseconds: int) -> str:
    microseconds = round(nanoseconds / 1000)
    if microseconds < _THOUSAND:
        return f"{microseconds} µs"
    milliseconds = nanoseconds / 1_000_000
    if milliseconds < 10:  # noqa: PLR2004 - two digits where there is room
        return f"{milliseconds:.1f} ms"
    return f"{milliseconds:.0f} ms" if round(milliseconds) < _THOUSAND else "1.00 s"


def _minutes_and_up(nanoseconds: int) -> str:
    seconds = round(nanoseconds / _SECOND)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes}m {seconds:02}s"
    days, hours = divmod(hours, 24)
    return f"{days}d {hours:02}h" if days else f"{hours}h {minutes:02}m"


def count(number: int, thing: str, things: str | None = None) -> str:
    """A number with its noun: ``1 run``, ``1,204 runs``."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def tokens(number: int) -> str:
    """A number of tokens in at most five characters: ``9,804``, ``12.3k``, ``1.24M``."""
    if number < _TEN_THOUSAND:
        return f"{number:,}"
    if number < 999_500:  # noqa: PLR2004 - the rest rounds to a million
        return _three_digits(number / _THOUSAND) + "k"
    return _three_digits(number / _MILLION) + "M"


def _three_digits(number: float) -> str:
    for limit, digits in ((9.995, 2), (99.95, 1)):
        if number < limit:
            return f"{number:.{digits}f}"
    return f"{number:,.0f}"


def money(usd: Decimal) -> str:
    """US dollars: cents from one dollar up, three digits below, never a rounded-away zero."""
    if usd == 0:
        return "$0"
    if abs(usd) >= 1 - _CENT / 2:
        return f"${usd:,.2f}"
    exponent = usd.adjusted()  # -2 for 0.0483
    places = max(2, min(9, 2 - exponent))
    text = f"{usd:.{places}f}".rstrip("0").rstrip(".")
    if Decimal(text) == 0:
        return "<$1e-9"
    whole, _, fraction = text.partition(".")
    return f"${whole}.{fraction.ljust(2, '0')}"


def size(octets: int) -> str:
    """A size of a file: ``812 B``, ``4.2 KiB``, ``1.0 GiB``."""
    amount = float(octets)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1023.95:  # noqa: PLR2004 - what would print as 1024.0 is the next unit
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def moment(nanoseconds: int, *, now: int, zone: tzinfo | None = None) -> str:
    """A moment in local time, as short as it can be: the time today, else with month and day.

    Args:
        nanoseconds: Since the epoch.
        now: The present, since the epoch, which decides what "today" is.
        zone: The time zone; the machine's own unless given.
    """
    then = _local(nanoseconds, zone)
    today = _local(now, zone)
    if then.date() == today.date():
        return then.strftime("%H:%M:%S")
    return then.strftime("%m-%d %H:%M" if then.year == today.year else "%Y-%m-%d %H:%M")


def iso(nanoseconds: int) -> str:
    """A moment for machines: RFC 3339, UTC, with microseconds."""
    text = _local(nanoseconds, UTC).isoformat(timespec="microseconds")
    return text.replace("+00:00", "Z")


def _local(nanoseconds: int, zone: tzinfo | None) -> datetime:
    moment = _EPOCH + timedelta(microseconds=min(max(nanoseconds // 1000, 0), _LAST_MOMENT))
    return moment.astimezone(zone)
