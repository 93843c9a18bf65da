"""Rows of prompts and answers: which template, filled with what, answered by whom.

Texts are never recorded here: hashes, lengths and names of variables are.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any, Final

from flowspan.instrumentation.engines.writehere.describing import digest, settings
from flowspan.instrumentation.engines.writehere.frames import (
    LLM_INTERACTION,
    SEARCH_MERGE,
    here,
    is_in,
)
from flowspan.instrumentation.integration import Attributes, Call, Event, Frame, Patch
from flowspan.semconv import (
    CACHE_HIT,
    EVENT_PROMPT_CONSTRUCTED,
    EVENT_PROMPT_SELECTED,
    PROMPT_CANDIDATES,
    PROMPT_LENGTH,
    PROMPT_NAME,
    PROMPT_REASON,
    PROMPT_SHA256,
    PROMPT_VARIABLES,
    PROMPT_VERSION,
    REQUEST_MODEL,
)

_VERSION_OF: Final = {
    LLM_INTERACTION: "llm.prompt.version.determined",
    SEARCH_MERGE: "llm.prompt.version",
}
_MODEL_CALLS: Final = "OpenAIApiProxy.call"
_VERSION_LENGTH: Final = 12

# --- which template ------------------------------------------------------------------------------

_versions: weakref.WeakKeyDictionary[type, tuple[str, str, str]] = weakref.WeakKeyDictionary()


def _version(template: Any) -> str:
    """The beginning of the hash of a template's texts: it changes when the prompt is edited."""
    system, content = str(template.system_message), str(template.content_template)
    known = _versions.get(type(template))
    if known is None or known[0] is not system or known[1] is not content:
        known = (system, content, digest(f"{system}\0{content}")[:_VERSION_LENGTH])
        _versions[type(template)] = known
    return known[2]


def _logic(frame: Frame) -> tuple[str, list[str]]:
    """The rule that chose the template, and the templates that it chose from."""
    if frame.label != LLM_INTERACTION:
        return ("standard" if frame.label == SEARCH_MERGE else "react_agent"), []
    agent_type = str(frame.call.argument("agent_type", 3))
    rules = settings(frame.call.argument("node", 0), agent_type)
    if agent_type == "planning" and rules.get("depth_diff", False):
        return "planning_depth", _named(rules, "depth_1_prompt_version", "depth_N_prompt_version")
    if agent_type == "atom" and rules.get("update_diff", False):
        keys = ("without_update_prompt_version", "with_update_prompt_version")
        return "atom_update", _named(rules, *keys)
    return "standard", _named(rules, "prompt_version")


def _named(rules: dict[str, Any], *keys: str) -> list[str]:
    return [str(rules[key]) for key in keys if key in rules]


def _template_chosen(call: Call) -> Attributes:
    key = _VERSION_OF.get(here(call).label)
    return {} if key is None else {key: type(call.instance).__name__}


def _choosing(call: Call) -> Iterable[Event]:
    """The engine asks a template for its system message right after it has chosen it."""
    name = type(call.instance).__name__
    logic, candidates = _logic(here(call))
    if is_in(call, *_VERSION_OF):
        attributes = {"logic_path": logic, "determined_version": name}
        yield Event("Determining prompt version", attributes)
    selected: dict[str, Any] = {
        PROMPT_NAME: name,
        PROMPT_VERSION: _version(call.instance),
        PROMPT_REASON: logic,
        PROMPT_CANDIDATES: candidates or [name],
    }
    yield Event(EVENT_PROMPT_SELECTED, selected)
    if is_in(call, *_VERSION_OF):
        yield Event("Constructing system message")


def _own_prompts(call: Call) -> Iterable[Event]:
    """The page readers have their prompts in their class, and no template."""
    name = type(call.instance).__name__
    yield Event(EVENT_PROMPT_SELECTED, {PROMPT_NAME: name, PROMPT_REASON: "page_reader"})


# --- filled with what ----------------------------------------------------------------------------


def _memory_collected(call: Call, result: Any) -> Iterable[Event]:
    if is_in(call, LLM_INTERACTION):
        keys = [str(key) for key in result] if isinstance(result, dict) else None
        yield Event("Collecting memory info", {"keys": keys})


def _constructing(call: Call) -> Iterable[Event]:
    if is_in(call, *_VERSION_OF):
        yield Event("Preparing prompt arguments", {"keys": list(call.kwargs)})


def _constructed(call: Call, prompt: Any) -> Iterable[Event]:
    if not isinstance(prompt, str):
        return
    sha256 = digest(prompt)
    if is_in(call, *_VERSION_OF):
        attributes: dict[str, Any] = {"prompt.hash": sha256, "prompt.length": len(prompt)}
        yield Event("Prompt constructed", attributes)
    neutral: dict[str, Any] = {
        PROMPT_SHA256: sha256,
        PROMPT_LENGTH: len(prompt),
        PROMPT_VARIABLES: list(call.kwargs),
    }
    yield Event(EVENT_PROMPT_CONSTRUCTED, neutral)


# --- answered by whom ----------------------------------------------------------------------------


def _answered(call: Call, choices: Any) -> Iterable[Event]:
    if not is_in(call, *_VERSION_OF):
        return
    text = _text(choices)
    attributes: dict[str, Any] = {}
    if text is not None:
        attributes = {"response.hash": digest(text), "response.length": len(text)}
    yield Event("LLM response received", attributes)
    yield Event("Parsing LLM result", {"parse_args": here(call).notes.get("parse_args")})


def _text(choices: Any) -> str | None:
    """The text of the first choice; the engine gives ``None`` for a context that is too long."""
    try:
        text = choices[0]["message"]["content"]
    except (TypeError, LookupError):
        return None
    return text if isinstance(text, str) else None


def _from_cache(call: Call, value: Any) -> Iterable[Event]:
    """A cached answer makes no request and so has no model call's span: it is marked here."""
    if value is None:
        return
    name, request = str(call.argument("name", 0)), call.argument("call_args_dict", 1)
    if name == _MODEL_CALLS and is_in(call, *_VERSION_OF):
        here(call).describe({CACHE_HIT: True})
    model = request.get("model") if isinstance(request, dict) else None
    yield Event("Cache hit", {"cache.name": name, REQUEST_MODEL: model, CACHE_HIT: True})


_TEMPLATE: Final = "recursive.agent.prompts.base:PromptTemplate"
_READERS: Final = "recursive.executor.actions.selector_and_summazier"

PATCHES: Final = (
    Patch(
        target=f"{_TEMPLATE}.construct_system_message",
        request=_template_chosen,
        before=_choosing,
        detail="normal",
    ),
    Patch(
        target=f"{_TEMPLATE}.construct_prompt",
        before=_constructing,
        after=_constructed,
        detail="normal",
    ),
    Patch(
        target=f"{_READERS}:EvidenceSelectorAPIClientOpenAI.compute_score",
        before=_own_prompts,
        detail="normal",
    ),
    Patch(target=f"{_READERS}:Summarizier.summarize", before=_own_prompts, detail="normal"),
    Patch(
        target="recursive.memory:Memory.collect_node_run_info",
        after=_memory_collected,
        detail="normal",
    ),
    Patch(target="recursive.llm.llm:OpenAIApiProxy.call", after=_answered, detail="normal"),
    Patch(target="recursive.cache:Cache.get_cache", after=_from_cache, detail="normal"),
)
