"""Rows of the agents in ``recursive/agent/agents/regular.py``: how they plan and execute."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from flowspan.instrumentation.engines.writehere.describing import (
    plan_summary,
    settings,
    summary,
    task,
    task_type,
)
from flowspan.instrumentation.engines.writehere.frames import EXECUTE, FORWARD, caller, here
from flowspan.instrumentation.integration import Attributes, Call, Event, Patch

_SPELLING: Final = {"SimpleExcutor": "SimpleExecutor"}
_PLANNER: Final = "UpdateAtomPlanningAgent"
_EXECUTOR: Final = "SimpleExcutor"

# --- Agent.Forward.* -----------------------------------------------------------------------------


def _agent_class(call: Call) -> str:
    return type(call.instance).__name__


def _forward_name(call: Call) -> str:
    name = _agent_class(call).removesuffix("Agent")
    return f"{FORWARD}.{_SPELLING.get(name, name)}"


def _node(call: Call) -> Any:
    return call.argument("node", 0)


def _is_about_a_node(call: Call) -> bool:
    """Programs try agents out with anything in the place of a node; that is left alone."""
    return hasattr(_node(call), "task_info")


def _forward_request(call: Call) -> Attributes:
    return {"agent.class": _agent_class(call), **task(_node(call))}


def _article_length(call: Call) -> int:
    return len(getattr(call.argument("memory", 1), "article", ""))


def _forward_started(call: Call) -> Iterable[Event]:
    action = caller(call, EXECUTE)
    if action is not None:
        action.notes["agent"] = _agent_class(call)
    if call.detail == "minimal":
        return
    if action is not None:
        yield Event("Calling agent.forward", on="enclosing")
    yield Event("Agent execution started")
    yield from _STARTED.get(_agent_class(call), _nothing)(call)


def _forward_finished(call: Call, result: Any) -> Iterable[Event]:
    if call.detail == "minimal":
        return
    yield from _FINISHED.get(_agent_class(call), _nothing)(call)
    yield Event("Agent execution finished")
    if caller(call, EXECUTE):
        attributes = {"result.summary": summary(result)}
        yield Event("Agent forward finished", attributes, on="enclosing")


def _does_something(call: Call, _result: Any) -> bool:
    return not _agent_class(call).startswith("Dummy")


def _nothing(_call: Call) -> Iterable[Event]:
    return ()


# --- the planner: atomic, or planned further? ----------------------------------------------------


def _planner_started(call: Call) -> Iterator[Event]:
    yield Event("Atom/Plan logic started")
    node = _node(call)
    rules = settings(node, "atom")
    all_atom = bool(rules.get("all_atom", False))
    yield Event("Checking config: all_atom", {"result": all_atom})
    if all_atom:
        yield from _decided(call, "all_atom")
        return
    candidate = bool(rules.get("use_candidate_plan", False))
    valid = isinstance(node.task_info.get("candidate_plan"), list)
    attributes: dict[str, Any] = {"result": candidate, "candidate_plan_valid": valid}
    yield Event("Checking config: use_candidate_plan", attributes)
    if candidate:
        yield from _decided(call, "candidate_plan")
        return
    layer, most = node.node_graph_info["layer"], rules.get("force_atom_layer")
    forced = most is not None and layer >= most
    attributes = {"node.layer": layer, "config.force_atom_layer": most, "result": forced}
    yield Event("Checking config: force_atom_layer", attributes)
    if forced:
        yield from _decided(call, "force_atom")


def _decided(call: Call, decision: str) -> Iterator[Event]:
    here(call).notes["decision"] = decision
    yield Event("Planning decision", {"decision": decision})


def _planner_finished(call: Call) -> Iterator[Event]:
    notes = here(call).notes
    if "decision" not in notes:  # asked whether it is atomic, and not for a plan
        yield from _decided(call, "atomic")
    if notes.get("decision") != "recursive":
        yield Event("Calling get_llm_output for planning", {"skipped": True})


def _plan_parsed(call: Call, result: Any) -> Iterable[Event]:
    yield Event("Parsing planning result", _parsing(call, successful=True))
    yield Event("Planning result parsed", {"plan_result.summary": plan_summary(result)})


def _plan_not_parsed(call: Call, _error: BaseException) -> Attributes:
    here(call).event("Parsing planning result", _parsing(call, successful=False))
    return {}


def _parsing(call: Call, *, successful: bool) -> Attributes:
    answer = call.argument("agent_output", 0)
    return {"parse_successful": successful, "raw_response_summary": summary(answer)}


# --- the executor --------------------------------------------------------------------------------


def _executor_started(call: Call) -> Iterator[Event]:
    yield Event("Executor logic started")
    node = _node(call)
    is_retrieval = task_type(node.config, node.task_info) == "RETRIEVAL"
    react = is_retrieval and bool(settings(node, "execute").get("react_agent", False))
    yield Event("Checking for RETRIEVAL React Agent", {"result": react})


def _executor_finished(call: Call) -> Iterator[Event]:
    length = _article_length(call)
    if length != call.snapshot:
        attributes = {"article.length.before": call.snapshot, "article.length.after": length}
        yield Event("Updating memory.article", attributes)


_STARTED: Final[dict[str, Callable[[Call], Iterable[Event]]]] = {
    _PLANNER: _planner_started,
    _EXECUTOR: _executor_started,
}
_FINISHED: Final[dict[str, Callable[[Call], Iterable[Event]]]] = {
    _PLANNER: _planner_finished,
    _EXECUTOR: _executor_finished,
}


PATCHES: Final = (
    Patch(
        target="recursive.agent.agent_base:Agent.forward",
        label=FORWARD,
        kind="agent",
        name=_agent_class,
        span_name=_forward_name,
        when=_is_about_a_node,
        request=_forward_request,
        snapshot=_article_length,
        before=_forward_started,
        after=_forward_finished,
        keep=_does_something,
        subclasses=True,
    ),
    Patch(
        target="recursive.agent.agents.regular:UpdateAtomPlanningAgent.parse_result",
        after=_plan_parsed,
        failure=_plan_not_parsed,
        detail="normal",
    ),
)
