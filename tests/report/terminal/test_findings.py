"""The findings of the doctor."""

from __future__ import annotations

from typing import Any

import pytest
from rich.cells import cell_len

from flowspan.report.findings import Finding, Section
from flowspan.report.terminal import findings

SECTIONS = [
    Section("start", [Finding("ok", "distro", "flowspan"), Finding("absent", "pflow", "not here")]),
    Section("settings", []),
    Section(
        "store",
        [
            Finding("note", "store", "nearly full", "raise the limit"),
            Finding(
                "problem", "a very long subject \x1b[31m that goes on", "word " * 40, "fix " * 30
            ),
        ],
    ),
]


def test_findings(screen: Any) -> None:
    """Sections with findings, each with its sign, its remedy below, and the verdict at the end."""
    output = screen(60)

    shown = output.shows(findings.lines(SECTIONS, output.surface))

    assert shown[:7] == [
        "start",
        "  ✓ distro  flowspan",
        "  · pflow   not here",
        "",
        "store",
        "  ! store                 nearly full",
        "                          → raise the limit",
    ]
    assert shown[7].startswith(r"  ✗ a very long subject…  word word")
    assert shown[-1] == "✗ 1 thing to fix"
    assert "settings" not in shown


def test_all_is_well(screen: Any) -> None:
    """Notes alone are nothing to fix."""
    output = screen(60)
    sections = [Section("store", [Finding("note", "store", "off"), Finding("ok", "x", "")])]

    assert output.shows(findings.lines(sections, output.surface))[-1] == "✓ all is well"


@pytest.mark.parametrize("width", [40, 60, 100])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_width(screen: Any, width: int, encoding: str) -> None:
    """Everything fits, and can be printed."""
    output = screen(width, encoding=encoding)

    shown = output.shows(findings.lines(SECTIONS, output.surface))

    assert max(map(cell_len, shown)) <= width
    assert all(line.isprintable() for line in shown)
