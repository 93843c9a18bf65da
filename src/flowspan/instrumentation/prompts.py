"""Which prompt model calls were made with: chosen on a span around them, or for a piece of code.

A choice on a span (the event ``flowspan.prompt.selected``) holds until the next one there.  A
choice for a piece of code (``Patch.prompt``) lives in the context, so that pieces that run at the
same time in one span do not mistake each other's; where no model call happens inside, the piece has
built a text for those that follow, and the choice stays on the span.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

from opentelemetry.context import Context, create_key, get_current

from flowspan import semconv
from flowspan.instrumentation.attachment import Attached
from flowspan.instrumentation.integration import NOTHING
from flowspan.instrumentation.remarks import Remark
from flowspan.safety import guarded

if TYPE_CHECKING:
    from flowspan.instrumentation.frame import CallFrame
    from flowspan.instrumentation.integration import Attributes, Call
    from flowspan.instrumentation.machine import Site

PROMPT_KEY: Final = create_key("flowspan-prompt")
"""Where the choice for a piece of code lives in the OpenTelemetry context."""


class Choice:
    """A prompt chosen for a piece of code.

    Attributes:
        owner: The frame around that code; ``None`` outside any.
        prompt: Name and version.
        used: Whether a model call inside was made with it.
    """

    __slots__ = ("owner", "prompt", "used")

    def __init__(self, owner: CallFrame | None, prompt: tuple[Any, Any]) -> None:
        self.owner = owner
        self.prompt = prompt
        self.used = False


def chosen(frame: CallFrame | None, context: Context) -> tuple[Any, Any] | None:
    """Name and version of the prompt for a model call made under ``frame``."""
    choice = context.get(PROMPT_KEY)
    while True:
        if isinstance(choice, Choice) and choice.owner is frame:
            choice.used = True
            return choice.prompt
        if frame is None or frame.prompt is not None:
            return None if frame is None else frame.prompt
        frame = frame.parent


class PromptRemark(Remark):
    """A call of a row that says which prompt it works with; it has no span."""

    __slots__ = ("_choice",)

    def __init__(self, site: Site, call: Call, frame: CallFrame | None) -> None:
        super().__init__(site, call, frame)  # type: ignore[arg-type]  # outside any, it is not asked
        self._choice: Choice | None = None

    def start(self) -> Self:
        """Tell the choice to the span in force."""
        slot = self.site.patch.prompt
        attributes: Attributes = NOTHING
        if slot is not None:
            attributes = guarded(f"{self.site.place} prompt", slot, self.call) or NOTHING
        name, version = attributes.get(semconv.PROMPT_NAME), attributes.get(semconv.PROMPT_VERSION)
        owner: CallFrame | None = self.frame
        if name is not None:
            self._choice = Choice(owner, (name, version))
        if owner is not None and self._choice is not None:
            before = owner.prompt
            owner.event(semconv.EVENT_PROMPT_SELECTED, attributes)
            owner.prompt = before
        return self

    def enter(self) -> Attached | None:
        """Make the choice current."""
        if self._choice is None:
            return None
        return Attached(Context({**get_current(), PROMPT_KEY: self._choice}))

    def is_current(self) -> bool:
        """Whether the caller is in the very piece of code that the choice is for."""
        return get_current().get(PROMPT_KEY) is self._choice

    def complete(self, result: Any) -> None:
        """Leave the choice to what follows, where nothing inside was made with it."""
        del result
        choice, owner = self._choice, self.frame
        if choice is not None and not choice.used and owner is not None and not owner.ended:
            owner.prompt = choice.prompt

    def fail(self, error: BaseException, partial: Any = None) -> None:
        """Nothing to tell."""
