"""``llm``: a lazy response is seen where the model really runs, and nothing is ever forced."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from flowspan import semconv
from flowspan.instrumentation.clients import bodies, http
from flowspan.instrumentation.clients import openai as openai_rows
from flowspan.testing import FakeProvider, Fault, Recording, Reply, ToolCall, record
from flowspan.usage import Usage

llm = pytest.importorskip("llm")
openai_models = pytest.importorskip("llm.default_plugins.openai_models")

from flowspan.instrumentation.clients import llm as llm_rows  # noqa: E402 - once it is installed

ALL = (
    llm_rows.INTEGRATION,
    openai_rows.INTEGRATION,
    *http.INTEGRATIONS,
    *bodies.INTEGRATIONS,
)
CHARGED = Usage(input_tokens=120, output_tokens=34, cache_read_tokens=100, reasoning_tokens=20)
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
NEW = hasattr(llm.Response, "stream_events")


class Teller(llm.Model):  # type: ignore[misc, name-defined]
    """A plugin's model, which is in this process and needs no provider."""

    model_id = "teller"
    can_stream = True
    supports_tools = True
    supports_schema = True

    class Options(llm.Options):  # type: ignore[misc, name-defined]
        temperature: float | None = None
        max_tokens: int | None = None

    def __init__(self, *chunks: str, usage: dict[str, Any] | None = None) -> None:
        self.chunks = chunks or ("Once ", "upon ", "a time")
        self.usage = usage
        self.calls = 0
        self.wants: list[Any] = []

    def execute(self, prompt: Any, stream: Any, response: Any, conversation: Any) -> Iterator[str]:
        self.calls += 1
        for wanted in self.wants:
            response.add_tool_call(wanted)
        self.wants = []
        yield from self.chunks
        if self.usage is not None:
            response.set_usage(**self.usage)


class AsyncTeller(llm.AsyncModel):  # type: ignore[misc, name-defined]
    """The same, for async programs."""

    model_id = "teller"
    can_stream = True
    supports_tools = True

    def __init__(self, *chunks: str, usage: dict[str, Any] | None = None) -> None:
        self.chunks = chunks or ("Once ", "upon ", "a time")
        self.usage = usage
        self.wants: list[Any] = []

    async def execute(
        self, prompt: Any, stream: Any, response: Any, conversation: Any
    ) -> AsyncIterator[str]:
        for wanted in self.wants:
            response.add_tool_call(wanted)
        self.wants = []
        for chunk in self.chunks:
            await asyncio.sleep(0)
            yield chunk
        if self.usage is not None:
            response.set_usage(**self.usage)


class Embedder(llm.EmbeddingModel):  # type: ignore[misc, name-defined]
    """An embedding model whose batches are lazy."""

    model_id = "embedder"
    batch_size = 2

    def __init__(self) -> None:
        self.asked: list[int] = []

    def embed_batch(self, items: Any, **_: Any) -> Iterator[list[float]]:
        batch = list(items)
        self.asked.append(len(batch))
        for item in batch:
            yield [float(len(item))]


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """``llm`` never closes the connections of its models: they are not the next test's."""
    yield
    gc.collect()


@pytest.fixture
def recording() -> Iterator[Recording]:
    with record(*ALL) as recording:
        yield recording


@pytest.fixture
def gpt(provider: FakeProvider) -> Any:
    model = openai_models.Chat("gpt-4o", api_base=provider.openai_url, supports_tools=True)
    model.key = "sk-secret"
    return model


@pytest.fixture
def async_gpt(provider: FakeProvider) -> Any:
    model = openai_models.AsyncChat("gpt-4o", api_base=provider.openai_url, supports_tools=True)
    model.key = "sk-secret"
    return model


def models_asked(recording: Recording) -> list[dict[str, Any]]:
    """The attributes of each model call."""
    return [
        dict(span.attributes or {})
        for span in recording.spans
        if (span.attributes or {})[semconv.KIND] == "llm"
    ]


