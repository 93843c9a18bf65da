"""``http.client`` and ``urllib.request``: a request and its response are two calls there."""

from __future__ import annotations

import gc
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from opentelemetry.trace import StatusCode

from conformance.chat_by_http import ASKED, CHARGED, INTEGRATIONS, PATH, STREAMED, known_of
from flowspan import semconv
from flowspan.testing import FakeProvider, Fault, Gate, Recording, Reply, record


@pytest.fixture
def recording() -> Iterator[Recording]:
    with record(*INTEGRATIONS) as recording:
        yield recording


@pytest.fixture
def connection(provider: FakeProvider) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(provider.url.removeprefix("http://"), timeout=10)
    yield connection
    connection.close()


def bytes_of(body: Any) -> bytes:
    return json.dumps(body).encode()


READERS: dict[str, Callable[[http.client.HTTPResponse], Any]] = {
    "read": lambda response: response.read(),
    "read in pieces": lambda response: [*iter(partial(response.read, 7), b"")],
    "read1": lambda response: [*iter(partial(response.read1, 7), b"")],
    "readline": lambda response: [*iter(response.readline, b"")],
    "readinto": lambda response: [*iter(partial(response.readinto, bytearray(9)), 0)],
    "iteration": list,
}


@pytest.mark.parametrize("kind", ["whole", "stream"])
@pytest.mark.parametrize("reader", READERS)
def test_every_way_of_reading_is_seen(
    kind: str, reader: str, provider: FakeProvider, recording: Recording, connection: Any
) -> None:
    """Whatever way it is read in, each byte counts once."""
    provider.reply(Reply("Zwölf Boxkämpfer", usage=CHARGED))

    connection.request("POST", PATH, bytes_of(ASKED if kind == "whole" else STREAMED))
    READERS[reader](connection.getresponse())

    known = known_of(recording)
    assert recording.spans.one().name == "chat gpt-4o"
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 34
    assert known[semconv.SERVER_PORT] == connection.port
    assert semconv.USAGE_ESTIMATED not in known
    assert semconv.STREAM_ABANDONED not in known


@pytest.mark.parametrize("body", ["with the head", "behind it"])
def test_a_request_may_be_put_together_by_hand(
    body: str, provider: FakeProvider, recording: Recording, connection: Any
) -> None:
    """``putrequest``, ``putheader``, ``endheaders``, and perhaps ``send``."""
    data = bytes_of(ASKED)
    provider.reply(Reply("Once", usage=CHARGED))

    connection.putrequest("POST", PATH)
    connection.putheader("Content-Length", str(len(data)))
    if body == "with the head":
        connection.endheaders(data)
    else:
        connection.endheaders()
        connection.send(data)
    connection.getresponse().read()

    assert known_of(recording)[semconv.USAGE_OUTPUT_TOKENS] == 34


def test_a_body_in_pieces_is_left_alone(
    provider: FakeProvider, recording: Recording, connection: Any
) -> None:
    """The first of them is no request."""
    data = bytes_of(ASKED)

    connection.putrequest("POST", PATH)
    connection.putheader("Content-Length", str(len(data)))
    connection.endheaders()
    connection.send(data[:10])
    connection.send(data[10:])
    connection.getresponse().read()

    assert len(provider.requests) == 1
    assert len(recording.spans) == 0


