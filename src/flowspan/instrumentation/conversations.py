"""Which run was the last of each conversation, so that one that resumes it is linked to it.

Only identities of spans are kept, of the newest conversations.  Where this process knows of no run,
another one may have had it: whoever remembers runs beyond the process (the embedded store) is
asked.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from flowspan.safety import guarded

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import SpanContext

MOST: Final = 4096
"""How many conversations are remembered."""


class Conversations:
    """The last run of each conversation.

    Attributes:
        recall: Finds the last run of a conversation, by engine and id, beyond this process.
    """

    def __init__(self, recall: Callable[[str, str], SpanContext | None] | None = None) -> None:
        self.recall = recall
        self._latest: OrderedDict[tuple[str, str], SpanContext] = OrderedDict()

    def latest(self, engine: str, conversation: str, *, beyond: bool = True) -> SpanContext | None:
        """The span of its last run, if anybody knows; who is ``beyond`` this process included."""
        found = self._latest.get((engine, conversation))
        if found is None and beyond and self.recall is not None:
            return guarded("the run that is resumed", self.recall, engine, conversation)
        return found

    def remember(self, engine: str, conversation: str, span: SpanContext) -> None:
        """From now on this is its last run."""
        key = engine, conversation
        with contextlib.suppress(KeyError):  # another thread may have put it out in between
            self._latest[key] = span
            self._latest.move_to_end(key)
            if len(self._latest) > MOST:
                self._latest.popitem(last=False)
