"""A model call that defers to those inside it: one span, and what each of them knows."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

from flowspan import semconv
from flowspan.instrumentation.integration import Integration, Patch
from flowspan.testing import Recording, record
from flowspan.usage import Usage

LIBRARY = """
import sdk

class Stream:
    def __init__(self, source):
        self.source = source
    def __iter__(self):
        return self
    def __next__(self):
        return next(self.source)
    def close(self):
        pass

def complete(**given):
    return sdk.ask(**given)

def insist(**given):
    for _ in range(2):
        try:
            return sdk.ask(**given)
        except ValueError:
            given.pop("fails", None)

def stream(**given):
    return Stream(sdk.tell(**given))
"""
SDK = """
import wire

def ask(fails=False, **given):
    if fails:
        raise ValueError("busy")
    return wire.post(**given)

def tell(**given):
    yield from "abc"

def other(**given):
    return wire.post(**given)
"""
WIRE = """
def post(**given):
    return {"tokens": given.get("tokens")}
"""


class Counter:
    """Joins chunks into how many there were."""

    def __init__(self, _call: Any) -> None:
        self.count = 0

    def add(self, _chunk: Any) -> None:
        self.count += 1

    def result(self) -> dict[str, int]:
        return {"tokens": self.count}


def told(_call: Any, result: Any) -> Usage | None:
    tokens = result["tokens"]
    return None if tokens is None else Usage(input_tokens=tokens, output_tokens=0)


def guess(_call: Any, _result: Any) -> Usage:
    return Usage(input_tokens=1000, output_tokens=1000, estimated=True)


def library(**more: Any) -> Integration:
    shared: dict[str, Any] = {
        "kind": "llm",
        "name": "the-model",
        "request": lambda _call: {semconv.PROVIDER_NAME: "library"},
        "defers": True,
        **more,
    }
    return Integration(
        "library",
        "",
        (
            Patch(target="library:complete", **shared),
            Patch(target="library:insist", **shared),
            Patch(
                target="library:stream",
                lazy=lambda _call, result: result,
                join=Counter,
                **shared,
            ),
            Patch(target="library:Stream.__next__", role="next"),
            Patch(target="library:Stream.close", role="close"),
        ),
    )


def sdk() -> Integration:
    shared: dict[str, Any] = {
        "kind": "llm",
        "name": "the-model",
        "request": lambda _call: {
            semconv.PROVIDER_NAME: "sdk",
            semconv.SERVER_ADDRESS: "api.example.com",
        },
        "response": lambda _call, _result: {semconv.RESPONSE_ID: "answer-1"},
        "usage": told,
    }
    return Integration(
        "sdk",
        "",
        (
            Patch(target="sdk:ask", **shared),
            Patch(target="sdk:tell", join=Counter, **shared),
            Patch(target="wire:post", **shared),
        ),
    )


@pytest.fixture(autouse=True)
def _modules(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, source in (("wire", WIRE), ("sdk", SDK), ("library", LIBRARY)):
        module = types.ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        exec(source, vars(module))  # noqa: S102 - a library of our making


@pytest.fixture
def recording() -> Iterator[Recording]:
    with record(library(), sdk()) as recording:
        yield recording


def function(name: str) -> Any:
    return getattr(sys.modules["library"], name)


def test_the_owner_has_the_only_span_and_what_is_known_below(recording: Recording) -> None:
    """Its own attributes stay, its gaps are filled, and tokens are counted once."""
    assert function("complete")(tokens=7) == {"tokens": 7}

    known = dict(recording.spans.one().attributes or {})
    assert known[semconv.PROVIDER_NAME] == "library"
    assert known[semconv.SERVER_ADDRESS] == "api.example.com"
    assert known[semconv.RESPONSE_ID] == "answer-1"
    assert known[semconv.USAGE_INPUT_TOKENS] == 7
    assert semconv.USAGE_ESTIMATED not in known


def test_what_was_reported_goes_before_what_was_guessed() -> None:
    """An owner that can only estimate takes the provider's count where there is one."""
    with record(library(usage=guess), sdk()) as recording:
        function("complete")(tokens=7)
        function("complete")(tokens=None)

    first, second = (dict(span.attributes or {}) for span in recording.spans)
    assert first[semconv.USAGE_INPUT_TOKENS] == 7
    assert second[semconv.USAGE_INPUT_TOKENS] == 1000
    assert second[semconv.USAGE_ESTIMATED] is True


def test_without_layers_below_the_owner_is_as_any_other() -> None:
    """Nobody below tells anything."""
    with record(library(usage=guess)) as recording:
        function("complete")(tokens=7)

    known = dict(recording.spans.one().attributes or {})
    assert known[semconv.USAGE_INPUT_TOKENS] == 1000
    assert semconv.SERVER_ADDRESS not in known


