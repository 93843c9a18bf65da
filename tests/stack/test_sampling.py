"""The gateway keeps every run that matters, and the stated share of the others."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from math import sqrt
from typing import Any, Final

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import StatusCode, Tracer, format_trace_id, set_span_in_context

from flowspan import semconv
from stack import programs

SECOND: Final = 1_000_000_000
SLOW_SECONDS: Final = 12
DEAR_USD: Final = 0.25
SHARE: Final = 0.2
SERVICE: Final = "mixed load"
USUAL: Final = 1000


class Load:
    """Runs as a fleet of programs has them: their children arrive before they do.

    Attributes:
        runs: Trace ids by what kind of run it is.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self.runs: dict[str, set[str]] = {}
        self._open: list[Callable[[], None]] = []

    def add(
        self,
        what: str,
        *,
        seconds: float = 2.0,
        cost: float = 0.01,
        failed: str = "",
        ends: bool = True,
    ) -> None:
        """One run with a node and a model call.

        Args:
            what: Which kind of run.
            seconds: How long it took.
            cost: Of its model call, in dollars.
            failed: Which of its spans failed: ``run``, ``node`` or none.
            ends: False for one that was killed: its root never arrives.
        """
        begin = time.time_ns() - round(seconds * SECOND)
        end = begin + round(seconds * SECOND)
        run = self._tracer.start_span("invoke_workflow own", start_time=begin)
        run.set_attributes({semconv.KIND: "run", semconv.ROLLUP_COST_USD: cost})
        inside = set_span_in_context(run)
        node = self._tracer.start_span("run_step double", context=inside, start_time=begin)
        node.set_attributes({semconv.KIND: "node", semconv.ROLLUP_COST_USD: cost})
        call = self._tracer.start_span(
            "chat model", context=set_span_in_context(node), start_time=begin
        )
        call.set_attributes({semconv.KIND: "llm", semconv.COST_USD: cost})
        call.end(end)
        for span, name in ((node, "node"), (run, "run")):
            if failed == name:
                span.set_status(StatusCode.ERROR, "no good")
        node.end(end)
        self.runs.setdefault(what, set()).add(format_trace_id(run.get_span_context().trace_id))
        if ends:
            self._open.append(lambda: run.end(end))

    def end(self) -> None:
        """All roots that are to arrive."""
        for end in self._open:
            end()


@pytest.fixture
def sampling_stack(make_stack: Any) -> Any:
    return make_stack(
        programs.GATEWAY,
        SAMPLING_SLOW_SECONDS=str(SLOW_SECONDS),
        SAMPLING_DEAR_USD=str(DEAR_USD),
        SAMPLING_PERCENT=str(round(100 * SHARE)),
    )


@pytest.fixture
def provider(sampling_stack: Any) -> Iterator[TracerProvider]:
    provider = TracerProvider(resource=Resource({"service.name": SERVICE}), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(f"{sampling_stack.endpoint}/v1/traces")
    provider.add_span_processor(
        BatchSpanProcessor(exporter, max_queue_size=100_000, max_export_batch_size=500)
    )
    yield provider
    provider.shutdown()


KINDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "failed": {"failed": "run"},
    "failed inside": {"failed": "node"},
    "slow": {"seconds": 2.0 * SLOW_SECONDS},
    "dear": {"cost": 2 * DEAR_USD},
    "killed": {"ends": False},
}


def test_failed_slow_and_dear_runs_are_kept_and_a_share_of_the_others(
    sampling_stack: Any, provider: TracerProvider, until: Callable[..., Any]
) -> None:
    """Each kept run is complete: its root, its node and its model call."""
    load = Load(provider.get_tracer("tests"))
    order = [*KINDS] * 20 + ["usual"] * USUAL
    random.Random(7).shuffle(order)  # noqa: S311 - no secret
    for what in order:
        load.add(what, **KINDS.get(what, {}))
    provider.force_flush()
    load.end()
    provider.force_flush()
    must_stay = set().union(*(load.runs[what] for what in KINDS))

    until(lambda: must_stay <= kept(sampling_stack).keys())

    spans = kept(sampling_stack)
    usual = load.runs["usual"] & spans.keys()
    expected, spread = USUAL * SHARE, sqrt(USUAL * SHARE * (1 - SHARE))
    assert abs(len(usual) - expected) < 5 * spread
    for what, trace_ids in load.runs.items():
        sizes = {spans[trace_id] for trace_id in trace_ids & spans.keys()}
        assert sizes == {2 if what == "killed" else 3}, what


def test_metrics_of_spans_count_every_run_whatever_is_kept(
    sampling_stack: Any, provider: TracerProvider, until: Callable[..., Any]
) -> None:
    load = Load(provider.get_tracer("tests"))
    for _ in range(300):
        load.add("usual")
    load.end()
    provider.force_flush()

    calls = 'sum(traces_span_metrics_calls_total{span_name="invoke_workflow own"})'
    assert until(lambda: sampling_stack.prometheus_api.number(calls) == 300)


def kept(stack: Any) -> dict[str, int]:
    """How many spans of each trace Jaeger has."""
    found: dict[str, int] = {}
    for resource in stack.jaeger_api.traces(SERVICE, most=5000):
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                found[span["traceId"]] = found.get(span["traceId"], 0) + 1
    return found
