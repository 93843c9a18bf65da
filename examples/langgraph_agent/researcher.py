"""One researcher: asks the model, looks into the archive as often as it wants to, takes notes."""

import json
import operator
from collections import Counter
from typing import Annotated, Any, TypedDict

from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph
from langgraph.types import RetryPolicy
from openai import OpenAI

MODEL = "gpt-4o-mini"
SHELVES = {
    "history": "The first bicycle of 1817 had no pedals.",
    "present": "One household in three has a cargo bicycle.",
}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "archive",
            "description": "What the archive has on a shelf",
            "parameters": {"type": "object", "properties": {"shelf": {"type": "string"}}},
        },
    }
]

opened: Counter[str] = Counter()


@tool
def archive(shelf: str) -> str:
    """What the archive has on a shelf."""
    opened[shelf] += 1
    if shelf == "history" and opened[shelf] == 1:
        raise ConnectionError("the archive is closed for a moment")
    return SHELVES.get(shelf, "The shelf is empty.")


class Research(TypedDict, total=False):
    """What a researcher works on."""

    angle: str
    messages: Annotated[list[Any], operator.add]
    notes: Annotated[list[str], operator.add]


def researcher(client: OpenAI) -> Any:
    """The graph of one researcher."""

    def think(state: Research) -> Research:
        asked = {"role": "user", "content": f"Research this: {state['angle']}"}
        earlier = state.get("messages") or [asked]
        answer = client.chat.completions.create(model=MODEL, messages=earlier, tools=TOOLS)
        message = answer.choices[0].message.model_dump(exclude_none=True)
        new = [message] if state.get("messages") else [asked, message]
        notes = [] if message.get("tool_calls") else [message["content"]]
        return {"messages": new, "notes": notes}

    def look(state: Research) -> Research:
        calls = state["messages"][-1]["tool_calls"]
        return {"messages": [_answer(call) for call in calls]}

    def what_next(state: Research) -> str:
        return "look" if state["messages"][-1].get("tool_calls") else "done"

    graph = StateGraph(Research)
    graph.add_node("think", think)
    graph.add_node("look", look, retry_policy=RetryPolicy(initial_interval=0.01))
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", what_next, {"look": "look", "done": END})
    graph.add_edge("look", "think")
    return graph.compile(name="researcher")


def _answer(call: dict[str, Any]) -> dict[str, Any]:
    name, arguments = call["function"]["name"], json.loads(call["function"]["arguments"])
    found = archive.invoke({"name": name, "args": arguments, "id": call["id"], "type": "tool_call"})
    return {"role": "tool", "tool_call_id": call["id"], "content": found.content}
