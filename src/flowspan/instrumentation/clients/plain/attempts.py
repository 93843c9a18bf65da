"""A request inside somebody else's model call: an attempt of it, which makes no span.

The call around hears of a retry from the second attempt on.  Libraries may lie on each other
(requests on urllib3), so that one attempt is told twice: what failed is noted once and taken once.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any, Final

from flowspan import semconv
from flowspan.instrumentation.clients.plain.calls import is_owned
from flowspan.instrumentation.clients.plain.library import Library, status, told
from flowspan.instrumentation.clients.wire.failing import is_page_by, status_error
from flowspan.instrumentation.integration import Attributes, Call, Event, Frame, Patch

LATEST_RESPONSE: Final = "http.response"
"""Where a model call's frame notes a weak reference to the latest response received for it.

Weak, because a streamed response that nobody reads any more must be seen to be dropped.
"""

LATEST_HEADERS: Final = "http.headers"
"""Where a model call's frame notes the headers of that response, which may be gone."""

ANSWERED: Final = "http.answered"
"""Where a model call's frame notes whether its latest request was answered: not refused, and not
with a page of HTML."""

_RETRIES: Final = "http.retries"


def row(library: Library, target: str) -> Patch:
    """The row of a method that sends, for what it sends inside a model call."""

    def retry(call: Call) -> Iterable[Event]:
        return _retry(call, library.earlier(call))

    return Patch(
        target=target,
        label=f"{target.partition(':')[2]} attempt",
        before=retry,
        after=_attempted,
        failure=_failed,
        when=is_owned,
    )


def _retry(call: Call, earlier: str | None) -> Iterable[Event]:
    """Say that the call around is tried again, if an attempt before this one failed."""
    frame = call.frame
    if frame is None:
        return ()
    failed = frame.notes.pop(_failure_of(call), None) or earlier
    return () if failed is None else (retried(frame, failed),)


def retried(frame: Frame, failed: str) -> Event:
    """A further attempt of a model call, because of a failure: counted, and an event of it."""
    retries = frame.notes[_RETRIES] = frame.notes.get(_RETRIES, 0) + 1
    frame.describe({semconv.RETRY_COUNT: retries})
    attributes = {semconv.ATTEMPT: retries + 1, semconv.ERROR_TYPE: failed}
    return Event(semconv.EVENT_RETRY, attributes)


def _attempted(call: Call, result: Any) -> Iterable[Event]:
    failed = status_error(status(result))
    if call.frame is not None:
        call.frame.describe(told(result))
        call.frame.notes[LATEST_RESPONSE] = weakref.ref(result)
        headers = call.frame.notes[LATEST_HEADERS] = getattr(result, "headers", None)
        call.frame.notes[ANSWERED] = failed is None and not is_page_by(headers)
        if failed is not None:
            call.frame.notes[_failure_of(call)] = failed
    return ()


def _failed(call: Call, error: BaseException) -> Attributes:
    if call.frame is not None:
        call.frame.notes[_failure_of(call)] = type(error).__qualname__
        call.frame.notes[ANSWERED] = False
    return {}


def _failure_of(call: Call) -> str:
    """Where a failure is noted: what an SDK asks beside its call, by GET, is no attempt of it."""
    sent = call.argument("request", 0)
    # Some libraries send a request, others are given its method first.
    method = getattr(sent, "method", None) or call.argument("method", 0)
    return f"http.failed.{method.upper() if isinstance(method, str) else ''}"
