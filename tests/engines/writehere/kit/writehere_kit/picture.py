"""A run as one text: a line for each span, its events behind it, repetitions folded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any


def picture(spans: Sequence[Any]) -> str:
    """The spans as an indented text; a failed one is marked with ``!``."""
    here = {span.context.span_id for span in spans}
    children: dict[int | None, list[Any]] = {}
    for span in spans:
        parent = span.parent.span_id if span.parent and span.parent.span_id in here else None
        children.setdefault(parent, []).append(span)
    return "".join(f"{line}\n" for line in _lines(children, None, 0))


def _lines(children: dict[int | None, list[Any]], parent: int | None, depth: int) -> Iterable[str]:
    blocks = (
        [_line(span, depth), *_lines(children, span.context.span_id, depth + 1)]
        for span in children.get(parent, [])
    )
    for block, repeated in groupby(blocks):
        times = sum(1 for _ in repeated)
        yield block[0] if times == 1 else f"{block[0]}  (x{times})"
        yield from block[1:]


def _line(span: Any, depth: int) -> str:
    failed = "" if span.status.is_unset or span.status.is_ok else " !"
    return f"{'  ' * depth}{span.name}{failed}{_events(span.events)}"


def _events(events: Iterable[Any]) -> str:
    named = [
        name if times == 1 else f"{name} x{times}"
        for name, times in ((name, len(list(same))) for name, same in groupby(_names(events)))
    ]
    return f" [{', '.join(named)}]" if named else ""


def _names(events: Iterable[Any]) -> Iterable[str]:
    return (event.name for event in events)
