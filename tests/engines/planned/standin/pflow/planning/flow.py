"""The flow of the planner: is there such a workflow, and if not, which one would do?"""

from __future__ import annotations

from typing import Any

from pocketflow import Flow, Node

from pflow.planning.debug import DebugWrapper
from pflow.runtime.compiler import ask

PLANNED = {
    "nodes": [
        {"id": "write", "type": "llm"},
        {"id": "publish", "type": "workflow", "ir": {"nodes": [{"id": "title", "type": "llm"}]}},
    ]
}


class WorkflowDiscoveryNode(Node):
    def exec(self, prep_res: Any) -> Any:
        return ask("is there one?")

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        return "not_found"


class WorkflowGeneratorNode(Node):
    failures = 2

    def exec(self, prep_res: Any) -> Any:
        ask("which one?")
        if type(self).failures:
            type(self).failures -= 1
            raise ValueError("no workflow")
        return PLANNED

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["workflow_ir"] = exec_res


def create_planner_flow() -> Any:
    WorkflowGeneratorNode.failures = 2
    discovery, generator = WorkflowDiscoveryNode(), WorkflowGeneratorNode(max_retries=3)
    discovery.successors["not_found"] = DebugWrapper(generator)
    return Flow(DebugWrapper(discovery))
