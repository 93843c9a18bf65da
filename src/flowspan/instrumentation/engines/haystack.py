"""Haystack: pipelines are runs, their components nodes, agents and tools what they are.

Haystack's own tracing is made by a backend that the program chooses; it goes on as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from flowspan.instrumentation.integration import (
    Attributes,
    Call,
    Conversation,
    Event,
    Integration,
    Patch,
)
from flowspan.semconv import (
    EVENT_ROUTE_TAKEN,
    INTERRUPTION,
    NODE_ID,
    RESUMED,
    ROUTE_ACTION,
    ROUTE_FROM,
    ROUTE_TO,
    STEP_NAME,
)

_PIPELINE: Final = "haystack.core.pipeline.pipeline:Pipeline"
_AGENT: Final = "haystack.components.agents.agent:Agent"


def _workflow(call: Call) -> str:
    """The name that the program gave in the pipeline's metadata."""
    metadata: Any = getattr(call.instance, "metadata", None) or {}
    return str(metadata.get("name") or type(call.instance).__name__)


def _component(call: Call) -> Attributes:
    name = str(call.argument("component_name", 0))
    return {STEP_NAME: name, NODE_ID: name}


def _inputs(call: Call) -> Any:
    return call.kwargs.get("component_inputs", call.argument("inputs", 2))


def _agent(call: Call) -> str:
    """A component has the name by which its pipeline knows it."""
    return str(getattr(call.instance, "__component_name__", None) or "agent")


def _is_no_part(call: Call) -> bool:
    """Whether it is not the other method of a tool that is under way."""
    around = call.enclosing
    return around is None or around.kind != "tool" or around.call.instance is not call.instance


def _tool(call: Call) -> str:
    return str(call.instance.name)


_QUIET: Final = ("BreakpointException",)


def _broke(_call: Call, error: BaseException) -> Attributes:
    """A breakpoint stops a pipeline, for somebody to look and to go on later."""
    return {INTERRUPTION: type(error).__name__ if type(error).__name__ in _QUIET else None}


def _resumes(call: Call) -> Attributes:
    return {RESUMED: call.kwargs.get("pipeline_snapshot") is not None or None}


def _continued(call: Call) -> Conversation | None:
    return _of_snapshot(call.kwargs.get("pipeline_snapshot"), resumes=True)


def _stopped(_call: Call, end: Any) -> Conversation | None:
    return _of_snapshot(getattr(end, "pipeline_snapshot", None))


def _of_snapshot(snapshot: Any, *, resumes: bool = False) -> Conversation | None:
    """What stopped and what goes on know one thing of each other: when the snapshot was taken."""
    if snapshot is None or snapshot.timestamp is None:
        return None
    return Conversation(snapshot.timestamp.isoformat(), resumes, told=False)


def _chosen(call: Call, result: Any) -> Iterable[Event]:
    """A component that gave some of its outputs and not others has chosen what follows."""
    pipeline = call.nearest("run")
    declared = call.argument("component", 1).get("output_sockets") or ()
    if pipeline is None or not hasattr(pipeline.call.instance, "graph") or not result:
        return
    if len(declared) <= len(result):
        return
    name = str(call.argument("component_name", 0))
    edges = [
        (to, edge["from_socket"].name)
        for _, to, edge in pipeline.call.instance.graph.edges(name, data=True)
    ]
    for socket in result:
        told = {ROUTE_FROM: name, ROUTE_ACTION: str(socket)}
        following = [to for to, given in edges if given == socket]
        for to in following:
            yield Event(EVENT_ROUTE_TAKEN, {**told, ROUTE_TO: to})
        if not following:
            yield Event(EVENT_ROUTE_TAKEN, told)


INTEGRATION: Final = Integration(
    "haystack",
    requires="haystack-ai>=3",
    engine="haystack",
    patches=(
        *(
            Patch(
                target=f"{_PIPELINE}.{method}",
                label="run",
                kind="run",
                name=_workflow,
                request=_resumes,
                conversation=_continued,
                conversed=_stopped,
                failure=_broke,
                quiet=_QUIET,
            )
            for method in ("run", "run_async_generator")
        ),
        *(
            Patch(
                target=f"{_PIPELINE}.{method}",
                label="component",
                kind="node",
                request=_component,
                inputs=_inputs,
                after=_chosen,
                failure=_broke,
                quiet=_QUIET,
            )
            for method in ("_run_component", "_run_component_async")
        ),
        *(
            row
            for method in ("run", "run_async")
            for row in (
                Patch(
                    target=f"{_AGENT}.{method}",
                    label="agent",
                    kind="agent",
                    name=_agent,
                    failure=_broke,
                    quiet=_QUIET,
                ),
                Patch(
                    target=f"{_AGENT}.{method}",
                    label="run",
                    kind="run",
                    name=_agent,
                    when=Call.is_outermost,
                    failure=_broke,
                    quiet=_QUIET,
                ),
            )
        ),
        *(
            Patch(
                target=f"haystack.tools.tool:Tool.{method}",
                label="tool",
                kind="tool",
                name=_tool,
                when=_is_no_part,
                detail="normal",
            )
            for method in ("invoke", "invoke_async")
        ),
    ),
)
