"""What the toy engine's functions mean to flowspan: its integration."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from benchmarks.engine import HOST, WORKFLOW
from flowspan import semconv
from flowspan.instrumentation.integration import Attributes, Call, Event, Integration, Patch
from flowspan.usage import Usage


def _transition(call: Call) -> Iterable[Event]:
    return (
        Event(
            semconv.EVENT_STATE_TRANSITION,
            {
                semconv.STATE_FROM: call.instance.status,
                semconv.STATE_TO: call.args[0],
                semconv.STATE_CAUSE: call.args[1],
                semconv.NODE_ID: call.instance.key,
            },
        ),
    )


def _chosen(_call: Call, prompt: Any) -> Iterable[Event]:
    return (
        Event(
            semconv.EVENT_PROMPT_SELECTED,
            {
                semconv.PROMPT_NAME: prompt.name,
                semconv.PROMPT_VERSION: prompt.version,
                semconv.PROMPT_REASON: "only one",
            },
        ),
    )


def _request(call: Call) -> Attributes:
    request = call.args[0]
    return {
        semconv.PROVIDER_NAME: "openai",
        semconv.SERVER_ADDRESS: HOST,
        semconv.REQUEST_TEMPERATURE: request["temperature"],
        semconv.REQUEST_MAX_TOKENS: request["max_tokens"],
    }


def _response(_call: Call, answer: dict[str, Any]) -> Attributes:
    return {
        semconv.RESPONSE_ID: answer["id"],
        semconv.RESPONSE_MODEL: answer["model"],
        semconv.RESPONSE_FINISH_REASONS: answer["finish_reasons"],
    }


def _usage(_call: Call, answer: dict[str, Any]) -> Usage:
    return Usage(
        input_tokens=answer["input_tokens"],
        output_tokens=answer["output_tokens"],
        cache_read_tokens=answer["cached_tokens"],
    )


def _node_id(call: Call) -> Attributes:
    return {semconv.NODE_ID: call.instance.key}


def _name(call: Call) -> str:
    return str(call.instance.name)


def _workflow(_call: Call) -> str:
    return WORKFLOW


ENGINE: Final = Integration(
    "toy",
    "",
    (
        Patch(target="benchmarks.engine:Engine.run", kind="run", name=_workflow),
        Patch(target="benchmarks.engine:Engine.step", kind="step", name="step"),
        Patch(target="benchmarks.engine:Node.execute", kind="node", name=_name, request=_node_id),
        Patch(target="benchmarks.engine:Node.around", kind="node", name=_name, request=_node_id),
        Patch(target="benchmarks.engine:Node.move_to", before=_transition),
        Patch(target="benchmarks.engine:Agent.work", kind="agent", name=_name),
        Patch(target="benchmarks.engine:Agent.choose", after=_chosen),
        Patch(
            target="benchmarks.engine:Model.chat",
            kind="llm",
            name=lambda call: call.args[0]["model"],
            request=_request,
            response=_response,
            usage=_usage,
        ),
    ),
    engine="toy",
)
