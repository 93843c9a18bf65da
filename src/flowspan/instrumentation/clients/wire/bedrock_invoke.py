"""Amazon Bedrock's InvokeModel, which passes each family's own bodies on.

Which family it is, the members of the request tell, as the model may be named by an opaque ARN.
Whatever the family, Bedrock counts the tokens: in headers, and in the last piece of a stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from flowspan import semconv
from flowspan.instrumentation.clients.wire.anthropic_messages import MESSAGES
from flowspan.instrumentation.clients.wire.bedrock_converse import (
    CONVERSE,
    model_in_path,
    streams_by_path,
)
from flowspan.instrumentation.clients.wire.openai_chat import CHAT
from flowspan.instrumentation.clients.wire.parts import message, text_part
from flowspan.instrumentation.clients.wire.reading import (
    count,
    items,
    number,
    read,
    text,
    word,
    words,
)
from flowspan.instrumentation.clients.wire.shape import (
    Body,
    Converter,
    Marks,
    Rules,
    Shape,
)
from flowspan.instrumentation.integration import AttributeValue
from flowspan.usage import Usage

METRICS: Final = "amazon-bedrock-invocationMetrics"
"""Where the last piece of a stream has Bedrock's own counts."""

_COUNTS: Final = {
    "x-amzn-bedrock-input-token-count": "inputTokenCount",
    "x-amzn-bedrock-output-token-count": "outputTokenCount",
    "x-amzn-bedrock-cache-read-input-token-count": "cacheReadInputTokenCount",
    "x-amzn-bedrock-cache-write-input-token-count": "cacheWriteInputTokenCount",
}


def metrics_in(headers: Any) -> dict[str, int]:
    """Bedrock's counts in the headers of an answer, by their names in a stream."""
    found: dict[str, int] = {}
    for header, name in _COUNTS.items() if isinstance(headers, Mapping) else ():
        told = headers.get(header)
        if isinstance(told, str) and told.isascii() and told.isdigit():
            found[name] = int(told)
    return found


_PATHS: Final[dict[str, Any]] = {
    "paths": ("/invoke", "/invoke-with-response-stream"),
    "model": model_in_path,
    "streams": streams_by_path,
    "own": False,
}
"""``POST /model/{model}/invoke`` and ``…/invoke-with-response-stream``: those of every family."""


def _metrics(body: Any) -> Usage | None:
    return Usage.of("bedrock", read(body, METRICS))


def _last_metrics(events: Sequence[Body]) -> dict[str, Any]:
    found = [event[METRICS] for event in events if METRICS in event]
    return {METRICS: found[-1]} if found else {}


def _measured(shape: Shape, name: str, matches: Callable[[Body], bool]) -> Shape:
    """A provider's own shape, with Bedrock's counts where the provider's are missing."""

    def usage(body: Any) -> Usage | None:
        known = shape.usage(body)
        if known is None or known.input_tokens is None or known.output_tokens is None:
            return _metrics(body) or known
        return known

    return replace(
        shape,
        name=f"bedrock.{name}",
        provider="aws.bedrock",
        usage=usage,
        fold=lambda events: {**shape.fold(events), **_last_metrics(events)},
        marks=replace(shape.marks, latest=(*shape.marks.latest, METRICS)),
        **_PATHS,
        matches=matches,
        header="",
    )


# --- text in, text out ----------------------------------------------------------------------------


def _inside(name: str, convert: Converter) -> Converter:
    return lambda value: convert(read(value, name))


_TEXT_REQUEST: Final[Rules] = {
    "temperature": ((semconv.REQUEST_TEMPERATURE, number),),
    "seed": ((semconv.REQUEST_SEED, count),),
    **dict.fromkeys(
        ("max_tokens", "max_gen_len", "max_tokens_to_sample", "maxTokens"),
        ((semconv.REQUEST_MAX_TOKENS, count),),
    ),
    **dict.fromkeys(("top_p", "p", "topP"), ((semconv.REQUEST_TOP_P, number),)),
    **dict.fromkeys(("top_k", "k"), ((semconv.REQUEST_TOP_K, number),)),
    **dict.fromkeys(
        ("stop", "stop_sequences", "stopSequences"), ((semconv.REQUEST_STOP_SEQUENCES, words),)
    ),
    "textGenerationConfig": (
        (semconv.REQUEST_MAX_TOKENS, _inside("maxTokenCount", count)),
        (semconv.REQUEST_TEMPERATURE, _inside("temperature", number)),
        (semconv.REQUEST_TOP_P, _inside("topP", number)),
        (semconv.REQUEST_STOP_SEQUENCES, _inside("stopSequences", words)),
    ),
}
_PROMPTS: Final = ("preamble", "chat_history", "message", "prompt", "inputText")
_TEXTS: Final = ("generation", "outputText", "completion", "text")
_REASONS: Final = ("stop_reason", "completionReason", "finish_reason")
_LISTS: Final = ("results", "outputs", "generations", "choices", "completions")
_IDS: Final = ("id", "response_id", "generation_id")


