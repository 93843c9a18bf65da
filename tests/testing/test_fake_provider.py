import gzip
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest
import requests

from flowspan.testing import FakeProvider, Fault, ReceivedRequest, Reply
from flowspan.usage import Usage


def post(provider: FakeProvider, text: str = "hi", **more: Any) -> httpx.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": text}], **more}
    return httpx.post(f"{provider.openai_url}/chat/completions", json=body)


def said(answer: httpx.Response) -> Any:
    return answer.json()["choices"][0]["message"]["content"]


def test_order_of_what_answers(provider: FakeProvider) -> None:
    """Faults come first, then queued replies, then the responder, then the echo."""
    provider.respond = lambda request: f"responder to {request.text}"
    provider.reply("queued")
    provider.fail(Fault.server_error())

    answers = [post(provider, str(number)) for number in range(3)]
    provider.respond = None
    answers.append(post(provider, "3"))

    assert answers[0].status_code == 500
    assert [said(answer) for answer in answers[1:]] == ["queued", "responder to 2", "Echo: 3"]


def test_responder_sees_the_request_and_may_return_a_reply() -> None:
    """A responder gets what was received, unanswered yet."""
    seen: list[ReceivedRequest] = []

    def respond(request: ReceivedRequest) -> Reply:
        seen.append(request)
        return Reply("one two", headers={"x-extra": "yes"}, usage=Usage(input_tokens=7))

    with FakeProvider(respond=respond) as provider:
        answer = httpx.post(
            f"{provider.openai_url}/chat/completions",
            headers={"Authorization": "Bearer key"},
            json={
                "model": "m",
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "assistant", "content": None},
                    {"role": "user", "content": [{"type": "text", "text": "hi"}, "odd", {}]},
                    "odd",
                ],
            },
        )

    [request] = seen
    assert request.index == 0
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.headers["authorization"] == "Bearer key"
    assert (request.format, request.provider) == ("openai.chat", "openai")
    assert (request.operation, request.model, request.stream) == ("chat", "m", False)
    assert request.prompt == "Be brief.\nhi"
    assert request.status is None
    assert provider.requests[0].status == 200
    assert answer.headers["x-extra"] == "yes"
    assert provider.ledger.total() == Usage(input_tokens=7, output_tokens=2)


def test_responder_that_raises(provider: FakeProvider) -> None:
    """A mistake in a responder is told in the answer, and the next request is served."""

    def respond(request: ReceivedRequest) -> str:
        raise KeyError(request.text)

    provider.respond = respond

    answer = post(provider)

    assert answer.status_code == 500
    assert answer.json()["error"]["message"] == "respond raised KeyError('hi')"


def test_clear(provider: FakeProvider) -> None:
    """A cleared provider has forgotten what it was told and what it saw."""
    provider.reply("queued")
    provider.fail(Fault.server_error())
    post(provider)
    provider.respond = lambda _: "responder"
    provider.clear()

    answer = post(provider)

    assert said(answer) == "Echo: hi"
    assert len(provider.requests) == len(provider.ledger) == 1
    assert answer.json()["id"] == "chatcmpl-000001"


def test_clear_while_a_request_is_under_way(provider: FakeProvider) -> None:
    """A request that was cleared away is answered all the same."""

    def respond(request: ReceivedRequest) -> str:
        provider.clear()
        return "fine"

    provider.respond = respond

    assert said(post(provider)) == "fine"
    assert len(provider.requests) == 0


def test_answers_are_reproducible() -> None:
    """The same requests get the same bytes from every provider."""
    answers = []
    for _ in range(2):
        with FakeProvider() as provider:
            answers.append([post(provider, stream=stream).content for stream in (False, True)])

    assert answers[0] == answers[1]


def test_gzip(provider: FakeProvider) -> None:
    """A compressed answer is compressed on the wire and plain to the client."""
    provider.reply(Reply("one two", gzip=True), Reply("one two", gzip=True))

    answer = post(provider)
    with httpx.stream(
        "POST", f"{provider.openai_url}/chat/completions", json={"model": "m", "messages": []}
    ) as stream:
        raw = b"".join(stream.iter_raw())

    assert said(answer) == "one two"
    assert answer.headers["content-encoding"] == "gzip"
    assert b'"one two"' in gzip.decompress(raw)


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("POST", "/v1/nothing", b"{}", (404, "Unknown request URL: POST /v1/nothing")),
        ("GET", "/v1/chat/completions", b"", (404, "Unknown request URL: GET")),
        ("POST", "/v1/chat/completions", b"{", (400, "could not parse the JSON body")),
        ("POST", "/v1/chat/completions", b"[]", (400, "must be a JSON object")),
    ],
)
def test_bad_requests(
    provider: FakeProvider, method: str, path: str, body: bytes, expected: tuple[int, str]
) -> None:
    """What cannot be understood is recorded, refused with a reason, and not charged."""
    answer = httpx.request(method, provider.url + path, content=body)

    status, message = expected
    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]
    assert provider.requests[0].status == status
    assert len(provider.ledger) == 0


