"""What a span is called."""

from typing import Any

import pytest

from flowspan.report.title import Title, title


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            {
                "name": "invoke_workflow story",
                "kind": "run",
                "operation": "invoke_workflow",
                "attrs": {"gen_ai.workflow.name": "story"},
            },
            Title("run", "story", ""),
        ),
        (
            {
                "name": "run_step loop",
                "kind": "step",
                "attrs": {"gen_ai.step.name": "loop", "flowspan.step.index": 3},
            },
            Title("step", "loop", "#3"),
        ),
        (
            {"name": "run_step plan", "kind": "node", "node_id": "1.2", "attempt": 2},
            Title("node", "plan", "1.2 attempt 2"),
        ),
        (
            {"name": "run_step plan", "kind": "node", "node_id": "plan", "attempt": 1},
            Title("node", "plan", ""),
        ),
        (
            {"name": "run_step plan", "kind": "node", "node_id": "f" * 32},
            Title("node", "plan", ""),
        ),
        (
            {
                "name": "Node.ExecuteAction",
                "kind": "node",
                "attrs": {"gen_ai.step.name": "plan COMPOSITION"},
            },
            Title("node", "Node.ExecuteAction", "plan COMPOSITION"),
        ),
        (
            {
                "name": "Agent.Forward.Planner",
                "kind": "agent",
                "attrs": {"gen_ai.agent.name": "Planner"},
            },
            Title("agent", "Agent.Forward.Planner", ""),
        ),
        (
            {
                "name": "embeddings text-3",
                "kind": "llm",
                "operation": "embeddings",
                "attrs": {"gen_ai.request.model": "text-3"},
            },
            Title("llm", "text-3", ""),
        ),
        ({"name": "GET /", "kind": None}, Title("span", "GET /", "")),
        ({"name": "scan", "kind": "internal", "node_id": "n"}, Title("internal", "scan", "")),
    ],
)
def test_title(trace: Any, columns: dict[str, Any], expected: Title) -> None:
    """A name says no more than once what its role says, and keeps what an engine's plan gave."""
    trace.span(**columns)

    assert expected == title(trace.rows[0])
