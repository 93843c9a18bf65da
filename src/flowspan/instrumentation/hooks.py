"""The seam between seeing a call and acting on it.

The machine sees; hooks act.  ``before`` may refuse a call (raise a ``FlowspanError``) or answer it
(:class:`Replay`); ``after`` returns what it found out, as attributes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from flowspan.instrumentation.integration import NOTHING

if TYPE_CHECKING:
    from decimal import Decimal

    from flowspan.instrumentation.integration import Attributes, Call, Frame
    from flowspan.semconv import Kind
    from flowspan.usage import Usage


@dataclass(frozen=True, slots=True)
class Replay:
    """An answer that a hook gives in place of the call.

    Attributes:
        result: What the program gets.
    """

    result: Any


class Visit(Protocol):
    """A call under way, as hooks see it."""

    @property
    def kind(self) -> Kind | None:
        """Role of the call's span."""

    @property
    def call(self) -> Call:
        """The call itself."""

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Every attribute known so far."""

    @property
    def started_ns(self) -> int:
        """Start, in nanoseconds of the epoch."""

    @property
    def workflow(self) -> str | None:
        """Name of the workflow that the call belongs to."""

    @property
    def step(self) -> str | None:
        """Name of the nearest node or step around the call."""

    @property
    def parent(self) -> Frame | None:
        """The frame around the call."""

    def event(self, name: str, attributes: Attributes = NOTHING) -> None:
        """Add an event to the call's span, now."""

    def charge(self, amount: Decimal) -> None:
        """Say what the call cost, in US dollars."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended.

    Attributes:
        usage: Tokens of a model call; ``None`` where nothing is known of them.
        error: What it raised.
        replayed: True if a hook answered it.
    """

    usage: Usage | None = None
    error: BaseException | None = None
    replayed: bool = False


class CallHook(Protocol):
    """Acts before and after calls of certain kinds.  Hooks run in the order they were given."""

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds of calls that it acts on."""

    def before(self, visit: Visit) -> Replay | None:
        """Refuse the call by raising a ``FlowspanError``, answer it, or do nothing."""

    def after(self, visit: Visit, outcome: Outcome) -> Attributes | None:
        """Say what is known now; called once for each ``before``, also after failures."""
