"""The newsroom: angles of a topic are researched at once, written up, and shown to the editor."""

import operator
from typing import Annotated, Any, Literal, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt
from openai import OpenAI

from langgraph_agent.researcher import MODEL, researcher


class Issue(TypedDict, total=False):
    """What the newsroom works on."""

    topic: str
    angles: list[str]
    notes: Annotated[list[str], operator.add]
    article: str
    verdict: str


def newsroom(client: OpenAI) -> Any:
    """The graph of the newsroom."""

    def ask(prompt: str) -> str:
        messages = [{"role": "user", "content": prompt}]
        answer = client.chat.completions.create(model=MODEL, messages=messages)
        return answer.choices[0].message.content or ""

    def plan(state: Issue) -> Issue:
        return {"angles": ask(f"Two angles on {state['topic']}").splitlines()}

    def assign(state: Issue) -> list[Send]:
        return [Send("research", {"angle": angle}) for angle in state["angles"]]

    def write(state: Issue) -> Issue:
        wish = state.get("verdict", "as it is")
        return {"article": ask(f"Write, {wish}: " + " ".join(sorted(state["notes"])))}

    def approve(state: Issue) -> Command[Literal["write", "__end__"]]:
        verdict = interrupt(state["article"])
        return Command(goto=END if verdict == "print" else "write", update={"verdict": verdict})

    graph = StateGraph(Issue)
    graph.add_node("plan", plan)
    graph.add_node("research", researcher(client))
    graph.add_node("write", write)
    graph.add_node("approve", approve)
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", assign, ["research"])
    graph.add_edge("research", "write")
    graph.add_edge("write", "approve")
    return graph.compile(checkpointer=InMemorySaver(), name="newsroom")
