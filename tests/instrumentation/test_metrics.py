"""What is counted, and what bounds it."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

import pytest

from flowspan import semconv
from flowspan.instrumentation import metrics
from flowspan.instrumentation.integration import Integration, Patch
from flowspan.testing import record

REASONS = semconv.RESPONSE_FINISH_REASONS


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client whose answers say why they ended."""
    module: Any = ModuleType("finishing")
    module.call = lambda *reasons: list(reasons)
    monkeypatch.setitem(sys.modules, "finishing", module)
    return module


CLIENT = Integration(
    "finishing",
    "",
    (
        Patch(
            target="finishing:call",
            kind="llm",
            name="clever-1",
            request=lambda _: {semconv.PROVIDER_NAME: "clever"},
            response=lambda _call, result: {REASONS: result},
        ),
    ),
)


def test_each_answer_of_a_call_is_counted_by_why_it_ended(client: Any) -> None:
    with record(CLIENT) as recording:
        client.call("stop", "length")
        client.call("stop")
        client.call()
    counted = recording.metrics()[semconv.METRIC_LLM_FINISHES]

    model = {"gen_ai.provider.name": "clever", "gen_ai.request.model": "clever-1"}
    assert counted == [
        ({**model, semconv.FINISH_REASON: "stop"}, 2),
        ({**model, semconv.FINISH_REASON: "length"}, 1),
    ]


def test_reasons_beyond_the_first_are_one(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MOST_NAMES", 1)

    with record(CLIENT) as recording:
        client.call("stop", "made up", "another")
    counted = recording.metrics()[semconv.METRIC_LLM_FINISHES]

    assert [(labels[semconv.FINISH_REASON], count) for labels, count in counted] == [
        ("stop", 1),
        ("other", 2),
    ]


@pytest.mark.parametrize("kind", ["run", "node", "llm", "step", "agent", "tool"])
def test_a_call_whose_span_is_dropped_is_not_measured(client: Any, kind: Any) -> None:
    """Nor does measuring it keep the span; a run that was begun has ended all the same."""
    row = Patch(target="finishing:call", kind=kind, name="n", keep=lambda _, result: bool(result))

    with record(Integration("finishing", "", (row,))) as recording:
        client.call()
        dropped = recording.metrics()
        client.call("stop")

    assert len(recording.spans) == 1
    assert [name for name, seen in dropped.items() if any(number for _, number in seen)] == []


def test_that_no_span_was_dropped_is_said_from_the_start() -> None:
    with record() as recording:
        pass

    assert recording.metrics()[semconv.METRIC_SPANS_DROPPED] == [({}, 0)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_counts_from_zero() -> None:
    sums = metrics.Sums()
    sums.add(semconv.METRIC_RETRIES, 3, {})

    sums._after_fork()

    assert sums._sums[semconv.METRIC_RETRIES] == {}
    assert sums._sums[semconv.METRIC_SPANS_DROPPED] == {(): 0}
