"""pflow while it ran on PocketFlow: a planner writes the workflow, which then runs.

::

    invoke_workflow pflow                   run     one command: what the user asked for
    ├─ invoke_workflow planner              run     a flow of nine nodes
    │  └─ run_step WorkflowDiscoveryNode    node
    │     └─ chat claude-sonnet-4-0         llm
    └─ invoke_workflow workflow             run     what was planned, or read from a file
       ├─ run_step summarize                node    by the id in the workflow
       │  └─ chat gpt-4o                    llm
       └─ run_step publish                  node
          └─ invoke_workflow publish        run     a nested workflow

Flows and nodes are PocketFlow's and seen by its rows, the proxies around them included.  What is
left are the command around both flows, what flows are called, and the planner's nodes: the proxy
that times them calls the parts of a node itself and passes its ``_run`` by.
"""

from __future__ import annotations

from typing import Any, Final

from flowspan.instrumentation.engines.pocketflow.naming import call_it
from flowspan.instrumentation.engines.pocketflow.nodes import ROW
from flowspan.instrumentation.integration import NOTHING, Attributes, Call, Integration, Patch

_MAIN: Final = "pflow.cli.main"
_COMMAND: Final = "command"
_PLANNER: Final = "planner"
_WORKFLOW: Final = "workflow"


def _planner_made(_call: Call, flow: Any) -> Attributes:
    call_it(flow, _PLANNER)
    return NOTHING


def _workflow_made(call: Call, flow: Any) -> Attributes:
    """What a compiled workflow is called: after the node that runs it, where one does."""
    run = call.frame
    is_nested = run is not None and run.kind == "node"
    call_it(flow, str(run.notes["id"]).rpartition("/")[2] if is_nested and run else _WORKFLOW)
    return NOTHING


_COMMANDS: Final = tuple(
    Patch(
        target=f"{_MAIN}:{function}",
        label=_COMMAND,
        kind="run",
        name="pflow",
        when=Call.is_outermost,  # a planned workflow runs inside the command that planned it
    )
    for function in ("_execute_planner_and_workflow", "execute_json_workflow")
)

INTEGRATION: Final = Integration(
    "pflow-planner",
    requires="pflow<0.1",
    patches=(
        *_COMMANDS,
        Patch(
            target="pflow.planning.flow:create_planner_flow",
            names=("pflow.planning:create_planner_flow",),
            label=_PLANNER,
            response=_planner_made,
        ),
        Patch(
            target="pflow.runtime.compiler:compile_ir_to_flow",
            names=(
                "pflow.runtime:compile_ir_to_flow",
                "pflow.runtime.workflow_executor:compile_ir_to_flow",
                f"{_MAIN}:compile_ir_to_flow",
            ),
            label=_WORKFLOW,
            response=_workflow_made,
        ),
        Patch(target="pflow.planning.debug:DebugWrapper._run", **ROW),
    ),
    engine="pflow",
)
