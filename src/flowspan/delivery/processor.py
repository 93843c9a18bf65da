"""Delivers ended spans to one exporter from a thread of its own.

The SDK's batch processor flushes every five seconds, may hold the end of the process for thirty,
and cannot be woken; an agent's last run would be lost to a SIGTERM.  This one delivers within
:data:`DELAY_SECONDS`, at once when a run ends, keeps what an exporter could not take and tries
again, starts anew after a fork, and is bounded at the end by a :class:`Deadline`.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Final

from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from flowspan import background, semconv
from flowspan.delivery.elsewhere import without_usage_elsewhere
from flowspan.delivery.refusals import refused_ones
from flowspan.instrumentation.untold import is_untold
from flowspan.safety import guarded, report_once, swallow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import Span

    from flowspan.delivery.deadline import Deadline

DELAY_SECONDS: Final = 0.25
MOST_QUEUED: Final = 8192
BATCH: Final = 512
_QUICK_SECONDS: Final = 1.0
_MOST_QUICK_REFUSALS: Final = 3
_LONGEST_PAUSE_SECONDS: Final = 30.0
_OWN_CONNECTION: Final = (("grpc.use_local_subchannel_pool", 1),)
"""Else a new channel of gRPC's waits with the old one, for up to two minutes, to connect again."""


