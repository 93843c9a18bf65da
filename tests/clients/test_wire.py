"""The wire formats: what is read of requests, answers and addresses, whatever they hold."""

from __future__ import annotations

import json
import re
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from flowspan.instrumentation.clients.wire import (
    background,
    describe,
    failing,
    parts,
    providers,
    reading,
    recognise,
)
from flowspan.instrumentation.clients.wire.anthropic_messages import MESSAGES
from flowspan.instrumentation.clients.wire.openai_chat import CHAT, TEXT
from flowspan.instrumentation.clients.wire.openai_embeddings import EMBEDDINGS
from flowspan.instrumentation.clients.wire.openai_responses import FETCHED, RESPONSES
from flowspan.instrumentation.clients.wire.providers import Place
from flowspan.instrumentation.clients.wire.recognise import Request
from flowspan.instrumentation.clients.wire.shape import Answer
from flowspan.usage import Usage

SHAPES = (CHAT, RESPONSES, FETCHED, EMBEDDINGS, MESSAGES, TEXT)
USER = {"role": "user", "content": "twelve bytes"}

# --- recognising ----------------------------------------------------------------------------------


def seen(body: Any, path: str, host: str | None = "h.example", **headers: str) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return recognise.recognise(Request(Place(host, 443), path, data, headers))


def test_azure_names_the_model_in_the_path() -> None:
    """A deployment stands for the model that the body does not name."""
    path = "/openai/deployments/my-gpt/chat/completions"

    assert seen({"messages": [USER]}, path).model == "my-gpt"
    assert seen({"messages": [USER], "model": "other"}, path).model == "other"


def test_an_anthropic_message_needs_its_version_or_its_host() -> None:
    """Its body alone could be anybody's chat message."""
    body = {"model": "m", "max_tokens": 5, "messages": [USER]}

    assert seen(body, "/v1/messages") is None
    assert seen(body, "/v1/messages", "api.anthropic.com").shape is MESSAGES
    assert seen(body, "/v1/messages", **{"Anthropic-Version": "1"}).shape is MESSAGES


def test_a_body_that_cannot_be_looked_at_is_no_model_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Too long, nested without end, no JSON, no host."""
    body = {"model": "m", "messages": [USER]}
    path = "/chat/completions"

    assert seen(body, path).shape is CHAT
    assert seen(body, path, None) is None
    assert seen(b"[" * 100_000, path) is None
    assert seen(b"no json", path) is None
    monkeypatch.setattr(recognise, "_MOST_BODY", 10)
    assert seen(body, path) is None


def test_the_older_completions_are_recognised() -> None:
    """``/completions`` is not ``/chat/completions``."""
    assert seen({"model": "m", "prompt": "x"}, "/v1/completions").shape is TEXT
    assert seen({"model": "m", "messages": [USER]}, "/v1/chat/completions").shape is CHAT


# --- addresses ------------------------------------------------------------------------------------


def test_an_address_that_is_none_has_no_place() -> None:
    """An SDK without a base URL, a URL without a host."""
    assert providers.place_of(None) == Place()
    assert providers.provider_of(Place(), "openai") == "openai"


def test_the_page_names_every_provider_and_path() -> None:
    """What the recogniser knows is what ``docs`` say."""
    docs = Path(__file__).parents[2] / "docs"
    page = (docs / "clients.md").read_text("utf-8")
    paths = (docs / "clients" / "http.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `([\w.-]+)` \| (`.*`) \|$", page, re.MULTILINE))
    described = {
        host: provider for provider, hosts in rows.items() for host in re.findall("`(.+?)`", hosts)
    }

    assert {host: described.get(host) for host in providers.PROVIDERS} == providers.PROVIDERS
    assert [path for path in recognise._ENDINGS if f"`{path}`" not in paths] == []


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("bedrock-runtime.us-east-1.amazonaws.com", "aws.bedrock"),
        ("API.OpenAI.com.", "openai"),
        ("notapi.openai.com.example", None),
        ("evilopenrouter.ai", None),
    ],
)
def test_hosts_belong_to_the_domain_that_they_end_in(host: str, name: str | None) -> None:
    """Whole labels count, not letters."""
    assert providers.listed(host) == name


# --- reading --------------------------------------------------------------------------------------


class Colour(str, Enum):  # noqa: UP042 - SDKs have enumerations of this older kind
    RED = "red"


def test_values_are_read_by_their_type() -> None:
    """What is not of the type is not there."""
    assert reading.text(Colour.RED) == "red"
    assert type(reading.text(Colour.RED)) is str
    assert reading.text(5) is None
    assert reading.word("") is None
    assert reading.number(True) is None
    assert reading.number(0.5) == 0.5
    assert [reading.count(value) for value in (3, 3.0, -1, True, "3", 2.5)] == [
        *(3, 3),
        *(None, None, None, None),
    ]
    assert reading.words("a") == ["a"]
    assert reading.words(["a", 1]) == ["a"]
    assert reading.words([1]) is None
    assert reading.items(iter([1])) == ()


def test_a_mapping_that_is_no_dict_is_read_as_well() -> None:
    """Frozen and ordered mappings of other libraries."""
    from types import MappingProxyType  # noqa: PLC0415 - used here only

    assert reading.read(MappingProxyType({"id": "x"}), "id") == "x"
    assert reading.read(5, "id") is None


def test_a_large_body_is_read_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Embeddings of megabytes: usage is behind the vectors, which are not parsed."""
    monkeypatch.setattr(reading, "_MOST_PARSED", 100)
    vectors = [{"embedding": [0.5] * 100}]
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    body = json.dumps({"object": "list", "data": vectors, "model": "e-1", "usage": usage}).encode()

    assert reading.parsed(body) == {"model": "e-1", "usage": usage}
    assert reading.parsed(body[:-10]) == {"model": "e-1"}
    assert reading.parsed(b"{" * 200) == {}


