"""Rows of Flows: their methods are nodes, and routers tell which methods they lead to.

The engine runs its own agents and its memory by Flows too; those are none of the program's.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from flowspan.instrumentation.engines.crewai.places import FLOW, METHOD, hands_over
from flowspan.instrumentation.integration import (
    NOTHING,
    Attributes,
    ByIdentity,
    Call,
    Conversation,
    Event,
    Judged,
    Patch,
)
from flowspan.semconv import EVENT_ROUTE_TAKEN, INTERRUPTION, ROUTE_ACTION, ROUTE_FROM, ROUTE_TO

_OWN: Final = (
    "crewai.agents.",
    "crewai.memory.",
    "crewai.experimental.agent_executor",
    "crewai.experimental.crew_agent_executor_flow",
)
"""Where the engine keeps what it runs by Flows of its own."""

_PAUSE: Final = "HumanFeedbackPending"


_found: Final[WeakKeyDictionary[type, bool]] = WeakKeyDictionary()
"""What was found out of classes of Flows: it is asked for each method that is run."""


def _is_the_programs(flow: Any, _args: tuple[Any, ...], _kwargs: Mapping[str, Any]) -> bool:
    kind = type(flow)
    found = _found.get(kind)
    if found is None:
        found = not any(each.__module__.startswith(_OWN) for each in kind.__mro__)
        _found[kind] = found
    return found


# --- runs -----------------------------------------------------------------------------------------


def _runs_itself(call: Call) -> bool:
    return not hands_over(call)


def _name(call: Call) -> str:
    return str(getattr(call.instance, "name", None) or type(call.instance).__name__)


def _conversation(call: Call) -> Conversation | None:
    """The id of a flow's state is by what it is found again; a run may be given that of another."""
    flow, given = call.instance, call.argument("inputs", 0)
    known = given.get("id") if isinstance(given, Mapping) else None
    known = known or flow.flow_id
    restored = getattr(flow, "_restored_from_checkpoint", False)
    return Conversation(str(known), resumes=bool(restored)) if known else None


def _resumed(call: Call) -> Conversation | None:
    known = call.instance.flow_id
    return Conversation(str(known), resumes=True) if known else None


def _paused(_call: Call, result: Any) -> Attributes:
    """A flow that waits for a human returns what it waits for."""
    return {INTERRUPTION: _PAUSE} if type(result).__name__ == _PAUSE else NOTHING


# --- methods --------------------------------------------------------------------------------------


def _method(call: Call) -> str:
    return str(call.argument("method_name", 0))


def _kept(flow: Any, name: str) -> Any:
    """What a flow keeps for itself, found where pydantic has it: asked for, it looks for long."""
    private = getattr(flow, "__pydantic_private__", None)
    if private is not None and name in private:
        return private[name]
    return getattr(flow, name, None)


def _state(call: Call) -> Any:
    """The engine's own state object: what a program gets is a proxy that locks."""
    return _kept(call.instance, "_state")


def _inputs(call: Call) -> Any:
    """What a method is given, and the state that it works on."""
    return call.args[2:], _state(call)


def _waits(_call: Call, error: BaseException) -> Attributes:
    return {INTERRUPTION: _PAUSE} if type(error).__name__ == _PAUSE else NOTHING


def _said(call: Call, result: Any) -> Any:
    """What a method returned; today's versions say that they add the id of an event to it."""
    said = str(getattr(call.function, "__annotations__", {}).get("return"))
    return result[0] if said.startswith("tuple") and isinstance(result, tuple) else result


def _judged(call: Call, result: Any) -> Judged:
    return Judged(_said(call, result), _state(call))


# --- routes ---------------------------------------------------------------------------------------


class _Listener(NamedTuple):
    """A method that a word may set off.

    Attributes:
        name: Of the method.
        condition: All that it waits for.
        alone: Whether the word is enough.
    """

    name: str
    condition: Any
    alone: bool


_Listeners = Mapping[str, list[_Listener]]

_found_listeners: Final = ByIdentity[_Listeners]()
"""By word, what the definitions of flows were found to say: it is asked for each route."""


