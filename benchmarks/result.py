"""What a benchmark found: rows of one shape, for the table and for JSON alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.clock import Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure.

    Attributes:
        subject: What was measured.
        side: How it was traced.
        value: The figure itself, with its spread.
        unit: Its unit.
        added: What it adds to the untraced program, in the same unit.
        ratio: ``added`` as a multiple of the hand-written code's; ``None`` for those with nothing
            to compare with.
        instructions: Thousands of instructions added; ``None`` without valgrind.
        instruction_ratio: That as a multiple of the hand-written code's: the deciding figure.
        delivered_ratio: The same with delivery, to an exporter that reads what was emitted.
        aim: What it should be, if there is an aim.
        met: Whether it is.
    """

    subject: str
    side: str
    value: Spread
    unit: str
    added: float | None = None
    ratio: float | None = None
    instructions: float | None = None
    instruction_ratio: float | None = None
    delivered_ratio: float | None = None
    aim: str = ""
    met: bool | None = None


@dataclass(slots=True)
class Report:
    """Everything that one command found.

    Attributes:
        rows: The figures.
        remarks: Sentences that belong to them.
        differences: What the sides emitted differently; ratios mean nothing unless it is empty.
        facts: What else machines may want to know.
    """

    rows: list[Row] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def row(self, subject: str, side: str) -> Row:
        """The row of a subject and a side."""
        return next(row for row in self.rows if (row.subject, row.side) == (subject, side))

    def as_json(self) -> dict[str, Any]:
        """The same for machines."""
        found = asdict(self)
        for row in found["rows"]:
            row["value"] = row["value"]._asdict()
        return found


def ratio(ours: float | None, theirs: float | None) -> float | None:
    """How many times ``theirs`` ours is; ``None`` where that means nothing."""
    if ours is None or theirs is None or theirs <= 0:
        return None
    return ours / theirs


def added(values: Mapping[str, Sequence[float]], side: str, without: str) -> Spread:
    """What a side adds to the one without tracing, round by round."""
    return Spread.of(
        [ours - plain for ours, plain in zip(values[side], values[without], strict=True)]
    )
