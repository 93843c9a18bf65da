"""Asks a client while flowspan records: what the tests of all clients have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from conformance.discovery import Case, cases
from conformance.vocabulary import Way
from flowspan.testing import Recording, record
from flowspan.usage import Usage

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from flowspan.config import ContentMode

_GENERATES: Final = frozenset({"chat", "text_completion", "generate_content"})
"""Operations whose answers have tokens."""


def every(
    wanted: Callable[[Way], bool] = lambda _: True, *, name: str = "case"
) -> pytest.MarkDecorator:
    """Have a test asked of every way of every client that is installed, or of those wanted."""
    return pytest.mark.parametrize(name, cases(wanted), ids=lambda case: case.id)


def one_of_each_kind(
    wanted: Callable[[Way], bool] = lambda _: True,
) -> pytest.MarkDecorator:
    """Have a test asked of one way of each kind: a client's format, sync or async, whole or stream.

    For what cannot differ between two names of the same thing, so that the tests end in minutes.
    """
    kinds: dict[Any, Case] = {}
    for case in cases(wanted):
        way = case.way
        kind = case.client.name, way.format, way.provider, way.asynchronous, way.stream, way.tries
        kinds.setdefault(kind, case)
    return pytest.mark.parametrize("case", list(kinds.values()), ids=lambda case: case.id)


def streams(way: Way) -> bool:
    """Whether a way gives a stream."""
    return way.stream


def is_whole(way: Way) -> bool:
    """Whether a way gives the answer at once."""
    return not way.stream


def generates(way: Way) -> bool:
    """Whether a way's answers have tokens of their own."""
    return way.operation in _GENERATES


def charged(way: Way, **more: Any) -> Usage:
    """A usage that no estimate comes to by chance."""
    return Usage(input_tokens=120, output_tokens=34 if generates(way) else None, **more)


@contextmanager
def watching(
    case: Case, *, content: ContentMode = "off", priced: bool = True
) -> Iterator[Recording]:
    """Record what flowspan sees of a client."""
    with record(*case.client.integrations, content=content, priced=priced) as recording:
        yield recording


def is_seen(recording: Recording) -> Callable[[], bool]:
    """Whether a call has its span."""
    return lambda: len(recording.spans) > 0


def only_call(recording: Recording) -> ReadableSpan:
    """The span of the only call; a client may have a span of its own around it (a chain).

    Raises:
        AssertionError: There is none, or another call beside it.
    """
    calls = recording.spans.of_kind("llm")
    around = recording.spans.of_kind("internal")
    assert len(calls) == 1
    assert len(recording.spans) == len(calls) + len(around)
    return calls[0]


def known_of(span: ReadableSpan) -> dict[str, Any]:
    """The attributes of a span."""
    return dict(span.attributes or {})


def names_in_chain(error: BaseException | None) -> list[str]:
    """The classes of an exception and of what led to it: the call fails at either."""
    names = []
    while error is not None:
        names.append(type(error).__qualname__)
        error = error.__cause__ or error.__context__
    return names
