"""Model calls by plain HTTP: what is recognised, what is left alone, and who owns a call."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import httpx
import pytest
import requests
from opentelemetry.trace import StatusCode

from flowspan import semconv
from flowspan.instrumentation.clients import bodies, http
from flowspan.instrumentation.integration import Call
from flowspan.testing import FakeProvider, Fault, Gate, Recording, Reply, record
from flowspan.usage import Usage

httpx2: Any
try:
    import httpx2
except ImportError:  # older OpenAI clients sit on httpx
    httpx2 = httpx

QUESTION = "Tell me a story please"
CHUNKS = ("Once ", "upon ", "a ", "time")
ANTHROPIC_HEADERS = {"x-api-key": "sk-ant-secret", "anthropic-version": "2023-06-01"}
CHARGED = Usage(input_tokens=120, output_tokens=34, cache_read_tokens=100)

CALLS: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "openai.chat": (
        "/v1/chat/completions",
        {"model": "gpt-4o", "messages": [{"role": "user", "content": QUESTION}]},
        {"Authorization": "Bearer sk-secret"},
    ),
    "openai.responses": ("/v1/responses", {"model": "gpt-4o", "input": QUESTION}, {}),
    "anthropic.messages": (
        "/v1/messages",
        {
            "model": "claude-sonnet-4-5",
            "max_tokens": 100,
            "messages": [{"role": "user", "content": QUESTION}],
        },
        ANTHROPIC_HEADERS,
    ),
}
CHATS = tuple(CALLS)
LIBRARIES: dict[str, Any] = {"requests": requests, "httpx": httpx, "httpx2": httpx2}

every_format = pytest.mark.parametrize("form", CHATS)
every_library = pytest.mark.parametrize("library", LIBRARIES)
every_httpx = pytest.mark.parametrize("library", ["httpx", "httpx2"])


def known_of(recording: Recording) -> dict[str, Any]:
    """The attributes of the only span."""
    return dict(recording.spans.one().attributes or {})


def post(library: str, url: str, **arguments: Any) -> Any:
    module: ModuleType = LIBRARIES[library]
    return module.post(url, **arguments)


def streaming(form: str) -> dict[str, Any]:
    body = {**CALLS[form][1], "stream": True}
    if form == "openai.chat":
        body["stream_options"] = {"include_usage": True}
    return body


@contextmanager
def opened(library: str, url: str, body: dict[str, Any], headers: dict[str, str]) -> Iterator[Any]:
    """A streamed response, closed at the end."""
    if library == "requests":
        with requests.post(url, json=body, headers=headers, stream=True, timeout=10) as response:
            yield response
    else:
        module = LIBRARIES[library]
        with (
            module.Client() as client,
            client.stream("POST", url, json=body, headers=headers) as response,
        ):
            yield response


# --- recognised -----------------------------------------------------------------------------------


@every_library
@every_format
def test_a_call_by_plain_http_is_a_model_call(
    library: str, form: str, provider: FakeProvider, recording: Recording
) -> None:
    """Whatever library sends it, in every format: one span with model, tokens and parameters."""
    path, body, headers = CALLS[form]
    provider.reply(Reply("Once", usage=CHARGED))

    response = post(
        library,
        f"{provider.url}{path}?key=sk-secret-query",
        json={**body, "temperature": 0.5},
        headers=headers,
    )

    known = known_of(recording)
    assert response.json()["id"] == known[semconv.RESPONSE_ID]
    assert recording.spans.one().name == f"chat {body['model']}"
    assert known[semconv.TRANSPORT] == "http"
    assert known[semconv.PROVIDER_NAME] == form.partition(".")[0]
    assert known[semconv.SERVER_ADDRESS] == "127.0.0.1"
    assert known[semconv.SERVER_PORT] == int(provider.url.rpartition(":")[2])
    assert known["gen_ai.request.temperature"] == 0.5
    assert (known[semconv.USAGE_INPUT_TOKENS], known[semconv.USAGE_OUTPUT_TOKENS]) == (120, 34)
    assert known[semconv.USAGE_CACHE_READ] == 100
    assert "secret" not in recording.spans.one().to_json()


@every_httpx
@every_format
async def test_an_async_call_is_a_model_call(
    library: str, form: str, provider: FakeProvider, recording: Recording
) -> None:
    """``AsyncClient`` sends by a method of its own."""
    path, body, headers = CALLS[form]
    provider.reply(Reply("Once", usage=CHARGED))

    async with LIBRARIES[library].AsyncClient() as client:
        await client.post(f"{provider.url}{path}", json=body, headers=headers)

    assert known_of(recording)[semconv.USAGE_OUTPUT_TOKENS] == 34


@every_library
def test_embeddings_are_recognised(
    library: str, provider: FakeProvider, recording: Recording
) -> None:
    """An operation of their own."""
    post(library, f"{provider.openai_url}/embeddings", json={"model": "e", "input": "one two"})

    known = known_of(recording)
    assert recording.spans.one().name == "embeddings e"
    assert known[semconv.USAGE_INPUT_TOKENS] == provider.ledger.total().input_tokens


@every_library
@every_format
def test_a_stream_by_plain_http_has_the_tokens_charged(
    library: str, form: str, provider: FakeProvider, recording: Recording
) -> None:
    """Read by line, a stream is understood from its bytes."""
    path, _, headers = CALLS[form]
    provider.reply(Reply(chunks=CHUNKS))

    with opened(library, provider.url + path, streaming(form), headers) as response:
        lines = list(response.iter_lines())

    known = known_of(recording)
    charged = provider.ledger.total()
    assert lines
    assert known[semconv.REQUEST_STREAM] is True
    assert known[semconv.USAGE_INPUT_TOKENS] == charged.input_tokens
    assert known[semconv.USAGE_OUTPUT_TOKENS] == charged.output_tokens
    assert known[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] > 0
    assert semconv.USAGE_ESTIMATED not in known
    assert semconv.STREAM_ABANDONED not in known


READERS: dict[str, Callable[[Any], Any]] = {
    "iter_content": lambda response: list(response.iter_content(7)),
    "texts": lambda response: list(response.iter_lines(decode_unicode=True)),
    "content": lambda response: response.content,
    "iteration": list,
}


@pytest.mark.parametrize("reader", READERS)
def test_every_way_of_reading_with_requests_is_seen(
    reader: str, provider: FakeProvider, recording: Recording
) -> None:
    """All but ``response.raw``."""
    path, _, headers = CALLS["anthropic.messages"]
    body = streaming("anthropic.messages")
    provider.reply(Reply("Zwölf Boxkämpfer", usage=CHARGED))

    with opened("requests", provider.url + path, body, headers) as response:
        response.encoding = "utf-8"
        READERS[reader](response)

    assert known_of(recording)[semconv.USAGE_OUTPUT_TOKENS] == 34


HTTPX_READERS: dict[str, Callable[[Any], Any]] = {
    "iter_bytes": lambda response: list(response.iter_bytes(5)),
    "iter_raw": lambda response: list(response.iter_raw()),
    "iter_text": lambda response: list(response.iter_text()),
    "read": lambda response: response.read(),
}


@every_httpx
@pytest.mark.parametrize("reader", HTTPX_READERS)
def test_every_way_of_reading_with_httpx_is_seen(
    library: str, reader: str, provider: FakeProvider, recording: Recording
) -> None:
    """Decoded or raw, in pieces or at once; no chunk is counted twice."""
    path, _, headers = CALLS["openai.chat"]
    provider.reply(Reply(chunks=CHUNKS, usage=CHARGED))

    with opened(library, provider.url + path, streaming("openai.chat"), headers) as response:
        HTTPX_READERS[reader](response)

    assert known_of(recording)[semconv.USAGE_OUTPUT_TOKENS] == 34


@every_httpx
@pytest.mark.parametrize("reader", ["aiter_bytes", "aiter_raw", "aiter_lines", "aread"])
async def test_every_way_of_reading_with_async_httpx_is_seen(
    library: str, reader: str, provider: FakeProvider, recording: Recording
) -> None:
    """The same for async responses."""
    path, _, headers = CALLS["openai.chat"]
    provider.reply(Reply(chunks=CHUNKS, usage=CHARGED))

    async with (
        LIBRARIES[library].AsyncClient() as client,
        client.stream(
            "POST", provider.url + path, json=streaming("openai.chat"), headers=headers
        ) as response,
    ):
        if reader == "aread":
            await response.aread()
        else:
            async for _ in getattr(response, reader)():
                pass

    assert known_of(recording)[semconv.USAGE_OUTPUT_TOKENS] == 34


@every_library
@pytest.mark.parametrize("ending", ["broken", "closed", "unread"])
def test_a_stream_that_ends_early_is_settled_with_a_marked_estimate(
    library: str, ending: str, provider: FakeProvider, recording: Recording
) -> None:
    """Left, closed or never read: one span, no error, an estimate."""
    path, _, headers = CALLS["openai.chat"]
    provider.reply(Reply(chunks=CHUNKS, gate=Gate(after_chunks=2)))

    with opened(library, provider.url + path, streaming("openai.chat"), headers) as response:
        if ending == "broken":
            for _ in response.iter_lines():
                break
        elif ending == "closed":
            response.close()
    gc.collect()

    known = known_of(recording)
    assert known[semconv.USAGE_ESTIMATED] is True
    assert known[semconv.STREAM_ABANDONED] is True
    assert known[semconv.USAGE_INPUT_TOKENS] == -(-len(QUESTION) // 4)
    assert recording.spans.one().status.status_code is StatusCode.UNSET


@every_library
def test_a_stream_that_the_server_cut_is_an_error(
    library: str, provider: FakeProvider, recording: Recording
) -> None:
    """What had arrived is estimated."""
    path, _, headers = CALLS["openai.chat"]
    provider.reply(Reply(chunks=CHUNKS, fault=Fault.cut(after_chunks=2)))

    with (
        pytest.raises(Exception, match=r"."),
        opened(library, provider.url + path, streaming("openai.chat"), headers) as response,
    ):
        list(response.iter_lines())

    known = known_of(recording)
    assert recording.spans.one().status.status_code is StatusCode.ERROR
    assert known[semconv.USAGE_OUTPUT_TOKENS] == -(-len("".join(CHUNKS[:2])) // 4)


@every_library
@pytest.mark.parametrize("kind", ["stream", "whole"])
def test_a_refusal_is_an_error_by_its_status(
    library: str, kind: str, provider: FakeProvider, recording: Recording
) -> None:
    """No exception is raised, and nothing was charged; the body of the refusal is not touched."""
    path, body, headers = CALLS["openai.chat"]
    provider.fail(Fault.rate_limited())
    url = provider.url + path

    if kind == "stream":
        with opened(library, url, streaming("openai.chat"), headers) as response:
            assert response.status_code == 429
    else:
        assert post(library, url, json=body, headers=headers).status_code == 429

    known = known_of(recording)
    assert recording.spans.one().status.status_code is StatusCode.ERROR
    assert known[semconv.ERROR_TYPE] == "429"
    assert known[semconv.HTTP_STATUS_CODE] == 429
    assert semconv.USAGE_INPUT_TOKENS not in known


@every_library
def test_a_lost_connection_is_an_error(
    library: str, provider: FakeProvider, recording: Recording
) -> None:
    """The exception reaches the program and is on the span."""
    path, body, headers = CALLS["openai.chat"]
    provider.fail(Fault.reset())

    with pytest.raises(Exception, match=r".") as raised:
        post(library, provider.url + path, json=body, headers=headers)

    assert known_of(recording)[semconv.ERROR_TYPE] == type(raised.value).__name__


@every_library
def test_an_answer_that_is_no_json_is_estimated(
    library: str, provider: FakeProvider, recording: Recording
) -> None:
    """It was charged, whatever its body says."""
    path, body, headers = CALLS["openai.chat"]
    provider.reply(Reply(chunks=CHUNKS, fault=Fault.malformed()))

    post(library, provider.url + path, json=body, headers=headers)

    known = known_of(recording)
    assert known[semconv.USAGE_ESTIMATED] is True
    assert known[semconv.USAGE_OUTPUT_TOKENS] > 0


@every_library
def test_a_compressed_answer_is_understood(
    library: str, provider: FakeProvider, recording: Recording
) -> None:
    """Libraries decode; so what is read is what is seen."""
    path, body, headers = CALLS["openai.chat"]
    provider.reply(Reply("Once", usage=CHARGED, gzip=True))

    post(library, provider.url + path, json=body, headers=headers)

    assert known_of(recording)[semconv.USAGE_OUTPUT_TOKENS] == 34


def test_content_of_plain_http(provider: FakeProvider, content_recording: Recording) -> None:
    """With content on, prompts and answers are there in the conventions' form."""
    path, body, headers = CALLS["anthropic.messages"]
    provider.reply("Once")

    requests.post(
        provider.url + path, json={**body, "system": "Be brief."}, headers=headers, timeout=10
    )

    known = known_of(content_recording)
    assert json.loads(known[semconv.SYSTEM_INSTRUCTIONS]) == [
        {"type": "text", "content": "Be brief."}
    ]
    assert json.loads(known[semconv.INPUT_MESSAGES])[0]["parts"][0]["content"] == QUESTION
    assert json.loads(known[semconv.OUTPUT_MESSAGES])[0]["parts"][0]["content"] == "Once"


