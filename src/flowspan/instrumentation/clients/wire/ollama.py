"""Ollama: chat, generate and the two calls for embeddings; streams are lines of JSON.

What Ollama calls ``options`` are the sampling parameters of others.  The last line of a stream
(``done``) says the tokens; whatever was in the machine's cache of prompts is not counted there in
older versions, so that the input may be missing and is then estimated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from flowspan import semconv
from flowspan.instrumentation.clients.wire.openai_chat import asked
from flowspan.instrumentation.clients.wire.parts import (
    Message,
    Part,
    asked_in,
    blob,
    message,
    reasoning_part,
    text_part,
    tool_call_part,
    tool_response_part,
)
from flowspan.instrumentation.clients.wire.reading import (
    count,
    items,
    number,
    read,
    text,
    word,
    words,
)
from flowspan.instrumentation.clients.wire.shape import Body, Converter, Marks, Rules, Shape, newest
from flowspan.instrumentation.integration import AttributeValue, ToolRequest
from flowspan.usage import Usage

_PORT: Final = 11434
"""The port that a server listens at; the paths could be anybody's."""

_NO_ANSWER: Final = frozenset({"load", "unload"})
"""Why an answer ended whose request had no prompt: it only loads or unloads the model."""


def _option(name: str, convert: Converter) -> Converter:
    return lambda options: convert(read(options, name))


def _level(think: Any) -> str | None:
    """``low``, ``medium`` or ``high``; plain ``True`` names no level."""
    return word(think)


def _format(value: Any) -> str | None:
    """``json``, or a schema that the answer is to follow."""
    return "json" if value == "json" or isinstance(value, Mapping) else None


_REQUEST: Final[Rules] = {
    "options": (
        (semconv.REQUEST_TEMPERATURE, _option("temperature", number)),
        (semconv.REQUEST_TOP_P, _option("top_p", number)),
        (semconv.REQUEST_TOP_K, _option("top_k", number)),
        (semconv.REQUEST_FREQUENCY_PENALTY, _option("frequency_penalty", number)),
        (semconv.REQUEST_PRESENCE_PENALTY, _option("presence_penalty", number)),
        (semconv.REQUEST_MAX_TOKENS, _option("num_predict", count)),
        (semconv.REQUEST_SEED, _option("seed", count)),
        (semconv.REQUEST_STOP_SEQUENCES, _option("stop", words)),
    ),
    "stream": ((semconv.REQUEST_STREAM, asked),),
    "think": ((semconv.REQUEST_REASONING_LEVEL, _level),),
    "format": ((semconv.OUTPUT_TYPE, _format),),
    "dimensions": ((semconv.EMBEDDINGS_DIMENSION_COUNT, count),),
}


def _response(body: Any) -> dict[str, AttributeValue | None]:
    reason = word(read(body, "done_reason"))
    return {
        semconv.RESPONSE_MODEL: word(read(body, "model")),
        semconv.RESPONSE_FINISH_REASONS: None if reason is None else [reason],
    }


def _usage(body: Any) -> Usage | None:
    if word(read(body, "done_reason")) in _NO_ANSWER:
        return Usage(input_tokens=0, output_tokens=0)
    return Usage.of("ollama", body)


def _tools(body: Any) -> Iterator[ToolRequest]:
    for call in items(read(read(body, "message"), "tool_calls")):
        name = word(read(read(call, "function"), "name"))
        yield ToolRequest(name, word(read(call, "id")))


# --- streams ------------------------------------------------------------------------------------

_LAST: Final = ("model", "done_reason", "prompt_eval_count", "eval_count", "error")


def _fold(pieces: Callable[[dict[str, Any], Any], None]) -> Callable[[Sequence[Any]], Any]:
    """Makes what joins the lines of a stream, or some of them; ``pieces`` adds what one says."""

    def fold(lines: Sequence[Any]) -> dict[str, Any]:
        body: dict[str, Any] = {}
        for line in lines:
            for name in _LAST:
                if (value := read(line, name)) is not None:
                    body[name] = value
            pieces(body, line)
        return body

    return fold


def _add_text(known: dict[str, Any], said: Any, names: tuple[str, ...]) -> None:
    for name in names:
        if piece := text(read(said, name)):
            known[name] = known.get(name, "") + piece


