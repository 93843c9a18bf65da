"""LlamaIndex's workflows: runs, the steps of each as nodes, agents, and tools.

A workflow is run by a task of its own, which takes the context of whoever called ``run``.
"""

from __future__ import annotations

from typing import Any, Final

from flowspan.instrumentation.integration import Attributes, Call, Integration, Patch
from flowspan.semconv import ATTEMPT, NODE_ID, STEP_NAME

_LOOP: Final = "workflows.runtime.control_loop.runner:_ControlLoopRunner.run"
_TOOLS: Final = "llama_index.core.tools.function_tool:FunctionTool"


def _workflow(call: Call) -> Any:
    return call.instance.workflow


def _name(call: Call) -> str:
    workflow = _workflow(call)
    return str(getattr(workflow, "name", None) or type(workflow).__name__)


def _is_agent(call: Call) -> bool:
    return hasattr(_workflow(call), "take_step")


def _is_run(call: Call) -> bool:
    """An agent inside a run is an agent, and no run of its own."""
    return call.enclosing is None or not _is_agent(call)


def _step(call: Call) -> Attributes:
    name = str(call.argument("step_name", 1))
    attempt = getattr(call.argument("retry", 5), "retry_number", 0) + 1
    return {STEP_NAME: name, NODE_ID: name, ATTEMPT: attempt}


def _event(call: Call) -> Any:
    return call.argument("event", 2)


def _failed(_call: Call, result: Any) -> str | None:
    """What a step raised is told to the workflow in what its worker returns."""
    errors = (getattr(each, "exception", None) for each in result)
    return next((type(error).__name__ for error in errors if error is not None), None)


def _tool(call: Call) -> str:
    return str(call.instance.metadata.name)


INTEGRATION: Final = Integration(
    "llamaindex",
    requires="llama-index-workflows>=2.26",
    engine="llamaindex",
    patches=(
        Patch(target=_LOOP, label="agent", kind="agent", name=_name, when=_is_agent),
        Patch(target=_LOOP, label="run", kind="run", name=_name, when=_is_run),
        Patch(
            target="workflows.runtime.types.step_function:as_step_worker_function",
            label="step",
            role="make",
            kind="node",
            request=_step,
            inputs=_event,
            outcome=_failed,
        ),
        *(
            Patch(
                target=f"{_TOOLS}.{method}",
                label="tool",
                kind="tool",
                name=_tool,
                detail="normal",
                optional=True,
            )
            for method in ("call", "acall")
        ),
    ),
)