def known_of(recording: Recording) -> dict[str, Any]:
    """The attributes of the only model call."""
    (found,) = models_asked(recording)
    return found


# --- laziness (trap 4) and what was read from where (3, 5, 6, 7, 9) -------------------------------


def test_a_response_that_nobody_reads_is_no_call(recording: Recording) -> None:
    """``prompt`` only builds a response; looking at it must not make the call."""
    model = Teller()

    response = model.prompt("Tell me a story")
    repr(response)
    del response
    gc.collect()

    assert model.calls == 0
    assert models_asked(recording) == []


def test_the_call_is_timed_where_it_is_read(recording: Recording) -> None:
    """The span belongs to whoever reads, however long before the response was built."""
    response = Teller().prompt("Tell me a story")

    with recording.tracer_provider.get_tracer("test").start_as_current_span("reader") as reader:
        response.text()

    span = next(span for span in recording.spans if span.name == "chat teller")
    assert span.parent is not None
    assert span.parent.span_id == reader.get_span_context().span_id


@pytest.mark.parametrize(
    "how",
    ["prompt", "conversation", "chain", "conversation.chain", *(["reply"] if NEW else [])],
)
def test_every_way_to_a_response_is_seen_once(how: str, recording: Recording) -> None:
    """Chains and conversations build their responses themselves, past ``Model.prompt``."""
    model = Teller()
    asked = {
        "prompt": lambda: model.prompt("Tell me"),
        "conversation": lambda: model.conversation().prompt("Tell me"),
        "chain": lambda: model.chain("Tell me"),
        "conversation.chain": lambda: model.conversation().chain("Tell me"),
        "reply": lambda: model.prompt("Tell me").reply("More"),
    }[how]()

    assert asked.text() == "Once upon a time"

    assert len(models_asked(recording)) == model.calls


def test_a_model_obtained_before_is_seen(recording: Recording) -> None:
    """Nothing is put on models, nor on ``get_model``: neither wraps pile up nor anything stays."""
    before = vars(llm)["get_model"]
    model = Teller()
    response = model.prompt("Tell me")

    assert isinstance(response, llm.Response)
    assert [*response] == ["Once ", "upon ", "a time"]
    assert vars(llm)["get_model"] is before
    assert "prompt" not in vars(model)
    assert len(models_asked(recording)) == 1


def test_keywords_and_signatures_stay(recording: Recording) -> None:
    """``prompt(prompt=…)`` works, and so do tools that look at signatures."""
    model = Teller()

    assert model.prompt(prompt="Tell me").text() == "Once upon a time"
    assert "prompt" in inspect.signature(model.prompt).parameters
    assert "stream" in inspect.signature(type(model).execute).parameters


def test_everything_is_taken_back() -> None:
    """What was patched is what was there (trap 8), twice in a row, with descriptors too."""
    watched = ("Response", "AsyncModel", "AsyncKeyModel", "EmbeddingModel", "ChainResponse", "Tool")
    before = {name: dict(vars(getattr(llm.models, name))) for name in watched}

    for _ in range(2):
        with record(*ALL):
            assert Teller().prompt("Tell me").text()

    after = {name: dict(vars(getattr(llm.models, name))) for name in watched}
    for name, attributes in before.items():
        changed = {
            key
            for key, value in attributes.items()
            if key in after[name] and after[name][key] is not value
        }
        assert changed <= {"__abstractmethods__", "_abc_impl"}, name


# --- tokens (trap 3) ------------------------------------------------------------------------------