def _add_message(body: dict[str, Any], line: Any) -> None:
    said = read(line, "message")
    known = body.setdefault("message", {"role": "assistant"})
    _add_text(known, said, ("content", "thinking"))
    if calls := items(read(said, "tool_calls")):
        known.setdefault("tool_calls", []).extend(calls)


def _add_response(body: dict[str, Any], line: Any) -> None:
    _add_text(body, line, ("response", "thinking"))


# --- content ------------------------------------------------------------------------------------


def _parts(said: Any, member: str) -> list[Part]:
    parts: list[Part] = []
    if thought := text(read(said, "thinking")):
        parts.append(reasoning_part(thought))
    if spoken := text(read(said, member)):
        parts.append(text_part(spoken))
    parts.extend(blob("image", None, image) for image in items(read(said, "images")))
    for call in items(read(said, "tool_calls")):
        function = read(call, "function")
        arguments = read(function, "arguments")
        parts.append(tool_call_part(read(call, "id"), read(function, "name"), arguments))
    return parts


def _input_message(said: Any) -> Message:
    role = read(said, "role")
    if role == "tool":
        return message(role, [tool_response_part(None, read(said, "content"))])
    return message(role, _parts(said, "content"))


def _input(body: Body) -> tuple[Any, Any]:
    return None, [_input_message(said) for said in items(body.get("messages"))]


def _prompt(body: Body) -> tuple[Any, Any]:
    system = text(body.get("system"))
    asked_parts = _parts(body, "prompt")
    return [text_part(system)] if system else None, [message("user", asked_parts)]


def _streams(_path: str, body: Body) -> bool:
    """A stream is what Ollama answers with unless it is told not to."""
    return body.get("stream") is not False


def _matches(member: str) -> Callable[[Body], bool]:
    return lambda body: isinstance(body.get("model"), str) and member in body


# --- the formats --------------------------------------------------------------------------------

CHAT: Final = Shape(
    name="ollama.chat",
    provider="ollama",
    operation="chat",
    paths=("/api/chat",),
    matches=_matches("messages"),
    request=_REQUEST,
    response=_response,
    usage=_usage,
    prompt=("messages", "tools"),
    output=lambda body: read(body, "message"),
    marks=Marks(text=("content", "thinking"), each=("done_reason", "name"), flags=("done",)),
    fold=_fold(_add_message),
    input=_input,
    messages=lambda body: [message("assistant", _parts(read(body, "message"), "content"))],
    tools=_tools,
    streams=_streams,
    lines=True,
    own=False,
    port=_PORT,
)
"""``POST /api/chat``."""

GENERATE: Final = Shape(
    name="ollama.generate",
    provider="ollama",
    operation="text_completion",
    paths=("/api/generate",),
    matches=_matches("prompt"),
    request=_REQUEST,
    response=_response,
    usage=_usage,
    prompt=("system", "prompt", "suffix"),
    output=lambda body: [read(body, "response"), read(body, "thinking")],
    marks=Marks(text=("response", "thinking"), each=("done_reason",), flags=("done",)),
    fold=_fold(_add_response),
    input=_prompt,
    messages=lambda body: [message("assistant", _parts(body, "response"))],
    streams=_streams,
    lines=True,
    own=False,
    port=_PORT,
)
"""``POST /api/generate``."""

EMBED: Final = Shape(
    name="ollama.embed",
    provider="ollama",
    operation="embeddings",
    paths=("/api/embed",),
    matches=_matches("input"),
    request=_REQUEST,
    response=lambda body: {semconv.RESPONSE_MODEL: word(read(body, "model"))},
    usage=lambda body: Usage.of("ollama.embed", body),
    prompt=("input",),
    output=lambda _body: None,
    marks=Marks(text=()),
    fold=newest,
    input=asked_in("input"),
    messages=lambda _body: None,
    generates=False,
    own=False,
    port=_PORT,
)
"""``POST /api/embed``."""

EMBEDDINGS: Final = Shape(
    name="ollama.embeddings",
    provider="ollama",
    operation="embeddings",
    paths=("/api/embeddings",),
    matches=_matches("prompt"),
    request=_REQUEST,
    response=lambda _body: {},
    usage=lambda _body: None,
    prompt=("prompt",),
    output=lambda _body: None,
    marks=Marks(text=()),
    fold=newest,
    input=asked_in("prompt"),
    messages=lambda _body: None,
    generates=False,
    own=False,
    port=_PORT,
)
"""``POST /api/embeddings``, the older call for one text; it never says its tokens."""
