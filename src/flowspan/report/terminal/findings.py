"""The findings of ``flowspan doctor``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from flowspan.report import amounts
from flowspan.report.findings import Finding, Level, Section, problems
from flowspan.report.terminal import colours
from flowspan.report.terminal.surface import Surface

_STYLE: Final[dict[Level, str]] = {
    "ok": colours.GOOD,
    "absent": colours.QUIET,
    "note": colours.WARNING,
    "problem": colours.FAILED,
}
_WIDEST_SUBJECT: Final = 26
_INDENT: Final = 4


def lines(sections: Sequence[Section], surface: Surface) -> Iterator[Text]:
    """The sections one below the other, and the verdict."""
    for section in sections:
        if section.findings:
            yield surface.own(section.name, "bold")
            yield from _section(section, surface)
            yield Text("", end="")
    found = len(problems(sections))
    if found:
        verdict = f"{amounts.count(found, 'thing')} to fix"
        yield surface.own(f"{surface.glyphs.failed} {verdict}", f"bold {colours.FAILED}")
    else:
        yield surface.own(f"{surface.glyphs.ok} all is well", f"bold {colours.GOOD}")


def _section(section: Section, surface: Surface) -> Iterator[Text]:
    subjects = [surface.plain(finding.subject) for finding in section.findings]
    width = min(max(map(cell_len, subjects)), _WIDEST_SUBJECT, surface.width // 3)
    for subject, finding in zip(subjects, section.findings, strict=True):
        yield from _finding(subject, finding, width, surface)


def _finding(subject: str, finding: Finding, width: int, surface: Surface) -> Iterator[Text]:
    glyphs = surface.glyphs
    signs: dict[Level, str] = {
        "ok": glyphs.ok,
        "absent": glyphs.dot,
        "note": glyphs.warning,
        "problem": glyphs.failed,
    }
    indent = _INDENT + width + 2
    told = list(surface.paragraph(surface.plain(finding.text), indent=indent))
    head = surface.own(f"  {signs[finding.level]} ", _STYLE[finding.level])
    head.append(surface.cut(subject, width).ljust(width + 2))
    yield head.append_text(told[0][indent:] if told else Text(""))
    yield from told[1:]
    if finding.remedy:
        remedy = f"{surface.glyphs.arrow} {surface.plain(finding.remedy)}"
        yield from surface.paragraph(remedy, colours.QUIET, indent=indent)
