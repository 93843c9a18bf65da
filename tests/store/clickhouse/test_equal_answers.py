"""The same spans in an embedded store and in a collector's database give the same answers.

Everywhere: over the collector's table alone, and with our view and tables made beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from flowspan import semconv
from flowspan.errors import RunNotFoundError
from flowspan.store import queries
from flowspan.store.records import RunFilter, SpanRow

if TYPE_CHECKING:
    from flowspan.store.queries import Store

SECOND = 10**9
BEGIN = 1_790_000_000 * SECOND + 123_456_789

KNOWN = frozenset(value for value in vars(semconv).values() if isinstance(value, str))


class Told:
    """Makes spans with the real SDK, at times that a test names, and writes them into both."""

    def __init__(self, both: Any, **resource: str) -> None:
        self._both = both
        self._kept = InMemorySpanExporter()
        provider = TracerProvider(resource=Resource({"service.name": "program", **resource}))
        provider.add_span_processor(SimpleSpanProcessor(self._kept))
        self._tracer = provider.get_tracer("teller", "1.0")

    def span(  # noqa: PLR0913 - all that a span may be
        self,
        name: str,
        *,
        above: Span | None = None,
        start: float = 0,
        end: float = 1,
        status: Status | None = None,
        events: Mapping[str, Mapping[str, Any]] | None = None,
        **options: Any,
    ) -> Span:
        """A span that lasted from ``start`` to ``end``, in seconds after ``BEGIN``."""
        attributes = {_ATTRIBUTES.get(key, key): options.pop(key) for key in _named(options)}
        span = self._tracer.start_span(
            name,
            context=None if above is None else set_span_in_context(above),
            start_time=BEGIN + round(start * SECOND),
            attributes=attributes,
            **options,
        )
        for number, (event, said) in enumerate((events or {}).items()):
            span.add_event(event, said, timestamp=BEGIN + round(start * SECOND) + number)
        if status is not None:
            span.set_status(status)
        span.end(BEGIN + round(end * SECOND))
        return span

    def told(self) -> list[ReadableSpan]:
        """Write what has ended."""
        spans = list(self._kept.get_finished_spans())
        self._kept.clear()
        self._both.take(*spans)
        return spans


_OPTIONS = ("kind", "links")
_ATTRIBUTES = {
    "role": semconv.KIND,
    "operation": semconv.OPERATION_NAME,
    "run_id": semconv.RUN_ID,
    "workflow": semconv.WORKFLOW_NAME,
    "engine": semconv.ENGINE,
    "step": semconv.STEP_NAME,
    "input": semconv.USAGE_INPUT_TOKENS,
    "output": semconv.USAGE_OUTPUT_TOKENS,
    "cost": semconv.COST_USD,
    "cost_status": semconv.COST_STATUS,
    "estimated": semconv.USAGE_ESTIMATED,
    "error_type": semconv.ERROR_TYPE,
}


_STOPPED = {semconv.INTERRUPTION: "GraphInterrupt"}
_RESUMED = {semconv.RESUMED: True}


def _named(options: Mapping[str, Any]) -> list[str]:
    return [key for key in options if key not in _OPTIONS]


def collected_form(span: SpanRow, as_text: Callable[[Any], str]) -> dict[str, Any]:
    """A span of the embedded store as a collector's database can tell it."""
    form = asdict(span)
    form["attrs"] = _texts(span.attrs, as_text)
    form["events"] = [
        {**asdict(event), "attrs": _texts(event.attrs, as_text)} for event in span.events
    ]
    form["links"] = [{**asdict(link), "attrs": _texts(link.attrs, as_text)} for link in span.links]
    return form


def _texts(attributes: Mapping[str, Any], as_text: Callable[[Any], str]) -> dict[str, Any]:
    return {
        key: value if key in KNOWN or isinstance(value, str) else as_text(value)
        for key, value in attributes.items()
    }