def test_usage_is_read_and_never_asked_for(recording: Recording) -> None:
    """``usage()`` would make the call; the attributes are there when the model has set them."""
    model = Teller(
        usage={
            "input": 50,
            "output": 20,
            "details": {
                "prompt_tokens_details": {"cached_tokens": 30},
                "completion_tokens_details": {"reasoning_tokens": 8},
            },
        }
    )

    model.prompt("Tell me").text()

    known = known_of(recording)
    assert model.calls == 1
    assert known[semconv.USAGE_INPUT_TOKENS] == 50
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 20
    assert known[semconv.USAGE_CACHE_READ] == 30
    assert known[semconv.USAGE_REASONING] == 8
    assert semconv.USAGE_ESTIMATED not in known


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"cache_read_input_tokens": 40, "cache_creation_input_tokens": 10}, (100, 40, 10, None)),
        ({"thoughtsTokenCount": 5, "cachedContentTokenCount": 25}, (50, 25, None, 5)),
        ({"input_tokens_details": {"cached_tokens": 7}}, (50, 7, None, None)),
        ({"output_tokens_details": {"reasoning_tokens": 6}}, (50, None, None, 6)),
        (None, (50, None, None, None)),
    ],
)
def test_details_are_in_the_words_of_the_provider(
    details: Any, expected: tuple[int | None, ...], recording: Recording
) -> None:
    """Anthropic's cache is counted beside the input, everybody else's inside it."""
    Teller(usage={"input": 50, "output": 20, "details": details}).prompt("Tell me").text()

    known = known_of(recording)
    names = (
        semconv.USAGE_INPUT_TOKENS,
        semconv.USAGE_CACHE_READ,
        semconv.USAGE_CACHE_WRITE,
        semconv.USAGE_REASONING,
    )
    assert tuple(known.get(name) for name in names) == expected


def test_a_model_without_usage_is_estimated(recording: Recording) -> None:
    """Nothing is added up that is not there, and what is estimated says so."""
    response = Teller("x" * 400).prompt("y" * 40, system="z" * 40)

    response.text()

    known = known_of(recording)
    assert known[semconv.USAGE_INPUT_TOKENS] == 20
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 100
    assert known[semconv.USAGE_ESTIMATED] is True
    assert response.usage().input is None


# --- streams (traps 10, 11) -----------------------------------------------------------------------


def test_a_dropped_iterator_and_a_second_read_are_two_calls(recording: Recording) -> None:
    """The model runs twice, so it is charged twice."""
    model = Teller()
    response = model.prompt("Tell me")

    chunks = iter(response)
    next(chunks)
    del chunks
    response.text()

    first, second = models_asked(recording)
    assert model.calls == 2
    assert first[semconv.STREAM_ABANDONED] is True
    assert semconv.STREAM_ABANDONED not in second


def test_reading_a_finished_response_again_is_no_call(recording: Recording) -> None:
    """It gives the chunks that it has; ``duration_ms`` may be negative then, ours is not."""
    response = Teller().prompt("Tell me")

    assert [*response] == [*response]

    span = recording.spans.one()
    assert span.end_time is not None
    assert span.start_time is not None
    assert span.end_time >= span.start_time


async def test_an_async_response_goes_on_where_it_was_left(recording: Recording) -> None:
    """Its generator is kept: leaving the loop and awaiting the text is one call."""
    response = AsyncTeller(usage={"input": 5, "output": 3}).prompt("Tell me")

    async for _ in response:
        break
    assert await response.text() == "Once upon a time"

    known = known_of(recording)
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 3
    assert semconv.STREAM_ABANDONED not in known


async def test_an_async_response_that_is_dropped_ends(recording: Recording) -> None:
    """Nothing of ours keeps it, although it holds the generator that makes it."""
    response = AsyncTeller().prompt("Tell me")
    async for _ in response:
        break

    del response
    async with asyncio.timeout(5):
        while not models_asked(recording):
            gc.collect()
            await asyncio.sleep(0)

    assert known_of(recording)[semconv.STREAM_ABANDONED] is True


@pytest.mark.skipif(not NEW, reason="this version has no events")
async def test_events_are_seen_as_text_is(recording: Recording) -> None:
    """Whichever of iteration and events runs first makes the call; the other one replays."""
    response = Teller().prompt("Tell me")
    events = [*response.stream_events()]
    assert len(events) == len([*response])
    later = AsyncTeller().prompt("Tell me")
    async for _ in later.astream_events():
        pass
    await later.text()

    assert len(models_asked(recording)) == 2


