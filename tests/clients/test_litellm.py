"""litellm: one span for each model call, whatever is tried, cached or made up around it."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from flowspan import semconv
from flowspan.instrumentation.clients import anthropic as anthropic_rows
from flowspan.instrumentation.clients import bodies, http
from flowspan.instrumentation.clients import openai as openai_rows
from flowspan.testing import FakeProvider, Fault, Recording, Reply, ToolCall, record
from flowspan.usage import Usage

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it fetches prices at import
litellm = pytest.importorskip("litellm")

from flowspan.instrumentation.clients import litellm as litellm_rows  # noqa: E402 - as above

ALL = (
    litellm_rows.INTEGRATION,
    openai_rows.INTEGRATION,
    anthropic_rows.INTEGRATION,
    *http.INTEGRATIONS,
    *bodies.INTEGRATIONS,
)
MESSAGES = [{"role": "user", "content": "Tell me a story please"}]
CHARGED = Usage(input_tokens=120, output_tokens=34, cache_read_tokens=100, reasoning_tokens=20)
# Of litellm's own making, with or without flowspan: what it leaves behind at the end of a loop.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    # Old versions call what pydantic has renamed, and fail where that is an error.
    pytest.mark.filterwarnings("ignore:The `dict` method is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def recording() -> Iterator[Recording]:
    with record(*ALL, priced=True) as recording:
        yield recording


@pytest.fixture
def where(provider: FakeProvider) -> dict[str, Any]:
    return {"api_base": provider.openai_url, "api_key": "sk-secret"}


@pytest.fixture
def chat(where: dict[str, Any]) -> dict[str, Any]:
    return {"model": "openai/gpt-4o", "messages": MESSAGES, **where}


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    litellm.cache = None
    litellm.callbacks = []
    litellm.success_callback = []
    litellm.num_retries = None
    litellm.model_fallbacks = None


def router(provider: FakeProvider, *models: str, **more: Any) -> Any:
    places = {"api_base": provider.openai_url, "api_key": "sk-secret", "max_retries": 0}
    deployments = [
        {"model_name": model, "litellm_params": {"model": f"openai/{model}", **places}}
        for model in models
    ]
    return litellm.Router(model_list=deployments, retry_after=0, **more)


def known_of(recording: Recording) -> dict[str, Any]:
    """The attributes of the only span."""
    return dict(recording.spans.one().attributes or {})


def models_of(recording: Recording) -> list[tuple[str, bool]]:
    """Model of each span and whether it failed, in the order in which they began."""
    spans = sorted(recording.spans, key=lambda span: span.start_time or 0)
    return [
        (
            str((span.attributes or {})[semconv.REQUEST_MODEL]),
            semconv.ERROR_TYPE in (span.attributes or {}),
        )
        for span in spans
    ]


# --- one call -------------------------------------------------------------------------------------


def test_a_completion_is_one_span_with_the_tokens_of_the_ledger(
    chat: dict[str, Any], provider: FakeProvider, recording: Recording
) -> None:
    """Provider and model as litellm knows them; the SDK below adds what only it knows."""
    provider.reply(Reply("Once", usage=CHARGED))

    litellm.completion(**chat, temperature=0.5, max_tokens=9)

    known = known_of(recording)
    assert recording.spans.one().name == "chat gpt-4o"
    assert known[semconv.PROVIDER_NAME] == "openai"
    assert known[semconv.REQUEST_MODEL] == "gpt-4o"
    assert known[semconv.REQUEST_TEMPERATURE] == 0.5
    assert known[semconv.REQUEST_MAX_TOKENS] == 9
    assert known[semconv.USAGE_INPUT_TOKENS] == 120
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 34
    assert known[semconv.USAGE_CACHE_READ] == 100
    assert known[semconv.RESPONSE_FINISH_REASONS] == ("stop",)
    assert known[semconv.PROVIDER_REQUEST_ID] == provider.ledger[0].request_id
    assert known[semconv.SERVER_ADDRESS] == "127.0.0.1"
    assert known[semconv.COST_STATUS] == "priced"


def test_its_own_price_is_a_second_opinion(
    chat: dict[str, Any], provider: FakeProvider, recording: Recording
) -> None:
    """Beside the price that counts."""
    provider.reply(Reply("Once", usage=Usage(input_tokens=1000, output_tokens=100)))

    result = litellm.completion(**chat)

    known = known_of(recording)
    assert known[semconv.COST_REPORTED_USD] == pytest.approx(result._hidden_params["response_cost"])
    assert known[semconv.COST_REPORTED_USD] == pytest.approx(known[semconv.COST_USD])


def test_every_name_of_a_function_is_seen_once(
    chat: dict[str, Any], provider: FakeProvider, recording: Recording
) -> None:
    """The package's, the module's, and the one from which others are called."""
    from litellm import completion  # noqa: PLC0415 - as programs do
    from litellm.main import completion as of_module  # noqa: PLC0415

    for function in (litellm.completion, completion, of_module, litellm.main.completion):
        function(**chat)

    assert len(recording.spans) == len(provider.ledger) == 4


def test_functions_keep_their_names_and_signatures(recording: Recording) -> None:
    """Coroutine functions stay ones; what is patched is the function to all who look."""
    assert asyncio.iscoroutinefunction(litellm.acompletion)
    assert litellm.completion.__name__ == "completion"
    assert recording.spans.tree() == ""


def test_everything_is_taken_back() -> None:
    """Each name has what it had."""
    stream = litellm.CustomStreamWrapper
    before = {name: getattr(litellm, name) for name in ("completion", "aembedding", "acompletion")}
    advance = vars(stream)["__next__"]

    with record(*ALL):
        assert litellm.completion is not before["completion"]

    assert {name: getattr(litellm, name) for name in before} == before
    assert litellm.completion is before["completion"]
    assert vars(stream)["__next__"] is advance


# --- streams --------------------------------------------------------------------------------------


def test_a_stream_keeps_its_type_and_its_chunks(
    chat: dict[str, Any], provider: FakeProvider, recording: Recording
) -> None:
    """What iterates is litellm's own wrapper, and its usage is still where it was asked for."""
    provider.reply(Reply("Once upon a time", usage=CHARGED))

    stream = litellm.completion(**chat, stream=True, stream_options={"include_usage": True})
    assert type(stream) is litellm.CustomStreamWrapper
    chunks = [*stream]

    assert chunks[-1].usage.completion_tokens == 34
    known = known_of(recording)
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 34
    assert known[semconv.REQUEST_STREAM] is True
    assert semconv.RESPONSE_TIME_TO_FIRST_CHUNK in known