class DeliveryProcessor(SpanProcessor):
    """Queues ended spans and exports them from a daemon thread.

    Args:
        exporter: Where they go.
        deadline: Bounds the end of the process.
        on_drop: Told how many spans were dropped, whenever some were.
        retry: Whether to offer again what the exporter could not take; ``False`` for one that
            keeps it itself.
        delay: Seconds that a span may wait for company.
        most_queued: Above this the oldest spans are dropped and counted.
        batch: The most spans in one export.
    """

    def __init__(  # noqa: PLR0913 - keyword-only tuning, each with a default
        self,
        exporter: SpanExporter,
        deadline: Deadline,
        *,
        on_drop: Callable[[int], None] | None = None,
        retry: bool = True,
        delay: float = DELAY_SECONDS,
        most_queued: int = MOST_QUEUED,
        batch: int = BATCH,
    ) -> None:
        self.exporter = exporter
        self._deadline = deadline
        self._on_drop = on_drop
        self._retry = retry
        self._delay = delay
        self._most_queued = most_queued
        self._batch = batch
        self._place = f"delivery by {type(exporter).__name__}"
        self._closed = False
        self._quick_refusals = 0
        self._reset()
        if hasattr(os, "register_at_fork"):  # pragma: no branch - absent on Windows only
            again = weakref.WeakMethod(self._after_fork)
            os.register_at_fork(after_in_child=lambda: (method := again()) and method())

    def _reset(self) -> None:
        self._queue: deque[ReadableSpan] = deque()
        # A span may end in a signal handler, or in a finaliser that the garbage collector runs in
        # the middle of anything: this queue is reentrant, which events and locks are not.
        self._calls: background.SimpleQueue[bool] = background.SimpleQueue()
        self._called = False
        self._hurried = False
        self._flushes: deque[background.Signal] = deque()
        self._starting = background.Lock()
        self._worker: background.Worker | None = None
        self._pause = 0.0

    def _after_fork(self) -> None:
        """A child begins with an empty queue: the parent delivers what is the parent's.

        An exporter of connections is made anew, since two processes must not share a socket.
        """
        self._reset()
        self._make_exporter_anew("after fork")

    def _make_exporter_anew(self, moment: str) -> None:
        """Put another one in its place where it is OpenTelemetry's, which the environment tells."""
        made = type(self.exporter)
        if not made.__module__.startswith("opentelemetry.exporter."):
            return
        takes_options = "channel_options" in inspect.signature(made).parameters
        options = {"channel_options": _OWN_CONNECTION} if takes_options else {}
        fresh = guarded(f"{self._place} {moment}", lambda: made(**options))
        self.exporter = fresh or self.exporter

    # --- the program's threads -----------------------------------------------------------------

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing: only ended spans are delivered."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span; never blocks."""
        if self._closed or span.context is None or not span.context.trace_flags.sampled:
            return
        if is_untold(span):
            return
        waiting = self._queue
        waiting.append(span)
        if len(waiting) > self._most_queued:
            self._drop_oldest()
        if not self._called:
            self._called = True
            self._calls.put(False)
            self._start()
        if not self._hurried and (len(waiting) >= self._batch or _ends_a_run(span)):
            self._hurried = True
            self._calls.put(True)

    def _drop_oldest(self) -> None:
        try:
            self._queue.popleft()
        except IndexError:
            return
        report_once(f"{self._place} queue", self._too_many())
        if self._on_drop is not None:
            guarded(f"{self._place} drop", self._on_drop, 1)

    def _too_many(self) -> str:
        waiting = f"More than {self._most_queued} spans wait for {type(self.exporter).__name__}"
        if not self._retry:
            return f"{waiting}: they end faster than they are written; the oldest are dropped."
        return (
            f"{waiting}; the oldest are dropped. Is its receiver up? "
            "The embedded store keeps all of them."
        )

    def _start(self) -> bool:
        """Start the worker if there is none; false where there cannot be one any more."""
        if self._worker is None and self._starting.acquire(blocking=False):
            try:
                if self._worker is None:
                    self._worker = background.start("flowspan-delivery", self._work)
            finally:
                self._starting.release()
        return self._worker is not None and self._worker.is_alive()

    # --- the worker ----------------------------------------------------------------------------

    def _work(self) -> None:
        with suppress_instrumentation():
            while True:
                self._await_call()
                flushes = list(self._flushes)
                self._drain()
                for flushed in flushes:
                    self._flushes.remove(flushed)
                    flushed.set()
                if self._closed:
                    return
                if self._queue:
                    self._calls.put(False)

    def _await_call(self) -> None:
        """Wait until somebody calls, and a little longer for company unless it is urgent."""
        urgent = self._calls.get()
        end = time.monotonic() + (self._pause or self._delay)
        with contextlib.suppress(background.Empty):
            while not urgent:
                urgent = self._calls.get(timeout=max(0.0, end - time.monotonic()))
        with contextlib.suppress(background.Empty):
            while True:
                self._calls.get_nowait()
        self._called = self._hurried = False

    def _drain(self) -> None:
        """Export until the queue is empty or the exporter cannot take more."""
        while self._queue:
            batch = self._next_batch()
            if not batch:
                return
            if self._exported(batch) or not self._retry:
                self._pause = 0.0
                self._quick_refusals = 0
                continue
            if self._is_refused_for_good and self._taken_but_for_some(batch):
                continue
            self._queue.extendleft(reversed(batch))
            self._pause = min(_LONGEST_PAUSE_SECONDS, max(self._delay, self._pause * 2))
            return

    def _next_batch(self) -> list[ReadableSpan]:
        batch: list[ReadableSpan] = []
        while len(batch) < self._batch:
            try:
                batch.append(without_usage_elsewhere(self._queue.popleft()))
            except IndexError:
                break
        return batch

    def _exported(self, batch: Sequence[ReadableSpan]) -> bool:
        started = time.monotonic()
        try:
            result = self.exporter.export(batch)
        except Exception as error:  # noqa: BLE001 - somebody else's exporter
            swallow(self._place, error)
            result = SpanExportResult.FAILURE
        if result is SpanExportResult.SUCCESS:
            return True
        quick = time.monotonic() - started < _QUICK_SECONDS
        self._quick_refusals = self._quick_refusals + 1 if quick else 0
        return False

    @property
    def _is_refused_for_good(self) -> bool:
        """An exporter that refuses quickly, again and again, may not lack a connection.

        At the end of the process there is no again.
        """
        return self._quick_refusals > (0 if self._deadline.has_begun else _MOST_QUICK_REFUSALS)

    def _taken_but_for_some(self, batch: list[ReadableSpan]) -> bool:
        """Offer a batch in parts and drop what alone is refused; false where nothing is taken."""
        refused = refused_ones(batch, self._exported)
        self._quick_refusals = 0
        if refused:
            report_once(
                f"{self._place} refused",
                f"{type(self.exporter).__name__} refused {len(refused)} spans while it took "
                "others; they are dropped there. The embedded store keeps all of them.",
            )
            if self._on_drop is not None:
                guarded(f"{self._place} drop", self._on_drop, len(refused))
        return refused is not None

    # --- flush and end -------------------------------------------------------------------------

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until what has ended so far has been handed to the exporter once.

        Returns:
            False if that took longer than the timeout, or the exporter could not take it.
        """
        if not self._queue and self._worker is None:
            return True
        seconds = timeout_millis / 1000
        if not self._start():
            return self._flush_here(seconds)
        if not self._deadline.has_begun:
            return self._flush_there(seconds)
        return self._flush_there(seconds / 2) or self._flush_anew(seconds / 2)

    def _flush_there(self, seconds: float) -> bool:
        """Have the worker deliver."""
        flushed = background.Signal()
        self._flushes.append(flushed)
        self._calls.put(True)
        return flushed.wait(seconds) and not self._queue

    def _flush_anew(self, seconds: float) -> bool:
        """Have the worker deliver by another exporter than the one that it waits for.

        OpenTelemetry's sleep for many seconds between their attempts, and so miss a receiver that
        came back before the end.  Shutting one wakes it; it gives its spans back unless they
        were on their way.
        """
        waiting = self.exporter
        self._make_exporter_anew("at the end")
        if self.exporter is waiting:
            return False
        guarded(f"{self._place} shutdown", waiting.shutdown)
        return self._flush_there(seconds)

    def _flush_here(self, seconds: float) -> bool:
        """Deliver without the worker: the interpreter is shutting down and starts no thread."""
        if self._queue and not self._closed:
            if hasattr(self.exporter, "_timeout"):  # OTLP's, which have no other door
                self.exporter._timeout = max(0.1, seconds)  # noqa: SLF001 - see above
            with suppress_instrumentation():
                self._drain()
        return not self._queue

    def shutdown(self) -> None:
        """Deliver what can be delivered before the deadline, then stop."""
        if self._closed:
            return
        self.force_flush(int(self._deadline.remaining() * 1000))
        self._closed = True
        self._calls.put(True)
        if self._queue and self._on_drop is not None:
            guarded(f"{self._place} drop", self._on_drop, len(self._queue))
        guarded(f"{self._place} shutdown", self._shut_exporter)

    def _shut_exporter(self) -> None:
        """Shut the exporter, within what is left of the time where it takes a timeout."""
        shutdown = self.exporter.shutdown
        if "timeout_millis" in inspect.signature(shutdown).parameters:
            shutdown(timeout_millis=self._deadline.remaining() * 1000)  # type: ignore[call-arg]
        else:
            shutdown()


def _ends_a_run(span: ReadableSpan) -> bool:
    attributes = span.attributes
    return span.parent is None or (attributes is not None and attributes.get(semconv.KIND) == "run")
