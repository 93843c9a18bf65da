"""A model that plans as pflow's planner of 2025 asks it to, and answers what the plan asks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from flowspan.testing import ReceivedRequest, Reply, ToolCall

MODEL: Final = "gpt-4o"
WISH: Final = "write about honey and then shorten it"


def workflow(schema: str) -> dict[str, Any]:
    """The workflow that is planned, in the words of the version that asks."""
    newer = '"purpose"' in schema
    wrote, topic = ("${write.response}", "${topic}") if newer else ("$write.response", "$topic")
    nodes: list[dict[str, Any]] = [
        {
            "id": "write",
            "type": "llm",
            "purpose": "Write a first text about the topic",
            "params": {"model": MODEL, "prompt": f"Write about {topic}"},
        },
        {
            "id": "shorten",
            "type": "llm",
            "purpose": "Shorten the text that was written",
            "params": {"model": MODEL, "prompt": f"Shorten: {wrote}"},
        },
    ]
    return {
        "ir_version": "0.1.0",
        "nodes": [
            {key: value for key, value in node.items() if newer or key != "purpose"}
            for node in nodes
        ],
        "edges": [{"from": "write", "to": "shorten"}],
        "inputs": {"topic": {"type": "string", "description": "The topic", "required": True}},
    }


NESTED: Final[dict[str, Any]] = {
    "ir_version": "0.1.0",
    "nodes": [
        {"id": "write", "type": "llm", "params": {"model": MODEL, "prompt": "Write about honey"}},
        {
            "id": "publish",
            "type": "workflow",
            "params": {
                "workflow_ir": {
                    "ir_version": "0.1.0",
                    "nodes": [
                        {
                            "id": "title",
                            "type": "llm",
                            "params": {"model": MODEL, "prompt": "Find a title"},
                        }
                    ],
                    "edges": [],
                }
            },
        },
    ],
    "edges": [{"from": "write", "to": "publish"}],
}
"""A workflow inside a workflow."""

_ANSWERS: Final[Mapping[str, dict[str, Any]]] = {
    "found": {"found": False, "workflow_name": None, "confidence": 0.9, "reasoning": "new"},
    "node_ids": {"node_ids": ["llm"], "workflow_names": [], "reasoning": "text"},
    "parameters": {"parameters": {"topic": "honey"}, "stdin_type": None, "reasoning": "said"},
    "extracted": {
        "extracted": {"topic": "honey"},
        "missing": [],
        "confidence": 0.9,
        "reasoning": "said",
    },
    "nodes": {},
    "suggested_name": {
        "suggested_name": "write-and-shorten",
        "description": "Writes a text about any topic that is given and then makes it shorter, "
        "for people who want to read less than they asked for.",
        "search_keywords": ["write", "shorten", "text"],
        "capabilities": ["writes", "shortens"],
        "typical_use_cases": ["a short text"],
    },
}
"""The planner's answers, by a property that only their schema has."""


def respond(request: ReceivedRequest) -> Reply:
    """What the planner asks is answered by its schema; a workflow's own questions by an echo."""
    tools: list[Any] = request.body.get("tools") or []
    schema = json.dumps([tool.get("input_schema") for tool in tools])
    for mark, answer in _ANSWERS.items():
        if f'"{mark}": {{' in schema:
            planned = answer or workflow(schema)
            return Reply(tool_calls=(ToolCall(tools[0]["name"], planned),))
    return Reply()
