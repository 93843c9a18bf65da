"""Gives spans of others inside a run (the program's own, other instrumentations') the run's id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.context import get_current
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from flowspan import semconv
from flowspan.instrumentation.frame import INVOCATION_KEY, CallFrame
from flowspan.safety import guarded

if TYPE_CHECKING:
    from opentelemetry.context import Context


class RunStamp(SpanProcessor):
    """Sets ``flowspan.run.id`` and ``gen_ai.workflow.name`` on spans that are not ours."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Stamp a span that starts inside a run."""
        attributes = span.attributes
        if attributes is not None and semconv.RUN_ID in attributes:
            return
        context = parent_context if parent_context is not None else get_current()
        invocation = context.get(INVOCATION_KEY)
        if isinstance(invocation, CallFrame):
            guarded("run stamp", _stamp, span, invocation)

    def on_end(self, span: ReadableSpan) -> None:
        """Nothing."""

    def shutdown(self) -> None:
        """Nothing."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing to flush."""
        del timeout_millis
        return True


def _stamp(span: Span, invocation: CallFrame) -> None:
    run = invocation.run
    span.set_attribute(semconv.RUN_ID, run.run_id)
    if run.workflow is not None:
        span.set_attribute(semconv.WORKFLOW_NAME, run.workflow)
