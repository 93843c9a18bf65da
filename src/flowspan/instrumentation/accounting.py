"""What a call adds to the frames above it and to the metrics."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from flowspan import semconv
from flowspan.instrumentation import counted
from flowspan.instrumentation.failures import came_from_inside, identity
from flowspan.instrumentation.run import Totals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.context import Context

    from flowspan.instrumentation.events import Recorded
    from flowspan.instrumentation.frame import CallFrame
    from flowspan.usage import Usage

TIMED_KINDS: Final = frozenset({"run", "step", "node"})
"""Kinds whose own time excludes that of others of these kinds inside them."""

_MODEL_LABELS: Final[tuple[str, ...]] = (
    semconv.OPERATION_NAME,
    semconv.PROVIDER_NAME,
    semconv.REQUEST_MODEL,
    semconv.RESPONSE_MODEL,
    semconv.ERROR_TYPE,
)

REPORTED: Final = -1
"""In place of an exception's identity: a failure below that an answer reported."""


def _above(invocation: CallFrame) -> Iterator[CallFrame]:
    frame = invocation.parent
    while frame is not None:
        yield frame
        frame = frame.parent


# --- start and end of calls -------------------------------------------------------------------


def started(invocation: CallFrame) -> None:
    """Account for the start of a call."""
    kind = invocation.kind
    if kind not in TIMED_KINDS:
        return
    host = invocation.host
    if host is not None:
        with host.run.lock:
            if host.children == 0:
                host.covered_since = time.perf_counter_ns()
            host.children += 1
    elif kind == "run" and invocation.site.machine.instruments.active:
        invocation.site.machine.instruments.active_runs(1, _run_labels(invocation))


def ended(
    invocation: CallFrame,
    usage: Usage | None,
    error: BaseException | None,
    duration_ns: int,
    *,
    dropped: bool = False,
) -> None:
    """Account for the end of a call: roll-ups above, self time, metrics.

    A call whose span is dropped is not measured either: what metrics count are the spans.
    """
    kind = invocation.kind
    if kind == "llm":
        _add_to_totals(invocation, usage, error)
        counted.note(invocation, duration_ns)
    failed(invocation)
    if kind in TIMED_KINDS:
        _uncover(invocation)
    if invocation.totals is not None:
        invocation.describe(invocation.totals.attributes())
    record = _RECORDERS.get(kind or "")
    if record is None or not invocation.site.machine.instruments.active:
        return
    if kind == "run" and invocation.host is None:
        invocation.site.machine.instruments.active_runs(-1, _run_labels(invocation))
    if not dropped:
        record(invocation, usage, duration_ns / 1e9)


def _add_to_totals(invocation: CallFrame, usage: Usage | None, error: BaseException | None) -> None:
    unpriced = invocation.attributes.get(semconv.COST_STATUS) == "unpriced"
    failed = error is not None and usage is None
    with invocation.run.lock:
        for frame in _above(invocation):
            if frame.totals is None:
                frame.totals = Totals()
            frame.totals.add_call(usage, invocation.cost_usd, unpriced=unpriced and not failed)


def failed(invocation: CallFrame) -> None:
    """Account for the failure of a call, if it is one."""
    if semconv.ERROR_TYPE in invocation.attributes:
        _add_error(invocation)


def _add_error(invocation: CallFrame) -> None:
    """Count an error once, where it was first seen, for all frames above.

    A failure that an answer reported (an HTTP status, an error in the result) is often raised by
    the code around the call: an exception of the frame above it is the same failure.  Who sees
    no exceptions has failed of what failed inside.
    """
    failure = invocation.failure
    if failure is not None:
        first = not (invocation.failed_below == REPORTED or came_from_inside(invocation, failure))
    else:
        totals = invocation.totals
        first = invocation.sees_exceptions or totals is None or not totals.errors
    with invocation.run.lock:
        if invocation.parent is not None:
            invocation.parent.failed_below = REPORTED if failure is None else identity(failure)
        if first:
            for frame in _above(invocation):
                if frame.totals is None:
                    frame.totals = Totals()
                frame.totals.errors += 1


def _uncover(invocation: CallFrame) -> None:
    host = invocation.host
    if host is None:
        return
    with host.run.lock:
        host.children -= 1
        if host.children == 0:
            host.covered_ns += time.perf_counter_ns() - host.covered_since


# --- metrics ----------------------------------------------------------------------------------


def _run_labels(invocation: CallFrame) -> dict[str, Any]:
    labels = invocation.site.machine.instruments.place(invocation.workflow, None)
    labels[semconv.ENGINE] = invocation.run.engine
    return labels


def _with_error(labels: dict[str, Any], invocation: CallFrame) -> dict[str, Any]:
    if (error_type := invocation.attributes.get(semconv.ERROR_TYPE)) is not None:
        labels[semconv.ERROR_TYPE] = error_type
    return labels


def _record_run(invocation: CallFrame, _usage: Usage | None, seconds: float) -> None:
    if invocation.host is not None:  # a nested workflow is part of the run around it
        return
    instruments = invocation.site.machine.instruments
    labels = _with_error(_run_labels(invocation), invocation)
    context = invocation.materialise()
    instruments.record(semconv.METRIC_RUN_DURATION, seconds, labels, context)
    if (totals := invocation.totals) is not None and totals.priced_calls:
        cost = float(totals.cost_usd)
        instruments.record(semconv.METRIC_RUN_COST_USD, cost, labels, context)