async def test_many_calls_at_once_keep_apart(provider: FakeProvider, recording: Recording) -> None:
    """Concurrent calls have spans of their own, whose sum is what was charged."""
    path, body, _ = CALLS["openai.chat"]
    async with httpx.AsyncClient() as client:
        await asyncio.gather(
            *(
                client.post(provider.url + path, json={**body, "model": f"m{number % 3}"})
                for number in range(12)
            )
        )

    assert len(recording.spans) == 12
    charged = provider.ledger.total()
    assert recording.spans.total(semconv.USAGE_OUTPUT_TOKENS) == charged.output_tokens


# --- owners ---------------------------------------------------------------------------------------


def test_a_redirect_is_one_call(recording: Recording, provider: FakeProvider) -> None:
    """Requests sends a redirected request by the method that sent the first one."""
    path, body, _ = CALLS["openai.chat"]

    class Redirecting(requests.adapters.HTTPAdapter):
        redirected = False

        def send(self, request: Any, *args: Any, **kwargs: Any) -> requests.Response:
            response = super().send(request, *args, **kwargs)
            if not self.redirected:
                self.redirected = True
                response.status_code = 307
                response.headers["location"] = provider.url + path
            return response

    with requests.Session() as session:
        session.mount("http://", Redirecting())
        response = session.post(provider.url + path, json=body)

    known = known_of(recording)
    assert len(response.history) == 1
    assert semconv.RETRY_COUNT not in known
    assert known[semconv.USAGE_OUTPUT_TOKENS] > 0


