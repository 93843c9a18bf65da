"""Time covered by intervals."""

from flowspan.report.intervals import Interval, length, union


def test_union() -> None:
    """Intervals that overlap or touch are one; what lies outside or is empty counts for nothing."""
    within = Interval(10, 100)
    parts = [
        Interval(90, 200),
        Interval(0, 12),
        Interval(20, 30),
        Interval(25, 28),
        Interval(30, 40),
        Interval(50, 50),
        Interval(60, 55),
        Interval(0, 5),
        Interval(150, 160),
    ]

    covered = union(parts, within)

    assert covered == [Interval(10, 12), Interval(20, 40), Interval(90, 100)]
    assert length(covered) == 32


def test_nothing() -> None:
    """No interval covers nothing."""
    assert union([], Interval(0, 10)) == []
    assert length([]) == 0
