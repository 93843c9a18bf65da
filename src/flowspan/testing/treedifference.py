"""A run's tree as text, and where it differs from an expected one.

``-`` stands before what was expected and is not there, ``+`` before what is there and was not
expected.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final

from flowspan.testing.seenruns import SeenRun, SeenSpan
from flowspan.testing.treepatterns import Pattern, fits

_SAME: Final = "  "
_ABSENT: Final = "- "
_EXTRA: Final = "+ "


def tree_lines(run: SeenRun) -> list[str]:
    """The tree of a run, a line for each span."""
    roots = run.below.get(None, ())
    return [line for span in roots for line in _whole(span, run, 0, "")]


def difference(wanted: Sequence[Pattern], run: SeenRun) -> list[str]:
    """Lines of both trees, those that are in both once."""
    return list(_level(wanted, run.below.get(None, ()), run, 0))


def _level(
    wanted: Sequence[Pattern], spans: Sequence[SeenSpan], run: SeenRun, depth: int
) -> Iterator[str]:
    patterns = [each for each in wanted if not each.any]
    anything = len(patterns) < len(wanted)
    keys = [each.text for each in patterns]
    found = [_key(span, patterns) for span in spans]
    for tag, at, until, first, last in SequenceMatcher(None, keys, found, False).get_opcodes():
        if tag == "equal":
            for pattern, span in zip(patterns[at:until], spans[first:last], strict=True):
                yield from _pair(pattern, span, run, depth)
            continue
        for pattern in patterns[at:until]:
            yield from _missing(pattern, depth)
        for span in spans[first:last]:
            if anything:
                yield _line(_SAME, depth, _text(span))
            else:
                yield from _whole(span, run, depth, _EXTRA)


def _key(span: SeenSpan, patterns: Sequence[Pattern]) -> str:
    """The line that a span may be meant by: one that fits wholly, else one with its name."""
    for pattern in patterns:
        if pattern.fits(span):
            return pattern.text
    return next((each.text for each in patterns if fits(each.name, span.name)), f"+{span.name}")


def _pair(pattern: Pattern, span: SeenSpan, run: SeenRun, depth: int) -> Iterator[str]:
    if pattern.fits(span):
        yield _line(_SAME, depth, _text(span))
    else:
        yield from (_line(_ABSENT, depth, each) for each in _texts(pattern))
        yield _line(_EXTRA, depth, _text(span, tuple(pattern.attributes)))
        if pattern.events:
            names = [event.name for event in span.events]
            yield from (_line(_EXTRA, depth, f"  · {name}") for name in names)
    yield from _level(pattern.below, run.below.get(span.span_id, ()), run, depth + 1)


def _missing(pattern: Pattern, depth: int) -> Iterator[str]:
    yield from (_line(_ABSENT, depth, each) for each in _texts(pattern))
    for each in pattern.below:
        if not each.any:
            yield from _missing(each, depth + 1)


def _whole(span: SeenSpan, run: SeenRun, depth: int, sign: str) -> Iterator[str]:
    waiting = [(depth, span)]
    while waiting:
        depth, span = waiting.pop()
        yield _line(sign, depth, _text(span))
        below = run.below.get(span.span_id, ())
        waiting.extend((depth + 1, child) for child in reversed(below))


def _texts(pattern: Pattern) -> list[str]:
    return [pattern.text, *(f"  · {event}" for event in pattern.events)]


def _text(span: SeenSpan, attributes: Sequence[str] = ()) -> str:
    known = [f" {key}={span.attributes[key]!r}" for key in attributes if key in span.attributes]
    return f"{span.name}{' !' if span.failed else ''}{''.join(known)}"


def _line(sign: str, depth: int, text: str) -> str:
    return f"{sign}{'  ' * depth}{text}"