def test_a_connection_is_used_again(
    provider: FakeProvider, recording: Recording, connection: Any
) -> None:
    """Each request on it is a call of its own; others between them are left alone."""
    for number in range(2):
        provider.reply(Reply(f"Once {number}", usage=CHARGED))
        connection.request("POST", PATH, bytes_of(ASKED))
        connection.getresponse().read()
        connection.request("GET", "/v1/models")
        connection.getresponse().read()

    assert len(recording.spans) == 2
    assert recording.spans.total(semconv.USAGE_OUTPUT_TOKENS) == 68


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Python complains
@pytest.mark.parametrize("how", ["response", "connection", "dropped", "unanswered"])
def test_what_is_not_read_to_its_end_was_abandoned(
    how: str, provider: FakeProvider, recording: Recording
) -> None:
    """The response closed, the connection closed, both dropped, or never asked for the answer."""
    provider.reply(Reply(chunks=("a", "b", "c"), gate=Gate(after_chunks=2)))
    connection = http.client.HTTPConnection(provider.url.removeprefix("http://"), timeout=10)
    connection.request("POST", PATH, bytes_of(STREAMED))
    response = None if how == "unanswered" else connection.getresponse()
    if response is not None:
        response.read1(50)

    if how == "response":
        assert response is not None
        response.close()
    elif how != "dropped":
        connection.close()
    del response, connection
    gc.collect()

    known = known_of(recording)
    assert known[semconv.STREAM_ABANDONED] is True
    assert recording.spans.one().status.status_code is StatusCode.UNSET


def test_a_connection_that_fails_is_an_error(
    provider: FakeProvider, recording: Recording, connection: Any
) -> None:
    """When the answer is asked for, or when nobody listens."""
    provider.fail(Fault.reset())
    connection.request("POST", PATH, bytes_of(ASKED))
    with pytest.raises(ConnectionError):
        connection.getresponse()

    nobody = http.client.HTTPConnection("127.0.0.1", 1, timeout=10)
    with pytest.raises(ConnectionRefusedError):
        nobody.request("POST", PATH, bytes_of(ASKED))

    assert [span.status.status_code for span in recording.spans] == [StatusCode.ERROR] * 2


def test_what_had_arrived_before_a_cut_is_counted(
    provider: FakeProvider, recording: Recording, connection: Any
) -> None:
    """The exception carries it."""
    provider.reply(Reply(chunks=("Once ", "upon ", "a"), fault=Fault.cut(after_chunks=2)))
    connection.request("POST", PATH, bytes_of(STREAMED))

    with pytest.raises(http.client.IncompleteRead):
        connection.getresponse().read()

    known = known_of(recording)
    assert known[semconv.ERROR_TYPE].endswith("IncompleteRead")
    assert known[semconv.USAGE_OUTPUT_TOKENS] == -(-len("Once upon ") // 4)


def test_urllib_is_seen_through_it(provider: FakeProvider, recording: Recording) -> None:
    """``urlopen`` gives the response of ``http.client``."""
    provider.reply(Reply("Once", usage=CHARGED))
    request = urllib.request.Request(provider.url + PATH, bytes_of(ASKED))  # noqa: S310 - loopback

    with urllib.request.urlopen(request) as response:  # noqa: S310 - loopback
        assert type(response) is http.client.HTTPResponse
        assert json.load(response)["choices"]

    assert known_of(recording)[semconv.USAGE_OUTPUT_TOKENS] == 34


def test_urllib_raises_a_refusal(provider: FakeProvider, recording: Recording) -> None:
    """The call has ended with its status by then."""
    provider.fail(Fault.rate_limited())
    request = urllib.request.Request(provider.url + PATH, bytes_of(ASKED))  # noqa: S310 - loopback

    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(request)  # noqa: S310 - loopback
    raised.value.close()

    known = known_of(recording)
    assert known[semconv.ERROR_TYPE] == "429"
    assert semconv.USAGE_INPUT_TOKENS not in known


def test_the_address_is_the_providers_behind_a_proxy(
    provider: FakeProvider, recording: Recording, connection: Any
) -> None:
    """A proxy gets the whole URL."""
    url = f"http://api.openai.com{PATH}?key=secret"

    connection.request("POST", url, bytes_of(ASKED))
    connection.getresponse().read()

    known = known_of(recording)
    assert known[semconv.SERVER_ADDRESS] == "api.openai.com"
    assert "secret" not in recording.spans.one().to_json()
    assert len(provider.requests) == 1
