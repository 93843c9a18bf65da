"""One owner of each model call, whatever else is installed where the tests run.

The same programs run beside every instrumentation that is installed here: none where the tests of
everything else run, one family after the other in environments of their own
(``conformance/environments.toml``).
"""

from __future__ import annotations

import textwrap
from importlib.util import find_spec
from typing import Any, NamedTuple

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


class Program(NamedTuple):
    """A program of a client's user.

    Attributes:
        needs: What must be installed.
        body: Defines ``calls`` and ``async_calls``.
    """

    needs: tuple[str, ...]
    body: str


PROGRAMS = {
    "openai": Program(
        ("openai",),
        """
        import openai
        ASKED = dict(model="gpt-4o-mini", messages=MESSAGES)
        STREAM = dict(stream=True, stream_options={"include_usage": True})

        def calls():
            client = openai.OpenAI()
            client.chat.completions.create(**ASKED)
            list(client.chat.completions.create(**ASKED, **STREAM))
            if hasattr(client, "responses"):  # not in the oldest versions
                client.responses.create(model="gpt-4o-mini", input=QUESTION)
                list(client.responses.create(model="gpt-4o-mini", input=QUESTION, stream=True))
            client.embeddings.create(model="text-embedding-3-small", input=QUESTION)

        async def async_calls():
            async with openai.AsyncOpenAI() as client:
                await client.chat.completions.create(**ASKED)
                async for _ in await client.chat.completions.create(**ASKED, **STREAM):
                    pass
        """,
    ),
    "anthropic": Program(
        ("anthropic",),
        """
        import anthropic
        ASKED = dict(model="claude-sonnet-4-5", messages=MESSAGES, max_tokens=50)

        def calls():
            client = anthropic.Anthropic()
            client.messages.create(**ASKED)
            list(client.messages.create(**ASKED, stream=True))
            with client.messages.stream(**ASKED) as stream:
                stream.get_final_message()

        async def async_calls():
            async with anthropic.AsyncAnthropic() as client:
                await client.messages.create(**ASKED)
                async for _ in await client.messages.create(**ASKED, stream=True):
                    pass
        """,
    ),
    "langchain-openai": Program(
        ("langchain_openai",),
        """
        from langchain_core.prompts import ChatPromptTemplate
        from langchain_openai import ChatOpenAI

        def calls():
            model = ChatOpenAI(model="gpt-4o-mini", stream_usage=True)
            model.invoke(QUESTION)
            list(model.stream(QUESTION))
            (ChatPromptTemplate.from_messages([("user", "{x}")]) | model).invoke({"x": QUESTION})

        async def async_calls():
            model = ChatOpenAI(model="gpt-4o-mini", stream_usage=True)
            await model.ainvoke(QUESTION)
            async for _ in model.astream(QUESTION):
                pass
        """,
    ),
    "langchain-anthropic": Program(
        ("langchain_anthropic",),
        """
        from langchain_anthropic import ChatAnthropic

        def calls():
            model = ChatAnthropic(model="claude-sonnet-4-5")
            model.invoke(QUESTION)
            list(model.stream(QUESTION))

        async def async_calls():
            await ChatAnthropic(model="claude-sonnet-4-5").ainvoke(QUESTION)
        """,
    ),
    "litellm": Program(
        ("litellm",),
        """
        import os
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
        import litellm
        ASKED = dict(model="openai/gpt-4o-mini", messages=MESSAGES)
        STREAM = dict(stream=True, stream_options={"include_usage": True})

        def calls():
            litellm.completion(**ASKED)
            list(litellm.completion(**ASKED, **STREAM))

        async def async_calls():
            await litellm.acompletion(**ASKED)
            async for _ in await litellm.acompletion(**ASKED, **STREAM):
                pass
        """,
    ),
    "llm": Program(
        ("llm",),
        """
        import os
        import llm

        def calls():
            model = llm.get_model("gpt-4o-mini")
            model.key, model.api_base = "k", os.environ["OPENAI_BASE_URL"]
            model.prompt(QUESTION, stream=False).text()
            model.prompt(QUESTION).text()

        async def async_calls():
            model = llm.get_async_model("gpt-4o-mini")
            model.key, model.api_base = "k", os.environ["OPENAI_BASE_URL"]
            await model.prompt(QUESTION).text()
        """,
    ),
    "langfuse": Program(
        ("langfuse", "openai"),
        """
        from langfuse import Langfuse
        Langfuse(public_key="pk", secret_key="sk", base_url="http://127.0.0.1:9", timeout=1)
        from langfuse.openai import openai
        ASKED = dict(model="gpt-4o-mini", messages=MESSAGES)
        STREAM = dict(stream=True, stream_options={"include_usage": True})

        def calls():
            client = openai.OpenAI()
            client.chat.completions.create(**ASKED)
            list(client.chat.completions.create(**ASKED, **STREAM))

        async def async_calls():
            client = openai.AsyncOpenAI()
            await client.chat.completions.create(**ASKED)
            await client.close()
        """,
    ),
    "requests": Program(
        ("requests",),
        """
        import os
        import requests

        def calls():
            url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
            asked = {"model": "gpt-4o-mini", "messages": MESSAGES}
            with requests.Session() as session:
                session.post(url, json=asked).json()

        async def async_calls():
            pass
        """,
    ),
    "by hand around a client": Program(
        ("openai",),
        """
        import openai
        from opentelemetry import trace
        tracer = trace.get_tracer("mine")
        ASKED = dict(model="gpt-4o-mini", messages=MESSAGES)
        SAID = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"}

        def calls():
            client = openai.OpenAI()
            with tracer.start_as_current_span("chat mine", attributes=SAID) as span:
                usage = client.chat.completions.create(**ASKED).usage
                span.set_attribute("gen_ai.provider.name", "openai")
                span.set_attribute("gen_ai.usage.input_tokens", usage.prompt_tokens)
                span.set_attribute("gen_ai.usage.output_tokens", usage.completion_tokens)

        async def async_calls():
            pass
        """,
    ),
}


