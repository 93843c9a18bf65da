"""Decorated functions: plain ones while flowspan is off, seen as any patched one while it is on.

A function that runs when it is called is decorated by a function.  Python tells coroutine functions
and generators by a flag of their code, which no function around them can have without changing when
wrong arguments are refused; these are decorated by an object that is a function to everybody else.
"""

from __future__ import annotations

import functools
import inspect
import sys
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final, cast

from flowspan.instrumentation.decorators.live import connection, connections

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flowspan.instrumentation.decorators.marks import Mark

_LAZY: Final = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
_PLAN: Final = "__flowspan__"


class Plan:
    """What is to be done around one function.

    Attributes:
        mark: What the program says of it.
        function: The original.
        name: What it is about, unless the mark says so; ``None`` where it is the instance's class.
        bound: Whether its first argument is the instance, or class, that it belongs to.
    """

    __slots__ = ("__weakref__", "bound", "function", "mark", "name")

    def __init__(self, mark: Mark, function: Any, name: str | None, *, bound: bool) -> None:
        self.mark = mark
        self.function = function
        self.name = name
        self.bound = bound

    def call(
        self,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        found: Any = None,
        instance: Any = None,
    ) -> Any:
        """Call the original, seen.

        Args:
            args: Of the call.
            kwargs: Of the call.
            found: What the original has become where it was found, if it did.
            instance: What it was found in, if that is no class.
        """
        function = self.function if found is None else found
        live = connection()
        if live is None:
            return function(*args, **kwargs)
        wrapper = live.wrappers.get(self)
        if wrapper is None:
            from flowspan.instrumentation.decorators.rows import (  # noqa: PLC0415 - imports OpenTelemetry
                wrapper_of,
            )

            wrapper = wrapper_of(self, live)
        if instance is not None:
            return wrapper(function, instance, args, kwargs)
        if self.bound and args and args[0] is not None:
            return wrapper(MethodType(function, args[0]), args[0], args[1:], kwargs)
        return wrapper(function, None, args, kwargs)


def _eager(plan: Plan) -> Any:
    function = plan.function

    def decorated(*args: Any, **kwargs: Any) -> Any:
        if not connections:
            return function(*args, **kwargs)
        return plan.call(args, kwargs)

    functools.update_wrapper(decorated, function)
    setattr(decorated, _PLAN, plan)
    return decorated


_CODE: Final = next(each for each in _eager.__code__.co_consts if inspect.iscode(each))


class Decorated:
    """A decorated coroutine function, generator function or callable object.

    What it is asked for is the original's; it pickles by its name, as functions do.
    """

    __slots__ = ("__dict__", "__weakref__", "_function", "_plan")

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._function = plan.function
        functools.update_wrapper(cast("Callable[..., Any]", self), plan.function)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the original, seen if flowspan is on."""
        if connections:
            return self._plan.call(args, kwargs)
        return self._function(*args, **kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        function = self._function
        if type(function) is FunctionType:
            return self if instance is None else MethodType(self, instance)
        binds = getattr(type(function), "__get__", None)
        found = function if binds is None else binds(function, instance, owner)
        if found is function:
            return self
        if type(found) is MethodType and found.__func__ is function:
            return MethodType(self, found.__self__)
        return _Found(self._plan, found, instance)

    @property  # type: ignore[misc]  # a class is never assigned
    def __class__(self) -> Any:
        return type(self._function)

    def __getattr__(self, name: str) -> Any:
        if name == "_function":  # nothing is there yet: an unpickler asks
            raise AttributeError(name)
        return getattr(self._function, name)

    def __repr__(self) -> str:
        return repr(self._function)

    def __reduce_ex__(self, protocol: Any) -> Any:
        found: Any = sys.modules.get(getattr(self, "__module__", ""))
        for part in getattr(self, "__qualname__", "").split("."):
            found = getattr(found, part, None)
        if found is self:
            return self.__qualname__
        # ``cast`` gives its second argument back: what is found by no name pickles as the original.
        return cast, (None, self._function)

    def __copy__(self) -> Decorated:
        return self

    def __deepcopy__(self, memo: Any) -> Decorated:
        return self


class _Found(Decorated):
    """One that binds by rules of its own, where it was found: in an object or in a class."""

    __slots__ = ("_instance",)

    def __init__(self, plan: Plan, found: Any, instance: Any) -> None:
        self._plan = plan
        self._function = found
        self._instance = instance
        functools.update_wrapper(cast("Callable[..., Any]", self), found)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call what was found, seen if flowspan is on."""
        if connections:
            return self._plan.call(args, kwargs, self._function, self._instance)
        return self._function(*args, **kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self

    def __eq__(self, other: object) -> bool:
        # By ``type``: the class of a proxy is the class of what it stands for.
        ours: Any = other if type(other) is _Found else None
        return ours is not None and bool(self._function == ours._function)

    def __hash__(self) -> int:
        return hash(self._function)

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self._instance is None:
            return super().__reduce_ex__(protocol)
        return getattr, (self._instance, self.__name__)


def plan_of(target: Any) -> Plan | None:
    """The plan of a function that was decorated here; ``None`` of others."""
    if type(target) is Decorated:
        return target._plan  # noqa: SLF001 - ours
    ours = getattr(target, "__code__", None) is _CODE
    found = vars(target).get(_PLAN) if ours else None
    return found if isinstance(found, Plan) else None


def decorated_function(plan: Plan) -> Any:
    """What stands in for the function from now on."""
    function = plan.function
    if type(function) is FunctionType and not function.__code__.co_flags & _LAZY:
        return _eager(plan)
    return Decorated(plan)
