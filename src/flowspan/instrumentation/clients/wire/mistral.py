"""Mistral: chat and agents, completions of code (FIM) and embeddings, nearly as OpenAI's.

What differs: parameters' names, thinking that stands as blocks inside the content, usage that every
stream tells, and errors that are objects of that name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from flowspan import semconv
from flowspan.instrumentation.clients.wire import openai_chat
from flowspan.instrumentation.clients.wire.openai_chat import SAMPLING
from flowspan.instrumentation.clients.wire.openai_embeddings import EMBEDDINGS as OPENAI_EMBEDDINGS
from flowspan.instrumentation.clients.wire.parts import asked_in, parts_of
from flowspan.instrumentation.clients.wire.reading import (
    count,
    items,
    number,
    read,
    text,
    word,
    words,
)
from flowspan.instrumentation.clients.wire.shape import Body, Marks, Rules
from flowspan.instrumentation.integration import AttributeValue
from flowspan.usage import Usage

_REQUEST: Final[Rules] = {
    **SAMPLING,
    "random_seed": ((semconv.REQUEST_SEED, count),),
    "top_k": ((semconv.REQUEST_TOP_K, number),),
    "output_dimension": ((semconv.EMBEDDINGS_DIMENSION_COUNT, count),),
    "encoding_format": ((semconv.REQUEST_ENCODING_FORMATS, words),),
}


def _usage(body: Any) -> Usage | None:
    usage = read(body, "usage")
    return None if usage is None else Usage.of("mistral", usage)


def _embedded(body: Any) -> dict[str, AttributeValue | None]:
    return {
        semconv.RESPONSE_ID: word(read(body, "id")),
        semconv.RESPONSE_MODEL: word(read(body, "model")),
    }


def _matches_agent(body: Body) -> bool:
    return isinstance(body.get("agent_id"), str) and isinstance(body.get("messages"), list)


def _matches_code(body: Body) -> bool:
    return isinstance(body.get("model"), str) and isinstance(body.get("prompt"), str)


# --- streams ------------------------------------------------------------------------------------


def _fold(events: Sequence[Body]) -> dict[str, Any]:
    """Make one answer of its chunks; an error is an event without choices."""
    body = openai_chat.fold([_plain(event) for event in events])
    for event in events:
        if event.get("object") == "error":
            body["error"] = event
    return body


def _plain(event: Body) -> Body:
    """A chunk whose content is a text, as OpenAI's is."""
    choices = [_plain_choice(choice) for choice in items(event.get("choices"))]
    return {**event, "choices": choices} if choices else event


def _plain_choice(choice: Any) -> Any:
    delta = read(choice, "delta")
    blocks = items(read(delta, "content"))
    if not blocks or not isinstance(delta, Mapping):
        return choice
    parts = parts_of(blocks)
    said = {
        "content": _texts(parts, "text"),
        "reasoning": _texts(parts, "reasoning"),
    }
    return {**choice, "delta": {**delta, **said}}


def _texts(parts: list[dict[str, Any]], kind: str) -> str:
    return "".join(text(part["content"]) or "" for part in parts if part["type"] == kind)


# --- the formats --------------------------------------------------------------------------------

CHAT: Final = replace(
    openai_chat.CHAT,
    name="mistral.chat",
    provider="mistral_ai",
    request=_REQUEST,
    usage=_usage,
    marks=Marks(
        text=("content", "text", "arguments"), each=("finish_reason", "name"), latest=("usage",)
    ),
    fold=_fold,
)
"""``POST /v1/chat/completions``."""

AGENTS: Final = replace(
    CHAT,
    name="mistral.agents",
    paths=("/v1/agents/completions",),
    matches=_matches_agent,
    model=lambda _path, _body: "",
)
"""``POST /v1/agents/completions``: the agent knows the model, which the answer names."""

FIM: Final = replace(
    CHAT,
    name="mistral.fim",
    operation="text_completion",
    paths=("/v1/fim/completions",),
    matches=_matches_code,
    prompt=("prompt", "suffix"),
    input=asked_in("prompt"),
)
"""``POST /v1/fim/completions``."""

EMBEDDINGS: Final = replace(
    OPENAI_EMBEDDINGS,
    name="mistral.embeddings",
    provider="mistral_ai",
    request=_REQUEST,
    response=_embedded,
    prompt=("input", "inputs"),
)
"""``POST /v1/embeddings``; the SDK's keyword is ``inputs``."""
