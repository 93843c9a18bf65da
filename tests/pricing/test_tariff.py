"""Which quote holds when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from flowspan.pricing.price import free
from flowspan.pricing.tariff import Always, Calendar, Constant, Layer, Layered, moment

A, B, C = (Always(free(source="override", provider="toy", model=name)) for name in ("a", "b", "c"))
DAY = 86_400


def test_a_moment_without_a_zone_is_utc() -> None:
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)

    assert moment(noon) == moment(noon.replace(tzinfo=None)) == noon.timestamp()
    assert moment(noon.astimezone(timezone(timedelta(hours=-7)))) == noon.timestamp()
    assert moment(noon.timestamp()) == noon.timestamp()


def test_a_calendar_changes_on_dates_and_at_times() -> None:
    calendar = Calendar([10 * DAY], [3600.0], [[A, B], [C, C]])

    found = [calendar.at(at) for at in (0, 3599.9, 3600, 9 * DAY, 10 * DAY - 1, 10 * DAY)]

    assert found == [A, A, B, A, B, C]


def test_the_first_layer_in_force_decides() -> None:
    layered = Layered([Layer(10, 20, A), Layer(15, 30, B)], Constant(C))

    assert [layered.at(at) for at in (9, 10, 15, 19.9, 20, 29, 30)] == [C, A, A, A, B, B, C]