def test_a_model_that_fails_is_a_failed_call(recording: Recording) -> None:
    """The exception passes as it is."""

    class Failing(Teller):
        def execute(self, *args: Any, **kwargs: Any) -> Iterator[str]:
            yield "Once"
            raise RuntimeError("no more words")

    with pytest.raises(RuntimeError, match="no more words"):
        Failing().prompt("Tell me").text()

    known = known_of(recording)
    assert known[semconv.ERROR_TYPE] == "RuntimeError"
    assert known[semconv.USAGE_ESTIMATED] is True


def test_a_model_that_refuses_has_used_nothing(recording: Recording) -> None:
    """It failed before any text; nothing says that anybody read the prompt."""

    class Refusing(Teller):
        def execute(self, *args: Any, **kwargs: Any) -> Iterator[str]:
            raise RuntimeError("not today")
            yield ""

    with pytest.raises(RuntimeError, match="not today"):
        Refusing().prompt("Tell me").text()

    known = known_of(recording)
    assert known[semconv.ERROR_TYPE] == "RuntimeError"
    assert semconv.USAGE_INPUT_TOKENS not in known
    assert semconv.COST_STATUS not in known


def test_a_stream_that_was_answered_and_failed_before_any_text_has_its_prompt(
    gpt: Any, provider: FakeProvider, recording: Recording
) -> None:
    """The SDK below knows that the provider had begun to answer."""
    provider.reply(Reply("Once", fault=Fault.cut(after_chunks=0)))

    with pytest.raises(Exception, match=r"(closed|reset|incomplete|Connection)"):
        gpt.prompt("Tell me").text()

    known = known_of(recording)
    assert known[semconv.ERROR_TYPE]
    assert known[semconv.USAGE_INPUT_TOKENS] > 0
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 0
    assert known[semconv.USAGE_ESTIMATED] is True


# --- requests -------------------------------------------------------------------------------------


def test_options_conversation_and_schema_are_told(recording: Recording) -> None:
    """As they were given, and no others."""
    model = Teller()
    conversation = model.conversation()

    conversation.prompt("Tell me", temperature=0.5, max_tokens=9, schema={"type": "object"}).text()

    known = known_of(recording)
    assert known[semconv.REQUEST_MODEL] == "teller"
    assert known[semconv.REQUEST_TEMPERATURE] == 0.5
    assert known[semconv.REQUEST_MAX_TOKENS] == 9
    assert known[semconv.REQUEST_STREAM] is True
    assert known[semconv.OUTPUT_TYPE] == "json"
    assert known[semconv.CONVERSATION_ID] == conversation.id
    assert known[semconv.PROVIDER_NAME] == "llm"


def test_a_prompt_has_the_name_of_its_template(recording: Recording) -> None:
    """Templates give texts only; a prompt that was not made of one has no name."""
    template = llm.Template(name="story", prompt="Tell me a story about $input, please")
    model = Teller()

    said, _ = template.evaluate("foxes")
    model.prompt(said).text()
    model.prompt("Something else").text()

    first, second = models_asked(recording)
    assert first[semconv.PROMPT_NAME] == "story"
    assert semconv.PROMPT_NAME not in second


def test_messages_are_recorded_only_on_request() -> None:
    """System prompt, fragments, question and answer, in the conventions' format."""
    with record(*ALL, content="full") as recording:
        Teller().prompt("Tell me", system="Be brief", fragments=["A fox."]).text()

    known = known_of(recording)
    assert "A fox." in known[semconv.INPUT_MESSAGES]
    assert "Tell me" in known[semconv.INPUT_MESSAGES]
    assert "Be brief" in known[semconv.SYSTEM_INSTRUCTIONS]
    assert "Once upon a time" in known[semconv.OUTPUT_MESSAGES]


