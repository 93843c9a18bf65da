"""Writes a row for what has begun, so that a run that is killed is seen, with all that it had done.

A span reaches the exporter only when it ends, and a killed run's root never does.  So runs, steps,
nodes, agents and roots of any kind get an *open row* soon after they begin; their end replaces it.
What ends within a quarter of a second costs no open row.

The calling thread only puts the span into a dict; a thread of ours does the rest.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from flowspan import background, safety, semconv
from flowspan.instrumentation.untold import is_untold
from flowspan.store import forks
from flowspan.store.liveness import HEARTBEAT_SECONDS
from flowspan.store.writer import StoreWriter

DELAY_SECONDS: Final = 0.25
_MOST_SPANS: Final = 10_000
_LONGEST_END: Final = 0.5
_KINDS: Final = frozenset({"run", "step", "node", "agent"})


class OpenRowProcessor(SpanProcessor):
    """Announces spans that have begun and not ended; add it before the exporter's processor."""

    def __init__(self, writer: StoreWriter, *, delay_seconds: float = DELAY_SECONDS) -> None:
        """No thread is started before the first span.

        Args:
            writer: The exporter's.
            delay_seconds: How long a span may last without costing an open row.
        """
        self._writer = writer
        self._delay = delay_seconds
        self._begin()
        forks.watch(self)

    def _begin(self) -> None:
        self._begun: deque[Span] = deque(maxlen=_MOST_SPANS)
        self._announced: dict[int, Span] = {}
        self._generation = 0
        self._awake = background.Signal()
        self._stopped = background.Signal()
        self._starting = background.Lock()
        self._announcing = background.Lock()
        self._thread: background.Worker | None = None

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002 - the SDK's signature
        """Note a span that may have to be announced."""
        safety.guarded("store open row", self._note, span)

    def _note(self, span: Span) -> None:
        if not span.context.trace_flags.sampled:
            return
        parent = span.parent
        is_root = parent is None or parent.is_remote
        if not is_root and (span.attributes or {}).get(semconv.KIND) not in _KINDS:
            return
        if is_untold(span):
            return
        self._begun.append(span)
        if not self._awake.is_set():
            self._awake.set()
            if self._thread is None:
                self._start()

    def on_end(self, span: ReadableSpan) -> None:
        """Forget a span: its row comes with the exporter."""
        if span.context is not None:
            self._announced.pop(span.context.span_id, None)

    def shutdown(self) -> None:
        """Announce what has begun and will not end any more, and stop."""
        self._stopped.set()
        self._awake.set()
        safety.guarded("store open rows", self._announce)
        self._begun = deque(maxlen=0)  # nothing that begins from now on is kept
        if self._thread is not None:
            self._thread.join(_LONGEST_END)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 - the SDK's signature
        """Announce what has begun, now; false where it waits in memory."""
        return bool(safety.guarded("store open rows", self._announce))

    def _start(self) -> None:
        # Whoever comes while another starts it need not wait; it may even be the same thread,
        # where a signal handler or a finaliser has stepped in.
        if not self._starting.acquire(blocking=False):
            return
        try:
            if self._thread is None and not self._stopped.is_set():
                self._thread = background.start("flowspan-store-open-rows", self._run)
        finally:
            self._starting.release()

    def _run(self) -> None:
        while not self._stopped.is_set():
            woken = self._awake.wait(HEARTBEAT_SECONDS if self._announced else None)
            self._stopped.wait(self._delay if woken else 0)
            self._awake.clear()
            if woken:
                safety.guarded("store open rows", self._announce)
            else:
                self._writer.flush()
                self._writer.heartbeat()
                self._announce_again()

    def _announce(self) -> bool:
        """Write open rows for what has begun and not ended."""
        with self._announcing:
            spans = [span for span in self._taken() if self._is_open(span)]
            written = self._writer.write_begun(spans) if spans else True
            self._announce_again()
            return written

    def _taken(self) -> list[Span]:
        return [self._begun.popleft() for _ in range(len(self._begun))]

    def _is_open(self, span: Span) -> bool:
        """Whether it has not ended; if so it is remembered until it does."""
        if span.end_time is None and len(self._announced) < _MOST_SPANS:
            self._announced[span.context.span_id] = span
            # Looked at once more: on_end may have come just before it was remembered.
            if span.end_time is not None:
                self._announced.pop(span.context.span_id, None)
        return span.end_time is None

    def _announce_again(self) -> None:
        """Where another file was begun, it must know of what is under way, too."""
        generation = self._writer.generation
        if generation != self._generation:
            self._generation = generation
            spans = [span for span in tuple(self._announced.values()) if span.end_time is None]
            if spans:
                self._writer.write_begun(spans)

    def before_fork(self) -> bool:
        """See ``forks``: there is nothing to close."""
        return True

    def after_fork_in_parent(self, closed: bool) -> None:  # noqa: FBT001 - the protocol's
        """See ``forks``."""

    def after_fork_in_child(self, closed: bool) -> None:  # noqa: ARG002, FBT001 - the protocol's
        """See ``forks``: what has begun here is the parent's to announce."""
        self._begin()
