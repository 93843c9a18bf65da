"""What the store answers with: one span, one run, and the small things inside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

SpanState = Literal["open", "done", "interrupted"]
"""``open``: has begun and its process lives; ``interrupted``: its process died before its end."""

SpanStatus = Literal["unset", "ok", "error"]
"""OpenTelemetry's status code of a span."""

RunStatus = Literal["running", "ok", "error", "paused", "interrupted"]
"""What became of a run; ``paused``: it stopped until somebody resumes it, and nobody has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """An event on a span.

    Attributes:
        name: Its name, as ``flowspan.state.transition``.
        time_ns: When, in nanoseconds since the epoch.
        attrs: Its attributes.
    """

    name: str
    time_ns: int
    attrs: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRecord:
    """A link from a span to another one, perhaps of another trace.

    Attributes:
        trace_id: The other one's trace, 32 hex digits.
        span_id: The other one, 16 hex digits.
        attrs: What the link says about the relation.
    """

    trace_id: str
    span_id: str
    attrs: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanRow:
    """One span as it is stored.

    ``None`` means that the span does not say; it never stands for zero.

    Attributes:
        trace_id: 32 hex digits.
        span_id: 16 hex digits.
        parent_id: The parent's span id, or ``None`` for the root of a trace.
        parent_is_remote: True where the parent is in another process.
        orphan: True where the parent is named but is not among the trace's rows.
        name: Span name.
        kind: ``flowspan.kind``, or what the operation name says where there is none.
        span_kind: OpenTelemetry's kind in lower case: ``internal``, ``client``, …
        operation: ``gen_ai.operation.name``.
        state: Whether it ended, is under way, or was cut off.
        start_ns: Begin, in nanoseconds since the epoch.
        end_ns: End; ``None`` while it is open or where it was interrupted.
        status: OpenTelemetry's status code.
        status_message: Its description; empty where there is none.
        error_type: ``error.type``.
        run_id: ``flowspan.run.id``.
        workflow: ``gen_ai.workflow.name``.
        engine: ``flowspan.engine``.
        step: ``gen_ai.step.name`` of a span that is not a node.
        node: ``gen_ai.step.name`` of a node.
        node_id: ``flowspan.node.id``.
        attempt: ``flowspan.attempt``, counted from 1.
        agent: ``gen_ai.agent.name``.
        tool: ``gen_ai.tool.name``.
        provider: ``gen_ai.provider.name``.
        request_model: The model asked for.
        response_model: The model that answered.
        input_tokens: All input tokens, cached ones included.
        output_tokens: All output tokens, reasoning included.
        cache_read_tokens: Part of the input.
        cache_write_tokens: Part of the input.
        reasoning_tokens: Part of the output.
        cost_usd: Price in US dollars.
        cost_status: ``priced``, ``unpriced``, ``free`` or ``replayed``.
        price_source: Where the price came from.
        estimated: True where tokens were estimated instead of reported.
        prompt_name: ``gen_ai.prompt.name``.
        prompt_version: ``gen_ai.prompt.version``.
        conversation_id: ``gen_ai.conversation.id``.
        session_id: ``session.id``.
        service: ``service.name`` of the program.
        scope: Name of the instrumentation that made the span.
        attrs: All attributes, those above included. Values longer than 1 KiB are cut to a
            preview unless the texts were asked for.
        events: In the order in which they happened.
        links: As they were given.
    """

    trace_id: str
    span_id: str
    parent_id: str | None = None
    parent_is_remote: bool = False
    orphan: bool = False
    name: str
    kind: str | None = None
    span_kind: str = "internal"
    operation: str | None = None
    state: SpanState = "done"
    start_ns: int
    end_ns: int | None = None
    status: SpanStatus = "unset"
    status_message: str = ""
    error_type: str | None = None
    run_id: str | None = None
    workflow: str | None = None
    engine: str | None = None
    step: str | None = None
    node: str | None = None
    node_id: str | None = None
    attempt: int | None = None
    agent: str | None = None
    tool: str | None = None
    provider: str | None = None
    request_model: str | None = None
    response_model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: float | None = None
    cost_status: str | None = None
    price_source: str | None = None
    estimated: bool = False
    prompt_name: str | None = None
    prompt_version: str | None = None
    conversation_id: str | None = None
    session_id: str | None = None
    service: str | None = None
    scope: str | None = None
    attrs: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[EventRecord, ...] = ()
    links: tuple[LinkRecord, ...] = ()

    @property
    def duration_ns(self) -> int | None:
        """How long it took, in nanoseconds; ``None`` where it has not ended."""
        return None if self.end_ns is None else self.end_ns - self.start_ns

    @property
    def model(self) -> str | None:
        """The model that answered, else the one asked for."""
        return self.response_model or self.request_model


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run, which is one trace, with its totals.

    Attributes:
        trace_id: 32 hex digits.
        run_id: ``flowspan.run.id``; ``None`` for a trace without an engine.
        name: Name of the root span; of the earliest span where the root is not here.
        workflow: ``gen_ai.workflow.name``.
        engine: ``flowspan.engine``.
        service: ``service.name`` of the program.
        status: What became of it.
        started_ns: When it began, in nanoseconds since the epoch.
        ended_ns: When it ended; ``None`` where it runs or was interrupted.
        last_ns: The last sign of life: end of its last ended span, or begin of its last open one.
        error_type: ``error.type`` of the root.
        error_message: Status description of the root; empty where there is none.
        conversation_id: ``gen_ai.conversation.id`` of the run.
        interruption: What ended the run early, or stopped it until somebody resumes it
            (``flowspan.interruption``).
        resumed: True where it goes on with a run that stopped.
        resumes: Trace of that run, if that is known.
        resumed_by: Trace of the run that went on with this one, the first if there are several.
        spans: Number of spans.
        open_spans: How many of them have not ended.
        steps: Spans of kind ``step``.
        nodes: Spans of kind ``node``.
        llm_calls: Spans of kind ``llm``.
        errors: Failed spans none of whose children failed: where errors began.
        input_tokens: Sum over model calls.
        output_tokens: Sum over model calls.
        cost_usd: Sum over the calls whose price is known; ``None`` where none is.
        unpriced_calls: Model calls whose price is not known.
        estimated_calls: Model calls whose tokens were estimated.
    """

    trace_id: str
    run_id: str | None
    name: str
    workflow: str | None
    engine: str | None
    service: str | None
    status: RunStatus
    started_ns: int
    ended_ns: int | None
    last_ns: int
    error_type: str | None = None
    error_message: str = ""
    conversation_id: str | None = None
    interruption: str | None = None
    resumed: bool = False
    resumes: str | None = None
    resumed_by: str | None = None
    spans: int = 0
    open_spans: int = 0
    steps: int = 0
    nodes: int = 0
    llm_calls: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    unpriced_calls: int = 0
    estimated_calls: int = 0

    @property
    def duration_ns(self) -> int:
        """From its begin to its end, or to the last sign of life where it has no end."""
        end_ns = self.last_ns if self.ended_ns is None else self.ended_ns
        return max(0, end_ns - self.started_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs to list; what is ``None`` is not asked.

    Attributes:
        limit: At most so many, the newest; ``None`` for all.
        since: Begun at this time or later; aware of its time zone.
        workflow: Exactly this workflow.
        engine: Exactly this engine.
        status: One of these.
        invocation: Started by this ``flowspan run`` command.
    """

    limit: int | None = 20
    since: datetime | None = None
    workflow: str | None = None
    engine: str | None = None
    status: frozenset[RunStatus] | None = None
    invocation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreInfo:
    """The store itself, for ``flowspan doctor``.

    Attributes:
        path: The file.
        size_bytes: On disk, write-ahead log included.
        schema_version: Number of the last migration.
        journal_mode: ``wal``, or another one (``delete``) where shared memory cannot work.
        runs: Traces in it.
        spans: Spans in it.
        oldest_ns: Begin of the oldest run; ``None`` where there is none.
    """

    path: Path
    size_bytes: int
    schema_version: int
    journal_mode: str
    runs: int
    spans: int
    oldest_ns: int | None