def test_a_silent_stream_is_estimated(
    chat: dict[str, Any], provider: FakeProvider, recording: Recording
) -> None:
    """What litellm itself counts at the end is an estimate of its own, and is not taken."""
    provider.reply(Reply("Once upon a time", usage=CHARGED))

    assert [*litellm.completion(**chat, stream=True)]

    known = known_of(recording)
    assert known[semconv.USAGE_ESTIMATED] is True
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 4


def test_a_stream_is_asked_for_its_usage_where_that_was_configured(
    chat: dict[str, Any], provider: FakeProvider
) -> None:
    """``FLOWSPAN_STREAM_USAGE=request``: the SDK below asks, and the tokens are exact."""
    provider.reply(Reply("Once upon a time", usage=CHARGED))

    with record(*ALL, asks_for_usage=True) as recording:
        assert [*litellm.completion(**chat, stream=True)]

    known = known_of(recording)
    assert semconv.USAGE_ESTIMATED not in known
    assert known[semconv.USAGE_INPUT_TOKENS] == 120
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 34


@pytest.mark.parametrize("read", [0, 1])
def test_a_dropped_stream_ends(
    read: int, chat: dict[str, Any], provider: FakeProvider, recording: Recording
) -> None:
    """Whether it was read or not; litellm's own logging holds it a moment longer."""
    stream = litellm.completion(**chat, stream=True)
    for _ in range(read):
        next(stream)
    del stream
    getattr(litellm, "error_logs", {}).clear()  # old versions keep their latest call in it

    late = time.monotonic() + 10
    while not recording.spans and time.monotonic() < late:
        gc.collect()
    assert known_of(recording)[semconv.STREAM_ABANDONED] is True


async def test_an_error_in_mid_stream_is_the_calls(
    chat: dict[str, Any], provider: FakeProvider, recording: Recording
) -> None:
    """As litellm raises it."""
    provider.fail(Fault.error_event(after_chunks=1))

    with pytest.raises(openai.APIError):
        async for _ in await litellm.acompletion(**chat, stream=True):
            pass

    assert semconv.ERROR_TYPE in known_of(recording)


