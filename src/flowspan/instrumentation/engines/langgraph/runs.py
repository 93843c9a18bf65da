"""Rows of runs: every way to run a compiled graph leads through its two streams.

``invoke``, ``batch``, ``stream_events`` and a graph that is a node of another one read a stream to
its end; the run lasts as long as it is read.
"""

from __future__ import annotations

from typing import Any, Final

from flowspan.instrumentation.engines.langgraph.places import (
    AGENT,
    NODE,
    QUIET,
    RUN,
    configurable,
    frames,
    interruption,
    values,
)
from flowspan.instrumentation.integration import Attributes, Call, Conversation, Judged, Patch
from flowspan.semconv import CONVERSATION_ID

_UNNAMED: Final = "LangGraph"

_AGENT_MODULES: Final = frozenset(
    {"langchain.agents.factory", "langgraph.prebuilt.chat_agent_executor"}
)
"""Where the agents that come with the library have the node that asks the model."""

_MODEL_NODES: Final = ("model", "agent")


def is_agent(graph: Any, *_: Any) -> bool:
    """Whether a graph is one of the library's own agents, under whatever name."""
    nodes = graph.nodes
    for name in _MODEL_NODES:
        bound = getattr(nodes.get(name), "bound", None)
        function = getattr(bound, "func", None) or getattr(bound, "afunc", None)
        if getattr(function, "__module__", None) in _AGENT_MODULES:
            return True
    return False


def _is_run(call: Call) -> bool:
    """An agent inside a run is an agent, and no run of its own."""
    return call.enclosing is None or not is_agent(call.instance)


def _workflow(call: Call) -> str:
    """The graph's name; one without is named by its only function, or by the node that it is."""
    graph = call.instance
    if graph.name != _UNNAMED:
        return str(graph.name)
    if len(graph.nodes) == 1:
        return str(next(iter(graph.nodes)))
    around = call.nearest(NODE)
    return _UNNAMED if around is None else str(around.call.args[0].name)


def _agent(call: Call) -> str:
    name = _workflow(call)
    return AGENT if name == _UNNAMED else name


def _conversation(call: Call) -> Conversation | None:
    given = configurable(call.argument("config", 1))
    thread = given.get("thread_id") or configurable(call.instance.config).get("thread_id")
    if thread is None:
        return None
    goes_on = call.argument("input", 0)
    return Conversation(str(thread), goes_on is None or type(goes_on).__name__ == "Command")


def _failure(_call: Call, error: BaseException) -> Attributes:
    return interruption(error)


# --- outcomes -------------------------------------------------------------------------------------


def _looping(call: Call) -> Attributes:
    """Remember the loop that a run is, which has its output and its state in the end."""
    for frame in frames(call):
        if frame.label in (RUN, AGENT):
            frame.notes[_LOOP] = call.instance
        if frame.label != AGENT:  # an agent's own run is next to it
            break
    return {}


def _judged(call: Call, result: Any) -> Judged:
    loop = None if call.frame is None else call.frame.notes.get(_LOOP)
    if loop is None:
        return Judged(result)
    return Judged(loop.output, values(loop.channels))


_LOOP: Final = "loop"
_PREGEL: Final = "langgraph.pregel.main:Pregel"


def _rows(method: str) -> tuple[Patch, Patch]:
    """The agent's row is the inner one."""
    agent = Patch(
        target=f"{_PREGEL}.{method}",
        label=AGENT,
        kind="agent",
        name=_agent,
        glance=is_agent,
        failure=_failure,
        judged=_judged,
        quiet=QUIET,
    )
    run = Patch(
        target=f"{_PREGEL}.{method}",
        label=RUN,
        kind="run",
        name=_workflow,
        when=_is_run,
        conversation=_conversation,
        failure=_failure,
        judged=_judged,
        quiet=QUIET,
    )
    return agent, run


def _remote_name(call: Call) -> str:
    graph = call.instance
    return str(graph.name or graph.assistant_id)


def _remote_request(call: Call) -> Attributes:
    return {CONVERSATION_ID: configurable(call.argument("config", 1)).get("thread_id")}


PATCHES: Final = (
    *_rows("stream"),
    *_rows("astream"),
    Patch(target="langgraph.pregel._loop:PregelLoop._first", label="loop", request=_looping),
    *(
        Patch(
            target=f"langgraph.pregel.remote:RemoteGraph.{method}",
            label="remote graph",
            kind="agent",
            name=_remote_name,
            request=_remote_request,
            remote=True,
            failure=_failure,
            quiet=QUIET,
        )
        for method in ("stream", "astream")
    ),
)
