"""How other people's spans say what they are, and what they used."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowspan import semconv
from flowspan.instrumentation.dialects import (
    DIALECTS,
    may_be_model_call,
    meters_itself,
    recognise,
    role_of,
)
from flowspan.usage import Usage

CHARGED = Usage(
    input_tokens=100,
    output_tokens=30,
    cache_read_tokens=40,
    cache_write_tokens=20,
    reasoning_tokens=11,
)

SPANS: dict[str, dict[str, Any]] = {
    "the conventions": {
        "gen_ai.operation.name": "chat",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 30,
        "gen_ai.usage.cache_read.input_tokens": 40,
        "gen_ai.usage.cache_write.input_tokens": 20,
        "gen_ai.usage.reasoning.output_tokens": 11,
    },
    "the conventions of last year": {
        "gen_ai.operation.name": "chat",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 30,
        "gen_ai.usage.cache_read.input_tokens": 40,
        "gen_ai.usage.cache_creation.input_tokens": 20,
        "gen_ai.usage.details.reasoning_tokens": 11,
    },
    "OpenLLMetry": {
        "gen_ai.operation.name": "chat",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 30,
        "gen_ai.usage.total_tokens": 130,
        "gen_ai.usage.cache_read.input_tokens": 40,
        "gen_ai.usage.cache_creation.input_tokens": 20,
        "gen_ai.usage.reasoning_tokens": 11,
    },
    "OpenLLMetry of old": {
        "llm.request.type": "chat",
        "gen_ai.usage.prompt_tokens": 100,
        "gen_ai.usage.completion_tokens": 30,
        "llm.usage.total_tokens": 130,
        "gen_ai.usage.cache_read_input_tokens": 40,
        "gen_ai.usage.cache_creation_input_tokens": 20,
        "gen_ai.usage.reasoning_tokens": 11,
    },
    "OpenInference": {
        "openinference.span.kind": "LLM",
        "llm.token_count.prompt": 100,
        "llm.token_count.completion": 30,
        "llm.token_count.prompt_details.cache_read": 40,
        "llm.token_count.prompt_details.cache_write": 20,
        "llm.token_count.completion_details.reasoning": 11,
    },
    "Langfuse": {
        "langfuse.observation.type": "generation",
        "langfuse.observation.usage_details": json.dumps(
            {
                "input": 40,
                "input_cache_read": 40,
                "input_cache_creation": 20,
                "output": 19,
                "output_reasoning": 11,
            }
        ),
    },
    "Langfuse around OpenAI": {
        "langfuse.observation.type": "generation",
        "langfuse.observation.usage_details": json.dumps(
            {
                "prompt_tokens": 100,
                "completion_tokens": 30,
                "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 20},
                "completion_tokens_details": {"reasoning_tokens": 11},
            }
        ),
    },
    "Langfuse around OpenAI's responses": {
        "langfuse.observation.type": "generation",
        "langfuse.observation.usage_details": json.dumps(
            {
                "input_tokens": 100,
                "output_tokens": 30,
                "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 20},
                "output_tokens_details": {"reasoning_tokens": 11},
            }
        ),
    },
    "Logfire": {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 30,
        "gen_ai.usage.raw": json.dumps(
            {
                "input_tokens": 40,
                "output_tokens": 30,
                "cache_read_input_tokens": 40,
                "cache_creation_input_tokens": 20,
                "output_tokens_details": {"thinking_tokens": 11},
            }
        ),
    },
}


@pytest.mark.parametrize("family", SPANS)
def test_every_family_has_the_same_tokens(family: str) -> None:
    """Cache tokens are part of the input and reasoning of the output, whoever says it."""
    found = recognise(SPANS[family])

    assert found is not None
    assert found.is_model_call
    assert found.usage == CHARGED


def test_names_of_the_conventions_are_added_where_they_lack() -> None:
    """What a span says itself stays."""
    found = recognise(
        {
            "openinference.span.kind": "LLM",
            "llm.system": "openai",
            "llm.model_name": "gpt-4o-mini",
            "llm.finish_reason": "stop",
            "gen_ai.response.model": "gpt-4o-mini-2024",
        }
    )

    assert found is not None
    assert found.names == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.finish_reasons": ("stop",),
    }
    assert found.usage is None


def test_embeddings_have_no_output() -> None:
    for attributes in (
        {"gen_ai.operation.name": "embeddings", "gen_ai.usage.input_tokens": 7},
        {"openinference.span.kind": "EMBEDDING", "llm.token_count.prompt": 7},
        {
            "langfuse.observation.type": "embedding",
            "langfuse.observation.usage_details": '{"input": 7}',
        },
    ):
        found = recognise(attributes)
        assert found is not None
        assert found.usage == Usage(input_tokens=7, output_tokens=0)


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"gen_ai.operation.name": "invoke_agent"}, "agent"),
        ({"gen_ai.operation.name": "execute_tool"}, "tool"),
        ({"openinference.span.kind": "CHAIN"}, "internal"),
        ({"openinference.span.kind": "AGENT"}, "agent"),
        ({"traceloop.span.kind": "workflow"}, "internal"),
        ({"langfuse.observation.type": "tool"}, "tool"),
    ],
)
def test_agents_and_tools(attributes: dict[str, Any], kind: str) -> None:
    """Spans that are no model calls have a role, and never tokens."""
    found = recognise({**attributes, "gen_ai.usage.input_tokens": 9})

    assert found is not None
    assert (found.role.kind, found.usage) == (kind, None)


def test_other_spans_are_none() -> None:
    for attributes in (
        None,
        {},
        {"http.request.method": "POST"},
        {"gen_ai.operation.name": "something new"},
        {"gen_ai.operation.name": 3},
        {"gen_ai.operation.name": "chat", "logfire.span_type": "pending_span"},
    ):
        assert recognise(attributes) is None


def test_logfires_two_spans_of_a_stream_are_one_call() -> None:
    """The first has no tokens and no answer; the second, a log at the end, has them."""
    first = {"gen_ai.operation.name": "chat", "logfire.span_type": "span"}
    second = {
        **first,
        "logfire.span_type": "log",
        "duration": 1.5,
        "gen_ai.response.finish_reasons": '["stop"]',
        "gen_ai.usage.input_tokens": 3,
    }

    begun, ended = recognise(first), recognise(second)
    failed = recognise({**first, "logfire.level_num": 17})

    assert begun is not None
    assert ended is not None
    assert failed is not None
    assert (begun.is_model_call, ended.is_model_call, failed.is_model_call) == (False, True, True)
    assert ended.lasted == 1.5
    assert ended.names[semconv.RESPONSE_FINISH_REASONS] == ("stop",)


def test_what_may_be_a_model_call() -> None:
    """Some families say only in the end what their spans are."""
    assert may_be_model_call("openinference.instrumentation.langchain", {})
    assert may_be_model_call("mine", {"gen_ai.operation.name": "chat"})
    assert not may_be_model_call("mine", {"gen_ai.operation.name": "invoke_agent"})
    assert not may_be_model_call("opentelemetry.instrumentation.httpx", {})


def test_who_meters_itself() -> None:
    assert meters_itself("opentelemetry.instrumentation.genai.openai")
    assert not meters_itself("openinference.instrumentation.openai")


def test_marks_are_telling() -> None:
    """A mark's values are in lower case, as they are compared."""
    for dialect in DIALECTS:
        assert all(value == value.lower() for value in dialect.roles)
        assert role_of({dialect.mark: next(iter(dialect.roles)).upper()}) is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
NAMES = st.sampled_from(
    sorted(
        {"gen_ai.usage.raw", "langfuse.observation.usage_details", "duration", "logfire.level_num"}
        | {dialect.mark for dialect in DIALECTS}
        | {name for attributes in SPANS.values() for name in attributes}
        | {other for dialect in DIALECTS for _, others in dialect.names for other in others}
    )
)
VALUES = (
    JSON.map(json.dumps)
    | JSON
    | st.sampled_from(["chat", "LLM", "generation", "span", "log", "embedding"])
)


@given(st.dictionaries(NAMES, VALUES))
def test_any_attributes_are_read_without_an_error(attributes: dict[str, Any]) -> None:
    """Usage is in normal form, or there is none."""
    found = recognise(attributes)

    if found is not None and found.usage is not None and found.usage.input_tokens is not None:
        assert (found.usage.cache_read_tokens or 0) <= found.usage.input_tokens