@pytest.fixture(params=["collector's table", "view", "view and tables"])
def both(both: Any, request: pytest.FixtureRequest) -> Any:
    from flowspan.store.clickhouse import tables  # noqa: PLC0415 - only here

    if request.param == "view":
        both.collected.execute(tables.view())
    elif request.param == "view and tables":
        both.collected.prepare()
    return both


@pytest.fixture
def story(both: Any) -> Told:
    return Told(both)


def write_runs(both: Any) -> None:
    """Runs of all sorts, a second apart."""
    failed = Status(StatusCode.ERROR, "boom")
    story = Told(both)
    one = story.span("run", end=9, role="run", run_id="run-1", workflow="w", engine="e")
    step = story.span("step", above=one, start=1, end=8, role="step", step="first")
    node = story.span("node", above=step, start=2, end=7, role="node", step="plan")
    story.span("a", above=node, start=3, role="llm", input=100, output=10, cost=0.25)
    story.span("b", above=node, start=4, role="llm", input=7, output=3, cost=0.5, estimated=True)
    story.span("c", above=node, start=5, role="llm", input=1, output=1, cost_status="unpriced")
    story.span("d", above=node, start=6, role="llm", input=1, output=1)
    story.span("e", above=node, start=6, role="llm")
    story.span("f", above=node, start=6, role="tool", input=1_000, cost=1_000.0)

    two = story.span(
        "run", start=1, status=failed, role="run", run_id="run-2", workflow="w", error_type="E"
    )
    under = story.span("node", above=two, start=1, status=failed)
    story.span("call", above=under, start=1, status=failed)
    story.span("node", above=two, start=1, status=failed)

    story.span("chat gpt", start=2, operation="chat", input=3)
    main = story.span("main", start=3, end=8)
    story.span("run", above=main, start=4, role="run", run_id="run-4", engine="other")
    story.told()

    command = Told(both, **{semconv.INVOCATION: "abc", "service.name": "another"})
    elsewhere = NonRecordingSpan(
        SpanContext(0xABC << 100, 0xDEF, is_remote=True, trace_flags=TraceFlags(1))
    )
    served = command.span("serve", above=elsewhere, start=5, kind=SpanKind.SERVER)
    command.span("run", above=served, start=5, role="run", run_id="run-5", workflow="w2")
    away = NonRecordingSpan(
        SpanContext(0xBBB << 100, 0xDEF, is_remote=True, trace_flags=TraceFlags(1))
    )
    command.span("late", above=away, start=7, kind=SpanKind.SERVER)
    command.span("early", above=away, start=6, kind=SpanKind.SERVER)
    command.told()


def _parent(trace_id: int, *, is_remote: bool) -> Span:
    """One that is not here."""
    context = SpanContext(trace_id, 0xDEF, is_remote=is_remote, trace_flags=TraceFlags(1))
    return NonRecordingSpan(context)


FILTERS: dict[str, RunFilter] = {
    "twenty": RunFilter(),
    "all": RunFilter(limit=None),
    "two": RunFilter(limit=2),
    "workflow": RunFilter(workflow="w"),
    "engine": RunFilter(engine="other"),
    "both": RunFilter(workflow="w", engine="e"),
    "since": RunFilter(since=datetime.fromtimestamp(BEGIN / SECOND + 2.5, tz=UTC)),
    "since then": RunFilter(since=datetime.fromtimestamp(BEGIN / SECOND + 60, tz=UTC)),
    "failed": RunFilter(status=frozenset({"error"})),
    "interrupted": RunFilter(status=frozenset({"interrupted", "running"})),
    "invocation": RunFilter(invocation="abc"),
    "nothing": RunFilter(workflow="it's \\ % :none ✓"),
}


def test_lists_of_runs(both: Any) -> None:
    write_runs(both)
    embedded, database = both.open()

    for name, wanted in FILTERS.items():
        assert embedded.runs(wanted) == database.runs(wanted), name
    assert len(database.runs()) == 6
    assert [run.status for run in database.runs()] == ["ok", "ok", "ok", "ok", "error", "ok"]


