"""Short runs of engines, again and again: what is left of each?"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Final, TypedDict

from benchmarks import crews

Run = Callable[[], Any]


def _awaited(run: Callable[[], Any]) -> Run:
    """Runs in one event loop."""
    loop = asyncio.new_event_loop()
    return lambda: loop.run_until_complete(run())


# --- LangGraph --------------------------------------------------------------------------------


def _graph(saver: Any = None) -> Any:
    from langgraph.graph import END, START, StateGraph  # noqa: PLC0415 - only where it is installed

    class Shared(TypedDict):
        turn: int

    graph = StateGraph(Shared)
    graph.add_node("count", lambda state: {"turn": state["turn"] + 1})
    graph.add_edge(START, "count")
    graph.add_conditional_edges(
        "count", lambda state: "count" if state["turn"] < 2 else END, ["count", END]
    )
    return graph.compile(checkpointer=saver)


def _langgraph() -> Run:
    graph = _graph()
    return lambda: graph.invoke({"turn": 0})


def _langgraph_awaited() -> Run:
    graph = _graph()
    return _awaited(lambda: graph.ainvoke({"turn": 0}))


def _langgraph_left() -> Run:
    graph = _graph()
    return lambda: next(graph.stream({"turn": 0}))


def _langgraph_saved() -> Run:
    from langgraph.checkpoint.memory import InMemorySaver  # noqa: PLC0415 - as above

    saver = InMemorySaver()
    graph = _graph(saver)
    config = {"configurable": {"thread_id": "one"}}

    def run() -> None:
        graph.invoke({"turn": 0}, config)
        saver.delete_thread("one")

    return run


# --- PocketFlow -------------------------------------------------------------------------------


def _pocketflow() -> Run:
    import pocketflow  # noqa: PLC0415 - only where it is installed

    class Count(pocketflow.Node):  # type: ignore[misc]
        def post(self, shared: Any, prep: Any, result: Any) -> str:
            del prep, result
            shared["turn"] += 1
            return "again" if shared["turn"] < 2 else "done"

    node = Count()
    node - "again" >> node
    node - "done" >> pocketflow.Node()
    flow = pocketflow.Flow(start=node)
    return lambda: flow.run({"turn": 0})


def _pocketflow_awaited() -> Run:
    import pocketflow  # noqa: PLC0415 - as above

    class Count(pocketflow.AsyncNode):  # type: ignore[misc]
        async def post_async(self, shared: Any, prep: Any, result: Any) -> str:
            del prep, result
            shared["turn"] += 1
            return "again" if shared["turn"] < 2 else "done"

    node = Count()
    node - "again" >> node
    node - "done" >> pocketflow.Node()
    flow = pocketflow.AsyncFlow(start=node)
    return _awaited(lambda: flow.run_async({"turn": 0}))


# --- CrewAI and pflow -------------------------------------------------------------------------


def _crewai_flow() -> Run:
    """In one conversation: of others the newest 4,096 are remembered."""
    flow = crews.flow(2)
    return lambda: flow().kickoff(inputs={"id": "one"})


def _crewai_tasks() -> Run:
    run = crews.tasks(2)
    return lambda: run({})


def _pflow() -> Run:
    """A workflow of two nodes; pflow keeps its traces in a home of their own, which is left."""
    os.environ |= {"HOME": tempfile.mkdtemp(), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    from pflow.execution.runner import RunnerConfig, WorkflowRunner  # noqa: PLC0415 - as above

    nodes = [
        {"id": name, "type": "code", "params": {"code": "result: int = 1"}}
        for name in ("one", "two")
    ]
    edges = [{"from": "one", "to": "two"}]
    workflow = {"ir_version": "0.1.0", "nodes": nodes, "edges": edges}
    config = RunnerConfig(cache_enabled=False)
    return lambda: WorkflowRunner().run(workflow, {}, config)


ENGINE_RUNS: Final[dict[str, Callable[[], Run]]] = {
    "langgraph": _langgraph,
    "langgraph, awaited": _langgraph_awaited,
    "langgraph, left early": _langgraph_left,
    "langgraph, with a checkpointer": _langgraph_saved,
    "pocketflow": _pocketflow,
    "pocketflow, awaited": _pocketflow_awaited,
    "crewai, flow": _crewai_flow,
    "crewai, tasks and agents": _crewai_tasks,
    "pflow": _pflow,
}
"""What makes a run of each."""


def installed() -> list[str]:
    """Those whose engine is there."""
    return [name for name in ENGINE_RUNS if find_spec(name.partition(",")[0]) is not None]