def _answers(body: Any) -> Iterator[Any]:
    """Where a body may say something: itself, and the members of its list."""
    yield body
    for name in _LISTS:
        yield from items(read(body, name))


def _first(body: Any, names: Sequence[str]) -> str | None:
    for each in _answers(body):
        for name in names:
            if (found := text(read(each, name))) is not None:
                return found
    return None


def _text_response(body: Any) -> dict[str, AttributeValue | None]:
    reason = _first(body, _REASONS)
    identity = next((found for name in _IDS if (found := word(read(body, name)))), None)
    return {
        semconv.RESPONSE_ID: identity,
        semconv.RESPONSE_FINISH_REASONS: None if not reason else [reason],
    }


def _text_usage(body: Any) -> Usage | None:
    counts = [each for each in _answers(body) if isinstance(each, Mapping)]
    known = Usage.of("bedrock", *counts)
    if known is None or known.input_tokens is None or known.output_tokens is None:
        return _metrics(body) or known
    return known


def _text_fold(events: Sequence[Body]) -> dict[str, Any]:
    """Make one answer of the pieces; how much was made is counted for good in the last one."""
    body: dict[str, Any] = {}
    pieces: list[str] = []
    for event in events:
        pieces.append(_first(event, _TEXTS) or "")
        reason = _first(event, _REASONS)
        body |= {
            name: value
            for name, value in event.items()
            if value is not None and name not in _LISTS and (reason or name not in _SO_FAR)
        }
        if reason:
            body["stop_reason"] = reason
    whole = body.pop("response", None)
    if isinstance(whole, Mapping):  # the last event of a Cohere stream repeats the answer
        return {**body, **whole}
    return {
        **{name: value for name, value in body.items() if name not in _TEXTS},
        "text": "".join(pieces),
    }


_SO_FAR: Final = frozenset({"generation_token_count"})


def _text_input(body: Body) -> tuple[Any, Any]:
    asked = [text_part(piece) for name in _PROMPTS if (piece := text(body.get(name)))]
    return None, [message("user", asked)]


TEXT: Final = Shape(
    name="bedrock.text",
    provider="aws.bedrock",
    operation="chat",
    **_PATHS,
    matches=lambda body: any(isinstance(body.get(name), str) for name in _PROMPTS),
    request=_TEXT_REQUEST,
    response=_text_response,
    usage=_text_usage,
    prompt=_PROMPTS,
    output=lambda body: _first(body, _TEXTS),
    marks=Marks(text=_TEXTS, each=_REASONS, latest=(METRICS, "response")),
    fold=_text_fold,
    input=_text_input,
    messages=lambda body: [message("assistant", [text_part(_first(body, _TEXTS))])],
)
"""Titan, Llama, Mistral, Cohere, and whoever else takes a text and gives one."""


# --- embeddings -----------------------------------------------------------------------------------


def _embedding_usage(body: Any) -> Usage | None:
    return Usage.of("bedrock.embeddings", body) or Usage.of(
        "bedrock.embeddings", read(body, METRICS)
    )


def _embedded(body: Body) -> tuple[Any, Any]:
    """Each text is a message of its own."""
    texts = [body.get("inputText"), *items(body.get("texts"))]
    return None, [message("user", [text_part(each)]) for each in texts if text(each) is not None]


_OF_EMBEDDINGS: Final = frozenset({"texts", "embeddingTypes", "embeddingConfig", "input_type"})

EMBEDDINGS: Final = Shape(
    name="bedrock.embeddings",
    provider="aws.bedrock",
    operation="embeddings",
    **_PATHS,
    matches=lambda body: not _OF_EMBEDDINGS.isdisjoint(body),
    request={
        **dict.fromkeys(
            ("dimensions", "output_dimension"), ((semconv.EMBEDDINGS_DIMENSION_COUNT, count),)
        ),
    },
    response=lambda body: {semconv.RESPONSE_ID: word(read(body, "id"))},
    usage=_embedding_usage,
    prompt=("inputText", "texts"),
    output=lambda _body: None,
    marks=Marks(text=()),
    fold=lambda _events: {},
    input=_embedded,
    messages=lambda _body: None,
    generates=False,
)
"""Vectors of Titan and Cohere."""


def _has_messages(body: Body) -> bool:
    return isinstance(body.get("messages"), list)


ANTHROPIC: Final = _measured(
    MESSAGES, "anthropic", lambda body: _has_messages(body) and "anthropic_version" in body
)
NOVA: Final = _measured(CONVERSE, "nova", CONVERSE.matches)
OPENAI: Final = _measured(CHAT, "openai", _has_messages)

INVOKED: Final = (EMBEDDINGS, ANTHROPIC, NOVA, OPENAI, TEXT)
"""The families, in the order in which a request's members tell them apart."""


def shape_of(model: str | None, body: Body) -> Shape:
    """The shape of a family's bodies: its members tell, and else what the model is called."""
    name = (model or "").lower()
    if "embed" in name:
        return EMBEDDINGS
    if "anthropic." in name and (not body or _has_messages(body)):
        return ANTHROPIC
    return next((shape for shape in INVOKED if shape.matches(body)), TEXT)
