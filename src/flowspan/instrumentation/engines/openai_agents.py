"""The OpenAI Agents SDK: runs, the turns of their agents, their tools, handoffs and guardrails.

The SDK's own traces, which are no spans of OpenTelemetry, go where they went.
"""

from __future__ import annotations

import sys
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
    ERROR_TYPE,
    EVENT_RETRY,
    EVENT_ROUTE_TAKEN,
    INTERRUPTION,
    ROUTE_ACTION,
    ROUTE_FROM,
    ROUTE_TO,
    TOOL_CALL_ID,
)

_INTERNAL: Final = "agents.run_internal"
_LOOP: Final = f"{_INTERNAL}.run_loop"
_RUNNER: Final = "agents.run:AgentRunner"
_IMPL: Final = "agents._run_impl"
"""Before 0.8 turns are methods of the runner, and what they do is all in this module."""

_TURNS: Final = f"{_INTERNAL}.turn_resolution"
_PAUSE: Final = "NextStepInterruption"
"""The SDK's name for what waits until somebody approves of a tool."""

# --- runs -----------------------------------------------------------------------------------------


def _workflow(call: Call) -> str:
    """What the program calls its workflow; else the agent that the run begins with."""
    named = getattr(call.argument("run_config"), "workflow_name", None)
    agent = call.argument("starting_agent", 2 if "streamed" in call.kwargs else 0)
    return str(agent.name if named in {None, "Agent workflow"} else named)


def _state(call: Call) -> Any:
    """The state that a run goes on with, if it does."""
    given = call.argument("run_state") or call.argument("input", 1)
    return given if type(given).__name__ == "RunState" else None


def _thread(call: Call) -> str | None:
    """What runs are grouped by, in the SDK's own order."""
    session, settings = call.argument("session"), call.argument("run_config")
    state = _state(call)
    found = (
        call.argument("conversation_id")
        or getattr(state, "_conversation_id", None)
        or getattr(session, "session_id", None)
        or getattr(settings, "group_id", None)
    )
    return str(found) if found else None


def _last_asked(responses: Any, pending: Any) -> str | None:
    """What a run that stopped and the one that goes on have in common: the last answer.

    Where the provider numbers no answers, the tool that waits.
    """
    found = getattr(responses[-1], "response_id", None) if responses else None
    if found is None and pending:
        item = pending[0].raw_item
        found = item.get("call_id") if isinstance(item, dict) else getattr(item, "call_id", None)
    return None if found is None else str(found)


def _conversation(call: Call) -> Conversation | None:
    state, thread = _state(call), _thread(call)
    if thread is not None:
        return Conversation(thread, state is not None)
    if state is None:
        return None
    pending = getattr(state._current_step, "interruptions", ())  # noqa: SLF001 - no copies
    last = _last_asked(state._model_responses, pending)  # noqa: SLF001 - as above
    return Conversation(last or "", resumes=True, told=False)


def _result(call: Call, result: Any) -> Any:
    """A streaming loop fills the result that the program already has."""
    return call.argument("streamed_result", 1) if result is None else result


def _refused(call: Call, result: Any) -> str | None:
    """Before 0.13 a streaming loop ends well where a guardrail refuses what the agent says.

    The task of these guardrails knows, from which the program is told when it reads on.
    """
    task = getattr(_result(call, result), "_output_guardrails_task", None)
    if task is None or not task.done() or task.cancelled() or task.exception() is None:
        return None
    return type(task.exception()).__name__


def _waiting(result: Any) -> Any:
    """What waits for somebody's approval, which no tool did before 0.8."""
    return getattr(result, "interruptions", ())


def _paused(call: Call, result: Any) -> Attributes:
    return {INTERRUPTION: _PAUSE} if _waiting(_result(call, result)) else NOTHING


def _goes_on_as(call: Call, result: Any) -> Conversation | None:
    """A run that is over is gone on with by nobody."""
    result = _result(call, result)
    if _thread(call) is not None or result.final_output is not None:
        return None
    last = _last_asked(result.raw_responses, _waiting(result))
    return None if last is None else Conversation(last, told=False)


_OF_RUNS: Final[dict[str, Any]] = {
    "label": "run",
    "kind": "run",
    "name": _workflow,
    "conversation": _conversation,
    "conversed": _goes_on_as,
    "response": _paused,
    "outcome": _refused,
}

# --- turns ----------------------------------------------------------------------------------------


def _agent(call: Call) -> str | None:
    """The agent itself before 0.14; since then it comes with what executes it."""
    given = call.argument("bindings", 1) or call.argument("agent")
    agent = getattr(given, "public_agent", given)
    return None if agent is None else str(agent.name)


def _handed_over(call: Call, result: Any) -> Iterator[Event]:
    wanted = call.argument("run_handoffs")[0].handoff
    giver = call.argument("public_agent") or call.argument("agent")
    route = {
        ROUTE_FROM: giver.name,
        ROUTE_TO: result.next_step.new_agent.name,
        ROUTE_ACTION: wanted.tool_name,
    }
    yield Event(EVENT_ROUTE_TAKEN, route)


def _asked_again(call: Call, decision: Any) -> Iterator[Event]:
    if decision.retry:
        failed = type(call.argument("error")).__name__
        yield Event(EVENT_RETRY, {ATTEMPT: call.argument("attempt") + 1, ERROR_TYPE: failed})


def _turn(target: str, *names: str, **further: Any) -> Patch:
    return Patch(target=target, names=names, label="turn", kind="agent", name=_agent, **further)


# --- tools and guardrails -------------------------------------------------------------------------

_FAILED: Final = "openai-agents failed tool"


def _tool(call: Call) -> str:
    tool = call.argument("function_tool") or call.argument("func_tool")
    return str(tool.name)


