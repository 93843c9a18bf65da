"""Adds up the streams of LangChain's models."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from flowspan.instrumentation.engines.langchain.messages import usage_of
from flowspan.instrumentation.integration import Call
from flowspan.usage import Usage


class MessageJoiner:
    """Chunks of a message; of most of them nothing stays."""

    def __init__(self, call: Call) -> None:
        """Join the chunks that a call returns."""
        self._texts: list[str] | None = [] if call.content else None
        self._usage: Usage | None = None
        self._metadata: dict[str, Any] = {}
        self._tools: list[dict[str, Any]] = []
        self._id: str | None = None

    def add(self, chunk: Any) -> bool:
        """Take one chunk; one without text and tools is not the first of the answer."""
        usage = usage_of(chunk)
        if usage is not None:  # they count what each chunk brought
            self._usage = usage if self._usage is None else self._usage.plus(usage)
        self._id = self._id or getattr(chunk, "id", None)
        if chunk.response_metadata:
            self._metadata.update(chunk.response_metadata)
        calls: Any = getattr(chunk, "tool_call_chunks", None) or getattr(chunk, "tool_calls", ())
        self._tools += [dict(call) for call in calls if call.get("name")]
        if self._texts is not None and isinstance(chunk.content, str):
            self._texts.append(chunk.content)
        return bool(chunk.content or calls)

    def result(self) -> Any:
        """The message so far, in the form of a model's result."""
        message = SimpleNamespace(
            type="ai",
            id=self._id,
            content="".join(self._texts or ()),
            response_metadata=self._metadata,
            tool_calls=self._tools,
            usage_metadata=self._usage,
        )
        return SimpleNamespace(generations=[SimpleNamespace(message=message)])


class TextJoiner:
    """Chunks of a text."""

    def __init__(self, call: Call) -> None:
        """Join the chunks that a call returns."""
        self._texts: list[str] | None = [] if call.content else None

    def add(self, chunk: Any) -> bool:
        """Take one chunk."""
        if self._texts is not None:
            self._texts.append(str(chunk))
        return bool(chunk)

    def result(self) -> Any:
        """The text so far, in the form of a model's result."""
        generation = SimpleNamespace(text="".join(self._texts or ()))
        return SimpleNamespace(llm_output=None, generations=[[generation]])
