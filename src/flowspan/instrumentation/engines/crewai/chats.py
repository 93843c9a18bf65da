"""Rows of ``crewai chat``: one run, with a step for what it finds out first and for each question.

A model of the crew's (``chat_llm``) talks to the user, and is given the crew as a tool.  Chats of
conversational Flows need no rows: each turn is a run of the Flow.
"""

from __future__ import annotations

from typing import Any, Final

from flowspan.instrumentation.engines.crewai.places import CREW
from flowspan.instrumentation.integration import Attributes, Call, Patch
from flowspan.semconv import STEP_INDEX

_MODULE: Final = "crewai.utilities.crew_chat"
_EARLIER: Final = "crewai.cli.crew_chat"

_CHAT: Final = "chat"
_TURNS: Final = "turns of a chat"
_LEAVING: Final = "exit"


def _is_chatting(call: Call) -> bool:
    return call.nearest(_CHAT) is not None


def _says_something(call: Call) -> bool:
    said = str(call.argument("user_input", 0)).strip().lower()
    return _is_chatting(call) and said not in ("", _LEAVING)


def _turn(call: Call) -> Attributes:
    notes = {} if (chat := call.nearest(_CHAT)) is None else chat.notes
    notes[_TURNS] = index = notes.get(_TURNS, 0) + 1
    return {STEP_INDEX: index}


def _crew_name(call: Call) -> str:
    return str(getattr(call.argument("crew", 0), "name", None) or CREW)


def _row(function: str, **row: Any) -> Patch:
    return Patch(target=f"{_MODULE}:{function}", moved=(f"{_EARLIER}:{function}",), **row)


PATCHES: Final = (
    _row("run_chat", label=_CHAT, kind="run", name=_CHAT),
    _row(
        "generate_crew_chat_inputs",
        label="look",
        kind="step",
        name="look at the crew",
        when=_is_chatting,
        request=lambda _call: {STEP_INDEX: 0},
        detail="normal",
    ),
    _row(
        "handle_user_input",
        label="turn",
        kind="step",
        name="turn",
        when=_says_something,
        request=_turn,
        detail="normal",
    ),
    _row(
        "run_crew_tool",
        label="crew as a tool",
        kind="tool",
        name=_crew_name,
        when=_is_chatting,
        detail="normal",
    ),
)
