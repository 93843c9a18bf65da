"""What a program sends arrives in Jaeger as it is in the embedded store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from flowspan.store.records import SpanRow

SPAN_KINDS = ("", "internal", "server", "client", "producer", "consumer")
STATUSES = ("unset", "ok", "error")


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_run_is_the_same_in_jaeger_and_in_the_embedded_store(
    stack: Any, agent: Any, until: Callable[..., Any], protocol: str
) -> None:
    """Span by span, event by event, attribute by attribute; the tree as well."""
    agent.run(stack, **stack.by_protocol(protocol))
    stored = [of_the_store(span) for span in agent.stored()]
    (trace_id,) = agent.trace_ids()

    until(lambda: len(in_jaeger(stack, trace_id)) >= len(stored))

    found = in_jaeger(stack, trace_id)
    assert differences(found, stored) == []
    assert len(found) == len(stored)
    assert [span["name"] for span in found if span["parent_id"] is None] == [
        "invoke_workflow write an article"
    ]
    assert {span["parent_id"] for span in found} <= {None, *by_id(found)}


def test_prompts_arrive_in_full_where_they_are_asked_for(
    stack: Any, agent: Any, until: Callable[..., Any]
) -> None:
    agent.run(stack, FLOWSPAN_CONTENT="full", FLOWSPAN_DETAIL="full")
    stored = [of_the_store(span) for span in agent.stored()]
    (trace_id,) = agent.trace_ids()

    until(lambda: len(in_jaeger(stack, trace_id)) >= len(stored))

    assert differences(in_jaeger(stack, trace_id), stored) == []
    assert any("gen_ai.input.messages" in span["attributes"] for span in stored)


def test_the_resource_says_who_sent(stack: Any, agent: Any, until: Callable[..., Any]) -> None:
    agent.run(stack)
    (trace_id,) = agent.trace_ids()

    resources = until(lambda: stack.jaeger_api.trace(trace_id))

    for resource in resources:
        attributes = plain(resource["resource"]["attributes"])
        assert attributes["service.name"] == agent.service
        assert attributes["telemetry.distro.name"] == "flowspan"


# --- both as one form -----------------------------------------------------------------------------


def in_jaeger(stack: Any, trace_id: str) -> list[dict[str, Any]]:
    return [
        of_otlp(span, plain(resource["resource"]["attributes"]), scope["scope"])
        for resource in stack.jaeger_api.trace(trace_id)
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


def by_id(spans: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {span["span_id"]: span for span in spans}


def differences(found: list[dict[str, Any]], stored: list[dict[str, Any]]) -> list[str]:
    """What is not the same, span by span; empty where all is."""
    ours, theirs = by_id(stored), by_id(found)
    lines = [f"{ours[span_id]['name']} is missing" for span_id in ours.keys() - theirs.keys()]
    lines += [f"{theirs[span_id]['name']} is new" for span_id in theirs.keys() - ours.keys()]
    lines += [
        f"{ours[span_id]['name']}: {field} {theirs[span_id][field]!r}, not {expected!r}"
        for span_id in ours.keys() & theirs.keys()
        for field, expected in ours[span_id].items()
        if theirs[span_id][field] != expected
    ]
    return lines


def of_the_store(span: SpanRow) -> dict[str, Any]:
    return {
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "name": span.name,
        "kind": span.span_kind,
        "start_ns": span.start_ns,
        "end_ns": span.end_ns,
        "status": (span.status, span.status_message),
        "service": span.service,
        "scope": span.scope,
        "attributes": as_kept(span.attrs),
        "events": [(event.name, event.time_ns, as_kept(event.attrs)) for event in span.events],
        "links": [(link.trace_id, link.span_id) for link in span.links],
    }


def of_otlp(
    span: Mapping[str, Any], resource: Mapping[str, Any], scope: Mapping[str, Any]
) -> dict[str, Any]:
    status = span.get("status", {})
    return {
        "trace_id": span["traceId"],
        "span_id": span["spanId"],
        "parent_id": span.get("parentSpanId") or None,
        "name": span["name"],
        "kind": SPAN_KINDS[span["kind"]],
        "start_ns": int(span["startTimeUnixNano"]),
        "end_ns": int(span["endTimeUnixNano"]),
        "status": (STATUSES[status.get("code", 0)], status.get("message", "")),
        "service": resource["service.name"],
        "scope": scope["name"],
        "attributes": plain(span.get("attributes", ())),
        "events": [
            (event["name"], int(event["timeUnixNano"]), plain(event.get("attributes", ())))
            for event in span.get("events", ())
        ],
        "links": [(link["traceId"], link["spanId"]) for link in span.get("links", ())],
    }


def as_kept(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """As Jaeger keeps them on disk: a list is its JSON text there (and links say no more)."""
    return {
        key: json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        if isinstance(value, list)
        else value
        for key, value in attributes.items()
    }


def plain(attributes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """OTLP's list of keys and typed values as a dict."""
    return {item["key"]: value_of(item["value"]) for item in attributes}


def value_of(value: Mapping[str, Any]) -> Any:
    ((form, content),) = value.items()
    return int(content) if form == "intValue" else content
