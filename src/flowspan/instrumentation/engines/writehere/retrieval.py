"""Rows of ``recursive/executor``: the search agent, its tool, and errors that become results."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from flowspan.instrumentation.engines.writehere.frames import FORWARD, is_in
from flowspan.instrumentation.integration import Call, Event, Patch


def _initializing(call: Call) -> Iterable[Event]:
    if is_in(call, FORWARD):
        attributes = {
            "prompt_version": call.argument("prompt_version", 0),
            "model": call.argument("model", default="gpt-4o"),
            "max_turn": call.argument("max_turn", default=10),
        }
        yield Event("Initializing React Agent", attributes)


def _calling(call: Call) -> Iterable[Event]:
    if is_in(call, FORWARD):  # the message is the task's goal, which the span has too
        yield Event("Calling React Agent chat", {"message": str(call.argument("message", 0))})


def _processing(call: Call, result: Any) -> Iterable[Event]:
    if is_in(call, FORWARD) and isinstance(result, dict):
        pages = sum(len(turn.get("web_pages") or ()) for turn in result.get("result") or ())
        attributes = {"num_pages": pages, "num_turns": len(result.get("ori") or ())}
        yield Event("Processing React Agent results", attributes)


def _swallowed(call: Call, result: Any) -> Iterable[Event]:
    """The engine turns a tool's exception into a result, which nobody looks at."""
    state = getattr(result, "state", None)
    if state is not None and int(state) != 0:
        attributes = {
            "action.name": f"{call.instance.name}.{call.argument('name', 1, default='run')}",
            "action.state": getattr(state, "name", str(state)),
        }
        yield Event("Action failed", attributes)


_SEARCH_AGENT: Final = "recursive.executor.agents.claude_fc_react:SearchAgent"

PATCHES: Final = (
    Patch(target=f"{_SEARCH_AGENT}.__init__", before=_initializing, detail="normal"),
    Patch(target=f"{_SEARCH_AGENT}.chat", before=_calling, after=_processing, detail="normal"),
    Patch(
        target="recursive.executor.actions.bing_browser:BingBrowser.full_pipeline_search",
        kind="tool",
        name="BingBrowser.full_pipeline_search",
        detail="normal",
    ),
    Patch(
        target="recursive.executor.actions.base_action:BaseAction.__call__",
        label="action",
        after=_swallowed,
        detail="normal",
    ),
)
