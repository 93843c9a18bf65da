"""What a command does: plan and run, or run what there is."""

from __future__ import annotations

from typing import Any

from pflow.runtime import compile_ir_to_flow


def _execute_planner_and_workflow(request: Any) -> Any:
    from pflow.planning import create_planner_flow

    shared = {"user_input": request}
    create_planner_flow().run(shared)
    return execute_json_workflow(shared["workflow_ir"])


def execute_json_workflow(ir: Any) -> Any:
    store: dict[str, Any] = {}
    compile_ir_to_flow(ir).run(store)
    return store
