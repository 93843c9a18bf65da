"""The older completions as the SDK reads them."""

from __future__ import annotations

import openai
import pytest

from flowspan.testing import FakeProvider, Fault, Reply
from flowspan.usage import Usage

MODEL = "gpt-3.5-turbo-instruct"


def test_a_completion(provider: FakeProvider, openai_client: openai.OpenAI) -> None:
    """Text, finish reason, id and tokens; the ledger has the same."""
    provider.reply("one two three")

    answer = openai_client.completions.create(model=MODEL, prompt="Say it", n=2)

    [first, second] = answer.choices
    assert (answer.object, answer.id) == ("text_completion", "cmpl-000001")
    assert (first.text, first.finish_reason, second.index) == ("one two three", "stop", 1)
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (2, 6)
    assert provider.ledger[0].usage == Usage(input_tokens=2, output_tokens=6)
    assert provider.ledger[0].operation == "text_completion"


@pytest.mark.parametrize("tells", [True, False])
def test_a_stream_says_its_tokens_to_those_who_ask(
    *, tells: bool, provider: FakeProvider, openai_client: openai.OpenAI
) -> None:
    """Pieces of text, the reason at the end, and then the usage, if it was asked for."""
    provider.reply("one two three")
    options = {"stream_options": {"include_usage": True}} if tells else {}

    chunks = list(
        openai_client.completions.create(model=MODEL, prompt="Say it", stream=True, **options)  # type: ignore[call-overload]
    )

    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == "one two three"
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices]
    assert reasons == [None, None, None, "stop"]
    assert (chunks[-1].usage is not None) is tells
    assert provider.ledger[0].usage_on_wire is tells


def test_a_limit_cuts_the_text(provider: FakeProvider, openai_client: openai.OpenAI) -> None:
    """An echo that is longer than what was asked for ends for its length."""
    answer = openai_client.completions.create(
        model=MODEL, prompt=["a b", "c d e"], suffix="f g", max_tokens=2
    )

    assert answer.choices[0].finish_reason == "length"
    assert provider.ledger.total() == Usage(input_tokens=7, output_tokens=2)


def test_an_error_in_mid_stream(provider: FakeProvider, openai_client: openai.OpenAI) -> None:
    """The SDK raises what a chunk reports."""
    provider.reply(Reply("one two three", fault=Fault.error_event(after_chunks=1)))

    with pytest.raises(openai.APIError):
        list(openai_client.completions.create(model=MODEL, prompt="Say it", stream=True))

    assert provider.ledger[0].usage.output_tokens == 1


def test_the_deployment_in_an_azure_path_is_the_model(provider: FakeProvider) -> None:
    """Azure decides by the path, whatever the body names."""
    client = openai.AzureOpenAI(
        azure_endpoint=provider.url, api_key="any", api_version="2025-01-01", max_retries=0
    )

    with client:
        client.chat.completions.create(model="mine", messages=[{"role": "user", "content": "a"}])

    assert "/openai/deployments/mine/chat/completions" in provider.requests[0].path
    assert provider.ledger[0].model == "mine"