def test_bodies_that_are_no_json_are_none() -> None:
    """Broken, or nested without end."""
    assert reading.parsed(b"<html>") is None
    assert reading.parsed(b"[" * 200_000) is None


def test_the_text_of_a_prompt_is_measured_without_its_images() -> None:
    """Ids, types and inline data are no text; typed objects of an SDK are looked into."""
    pydantic = pytest.importorskip("pydantic")
    typed = pydantic.create_model("Said", role=(str, ...), content=(str, ...))
    deep: Any = "too deep"
    for _ in range(12):
        deep = [deep]

    assert reading.text_bytes([USER, typed(role="user", content="é")]) == 14
    assert reading.text_bytes({"type": "image_url", "image_url": {"url": "data:..."}}) == 0
    assert reading.text_bytes("data:image/png;base64,AAAA") == 0
    assert reading.text_bytes([object(), deep, 5]) == 0


# --- usage ----------------------------------------------------------------------------------------


def test_a_gateway_may_use_the_other_apis_keys() -> None:
    """``input_tokens`` in a chat, ``prompt_tokens`` in a response or a message."""
    new, old = {"input_tokens": 3, "output_tokens": 4}, {"prompt_tokens": 3, "completion_tokens": 4}
    expected = Usage(input_tokens=3, output_tokens=4)

    assert CHAT.usage({"usage": new}) == expected
    assert RESPONSES.usage({"usage": old}) == expected
    assert MESSAGES.usage({"usage": old}) == expected


def test_nothing_is_charged_for_what_failed_before_it_began() -> None:
    """An error without any text, or a refused request."""
    request = {"messages": [USER]}

    assert describe.usage_of(CHAT, request, Answer(None, output_bytes=0, error="x")) is None
    assert describe.usage_of(CHAT, request, Answer({}, status=500)) is None
    assert describe.usage_of(CHAT, request, Answer(None, output_bytes=8, error="x")) == Usage(
        input_tokens=3, output_tokens=2, estimated=True
    )


def test_what_is_known_is_kept_when_the_rest_is_estimated() -> None:
    """Only the missing half is a guess."""
    half = Answer({"usage": [{"input_tokens": 9}]}, output_bytes=8)
    other = Answer({"usage": {"completion_tokens": 9}})

    assert describe.usage_of(MESSAGES, {}, half) == Usage(
        input_tokens=9, output_tokens=2, estimated=True
    )
    assert describe.usage_of(CHAT, {"messages": [USER]}, other) == Usage(
        input_tokens=3, output_tokens=9, estimated=True
    )


def test_embeddings_without_usage_have_no_output() -> None:
    """Their input is estimated."""
    assert describe.usage_of(EMBEDDINGS, {"input": "twelve bytes"}, Answer({})) == Usage(
        input_tokens=3, output_tokens=0, estimated=True
    )


def background_response(status: str, **more: Any) -> Answer:
    return Answer({"id": "resp_b", "status": status, "background": True, **more})


def test_a_background_response_is_charged_once_when_it_is_complete() -> None:
    """Not when it is asked for, not while it is waited for, not when it is fetched again."""
    usage = {"input_tokens": 3, "output_tokens": 4}
    done = background_response("completed", usage=usage)

    asked = describe.usage_of(RESPONSES, {}, background_response("queued"))
    found = [
        background.usage_of_background(shape, answer)
        for shape, answer in [
            (RESPONSES, background_response("queued")),
            (FETCHED, background_response("in_progress")),
            (FETCHED, done),
            (FETCHED, done),
        ]
    ]

    assert asked is None
    assert describe.usage_of(FETCHED, {}, done) is None
    assert found == [None, None, Usage(input_tokens=3, output_tokens=4), None]


