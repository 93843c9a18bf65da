"""Tokens that no provider said: counted by bytes, or by a tokenizer where the user wants it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from typing import Any

import openai
import pytest
import tiktoken

from flowspan import bytepairs, estimates, safety, semconv
from flowspan.bytepairs import BytePairs
from flowspan.instrumentation.clients import bodies, http
from flowspan.instrumentation.clients import openai as openai_rows
from flowspan.testing import FakeProvider, Recording, record

INTEGRATIONS = (openai_rows.INTEGRATION, *http.INTEGRATIONS, *bodies.INTEGRATIONS)
QUESTION = "What does this cost?"


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("a", 1),
        ("abcd", 1),
        ("abcde", 2),
        (400, 100),
        (-3, 0),
        ("日本語", 3),
        ("\ud800", 1),
    ],
)
def test_four_bytes_are_about_one_token(text: str | int, tokens: int) -> None:
    assert estimates.estimate_tokens(text) == tokens


@pytest.fixture(autouse=True)
def _by_bytes_again() -> Iterator[None]:
    yield
    estimates.configure()


@pytest.fixture
def _letters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encodings with a token for each byte stand in for OpenAI's, which lie in the network."""
    for name in ("o200k_base", "cl100k_base"):
        encoding = tiktoken.Encoding(
            name=name,
            pat_str=r"[\s\S]",
            mergeable_ranks={bytes([byte]): byte for byte in range(256)},
            special_tokens={"<|endoftext|>": 256},
        )
        monkeypatch.setitem(tiktoken.registry.ENCODINGS, name, encoding)


def loaded() -> BytePairs:
    found = BytePairs()
    assert found.loading is not None
    found.loading.join(30)
    return found


def test_without_a_tokenizer_texts_are_not_counted() -> None:
    assert not estimates.needs_texts()
    assert estimates.estimate_texts("gpt-4o", ["text"]) is None


@pytest.mark.usefixtures("_letters")
def test_the_encoding_of_the_model_counts() -> None:
    pairs = loaded()
    estimates.configure(pairs)

    assert estimates.needs_texts()
    assert estimates.estimate_texts("gpt-4o", ["abc", "de<|endoftext|>"]) == 18
    assert estimates.estimate_texts("nobody-knows-it", ["abc"]) == 3
    assert estimates.estimate_texts(None, ["abc"]) == 3
    assert estimates.estimate_texts("gpt-4", ["abc"]) is None  # its encoding is being loaded
    assert pairs.loading is not None
    pairs.loading.join(30)
    assert estimates.estimate_texts("gpt-4", ["abc"]) == 3


@pytest.mark.usefixtures("_letters")
def test_very_long_texts_are_measured_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimates, "MOST_TOKENIZED", 4)
    estimates.configure(loaded())

    assert estimates.estimate_texts("gpt-4o", ["abcd", "abcdefgh"]) == 4 + 2


def test_before_tiktoken_is_there_nothing_waits_for_it() -> None:
    pairs = BytePairs.__new__(BytePairs)
    pairs._tiktoken = None

    assert pairs("gpt-4o") is None


def test_without_tiktoken_one_sentence_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    monkeypatch.setattr(safety._ledger, "counts", {})
    with caplog.at_level(logging.WARNING, "flowspan"):
        pairs = loaded()

    assert pairs("gpt-4o") is None
    (said,) = caplog.messages
    assert "pip install 'flowspan[tiktoken]'" in said


def test_an_encoding_that_cannot_be_loaded_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_name: str) -> Any:
        raise OSError("no route to host")

    monkeypatch.setattr(tiktoken, "get_encoding", refuse)
    monkeypatch.setattr(safety._ledger, "counts", {})
    with caplog.at_level(logging.WARNING, "flowspan"):
        pairs = loaded()

    assert pairs("gpt-4o") is None
    (said,) = caplog.messages
    assert bytepairs.DEFAULT_ENCODING in said
    assert "no route to host" in said
    assert "TIKTOKEN_CACHE_DIR" in said


@pytest.mark.usefixtures("_letters")
def test_a_stream_that_says_no_tokens_is_counted_by_the_tokenizer() -> None:
    """Text of the prompt and of the answer as far as it has come; marked as an estimate."""
    estimates.configure(loaded())
    with FakeProvider() as provider, record(*INTEGRATIONS) as recording:
        provider.reply("One two three")
        with openai.OpenAI(base_url=provider.openai_url, api_key="sk-test") as client:
            for _ in client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": QUESTION}], stream=True
            ):
                pass

        assert tokens_of(recording) == (len(QUESTION), len("One two three"), True)


def tokens_of(recording: Recording) -> tuple[Any, Any, Any]:
    (span,) = recording.spans
    known = span.attributes or {}
    names = semconv.USAGE_INPUT_TOKENS, semconv.USAGE_OUTPUT_TOKENS, semconv.USAGE_ESTIMATED
    found = [known.get(name) for name in names]
    return found[0], found[1], found[2]