# --- left alone -----------------------------------------------------------------------------------


OTHERS: dict[str, tuple[str, Any]] = {
    "another path": ("/v1/files", {"model": "gpt-4o", "messages": []}),
    "no body": ("/v1/chat/completions", None),
    "no model": ("/v1/chat/completions", {"messages": [{"role": "user"}]}),
    "no messages": ("/v1/chat/completions", {"model": "gpt-4o"}),
    "other messages": ("/chat/completions", {"model": "m", "messages": ["a"]}),
    "a list": ("/v1/chat/completions", [1, 2]),
    "a chat message": ("/rooms/7/messages", {"text": "hello"}),
    "messages without a version": (
        "/v1/messages",
        {"model": "m", "max_tokens": 9, "messages": [{"role": "user"}]},
    ),
    "no input": ("/v1/responses", {"model": "gpt-4o"}),
    "survey responses": ("/survey/responses", {"input": 5, "model": "T"}),
}


@every_library
@pytest.mark.parametrize("other", OTHERS)
def test_other_requests_are_left_alone(
    library: str, other: str, provider: FakeProvider, recording: Recording
) -> None:
    """Neither path nor body alone makes a model call of a request."""
    path, body = OTHERS[other]

    post(library, provider.url + path, json=body)

    assert len(recording.spans) == 0


