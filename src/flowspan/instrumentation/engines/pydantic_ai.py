"""pydantic-ai: runs of agents, their tools, what is tried again, and runs that wait.

Its own spans, which the program may switch on, stand for agents and tools then: they are adopted
inside the run, and rows make none beside them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from flowspan.instrumentation.integration import (
    NOTHING,
    Attributes,
    Call,
    Conversation,
    Event,
    Integration,
    Patch,
)
from flowspan.semconv import (
    ATTEMPT,
    CONVERSATION_ID,
    ERROR_TYPE,
    EVENT_RETRY,
    INTERRUPTION,
    TOOL_CALL_ID,
)

_PAUSE: Final = "DeferredToolRequests"
"""What a run answers that waits for somebody to agree to a tool, or to run it."""


def _name(call: Call) -> str:
    return str(getattr(call.instance, "name", None) or "agent")


def _is_not_traced(call: Call) -> bool:
    """Whether the agent makes no spans of its own."""
    agent = call.instance
    switch = getattr(agent, "instrument", None)
    if switch is None:
        switch = getattr(type(agent), "_instrument_default", None)
    model = type(getattr(agent, "model", None)).__name__
    around = getattr(getattr(agent, "root_capability", None), "capabilities", ())
    names = {type(each).__name__ for each in around}
    return not (switch or model == "InstrumentedModel" or "Instrumentation" in names)


def _is_no_tool_yet(call: Call) -> bool:
    """Whether the tool has no span of pydantic-ai's own."""
    return call.enclosing is None or call.enclosing.kind != "tool"


def _called(call: Call) -> Any:
    return call.argument("validated", 0).call


def _tool(call: Call) -> str:
    return str(_called(call).tool_name)


def _tool_request(call: Call) -> Attributes:
    return {TOOL_CALL_ID: _called(call).tool_call_id}


def _conversation(call: Call) -> Conversation | None:
    """What the program names, or what its messages are of."""
    resumes = call.argument("deferred_tool_results") is not None
    named = call.argument("conversation_id")
    given = call.argument("conversation")
    if named is None and given is not None:
        named = given.conversation_id
    if named is None:
        messages = call.argument("message_history") or ()
        ids = (getattr(message, "conversation_id", None) for message in reversed(messages))
        named = next((each for each in ids if each is not None), None)
    return None if named in {None, "new"} else Conversation(str(named), resumes)


def _waits(run: Any) -> bool:
    return type(getattr(run.result, "output", None)).__name__ == _PAUSE


def _answered(_call: Call, run: Any) -> Attributes:
    """The engine names every conversation."""
    return {CONVERSATION_ID: run.conversation_id, INTERRUPTION: _PAUSE if _waits(run) else None}


def _goes_on_as(_call: Call, run: Any) -> Conversation | None:
    return Conversation(str(run.conversation_id)) if _waits(run) else None


def _why(error: BaseException | None) -> str:
    """What a retry is for: the engine's own exception has it as its cause."""
    cause = getattr(error, "__cause__", None)
    return type(error if cause is None else cause).__name__


def _tool_failed(_call: Call, error: BaseException) -> Attributes:
    return {ERROR_TYPE: _why(error)} if type(error).__name__ == "ToolRetryError" else NOTHING


def _tool_again(call: Call, _result: Any) -> Iterator[Event]:
    """An output that is refused is told by the row for outputs."""
    name, manager = call.argument("name", 0), call.instance
    tool = manager.tools.get(name)
    if tool is not None and tool.tool_def.kind == "output":
        return
    again = {
        ATTEMPT: manager.ctx.retries.get(name, 0) + 2,
        ERROR_TYPE: type(call.argument("error", 2)).__name__,
    }
    in_tool = call.enclosing is not None and call.enclosing.kind == "tool"
    yield Event(EVENT_RETRY, again, "enclosing" if in_tool else "own")


def _output_again(call: Call, _result: Any) -> Iterator[Event]:
    error = call.argument("error", 1)
    yield Event(
        EVENT_RETRY, {ATTEMPT: call.instance.output_retries_used + 1, ERROR_TYPE: _why(error)}
    )


_QUIET: Final = ("CallDeferred", "ApprovalRequired")
"""How a tool says that it is to be run elsewhere, or not before somebody agrees."""

INTEGRATION: Final = Integration(
    "pydantic-ai",
    requires="pydantic-ai-slim>=2",
    engine="pydantic-ai",
    patches=(
        Patch(
            target="pydantic_ai.agent:Agent.iter",
            label="agent",
            kind="agent",
            name=_name,
            when=_is_not_traced,
        ),
        Patch(
            target="pydantic_ai.agent:Agent.iter",
            label="run",
            kind="run",
            name=_name,
            when=Call.is_outermost,
            conversation=_conversation,
            conversed=_goes_on_as,
            response=_answered,
        ),
        Patch(
            target="pydantic_ai.tool_manager:ToolManager._raw_execute",
            label="tool",
            kind="tool",
            name=_tool,
            request=_tool_request,
            when=_is_no_tool_yet,
            failure=_tool_failed,
            quiet=_QUIET,
            detail="normal",
            optional=True,
        ),
        Patch(
            target="pydantic_ai.tool_manager:ToolManager._check_max_retries",
            label="tool retry",
            after=_tool_again,
            optional=True,
        ),
        Patch(
            target="pydantic_ai._agent_graph:GraphAgentState.consume_output_retry",
            label="output retry",
            after=_output_again,
            optional=True,
        ),
    ),
)
