"""A request as the fake provider received it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedRequest:
    """One request that arrived, answered or not.

    Attributes:
        index: Position in ``FakeProvider.requests``, from 0.
        method: ``POST``, ``GET``.
        path: Path and query as sent.
        headers: Headers with lower-case names.
        body: The parsed JSON object; empty if there was none.
        format: Wire format that the path stands for; None if it is none of ours.
        provider: ``openai`` or ``anthropic``; None with no format.
        operation: ``chat``, ``embeddings`` or ``fetch_response``; None with no format.
        model: The model asked for.
        stream: True if a stream was asked for.
        texts: The texts of the prompt in order: system, messages, input.
        request_id: The id that the answer carries in its header.
        status: HTTP status answered; None before the answer and where there was none (reset).
    """

    index: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    format: str | None
    provider: str | None
    operation: str | None
    model: str | None
    stream: bool
    texts: tuple[str, ...]
    request_id: str
    status: int | None = None

    @property
    def prompt(self) -> str:
        """All texts of the prompt, one below the other."""
        return "\n".join(self.texts)

    @property
    def text(self) -> str:
        """The last text of the prompt, usually what the user said last."""
        return self.texts[-1] if self.texts else ""
