"""Anthropic's SDK: what is peculiar to its calls, its helpers and its own tracing."""

from __future__ import annotations

import dataclasses
import gc
import inspect
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from opentelemetry.trace import StatusCode

from flowspan import semconv
from flowspan.instrumentation.clients import anthropic as rows
from flowspan.instrumentation.clients import bodies, http
from flowspan.testing import FakeProvider, Fault, Gate, Recording, Reply, ToolCall, record
from flowspan.usage import Usage

anthropic = pytest.importorskip("anthropic")

INTEGRATIONS = (rows.INTEGRATION, *http.INTEGRATIONS, *bodies.INTEGRATIONS)
CHUNKS = ("Once ", "upon ", "a ", "time")
CHARGED = Usage(
    input_tokens=120,
    output_tokens=34,
    cache_read_tokens=60,
    cache_write_tokens=40,
    cache_write_1h_tokens=10,
    reasoning_tokens=5,
    web_searches=2,
)
MODEL = "claude-of-tomorrow"
ARGUMENTS: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 50,
    "system": "Be brief.",
    "messages": [{"role": "user", "content": "Tell me a story please"}],
}


@pytest.fixture(autouse=True)
def _own_tracing_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in rows.INTEGRATION.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def recording() -> Iterator[Recording]:
    with record(*INTEGRATIONS) as recording:
        yield recording


@pytest.fixture
def client(provider: FakeProvider) -> Iterator[Any]:
    with anthropic.Anthropic(base_url=provider.anthropic_url, api_key="sk-secret") as client:
        yield client


@pytest.fixture
async def async_client(provider: FakeProvider) -> AsyncIterator[Any]:
    url = provider.anthropic_url
    async with anthropic.AsyncAnthropic(base_url=url, api_key="sk-secret") as client:
        yield client


def attributes_of(span: Any) -> dict[str, Any]:
    return dict(span.attributes or {})


def known_of(recording: Recording) -> dict[str, Any]:
    """The attributes of the only span."""
    return attributes_of(recording.spans.one(f"chat {MODEL}"))


def offered(owner: Any, name: str) -> Any:
    if not hasattr(owner, name):
        pytest.skip(f"this version has no {name}")
    return getattr(owner, name)


# --- one call ---------------------------------------------------------------------------------


def test_a_message_has_its_request_and_its_response(
    provider: FakeProvider, client: Any, recording: Recording
) -> None:
    """Every parameter that was given, the answer's own ids, and the tokens charged."""
    provider.reply(Reply("Once upon a time", usage=CHARGED, model="claude-of-today"))
    sampling = {"temperature": 0.5, "top_p": 0.9, "top_k": 3, "output_config": {"effort": "low"}}

    client.messages.create(**ARGUMENTS, stop_sequences=["END"], extra_body=sampling)

    span, known = recording.spans.one(), known_of(recording)
    del known[semconv.RUN_ID]
    assert span.status.status_code is StatusCode.UNSET
    assert known == {
        "flowspan.kind": "llm",
        "flowspan.transport": "sdk",
        "flowspan.service_tier": "standard",
        "flowspan.provider.request_id": "req_000001",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": MODEL,
        "gen_ai.request.max_tokens": 50,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.top_k": 3,
        "gen_ai.request.reasoning.level": "low",
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.response.id": "msg_000001",
        "gen_ai.response.model": "claude-of-today",
        "gen_ai.response.finish_reasons": ("end_turn",),
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 34,
        "gen_ai.usage.cache_read.input_tokens": 60,
        "gen_ai.usage.cache_write.input_tokens": 40,
        "gen_ai.usage.cache_creation.input_tokens": 40,
        "gen_ai.usage.reasoning.output_tokens": 5,
        "server.address": "127.0.0.1",
        "server.port": int(provider.url.rpartition(":")[2]),
    }


def test_what_was_not_given_is_not_invented(client: Any, recording: Recording) -> None:
    """The SDK's marks for "not given" are no values."""
    mark: Any = getattr(anthropic, "omit", anthropic.NOT_GIVEN)
    given = {**ARGUMENTS, "system": mark, "stop_sequences": mark, "tools": mark}

    client.messages.create(**given)

    requested = {name for name in known_of(recording) if name.startswith("gen_ai.request")}
    assert requested == {"gen_ai.request.model", "gen_ai.request.max_tokens"}


class Settling:
    """What whoever prices a call is told of its tokens."""

    kinds = frozenset({"llm"})

    def __init__(self) -> None:
        self.usages: list[Usage | None] = []

    def before(self, _visit: Any) -> None:
        return None

    def after(self, _visit: Any, outcome: Any) -> None:
        self.usages.append(outcome.usage)