def test_tools_that_were_asked_for_are_events(
    chat: dict[str, Any], provider: FakeProvider, recording: Recording
) -> None:
    """Told by the layer that knows; once."""
    provider.reply(Reply("", tool_calls=(ToolCall("weather", {"city": "Rome"}),)))

    litellm.completion(**chat)

    events = recording.spans.one().events
    asked = [event for event in events if event.name == semconv.EVENT_TOOL_REQUESTED]
    assert [(event.attributes or {})[semconv.TOOL_NAME] for event in asked] == ["weather"]


# --- retries and fallbacks ------------------------------------------------------------------------


def test_retries_are_events_of_the_one_call(
    chat: dict[str, Any], provider: FakeProvider, recording: Recording
) -> None:
    """Those of litellm, which asks its SDK again."""
    provider.fail(Fault.server_error(), times=1)

    litellm.completion(**chat, num_retries=2, max_retries=0)

    span = recording.spans.one()
    retries = [event for event in span.events if event.name == semconv.EVENT_RETRY]
    assert len(retries) == 1
    assert (span.attributes or {})[semconv.RETRY_COUNT] == 1
    assert semconv.ERROR_TYPE not in (span.attributes or {})
    assert semconv.HTTP_STATUS_CODE not in (span.attributes or {})


def test_a_failure_is_what_litellm_raises(
    chat: dict[str, Any], provider: FakeProvider, recording: Recording
) -> None:
    """With provider and status, and without a cost."""
    provider.fail(Fault.rate_limited(), times=9)

    with pytest.raises(litellm.RateLimitError):
        litellm.completion(**chat, max_retries=0)

    known = known_of(recording)
    assert known[semconv.ERROR_TYPE] == "RateLimitError"
    assert known[semconv.HTTP_STATUS_CODE] == 429
    assert known[semconv.PROVIDER_NAME] == "openai"
    assert semconv.COST_STATUS not in known


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_each_fallback_is_a_call(
    asynchronous: bool,  # noqa: FBT001 - a parameter of the test
    chat: dict[str, Any],
    provider: FakeProvider,
    recording: Recording,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The one that failed, and the one that answered; what chose between them is none."""
    monkeypatch.setattr(litellm, "api_base", chat["api_base"])  # old versions lose arguments
    provider.fail(Fault.http(400), times=1)
    tried = {**chat, "fallbacks": ["openai/gpt-4o-mini"]}

    if asynchronous:
        await litellm.acompletion(**tried)
    else:
        await asyncio.to_thread(litellm.completion, **tried)

    assert models_of(recording) == [
        ("gpt-4o", True),
        ("gpt-4o-mini", False),
    ]


def test_a_routers_deployments_are_calls(provider: FakeProvider, recording: Recording) -> None:
    """Fallbacks between groups; the router has no span of its own."""
    provider.fail(Fault.server_error(), times=1)
    routes = router(
        provider,
        "gpt-4o",
        "gpt-4o-mini",
        fallbacks=[{"gpt-4o": ["gpt-4o-mini"]}],
        num_retries=0,
    )

    routes.completion(model="gpt-4o", messages=MESSAGES)

    assert models_of(recording) == [
        ("gpt-4o", True),
        ("gpt-4o-mini", False),
    ]
    assert len(provider.ledger) == 1


async def test_a_routers_retries_are_calls(provider: FakeProvider, recording: Recording) -> None:
    """Each goes to a deployment of its own."""
    provider.fail(Fault.server_error(), times=1)
    routes = router(provider, "gpt-4o", num_retries=1)

    await routes.acompletion(model="gpt-4o", messages=MESSAGES)

    assert models_of(recording) == [("gpt-4o", True), ("gpt-4o", False)]


# --- answers that nobody is asked for -------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_a_made_up_answer_costs_nothing_and_says_so(
    stream: bool,  # noqa: FBT001 - a parameter of the test
    chat: dict[str, Any],
    provider: FakeProvider,
    recording: Recording,
) -> None:
    """``mock_response`` names tokens that nobody charges."""
    result = litellm.completion(**chat, mock_response="Once", stream=stream)
    if stream:
        assert [*result]

    known = known_of(recording)
    assert len(provider.ledger) == 0
    assert known[semconv.REPLAYED] is True
    assert known[semconv.COST_STATUS] == "replayed"
    assert known[semconv.COST_USD] == 0
    assert semconv.USAGE_INPUT_TOKENS not in known
    assert semconv.COST_REPORTED_USD not in known


# Before the cache is used: in that process litellm calls no such callback any more.
def test_callbacks_hear_what_they_heard(
    chat: dict[str, Any], provider: FakeProvider, recording: Recording
) -> None:
    """Litellm's own logging runs on as it does, in threads: it may still tell of earlier calls."""
    heard: list[str] = []
    done = threading.Event()

    def listen(arguments: Any, response: Any, start: Any, end: Any) -> None:
        if arguments["litellm_call_id"] == "the call that is meant":
            heard.append(arguments["model"])
            done.set()

    litellm.success_callback = [listen]

    litellm.completion(**chat, litellm_call_id="the call that is meant")

    assert done.wait(60)
    assert heard == ["gpt-4o"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_cached_answer_costs_nothing_and_says_so(
    stream: bool,  # noqa: FBT001 - a parameter of the test
    chat: dict[str, Any],
    provider: FakeProvider,
    recording: Recording,
) -> None:
    """The second of two equal calls is not charged, whole or streamed."""
    pytest.importorskip("soundfile", reason="new versions want parts of the proxy for it")
    litellm.cache = litellm.Cache()
    for _ in range(2):
        result = await litellm.acompletion(**chat, stream=stream, caching=True)
        if stream:
            assert [chunk async for chunk in result]
        await _cached()

    _second_is_free(provider, recording)


def test_a_cached_answer_is_free_for_sync_programs(
    chat: dict[str, Any], provider: FakeProvider, recording: Recording
) -> None:
    """As for async ones."""
    litellm.cache = litellm.Cache()

    litellm.completion(**chat, caching=True)
    late = time.monotonic() + 10
    while not litellm.cache.cache.cache_dict and time.monotonic() < late:
        time.sleep(0.01)
    litellm.completion(**chat, caching=True)

    _second_is_free(provider, recording)


def _second_is_free(provider: FakeProvider, recording: Recording) -> None:
    spans = sorted(recording.spans, key=lambda span: span.start_time or 0)
    first, second = (dict(span.attributes or {}) for span in spans)
    assert len(provider.ledger) == 1
    assert semconv.CACHE_HIT not in first
    assert second[semconv.CACHE_HIT] is True
    assert second[semconv.COST_USD] == 0
    assert second[semconv.COST_STATUS] == "replayed"
    assert semconv.USAGE_INPUT_TOKENS not in second


async def _cached() -> None:
    """Litellm writes to its cache in the background."""
    while not litellm.cache.cache.cache_dict:  # noqa: ASYNC110 - a dictionary of litellm's
        await asyncio.sleep(0.01)


# --- what is left alone ---------------------------------------------------------------------------


def test_messages_are_recorded_only_on_request(
    chat: dict[str, Any], provider: FakeProvider
) -> None:
    """Question and answer of a stream as well."""
    provider.reply("Once upon a time")
    with record(*ALL, content="full") as recording:
        assert [*litellm.completion(**chat, stream=True)]

    known = known_of(recording)
    assert "Tell me a story please" in known[semconv.INPUT_MESSAGES]
    assert "Once upon a time" in known[semconv.OUTPUT_MESSAGES]


@pytest.mark.parametrize(
    ("model", "more", "expected"),
    [
        ("gpt-4o", {}, ("openai", "gpt-4o")),
        ("anthropic/claude-sonnet-4-5", {}, ("anthropic", "claude-sonnet-4-5")),
        ("gemini/gemini-2.5-pro", {}, ("gcp.gemini", "gemini-2.5-pro")),
        ("azure/my-deployment", {}, ("azure.ai.openai", "my-deployment")),
        ("my-model", {"custom_llm_provider": "hosted_vllm"}, ("vllm", "my-model")),
    ],
)
def test_the_provider_is_the_conventions_name_for_litellms(
    model: str, more: dict[str, Any], expected: tuple[str, str], recording: Recording
) -> None:
    """By the name before the model, by litellm's table, or as it was said."""
    litellm.completion(model=model, messages=MESSAGES, mock_response="Once", **more)

    known = known_of(recording)
    assert (known[semconv.PROVIDER_NAME], known[semconv.REQUEST_MODEL]) == expected
