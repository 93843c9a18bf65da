from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from flowspan import semconv
from flowspan.store import rows
from flowspan.store.rows import LONGEST_TEXT, RowBuilder, SpanEntry
from flowspan.store.schema import LONG_TEXT, OF_THE_SPAN, SPAN_COLUMNS

if TYPE_CHECKING:
    from tests.store.conftest import Spans

ELSEWHERE = SpanContext(
    trace_id=0xABC,
    span_id=0xDEF,
    is_remote=True,
    trace_flags=TraceFlags(1),
    trace_state=TraceState([("vendor", "x")]),
)


def columns(entry: SpanEntry) -> dict[str, Any]:
    return dict(zip((column.name for column in SPAN_COLUMNS), entry.span, strict=True))


def row_of(span: ReadableSpan) -> dict[str, Any]:
    return columns(RowBuilder().ended(span))


def test_a_span_fills_its_columns(spans: Spans) -> None:
    parent = set_span_in_context(NonRecordingSpan(ELSEWHERE))
    with spans.tracer.start_as_current_span("a call", context=parent, kind=SpanKind.CLIENT) as span:
        span.set_status(Status(StatusCode.ERROR, "it broke"))
    ended = spans.ended()[0]

    row = row_of(ended)

    assert ended.context is not None
    assert row["trace_id"] == f"{0xABC:032x}"
    assert row["span_id"] == f"{ended.context.span_id:016x}"
    assert row["parent_id"] == f"{0xDEF:016x}"
    assert row["parent_is_remote"] == 1
    assert row["name"] == "a call"
    assert row["span_kind"] == "client"
    assert row["state"] == "done"
    assert (row["start_ns"], row["end_ns"]) == (ended.start_time, ended.end_time)
    assert (row["status"], row["status_message"]) == ("error", "it broke")
    assert row["trace_state"] == "vendor=x"
    assert (row["attrs"], row["events"], row["links"]) == ("{}", "[]", "[]")


def test_attributes_fill_the_columns_that_are_named_after_them(spans: Spans) -> None:
    values: dict[str, Any] = {
        column.attribute: {"INTEGER": 7, "REAL": 0.5}.get(column.type, f"a {column.name}")
        for column in SPAN_COLUMNS
        if column.attribute
    }

    row = row_of(spans.one("work", **values, **{semconv.KIND: "llm"}))

    assert row["kind"] == "llm"
    for column in SPAN_COLUMNS:
        if column.attribute:
            assert row[column.name] == values[column.attribute]
    assert json.loads(row["attrs"]) == {**values, semconv.KIND: "llm"}


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({semconv.KIND: "tool", semconv.OPERATION_NAME: "chat"}, "tool"),
        ({semconv.OPERATION_NAME: "chat"}, "llm"),
        ({semconv.OPERATION_NAME: "embeddings"}, "llm"),
        ({semconv.OPERATION_NAME: "invoke_agent"}, "agent"),
        ({semconv.OPERATION_NAME: "something"}, None),
        ({semconv.OPERATION_NAME: (1, 2)}, None),
        ({}, None),
    ],
)
def test_spans_of_other_instrumentations_get_a_kind_by_their_operation(
    attributes: dict[str, Any], kind: str | None, spans: Spans
) -> None:
    assert row_of(spans.one("work", **attributes))["kind"] == kind


@pytest.mark.parametrize(
    ("value", "stored"),
    [(3, 3), (3.0, 3), (True, 1), (3.5, None), ("3", None), (2**63, None), (1e300, None)],
)
def test_an_integer_column_holds_integers_of_64_bits_only(
    value: Any, stored: int | None, spans: Spans
) -> None:
    row = row_of(spans.one("work", **{semconv.USAGE_INPUT_TOKENS: value}))

    assert row["input_tokens"] == stored
    assert json.loads(row["attrs"])[semconv.USAGE_INPUT_TOKENS] == value


@pytest.mark.parametrize(
    ("value", "stored"),
    [(0.5, 0.5), (1, 1.0), ("0.5", 0.5), ("much", None), (float("nan"), None), ((1,), None)],
)
def test_a_cost_is_a_finite_number(value: Any, stored: float | None, spans: Spans) -> None:
    assert row_of(spans.one("work", **{semconv.COST_USD: value}))["cost_usd"] == stored


def test_names_are_cut_and_half_characters_replaced(spans: Spans) -> None:
    row = row_of(spans.one("n" * 5_000, **{semconv.AGENT_NAME: "\ud800gent"}))

    assert len(row["name"]) == LONG_TEXT
    assert row["agent"] == "\ufffdgent"


def test_a_long_status_message_is_cut(spans: Spans) -> None:
    with spans.tracer.start_as_current_span("work") as span:
        span.set_status(Status(StatusCode.ERROR, "x" * 10_000))

    assert len(row_of(spans.ended()[0])["status_message"]) == 4_096


