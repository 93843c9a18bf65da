"""Text of strangers on a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowspan.report.plain import one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plan", "plan"),
        ("größe → 語", "größe → 語"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("a\nb\r\tc\x07", r"a\nb\r\tc\x07"),
        ("\x9b31m\x7f", r"\x9b31m\x7f"),
        ("user\u202egnp.exe", r"user\u202egnp.exe"),
        ("a\u2066b\u200b", r"a\u2066b\u200b"),
        ("\ud800", r"\ud800"),
        ("no\u00a0break", "no break"),
        ("[bold]not markup[/]", "[bold]not markup[/]"),
        (404, "404"),
        (None, "None"),
    ],
)
def test_one_line(text: object, shown: str) -> None:
    """What a terminal would obey is shown as an escape."""
    assert shown == one_line(text)


@pytest.mark.parametrize(
    ("encoding", "shown"), [("ascii", r"gr\xf6\xdfe \u2713"), ("latin-1", r"größe \u2713")]
)
def test_encoding(encoding: str, shown: str) -> None:
    """What an output cannot write is shown as an escape."""
    assert shown == one_line("größe ✓", encoding)


def test_longest() -> None:
    """A text that is a book is cut."""
    assert len(one_line("x" * 100_000)) == 4000


@given(st.text(), st.sampled_from(["utf-8", "ascii", "latin-1", "cp1252"]))
def test_always_printable(text: str, encoding: str) -> None:
    """Whatever the text, what comes out can be printed there, on one line."""
    shown = one_line(text, encoding)

    assert shown.isprintable()
    assert shown.encode(encoding).decode(encoding) == shown
