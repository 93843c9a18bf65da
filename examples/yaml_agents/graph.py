"""From a workflow to a graph: agents that wait for nobody run at once, in LangGraph's threads."""

from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph

from yaml_agents.providers import ASK
from yaml_agents.workflow import Agent, Workflow


def compiled(workflow: Workflow) -> Any:
    """The graph of a workflow."""
    keys = [*workflow.inputs, *(agent.name for agent in workflow.agents)]
    state: Any = TypedDict("State", dict.fromkeys(keys, str), total=False)  # type: ignore[operator]
    graph = StateGraph(state)
    waited_for = {name for agent in workflow.agents for name in agent.after}
    for agent in workflow.agents:
        graph.add_node(f"{agent.name} agent", _node(agent))
        graph.add_edge([f"{name} agent" for name in agent.after] or START, f"{agent.name} agent")
        if agent.name not in waited_for:
            graph.add_edge(f"{agent.name} agent", END)
    return graph.compile(name=workflow.name)


def _node(agent: Agent) -> Any:
    def ask(state: dict[str, str]) -> dict[str, str]:
        return {agent.name: ASK[agent.provider](agent.model, agent.prompt.format_map(state))}

    return ask
