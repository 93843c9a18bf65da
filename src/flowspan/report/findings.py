"""What an inspection found: statements with a level, in sections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Level = Literal["ok", "absent", "note", "problem"]
"""``ok``: as it should be. ``absent``: not here, nor need it be. ``note``: good to know.
``problem``: something to be fixed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One statement.

    Attributes:
        level: How it is meant.
        subject: What it is about, in a few words.
        text: What was found, in a sentence without its full stop.
        remedy: What to do about it, if anything.
        data: The same for machines.
    """

    level: Level
    subject: str
    text: str
    remedy: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Section:
    """Findings about one thing.

    Attributes:
        name: Of the thing, one word.
        findings: In the order in which they are told.
    """

    name: str
    findings: Sequence[Finding]


def problems(sections: Iterable[Section]) -> list[Finding]:
    """The findings that are to be fixed."""
    return [
        finding
        for section in sections
        for finding in section.findings
        if finding.level == "problem"
    ]
