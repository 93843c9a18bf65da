"""OpenAI images: generated, edited, varied; streamed with the images on the way to the last."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from flowspan.testing.received import ReceivedRequest
from flowspan.testing.wire import openai_common
from flowspan.testing.wire.format import (
    CREATED,
    Answer,
    EventFormat,
    Frame,
    Json,
    WireFormat,
    encode,
)
from flowspan.testing.wire.multipart import parse_form
from flowspan.usage import Usage

_PIXELS = b"\x89PNG\r\n\x1a\n"
_MOST_PARTIAL = 3
_BYTES_PER_TOKEN = 100


def _texts(body: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(prompt := body.get("prompt"), str):
        yield prompt


def _is_dalle(model: str | None) -> bool:
    return (model or "").startswith("dall-e")


def _meter(given: Usage, ruled: Usage, request: ReceivedRequest) -> Usage:
    """What is charged: an image of input is a token for each hundred bytes, all output is images.

    The retired models charge by the image, which no count says.
    """
    if _is_dalle(request.model):
        return replace(ruled, input_tokens=None, output_tokens=None)
    if given.input_tokens is None:
        images = openai_common.file_tokens(request.body.get("image"), _BYTES_PER_TOKEN)
        ruled = replace(
            ruled,
            input_tokens=(ruled.input_tokens or 0) + images,
            input_image_tokens=images or None,
        )
    if ruled.output_image_tokens is None:
        ruled = replace(ruled, output_image_tokens=ruled.output_tokens)
    return ruled


def _usage(answer: Answer) -> Json:
    """Older models do not say what of the output is text."""
    usage = answer.usage
    given, made = usage.input_tokens or 0, usage.output_tokens or 0
    images, drawn = usage.input_image_tokens or 0, usage.output_image_tokens or 0
    told: Json = {
        "input_tokens": given,
        "input_tokens_details": {"text_tokens": given - images, "image_tokens": images},
        "output_tokens": made,
        "total_tokens": given + made,
    }
    if drawn != made:
        told["output_tokens_details"] = {"text_tokens": made - drawn, "image_tokens": drawn}
    return told


def _picture(answer: Answer, index: int) -> str:
    return base64.b64encode(_PIXELS + f"{answer.number}-{index}".encode()).decode()


def _image(answer: Answer, index: int) -> Json:
    if _is_dalle(answer.model) and answer.request.body.get("response_format") != "b64_json":
        return {"url": f"https://images.invalid/{answer.number}/{index}.png?sig=secret"}
    return {"b64_json": _picture(answer, index)}


_LOOK: Json = {
    "background": "opaque",
    "output_format": "png",
    "quality": "low",
    "size": "1024x1024",
}


def _body(answer: Answer) -> Json:
    data = [_image(answer, index) for index in range(len(answer.choices))]
    if _is_dalle(answer.model):
        return {"created": CREATED, "data": data}
    return {"created": CREATED, **_LOOK, "data": data, "usage": _usage(answer)}


def _frame(answer: Answer, what: str, data: Json, *, content: bool) -> Frame:
    edits = answer.request.path.partition("?")[0].endswith("edits")
    kind = f"image_{'edit' if edits else 'generation'}.{what}"
    event = {"type": kind, "created_at": CREATED, **_LOOK, **data}
    return Frame(
        b"event: " + kind.encode() + b"\ndata: " + encode(event) + b"\n\n",
        content,
        not content,
    )


def _frames(answer: Answer) -> Iterator[Frame]:
    wished = answer.request.body.get("partial_images")
    for index in range(min(wished, _MOST_PARTIAL) if isinstance(wished, int) else 0):
        data = {"b64_json": _picture(answer, index), "partial_image_index": index}
        yield _frame(answer, "partial_image", data, content=True)
    last = {"b64_json": _picture(answer, 0), "usage": _usage(answer)}
    yield _frame(answer, "completed", last, content=False)


FORMAT = WireFormat(
    name="openai.images",
    provider="openai",
    operation="generate_content",
    path_endings=("/images/generations", "/images/edits", "/images/variations"),
    texts=_texts,
    body=_body,
    headers=openai_common.headers,
    error=openai_common.error,
    events=EventFormat(frames=_frames, error=openai_common.error_frame),
    model=openai_common.model,
    parse=parse_form,
    meter=_meter,
)
"""``POST …/images/generations``, ``…/images/edits``, ``…/images/variations``."""
