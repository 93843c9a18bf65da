"""Rows of ``get_llm_output`` and ``search_merge``: one prompt, from its choice to its answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from flowspan.instrumentation.engines.writehere.describing import (
    identity,
    settings,
    summary,
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

_VERDICTS: Final = ("atomic", "complex")

# --- Agent.LLMInteraction ------------------------------------------------------------------------

_ASKING: Final = {
    "atom": "Calling get_llm_output for atom check",
    "planning": "Calling get_llm_output for planning",
    "execute": "Calling get_llm_output for standard execution",
}


def _agent_type(call: Call) -> str:
    return str(call.argument("agent_type", 3))


def _interaction_request(call: Call) -> Attributes:
    node = call.argument("node", 0)
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
        "update_result": goal
        if goal and goal != call.argument("node", 0).task_info.get("goal")
        else None,
    }


# --- Agent.SearchMerge ---------------------------------------------------------------------------


def _merge_request(call: Call) -> Attributes:
    node, results = call.argument("node", 0), call.argument("search_results", 2)
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