def test_runs_that_wait_and_what_goes_on_with_them(both: Any) -> None:
    """By links, and where a process knew none by the conversation."""
    story = Told(both)

    def run(number: int, conversation: str, **said: Any) -> Span:
        attributes = {"role": "run", "run_id": f"run-{number}", "engine": "e", **said}
        attributes[semconv.CONVERSATION_ID] = conversation
        return story.span("run", start=number, end=number + 0.5, **attributes)

    one = run(1, "a", **_STOPPED)
    link = Link(one.get_span_context())
    run(2, "a", links=[link], **_STOPPED, **_RESUMED)
    run(3, "b", **_STOPPED)
    run(4, "a", **_RESUMED)
    run(5, "c", links=[link])
    story.told()
    embedded, database = both.open()

    runs = database.runs()[::-1]

    assert runs == embedded.runs()[::-1]
    assert [row.status for row in runs] == ["ok", "ok", "paused", "ok", "ok"]
    first, second, _, fourth, _ = (row.trace_id for row in runs)
    assert [row.resumes for row in runs] == [None, first, None, second, None]
    assert [row.resumed_by for row in runs] == [second, fourth, None, None, None]


def test_only_a_store_with_open_rows_knows_that_a_local_parent_will_not_come(both: Any) -> None:
    story = Told(both)
    story.span("run", above=_parent(0xBBB << 100, is_remote=False), role="run", run_id="run-1")
    story.told()
    embedded, database = both.open()

    assert [run.status for run in embedded.runs()] == ["ok"]
    assert [run.status for run in database.runs()] == ["interrupted"]


def test_the_same_question_asked_again(both: Any) -> None:
    """A server remembers what it read; several batches of one trace are several parts there."""
    story = Told(both)
    run = story.span("run", end=40, role="run", run_id="r", status=_FAILED)
    for number in range(20):
        story.span("call", above=run, start=number, status=_FAILED)
    story.told()
    for number in range(20, 39):
        story.span("call", above=run, start=number)
    story.told()
    embedded, database = both.open()

    answers = [database.runs() for _ in range(3)]

    assert answers == [embedded.runs()] * 3