# --- tools ----------------------------------------------------------------------------------------


def weather(city: str) -> str:
    """The weather of a city."""
    if city == "Atlantis":
        raise LookupError("no such city")
    return f"Sunny in {city}"


def wanted(city: str, identity: str) -> Any:
    return llm.ToolCall(name="weather", arguments={"city": city}, tool_call_id=identity)


def test_a_chain_is_one_trace_with_its_tools(recording: Recording) -> None:
    """Each tool is a span; what it raises is text for the model, and an error all the same."""
    model = Teller()
    model.wants = [wanted("Rome", "call-1"), wanted("Atlantis", "call-2")]

    assert model.chain("How is it?", tools=[weather]).text().startswith("Once upon a time")

    assert recording.spans.tree().splitlines() == [
        "chain",
        "  chat teller",
        "  execute_tool weather",
        "  execute_tool weather !",
        "  chat teller",
    ]
    tools = [span for span in recording.spans if span.name == "execute_tool weather"]
    known = [dict(span.attributes or {}) for span in tools]
    assert [each[semconv.TOOL_CALL_ID] for each in known] == ["call-1", "call-2"]
    assert [each.get(semconv.ERROR_TYPE) for each in known] == [None, "LookupError"]


async def test_async_tools_run_side_by_side_in_the_same_trace(recording: Recording) -> None:
    """Coroutine functions and ordinary ones, each with its own id."""

    async def forecast(city: str) -> str:
        await asyncio.sleep(0)
        return f"Rain in {city}"

    model = AsyncTeller()
    model.wants = [
        llm.ToolCall(name="forecast", arguments={"city": "Rome"}, tool_call_id="call-1"),
        wanted("Paris", "call-2"),
        llm.ToolCall(name="forecast", arguments={"city": "Oslo"}, tool_call_id="call-3"),
    ]

    await model.chain("How is it?", tools=[forecast, weather]).text()

    spans = {
        (span.attributes or {})[semconv.TOOL_CALL_ID]: span
        for span in recording.spans
        if (span.attributes or {})[semconv.KIND] == "tool"
    }
    assert {identity: span.name for identity, span in spans.items()} == {
        "call-1": "execute_tool forecast",
        "call-2": "execute_tool weather",
        "call-3": "execute_tool forecast",
    }
    assert len({span.context.trace_id for span in recording.spans}) == 1


def test_what_a_tool_asks_of_a_model_is_inside_it(recording: Recording) -> None:
    """The tool's span is current while it runs."""
    helper = Teller("A fox")

    def ask() -> str:
        return str(helper.prompt("Who?").text())

    model = Teller()
    model.wants = [llm.ToolCall(name="ask", arguments={}, tool_call_id="1")]

    model.chain("Who is it?", tools=[ask]).text()

    assert recording.spans.tree().splitlines() == [
        "chain",
        "  chat teller",
        "  execute_tool ask",
        "    chat teller",
        "  chat teller",
    ]


def test_nobody_else_finds_anything_but_the_function(recording: Recording) -> None:
    """The tool that callbacks get holds what was given, before, while and after it runs."""
    tool = llm.Tool.function(weather)
    seen: list[Any] = []
    model = Teller()
    model.wants = [wanted("Rome", "1")]

    model.chain(
        "How is it?",
        tools=[tool],
        before_call=lambda found, call: seen.append(found.implementation),
        after_call=lambda found, call, result: seen.append(found.implementation),
    ).text()

    assert seen == [weather, weather]
    assert all(found is weather for found in seen)
    assert tool.implementation is weather
    assert vars(tool)["implementation"] is weather


