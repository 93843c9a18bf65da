"""Anthropic's formats beside messages: counting tokens, the older completions, Vertex's paths."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import httpx

from flowspan.testing import FakeProvider, Reply
from flowspan.usage import Usage

HELLO: Any = [{"role": "user", "content": "hello big world"}]


def post(provider: FakeProvider, path: str, body: dict[str, Any]) -> str:
    return httpx.post(provider.url + path, json=body).text


def test_counting_tokens_costs_nothing(
    provider: FakeProvider, anthropic_client: anthropic.Anthropic
) -> None:
    """The prompt is counted as for an answer, and the ledger stays empty."""
    counted = anthropic_client.messages.count_tokens(model="m", messages=HELLO, system="Be brief.")

    assert counted.input_tokens == 5
    assert not provider.ledger
    assert provider.requests[0].operation == "count_tokens"


def test_an_older_completion_is_charged_without_a_word(provider: FakeProvider) -> None:
    """The body has the text and why it stopped; tokens are in the ledger alone."""
    asked = {"model": "claude-2.1", "prompt": "Human: hello", "max_tokens_to_sample": 9}
    provider.reply(Reply("one two", usage=Usage(output_tokens=7)))

    body = json.loads(post(provider, "/v1/complete", asked))

    assert (body["completion"], body["stop_reason"]) == ("one two", "stop_sequence")
    assert "usage" not in body
    assert provider.ledger[0].usage.output_tokens == 7
    assert provider.ledger[0].format == "anthropic.complete"


def test_an_older_completion_streams_its_pieces(provider: FakeProvider) -> None:
    """Each event has the next piece; the last one says why it stopped."""
    provider.reply(Reply("one two"))

    text = post(provider, "/v1/complete", {"model": "m", "prompt": "x", "stream": True})

    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
    assert [event["completion"] for event in events] == ["one ", "two", ""]
    assert [event["stop_reason"] for event in events] == [None, None, "stop_sequence"]


def test_vertex_has_the_model_in_its_path(provider: FakeProvider) -> None:
    """The body is a message's, and names a version in the model's place."""
    client = anthropic.AnthropicVertex(
        base_url=f"{provider.url}/v1",
        region="europe-west1",
        project_id="p",
        access_token="t",  # noqa: S106 - no secret
    )

    with client, client.messages.stream(model="m@1", max_tokens=9, messages=HELLO) as stream:
        message = stream.get_final_message()

    assert message.content[0].type == "text"
    assert provider.requests[0].path.endswith("/models/m@1:streamRawPredict")
    assert provider.ledger[0].model == "m@1"
