"""Amazon Bedrock's Converse; Nova's own format has the same members."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

from flowspan import semconv
from flowspan.instrumentation.clients.wire.chunks import Meaning
from flowspan.instrumentation.clients.wire.parts import (
    Part,
    blob,
    message,
    reasoning_part,
    text_part,
    tool_call_part,
)
from flowspan.instrumentation.clients.wire.reading import (
    count,
    items,
    number,
    read,
    text,
    word,
    word_in,
    words,
)
from flowspan.instrumentation.clients.wire.shape import Body, Converter, Marks, Rules, Shape
from flowspan.instrumentation.integration import AttributeValue, ToolRequest
from flowspan.usage import Usage


def _inside(name: str, convert: Converter) -> Converter:
    return lambda value: convert(read(value, name))


_REQUEST: Final[Rules] = {
    "inferenceConfig": (
        (semconv.REQUEST_MAX_TOKENS, _inside("maxTokens", count)),
        (semconv.REQUEST_MAX_TOKENS, _inside("max_new_tokens", count)),
        (semconv.REQUEST_TEMPERATURE, _inside("temperature", number)),
        (semconv.REQUEST_TOP_P, _inside("topP", number)),
        (semconv.REQUEST_TOP_K, _inside("topK", number)),
        (semconv.REQUEST_STOP_SEQUENCES, _inside("stopSequences", words)),
    ),
    "additionalModelRequestFields": ((semconv.REQUEST_TOP_K, _inside("top_k", number)),),
    "outputConfig": (
        (semconv.REQUEST_REASONING_LEVEL, word_in("effort")),
        (
            semconv.OUTPUT_TYPE,
            lambda value: "json" if read(value, "textFormat") is not None else None,
        ),
    ),
    "serviceTier": ((semconv.SERVICE_TIER, word_in("type")),),
}


def _matches(body: Body) -> bool:
    """Content blocks have no type, unlike everybody else's."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        return False
    content = read(messages[0], "content")
    return isinstance(content, list) and all(
        isinstance(block, Mapping) and "type" not in block for block in content[:4]
    )


def model_in_path(path: str, _body: Body) -> str | None:
    """The model, which only the path names."""
    return unquote(path.partition("/model/")[2].rpartition("/")[0]) or None


def streams_by_path(path: str, _body: Body) -> bool:
    """Whether a path asks for a stream."""
    return path.endswith("-stream")


def _response(body: Any) -> dict[str, AttributeValue | None]:
    reason = word(read(body, "stopReason"))
    router = read(read(body, "trace"), "promptRouter")
    return {
        semconv.RESPONSE_FINISH_REASONS: None if reason is None else [reason],
        semconv.RESPONSE_MODEL: word(read(router, "invokedModelId")),
    }


def _usage(body: Any) -> Usage | None:
    usage = read(body, "usage")
    if not isinstance(usage, Mapping):
        return None
    hour = sum(
        count(read(detail, "inputTokens")) or 0
        for detail in items(usage.get("cacheDetails"))
        if read(detail, "ttl") == "1h"
    )
    tier = read(read(body, "serviceTier"), "type")
    told = {**usage, "cacheWriteInputTokens1h": hour} if hour else usage
    return Usage.of("bedrock", told, service_tier=tier)


# --- streams ------------------------------------------------------------------------------------


def look(event: Any) -> tuple[str | None, Meaning]:
    """What an event of a stream is to the answer, as boto3 gives it."""
    block = read(event, "contentBlockDelta")
    if block is None:
        return None, "last" if "metadata" in event else "kept"
    delta = read(block, "delta")
    for holder in (delta, read(delta, "toolUse"), read(delta, "reasoningContent")):
        for name in ("text", "input"):
            if (piece := text(read(holder, name))) is not None:
                return piece, "text"
    return None, "text"


