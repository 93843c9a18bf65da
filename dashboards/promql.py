"""How the questions of the dashboards are written in PromQL.

Counters begin at zero with their process, and many agents are processes of a few seconds, which
send their counters once or twice.  ``increase()`` and ``rate()`` do not count the first sample of a
series and guess beyond the last one: of a run that lasted five seconds they see nothing, or half
as much again.  :func:`growth` is exact: the value at the end less the value before the beginning,
or all of it where the process is new.  It needs a series for each process
(``service.instance.id``), as OpenTelemetry's SDKs send them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

INTERVAL: Final = "$__interval"
"""The time of one point of a graph: bars of growth add up to the whole."""

RANGE: Final = "$__range"
"""The time that the dashboard shows."""

MEMORY: Final = "1h"
"""How long ago a counter may last have been heard of, and still not be new when it comes back."""

Matchers = tuple[str, ...]
"""Conditions on labels, as they stand between the braces."""


def select(metric: str, matchers: Matchers = (), *, ago: str | None = None) -> str:
    """The series of a metric, maybe as they were some time ago."""
    braces = f"{{{', '.join(matchers)}}}" if matchers else ""
    return f"{metric}{braces}" + (f" offset {ago}" if ago else "")


def growth(
    metric: str,
    matchers: Matchers = (),
    *,
    window: str = INTERVAL,
    memory: str | None = MEMORY,
    ago: str | None = None,
) -> str:
    """How much each counter grew in a time.

    A counter that is less than before was started anew and counts in full.

    Args:
        metric: The counter.
        matchers: Which of its series.
        window: The time.
        memory: How far back to look for the value before; ``None`` for the five minutes that
            Prometheus looks back by itself, which is cheaper where there are many series.
        ago: How long ago the time ended; shorter than the time.
    """
    now = f"last_over_time({_over(metric, matchers, window, ago)})"
    earlier = f"{window}{ago}" if ago else window
    if memory is None:
        before = select(metric, matchers, ago=earlier)
    else:
        before = f"last_over_time({_over(metric, matchers, memory, earlier)})"
    return f"({now} - {before} >= 0 or {now})"


def _over(metric: str, matchers: Matchers, window: str, ago: str | None) -> str:
    return f"{select(metric, matchers)}[{window}]" + (f" offset {ago}" if ago else "")


def total(
    metric: str,
    matchers: Matchers = (),
    *,
    by: Sequence[str] = (),
    window: str = INTERVAL,
) -> str:
    """How much a counter grew in all processes together.

    Args:
        metric: The counter.
        matchers: Which of its series.
        by: Labels to tell apart.
        window: The time.
    """
    return f"{_sum(by)}({growth(metric, matchers, window=window)})"


def quantile(  # noqa: PLR0913 - the parts of one question, by name
    share: float,
    histogram: str,
    matchers: Matchers = (),
    *,
    by: Sequence[str] = (),
    window: str = INTERVAL,
    ago: str | None = None,
) -> str:
    """A quantile of all measurements together, from the sum of their buckets.

    Args:
        share: Which, from 0 to 1.
        histogram: The histogram, without ``_bucket``.
        matchers: Which of its series.
        by: Labels to tell apart.
        window: The time.
        ago: How long ago the time ended.
    """
    return f"histogram_quantile({share:g}, {buckets(histogram, matchers, by, window, ago)})"


def buckets(
    histogram: str,
    matchers: Matchers = (),
    by: Sequence[str] = (),
    window: str = INTERVAL,
    ago: str | None = None,
) -> str:
    """The sum of the buckets of a histogram."""
    grown = growth(f"{histogram}_bucket", matchers, window=window, memory=None, ago=ago)
    return f"{_sum(('le', *by))}({grown})"


def or_zero(part: str, whole: str) -> str:
    """A part, which is zero where the whole is there and nothing of the part."""
    return f"({part} or 0 * {whole})"


def share(part: str, whole: str) -> str:
    """A part of a whole, between 0 and 1; both have the same labels."""
    return f"{or_zero(part, whole)} / {whole}"


def _sum(by: Sequence[str]) -> str:
    return f"sum by ({', '.join(by)})" if by else "sum"
