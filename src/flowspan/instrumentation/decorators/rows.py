"""A decorated function as a row: what its mark says, in the vocabulary of integrations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flowspan import semconv
from flowspan.instrumentation.decorators.sayings import Named, Saying, understood
from flowspan.instrumentation.integration import Attributes, Call, Event, Integration, Patch
from flowspan.instrumentation.machine import Site
from flowspan.instrumentation.spanmap.arguments import everything
from flowspan.instrumentation.spanmap.paths import Scope
from flowspan.instrumentation.wrappers import wrapper_for
from flowspan.safety import swallow

if TYPE_CHECKING:
    from collections.abc import Callable

    from flowspan.config import Detail
    from flowspan.instrumentation.decorators.functions import Plan
    from flowspan.instrumentation.decorators.live import Connection

DECORATORS: Final = Integration("decorators", "", (), engine="decorators")
"""Whose rows these are: ``flowspan.engine`` of runs that the program declares itself."""

DETAIL_OF_KIND: Final[dict[str, Detail]] = {"run": "minimal", "node": "minimal", "agent": "minimal"}
"""As of the rows of span maps; ``normal`` for others."""


def wrapper_of(plan: Plan, live: Connection) -> Callable[..., Any]:
    """The wrapper of a decorated function for a machine; made once."""
    try:
        site = Site(live.machine, DECORATORS, patch_of(plan))
        wrapper = wrapper_for(site, plan.function)
    except Exception as error:  # noqa: BLE001 - a decorator must not cost the program its function
        swallow(f"decorators {plan.mark.shown}", error)
        wrapper = _unseen
    live.wrappers[plan] = wrapper
    return wrapper


def _unseen(wrapped: Any, _instance: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    return wrapped(*args, **kwargs)


def patch_of(plan: Plan) -> Patch:
    """The row.  It refers to nothing of the function, so that this one can go."""
    mark, function = plan.mark, plan.function
    saying = understood(mark, function, bound=plan.bound)
    place = f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', '')}"
    if mark.kind == "prompt":
        slots = _prompt(saying, plan.name)
        return Patch(target=place, label=plan.name or mark.kind, detail="normal", **slots)
    asked: dict[str, tuple[Any, Any]] = {
        "request": (saying.request, _reader(saying.request)),
        "response": (saying.response, _response(saying.response)),
        "failure": (saying.failure, _failure(saying.failure)),
        "state": (saying.state, _state(saying)),
        "inputs": (mark.kind == "node" or saying.inputs, _inputs(saying)),
    }
    return Patch(
        target=place,
        kind=mark.kind,  # type: ignore[arg-type]  # made by a role
        name=_name(saying, plan.name),
        label=plan.name or mark.kind,
        quiet=saying.quiet,
        detail=DETAIL_OF_KIND.get(mark.kind, "normal"),
        **{slot: function for slot, (wanted, function) in asked.items() if wanted},
    )


def _name(saying: Saying, name: str | None) -> Callable[[Call], str | None]:
    said = saying.name
    if said is not None:
        return lambda call: said.text(Scope(call)) or name
    return lambda call: name or _class_of(call.instance)


def _class_of(instance: Any) -> str:
    return instance.__name__ if isinstance(instance, type) else type(instance).__name__


def _reader(values: Named) -> Callable[[Call], Attributes]:
    return lambda call: _read(values, Scope(call))


def _response(values: Named) -> Callable[[Call, Any], Attributes]:
    return lambda call, result: _read(values, Scope(call, result))


def _failure(values: Named) -> Callable[[Call, BaseException], Attributes]:
    return lambda call, error: _read(values, Scope(call, None, error))


def _read(values: Named, scope: Scope) -> Attributes:
    return {key: value.read(scope) for key, value in values}


def _state(saying: Saying) -> Callable[[Call], Any]:
    path = saying.state
    return lambda call: None if path is None else path.read(Scope(call))


def _inputs(saying: Saying) -> Callable[[Call], Any]:
    paths = saying.inputs
    if not paths:
        return everything
    return lambda call: [path.read(Scope(call)) for path in paths]


def _prompt(saying: Saying, name: str | None) -> dict[str, Any]:
    """The slots of a prompt: known before the call, or with its result."""

    def selected(call: Call, result: Any = None) -> Attributes:
        default = {semconv.PROMPT_NAME: name or _class_of(call.instance)}
        return {**default, **_read(saying.prompt, Scope(call, result))}

    if not saying.prompt_is_known_later:
        return {"prompt": selected}
    return {
        "after": lambda call, result: [Event(semconv.EVENT_PROMPT_SELECTED, selected(call, result))]
    }