def test_only_posts_are_model_calls(provider: FakeProvider, recording: Recording) -> None:
    """Stored answers are fetched by GET."""
    requests.get(f"{provider.openai_url}/chat/completions", timeout=10)
    httpx.get(f"{provider.openai_url}/responses")

    assert len(recording.spans) == 0


def test_a_body_that_is_a_stream_is_never_touched(
    provider: FakeProvider, recording: Recording
) -> None:
    """Its bytes can be read once, and by the library."""
    data = json.dumps(CALLS["openai.chat"][1]).encode()

    sent = [
        requests.post(
            f"{provider.openai_url}/chat/completions", data=iter([data]), timeout=10
        ).status_code,
        httpx.post(f"{provider.openai_url}/chat/completions", content=iter([data])).status_code,
    ]

    assert len(recording.spans) == 0
    assert len(sent) == 2


def test_a_text_body_is_read_as_well(provider: FakeProvider, recording: Recording) -> None:
    """Requests takes texts as they are."""
    requests.post(
        f"{provider.openai_url}/chat/completions",
        data=json.dumps(CALLS["openai.chat"][1]),
        timeout=10,
    )

    assert len(recording.spans) == 1


@pytest.mark.usefixtures("_reset_hosts")
def test_configured_hosts_are_known_by_the_body_alone(
    provider: FakeProvider, recording: Recording
) -> None:
    """A gateway has paths of its own; its requests are told by their form."""
    body = CALLS["openai.chat"][1]
    url = f"{provider.url}/gateway/generate"

    requests.post(url, json=body, timeout=10)
    assert len(recording.spans) == 0

    http.configure((f"127.0.0.1:{provider.url.rpartition(':')[2]}",))
    requests.post(url, json=body, timeout=10)
    requests.post(url, json={"text": "hello"}, timeout=10)
    assert [span.name for span in recording.spans] == ["chat gpt-4o"]


