"""Model calls inside a model call that defers to them: no spans of their own, but what they know.

A library above the SDKs owns the call: one span, one usage.  Nearer to the provider more is known
of it, though: tokens that the library does not pass on, cache tokens, the address, how far a stream
came that was dropped.  So an SDK's or an HTTP library's call inside such a call is followed to its
end as any other, and tells its owner what it found.

::

    litellm.completion        owner: the span
      └─ Completions.create   Inner: usage and attributes, handed up at its end
           └─ Client.send     an attempt: retries are events of the owner
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flowspan import semconv
from flowspan.instrumentation import streams
from flowspan.instrumentation.integration import NOTHING
from flowspan.instrumentation.invocation import Invocation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context

    from flowspan.instrumentation.integration import Attributes, Call
    from flowspan.instrumentation.machine import Site
    from flowspan.usage import Usage

_HANDED_UP: Final = (
    semconv.PROVIDER_NAME,
    semconv.REQUEST_MODEL,
    semconv.SERVER_ADDRESS,
    semconv.SERVER_PORT,
    semconv.REQUEST_TEMPERATURE,
    semconv.REQUEST_TOP_P,
    semconv.REQUEST_TOP_K,
    semconv.REQUEST_MAX_TOKENS,
    semconv.REQUEST_STOP_SEQUENCES,
    semconv.REQUEST_SEED,
    semconv.REQUEST_FREQUENCY_PENALTY,
    semconv.REQUEST_PRESENCE_PENALTY,
    semconv.REQUEST_CHOICE_COUNT,
    semconv.REQUEST_REASONING_LEVEL,
    semconv.OUTPUT_TYPE,
    semconv.RESPONSE_ID,
    semconv.RESPONSE_MODEL,
    semconv.RESPONSE_FINISH_REASONS,
    semconv.PROVIDER_REQUEST_ID,
    semconv.SERVICE_TIER,
    semconv.HTTP_STATUS_CODE,
)
"""What an owner takes of a call inside it, where it has nothing of its own."""

_OF_SUCCESS: Final = frozenset(
    {semconv.RESPONSE_ID, semconv.RESPONSE_MODEL, semconv.RESPONSE_FINISH_REASONS}
)


_OF_THE_LATEST: Final = (semconv.PROVIDER_REQUEST_ID, semconv.HTTP_STATUS_CODE)


class Reports:
    """What the calls inside one model call reported so far.

    Attributes:
        tools: Whether any said which tools the model asked for.
    """

    def __init__(self, owner: Invocation) -> None:
        self.tools = False
        self._owner = owner
        self._open: list[Inner] = []
        self._usage: Usage | None = None
        self._attributes: dict[str, Any] = {}
        self._failed: str | None = None
        self._refused: str | None = None
        self._retries = 0

    def began(self, inner: Inner) -> None:
        """A call begins; after one that failed it is another attempt."""
        self._open.append(inner)
        failed, self._failed = self._failed, None
        # An HTTP library's calls are counted as attempts by its own row.
        if failed is not None and inner.attributes.get(semconv.TRANSPORT) != "http":
            self.retried({semconv.ERROR_TYPE: failed})

    def retried(self, attributes: Attributes) -> None:
        """The provider was asked once more."""
        self._retries += 1
        self._owner.event(semconv.EVENT_RETRY, {**attributes, semconv.ATTEMPT: self._retries + 1})
        self._owner.describe({semconv.RETRY_COUNT: self._retries})

    def ended(self, inner: Inner, usage: Usage | None) -> None:
        """A call ended."""
        if inner in self._open:
            self._open.remove(inner)
        self._failed = inner.attributes.get(semconv.ERROR_TYPE)
        self._refused = self._failed if inner.refused else None
        if usage is not None:
            self._usage = usage if self._usage is None else self._usage.plus(usage)
        for name in _OF_THE_LATEST:
            self._attributes.pop(name, None)
        for name in _HANDED_UP:
            value = inner.attributes.get(name)
            if value is not None and (self._failed is None or name not in _OF_SUCCESS):
                self._attributes[name] = value  # the latest: it is the one that answered

    def settle(self) -> None:
        """The owner ends: whatever is still open inside has ended with it."""
        for inner in tuple(self._open):
            inner.stop()

    def added(self, usage: Usage | None) -> Usage | None:
        """The owner's usage, or the one that was told where that knows more."""
        self.settle()
        known = self._owner.attributes
        for name, value in self._attributes.items():
            if name not in known or _is_known_better(name, value, known[name]):
                known[name] = value
        told = self._usage
        if self._refused is not None and told is None and (usage is None or usage.estimated):
            known.setdefault(semconv.ERROR_TYPE, self._refused)
            return None
        if told is None or (usage is not None and told.estimated and not usage.estimated):
            return usage
        return told


