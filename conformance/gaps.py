"""What is known not to hold yet: it is expected to fail, and the tests say when it no longer does.

A row names a test, a pattern of the ways that it fails for (``client-call``), and why.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final, NamedTuple


class Gap(NamedTuple):
    """One thing that does not hold.

    Attributes:
        test: The name of the test.
        ways: A pattern of the ids of the ways.
        reason: In a sentence.
        run: False where finding out takes a minute each time.
    """

    test: str
    ways: str
    reason: str
    run: bool = True


GAPS: Final[tuple[Gap, ...]] = ()


def gap_of(test: str, case: str) -> Gap | None:
    """The gap that a test of a way falls into."""
    return next((gap for gap in GAPS if gap.test == test and fnmatchcase(case, gap.ways)), None)