@pytest.mark.parametrize("stream", [False, True])
def test_what_has_a_price_of_its_own_is_told_apart(
    *, stream: bool, provider: FakeProvider, client: Any
) -> None:
    """What is written to the cache for an hour, searches, and the tier."""
    provider.reply(Reply("x", usage=CHARGED))
    hook: Any = Settling()

    with record(*INTEGRATIONS, hooks=(hook,)):
        answer = client.messages.create(**ARGUMENTS, stream=stream)
        if stream:
            list(answer)

    assert hook.usages == [dataclasses.replace(CHARGED, service_tier="standard")]


@pytest.mark.parametrize("reason", ["pause_turn", "stop_sequence", "model_context_window_exceeded"])
def test_the_providers_own_reason_is_kept(
    reason: str, provider: FakeProvider, client: Any, recording: Recording
) -> None:
    """Reasons to stop are told in Anthropic's words, plain or streamed."""
    provider.reply(Reply("x", finish_reason=reason), Reply("x", finish_reason=reason))

    client.messages.create(**ARGUMENTS)
    list(client.messages.create(**ARGUMENTS, stream=True))

    for span in recording.spans:
        assert attributes_of(span)[semconv.RESPONSE_FINISH_REASONS] == (reason,)


def test_thinking_and_tools_are_parts_of_the_answer(provider: FakeProvider, client: Any) -> None:
    """With content on, the same parts are found in a plain answer and in a stream's pieces."""
    reply = Reply("Looking.", reasoning="let me see", tool_calls=(ToolCall("find", {"q": "a"}),))
    provider.reply(reply, reply)

    with record(*INTEGRATIONS, content="full") as recording:
        client.messages.create(**ARGUMENTS)
        list(client.messages.create(**ARGUMENTS, stream=True))

    for span in recording.spans:
        [said] = json.loads(attributes_of(span)[semconv.OUTPUT_MESSAGES])
        assert [part["type"] for part in said["parts"]] == ["reasoning", "text", "tool_call"]
        assert said["parts"][2]["arguments"] == {"q": "a"}


# --- what is no model call, and what is several ---------------------------------------------------


def test_counting_tokens_and_batches_are_no_model_calls(
    provider: FakeProvider, client: Any, recording: Recording
) -> None:
    """Nothing was asked of a model, or not at the moment."""
    counting = {name: ARGUMENTS[name] for name in ("model", "messages")}
    counted = offered(client.messages, "count_tokens")(**counting)
    with pytest.raises(anthropic.NotFoundError):
        offered(client.messages, "batches").create(requests=[])

    assert counted.input_tokens == 5
    assert not provider.ledger
    assert not list(recording.spans)


def test_a_helper_that_is_not_entered_asks_for_nothing(
    provider: FakeProvider, client: Any, recording: Recording
) -> None:
    """The call begins where its context does."""
    manager = client.messages.stream(**ARGUMENTS)

    assert not provider.requests
    assert not list(recording.spans)
    with manager as stream:
        assert stream.get_final_message().role == "assistant"
    assert len(recording.spans) == 1


async def test_an_async_helper_keeps_its_types(async_client: Any, recording: Recording) -> None:
    """What is entered is the SDK's own stream, and its final message the SDK's own."""
    async with async_client.messages.stream(**ARGUMENTS) as stream:
        message = await stream.get_final_message()

    assert type(stream).__module__.startswith("anthropic.")
    assert isinstance(message, anthropic.types.Message)
    assert semconv.STREAM_ABANDONED not in known_of(recording)


def test_each_turn_of_a_tool_runner_is_a_call(
    provider: FakeProvider, client: Any, recording: Recording
) -> None:
    """The runner makes several calls; each has its own tokens."""
    runner = offered(client.beta.messages, "tool_runner")

    def weather(city: str) -> str:
        """Tells the weather.

        Args:
            city: Where.
        """
        return f"fine in {city}"

    provider.reply(Reply("", tool_calls=(ToolCall("weather", {"city": "Bonn"}),)), Reply("Fine."))

    final = runner(**ARGUMENTS, tools=[anthropic.beta_tool(weather)]).until_done()

    first, second = recording.spans
    assert final.content[0].text == "Fine."
    assert [attributes_of(span)[semconv.RESPONSE_FINISH_REASONS] for span in (first, second)] == [
        ("tool_use",),
        ("end_turn",),
    ]
    assert [attributes_of(span)[semconv.USAGE_INPUT_TOKENS] for span in (first, second)] == [
        entry.usage.input_tokens for entry in provider.ledger
    ]