def _is_known_better(name: str, told: Any, own: Any) -> bool:
    """Whether a call inside knows what its owner has as well better.

    An id of a library's own making finds nothing at the provider; one that makes a stream of
    several choices one text gives one reason for all of them.
    """
    if name == semconv.RESPONSE_FINISH_REASONS:
        return len(told) > len(own)
    return name == semconv.RESPONSE_ID


class Inner(Invocation):
    """A model call whose span is its owner's.

    Attributes:
        refused: Its answer said that it is none; the library above may make an empty one of it.
    """

    __slots__ = ("_owner", "_reports", "refused")

    def __init__(
        self, site: Site, call: Call, owner: Invocation, reports: Reports, outer: Context
    ) -> None:
        super().__init__(site, call, owner, outer)
        self._owner = owner
        self._reports = reports
        self.refused = False
        self._around = self  # its span is in the context: none has to be made

    def start(self) -> Inner:
        """Describe the request; nothing begins but the following."""
        patch = self.site.patch
        self._name()
        if patch.request is not None:
            self._take(self.site.ask("request", patch.request, self.call))
        if patch.snapshot is not None:
            self.call.snapshot = self.site.ask("snapshot", patch.snapshot, self.call)
        self._reports.began(self)
        return self

    def is_nearest(self, span: Any) -> bool:
        """Whether ``span`` is the owner's, or one between that is somebody else's."""
        return super().is_nearest(span) or self._owner.is_nearest(span)

    def materialise(self) -> Context:
        """The context of the owner's span."""
        return self.own_context()

    def describe(self, attributes: Mapping[str, Any]) -> None:
        """Tell the owner what an attempt inside found out; retries are counted by the reports."""
        found = {name: value for name, value in attributes.items() if name != semconv.RETRY_COUNT}
        if found and not self.ended:
            self._owner.describe(found)

    def event(
        self, name: str, attributes: Attributes = NOTHING, timestamp: int | None = None
    ) -> None:
        """Add an event to the owner's span."""
        if self.ended:
            return
        if name == semconv.EVENT_RETRY:
            self._reports.retried(attributes)
            return
        self._reports.tools |= name == semconv.EVENT_TOOL_REQUESTED
        self._owner.event(name, attributes, timestamp)

    def chunk(self) -> None:
        """The owner sees its own first chunk."""

    def complete(self, result: Any) -> None:
        """End after a result."""
        if not self._claimed():
            return
        patch, site = self.site.patch, self.site
        if patch.response is not None:
            self._take(site.ask("response", patch.response, self.call, result))
        if patch.outcome is not None:
            kind = site.ask("outcome", patch.outcome, self.call, result)
            self._take({semconv.ERROR_TYPE: kind})
            self.refused = kind is not None
        self._end(self._usage(result), None)

    def fail(self, error: BaseException, partial: Any = None) -> None:
        """End after an exception, which the owner describes if it gets there."""
        if not self._claimed():
            return
        site, patch = self.site, self.site.patch
        if patch.failure is not None:
            self._take(site.ask("failure", patch.failure, self.call, error))
        if partial is None and patch.salvage is not None:
            partial = site.ask("salvage", patch.salvage, self.call, error)
        usage = self._partial(partial)
        if isinstance(error, Exception):
            self.attributes.setdefault(semconv.ERROR_TYPE, type(error).__qualname__)
        self._end(usage, error)

    def abandon(self, partial: Any = None) -> None:
        """End early; that it was is said by the owner."""
        if self._claimed():
            self._end(self._partial(partial), None)

    def never_begun(self) -> None:
        """End as if it had not been; its owner goes on."""
        self.abandon()

    def stop(self) -> None:
        """End with the owner."""
        observation = streams.of(self)
        if observation is None:
            self.abandon()
        else:
            observation.dropped()

    def _record_content(self, result: Any) -> None:
        """Messages are the owner's to record."""

    def _end(self, usage: Usage | None, error: BaseException | None, *, drop: bool = False) -> None:
        del error, drop
        self.ended = True
        self._reports.ended(self, usage)
        self.release()


def within(owner: Any, site: Site, call: Call, outer: Context) -> Inner | None:
    """The follower of a model call inside another one; ``None`` where that one knows it all."""
    if not owner.defers or site.patch.defers:
        return None
    if owner.reports is None:
        owner.reports = Reports(owner)
    inner = Inner(site, call, owner, owner.reports, outer)
    call.frame = inner
    return inner.start()