def fold(events: Sequence[Body]) -> dict[str, Any]:
    """Make one answer of a stream's events, or of some of them."""
    body: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    for event in events:
        for name in ("messageStop", "metadata"):
            if isinstance(told := event.get(name), Mapping):
                body |= told
        if event.get("error"):
            body["error"] = event["error"]
        for name in ("contentBlockStart", "contentBlockDelta"):
            if isinstance(block := event.get(name), Mapping):
                _add_block(blocks, block)
    if blocks:
        content = [blocks[index] for index in sorted(blocks)]
        body["output"] = {"message": {"role": "assistant", "content": content}}
    return body


def _add_block(blocks: dict[int, dict[str, Any]], event: Body) -> None:
    block = blocks.setdefault(count(event.get("contentBlockIndex")) or 0, {})
    begun = read(event.get("start"), "toolUse")
    if isinstance(begun, Mapping):
        block["toolUse"] = dict(begun)
    delta = event.get("delta")
    if (piece := text(read(delta, "text"))) is not None:
        block["text"] = block.get("text", "") + piece
    if (piece := text(read(read(delta, "toolUse"), "input"))) is not None:
        tool = block.setdefault("toolUse", {})
        tool["input"] = (text(tool.get("input")) or "") + piece
    if (piece := text(read(read(delta, "reasoningContent"), "text"))) is not None:
        thought = block.setdefault("reasoningContent", {"reasoningText": {"text": ""}})
        thought["reasoningText"]["text"] += piece


# --- content ------------------------------------------------------------------------------------


def _file(modality: str) -> Callable[[Any], Part]:
    def make(block: Any) -> Part:
        kind = text(read(block, "format"))
        return blob(modality, f"{modality}/{kind or '*'}", read(read(block, "source"), "bytes"))

    return make


def _thought(block: Any) -> Part:
    return reasoning_part(read(read(block, "reasoningText"), "text"))


def _tool_use(block: Any) -> Part:
    return tool_call_part(read(block, "toolUseId"), read(block, "name"), read(block, "input"))


def _tool_result(block: Any) -> Part:
    answered = parts(read(block, "content"))
    identity = text(read(block, "toolUseId"))
    return {"type": "tool_call_response", "id": identity, "response": answered}


_PARTS: Final[dict[str, Callable[[Any], Part]]] = {
    "text": text_part,
    "image": _file("image"),
    "document": _file("document"),
    "video": _file("video"),
    "audio": _file("audio"),
    "toolUse": _tool_use,
    "toolResult": _tool_result,
    "reasoningContent": _thought,
    "json": lambda value: {"type": "json", "content": value},
}


def parts(content: Any) -> list[Part]:
    """The parts of a message's content; of a block that is not known, its name."""
    found: list[Part] = []
    for block in items(content):
        for name, value in block.items() if isinstance(block, Mapping) else ():
            make = _PARTS.get(name)
            found.append(make(value) if make is not None else {"type": str(name)})
    return found


def _input(body: Body) -> tuple[Any, Any]:
    messages = [
        message(read(said, "role"), parts(read(said, "content")))
        for said in items(body.get("messages"))
    ]
    return (parts(body.get("system")) or None), messages


def _content(body: Any) -> Any:
    return read(read(read(body, "output"), "message"), "content")


def _tools(body: Any) -> Iterator[ToolRequest]:
    for block in items(_content(body)):
        if (tool := read(block, "toolUse")) is not None:
            yield ToolRequest(word(read(tool, "name")), word(read(tool, "toolUseId")))


CONVERSE: Final = Shape(
    name="bedrock.converse",
    provider="aws.bedrock",
    operation="chat",
    paths=("/converse", "/converse-stream"),
    matches=_matches,
    request=_REQUEST,
    response=_response,
    usage=_usage,
    prompt=("system", "messages", "toolConfig"),
    output=_content,
    marks=Marks(
        text=("text", "input"),
        each=("stopReason", "name"),
        latest=("metadata", "usage"),
        over=("metadata",),
    ),
    fold=fold,
    input=_input,
    messages=lambda body: [message("assistant", parts(_content(body)))],
    tools=_tools,
    model=model_in_path,
    streams=streams_by_path,
    own=False,
)
"""``POST /model/{model}/converse`` and ``…/converse-stream``."""
