"""urllib3: by itself, and below requests and SDKs, which own its calls."""

from __future__ import annotations

import gc
import io
import json
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from typing import Any

import pytest
import requests
import urllib3
from opentelemetry.trace import StatusCode

from conformance import chat_by_http
from conformance.chat_by_http import ASKED, CHARGED, INTEGRATIONS, PATH, STREAMED, known_of
from flowspan import semconv
from flowspan.instrumentation.integration import Integration, Patch
from flowspan.testing import FakeProvider, Fault, Gate, Recording, Reply, record
from flowspan.usage import Usage

URLLIB3_2 = not version("urllib3").startswith("1.")


@pytest.fixture
def recording() -> Iterator[Recording]:
    with record(*INTEGRATIONS) as recording:
        yield recording


@pytest.fixture
def pools() -> Iterator[urllib3.PoolManager]:
    with urllib3.PoolManager(retries=False) as pools:
        yield pools


def post(
    pools: Any, url: str, body: Any = ASKED, *, preload_content: bool = True, **more: Any
) -> Any:
    return pools.request(
        "POST", url, body=json.dumps(body), preload_content=preload_content, **more
    )


READERS: dict[str, Callable[[Any], Any]] = {
    "data": lambda response: response.data,
    "read": lambda response: response.read(),
    "read in pieces": lambda response: [*iter(lambda: response.read(7), b"")],
    "read1": lambda response: [*iter(lambda: response.read1(7), b"")],
    "stream": lambda response: list(response.stream(16)),
    "read_chunked": lambda response: list(response.read_chunked()),
    "iteration": list,
    "readinto": lambda response: [*iter(partial(response.readinto, bytearray(9)), 0)],
    "lines of a wrapper": lambda response: list(io.TextIOWrapper(response)),
}


@pytest.mark.parametrize("reader", READERS)
def test_every_way_of_reading_is_seen(
    reader: str, provider: FakeProvider, recording: Recording, pools: Any
) -> None:
    """Whatever way it is read in, each byte counts once."""
    if reader == "read1" and not hasattr(urllib3.HTTPResponse, "read1"):
        pytest.skip("this version has no read1")
    provider.reply(Reply("Zwölf Boxkämpfer", usage=CHARGED))
    response = post(pools, provider.url + PATH, STREAMED, preload_content=False)
    if reader == "lines of a wrapper":
        response.auto_close = False

    READERS[reader](response)

    known = known_of(recording)
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 34
    assert semconv.USAGE_ESTIMATED not in known
    assert semconv.STREAM_ABANDONED not in known


def test_an_answer_read_at_once_is_there_before_the_program_has_it(
    provider: FakeProvider, recording: Recording, pools: Any
) -> None:
    """With ``preload_content``, which is the default."""
    provider.reply(Reply("Once", usage=CHARGED))

    response = post(pools, provider.url + PATH)

    assert known_of(recording)[semconv.USAGE_OUTPUT_TOKENS] == 34
    assert json.loads(response.data)["choices"]


@pytest.mark.parametrize("how", ["close", "release_conn", "drop"])
def test_a_response_that_is_given_back_ends_its_call(
    how: str, provider: FakeProvider, recording: Recording, pools: Any
) -> None:
    """Closed, its connection given back, or dropped."""
    provider.reply(Reply(chunks=("a", "b", "c"), gate=Gate(after_chunks=2)))
    response = post(pools, provider.url + PATH, STREAMED, preload_content=False)
    next(response.stream(10))

    if how == "drop":
        del response
    else:
        getattr(response, how)()
    gc.collect()

    known = known_of(recording)
    assert known[semconv.STREAM_ABANDONED] is True
    assert known[semconv.USAGE_ESTIMATED] is True


@pytest.mark.parametrize("packing", ["gzip", "deflate", "br"])
def test_raw_bytes_are_unpacked_where_python_can(packing: str, recording: Recording) -> None:
    """Gzip and deflate; of others nothing can be told but that they ended."""
    body = json.dumps(
        {"id": "c", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 9}}
    ).encode()
    packed = {
        "gzip": lambda: zlib.compress(body, wbits=zlib.MAX_WBITS | 16),
        "deflate": lambda: zlib.compress(body),
        "br": lambda: b"\x8b\x02\x80" + bytes(range(200)),
    }[packing]()
    pool = urllib3.HTTPConnectionPool("h.example")
    raw = urllib3.HTTPResponse(
        io.BytesIO(packed), {"content-encoding": packing}, 200, preload_content=False
    )
    pool._make_request = lambda *_, **__: raw  # type: ignore[method-assign, assignment, unused-ignore]
    if not URLLIB3_2:
        pytest.skip("a pool of 1.26 makes the response itself")

    response = pool.urlopen(
        "POST", PATH, json.dumps(ASKED).encode(), preload_content=False, decode_content=False
    )
    assert response.read(decode_content=False) == packed

    known = known_of(recording)
    told = (known[semconv.USAGE_INPUT_TOKENS], known[semconv.USAGE_OUTPUT_TOKENS])
    assert (told == (7, 9)) is (packing != "br")
    assert known.get(semconv.USAGE_ESTIMATED) is (True if packing == "br" else None)


# --- owners ---------------------------------------------------------------------------------------


