"""What can be decorated: functions of every kind, methods, and classes by the method that works."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from flowspan.instrumentation.decorators.functions import Plan, decorated_function, plan_of
from flowspan.instrumentation.decorators.live import connections

if TYPE_CHECKING:
    from flowspan.instrumentation.decorators.marks import Mark

METHODS: Final = ("__call__", "run", "execute", "forward", "invoke")
"""Which method of a class does its work, unless the mark says so: the first of these that the class
defines itself, else the first that it inherits."""

_FIRST: Final = frozenset({"self", "cls"})
_IMMUTABLE: Final = 1 << 8
"""The flag of classes whose attributes cannot be set."""

_CACHED: Final = type(functools.cache(len))
_PROPERTIES: Final = (property, functools.cached_property)


def decorated(mark: Mark, target: Any) -> Any:
    """The target, seen in the role of the mark.

    Raises:
        TypeError: It cannot be decorated; the sentence says what can.
        ValueError: The mark names something that the target does not have.
    """
    if isinstance(target, type):
        return _class(mark, target)
    if mark.method is not None:
        raise TypeError(
            f"{mark.shown} has method={mark.method!r} for a class, and {_named(target)} is none: "
            "leave it out"
        )
    if isinstance(target, staticmethod | classmethod):
        return type(target)(decorated(mark, target.__func__))
    if isinstance(target, _PROPERTIES):
        raise TypeError(
            f"{mark.shown} cannot decorate a {type(target).__name__}: write it below the line "
            f"@{type(target).__name__}"
        )
    if not callable(target):
        raise TypeError(
            f"{mark.shown} cannot decorate {_named(target)}: it takes a function, a method, "
            "a class, or a name"
        )
    return _function(mark, target, _name(target), bound=_is_method(target))


def _function(mark: Mark, target: Any, name: str | None, *, bound: bool) -> Any:
    function = _alone(target) if connections and mark.kind != "prompt" else target
    known = plan_of(function)
    if known is not None and known.mark.kind == mark.kind:
        function = known.function  # said twice, it is one span, and the outer one's words count
    _check(mark, function, bound=bound)
    return decorated_function(Plan(mark, function, name, bound=bound))


def _alone(target: Any) -> Any:
    """The function without spans of a map's rows, which have reached it before the decorator."""
    from flowspan.instrumentation.precedence import (  # noqa: PLC0415 - imports OpenTelemetry
        without_spans,
    )

    return without_spans(target)


def _check(mark: Mark, function: Any, *, bound: bool) -> None:
    """Refuse now what could not be understood later; what has no paths in it needs no parser."""
    said = (mark.name, mark.attributes, mark.values, mark.options)
    if any(said):
        from flowspan.instrumentation.decorators.sayings import (  # noqa: PLC0415 - seldom needed
            understood,
        )

        understood(mark, function, bound=bound)


# --- classes ----------------------------------------------------------------------------------


def _class(mark: Mark, owner: type) -> type:
    names = _methods(mark, owner)
    if owner.__flags__ & _IMMUTABLE:
        raise TypeError(
            f"{mark.shown} cannot decorate the class {owner.__name__}: it is written in C; "
            "decorate a subclass"
        )
    for name in names:
        setattr(owner, name, _method(mark, owner, name))
    return owner


def _methods(mark: Mark, owner: type) -> tuple[str, ...]:
    if mark.method is not None:
        names = (mark.method,) if isinstance(mark.method, str) else tuple(mark.method)
        for name in names:
            if _raw(owner, name) is None:
                raise ValueError(
                    f"{mark.shown} has method={name!r}, which the class {owner.__name__} does not "
                    "have: name one of its methods"
                )
        return names
    own = (name for name in METHODS if name in vars(owner))
    inherited = (name for name in METHODS if _raw(owner, name) is not None)
    found = next(own, None) or next(inherited, None)
    if found is None:
        raise TypeError(
            f"{mark.shown} cannot decorate the class {owner.__name__}: it has none of the methods "
            f"{', '.join(METHODS)}; name the one that works by method=…"
        )
    return (found,)


def _raw(owner: type, name: str) -> Any:
    """The attribute as it stands in the class that has it, nothing being asked."""
    for each in owner.__mro__[:-1]:
        if name in vars(each):
            return vars(each)[name]
    return None


def _method(mark: Mark, owner: type, name: str) -> Any:
    raw = _raw(owner, name)
    if isinstance(raw, staticmethod | classmethod):
        inner = raw.__func__
        bound = isinstance(raw, classmethod)
        return type(raw)(_function(mark, inner, owner.__name__, bound=bound))
    if not callable(raw):
        raise TypeError(
            f"{mark.shown} cannot decorate {owner.__name__}.{name}: it is no method, "
            "name one by method=…"
        )
    bound = hasattr(type(raw), "__get__")
    return _function(mark, raw, None, bound=bound)


# --- names ------------------------------------------------------------------------------------


def _is_method(target: Any) -> bool:
    """Whether the first argument is what the function is a method of, as far as names tell."""
    known = plan_of(target)
    if known is not None:
        return known.bound
    code = getattr(target, "__code__", None)
    if code is None and type(target) is _CACHED:
        return _is_method(target.__wrapped__)
    return code is not None and code.co_argcount > 0 and code.co_varnames[0] in _FIRST


def _name(target: Any) -> str:
    """``function``, or ``Class.method``."""
    if isinstance(target, functools.partial):
        return _name(target.func)
    name = getattr(target, "__qualname__", None) or type(target).__qualname__
    return str(name).rpartition("<locals>.")[2]


def _named(target: Any) -> str:
    return f"{type(target).__name__} {target!r:.60}" if target is not None else "None"
