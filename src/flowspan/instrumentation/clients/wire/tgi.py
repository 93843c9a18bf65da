"""Text generation and feature extraction of Hugging Face's servers, as its client calls them.

Their tokens stand in the answer only where ``details`` were asked for, and always in the headers of
an answer that is not streamed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from flowspan import semconv
from flowspan.instrumentation.clients.wire.openai_chat import CHAT as OPENAI_CHAT
from flowspan.instrumentation.clients.wire.openai_chat import asked
from flowspan.instrumentation.clients.wire.parts import asked_in, message, text_part
from flowspan.instrumentation.clients.wire.reading import (
    count,
    items,
    number,
    read,
    text,
    word,
    words,
)
from flowspan.instrumentation.clients.wire.shape import Marks, Rules, Shape, never, newest
from flowspan.instrumentation.integration import AttributeValue
from flowspan.usage import Usage

_REQUEST: Final[Rules] = {
    "temperature": ((semconv.REQUEST_TEMPERATURE, number),),
    "top_p": ((semconv.REQUEST_TOP_P, number),),
    "top_k": ((semconv.REQUEST_TOP_K, number),),
    "frequency_penalty": ((semconv.REQUEST_FREQUENCY_PENALTY, number),),
    "max_new_tokens": ((semconv.REQUEST_MAX_TOKENS, count),),
    "stop": ((semconv.REQUEST_STOP_SEQUENCES, words),),
    "stop_sequences": ((semconv.REQUEST_STOP_SEQUENCES, words),),
    "seed": ((semconv.REQUEST_SEED, count),),
    "stream": ((semconv.REQUEST_STREAM, asked),),
}


def _response(body: Any) -> dict[str, AttributeValue | None]:
    reason = word(read(read(body, "details"), "finish_reason"))
    return {semconv.RESPONSE_FINISH_REASONS: None if reason is None else [reason]}


def _usage(body: Any) -> Usage | None:
    found = Usage.of("tgi", body)
    prefill = items(read(read(body, "details"), "prefill"))
    if found is None or found.input_tokens is not None or not prefill:
        return found
    return replace(found, input_tokens=len(prefill))


def _fold(chunks: Sequence[Any]) -> dict[str, Any]:
    """Chunks are texts, or tokens of which the last has the details and the whole text."""
    body: dict[str, Any] = {"generated_text": ""}
    for chunk in chunks:
        if isinstance(chunk, str):
            body["generated_text"] += chunk
            continue
        body["generated_text"] += token_text(chunk) or ""
        if (details := read(chunk, "details")) is not None:
            body["details"] = details
        if (whole := text(read(chunk, "generated_text"))) is not None:
            body["generated_text"] = whole
    return body


def token_text(chunk: Any) -> str | None:
    """The text of a token that is no mark of the model's own."""
    token = read(chunk, "token")
    return None if read(token, "special") is True else text(read(token, "text"))


def _fold_chat(chunks: Sequence[Any]) -> dict[str, Any]:
    """Chunks are mappings as well, whose items lack what only some providers say."""
    told = [{**chunk, "usage": read(chunk, "usage")} for chunk in chunks]
    return OPENAI_CHAT.fold(told)


CHAT: Final = replace(OPENAI_CHAT, name="huggingface.chat", provider="huggingface", fold=_fold_chat)
"""Chat, which is OpenAI's format."""

TEXT: Final = Shape(
    name="tgi.generate",
    provider="huggingface",
    operation="text_completion",
    paths=(),
    matches=never,
    request=_REQUEST,
    response=_response,
    usage=_usage,
    prompt=("prompt",),
    output=lambda body: read(body, "generated_text"),
    marks=Marks(text=("text",), latest=("details",)),
    fold=_fold,
    input=asked_in("prompt"),
    messages=lambda body: [message("assistant", [text_part(read(body, "generated_text"))])],
)
"""Text generation."""

FEATURES: Final = Shape(
    name="tgi.embeddings",
    provider="huggingface",
    operation="embeddings",
    paths=(),
    matches=never,
    request={"dimensions": ((semconv.EMBEDDINGS_DIMENSION_COUNT, count),)},
    response=lambda _body: {},
    usage=lambda _body: None,
    prompt=("text",),
    output=lambda _body: None,
    marks=Marks(text=()),
    fold=newest,
    input=asked_in("text"),
    messages=lambda _body: None,
    generates=False,
)
"""Feature extraction: a list of vectors and nothing else."""


# --- headers --------------------------------------------------------------------------------------


def generated(headers: Any) -> Usage | None:
    """What a server of text generation tells of an answer that it does not stream."""
    found = Usage(
        input_tokens=_number(headers, "x-prompt-tokens"),
        output_tokens=_number(headers, "x-generated-tokens"),
    )
    return None if found.input_tokens is None or found.output_tokens is None else found


def embedded(headers: Any) -> Usage | None:
    """What a server of embeddings tells."""
    computed = _number(headers, "x-compute-tokens")
    return None if computed is None else Usage(input_tokens=computed, output_tokens=0)


def _number(headers: Any, name: str) -> int | None:
    value = headers.get(name) if isinstance(headers, Mapping) else None
    return int(value) if isinstance(value, str) and value.isdecimal() else None


def model_in(url: str) -> str | None:
    """The model that the path of a URL names: ``…/models/{organisation}/{name}``."""
    path = url.partition("?")[0].partition("/models/")[2].partition("/pipeline/")[0]
    return path.removesuffix("/v1/chat/completions").removesuffix("/v1").strip("/") or None
