"""Who owns a model call beside an instrumentation of somebody's own making."""

from __future__ import annotations

from typing import Any

import pytest
from owning import assert_counted_once, run  # type: ignore[import-not-found]

from flowspan import semconv
from flowspan.testing import FakeProvider

pytestmark = pytest.mark.timeout(300)  # starts programs that import much

RIVAL = """
from functools import wraps

from opentelemetry import trace


class Instrumentor:
    '''Makes a span of each chat, with what the conventions ask for.'''

    def instrument(self, **_):
        from openai.resources.chat.completions import Completions

        original = Completions.create

        @wraps(original)
        def create(self, **asked):
            attributes = {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": asked["model"],
            }
            tracer = trace.get_tracer("rival")
            with tracer.start_as_current_span("theirs", attributes=attributes) as span:
                answer = original(self, **asked)
                span.set_attribute("gen_ai.usage.input_tokens", answer.usage.prompt_tokens)
                span.set_attribute("gen_ai.usage.output_tokens", answer.usage.completion_tokens)
                return answer

        Completions.create = create
"""
RIVAL_ENTRY = """
[opentelemetry_instrumentor]
openai = rivalopenai:Instrumentor
"""
TWO_CALLS = """
import openai

def calls():
    client = openai.OpenAI()
    client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
    client.embeddings.create(model="text-embedding-3-small", input=QUESTION)

async def async_calls():
    pass
"""


def test_the_user_lets_others_own_a_client(place: Any, sink: Any, provider: FakeProvider) -> None:
    """Their span of a chat is completed; what they do not see, plain HTTP's rows do."""
    place.install("rivalopenai", RIVAL, RIVAL_ENTRY)

    result = run(place, sink, provider, TWO_CALLS, FLOWSPAN_CLIENTS="foreign")

    assert result.stderr == ""
    spans = assert_counted_once(place, sink, provider)
    theirs = next(span for span in spans if span["name"] == "theirs")
    (ours,) = (span for span in spans if span["kind"] == "llm" and span is not theirs)
    assert theirs["attrs"][semconv.ADOPTED] == "gen_ai"
    assert semconv.COST_STATUS in theirs["attrs"]
    assert ours["attrs"][semconv.TRANSPORT] == "http"
    assert ours["name"] == "embeddings text-embedding-3-small"


def test_others_own_a_client_whose_rows_are_disabled_by_name(
    place: Any, sink: Any, provider: FakeProvider
) -> None:
    place.install("rivalopenai", RIVAL, RIVAL_ENTRY)

    result = run(
        place, sink, provider, TWO_CALLS, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="flowspan-openai"
    )

    assert result.stderr == ""
    spans = assert_counted_once(place, sink, provider)
    assert [span["name"] for span in spans if span["kind"] == "llm"] == [
        "theirs",
        "embeddings text-embedding-3-small",
    ]


def test_others_that_the_program_loads_by_itself_are_around_ours(
    place: Any, sink: Any, provider: FakeProvider
) -> None:
    """By default flowspan owns; their span is kept, without tokens."""
    place.install("rivalopenai", RIVAL, "")
    body = f"import rivalopenai\n{TWO_CALLS}\nrivalopenai.Instrumentor().instrument()\n"

    result = run(place, sink, provider, body)

    assert result.stderr == ""
    spans = assert_counted_once(place, sink, provider)
    theirs = next(span for span in spans if span["name"] == "theirs")
    assert theirs["kind"] == "internal"
    assert theirs["attrs"][semconv.USAGE_ELSEWHERE] is True
    assert theirs["attrs"][semconv.ROLLUP_LLM_CALLS] == 1
