"""Carries the current context into threads and pools of threads.

A thread runs in the context that it was started in, also where its class has a ``run`` of its own;
a pool runs each piece of work in the context that it was submitted in, and starts its threads in
an empty one, so that a thread that lives on keeps nothing of the run that happened to start it.
Nothing is put on the program's objects.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import Context, get_current

from flowspan.instrumentation.attachment import Attached
from flowspan.instrumentation.wrapped import Wrapped, patched_by
from flowspan.safety import guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flowspan.instrumentation.opening import Wrapper

_starting: Final[dict[int, Context]] = {}
"""Contexts of threads that have been started and do not run yet, by the thread's identity."""


def _start(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    context = get_current()
    if not context:
        return wrapped(*args, **kwargs)
    _starting[id(instance)] = context
    try:
        return wrapped(*args, **kwargs)
    except BaseException:
        _starting.pop(id(instance), None)
        raise


def _run(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    context = _starting.pop(id(instance), None)
    if context is None:
        return wrapped(*args, **kwargs)
    attached = Attached(context)
    del context
    try:
        return wrapped(*args, **kwargs)
    finally:
        attached.detach()


def _submit(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    del instance
    context = get_current()
    if not context or not args:
        return wrapped(*args, **kwargs)
    function, *rest = args

    def in_context(*work_args: Any, **work_kwargs: Any) -> Any:
        inside = Attached(context)
        try:
            return function(*work_args, **work_kwargs)
        finally:
            inside.detach()

    nothing = Attached(Context())  # for a thread that is started for the work
    try:
        return wrapped(in_context, *rest, **kwargs)
    finally:
        nothing.detach()


_PLACES: Final[tuple[tuple[type, str, Wrapper], ...]] = (
    (threading.Thread, "start", _start),
    # Where every thread begins, whatever its class; ``run`` is what subclasses replace.
    (threading.Thread, "_bootstrap_inner", _run),
    (ThreadPoolExecutor, "submit", _submit),
)


class ThreadContext:
    """Carries contexts from :meth:`install` to :meth:`uninstall`."""

    def install(self) -> None:
        """Patch threads and pools; what Python does not have any more is left out."""
        for owner, name, wrapper in _PLACES:
            if (original := vars(owner).get(name)) is not None:
                setattr(owner, name, Wrapped(original, wrapper, self))

    def uninstall(self) -> None:
        """Take the patches back, unless somebody else's are around them."""
        for owner, name, _ in _PLACES:
            guarded(f"undo of {name}", self._undo, owner, name)

    def _undo(self, owner: type, name: str) -> None:
        ours = patched_by(vars(owner).get(name), self)
        if ours is not None:
            setattr(owner, name, ours.__wrapped__)