def test_long_lists(both: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that takes several questions misses no run and tells none twice."""
    write_runs(both)
    monkeypatch.setattr(queries, "_PAGE", 2)
    embedded, database = both.open()

    assert embedded.runs(RunFilter(limit=None)) == database.runs(RunFilter(limit=None))


def test_runs_are_found_by_name(both: Any) -> None:
    write_runs(both)
    embedded, database = both.open()
    trace_id = embedded.find_run("last").trace_id

    for name in ("last", "run-2", "run-4", trace_id, trace_id[:9], trace_id.upper()):
        assert embedded.find_run(name) == database.find_run(name)
    for name in ("run-", "nope", "", "run_%", "it's \\"):
        refusals = [_refusal(store, name) for store in (embedded, database)]
        assert refusals[0].replace(str(both.path), "") == refusals[1].replace(
            str(both.collected.address), ""
        )


def _refusal(store: Store, name: str) -> str:
    with pytest.raises(RunNotFoundError) as refused:
        store.find_run(name)
    return str(refused.value)


def test_spans_of_each_trace(both: Any, as_text: Callable[[Any], str]) -> None:
    write_runs(both)
    embedded, database = both.open()

    for run in embedded.runs():
        told = [collected_form(span, as_text) for span in embedded.trace(run.trace_id)]
        assert told == [asdict_listed(span) for span in database.trace(run.trace_id)]
    assert database.trace("0" * 32) == []


def asdict_listed(span: SpanRow) -> dict[str, Any]:
    form = asdict(span)
    return {**form, "events": list(form["events"]), "links": list(form["links"])}


@pytest.fixture
def texts_of_all_sorts(story: Told) -> str:
    """A trace with everything that a span may have; its id."""
    long = "äöü ☃ " * 400
    other = SpanContext(
        9, 8, is_remote=True, trace_flags=TraceFlags(1), trace_state=TraceState([("k", "v")])
    )
    typed: dict[str, Any] = {
        semconv.RESPONSE_FINISH_REASONS: ("stop",),
        semconv.REQUEST_STOP_SEQUENCES: (long, "b"),
        semconv.REQUEST_TEMPERATURE: 0.7,
        semconv.REQUEST_STREAM: True,
        semconv.ATTEMPT: 2,
        semconv.PROMPT_VERSION: "3",
        semconv.SESSION_ID: "7",
    }
    root = story.span(
        "everything",
        role="node",
        step="plan",
        kind=SpanKind.CLIENT,
        links=[Link(other, {"why": "resumed", "n": 1}), Link(other)],
        status=Status(StatusCode.OK),
        events={
            "first": {"a": 1, semconv.PROMPT_CANDIDATES: ("x", "y")},
            "second": {"text": long, semconv.STATE_SIZE: 7, "quote": "\"'\\/\n\t\x01"},
            "third": {},
        },
        prompt=long,
        exact="x" * 1_024,
        quote="\"'\\/\n\t\x01",
        number=3,
        share=0.5,
        flag=True,
        **typed,
    )
    story.span("below", above=root, start=0.5, status=Status(StatusCode.ERROR, "m" * 5_000))
    spans = story.told()
    return f"{spans[0].context.trace_id:032x}"


@pytest.mark.parametrize("texts", [False, True])
def test_everything_that_a_span_may_have(
    both: Any, texts_of_all_sorts: str, as_text: Callable[[Any], str], *, texts: bool
) -> None:
    """Long texts are cut to the same previews, and come back in full where they are asked for."""
    embedded, database = both.open()

    told = [collected_form(s, as_text) for s in embedded.trace(texts_of_all_sorts, texts=texts)]
    found = database.trace(texts_of_all_sorts, texts=texts)

    assert told == [asdict_listed(span) for span in found]
    assert found[0].attrs["number"] == "3"
    assert found[0].attrs[semconv.ATTEMPT] == 2
    assert len(str(found[0].attrs["prompt"])) == (2_400 if texts else 201)


def test_a_span_that_was_written_twice_counts_once(both: Any) -> None:
    """A collector writes a batch again when it did not hear that it was written."""
    story = Told(both)
    run = story.span("run", role="run", run_id="r")
    story.span("call", above=run, role="llm", input=5, output=7, cost=0.5, status=_FAILED)
    spans = story.told()
    both.take(*spans)
    both.take(spans[0])
    embedded, database = both.open()

    found = database.runs()

    assert embedded.runs() == found
    assert (found[0].spans, found[0].cost_usd, found[0].input_tokens) == (2, 0.5, 5)
    assert len(database.trace(found[0].trace_id)) == 2


_FAILED = Status(StatusCode.ERROR)


def test_a_clock_that_was_set_back_is_told_as_it_went(both: Any) -> None:
    story = Told(both)
    story.span("back", start=5, end=3, role="run", run_id="r")
    story.told()
    embedded, database = both.open()

    assert embedded.runs() == database.runs()
    assert database.trace(database.runs()[0].trace_id)[0].duration_ns == -2 * SECOND


def test_several_pages_of_thousands(both: Any) -> None:
    """A large trace is told whole."""
    story = Told(both)
    run = story.span("run", end=3_000, role="run", run_id="r")
    for number in range(1, 3_000):
        story.span("call", above=run, start=number, end=number + 1, role="llm", input=1, cost=0.5)
    story.told()
    embedded, database = both.open()

    assert embedded.runs() == database.runs()
    assert len(database.trace(database.runs()[0].trace_id)) == 3_000
