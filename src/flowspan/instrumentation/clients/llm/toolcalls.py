"""Tools that a model asked for, as they run.

``execute_tool_calls`` runs them, one after the other or side by side, and turns what they raise
into text for the model.  So the span is around each implementation, where the exception still is
one.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from flowspan import semconv
from flowspan.instrumentation.clients.wire.reading import read, word
from flowspan.instrumentation.integration import Attributes, Call

RUNNERS: Final = ("execute_tool_calls", "run_async")
"""The functions of ``llm`` that run implementations; whoever else asks for one gets it as it is."""

_MODULE: Final = "llm.models"
_LOCALS: Final = ("tool_call", "tc")
_DEEPEST: Final = 60


def tool_name(call: Call) -> str | None:
    """The name under which the model knows the tool."""
    return word(getattr(call.instance, "name", None))


def request(call: Call) -> Attributes:
    """The id by which the answer is sent back; only the local variables of the runner know it."""
    del call
    frame = sys._getframe(1)  # noqa: SLF001 - the one door to the caller
    for _ in range(_DEEPEST):
        if frame.f_code.co_name in RUNNERS and frame.f_globals.get("__name__") == _MODULE:
            return {semconv.TOOL_CALL_ID: _id_among(frame.f_locals)}
        if frame.f_back is None:
            break
        frame = frame.f_back
    return {}


def _id_among(variables: Any) -> str | None:
    for name in _LOCALS:
        if name in variables:
            return word(read(variables[name], "tool_call_id"))
    return None
