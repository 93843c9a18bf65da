"""Runs of one conversation: they say so, and one that resumes is linked to the one before it."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags

from flowspan import safety, semconv
from flowspan.instrumentation import conversations
from flowspan.instrumentation.conversations import Conversations
from flowspan.instrumentation.integration import Call, Conversation, Integration, Patch
from flowspan.testing import Recording, record


def _conversation(call: Call) -> Conversation | None:
    """What the toy engine is called with tells: ``run(count, (id, resumes))``."""
    said: Any = call.kwargs.get("action")
    return None if said is None else Conversation(*said.said)


class Said:
    """A conversation, as the toy engine's action; acting, it runs the engine inside itself."""

    def __init__(self, *said: Any, later: tuple[Any, ...] = (), inside: Any = None) -> None:
        self.said = said
        self.later = later
        self._inside = inside

    def __call__(self, _index: int) -> None:
        if self._inside is not None:
            self._inside()


TOY = Integration(
    "toy",
    "",
    (
        Patch(target="toyengine:Engine.run", kind="run", name="toy", conversation=_conversation),
        Patch(target="toyengine:Engine.node", kind="agent", name="helper", remote=True),
    ),
)


def resumed(recording: Recording) -> list[list[int]]:
    """The span ids that each run is linked to."""
    runs = recording.spans.of_kind("run")
    return [[link.context.span_id for link in span.links] for span in runs]


def test_a_run_that_resumes_is_linked(toy: ModuleType) -> None:
    """To the last run of the same conversation, and to nobody where there was none."""
    with record(TOY) as recording:
        engine = toy.Engine()
        for said in (("a",), ("b",), ("a", True), ("a", True), ("c", True)):
            engine.run(0, action=Said(*said))

    ids = [span.context.span_id for span in recording.spans]
    assert resumed(recording) == [[], [], [ids[0]], [ids[2]], []]
    known = [dict(span.attributes or {}) for span in recording.spans]
    assert [each[semconv.CONVERSATION_ID] for each in known] == ["a", "b", "a", "a", "c"]
    assert [each.get(semconv.RESUMED) for each in known] == [None, None, True, True, True]


def test_a_run_inside_another_is_neither(toy: ModuleType) -> None:
    """It is part of the run around it, which is the one that is remembered."""
    with record(TOY) as recording:
        engine = toy.Engine()
        engine.run(1, action=Said("a", inside=lambda: engine.run(0, action=Said("a", True))))
        engine.run(0, action=Said("a", True))

    outer, inner, last = recording.spans.of_kind("run")
    assert inner.links == ()
    assert [link.context.span_id for link in last.links] == [outer.context.span_id]


def test_runs_whose_conversation_has_no_name_are_not_linked(toy: ModuleType) -> None:
    """Those that go on with something that is not known have nothing in common."""
    with record(TOY) as recording:
        for told in (True, True, False, False):
            toy.Engine().run(0, action=Said("", True, told))

    assert resumed(recording) == [[], [], [], []]


def test_a_run_without_a_conversation_says_nothing(toy: ModuleType) -> None:
    """And is not remembered."""
    with record(TOY) as recording:
        toy.Engine().run(0)

    assert semconv.CONVERSATION_ID not in dict(recording.spans.one().attributes or {})


def _named_later(call: Call, _result: Any) -> Conversation | None:
    said: Any = call.kwargs.get("action")
    return Conversation(*said.later) if said is not None and said.later else None


def _said_before(call: Call) -> Conversation | None:
    said: Any = call.kwargs.get("action")
    return Conversation(*said.said) if said is not None and said.said else None


TOY_NAMED_LATER = Integration(
    "toy",
    "",
    (
        Patch(
            target="toyengine:Engine.run",
            kind="run",
            name="toy",
            conversation=_said_before,
            conversed=_named_later,
        ),
    ),
)


def test_a_conversation_that_the_engine_names_is_known_from_the_result(toy: ModuleType) -> None:
    """The run says it all the same, and is found by what resumes it."""
    with record(TOY_NAMED_LATER) as recording:
        engine = toy.Engine()
        engine.run(0, action=Said(later=("a",)))
        engine.run(0, action=Said("a", True))

    first, second = recording.spans.of_kind("run")
    assert dict(first.attributes or {})[semconv.CONVERSATION_ID] == "a"
    assert [link.context.span_id for link in second.links] == [first.context.span_id]


def test_an_id_that_is_none_of_a_conversation_links_alone(toy: ModuleType) -> None:
    """No span has it, and the run that goes on says that it does."""
    with record(TOY_NAMED_LATER) as recording:
        engine = toy.Engine()
        engine.run(0, action=Said(later=("a", False, False)))
        engine.run(0, action=Said("a", True, False))
        engine.run(0, action=Said("b", True, False))

    first, *others = recording.spans.of_kind("run")
    known = [dict(span.attributes or {}) for span in others]
    assert [each.get(semconv.RESUMED) for each in known] == [True, True]
    assert not any(semconv.CONVERSATION_ID in each for each in known)
    assert resumed(recording) == [[], [first.context.span_id], []]


class StopError(Exception):
    """How an engine stops in the midst of a run."""


@pytest.mark.parametrize(("error", "links"), [(StopError, 1), (ValueError, 0)])
def test_what_stopped_a_run_tells_of_the_one_that_goes_on(
    toy: ModuleType, error: type[Exception], links: int
) -> None:
    """The engine's own control flow does; a failure is the end."""

    def stop() -> None:
        raise error

    run = replace(TOY_NAMED_LATER.patches[0], quiet=("StopError",))
    with record(replace(TOY_NAMED_LATER, patches=(run,))) as recording:
        engine = toy.Engine()
        with pytest.raises(error):
            engine.run(1, action=Said(later=("a", False, False), inside=stop))
        engine.run(0, action=Said("a", True, False))

    assert [len(span.links) for span in recording.spans.of_kind("run")] == [0, links]


def test_only_the_newest_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept is bounded."""
    monkeypatch.setattr(conversations, "MOST", 2)
    known = Conversations()
    spans = [SpanContext(1, number, False, TraceFlags(1)) for number in (1, 2, 3)]
    for name, span in zip("abc", spans, strict=True):
        known.remember("toy", name, span)

    assert [known.latest("toy", name) for name in "abc"] == [None, spans[1], spans[2]]


def test_who_remembers_beyond_the_process_is_asked() -> None:
    """Where this process knows of no run; what goes wrong there costs the link alone."""
    elsewhere = SpanContext(1, 7, True, TraceFlags(1))
    known = Conversations(lambda *asked: elsewhere if asked == ("toy", "a") else None)
    here = SpanContext(1, 8, False, TraceFlags(1))

    assert known.latest("toy", "a") is elsewhere
    assert known.latest("toy", "a", beyond=False) is None
    known.remember("toy", "a", here)
    assert known.latest("toy", "a") is here
    safety.set_strict(strict=False)
    assert Conversations(lambda *_: 1 / 0).latest("toy", "a") is None  # type: ignore[arg-type]


def test_an_agent_elsewhere_has_another_kind_of_span(toy: ModuleType) -> None:
    """What works in another process is called, not done."""
    with record(TOY) as recording:
        toy.Engine().run(1)

    assert recording.spans.one("invoke_agent helper").kind is SpanKind.CLIENT
    assert recording.spans.one("invoke_workflow toy").kind is SpanKind.INTERNAL
