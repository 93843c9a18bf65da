"""Google's ADK: its own spans, adopted; handoffs, runs that wait, and runs that go on.

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


def _goes_on(_call: Call, found: Any) -> Attributes:
    return NOTHING if found is None else {RESUMED: True}


def _waits(_call: Call, found: Any) -> Attributes:
    return {INTERRUPTION: _PAUSE} if found else NOTHING


INTEGRATION: Final = Integration(
    "google-adk",
    requires="google-adk>=2.13",
    engine="google-adk",
    patches=(
        Patch(
            target="google.adk.tools.transfer_to_agent_tool:transfer_to_agent",
            label="handoff",
            after=_handed_over,
        ),
        Patch(
            target="google.adk.flows.llm_flows.functions:get_long_running_function_calls",
            label="waits",
            response=_waits,
        ),
        Patch(target=f"{_RUNNER}._resolve_invocation_id", label="resumed", response=_goes_on),
        Patch(
            target=f"{_RUNNER}._resolve_invocation_id_from_fr", label="resumed", response=_goes_on
        ),
    ),
)