def _record_node(invocation: CallFrame, _usage: Usage | None, seconds: float) -> None:
    instruments = invocation.site.machine.instruments
    labels = instruments.place(invocation.workflow, invocation.step)
    labels[semconv.ENGINE] = invocation.run.engine
    _with_error(labels, invocation)
    context = invocation.materialise()
    instruments.record(semconv.METRIC_NODE_DURATION, seconds, labels, context)
    own = max(0.0, seconds - invocation.covered_ns / 1e9)
    instruments.count(semconv.METRIC_NODE_SELF_SECONDS, own, labels)


def _record_model_call(invocation: CallFrame, usage: Usage | None, seconds: float) -> None:
    instruments = invocation.site.machine.instruments
    known = invocation.attributes
    context = invocation.materialise()
    if not invocation.metered_elsewhere:
        model = {key: known[key] for key in _MODEL_LABELS if key in known}
        instruments.record(semconv.METRIC_OPERATION_DURATION, seconds, model, context)
        first = known.get(semconv.RESPONSE_TIME_TO_FIRST_CHUNK)
        if first is not None:
            instruments.record(semconv.METRIC_TIME_TO_FIRST_CHUNK, first, model, context)
        if usage is not None:
            _record_tokens(invocation, usage, model, context)
    place = instruments.place(invocation.workflow, invocation.step)
    where = {
        key: known[key] for key in (semconv.PROVIDER_NAME, semconv.REQUEST_MODEL) if key in known
    } | place
    calls = _with_error(dict(where), invocation)
    if (status := known.get(semconv.COST_STATUS)) is not None:
        calls[semconv.COST_STATUS] = status
    instruments.count(semconv.METRIC_LLM_CALLS, 1, calls)
    for reason in known.get(semconv.RESPONSE_FINISH_REASONS) or ():
        finish = {**where, semconv.FINISH_REASON: instruments.finish_reason(str(reason))}
        instruments.count(semconv.METRIC_LLM_FINISHES, 1, finish)
    if usage is not None:
        instruments.count_tokens(usage, where)


def _record_tokens(
    invocation: CallFrame, usage: Usage, model: dict[str, Any], context: Context
) -> None:
    instruments = invocation.site.machine.instruments
    for token_type, amount in (("input", usage.input_tokens), ("output", usage.output_tokens)):
        if amount is not None:
            labels = {**model, semconv.TOKEN_TYPE: token_type}
            instruments.record(semconv.METRIC_TOKEN_USAGE, amount, labels, context)


_RECORDERS: Final[dict[str, Callable[[CallFrame, Usage | None, float], None]]] = {
    "run": _record_run,
    "node": _record_node,
    "llm": _record_model_call,
}


# --- events -----------------------------------------------------------------------------------


def event(invocation: CallFrame, recorded: Recorded) -> None:
    """Account for an event: some are counted, and a chosen prompt is remembered."""
    if (account := _OF_EVENT.get(recorded.name)) is not None:
        account(invocation, recorded.attributes)


def events_dropped(invocation: CallFrame, count: int) -> None:
    """Count events that fell between the first and the last of a span."""
    labels = {"integration": invocation.site.integration.name}
    invocation.site.machine.instruments.count(semconv.METRIC_EVENTS_DROPPED, count, labels)


def _prompt_selected(invocation: CallFrame, attributes: dict[str, Any]) -> None:
    name, version = attributes.get(semconv.PROMPT_NAME), attributes.get(semconv.PROMPT_VERSION)
    invocation.prompt = (name, version)


def _state_changed(invocation: CallFrame, _attributes: dict[str, Any]) -> None:
    invocation.run.rounds.changes += 1


def _state_transition(invocation: CallFrame, attributes: dict[str, Any]) -> None:
    invocation.run.rounds.changes += 1
    instruments = invocation.site.machine.instruments
    labels = instruments.place(invocation.workflow, None)
    labels[semconv.ENGINE] = invocation.run.engine
    labels[semconv.STATE_FROM] = instruments.state_name(str(attributes.get(semconv.STATE_FROM)))
    labels[semconv.STATE_TO] = instruments.state_name(str(attributes.get(semconv.STATE_TO)))
    instruments.count(semconv.METRIC_STATE_TRANSITIONS, 1, labels)


def _retry(invocation: CallFrame, attributes: dict[str, Any]) -> None:
    instruments = invocation.site.machine.instruments
    labels = instruments.place(invocation.workflow, invocation.step)
    if (error_type := attributes.get(semconv.ERROR_TYPE)) is not None:
        labels[semconv.ERROR_TYPE] = str(error_type)
    instruments.count(semconv.METRIC_RETRIES, 1, labels)


_OF_EVENT: Final[dict[str, Callable[[CallFrame, dict[str, Any]], None]]] = {
    semconv.EVENT_PROMPT_SELECTED: _prompt_selected,
    semconv.EVENT_STATE_CHANGED: _state_changed,
    semconv.EVENT_STATE_TRANSITION: _state_transition,
    semconv.EVENT_RETRY: _retry,
}
