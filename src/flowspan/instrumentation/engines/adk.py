"""Google's ADK: its own spans, adopted; handoffs, failed tools, runs that wait and that go on.

These its spans do not tell; no row makes a span.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from flowspan.instrumentation.integration import (
    NOTHING,
    Attributes,
    Call,
    Event,
    Integration,
    Patch,
)
from flowspan.semconv import (
    CONVERSATION_ID,
    ERROR_TYPE,
    EVENT_ROUTE_TAKEN,
    INTERRUPTION,
    RESUMED,
    ROUTE_ACTION,
    ROUTE_FROM,
    ROUTE_TO,
)

_RUNNER: Final = "google.adk.runners:Runner"
_PAUSE: Final = "long_running_tool"
"""What a run waits for: somebody is to answer in the tool's place, some time later."""


def _handed_over(call: Call, _result: Any) -> Iterator[Event]:
    context = call.argument("tool_context", 1)
    route = {
        ROUTE_FROM: context.agent_name,
        ROUTE_TO: call.argument("agent_name", 0),
        ROUTE_ACTION: "transfer_to_agent",
    }
    yield Event(EVENT_ROUTE_TAKEN, route)


def _session(_call: Call, session: Any) -> Attributes:
    """Before 2.13 a run's own span does not say which session it is of."""
    return NOTHING if session is None else {CONVERSATION_ID: session.id}


def _session_of(call: Call) -> Attributes:
    return _session(call, call.argument("session", 0))


def _goes_on(_call: Call, found: Any) -> Attributes:
    return NOTHING if found is None else {RESUMED: True}


def _waits(_call: Call, found: Any) -> Attributes:
    return {INTERRUPTION: _PAUSE} if found else NOTHING


def _failed(call: Call) -> Attributes:
    """A callback may answer in place of a tool that raised, which has failed all the same."""
    return {ERROR_TYPE: type(call.argument("error")).__name__}


INTEGRATION: Final = Integration(
    "google-adk",
    requires="google-adk>=1.5",
    engine="google-adk",
    patches=(
        Patch(
            target="google.adk.tools.transfer_to_agent_tool:transfer_to_agent",
            names=("google.adk.flows.llm_flows.agent_transfer:transfer_to_agent",),
            label="handoff",
            after=_handed_over,
        ),
        Patch(
            target="google.adk.flows.llm_flows.functions:get_long_running_function_calls",
            label="waits",
            response=_waits,
        ),
        Patch(
            target="google.adk.plugins.plugin_manager:PluginManager.run_on_tool_error_callback",
            label="failed tool",
            request=_failed,
            optional=True,  # not in early versions
        ),
        Patch(
            target=f"{_RUNNER}._get_or_create_session",
            label="session",
            response=_session,
            optional=True,  # not in early versions
        ),
        Patch(target=f"{_RUNNER}._new_invocation_context", label="session", request=_session_of),
        *(
            Patch(
                target=target,
                label="resumed",
                response=_goes_on,
                optional=True,  # in some versions one, in some another
            )
            for target in (
                f"{_RUNNER}._resolve_invocation_id",
                f"{_RUNNER}._resolve_invocation_id_from_fr",
                "google.adk.runners:find_matching_function_call",
            )
        ),
    ),
)