def test_texts_above_a_kibibyte_are_kept_apart_and_leave_a_preview() -> None:
    messages: Any
    prompt, messages = "p" * 2_000, [{"role": "user", "parts": ["m" * 2_000]}]
    # Made by hand: older SDKs take no maps.
    span = ReadableSpan(
        "work",
        context=ELSEWHERE,
        attributes={"prompt": prompt, "messages": messages, "short": "s", "n": 1},
        events=[Event("first", {"a": 1}), Event("second", {"text": prompt})],
    )
    entry = RowBuilder().ended(span)

    row = columns(entry)
    attrs, events = json.loads(row["attrs"]), json.loads(row["events"])
    assert attrs["prompt"] == "p" * 200 + "…"
    assert attrs["messages"].startswith('[{"role":"user"')
    assert (attrs["short"], attrs["n"]) == ("s", 1)
    assert events[1]["attrs"]["text"] == "p" * 200 + "…"
    assert events[0]["attrs"] == {"a": 1}
    assert [content[2:5] for content in entry.contents] == [
        (OF_THE_SPAN, "prompt", False),
        (OF_THE_SPAN, "messages", True),
        (1, "text", False),
    ]
    assert entry.contents[0][5] == prompt
    assert json.loads(entry.contents[1][5]) == messages


def test_events_keep_their_order_and_time(spans: Spans) -> None:
    with spans.tracer.start_as_current_span("work") as span:
        span.add_event("first", {"a": 1}, timestamp=5)
        span.add_event("second", timestamp=4)

    assert json.loads(row_of(spans.ended()[0])["events"]) == [
        {"name": "first", "time_ns": 5, "attrs": {"a": 1}},
        {"name": "second", "time_ns": 4, "attrs": {}},
    ]


def test_many_short_attributes_stay_together(spans: Spans) -> None:
    entry = RowBuilder().ended(spans.one("work", **{f"key{n}": "v" * 100 for n in range(50)}))

    assert entry.contents == []
    assert len(json.loads(columns(entry)["attrs"])) == 50


def test_a_text_without_end_is_cut_and_says_so(spans: Spans) -> None:
    entry = RowBuilder().ended(spans.one("work", text="x" * (LONGEST_TEXT + 10)))

    assert entry.contents[0][5].endswith("x… [10 characters cut]")


def test_the_texts_of_a_span_together_have_a_bound(
    spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows._Texts.__init__, "__defaults__", (3_000,))

    entry = RowBuilder().ended(spans.one("work", a="a" * 2_000, b="b" * 2_000))

    assert [content[3] for content in entry.contents] == ["a"]
    assert json.loads(columns(entry)["attrs"])["b"] == "b" * 200 + "…"


def test_links_keep_where_they_lead(spans: Spans) -> None:
    link = Link(ELSEWHERE, {"why": "resumed", "long": "x" * 2_000})
    with spans.tracer.start_as_current_span("work", links=[link]):
        pass

    assert json.loads(row_of(spans.ended()[0])["links"]) == [
        {
            "trace_id": f"{0xABC:032x}",
            "span_id": f"{0xDEF:016x}",
            "attrs": {"why": "resumed", "long": "x" * 200 + "…"},
        }
    ]


def test_a_span_that_has_only_begun_is_open_and_keeps_no_long_text(spans: Spans) -> None:
    with spans.tracer.start_as_current_span("work", attributes={"prompt": "p" * 2_000}) as span:
        assert isinstance(span, ReadableSpan)
        entry = RowBuilder().begun(span, 42)

    row = columns(entry)
    assert entry.is_open
    assert (row["state"], row["end_ns"], row["process_id"]) == ("open", None, 42)
    assert entry.contents == []
    assert entry.trace[1] == entry.trace[2] == span.start_time


def test_resources_and_scopes_are_numbered_by_what_they_say(spans: Spans) -> None:
    one, other = RowBuilder(), RowBuilder()
    first, second = spans.one(), spans.one()

    assert one.ended(first).resource == other.ended(second).resource
    assert one.ended(first).resource[1] == "test"
    assert one.ended(first).scope == other.ended(second).scope
    assert one.ended(first).scope[1:4] == ("tests", "1.0", "")


def test_a_span_made_by_hand_needs_neither_resource_nor_scope(spans: Spans) -> None:
    made = ReadableSpan(name="made", context=ELSEWHERE)
    made._resource = None  # type: ignore[assignment]

    row = row_of(made)

    assert (row["start_ns"], row["end_ns"], row["scope_id"]) == (0, 0, 0)


def test_only_so_many_resources_are_remembered(spans: Spans) -> None:
    builder = RowBuilder()
    for _ in range(200):
        builder.ended(type(spans)().one())

    assert len(builder._resources) <= 64
