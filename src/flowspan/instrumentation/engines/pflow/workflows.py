"""Rows of workflows: each is a run, one that a node runs is a nested run."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any, Final

from flowspan.instrumentation.integration import NOTHING, Attributes, Call, Frame, Patch

RUN: Final = "workflow"
RUNNER: Final = "runner"
GATES: Final = ("GateDenied", "GateNotInteractiveError")
"""A human is asked, or has said no: the run stops there on purpose."""

_INLINE: Final = "inline workflow"
_ENDINGS: Final = (".pflow.md", ".md")
_ON_PURPOSE: Final = ("denied", "paused")


def identity(frame: Frame | None) -> str:
    """Which node of which nested workflow all this is inside of; empty at the top."""
    while frame is not None and "id" not in frame.notes:
        frame = frame.parent
    return "" if frame is None else str(frame.notes["id"])


def _file_name(file: Any) -> str:
    """The name of a workflow's file; content that came without a file has none."""
    said = str(file or "")
    if not said or "\n" in said or said.startswith(("ir-hash:", "<")):
        return _INLINE
    name = PurePath(said).name
    return next((name.removesuffix(end) for end in _ENDINGS if name.endswith(end)), name)


def _runner_name(call: Call) -> str:
    workflow = call.argument("workflow", 0)
    said = call.argument("workflow_name") or getattr(workflow, "file_path", None)
    if said is None and isinstance(workflow, str):
        said = workflow
    return _file_name(said)


def _engine_name(call: Call) -> str:
    return _file_name(call.argument("shared", 1).get("_pflow_workflow_file"))


def _is_not_the_runners(call: Call) -> bool:
    return call.enclosing is None or call.enclosing.label != RUNNER


def _runner_outcome(call: Call, result: Any) -> str | None:
    """A runner does not raise: it says how it went, and why in a list of diagnostics."""
    if result.success or str(getattr(result.status, "value", "")) in _ON_PURPOSE:
        return None
    raised = None if call.frame is None else call.frame.notes.get("error")
    return str(raised) if raised is not None else _category(result)


def _category(result: Any) -> str:
    contexts = (error.context for error in result.errors)
    said = (context.get("category") for context in contexts if isinstance(context, dict))
    return str(next((category for category in said if category), "workflow_failed"))


def _engine_outcome(_call: Call, result: Any) -> str | None:
    return "workflow_failed" if str(result or "").startswith("error") else None


def _swallowed(call: Call) -> Attributes:
    if call.frame is not None:
        call.frame.notes["error"] = type(call.argument("e", 0)).__qualname__
    return NOTHING


PATCHES: Final = (
    Patch(
        target="pflow.execution.runner:WorkflowRunner.run",
        label=RUNNER,
        kind="run",
        name=_runner_name,
        outcome=_runner_outcome,
    ),
    Patch(
        target="pflow.execution.runner:WorkflowRunner._exception_to_result",
        label="failure",
        request=_swallowed,
    ),
    Patch(
        target="pflow.runtime.engine.engine:WorkflowEngine.run",
        label=RUN,
        kind="run",
        name=_engine_name,
        when=_is_not_the_runners,
        outcome=_engine_outcome,
        quiet=GATES,
    ),
)
