"""Rows of workflows: each is a run, one that a node runs is a nested run."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any, Final

from flowspan.instrumentation.engines.pflow import failures
from flowspan.instrumentation.integration import (
    NOTHING,
    Attributes,
    Call,
    Conversation,
    Frame,
    Judged,
    Patch,
)
from flowspan.semconv import CONVERSATION_ID, INTERRUPTION

RUN: Final = "workflow"
RUNNER: Final = "runner"
GATES: Final = ("GateDenied", "GateNotInteractiveError")
"""A human is asked, or has said no: the run stops there on purpose."""

_INLINE: Final = "inline workflow"
_ENDINGS: Final = (".pflow.md", ".md")
_PAUSED: Final = "paused"
_ON_PURPOSE: Final = ("denied", _PAUSED)
_FAILED: Final = "workflow_failed"


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


# --- how it went ---------------------------------------------------------------------------------


def interruption(error: BaseException) -> Attributes:
    """What is said of a call that a gate ended; nothing of other errors."""
    name = type(error).__qualname__
    return {INTERRUPTION: name} if name in GATES else NOTHING


def _status(result: Any) -> str:
    return str(getattr(result.status, "value", ""))


def _swallowed_error(call: Call) -> str | None:
    return None if call.frame is None else call.frame.notes.get("swallowed")


def _runner_response(call: Call, result: Any) -> Attributes:
    status = _status(result)
    waits_for = _swallowed_error(call) if status == _PAUSED else None
    return {"pflow.status": status or None, INTERRUPTION: waits_for}


def _runner_outcome(call: Call, result: Any) -> str | None:
    """A runner does not raise: it says how it went, and why in a list of diagnostics."""
    if result.success or _status(result) in _ON_PURPOSE:
        return None
    raised = _swallowed_error(call)
    why = failures.reason(call.frame, raised or _category(result), _FAILED)
    return failures.told(call, why)


def _category(result: Any) -> str:
    contexts = (error.context for error in result.errors)
    said = (context.get("category") for context in contexts if isinstance(context, dict))
    return str(next((category for category in said if category), ""))


def _engine_outcome(call: Call, result: Any) -> str | None:
    if not failures.is_failure(result):
        return None
    return failures.told(call, failures.reason(call.frame, None, _FAILED))


def _engine_failure(_call: Call, error: BaseException) -> Attributes:
    return interruption(error)


def _swallowed(call: Call) -> Attributes:
    if call.frame is not None:
        call.frame.notes["swallowed"] = type(call.argument("exception", 0)).__qualname__
    return NOTHING


# --- runs that go on with others -----------------------------------------------------------------


def _goes_on_with(call: Call) -> Conversation | None:
    """The run that stopped, by the id that it has in pflow."""
    source = call.argument("resume_source")
    return None if source is None else Conversation(str(source.execution_id), resumes=True)


def _known_as(_call: Call, result: Any) -> Conversation | None:
    """By what the run that goes on with this one will know it; what did well is over."""
    own = getattr(result.trace, "execution_id", None)
    return None if own is None or result.success else Conversation(str(own))


def _is_the_runners(call: Call) -> bool:
    """Workflows inside have collectors too, which are known to nobody."""
    return call.enclosing is not None and call.enclosing.label == RUNNER


def _named(call: Call, _result: Any) -> Attributes:
    """The id is known from here on, also where the run is interrupted before it has a result."""
    return {CONVERSATION_ID: getattr(call.instance, "execution_id", None)}


PATCHES: Final = (
    Patch(
        target="pflow.execution.runner:WorkflowRunner.run",
        label=RUNNER,
        kind="run",
        name=_runner_name,
        conversation=_goes_on_with,
        conversed=_known_as,
        response=_runner_response,
        outcome=_runner_outcome,
        judged=lambda _call, result: Judged(result, result.shared_after),
    ),
    Patch(
        target="pflow.runtime.workflow_trace:WorkflowTraceCollector.__init__",
        label="id",
        when=_is_the_runners,
        response=_named,
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
        failure=_engine_failure,
        judged=lambda call, result: Judged(result, call.argument("shared", 1)),
        quiet=GATES,
    ),
)