def _routed(call: Call, result: Any) -> Iterable[Event]:
    """Where a router leads: one route for each method that waits for the word that it said."""
    flow, name = call.instance, _method(call)
    if not _is_router(flow, name):
        return
    said = _said(call, result)
    if said is None:
        return
    word = str(said.value if isinstance(said, enum.Enum) else said)
    for to in list(_listeners(flow, word)) or (None,):
        attributes = {ROUTE_FROM: name, ROUTE_TO: to, ROUTE_ACTION: word if word != to else None}
        yield Event(EVENT_ROUTE_TAKEN, attributes)


def _is_router(flow: Any, name: str) -> bool:
    definition = _kept(flow, "_definition")
    if definition is None:
        return name in getattr(flow, "_routers", ())
    return bool(definition.methods[name].router)


def _listeners(flow: Any, word: str) -> Iterator[str]:
    """The methods that a word sets off, by the conditions that the flow was defined with."""
    for name, condition, alone in _waiting_for(flow).get(word, ()):
        if alone or _is_met(condition, {word, *_heard(flow, name, condition)}):
            yield name


def _waiting_for(flow: Any) -> _Listeners:
    """The methods that wait for each word; flows of a class are defined alike, unless named."""
    definition = _kept(flow, "_definition")
    of: Any = type(flow) if definition is None else definition
    found = _found_listeners.get(of)
    if found is None:
        known: dict[str, list[_Listener]] = {}
        for name, condition in _conditions(flow, definition):
            for word in dict.fromkeys(_words(condition)):
                listener = _Listener(name, condition, _is_met(condition, {word}))
                known.setdefault(word, []).append(listener)
        found = _found_listeners.set_once(of, known)
    return found


def _conditions(flow: Any, definition: Any) -> Iterator[tuple[str, Any]]:
    if definition is None:
        for name, condition in getattr(flow, "_listeners", {}).items():
            yield str(name), condition
        return
    for name, method in definition.methods.items():
        conditions = [method.listen, method.start]
        said = [condition for condition in conditions if isinstance(condition, str | dict)]
        if said:
            yield str(name), {"or": said}


def _heard(flow: Any, name: str, condition: Any) -> Iterable[str]:
    """What a method that waits for several words has heard of them so far."""
    pending: Mapping[str, Iterable[str]] | None = _kept(flow, "_pending_events")
    if pending is not None:
        return pending.get(name, ())
    missing = (_kept(flow, "_pending_and_listeners") or {}).get(name)
    return () if missing is None else set(_words(condition)) - missing


def _is_met(condition: Any, heard: set[str]) -> bool:
    if isinstance(condition, str):
        return condition in heard
    needs_all, parts = _parts(condition)
    return (all if needs_all else any)(_is_met(part, heard) for part in parts)


def _words(condition: Any) -> Iterator[str]:
    """All words in a condition."""
    if isinstance(condition, str):
        yield condition
    else:
        for part in _parts(condition)[1]:
            yield from _words(part)


def _parts(condition: Any) -> tuple[bool, list[Any]]:
    """Whether a condition needs all of its parts, and these, as the engine's versions keep them."""
    if isinstance(condition, tuple):
        operator, parts = condition
        return operator == "AND", list(parts)
    if "and" in condition:
        return True, condition["and"]
    if "or" in condition:
        return False, condition["or"]
    parts = condition.get("conditions") or condition.get("methods") or []
    return condition.get("type") == "AND", list(parts)


_RUNTIME: Final = "crewai.flow.runtime:Flow"
_FORMER: Final = "crewai.flow.flow:Flow"

PATCHES: Final = (
    *(
        Patch(
            target=f"{_RUNTIME}.{method}",
            moved=(f"{_FORMER}.{method}",),
            label=FLOW,
            kind="run",
            name=_name,
            glance=_is_the_programs,
            when=_runs_itself,
            conversation=conversation,
            response=_paused,
            optional=method == "resume_async",
        )
        for method, conversation in (("kickoff_async", _conversation), ("resume_async", _resumed))
    ),
    Patch(
        target=f"{_RUNTIME}._execute_method",
        moved=(f"{_FORMER}._execute_method",),
        label=METHOD,
        kind="node",
        name=_method,
        glance=_is_the_programs,
        state=_state,
        inputs=_inputs,
        judged=_judged,
        failure=_waits,
        after=_routed,
        quiet=(_PAUSE,),
    ),
)
