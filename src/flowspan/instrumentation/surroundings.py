"""The trace that a process was started in, and what is told to the processes that it starts.

Both go by the environment (``TRACEPARENT``, ``TRACESTATE`` and what else ``OTEL_PROPAGATORS``
names), as OpenTelemetry has it.  A member of the trace state says which run the trace is of, so
that a run in the new process has the same ``flowspan.run.id``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar, Final

from opentelemetry import propagate
from opentelemetry.context import Context, get_current
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    get_current_span,
    set_span_in_context,
)

from flowspan.instrumentation.attachment import Attached
from flowspan.instrumentation.frame import INVOCATION_KEY, SPAN_KEY, living
from flowspan.instrumentation.run import MEMBER
from flowspan.safety import guarded, report_once

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PARENT: Final = "TRACEPARENT"
_ENVIRONMENT: Final = 10
"""Position of ``env`` among the arguments of ``Popen``."""
_SHOWN: Final = 80


class Surroundings:
    """What is around the whole process, from :meth:`install` to :meth:`uninstall`.

    It is the context of the thread that installs it, so of every run, span and thread that begins
    there without another one around it.
    """

    around: ClassVar[Context] = Context()
    told: ClassVar[str | None] = None
    """The ``TRACEPARENT`` that this process was started with."""

    def __init__(self) -> None:
        self._attached: Attached | None = None

    def install(self) -> None:
        """Begin in the trace that the environment names."""
        guarded("trace context of the environment", self._install)

    def _install(self) -> None:
        found = _extracted(os.environ)
        Surroundings.told = os.environ.get(_PARENT)
        if found:
            Surroundings.around = found
            self._attached = Attached(Context({**found, **get_current()}))

    def uninstall(self) -> None:
        """Begin nowhere again."""
        Surroundings.around, Surroundings.told = Context(), None
        if self._attached is not None:
            self._attached.detach()


def within(context: Context) -> Context:
    """A context in which nothing is under way any more, in what is around the process."""
    if SPAN_KEY in context or not Surroundings.around:
        return context
    return Context({**Surroundings.around, **context})


def _extracted(environ: Mapping[str, str]) -> Context:
    """What the environment tells; empty where it tells of no trace."""
    fields = propagate.get_global_textmap().fields
    carrier = {field: environ[_variable(field)] for field in fields if _variable(field) in environ}
    if not carrier:
        return Context()
    found = propagate.extract(carrier, context=Context())
    if get_current_span(found).get_span_context().is_valid:
        return found
    if _PARENT.lower() in carrier:
        report_once(
            "TRACEPARENT",
            f"flowspan: TRACEPARENT={environ[_PARENT][:_SHOWN]!r} in the environment is no trace "
            "context, so runs here are traces of their own: expected 00-, 32 hexadecimal digits "
            "of the trace, -, 16 of the span, -, 2 of flags, or no such variable",
        )
    return Context()


def _variable(field: str) -> str:
    return field.upper().replace("-", "_")


# --- what new processes are told ------------------------------------------------------------------


def _told() -> dict[str, str]:
    """The variables for a process that is started now; none outside any span."""
    context = get_current()
    frame = living(context.get(INVOCATION_KEY))
    if frame is not None:
        context = frame.materialise()
    identity = get_current_span(context).get_span_context()
    if not identity.is_valid:
        return {}
    if frame is not None:
        context = set_span_in_context(
            NonRecordingSpan(_of_run(identity, frame.run.run_id)), context
        )
    carrier: dict[str, str] = {}
    propagate.inject(carrier, context=context)
    return {_variable(field): value for field, value in carrier.items()}


def _of_run(identity: SpanContext, run_id: str) -> SpanContext:
    state = identity.trace_state.update(MEMBER, run_id)
    return SpanContext(
        identity.trace_id, identity.span_id, identity.is_remote, identity.trace_flags, state
    )


def _environment(given: Mapping[Any, Any] | None) -> dict[Any, Any] | None:
    """The environment of a process that is started in a span; ``None`` where it is left alone."""
    if (told := _told()) == {}:
        return None
    own: Mapping[Any, Any] = dict(os.environ) if given is None else given
    named = own.get(_PARENT, own.get(_PARENT.encode()))
    if named not in {None, Surroundings.told}:  # the program says itself where it belongs
        return None
    return {**own, **told}


def starting(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """Wrapper of ``Popen.__init__``: the new process is told where it belongs."""
    del instance
    positional = len(args) > _ENVIRONMENT
    given = args[_ENVIRONMENT] if positional else kwargs.get("env")
    environment = guarded("trace context for a process", _environment, given)
    if environment is None:
        return wrapped(*args, **kwargs)
    if positional:
        args = (*args[:_ENVIRONMENT], environment, *args[_ENVIRONMENT + 1 :])
        return wrapped(*args, **kwargs)
    return wrapped(*args, **{**kwargs, "env": environment})
