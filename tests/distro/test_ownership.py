"""One owner of each model call, whatever else is installed where the tests run.

The same programs run beside every instrumentation that is installed here: none where the tests of
everything else run, one family after the other in environments of their own
(``conformance/environments.toml``).
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, NamedTuple

import pytest
from owning import (  # type: ignore[import-not-found]
    assert_connected,
    assert_counted_once,
    assert_stored_once,
    run,
    told,
)

from conformance.discovery import programs
from flowspan import semconv
from flowspan.testing import FakeProvider

pytestmark = pytest.mark.timeout(300)  # starts programs that import much


class Program(NamedTuple):
    """A program of a client's user.

    Attributes:
        needs: What must be installed.
        body: Defines ``calls`` and ``async_calls``.
        launcher: By which it is started; without one its providers, readers and exporters are its
            own, and get spans as their makers left them.
    """

    needs: tuple[str, ...]
    body: str
    launcher: tuple[str, ...] = ("opentelemetry-instrument",)


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
        gc.disable()  # a third of its time goes into looking through what it makes
        import litellm
        gc.freeze()
        gc.enable()
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
    "logfire": Program(
        ("logfire", "openai"),
        """
        import logfire
        logfire.configure(send_to_logfire=False, console=False, inspect_arguments=False)
        from flowspan.distro import FlowspanInstrumentor
        FlowspanInstrumentor().instrument()
        import openai
        logfire.instrument_openai()
        ASKED = dict(model="gpt-4o-mini", messages=MESSAGES)
        STREAM = dict(stream=True, stream_options={"include_usage": True})

        def calls():
            client = openai.OpenAI()
            client.chat.completions.create(**ASKED)
            list(client.chat.completions.create(**ASKED, **STREAM))

        async def async_calls():
            async with openai.AsyncOpenAI() as client:
                await client.chat.completions.create(**ASKED)
        """,
        launcher=(),  # which would make a provider that Logfire cannot set its own beside
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


@pytest.mark.parametrize("clients", ["own", "foreign"])
@pytest.mark.parametrize("name", programs() or PROGRAMS)
def test_every_call_is_counted_once(
    place: Any, sink: Any, provider: FakeProvider, name: str, clients: str
) -> None:
    """Sync and async, whole and streamed, by whoever owns it."""
    program = PROGRAMS[name]
    if not programs() and any(find_spec(module) is None for module in program.needs):
        pytest.skip(f"needs {' and '.join(program.needs)}")

    result = run(
        place, sink, provider, program.body, launcher=program.launcher, FLOWSPAN_CLIENTS=clients
    )

    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    if program.launcher:
        assert_counted_once(place, sink, provider)
    else:
        assert_stored_once(place, provider)


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
