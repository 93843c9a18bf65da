"""Bedrock's InvokeModel: the bodies of Anthropic, Titan, Llama, Mistral, Cohere and the others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from flowspan.testing.wire import anthropic_messages, openai_chat
from flowspan.testing.wire.bedrock_common import Family, invoked
from flowspan.testing.wire.format import Answer, EventFormat, Json
from flowspan.testing.wire.vectors import vector

Pieces = Iterator[tuple[Json, bool]]


def _texts_at(*names: str) -> Any:
    def texts(body: Mapping[str, Any]) -> list[str]:
        return [text for name in names if isinstance(text := body.get(name), str)]

    return texts


def _passed_on(events: EventFormat | None) -> Any:
    """The pieces of a provider's own stream of server-sent events."""

    def pieces(answer: Answer) -> Pieces:
        if events is None:
            return
        for frame in events.frames(answer):
            data = frame.data.partition(b"data: ")[2].strip()
            if data != b"[DONE]":
                yield json.loads(data), frame.content

    return pieces


ANTHROPIC = invoked(
    Family(
        name="anthropic",
        of="claude",
        texts=anthropic_messages.FORMAT.texts,
        body=anthropic_messages.FORMAT.body,
        pieces=_passed_on(anthropic_messages.FORMAT.events),
        response_id=anthropic_messages.FORMAT.response_id,
    )
)

OPENAI = invoked(
    Family(
        name="openai",
        of="",
        texts=openai_chat.FORMAT.texts,
        body=openai_chat.FORMAT.body,
        pieces=_passed_on(openai_chat.FORMAT.events),
        response_id=openai_chat.FORMAT.response_id,
    )
)
"""Whatever has no format of its own: gpt-oss, Qwen, DeepSeek, Jamba."""


# --- Titan ----------------------------------------------------------------------------------------


def _titan_reason(answer: Answer) -> str:
    return answer.finish_reason or ("LENGTH" if answer.stop == "length" else "FINISH")


def _titan_body(answer: Answer) -> Json:
    result = {
        "tokenCount": answer.usage.output_tokens,
        "outputText": answer.choices[0].text,
        "completionReason": _titan_reason(answer),
    }
    return {"inputTextTokenCount": answer.usage.input_tokens, "results": [result]}


def _titan_pieces(answer: Answer) -> Pieces:
    for piece in answer.choices[0].chunks:
        yield _titan_piece(piece, answer.usage.input_tokens, None, None), True
    yield _titan_piece("", None, answer.usage.output_tokens, _titan_reason(answer)), False


def _titan_piece(text: str, asked: int | None, told: int | None, reason: str | None) -> Json:
    return {
        "outputText": text,
        "index": 0,
        "totalOutputTextTokenCount": told,
        "completionReason": reason,
        "inputTextTokenCount": asked,
    }


TITAN = invoked(
    Family(
        name="titan",
        of="amazon.titan-t",
        texts=_texts_at("inputText"),
        body=_titan_body,
        pieces=_titan_pieces,
        limit="textGenerationConfig.maxTokenCount",
    )
)


# --- Llama ----------------------------------------------------------------------------------------


def _llama_body(answer: Answer) -> Json:
    whole = answer.choices[0].text
    return _llama(answer, whole, answer.usage.input_tokens, answer.usage.output_tokens, last=True)


def _llama_pieces(answer: Answer) -> Pieces:
    for position, piece in enumerate(answer.choices[0].chunks):
        asked = None if position else answer.usage.input_tokens
        yield _llama(answer, piece, asked, position + 1, last=False), True
    yield _llama(answer, "", None, answer.usage.output_tokens, last=True), False


def _llama(answer: Answer, text: str, asked: int | None, made: int | None, *, last: bool) -> Json:
    reason = answer.finish_reason or ("length" if answer.stop == "length" else "stop")
    return {
        "generation": text,
        "prompt_token_count": asked,
        "generation_token_count": made,
        "stop_reason": reason if last else None,
    }


LLAMA = invoked(
    Family(
        name="llama",
        of="meta.",
        texts=_texts_at("prompt"),
        body=_llama_body,
        pieces=_llama_pieces,
        limit="max_gen_len",
    )
)


# --- Mistral --------------------------------------------------------------------------------------


def _mistral(answer: Answer, text: str, *, last: bool) -> Json:
    reason = answer.finish_reason or ("length" if answer.stop == "length" else "stop")
    return {"outputs": [{"text": text, "stop_reason": reason if last else None}]}


def _mistral_pieces(answer: Answer) -> Pieces:
    for piece in answer.choices[0].chunks:
        yield _mistral(answer, piece, last=False), True
    yield _mistral(answer, "", last=True), False


MISTRAL = invoked(
    Family(
        name="mistral",
        of="mistral.",
        texts=_texts_at("prompt"),
        body=lambda answer: _mistral(answer, answer.choices[0].text, last=True),
        pieces=_mistral_pieces,
    )
)


# --- Cohere ---------------------------------------------------------------------------------------


def _cohere_id(answer: Answer) -> str:
    return f"cohere-{answer.number}"


def _cohere_body(answer: Answer) -> Json:
    reason = "MAX_TOKENS" if answer.stop == "length" else "COMPLETE"
    return {
        "response_id": _cohere_id(answer),
        "generation_id": f"generation-{answer.number}",
        "text": answer.choices[0].text,
        "chat_history": [],
        "finish_reason": answer.finish_reason or reason,
    }


def _cohere_pieces(answer: Answer) -> Pieces:
    for piece in answer.choices[0].chunks:
        yield {"is_finished": False, "event_type": "text-generation", "text": piece}, True
    whole = _cohere_body(answer)
    end: Json = {"is_finished": True, "event_type": "stream-end"}
    yield {**end, "finish_reason": whole["finish_reason"], "response": whole}, False


COHERE = invoked(
    Family(
        name="cohere",
        of="cohere.command",
        texts=_texts_at("preamble", "message"),
        body=_cohere_body,
        pieces=_cohere_pieces,
        response_id=_cohere_id,
    )
)


# --- embeddings -----------------------------------------------------------------------------------


def _list_at(name: str) -> Any:
    def texts(body: Mapping[str, Any]) -> list[str]:
        found = body.get(name)
        return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []

    return texts


def _titan_embedding(answer: Answer) -> Json:
    return {
        "embedding": vector(answer.request.text),
        "inputTextTokenCount": answer.usage.input_tokens,
    }


def _cohere_embeddings(answer: Answer) -> Json:
    texts = list(answer.request.texts)
    return {
        "id": _cohere_id(answer),
        "response_type": "embeddings_floats",
        "embeddings": [vector(text) for text in texts],
        "texts": texts,
    }


TITAN_EMBED = invoked(
    Family(
        name="titan.embed",
        of="amazon.titan-embed",
        operation="embeddings",
        texts=_texts_at("inputText"),
        body=_titan_embedding,
    )
)
COHERE_EMBED = invoked(
    Family(
        name="cohere.embed",
        of="cohere.embed",
        operation="embeddings",
        texts=_list_at("texts"),
        body=_cohere_embeddings,
        response_id=_cohere_id,
    )
)

FORMATS = (ANTHROPIC, TITAN, LLAMA, MISTRAL, COHERE, TITAN_EMBED, COHERE_EMBED, OPENAI)
"""The families; the first that serves a path does."""