@pytest.mark.skipif(not hasattr(llm, "PauseChain"), reason="this version has no pauses")
def test_a_pause_is_no_error(recording: Recording) -> None:
    """It is how a chain asks for a human; the chain and the tool end without an error."""
    pause = llm.PauseChain

    def approve() -> str:
        raise pause("ask somebody")

    model = Teller()
    model.wants = [llm.ToolCall(name="approve", arguments={}, tool_call_id="1")]

    with pytest.raises(pause):
        model.chain("May I?", tools=[approve]).text()

    errors = [(span.attributes or {}).get(semconv.ERROR_TYPE) for span in recording.spans]
    assert errors == [None] * 3


def test_a_toolbox_keeps_its_instance(recording: Recording) -> None:
    """Methods of toolboxes are tools as well, and results still name their instance."""

    class Counter(llm.Toolbox):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.total = 0

        def add(self, amount: int) -> int:
            """Add."""
            self.total += amount
            return self.total

    counter = Counter()
    model = Teller()
    model.wants = [llm.ToolCall(name="Counter_add", arguments={"amount": 2}, tool_call_id="1")]
    response = model.prompt("Count", tools=[counter])

    response.text()
    (result,) = response.execute_tool_calls()

    assert counter.total == 2
    assert result.instance is counter
    assert "execute_tool Counter_add" in [span.name for span in recording.spans]


def test_tools_that_were_asked_for_are_events(recording: Recording) -> None:
    """By name and id."""
    model = Teller()
    model.wants = [wanted("Rome", "call-1")]

    model.prompt("How is it?", tools=[weather]).text()

    (event,) = [
        event
        for event in recording.spans.one().events
        if event.name == semconv.EVENT_TOOL_REQUESTED
    ]
    assert dict(event.attributes or {}) == {
        semconv.TOOL_NAME: "weather",
        semconv.TOOL_CALL_ID: "call-1",
    }


# --- embeddings -----------------------------------------------------------------------------------


def test_each_batch_is_a_call(recording: Recording) -> None:
    """``embed_multi`` asks for a batch when it is read that far, and not before."""
    model = Embedder()

    vectors = model.embed_multi(["a", "bb", "ccc"])
    assert models_asked(recording) == []
    first = [next(vectors), next(vectors)]
    rest = [*vectors]

    assert [*first, *rest] == [[1.0], [2.0], [3.0]]
    assert model.asked == [2, 1]
    known = models_asked(recording)
    assert [each[semconv.OPERATION_NAME] for each in known] == ["embeddings", "embeddings"]
    assert all(each[semconv.USAGE_ESTIMATED] for each in known)


def test_one_embedding_is_whole_although_its_generator_is_dropped(recording: Recording) -> None:
    """``embed`` takes the only vector of a batch and leaves the generator."""
    assert Embedder().embed("abc") == [3.0]

    known = known_of(recording)
    assert semconv.STREAM_ABANDONED not in known
    assert known[semconv.USAGE_INPUT_TOKENS] == 1


# --- over an SDK ----------------------------------------------------------------------------------


def test_the_sdk_below_is_not_counted_again(
    gpt: Any, provider: FakeProvider, recording: Recording
) -> None:
    """One span, whose tokens are the ledger's; what only the SDK knows is on it."""
    provider.reply(Reply("Once upon a time", usage=CHARGED))

    gpt.prompt("Tell me").text()

    known = known_of(recording)
    assert known[semconv.USAGE_INPUT_TOKENS] == provider.ledger[0].usage.input_tokens
    assert known[semconv.USAGE_OUTPUT_TOKENS] == provider.ledger[0].usage.output_tokens
    assert known[semconv.USAGE_CACHE_READ] == 100
    assert known[semconv.RESPONSE_ID] == provider.ledger[0].response_id
    assert known[semconv.RESPONSE_FINISH_REASONS] == ("stop",)
    assert known[semconv.PROVIDER_NAME] == "openai"
    assert known[semconv.SERVER_ADDRESS] == "127.0.0.1"
    assert semconv.USAGE_ESTIMATED not in known