def test_an_owner_that_does_not_defer_knows_it_all() -> None:
    """As SDKs do: what is below is not even asked."""
    with record(library(defers=False), sdk()) as recording:
        function("complete")(tokens=7)

    known = dict(recording.spans.one().attributes or {})
    assert semconv.USAGE_INPUT_TOKENS not in known
    assert semconv.SERVER_ADDRESS not in known


@pytest.mark.parametrize(
    ("own", "told_below", "known"),
    [
        (["stop"], ["length", "stop"], ("length", "stop")),
        (["stop"], ["end_turn"], ("stop",)),
        (["stop", "stop"], ["stop"], ("stop", "stop")),
    ],
)
def test_a_reason_for_each_choice_goes_before_one_for_all(
    own: list[str], told_below: list[str], known: tuple[str, ...]
) -> None:
    """A library that makes one text of several choices gives one reason for them."""

    def saying(reasons: list[str]) -> Any:
        return lambda _call, _result: {semconv.RESPONSE_FINISH_REASONS: reasons}

    below = Patch(target="sdk:ask", kind="llm", name="the-model", response=saying(told_below))
    with record(library(response=saying(own)), Integration("sdk", "", (below,))) as recording:
        function("complete")(tokens=7)

    attributes = recording.spans.one().attributes or {}
    assert attributes[semconv.RESPONSE_FINISH_REASONS] == known


def test_an_answer_that_is_none_is_none_above() -> None:
    """Where a library makes an empty answer of a page of a proxy, nothing was used."""
    below = Patch(
        target="sdk:ask", kind="llm", name="the-model", outcome=lambda _call, _result: "html_page"
    )
    with record(library(usage=guess), Integration("sdk", "", (below,))) as recording:
        function("complete")(tokens=7)

    attributes = recording.spans.one().attributes or {}
    assert attributes[semconv.ERROR_TYPE] == "html_page"
    assert semconv.USAGE_INPUT_TOKENS not in attributes


def test_a_second_call_after_a_failed_one_is_a_retry(recording: Recording) -> None:
    """Of the one span, which ends well."""
    function("insist")(fails=True, tokens=3)

    span = recording.spans.one()
    known = dict(span.attributes or {})
    (retry,) = [event for event in span.events if event.name == semconv.EVENT_RETRY]
    assert dict(retry.attributes or {}) == {semconv.ATTEMPT: 2, semconv.ERROR_TYPE: "ValueError"}
    assert known[semconv.RETRY_COUNT] == 1
    assert known[semconv.USAGE_INPUT_TOKENS] == 3
    assert semconv.ERROR_TYPE not in known


def test_calls_inside_are_added_up() -> None:
    """Two answers for one call of the library are both paid for."""
    library_module: Any = sys.modules["library"]

    def twice(**given: Any) -> Any:
        sdk_module: Any = sys.modules["sdk"]
        sdk_module.ask(**given)
        return sdk_module.ask(**given)

    library_module.both = twice
    row = Patch(target="library:both", kind="llm", name="the-model", defers=True)
    with record(Integration("both", "", (row,)), sdk()) as recording:
        library_module.both(tokens=4)

    assert dict(recording.spans.one().attributes or {})[semconv.USAGE_INPUT_TOKENS] == 8


def test_a_stream_that_is_left_takes_what_came_below(recording: Recording) -> None:
    """What is still open inside ends with its owner, before the owner's tokens are counted."""
    stream = function("stream")()
    next(stream)
    next(stream)
    stream.close()

    known = dict(recording.spans.one().attributes or {})
    assert known[semconv.STREAM_ABANDONED] is True
    assert known[semconv.USAGE_INPUT_TOKENS] == 2


def test_a_stream_read_to_its_end_is_whole(recording: Recording) -> None:
    """Both ends meet."""
    assert [*function("stream")()] == ["a", "b", "c"]

    known = dict(recording.spans.one().attributes or {})
    assert known[semconv.USAGE_INPUT_TOKENS] == 3
    assert semconv.STREAM_ABANDONED not in known


def test_a_failure_is_told_once(recording: Recording) -> None:
    """The exception passes through both; the owner's span has it, with its stack."""
    with pytest.raises(ValueError, match="busy"):
        function("complete")(fails=True)

    span = recording.spans.one()
    events = [event for event in span.events if event.name == "exception"]
    assert len(events) == 1
    assert "exception.stacktrace" in (events[0].attributes or {})
    assert (span.attributes or {})[semconv.ERROR_TYPE] == "ValueError"
