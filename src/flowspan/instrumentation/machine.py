"""What invocations need of the process: tracer, instruments, settings and hooks."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from opentelemetry.trace import SpanKind

from flowspan.instrumentation.conversations import Conversations
from flowspan.instrumentation.integration import Integration, OutcomeRule, Patch
from flowspan.instrumentation.limits import Limits, limits_of
from flowspan.instrumentation.span import span_maker
from flowspan.safety import swallow
from flowspan.semconv import ENGINE, KIND, OPERATION_NAME, OPERATION_OF_KIND, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.trace import Tracer

    from flowspan.config import ContentMode, Detail
    from flowspan.instrumentation.events import EventOutlet
    from flowspan.instrumentation.hooks import CallHook
    from flowspan.instrumentation.metrics import Instruments
    from flowspan.instrumentation.span import SpanMaker

_Answer = TypeVar("_Answer")

RANK: Final[dict[str, int]] = {"minimal": 0, "normal": 1, "full": 2}


@dataclass(slots=True)
class Machine:
    """The surroundings of every invocation; made by the composition root alone.

    Attributes:
        tracer: Makes the spans.
        instruments: Take the measurements.
        outlet: Takes the events.
        hooks: Act on calls, in this order.
        detail: How much is recorded.
        content: Whether messages are recorded.
        asks_for_usage: Whether requests may be changed so that streams say their usage.
        loop_rounds: After how many rounds of a node a loop is suspected; 0 for never.
        conversations: Remember which run was the last of each.
        active: False makes every wrapper a plain call.
        start_span: Makes a span.
        limits: What fits into one that is the SDK's.
        outcomes: What users declared to be failures.
    """

    tracer: Tracer
    instruments: Instruments
    outlet: EventOutlet
    hooks: tuple[CallHook, ...] = ()
    detail: Detail = "normal"
    content: ContentMode = "off"
    asks_for_usage: bool = False
    loop_rounds: int = 5
    conversations: Conversations = field(default_factory=Conversations)
    active: bool = True
    hooks_of: dict[Kind | None, tuple[CallHook, ...]] = field(default_factory=dict)
    outcomes: tuple[OutcomeRule, ...] = ()

    start_span: SpanMaker = field(init=False)
    limits: Limits = field(init=False)

    def __post_init__(self) -> None:
        """Sort the hooks by kind, once; see how spans can be made."""
        self.start_span = span_maker(self.tracer)
        self.limits = limits_of(self.tracer)
        kinds = {kind for hook in self.hooks for kind in hook.kinds}
        self.hooks_of = {
            kind: tuple(hook for hook in self.hooks if kind in hook.kinds) for kind in kinds
        }


class Site:
    """A row where it was applied: what of it can be worked out once, before any call.

    Attributes:
        machine: The surroundings.
        patch: The row.
        place: What guards and logs call it, as ``"openai Completions.create"``.
        active: True if the user's detail asks for the row.
        base: The class whose method the row names, if it is one.
        span_kind: Of its spans: whether the work is done elsewhere.
        static: The attributes that every span of the row has.
        first_call: Done once, at the first call.
        glance: The row's.
        keep: The row's ``keep``, unless the user's detail is full.
        rules: The machine's ``outcomes``, and those of them that are about this row.
        watches: Whether the row watches a state.
        repeats: Whether it is seen when a call comes again and again.
        needs_span_around: Whether a call outside any other means nothing.
    """

    __slots__ = (
        "active",
        "base",
        "engine",
        "first_call",
        "glance",
        "integration",
        "keep",
        "kind",
        "label",
        "machine",
        "needs_span_around",
        "operation",
        "patch",
        "place",
        "repeats",
        "rules",
        "span_kind",
        "static",
        "watches",
    )

    def __init__(self, machine: Machine, integration: Integration, patch: Patch) -> None:
        self.machine = machine
        self.integration = integration
        self.patch = patch
        self.kind: Kind | None = patch.kind
        self.engine = integration.engine or integration.name
        self.label = patch.label or patch.path
        self.place = f"{integration.name} {self.label}"
        self.active = RANK[machine.detail] >= RANK[patch.detail]
        self.base: weakref.ref[type] | None = None
        self.glance = patch.glance
        self.keep = None if machine.detail == "full" else patch.keep
        self.repeats = patch.inputs is not None or patch.state is not None
        self.needs_span_around = (
            patch.kind is None and patch.prompt is None and patch.role != "receive"
        )
        self.watches = patch.state is not None or patch.update is not None
        operation = patch.operation
        self.operation = (
            operation if isinstance(operation, str) else OPERATION_OF_KIND.get(patch.kind or "")
        )
        away = patch.kind == "llm" or patch.remote
        self.span_kind = SpanKind.CLIENT if away else SpanKind.INTERNAL
        self.first_call: Callable[[], None] | None = None
        self.rules: tuple[tuple[OutcomeRule, ...], tuple[OutcomeRule, ...]] = ((), ())
        self.static: dict[str, Any] = {}
        if patch.kind is not None:
            self.static[KIND] = patch.kind
        if self.operation is not None:
            self.static[OPERATION_NAME] = self.operation
        if patch.kind == "run":
            self.static[ENGINE] = self.engine

    def ask(self, slot: str, extractor: Callable[..., _Answer], *args: Any) -> _Answer | None:
        """Call an extractor of the row; its error is accounted for, and the answer is ``None``."""
        try:
            return extractor(*args)
        except Exception as error:  # noqa: BLE001 - the guard, without building its place each time
            swallow(f"{self.place} {slot}", error)
            return None

    def ask_all(
        self, slot: str, extractor: Callable[..., Iterable[_Answer]], *args: Any
    ) -> list[_Answer]:
        """Call an extractor that answers with several, perhaps lazily."""
        try:
            return list(extractor(*args))
        except Exception as error:  # noqa: BLE001 - as above
            swallow(f"{self.place} {slot}", error)
            return []