def test_what_llm_does_not_pass_on_is_known_from_the_sdk(
    provider: FakeProvider, recording: Recording
) -> None:
    """Embeddings have no usage in ``llm``; OpenAI's SDK is told it."""
    model = openai_models.OpenAIEmbeddingModel("3-small", "text-embedding-3-small")
    model.key = "sk-secret"

    before = os.environ.get("OPENAI_BASE_URL")
    os.environ["OPENAI_BASE_URL"] = provider.openai_url
    try:
        model.embed("Tell me a story")
    finally:
        os.environ.pop("OPENAI_BASE_URL")
        if before is not None:
            os.environ["OPENAI_BASE_URL"] = before

    known = known_of(recording)
    assert known[semconv.REQUEST_MODEL] == "text-embedding-3-small"
    assert known[semconv.USAGE_INPUT_TOKENS] == provider.ledger[0].usage.input_tokens
    assert known[semconv.SERVER_ADDRESS] == "127.0.0.1"
    assert semconv.USAGE_ESTIMATED not in known


def test_retries_of_the_sdk_are_told(
    gpt: Any, provider: FakeProvider, recording: Recording
) -> None:
    """As events of the one span."""
    provider.fail(Fault.rate_limited())

    gpt.prompt("Tell me", stream=False).text()

    known = known_of(recording)
    assert known[semconv.RETRY_COUNT] == 1
    assert semconv.ERROR_TYPE not in known
    assert semconv.HTTP_STATUS_CODE not in known


async def test_tool_calls_of_a_real_model_end_in_tools(
    async_gpt: Any, provider: FakeProvider, recording: Recording
) -> None:
    """The whole way: asked for on the wire, run, answered."""
    call = ToolCall("weather", {"city": "Rome"})
    provider.reply(Reply("", tool_calls=(call,)), "It is sunny")

    text = await async_gpt.chain("How is it?", tools=[weather]).text()

    assert text.strip() == "It is sunny"
    assert recording.spans.tree().splitlines() == [
        "chain",
        "  chat gpt-4o",
        "  execute_tool weather",
        "  chat gpt-4o",
    ]
    asked = [
        event
        for span in recording.spans
        for event in span.events
        if event.name == semconv.EVENT_TOOL_REQUESTED
    ]
    assert len(asked) == 1


# --- the command line -----------------------------------------------------------------------------


def test_the_command_line_gives_a_trace_and_keeps_its_log(
    provider: FakeProvider, tmp_path: Path
) -> None:
    """``flowspan run llm …`` prints and logs what ``llm …`` does."""
    (tmp_path / "extra-openai-models.yaml").write_text(
        f"- model_id: storyteller\n  model_name: gpt-4o\n  api_base: {provider.openai_url}\n"
    )
    environment = {
        **os.environ,
        "LLM_USER_PATH": str(tmp_path),
        "LLM_LOAD_PLUGINS": "",
        "OPENAI_API_KEY": "sk-secret",
        "FLOWSPAN_STORE": str(tmp_path / "flowspan.db"),
    }
    llm_program = str(Path(sys.executable).with_name("llm"))
    flowspan = [sys.executable, "-m", "flowspan", "run"]
    asked = [llm_program, "-m", "storyteller", "Tell me a story please"]

    alone = subprocess.run(asked, env=environment, capture_output=True, text=True, check=True)
    seen = subprocess.run(
        [*flowspan, *asked], env=environment, capture_output=True, text=True, check=True
    )

    assert seen.stdout == alone.stdout
    with sqlite3.connect(tmp_path / "logs.db") as logs:
        tables = {row[0] for row in logs.execute("select name from sqlite_master")}
        table = "turns" if "turns" in tables else "responses"  # by version
        (logged,) = logs.execute(f"select count(*) from {table}").fetchone()  # noqa: S608 - ours
    assert logged == 2
    with sqlite3.connect(tmp_path / "flowspan.db") as store:
        names = [row[0] for row in store.execute("select name from spans")]
    assert names == ["chat gpt-4o"]
