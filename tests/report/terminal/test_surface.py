"""Where reports are printed."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.text import Text

from flowspan.report.terminal.glyphs import ASCII, UNICODE
from flowspan.report.terminal.surface import surface


class _Terminal(io.StringIO):
    """A file that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("width", "environ", "expected"),
    [
        (None, {}, 100),
        (None, {"COLUMNS": "70"}, 70),
        (None, {"COLUMNS": "7"}, 40),
        (None, {"COLUMNS": "700"}, 180),
        (300, {}, 300),
        (55, {"COLUMNS": "70"}, 55),
    ],
)
def test_width_of_a_pipe(width: int | None, environ: dict[str, str], expected: int) -> None:
    """A pipe is 100 columns wide unless somebody says otherwise, within what can be read."""
    assert surface(io.StringIO(), width=width, environ=environ).width == expected


def test_colours_of_a_terminal() -> None:
    """A terminal gets colours unless it cannot show them or the user does not want them."""
    seen = {}
    for name, environ in {
        "colour": {"TERM": "xterm-256color"},
        "no colour": {"TERM": "xterm-256color", "NO_COLOR": "1"},
        "dumb": {"TERM": "dumb"},
    }.items():
        file = _Terminal()
        surface(file, width=60, environ=environ).print(Text("x", "bold #ff0000"))
        seen[name] = file.getvalue()

    assert "38;5;" in seen["colour"]
    assert "38;5;" not in seen["no colour"]
    assert seen["dumb"] == "x\n"


def test_pipe_has_no_colours() -> None:
    """A pipe gets plain text."""
    file = io.StringIO()
    surface(file, environ={"TERM": "xterm-256color"}).print(Text("x", "bold red"))

    assert file.getvalue() == "x\n"


@pytest.mark.parametrize(
    ("encoding", "glyphs"),
    [
        ("utf-8", UNICODE),
        ("UTF8", UNICODE),
        ("utf-16", UNICODE),
        ("ascii", ASCII),
        ("cp1252", ASCII),
    ],
)
def test_signs(screen: Any, encoding: str, glyphs: object) -> None:
    """Signs are those that the output knows."""
    assert screen(encoding=encoding).surface.glyphs is glyphs


def test_own_words_in_ascii(screen: Any) -> None:
    """Our own words are spelled with what there is; those of strangers are escaped."""
    output = screen(encoding="ascii").surface

    assert output.own("5 µs → 6 µs …").plain == "5 us > 6 us ~"
    assert output.text("5 µs").plain == r"5 \xb5s"


def test_cut(screen: Any) -> None:
    """What is too long ends in an ellipsis, counted in columns, not in characters."""
    output = screen().surface

    assert output.cut("planner", 7) == "planner"
    assert output.cut("planner", 6) == "plann…"
    assert output.cut("計画計画", 6) == "計画 …"
    assert output.cut("planner", 1) == "…"
    assert output.cut("planner", 0) == ""


def test_shortened(screen: Any) -> None:
    """A styled text is cut the same way, and keeps its styles."""
    output = screen().surface
    text = output.own("plan", "bold").append("ner", "red")

    assert output.shortened(text, 7) is text
    assert output.shortened(text, 5).plain == "plan…"
    assert output.shortened(text, 0).plain == ""
    assert text.plain == "planner"


def test_facts_are_wrapped_between_facts(screen: Any) -> None:
    """Facts stand beside each other as long as there is room; none is broken."""
    output = screen(40).surface
    known = [output.own(word * 9) for word in "abcde"]

    assert [line.plain for line in output.facts(known, indent=2)] == [
        "  aaaaaaaaa · bbbbbbbbb · ccccccccc",
        "  ddddddddd · eeeeeeeee",
    ]
    assert list(output.facts([])) == []


def test_paragraph(screen: Any) -> None:
    """Words are wrapped between words."""
    output = screen(40).surface

    assert [line.plain for line in output.paragraph("one two " * 6, indent=3)] == [
        "   one two one two one two one two one",
        "   two one two",
    ]


def test_markup_is_text(screen: Any) -> None:
    """What looks like rich's markup or an emoji code is printed as it is."""
    shown = screen()

    assert shown.shows([shown.surface.text("[red]a[/red] :smile: \x1b[1m")]) == [
        r"[red]a[/red] :smile: \x1b[1m"
    ]