def test_request_without_anything_in_it(provider: FakeProvider) -> None:
    """An empty request gets an empty echo."""
    answer = httpx.post(f"{provider.openai_url}/chat/completions")

    assert said(answer) == "Echo: "
    assert provider.requests[0].model is None
    assert provider.ledger.total() == Usage(input_tokens=0, output_tokens=1)


def test_connection_is_kept_alive_and_closed_when_asked(provider: FakeProvider) -> None:
    """One connection serves many requests, with bodies in chunks as well, until it is to end."""
    body = b'{"model":"m","messages":[]}'
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
    chunked = b"transfer-encoding: chunked\r\n\r\n%x;ext=1\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    closing = b"connection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)

    with socket.create_connection(("127.0.0.1", int(provider.url.rpartition(":")[2]))) as sock:
        sock.sendall(head + chunked + head + closing)
        received = b""
        while data := sock.recv(65536):
            received += data

    assert received.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert [request.body["model"] for request in provider.requests] == ["m", "m"]


@pytest.mark.parametrize(
    "nonsense", [b"\r\n", b"nonsense\r\n\r\n", b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n"]
)
def test_what_is_no_http_ends_the_connection(provider: FakeProvider, nonsense: bytes) -> None:
    """Nonsense is not answered and leaves the provider in service."""
    with socket.create_connection(("127.0.0.1", int(provider.url.rpartition(":")[2]))) as sock:
        sock.sendall(nonsense)
        received = sock.recv(65536)

    assert received == b""
    assert said(post(provider)) == "Echo: hi"


def test_hundred_at_once(provider: FakeProvider) -> None:
    """A hundred requests in flight are answered and charged one by one."""
    everyone_is_here = threading.Barrier(100)

    def respond(request: ReceivedRequest) -> str:
        everyone_is_here.wait(timeout=10)
        return request.text

    provider.respond = respond
    with httpx.Client(timeout=20) as client, ThreadPoolExecutor(100) as pool:

        def call(number: int) -> Any:
            messages = [{"role": "user", "content": f"call {number}"}]
            url = f"{provider.openai_url}/chat/completions"
            return said(client.post(url, json={"model": "m", "messages": messages}))

        texts = list(pool.map(call, range(100)))

    assert texts == [f"call {number}" for number in range(100)]
    assert provider.ledger.total() == Usage(input_tokens=200, output_tokens=200)
    assert len({entry.request_id for entry in provider.ledger}) == 100


def test_other_clients(provider: FakeProvider) -> None:
    """A session of another HTTP library reads plain and streamed answers on one connection."""
    url = f"{provider.openai_url}/chat/completions"
    body: Any = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}

    with requests.Session() as session:
        plain = session.post(url, json=body, timeout=5).json()
        lines = session.post(url, json={**body, "stream": True}, timeout=5).text.splitlines()

    assert plain["usage"]["total_tokens"] == 3
    assert lines[-2] == "data: [DONE]"


def test_environment_leads_sdks_to_the_provider(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An SDK that is told nothing finds the provider by the variables."""
    for name, value in provider.environment.items():
        monkeypatch.setenv(name, value)

    with openai.OpenAI() as client:
        client.responses.create(model="m", input="hi")

    assert provider.requests[0].headers["authorization"] == "Bearer sk-test"


def test_close_twice_and_port_of_choice() -> None:
    """Closing again does nothing; the port is free again at once."""
    with FakeProvider() as provider:
        post(provider)
    provider.close()

    with FakeProvider(port=int(provider.url.rpartition(":")[2])) as again:
        assert again.url == provider.url
        assert said(post(again)) == "Echo: hi"


def test_reply_whose_chunks_are_not_its_text() -> None:
    """Text and chunks of a reply have to agree."""
    assert Reply("ab", chunks=("a", "b")).text == "ab"
    with pytest.raises(ValueError, match="the chunks join to 'ab', the text is 'ac'"):
        Reply("ac", chunks=("a", "b"))