def test_what_it_repeats_itself_is_retries_of_one_call(
    provider: FakeProvider, recording: Recording
) -> None:
    """``Retry`` calls ``urlopen`` inside ``urlopen``."""
    provider.fail(Fault.http(503))
    provider.fail(Fault.http(502))
    provider.reply(Reply("Once", usage=CHARGED))
    retry = urllib3.Retry(3, status_forcelist=[502, 503], allowed_methods=None, backoff_factor=0)

    with urllib3.PoolManager() as pools:
        post(pools, provider.url + PATH, retries=retry)

    span = recording.spans.one()
    known = known_of(recording)
    events = [event for event in span.events if event.name == semconv.EVENT_RETRY]
    assert known[semconv.RETRY_COUNT] == 2
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 34
    assert [(event.attributes or {})[semconv.ERROR_TYPE] for event in events] == ["503", "502"]


def test_what_an_adapter_of_requests_repeats_is_seen(
    provider: FakeProvider, recording: Recording
) -> None:
    """One call of requests, whose adapter lets urllib3 repeat."""
    provider.fail(Fault.http(503))
    provider.reply(Reply("Once", usage=CHARGED))
    retry = urllib3.Retry(3, status_forcelist=[503], allowed_methods=None, backoff_factor=0)

    with requests.Session() as session:
        session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))
        session.post(provider.url + PATH, json=ASKED, timeout=10)

    known = known_of(recording)
    assert known[semconv.RETRY_COUNT] == 1
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 34


def test_a_redirect_is_no_retry(provider: FakeProvider, recording: Recording) -> None:
    """It is one call, by the manager or by the pool."""

    class Redirecting(urllib3.HTTPConnectionPool):
        redirected = False

        def _make_request(self, *args: Any, **kwargs: Any) -> Any:
            response: Any = super()._make_request(*args, **kwargs)
            if not Redirecting.redirected:
                Redirecting.redirected = True
                response.status = 307
                response.headers["location"] = provider.url + PATH
                response.read()
            return response

    provider.reply(Reply("Once"))
    provider.reply(Reply("Once", usage=CHARGED))
    with urllib3.PoolManager() as pools:
        pools.pool_classes_by_scheme = {"http": Redirecting}
        post(pools, provider.url + PATH)

    known = known_of(recording)
    assert len(provider.requests) == 2
    assert semconv.RETRY_COUNT not in known
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 34


@pytest.mark.parametrize("keeps", ["response", "raw"])
def test_what_is_read_from_the_raw_response_of_requests_is_seen(
    keeps: str, provider: FakeProvider, recording: Recording
) -> None:
    """Programs that want bytes keep ``response.raw``, perhaps alone."""
    provider.reply(Reply(chunks=("Once ", "upon"), usage=CHARGED))
    response = requests.post(provider.url + PATH, json=STREAMED, stream=True, timeout=10)
    raw = response.raw
    if keeps == "raw":
        del response
        gc.collect()

    pieces = [*iter(lambda: raw.read(10), b"")]

    assert b"".join(pieces).endswith(b"[DONE]\n\n")
    assert known_of(recording)[semconv.USAGE_OUTPUT_TOKENS] == 34


def test_an_adapter_may_answer_without_urllib3(recording: Recording) -> None:
    """Then the response of requests is what is observed."""

    class Answering(requests.adapters.BaseAdapter):
        def send(self, request: Any, **_: Any) -> requests.Response:  # type: ignore[override]
            response = requests.Response()
            response.status_code = 200
            response.url, response.request = request.url, request
            usage = {"prompt_tokens": 5, "completion_tokens": 6}
            response.raw = io.BytesIO(json.dumps({"choices": [], "usage": usage}).encode())
            return response

        def close(self) -> None:
            pass

    with requests.Session() as session:
        session.mount("https://", Answering())
        url = "https://api.openai.com/v1/chat/completions"
        assert session.post(url, json=ASKED, stream=True).json()["usage"]

    assert known_of(recording)[semconv.USAGE_OUTPUT_TOKENS] == 6


def test_inside_a_model_call_it_makes_no_span(provider: FakeProvider) -> None:
    """The SDK or engine above owns the call; all layers below are attempts of it."""
    owner = Integration(
        "owner",
        "",
        (
            Patch(
                target="conformance.chat_by_http:own",
                kind="llm",
                name="gpt-4o",
                usage=lambda _call, _result: Usage(input_tokens=1, output_tokens=2),
            ),
        ),
    )
    with record(owner, *INTEGRATIONS) as recording:
        chat_by_http.own(lambda: requests.post(provider.url + PATH, json=ASKED, timeout=10))
        with urllib3.PoolManager() as pools:
            chat_by_http.own(lambda: post(pools, provider.url + PATH))

    assert len(recording.spans) == 2
    assert recording.spans.total(semconv.USAGE_OUTPUT_TOKENS) == 4


def test_a_lost_connection_is_an_error(
    provider: FakeProvider, recording: Recording, pools: Any
) -> None:
    """The exception reaches the program and is on the span."""
    provider.fail(Fault.reset())

    with pytest.raises(urllib3.exceptions.HTTPError) as raised:
        post(pools, provider.url + PATH)

    assert known_of(recording)[semconv.ERROR_TYPE].endswith(type(raised.value).__name__)
    assert recording.spans.one().status.status_code is StatusCode.ERROR


def test_a_pool_of_its_own_is_seen(provider: FakeProvider, recording: Recording) -> None:
    """A pool knows the host, and gets the path alone."""
    host, _, port = provider.url.removeprefix("http://").partition(":")
    provider.reply(Reply("Once", usage=CHARGED))

    with urllib3.HTTPConnectionPool(host, int(port)) as pool:
        pool.urlopen("POST", f"{PATH}?key=secret", body=json.dumps(ASKED).encode())

    known = known_of(recording)
    assert (known[semconv.SERVER_ADDRESS], known[semconv.SERVER_PORT]) == (host, int(port))
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 34
    assert "secret" not in recording.spans.one().to_json()