def test_a_model_that_another_one_stands_in_for_was_paid_for_as_well(
    provider: FakeProvider, recording: Recording
) -> None:
    """Middleware asks a second model after a refusal; each request has its own tokens."""
    middleware = pytest.importorskip("anthropic.lib.middleware")
    refused = Usage(input_tokens=100, output_tokens=3)
    provider.reply(Reply(refusal="no", usage=refused), Reply("Once", usage=CHARGED))
    fallback = middleware.BetaRefusalFallbackMiddleware([{"model": "claude-of-yesterday"}])
    url = provider.anthropic_url

    with anthropic.Anthropic(base_url=url, api_key="x", middleware=[fallback]) as client:
        client.beta.messages.create(**ARGUMENTS)

    assert [span.name for span in recording.spans] == [f"chat {MODEL}", "chat claude-of-yesterday"]
    used = [attributes_of(span)[semconv.USAGE_INPUT_TOKENS] for span in recording.spans]
    assert used == [entry.usage.input_tokens for entry in provider.ledger] == [100, 120]


def test_a_platforms_client_with_middleware_is_seen_as_well(
    provider: FakeProvider, recording: Recording
) -> None:
    """On Vertex the path names the model."""
    pytest.importorskip("anthropic.lib.middleware")
    place = {"region": "europe-west1", "project_id": "p", "access_token": "t"}
    provider.reply(Reply("Once", usage=CHARGED))

    with (
        anthropic.AnthropicVertex(
            base_url=f"{provider.url}/v1", middleware=[lambda asked, ask: ask(asked)], **place
        ) as client,
        client.messages.stream(**ARGUMENTS) as stream,
    ):
        stream.until_done()

    known = known_of(recording)
    assert known[semconv.PROVIDER_NAME] == "gcp.vertex_ai"
    assert known[semconv.TRANSPORT] == "http"
    assert known[semconv.USAGE_INPUT_TOKENS] == 120
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 34


def test_an_answer_of_a_middleware_costs_nothing(
    provider: FakeProvider, recording: Recording
) -> None:
    """It may be one that was kept; nobody was asked."""
    pytest.importorskip("anthropic.lib.middleware")
    kept = anthropic.types.Message.model_construct(id="msg_kept")
    url = provider.anthropic_url

    with anthropic.Anthropic(
        base_url=url, api_key="x", middleware=[lambda _request, _next: kept]
    ) as client:
        assert client.messages.create(**ARGUMENTS) is kept

    assert not provider.requests
    assert not list(recording.spans)


# --- failures -----------------------------------------------------------------------------------


def test_attempts_are_one_call_with_retries(
    provider: FakeProvider, client: Any, recording: Recording
) -> None:
    """An overloaded model is asked again by the SDK; the call says how often and why."""
    provider.fail(Fault.overloaded())
    provider.fail(Fault.rate_limited())
    provider.reply(Reply("Once", usage=CHARGED))

    client.messages.create(**ARGUMENTS)

    span, known = recording.spans.one(), known_of(recording)
    assert known[semconv.RETRY_COUNT] == 2
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 34
    reasons = [
        attributes_of(event)[semconv.ERROR_TYPE]
        for event in span.events
        if event.name == semconv.EVENT_RETRY
    ]
    assert reasons == ["529", "429"]


def test_a_refused_call_costs_nothing_and_says_its_request_id(
    provider: FakeProvider, client: Any, recording: Recording
) -> None:
    """The exception is the SDK's own, and support can find the request."""
    provider.fail(Fault.http(400))

    with pytest.raises(anthropic.BadRequestError):
        client.messages.create(**ARGUMENTS)

    span, known = recording.spans.one(), known_of(recording)
    assert span.status.status_code is StatusCode.ERROR
    assert known[semconv.HTTP_STATUS_CODE] == 400
    assert known[semconv.PROVIDER_REQUEST_ID] == "req_000001"
    assert semconv.USAGE_INPUT_TOKENS not in known


@pytest.mark.parametrize("way", ["create", "stream"])
def test_an_error_in_mid_stream_is_the_calls_error(
    way: str, provider: FakeProvider, client: Any, recording: Recording
) -> None:
    """The program gets the SDK's exception; what had arrived is estimated, the input is known."""
    provider.reply(Reply(chunks=CHUNKS, usage=CHARGED, fault=Fault.error_event(after_chunks=2)))

    with pytest.raises(anthropic.APIStatusError):
        if way == "create":
            list(client.messages.create(**ARGUMENTS, stream=True))
        else:
            with client.messages.stream(**ARGUMENTS) as stream:
                stream.until_done()
    gc.collect()  # older versions leave it to whoever drops the stream

    span, known = recording.spans.one(), known_of(recording)
    assert span.status.status_code is StatusCode.ERROR
    assert known[semconv.ERROR_TYPE] in {"overloaded_error", "APIStatusError"}
    assert known[semconv.USAGE_INPUT_TOKENS] == 120
    assert known[semconv.USAGE_CACHE_READ] == 60
    assert known[semconv.USAGE_ESTIMATED] is True


