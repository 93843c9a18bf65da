"""Models and tools that LangChain's tests use."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import version
from typing import Any

import pytest
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tools import ToolException, tool

from flowspan import semconv
from flowspan.testing import FakeProvider, Recording

openai = pytest.importorskip("langchain_openai")

httpx = importlib.import_module("httpx2" if int(version("openai")[0]) > 2 else "httpx")
_NO_POOL = httpx.Limits(max_keepalive_connections=0)
"""LangChain keeps its clients for good, also when their event loop is closed."""


def chat(**settings: Any) -> Any:
    """A model of OpenAI's, whose connections do not outlive their requests."""
    return openai.ChatOpenAI(
        model="gpt-4o-mini",
        http_client=httpx.Client(limits=_NO_POOL),
        http_async_client=httpx.AsyncClient(limits=_NO_POOL),
        **settings,
    )


class OwnModel(BaseChatModel):
    """A model of the program's own, which nobody else would see."""

    model: str = "own-1"
    temperature: float = 0.5

    @property
    def _llm_type(self) -> str:
        return "own"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        usage: Any = {
            "input_tokens": 10,
            "output_tokens": 5,
            "total_tokens": 15,
            "input_token_details": {"cache_read": 4, "cache_creation": 1},
            "output_token_details": {"reasoning": 2},
        }
        message = AIMessage(
            content="hello",
            usage_metadata=usage,
            response_metadata={"model_name": "own-1-2026", "finish_reason": "stop"},
            tool_calls=[{"name": "look", "args": {}, "id": "call-1"}],
        )
        return ChatResult(generations=[ChatGeneration(message=message)])


class OwnStream(OwnModel):
    """One that also streams."""

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for word in ("hel", "lo"):
            usage: Any = {"input_tokens": 5, "output_tokens": 1, "total_tokens": 6}
            yield ChatGenerationChunk(message=AIMessageChunk(content=word, usage_metadata=usage))


@tool
def lookup(word: str) -> str:
    """Look a word up."""
    if word == "refused":
        raise ToolException(word)
    if word == "broken":
        raise ValueError(word)
    return word * 2


async def read(stream: AsyncIterator[Any]) -> list[Any]:
    return [part async for part in stream]


def tokens_are_the_ledgers(recording: Recording, provider: FakeProvider) -> None:
    """One span for each request, and its tokens."""
    spans, ledger = recording.spans, provider.ledger
    assert len(spans.of_kind("llm")) == len(ledger)
    assert spans.total(semconv.USAGE_INPUT_TOKENS) == ledger.total().input_tokens
    assert spans.total(semconv.USAGE_OUTPUT_TOKENS) == ledger.total().output_tokens