def test_background_responses_are_remembered_up_to_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A program that never fetches does not fill the memory."""
    monkeypatch.setattr(background, "_MOST", 3)
    for number in range(9):
        answer = Answer({"id": f"r{number}", "status": "queued", "background": True})
        background.usage_of_background(RESPONSES, answer)

    assert list(background._awaited)[-1] == "r8"
    assert len(background._awaited) <= 3
    background._awaited.clear()


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"type": "overloaded_error", "message": "secret"}}, "overloaded_error"),
        ({"error": {"code": 429}}, "429"),
        ({"error": {"code": "a sentence, not a kind"}}, "_OTHER"),
        ({"error": {"type": True, "code": None}}, "_OTHER"),
        ({"error": "rate_limited"}, "rate_limited"),
        ({"error": "It failed."}, "_OTHER"),
        ({"error": None}, None),
        ({}, None),
        (None, None),
    ],
)
def test_an_errors_kind_is_a_word_and_never_a_message(body: Any, kind: str | None) -> None:
    """``error.type`` must have few values."""
    assert failing.error_type_of(body) == kind


# --- content --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("block", "part"),
    [
        ("plain", {"type": "text", "content": "plain"}),
        ({"type": "refusal", "refusal": "no"}, {"type": "refusal", "content": "no"}),
        ({"type": "novel", "secret": 1}, {"type": "novel"}),
        ({}, {"type": "unknown"}),
        (
            {"type": "input_image", "file_id": "f1"},
            {"type": "file", "modality": "image", "file_id": "f1"},
        ),
        (
            {"type": "input_image", "image_url": "https://h/a.png#x"},
            {"type": "uri", "modality": "image", "uri": "https://h/a.png"},
        ),
        (
            {"type": "file", "file": {"file_id": "f2"}},
            {"type": "file", "modality": "document", "file_id": "f2"},
        ),
        (
            {"type": "document", "source": {"type": "url", "url": "https://h/b.pdf?sig=1"}},
            {"type": "uri", "modality": "document", "uri": "https://h/b.pdf"},
        ),
        (
            {"type": "image", "source": {"type": "file", "file_id": "f3"}},
            {"type": "file", "modality": "image", "file_id": "f3"},
        ),
        (
            {"type": "document", "source": {"type": "text", "data": "words"}},
            {"type": "text", "content": "words"},
        ),
        (
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
            {"type": "tool_call", "id": "t", "name": "f", "arguments": {"a": 1}},
        ),
        (
            {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "x"}]},
            {
                "type": "tool_call_response",
                "id": "t",
                "response": [{"type": "text", "content": "x"}],
            },
        ),
        ({"type": "thinking", "thinking": "hm"}, {"type": "reasoning", "content": "hm"}),
    ],
)
def test_content_blocks_become_parts(block: Any, part: Any) -> None:
    """Of OpenAI and Anthropic; of what is not known only the type is told."""
    assert parts.part_of(block) == part


@pytest.mark.parametrize(
    ("block", "mime_type", "size"),
    [
        (
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/gif", "data": "AB"},
            },
            "image/gif",
            2,
        ),
        ({"type": "input_audio", "input_audio": {"format": "wav", "data": "ABC"}}, "audio/wav", 3),
        (
            {"type": "input_file", "file_data": "data:application/pdf;base64,AAAA"},
            "application/pdf",
            4,
        ),
        ({"type": "image_url", "image_url": {}}, None, None),
    ],
)
def test_inline_data_is_told_by_type_and_size(
    block: Any, mime_type: str | None, size: int | None
) -> None:
    """The data itself stays where it is."""
    part = parts.part_of(block)

    assert part["type"] == "blob"
    assert (part["mime_type"], part["size"], part["content"]) == (mime_type, size, "")


def test_arguments_that_are_no_json_stay_text() -> None:
    """A model may write anything."""
    assert parts.tool_call_part("c", "f", "{broken")["arguments"] == "{broken"


def test_a_message_that_was_refused_or_reasoned_says_so() -> None:
    """Beside its text."""
    said = {"role": "assistant", "content": "x", "refusal": "no", "reasoning": "because"}

    assert CHAT.messages({"choices": [{"message": said}, {}]}) == [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "because"},
                {"type": "text", "content": "x"},
                {"type": "refusal", "content": "no"},
            ],
        }
    ]


def test_the_older_completions_have_texts() -> None:
    """Prompt in, text out, also when it was streamed."""
    body = TEXT.fold(
        [
            {"id": "c", "choices": [{"index": 0, "text": "On"}]},
            {"choices": [{"index": 0, "text": "ce", "finish_reason": "stop"}]},
        ]
    )

    assert TEXT.messages(body)[0]["parts"] == [{"type": "text", "content": "Once"}]
    assert TEXT.input({"prompt": "Tell"})[1][0]["parts"][0]["content"] == "Tell"
    assert TEXT.output(body) == ["Once"]
