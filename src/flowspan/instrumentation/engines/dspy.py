"""DSPy: a program is a run, the modules inside it are nodes or agents, and tools are tools."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from flowspan.instrumentation.integration import Attributes, Call, Event, Integration, Patch
from flowspan.semconv import ATTEMPT, EVENT_RETRY, NODE_ID, STEP_NAME

_TRIERS: Final = frozenset({"BestOfN", "Refine"})
"""Modules that run another one several times, each time a copy of it."""

_ADVICE: Final = frozenset({"OfferFeedback"})
"""What they ask themselves, between two attempts."""

_AGENTS: Final = frozenset({"ReAct", "ReActV2", "CodeAct", "Avatar", "RLM"})
"""Modules that use tools in a loop of their own."""


def _name(call: Call) -> str:
    return type(call.instance).__name__


def _is_agent(call: Call) -> bool:
    return bool({each.__name__ for each in type(call.instance).__mro__} & _AGENTS)


def _is_node(call: Call) -> bool:
    return not _is_agent(call)


def _node(call: Call) -> Attributes:
    return {STEP_NAME: _name(call), NODE_ID: _name(call), ATTEMPT: _attempt(call)}


def _attempt(call: Call) -> int | None:
    """Which attempt this is, of a module that another one runs until it is good enough."""
    around = call.enclosing
    trier: Any = None if around is None else around.call.instance
    if around is None or type(trier).__name__ not in _TRIERS:
        return None
    signature = getattr(call.instance, "signature", None)
    if type(call.instance) is not type(trier.module) or _says(signature) in _ADVICE:
        return None
    found: int = around.notes.get("attempt", 0) + 1
    return found


def _says(signature: Any) -> str:
    return str(getattr(signature, "__name__", ""))


def _tried(call: Call) -> Iterable[Event]:
    attempt = _attempt(call)
    if attempt is not None and call.enclosing is not None:
        call.enclosing.notes["attempt"] = attempt
        if attempt > 1:
            yield Event(EVENT_RETRY, {ATTEMPT: attempt})


def _trying(call: Call) -> Attributes:
    return {ATTEMPT: _attempt(call)}


def _evaluation(call: Call) -> Attributes:
    return {STEP_NAME: _name(call), NODE_ID: _name(call)}


def _is_inside(call: Call) -> bool:
    """Whether it is part of something else, and no run itself."""
    return call.enclosing is not None and call.enclosing.call.instance is not call.instance


def _inputs(call: Call) -> Any:
    return call.kwargs


def _tool(call: Call) -> str:
    return str(call.instance.name)


def _rows(method: str) -> tuple[Patch, ...]:
    """What is listed last is outermost."""
    target = f"dspy.primitives.module:Module.{method}"
    return (
        Patch(
            target=target,
            label="agent",
            kind="agent",
            name=_name,
            request=_trying,
            before=_tried,
            when=_is_agent,
        ),
        Patch(
            target=target,
            label="module",
            kind="node",
            request=_node,
            before=_tried,
            inputs=_inputs,
            when=_is_node,
        ),
        Patch(target=target, label="run", kind="run", name=_name, when=Call.is_outermost),
        Patch(
            target=f"dspy.adapters.types.tool:Tool.{method}",
            label="tool",
            kind="tool",
            name=_tool,
            detail="normal",
        ),
    )


_AROUND: Final = (
    Patch(
        target="dspy.evaluate.evaluate:Evaluate.__call__",
        label="evaluation",
        kind="node",
        request=_evaluation,
        when=_is_inside,
    ),
    *(
        Patch(
            target=target,
            label="run",
            kind="run",
            name=_name,
            when=Call.is_outermost,
            subclasses=overridden,
        )
        for target, overridden in (
            ("dspy.evaluate.evaluate:Evaluate.__call__", False),
            ("dspy.predict.parallel:Parallel.__call__", False),
            ("dspy.teleprompt.teleprompt:Teleprompter.compile", True),
        )
    ),
)
"""What runs programs many times: alone it is a run, in which each of them is a node."""

INTEGRATION: Final = Integration(
    "dspy",
    requires="dspy>=3",
    engine="dspy",
    patches=(*_rows("__call__"), *_rows("acall"), *_AROUND),
)
