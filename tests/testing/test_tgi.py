"""Text generation and feature extraction as Hugging Face's servers answer them."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from flowspan.testing import FakeProvider, Fault, Reply
from flowspan.usage import Usage

MODEL = "mistralai/Mistral-7B-Instruct-v0.3"


def post(provider: FakeProvider, path: str, body: dict[str, Any]) -> httpx.Response:
    return httpx.post(f"{provider.url}{path}", json=body)


def test_a_text_has_details_where_they_were_asked_for(provider: FakeProvider) -> None:
    """The path names the model; tokens are in the details, and always in the headers."""
    path = f"/hf-inference/models/{MODEL}"

    plain = post(provider, path, {"inputs": "hello big world"})
    detailed = post(
        provider, path, {"inputs": "hello", "parameters": {"details": True, "max_new_tokens": 1}}
    )

    assert plain.json() == {"generated_text": "Echo: hello big world"}
    assert (plain.headers["x-prompt-tokens"], plain.headers["x-generated-tokens"]) == ("3", "4")
    details = detailed.json()["details"]
    assert (details["finish_reason"], details["generated_tokens"]) == ("length", 1)
    first, _ = provider.ledger
    assert (first.format, first.model, first.usage) == (
        "tgi.generate",
        MODEL,
        Usage(input_tokens=3, output_tokens=4),
    )


def test_a_stream_is_tokens_of_which_the_last_has_the_details(provider: FakeProvider) -> None:
    """A server of one's own answers at a path without a model."""
    response = post(provider, "/generate_stream", {"inputs": "hello", "stream": True})

    events = [json.loads(line[5:]) for line in response.text.splitlines() if line]
    *tokens, last = events
    assert [token["token"]["text"] for token in tokens] == ["Echo: ", "hello"]
    assert last["generated_text"] == "Echo: hello"
    assert last["details"] == {
        "finish_reason": "eos_token",
        "generated_tokens": 2,
        "seed": None,
        "input_length": 1,
    }


def test_vectors_are_all_that_feature_extraction_answers(provider: FakeProvider) -> None:
    """Its tokens are in a header."""
    path = "/hf-inference/models/a/b/pipeline/feature-extraction"

    response = post(provider, path, {"inputs": ["one two", "three"]})

    assert len(response.json()) == 2
    assert response.headers["x-compute-tokens"] == "3"
    assert (provider.ledger[0].format, provider.ledger[0].model) == ("tgi.embeddings", "a/b")


@pytest.mark.parametrize(("status", "kind"), [(422, "validation"), (429, "overloaded")])
def test_errors_have_a_type(provider: FakeProvider, status: int, kind: str) -> None:
    """The client makes exceptions of them by that type."""
    provider.fail(Fault.http(status, message="no"))
    provider.reply(Reply("one two", fault=Fault.error_event(after_chunks=1)))

    refused = post(provider, "/generate", {"inputs": "hello"})
    broken = post(provider, "/generate", {"inputs": "hello", "stream": True})

    assert refused.json() == {"error": "no", "error_type": kind}
    assert '"error_type":"generation"' in broken.text
