"""The arguments of a call, by name or all of them, and what is known of the call around it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from flowspan.instrumentation.integration import Call, Frame


class _Place(NamedTuple):
    """Where a parameter stands.

    Attributes:
        position: Its position, ``self`` counted; ``None`` for one that is passed by key.
        rest: True for ``*args`` and ``**kwargs``, which take what is left.
        default: Its value if nothing is passed.
    """

    position: int | None
    rest: bool
    default: Any


_places: Final[WeakKeyDictionary[Callable[..., Any], Mapping[str, _Place]]] = WeakKeyDictionary()
"""Parameters of functions that were called; weak, so that no function lives longer for it."""


def argument(call: Call, name: str) -> Any:
    """The value that the parameter ``name`` has in a call.

    Args:
        call: The call.
        name: As in the function's signature; ``*names`` and ``**names`` give what is left.

    Returns:
        What was passed, else the parameter's default, else ``None``.
    """
    function = getattr(call.function, "__func__", call.function)
    parameters = {} if function is None else _parameters(function)
    place = parameters.get(name)
    counts_self = call.instance is not None and not hasattr(function, "__self__")
    if place is not None and place.rest:
        return _rest(call, parameters, place, counts_self)
    if name in call.kwargs:
        return call.kwargs[name]
    if place is None:
        return None
    index = -1 if place.position is None else place.position - counts_self
    return call.args[index] if 0 <= index < len(call.args) else place.default


def everything(call: Call) -> Any:
    """All that a call works on, its instance included; ``None`` where there is nothing to see."""
    found = [*call.args, *call.kwargs.items()]
    if call.instance is not None and not isinstance(call.instance, type):
        found.append(call.instance)
    return found or None


def _rest(
    call: Call,
    parameters: Mapping[str, _Place],
    place: _Place,
    counts_self: bool,  # noqa: FBT001 - a fact about the positions, not a switch
) -> Any:
    if place.position is not None:
        return call.args[place.position - counts_self :]
    return {key: value for key, value in call.kwargs.items() if key not in parameters}


def _parameters(function: Callable[..., Any]) -> Mapping[str, _Place]:
    try:
        return _places[function]
    except (KeyError, TypeError):  # not seen yet; a callable that cannot be referred to weakly
        found = _read(function)
    try:
        _places[function] = found
    except TypeError:
        return found
    return found


def _read(function: Callable[..., Any]) -> Mapping[str, _Place]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # written in C: nobody knows its parameters
        return {}
    return {each.name: _place(index, each) for index, each in enumerate(parameters)}


def _place(index: int, parameter: inspect.Parameter) -> _Place:
    default = None if parameter.default is parameter.empty else parameter.default
    rest = parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}
    by_key = parameter.kind in {parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD}
    return _Place(None if by_key else index, rest, default)


class NamedArguments:
    """The arguments of a call as attributes and items, for paths."""

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call = call

    def __getattr__(self, name: str) -> Any:
        return argument(self._call, name)

    def __getitem__(self, name: str) -> Any:
        return argument(self._call, name)


class Around:
    """The row's call around another one, as paths may look at it."""

    __slots__ = ("_frame",)

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    @classmethod
    def of(cls, call: Call) -> Around | None:
        """What is around a call, if anything is."""
        return None if call.enclosing is None else cls(call.enclosing)

    def __getattr__(self, name: str) -> Any:
        frame = self._frame
        if name == "caller":
            return None if frame.parent is None else Around(frame.parent)
        if name in {"label", "kind"}:
            return getattr(frame, name)
        if name == "arguments":
            return NamedArguments(frame.call)
        if name == "self":
            return frame.call.instance
        raise AttributeError(name)