def test_of_a_stream_that_was_left_the_input_is_known(
    client: Any, provider: FakeProvider, recording: Recording
) -> None:
    """Anthropic tells the input first; only the output is estimated."""
    provider.reply(Reply(chunks=CHUNKS, usage=CHARGED, gate=Gate(after_chunks=2)))

    with client.messages.stream(**ARGUMENTS) as stream:
        for _ in stream.text_stream:
            break
    gc.collect()

    known = known_of(recording)
    assert known[semconv.USAGE_INPUT_TOKENS] == 120
    assert known[semconv.USAGE_OUTPUT_TOKENS] < 34
    assert known[semconv.USAGE_ESTIMATED] is True
    assert known[semconv.STREAM_ABANDONED] is True


def test_an_answer_that_parse_cannot_read_was_paid_for(
    provider: FakeProvider, client: Any, recording: Recording
) -> None:
    """The SDK's exception goes on; the tokens of the answer are counted."""
    parse = offered(client.messages, "parse")
    pydantic = pytest.importorskip("pydantic")
    story = pydantic.create_model("Story", title=(str, ...))
    provider.reply(Reply("no JSON at all", usage=CHARGED))

    with pytest.raises(pydantic.ValidationError):
        parse(**ARGUMENTS, output_format=story)

    assert known_of(recording)[semconv.USAGE_OUTPUT_TOKENS] == 34


# --- whose model it is --------------------------------------------------------------------------


def test_a_platforms_client_names_its_platform_behind_a_gateway(
    provider: FakeProvider, recording: Recording
) -> None:
    """An address that is nobody's says nothing, the client does."""
    place = {"region": "europe-west1", "project_id": "p", "access_token": "t"}
    client = anthropic.AnthropicVertex(base_url=f"{provider.url}/v1", **place)

    with client:
        client.messages.create(**ARGUMENTS)

    assert known_of(recording)[semconv.PROVIDER_NAME] == "gcp.vertex_ai"
    assert provider.requests[0].path.endswith(f"/models/{MODEL}:rawPredict")


# --- the SDK's own tracing ------------------------------------------------------------------------


def own_span_of_sdk(recording: Recording) -> list[Any]:
    return [
        span
        for span in recording.spans
        if span.instrumentation_scope is not None
        and span.instrumentation_scope.name == "com.anthropic.sdk.python"
    ]


def traced_client(provider: FakeProvider, recording: Recording, **options: Any) -> Any:
    if "open_telemetry" not in inspect.signature(anthropic.Anthropic).parameters:
        pytest.skip("this version does not trace itself")
    options = {"tracer_provider": recording.tracer_provider, **options}
    return anthropic.Anthropic(
        base_url=provider.anthropic_url, api_key="sk-secret", open_telemetry=options
    )


def test_the_sdks_own_tracing_is_off() -> None:
    """The variable is the one that the SDK reads."""
    tracing = pytest.importorskip("anthropic._tracing")

    assert tracing.env_open_telemetry() == {"traces": {"enabled": False}}


def test_switched_on_by_the_program_it_stands_inside_ours(
    provider: FakeProvider, recording: Recording
) -> None:
    """Who asks for the SDK's own span gets it; the model call and its cost stay one."""
    provider.reply(Reply("Once", usage=CHARGED))

    with traced_client(provider, recording, traces=True) as client:
        client.messages.create(**ARGUMENTS)

    [inner] = own_span_of_sdk(recording)
    ours = recording.spans.one(f"chat {MODEL}")
    assert len(recording.spans) == 2
    assert ours.context is not None
    assert inner.parent is not None
    assert inner.parent.span_id == ours.context.span_id
    assert attributes_of(inner)[semconv.KIND] == "internal"
    assert attributes_of(ours)[semconv.USAGE_INPUT_TOKENS] == 120
    [(_, calls)] = recording.metrics()[semconv.METRIC_LLM_CALLS]
    assert calls == 1


# --- the older completions ------------------------------------------------------------------------


def test_an_older_completion_is_estimated(
    provider: FakeProvider, client: Any, recording: Recording
) -> None:
    """Its answers never say their tokens."""
    completions = offered(client, "completions")
    provider.reply(Reply("Once upon a time"), Reply("Once upon a time"))
    asked = {"model": "claude-2.1", "max_tokens_to_sample": 99, "prompt": "\n\nHuman: x"}

    completions.create(**asked)
    list(completions.create(**asked, stream=True))

    for span in recording.spans:
        known = attributes_of(span)
        assert span.name == "text_completion claude-2.1"
        assert known[semconv.REQUEST_MAX_TOKENS] == 99
        assert known[semconv.USAGE_OUTPUT_TOKENS] == 4
        assert known[semconv.USAGE_ESTIMATED] is True
        assert known[semconv.RESPONSE_FINISH_REASONS] == ("stop_sequence",)
