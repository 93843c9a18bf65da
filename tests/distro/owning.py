"""A run around model calls, and whether each of them was counted once."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from flowspan import semconv
from flowspan.testing import FakeProvider

# A run and a node around calls of every kind; what is unfinished at the end is finished by it.
FRAME = """
import asyncio, gc
from ownengine import Engine
QUESTION = "hi there you"
MESSAGES = [{{"role": "user", "content": QUESTION}}]

{body}

def node(self, index):
    calls()
    asyncio.run(async_calls())
    gc.collect()
Engine.node = node
Engine().run(1)
"""


def run(place: Any, sink: Any, provider: FakeProvider, body: str, **settings: Any) -> Any:
    return place.run(
        FRAME.format(body=textwrap.dedent(body)),
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        OPENAI_BASE_URL=provider.openai_url,
        OPENAI_API_BASE=provider.openai_url,
        OPENAI_API_KEY="k",
        ANTHROPIC_BASE_URL=provider.anthropic_url,
        ANTHROPIC_API_KEY="k",
        LLM_USER_PATH=str(place.folder),
        PYTHONWARNINGS="ignore",
        **settings,
    )


def told(spans: list[Any], name: str) -> Any:
    """The sum of an attribute over all spans that carry it."""
    return sum(span["attrs"].get(name, 0) for span in spans)


NAMES = {"input": semconv.USAGE_INPUT_TOKENS, "output": semconv.USAGE_OUTPUT_TOKENS}


def assert_counted_once(place: Any, sink: Any, provider: FakeProvider) -> Any:
    """The ledger, the store, what was exported and the metrics say the same; one trace."""
    spans = assert_stored_once(place, provider)
    exported = [item for span in sink.spans() for item in span.attributes]
    measured = sink.sums(semconv.METRIC_TOKENS)

    assert sum(sink.sums(semconv.METRIC_LLM_CALLS).values()) == len(provider.ledger)
    for part, name in NAMES.items():
        charged = tokens(provider)[part]
        assert sum(item.value.int_value for item in exported if item.key == name) == charged
        series = [value for labels, value in measured.items() if dict(labels)[TYPE] == part]
        assert sum(series) == charged
    assert sum(sink.sums(semconv.METRIC_COST_USD).values()) == pytest.approx(
        told([span for span in spans if span["kind"] == "llm"], semconv.COST_USD)
    )
    return spans


def assert_stored_once(place: Any, provider: FakeProvider) -> Any:
    """The ledger and the store say the same; one trace."""
    spans = place.stored_spans()
    calls = [span for span in spans if span["kind"] == "llm"]

    assert len(calls) == len(provider.ledger)
    for part, name in NAMES.items():
        assert told(spans, name) == tokens(provider)[part]
    assert_connected(spans)
    (root,) = (span for span in spans if span["parent_id"] is None)
    assert root["attrs"][semconv.ROLLUP_LLM_CALLS] == len(provider.ledger)
    assert root["attrs"][semconv.ROLLUP_INPUT_TOKENS] == tokens(provider)["input"]
    return spans


def tokens(provider: FakeProvider) -> dict[str, int]:
    """What the provider charged."""
    total = provider.ledger.total()
    return {"input": total.input_tokens or 0, "output": total.output_tokens or 0}


TYPE = semconv.TOKEN_TYPE


def assert_connected(spans: list[dict[str, Any]]) -> None:
    """One trace, and every parent is in it."""
    here = {span["span_id"] for span in spans}
    assert len({span["trace_id"] for span in spans}) == 1
    assert {span["parent_id"] for span in spans} - here == {None}
