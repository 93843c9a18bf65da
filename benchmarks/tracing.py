"""Model calls, steps, nodes and streams: flowspan against hand-written code."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Final

from benchmarks import valgrind
from benchmarks.clock import Spread, timed, warm_ups
from benchmarks.result import Report, Row, added, ratio
from benchmarks.sameness import differences
from benchmarks.sides import FLOWSPAN, PLAIN, USUAL, Side, sides
from benchmarks.telemetry import Telemetry
from benchmarks.work import (
    BYTES,
    CALL,
    LONG_BYTES,
    LONG_STREAM,
    NODE,
    STEP,
    STREAM,
    Work,
    sides_of,
)

COMPARED: Final = (CALL, STEP, NODE, STREAM)
"""Whose ratio to hand-written code is the aim."""

CHUNK: Final = "stream chunk, bytes"
CHUNK_IN_PLACE: Final = "stream chunk, through the SDK"
_QUICK: Final = (CALL, STEP, NODE, BYTES, LONG_BYTES)
_FULL: Final = (CALL, STEP, NODE, STREAM, LONG_STREAM, BYTES, LONG_BYTES)
_COUNTED: Final = (CALL, STEP, NODE, STREAM, BYTES, LONG_BYTES)
_MOST_RATIO: Final = 1.0
_MOST_MICROSECONDS_A_CHUNK: Final = 2.0

Counts = dict[str, list[float]]
"""Thousands of instructions of one unit, by side."""


def measure(report: Report, *, quick: bool) -> None:
    """Add the figures of model calls, steps, nodes and streams to a report."""
    for work in COMPARED:
        report.differences += [f"{work.name}: {each}" for each in differences(once(work))]
    works = _QUICK if quick else _FULL
    telemetry = Telemetry()
    every = sides(telemetry)
    times = {
        work.name: timed(work, sides_of(work, every), 7 if quick else 11, telemetry)
        for work in works
    }
    counts = _counted(report, [work for work in works if work in _COUNTED], quick=quick)
    for work in works:
        report.rows += _rows(work, times[work.name], counts.get(work.name))
    report.rows.append(_chunk(CHUNK, (BYTES, LONG_BYTES), times, counts))
    if LONG_STREAM in works:
        report.rows.append(_chunk(CHUNK_IN_PLACE, (STREAM, LONG_STREAM), times, {}))


def once(work: Work) -> Callable[[Side], None]:
    """What does a work one time on a side."""

    def do(side: Side) -> None:
        work.around(side, work.prepare(side))

    return do


def _counted(report: Report, works: Sequence[Work], *, quick: bool) -> dict[str, Counts]:
    absence = valgrind.absence()
    if absence is not None:
        report.remarks.append(absence)
        return {}
    noted = valgrind.run(*(work.name for work in works), "1" if quick else "2")
    found: dict[str, Counts] = {}
    for work in works:
        names = [name for name in noted if name.startswith(f"{work.name} | ")]
        found[work.name] = {
            name.partition(" | ")[2]: [count / _units(work, name) / 1000 for count in noted[name]]
            for name in names
        }
    return found


def _units(work: Work, name: str) -> int:
    """Among how many units a count is shared; those before the counting are delivered, too."""
    return work.under_valgrind + (warm_ups(work) if name.endswith(valgrind.DELIVERY) else 0)


def _rows(work: Work, times: dict[str, list[float]], counts: Counts | None) -> list[Row]:
    rows = []
    for side, values in times.items():
        extra = added(times, side, PLAIN).median
        thousands = None if counts is None else _added_count(counts, side)
        usual = counts is not None and USUAL in counts
        by_count = ratio(thousands, _added_count(counts, USUAL)) if usual and counts else None
        by_time = ratio(extra, added(times, USUAL, PLAIN).median) if USUAL in times else None
        compared = side == FLOWSPAN and by_count is not None
        rows.append(
            Row(
                subject=work.name,
                side=side,
                value=Spread.of(values),
                unit=f"µs/{work.unit}",
                added=None if side == PLAIN else extra,
                ratio=None if side == PLAIN else by_time,
                instructions=None if side == PLAIN else thousands,
                instruction_ratio=None if side == PLAIN else by_count,
                delivered_ratio=_delivered(counts, side) if by_count is not None else None,
                aim="≤ 1 time by hand, instructions" if compared else "",
                met=by_count <= _MOST_RATIO if compared and by_count is not None else None,
            )
        )
    return rows


def _added_count(counts: Counts, side: str, without: str = PLAIN) -> float:
    return statistics.median(counts[side]) - statistics.median(counts[without])


def _delivered(counts: Counts | None, side: str) -> float | None:
    """The ratio of instructions when the delivery counts as well."""
    if counts is None or side == PLAIN:
        return None

    def both(name: str) -> float:
        return sum(_added_count(counts, name + end, PLAIN + end) for end in ("", valgrind.DELIVERY))

    return ratio(both(side), both(USUAL))


def _chunk(
    subject: str,
    works: tuple[Work, Work],
    times: dict[str, dict[str, list[float]]],
    counts: dict[str, Counts],
) -> Row:
    """What one more chunk costs: the difference of a short and a long stream, per chunk."""
    short, long = works
    more = long.parts - short.parts
    extra = [
        [ours - plain for ours, plain in zip(found[FLOWSPAN], found[PLAIN], strict=True)]
        for found in (times[short.name], times[long.name])
    ]
    spread = Spread.of([(most - least) / more for least, most in zip(*extra, strict=True)])
    thousands = None
    if counts:
        least, most = (_added_count(counts[work.name], FLOWSPAN) for work in works)
        thousands = (most - least) / more
    return Row(
        subject=subject,
        side=FLOWSPAN,
        value=spread,
        unit="µs/chunk",
        added=spread.median,
        instructions=thousands,
        aim="≤ 2 µs",
        met=spread.median <= _MOST_MICROSECONDS_A_CHUNK,
    )