def _tool_request(call: Call) -> Attributes:
    context = call.argument("context") or call.argument("tool_context")
    return {TOOL_CALL_ID: getattr(context, "tool_call_id", None)}


def _note(call: Call, error: BaseException | None) -> Attributes:
    """The model is told what a tool raised, and goes on: the tool has failed all the same."""
    if error is not None and call.enclosing is not None and call.enclosing.kind == "tool":
        call.enclosing.notes.setdefault(_FAILED, type(error).__name__)
    return NOTHING


def _note_failure(call: Call) -> Attributes:
    return _note(call, call.argument("error"))


def _note_handled(call: Call) -> Attributes:
    """Before 0.11 a tool's error is told to nobody but the SDK's own span, while it is handled."""
    return _note(call, sys.exception())


def _tool_outcome(call: Call, result: Any) -> str | None:
    if call.frame is not None and _FAILED in call.frame.notes:
        return str(call.frame.notes[_FAILED])
    return "ToolTimeoutError" if getattr(result, "is_sdk_generated_error", False) else None


def _action(call: Call) -> Any:
    return call.argument("call") or call.argument("action")


def _action_tool(call: Call) -> str:
    """Tools that are no functions: the program's own, a shell, patches, a computer."""
    asked = _action(call)
    names = ("custom_tool", "local_shell_tool", "shell_tool", "apply_patch_tool", "computer_tool")
    return str(next(getattr(asked, name).name for name in names if hasattr(asked, name)))


def _action_request(call: Call) -> Attributes:
    asked = _action(call).tool_call
    known = asked.get("call_id") if isinstance(asked, dict) else getattr(asked, "call_id", None)
    return {TOOL_CALL_ID: known}


def _was_done(_call: Call, result: Any) -> bool:
    return type(result).__name__ != "ToolApprovalItem"


def _guardrail(call: Call) -> str:
    return f"guardrail {call.instance.get_name()}"


def _tripped(_call: Call, result: Any) -> str | None:
    """A guardrail that says no: of an agent, or of a tool."""
    output = getattr(result, "output", result)
    behaviour = getattr(output, "behavior", None)
    if isinstance(behaviour, dict):
        return None if behaviour.get("type") == "allow" else "tripwire"
    return "tripwire" if getattr(output, "tripwire_triggered", False) else None


INTEGRATION: Final = Integration(
    "openai-agents",
    requires="openai-agents>=0.3.3,!=0.8.*",
    engine="openai-agents",
    patches=(
        Patch(target="agents.run:AgentRunner.run", **_OF_RUNS),
        Patch(
            target=f"{_LOOP}:start_streaming",
            moved=(f"{_RUNNER}._start_streaming",),
            names=("agents.run:start_streaming",),
            **_OF_RUNS,
        ),
        _turn(
            f"{_LOOP}:run_single_turn",
            "agents.run:run_single_turn",
            moved=(f"{_RUNNER}._run_single_turn",),
        ),
        _turn(
            f"{_LOOP}:run_single_turn_streamed",
            "agents.run:run_single_turn_streamed",
            moved=(f"{_RUNNER}._run_single_turn_streamed",),
        ),
        _turn(
            f"{_TURNS}:resolve_interrupted_turn",
            f"{_LOOP}:resolve_interrupted_turn",
            "agents.run:resolve_interrupted_turn",
            optional=True,  # since 0.8
        ),
        Patch(
            target=f"{_TURNS}:execute_handoffs",
            moved=(f"{_IMPL}:RunImpl.execute_handoffs",),
            label="handoff",
            after=_handed_over,
        ),
        Patch(
            target=f"{_INTERNAL}.model_retry:_evaluate_retry",
            label="retry",
            after=_asked_again,
            optional=True,  # since 0.12
        ),
        Patch(
            target="agents.tool:_invoke_function_tool_with_metadata",
            moved=(
                "agents.tool:invoke_function_tool",
                f"{_IMPL}:RunImpl._execute_tool_with_hooks",
            ),
            names=(
                f"{_INTERNAL}.tool_execution:_invoke_function_tool_with_metadata",
                f"{_INTERNAL}.tool_execution:invoke_function_tool",
            ),
            label="tool",
            kind="tool",
            name=_tool,
            request=_tool_request,
            outcome=_tool_outcome,
            detail="normal",
        ),
        Patch(
            target="agents.tool:maybe_invoke_function_tool_failure_error_function",
            label="failed tool",
            request=_note_failure,
            detail="normal",
            optional=True,  # since 0.11
        ),
        Patch(
            target="agents.util._error_tracing:attach_error_to_current_span",
            label="failed tool",
            request=_note_handled,
            detail="normal",
        ),
        *(
            Patch(
                target=f"{_INTERNAL}.tool_actions:{action}.execute",
                moved=(f"{_IMPL}:{action}.execute",),
                label="tool",
                kind="tool",
                name=_action_tool,
                request=_action_request,
                keep=_was_done,
                detail="normal",
                optional=not always,
            )
            for action, always in (
                ("CustomToolAction", False),  # since 0.14
                ("LocalShellAction", True),
                ("ShellAction", False),  # since 0.5.1, as the next one
                ("ApplyPatchAction", False),
                ("ComputerAction", True),
            )
        ),
        *(
            Patch(
                target=f"agents.{guardrail}.run",
                label="guardrail",
                kind="internal",
                span_name=_guardrail,
                outcome=_tripped,
                detail="normal",
            )
            for guardrail in (
                "guardrail:InputGuardrail",
                "guardrail:OutputGuardrail",
                "tool_guardrails:ToolInputGuardrail",
                "tool_guardrails:ToolOutputGuardrail",
            )
        ),
    ),
)
