"""Rows of ``recursive/agent/agents/regular.py``: what agents decide, plan and execute."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from flowspan.instrumentation.engines.writehere.describing import (
    identity,
    plan_summary,
    settings,
    summary,
    task,
    task_type,
)
from flowspan.instrumentation.engines.writehere.frames import (
    EXECUTE,
    FORWARD,
    LLM_INTERACTION,
    SEARCH_MERGE,
    caller,
    here,
    is_in,
)
from flowspan.instrumentation.integration import Attributes, Call, Event, Frame, Patch
from flowspan.semconv import ATTEMPT, ERROR_TYPE, EVENT_RETRY

_SPELLING: Final = {"SimpleExcutor": "SimpleExecutor"}
_VERDICTS: Final = ("atomic", "complex")
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

# --- Agent.LLMInteraction ------------------------------------------------------------------------

_ASKING: Final = {
    "atom": "Calling get_llm_output for atom check",
    "planning": "Calling get_llm_output for planning",
    "execute": "Calling get_llm_output for standard execution",
}


def _agent_type(call: Call) -> str:
    return str(call.argument("agent_type", 3))


def _interaction_request(call: Call) -> Attributes:
    node = _node(call)
    return {
        "llm.agent_type": _agent_type(call),
        **identity(node),
        "node.task.type": task_type(node.config, node.task_info),
        "llm.overwrite_cache": bool(call.argument("overwrite_cache", 4, default=False)),
    }


def _interaction_started(call: Call) -> Iterable[Event]:
    agent, agent_type = caller(call, FORWARD), _agent_type(call)
    if agent is None or agent_type not in _ASKING:
        return
    retries = _retries(call, agent, agent_type)
    attributes: dict[str, Any] = {"retry_count": retries}
    if agent_type == "planning":
        attributes["skipped"] = False
        if agent.notes.setdefault("decision", "recursive") == "recursive" and not retries:
            yield Event("Planning decision", {"decision": "recursive"}, on="enclosing")
    yield Event(_ASKING[agent_type], attributes, on="enclosing")


def _retries(call: Call, frame: Frame, question: str) -> int:
    """How often the same was asked before, because the answer was of no use."""
    retries = int(frame.notes.get(question, 0))
    frame.notes[question] = retries + 1
    if retries:
        place = call.nearest(EXECUTE) or frame
        place.event(EVENT_RETRY, {ATTEMPT: retries + 1, ERROR_TYPE: "unusable_answer"})
    return retries


def _interaction_finished(call: Call, result: Any) -> Iterable[Event]:
    if not caller(call, FORWARD) or not isinstance(result, dict):
        return
    if _agent_type(call) == "atom":
        yield Event("Atom check LLM result received", _verdict(call, result), on="enclosing")
    elif _agent_type(call) == "execute":
        attributes = {"result.summary": summary(result.get("result"))}
        yield Event("Execution LLM result", attributes, on="enclosing")


def _verdict(call: Call, result: dict[str, Any]) -> Attributes:
    """What the model said of a task; of its reasoning no more than the length.

    An answer that is none of the expected words may be any text of the model: it is not shown.
    """
    verdict, goal = result.get("atom_result"), result.get("update_result")
    if verdict is not None and str(verdict).strip() not in _VERDICTS:
        verdict = "unusable"
    return {
        "atom_result": verdict,
        "atom_think": summary(result.get("atom_think")),
        "update_result": goal if goal and goal != _node(call).task_info.get("goal") else None,
    }


# --- Agent.SearchMerge ---------------------------------------------------------------------------


def _merge_request(call: Call) -> Attributes:
    node, results = _node(call), call.argument("search_results", 2)
    return {
        **identity(node),
        "llm.prompt.version": settings(node, "search_merge").get("prompt_version"),
        "search_results.length": len(results) if isinstance(results, str) else None,
    }


def _merge_started(call: Call) -> Iterable[Event]:
    if caller(call, FORWARD):
        yield Event("Calling LLM Merge (search_merge)", on="enclosing")


# --- Agent.call_llm: one model call from prompt to parsed answer ---------------------------------


def _model_chosen(call: Call) -> Attributes:
    """What is really used: configurations without a model get the engine's default in silence."""
    if not is_in(call, LLM_INTERACTION, SEARCH_MERGE):
        return {}
    return {
        "llm.model": call.argument("model", default="gpt-4o"),
        "llm.temperature": call.argument("temperature"),
    }


def _asking_model(call: Call) -> Iterable[Event]:
    if not is_in(call, LLM_INTERACTION, SEARCH_MERGE):
        return
    frame = here(call)
    frame.notes["parse_args"] = [str(key) for key in call.argument("parse_arg_dict", 2) or ()]
    retries = _retries(call, frame, "call") if frame.label == SEARCH_MERGE else None
    yield Event("Calling LLM", {"retry_count": retries})


def _answer_parsed(call: Call, result: Any) -> Iterable[Event]:
    if is_in(call, LLM_INTERACTION, SEARCH_MERGE):
        keys = [str(key) for key in result] if isinstance(result, dict) else None
        yield Event("LLM interaction finished", {"parsed_result.keys": keys})


_REGULAR: Final = "recursive.agent.agents.regular"

PATCHES: Final = (
    Patch(
        target="recursive.agent.agent_base:Agent.forward",
        label=FORWARD,
        kind="agent",
        name=_agent_class,
        span_name=_forward_name,
        request=_forward_request,
        snapshot=_article_length,
        before=_forward_started,
        after=_forward_finished,
        keep=_does_something,
        subclasses=True,
    ),
    Patch(
        target=f"{_REGULAR}:UpdateAtomPlanningAgent.parse_result",
        after=_plan_parsed,
        failure=_plan_not_parsed,
        detail="normal",
    ),
    Patch(
        target=f"{_REGULAR}:get_llm_output",
        label=LLM_INTERACTION,
        kind="internal",
        request=_interaction_request,
        before=_interaction_started,
        after=_interaction_finished,
        detail="normal",
    ),
    Patch(
        target=f"{_REGULAR}:SimpleExcutor.search_merge",
        label=SEARCH_MERGE,
        kind="internal",
        request=_merge_request,
        before=_merge_started,
        detail="normal",
    ),
    Patch(
        target="recursive.agent.agent_base:Agent.call_llm",
        request=_model_chosen,
        before=_asking_model,
        after=_answer_parsed,
        detail="normal",
    ),
)
