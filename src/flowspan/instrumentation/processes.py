"""Carries the current context into worker processes, whatever starts them.

A forked worker begins with the context in which it happened to be forked, and a pool's worker then
serves other runs; a spawned one begins with none.  So each piece of work takes along which span,
run and step it belongs to.  Nothing stays on the program's objects.
"""

from __future__ import annotations

import functools
import os
import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import wrapt
from opentelemetry.context import Context, get_current
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    TraceState,
    get_current_span,
    set_span_in_context,
)

from flowspan.instrumentation.attachment import Attached
from flowspan.instrumentation.elsewhere import RemoteFrame
from flowspan.instrumentation.frame import INVOCATION_KEY, living
from flowspan.instrumentation.run import Run
from flowspan.instrumentation.surroundings import starting
from flowspan.instrumentation.threads import in_context
from flowspan.instrumentation.wrapped import Wrapped, patched_by
from flowspan.safety import guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from flowspan.instrumentation.opening import Wrapper


_THIS_PYTHON: Final = (sys.executable, os.fsencode(sys.executable))


class Origin(NamedTuple):
    """Where a piece of work was given away; small, and pickled with it."""

    trace_id: int
    span_id: int
    flags: int
    state: tuple[tuple[str, str], ...]
    run: tuple[str | None, str, str] | None
    step: str | None
    kind: str | None

    def context(self) -> Context:
        """The context in which the work runs in its process."""
        identity = SpanContext(
            self.trace_id, self.span_id, True, TraceFlags(self.flags), TraceState(self.state)
        )
        context = set_span_in_context(NonRecordingSpan(identity), Context())
        if self.run is None:
            return context
        frame = RemoteFrame(Run(*self.run), self.step, self.kind)
        return Context({**context, INVOCATION_KEY: frame})


def origin() -> Origin | None:
    """Where the caller is; ``None`` outside any span."""
    context = get_current()
    frame = living(context.get(INVOCATION_KEY))
    if frame is not None:
        context = frame.materialise()
    identity = get_current_span(context).get_span_context()
    if not identity.is_valid:
        return None
    run = None if frame is None else (frame.run.workflow, frame.run.engine, frame.run.run_id)
    return Origin(
        identity.trace_id,
        identity.span_id,
        int(identity.trace_flags),
        tuple(identity.trace_state.items()),
        run,
        None if frame is None else frame.step,
        None if frame is None else frame.kind,
    )


class Work:
    """A function that knows where it was given away."""

    def __init__(self, function: Callable[..., Any], origin_: Origin) -> None:
        self._function = function
        self._origin = origin_

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it there."""
        context = guarded("context of a worker process", self._origin.context)
        if context is None:
            return self._function(*args, **kwargs)
        attached = Attached(context)
        try:
            return self._function(*args, **kwargs)
        finally:
            attached.detach()


def work(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with its origin if it has one and the worker can import us."""
    spawn = sys.modules.get("multiprocessing.spawn")
    if spawn is not None and spawn.get_executable() not in _THIS_PYTHON:
        return function
    found = guarded("context for a worker process", origin)
    return function if found is None else Work(function, found)


# --- what is patched --------------------------------------------------------------------------


def _with_work(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """Wrapper of a method whose first argument is a function for a worker."""
    carry = in_thread if _has_threads(instance) else work
    if args:
        return wrapped(carry(args[0]), *args[1:], **kwargs)
    if "func" in kwargs:
        return wrapped(**{**kwargs, "func": carry(kwargs["func"])})
    return wrapped(**kwargs)


def _has_threads(pool: Any) -> bool:
    """Whether it is the one of ``multiprocessing``'s pools that has threads for workers."""
    module = sys.modules.get("multiprocessing.pool")
    return module is not None and isinstance(pool, module.ThreadPool)


def in_thread(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function in the current context, be it an empty one: the thread began in some run."""
    return in_context(function, get_current())


def _start(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """Wrapper of ``Process.start``, which hands the process object to its child meanwhile."""
    known = vars(instance)
    former = {"run": known["run"]} if "run" in known else {}
    known["run"] = work(instance.run)
    try:
        return wrapped(*args, **kwargs)
    finally:
        del known["run"]
        known.update(former)


_PLACES: Final[tuple[tuple[str, str, tuple[str, ...], Wrapper], ...]] = (
    ("concurrent.futures.process", "ProcessPoolExecutor", ("submit",), _with_work),
    (
        "multiprocessing.pool",
        "Pool",
        ("apply_async", "_map_async", "imap", "imap_unordered"),
        _with_work,
    ),
    ("multiprocessing.process", "BaseProcess", ("start",), _start),
    ("subprocess", "Popen", ("__init__",), starting),
)


class ProcessContext:
    """Carries contexts from :meth:`install` to :meth:`uninstall`."""

    def __init__(self) -> None:
        self._active = False
        self._patched: list[tuple[Any, str]] = []

    def install(self) -> None:
        """Patch what starts processes, once the program has imported it."""
        self._active = True
        for module, owner, names, wrapper in _PLACES:
            apply = functools.partial(self._apply, owner, names, wrapper)
            wrapt.register_post_import_hook(apply, module)

    def _apply(self, owner: str, names: tuple[str, ...], wrapper: Wrapper, module: Any) -> None:
        if self._active:
            guarded(f"patch of {owner}", self._patch, module, owner, names, wrapper)

    def _patch(
        self, module: ModuleType, owner: str, names: tuple[str, ...], wrapper: Wrapper
    ) -> None:
        found = getattr(module, owner)
        for name in names:
            if (original := vars(found).get(name)) is not None:
                setattr(found, name, Wrapped(original, wrapper, self))
                self._patched.append((found, name))

    def uninstall(self) -> None:
        """Take the patches back, unless somebody else's are around them."""
        self._active = False
        while self._patched:
            guarded("undo of a patch", self._undo, *self._patched.pop())

    def _undo(self, owner: type, name: str) -> None:
        ours = patched_by(vars(owner).get(name), self)
        if ours is not None:
            setattr(owner, name, ours.__wrapped__)