@pytest.mark.usefixtures("_reset_hosts")
def test_every_host_may_be_known_by_the_body_alone(
    provider: FakeProvider, recording: Recording
) -> None:
    """``FLOWSPAN_HTTP_HOSTS=*``: whatever the host and the path."""
    http.configure(("*",))

    requests.post(f"{provider.url}/x", json=CALLS["openai.chat"][1], timeout=10)
    requests.post(f"{provider.url}/x", json={"model": "m", "text": "hello"}, timeout=10)

    assert [span.name for span in recording.spans] == ["chat gpt-4o"]


# --- the machine's side ---------------------------------------------------------------------------


def test_the_rows_apply_to_every_library() -> None:
    """Nothing is missing in the installed versions."""
    with record(*http.INTEGRATIONS, *bodies.INTEGRATIONS) as recording:
        lost = [
            status
            for status in recording.statuses()
            if status.state in {"missing", "failed"} and not status.optional
        ]
        here = {status.integration for status in recording.statuses() if status.state == "applied"}

    assert lost == []
    assert {"httpx", "requests", "urllib3", "http.client"} <= here


def test_a_response_may_be_described_without_a_frame() -> None:
    """Of a body that was not read only the status is known."""
    request = requests.Request(
        "POST", "https://api.openai.com/v1/chat/completions", json=CALLS["openai.chat"][1]
    ).prepare()
    row = http.INTEGRATIONS[0].patches[0]
    call = Call(None, (request,), {})
    unread = requests.Response()
    unread.status_code = 503
    assert row.when is not None
    assert row.outcome is not None

    assert row.when(call) is True
    assert row.outcome(call, unread) == "503"


def test_extractors_outside_a_frame_say_nothing() -> None:
    """A row may be asked without any call around it."""
    attempt = http.INTEGRATIONS[0].patches[1]
    call = Call(None, (), {})
    assert attempt.before is not None
    assert attempt.after is not None
    assert attempt.failure is not None
    assert attempt.when is not None

    assert list(attempt.before(call)) == []
    assert list(attempt.after(call, None)) == []
    assert attempt.failure(call, ValueError()) == {}
    assert attempt.when(call) is False
