"""Which wire format a request is in, by its method and path."""

from __future__ import annotations

from dataclasses import dataclass

from flowspan.testing.wire import (
    anthropic_complete,
    anthropic_count_tokens,
    anthropic_messages,
    bedrock_converse,
    bedrock_invoke,
    cohere_chat,
    cohere_embed,
    cohere_v1,
    gemini,
    gemini_embeddings,
    gemini_interactions,
    gemini_unbilled,
    mistral,
    ollama_chat,
    ollama_embed,
    ollama_generate,
    openai_audio,
    openai_chat,
    openai_completions,
    openai_embeddings,
    openai_images,
    openai_moderations,
    openai_realtime,
    openai_responses,
    openai_speech,
    tgi,
)
from flowspan.testing.wire.format import WireFormat

FORMATS: tuple[WireFormat, ...] = (
    openai_chat.FORMAT,
    openai_responses.FORMAT,
    openai_embeddings.FORMAT,
    openai_completions.FORMAT,
    openai_images.FORMAT,
    openai_audio.TRANSCRIPTIONS,
    openai_audio.TRANSLATIONS,
    openai_speech.FORMAT,
    openai_moderations.FORMAT,
    openai_realtime.FORMAT,
    anthropic_messages.FORMAT,
    anthropic_complete.FORMAT,
    anthropic_count_tokens.FORMAT,
    bedrock_converse.FORMAT,
    bedrock_converse.NOVA,
    *bedrock_invoke.FORMATS,
    ollama_chat.FORMAT,
    ollama_generate.FORMAT,
    ollama_embed.EMBED,
    ollama_embed.EMBEDDINGS,
    gemini.FORMAT,
    gemini.STREAMED,
    gemini_embeddings.FORMAT,
    gemini_embeddings.BATCH,
    gemini_embeddings.PREDICTED,
    gemini_interactions.FORMAT,
    gemini_unbilled.COUNTED,
    gemini_unbilled.CACHED,
    mistral.CHAT,
    mistral.AGENTS,
    mistral.FIM,
    mistral.EMBEDDINGS,
    cohere_chat.FORMAT,
    cohere_v1.CHAT,
    cohere_v1.GENERATE,
    cohere_embed.FORMAT,
    tgi.GENERATE,
    tgi.EMBEDDINGS,
)

_BY_ENDING = sorted(
    ((ending, wire) for wire in FORMATS for ending in wire.path_endings),
    key=lambda row: -len(row[0]),
)


@dataclass(frozen=True, slots=True)
class Route:
    """What a method and a path ask for.

    Attributes:
        wire: The format of request and answer; None where the path is no format's.
        retrieved: Id of the earlier answer that is asked for again, if that is so.
    """

    wire: WireFormat | None = None
    retrieved: str | None = None


def route(method: str, path: str) -> Route:
    """Finds the format, whatever stands before the path's ending and in its query."""
    path = path.partition("?")[0].rstrip("/")
    collection, _, identifier = path.rpartition("/")
    for ending, wire in _BY_ENDING:
        if method == "POST" and path.endswith(ending) and wire.serves(path):
            return Route(wire)
        if method == "GET" and wire.retrievable and collection.endswith(ending):
            return Route(wire, identifier)
    return Route()