def run(place: Any, sink: Any, provider: FakeProvider, body: str, **settings: str) -> Any:
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


def assert_counted_once(place: Any, sink: Any, provider: FakeProvider) -> Any:
    """The ledger, the store, what was exported and the metrics say the same; one trace."""
    charged, total = len(provider.ledger), provider.ledger.total()
    spans = place.stored_spans()
    calls = [span for span in spans if span["kind"] == "llm"]
    tokens = {"input": total.input_tokens or 0, "output": total.output_tokens or 0}
    names = {"input": semconv.USAGE_INPUT_TOKENS, "output": semconv.USAGE_OUTPUT_TOKENS}
    exported = [item for span in sink.spans() for item in span.attributes]
    measured = sink.sums(semconv.METRIC_TOKENS)

    assert len(calls) == charged
    assert sum(sink.sums(semconv.METRIC_LLM_CALLS).values()) == charged
    for part, name in names.items():
        assert told(spans, name) == tokens[part]
        assert sum(item.value.int_value for item in exported if item.key == name) == tokens[part]
        series = [value for labels, value in measured.items() if dict(labels)[TYPE] == part]
        assert sum(series) == tokens[part]
    assert sum(sink.sums(semconv.METRIC_COST_USD).values()) == pytest.approx(
        told(calls, semconv.COST_USD)
    )
    assert_connected(spans)
    (root,) = (span for span in spans if span["parent_id"] is None)
    assert root["attrs"][semconv.ROLLUP_LLM_CALLS] == charged
    assert root["attrs"][semconv.ROLLUP_INPUT_TOKENS] == tokens["input"]
    return spans


TYPE = semconv.TOKEN_TYPE


def assert_connected(spans: list[dict[str, Any]]) -> None:
    """One trace, and every parent is in it."""
    here = {span["span_id"] for span in spans}
    assert len({span["trace_id"] for span in spans}) == 1
    assert {span["parent_id"] for span in spans} - here == {None}


@pytest.fixture
def provider() -> Any:
    with FakeProvider() as provider:
        yield provider


@pytest.mark.parametrize("clients", ["own", "foreign"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_every_call_is_counted_once(
    place: Any, sink: Any, provider: FakeProvider, name: str, clients: str
) -> None:
    """Sync and async, whole and streamed, by whoever owns it."""
    program = PROGRAMS[name]
    if any(find_spec(module) is None for module in program.needs):
        pytest.skip(f"needs {' and '.join(program.needs)}")

    result = run(place, sink, provider, program.body, FLOWSPAN_CLIENTS=clients)

    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    assert_counted_once(place, sink, provider)


LEFT = """
import openai
ASKED = dict(model="gpt-4o-mini", messages=MESSAGES, stream=True)

def calls():
    client = openai.OpenAI()
    stream = client.chat.completions.create(**ASKED)
    next(iter(stream))
    stream.close()
    with client.chat.completions.create(**ASKED) as stream:
        for _ in stream:
            break

async def async_calls():
    async with openai.AsyncOpenAI() as client:
        stream = await client.chat.completions.create(**ASKED)
        async for _ in stream:
            break
        await stream.close()
"""


@pytest.mark.parametrize("clients", ["own", "foreign"])
def test_a_stream_that_is_left_has_its_tokens(
    place: Any, sink: Any, provider: FakeProvider, clients: str
) -> None:
    """No instrumentation of others tells them; rows of ours inside know what arrived."""
    result = run(place, sink, provider, LEFT, FLOWSPAN_CLIENTS=clients)

    assert result.returncode == 0, result.stderr
    provider.ledger.wait_for(3)
    spans = place.stored_spans()
    calls = [span["attrs"] for span in spans if span["kind"] == "llm"]
    asked = provider.ledger.total().input_tokens
    assert [attributes[semconv.USAGE_ESTIMATED] for attributes in calls] == [True] * 3
    assert told(spans, semconv.USAGE_INPUT_TOKENS) == asked
    assert sum(sink.sums(semconv.METRIC_LLM_CALLS).values()) == 3
    assert_connected(spans)
    assert spans[0]["attrs"][semconv.ROLLUP_INPUT_TOKENS] == asked


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
