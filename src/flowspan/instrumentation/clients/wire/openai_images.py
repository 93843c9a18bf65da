"""OpenAI images: generated, edited, varied, and streamed while they come into being."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from flowspan import semconv
from flowspan.instrumentation.clients.wire.openai_chat import asked, several
from flowspan.instrumentation.clients.wire.parts import Part, blob, linked, message, text_part
from flowspan.instrumentation.clients.wire.reading import items, read, text
from flowspan.instrumentation.clients.wire.shape import Body, Marks, Shape
from flowspan.usage import Usage


def _matches(body: Body) -> bool:
    return isinstance(body.get("model"), str) and isinstance(body.get("prompt"), str)


def _fold(events: Sequence[Body]) -> dict[str, Any]:
    """Make one answer of the last image's event; images on the way to it are no answers."""
    body: dict[str, Any] = {}
    for event in events:
        for name in ("usage", "error", "output_format"):
            if event.get(name):
                body[name] = event[name]
        if event.get("usage"):
            body["data"] = [{"b64_json": event.get("b64_json")}]
    return body


def _input(body: Body) -> tuple[Any, Any]:
    parts: list[Part] = [text_part(prompt)] if (prompt := text(body.get("prompt"))) else []
    given = body.get("image")
    images = given if isinstance(given, list) else [] if given is None else [given]
    parts.extend(blob("image", None, data_of(image)) for image in images)
    return None, [message("user", parts)]


def data_of(file: Any) -> Any:
    """The bytes of a file as SDKs take it, where they are there: files are not read."""
    if isinstance(file, tuple) and len(file) > 1:
        file = file[1]
    return file if isinstance(file, bytes) else None


def _messages(body: Any) -> Any:
    kind = text(read(body, "output_format"))
    return [
        message("assistant", [_picture(image, None if kind is None else f"image/{kind}")])
        for image in items(read(body, "data"))
    ]


def _picture(image: Any, mime_type: str | None) -> Part:
    if (address := text(read(image, "url"))) is not None:
        return linked("image", address)
    return blob("image", mime_type, read(image, "b64_json"))


def _usage(body: Any) -> Usage | None:
    usage = read(body, "usage")
    return None if usage is None else Usage.of("openai.images", usage)


IMAGES: Final = Shape(
    name="openai.images",
    provider="openai",
    operation="generate_content",
    paths=("/images/generations", "/images/edits", "/images/variations"),
    matches=_matches,
    request={
        "n": ((semconv.REQUEST_CHOICE_COUNT, several),),
        "stream": ((semconv.REQUEST_STREAM, asked),),
    },
    response=lambda _body: {},
    usage=_usage,
    prompt=("prompt",),
    output=lambda _body: None,
    marks=Marks(
        text=(),
        latest=("usage",),
        over=("image_generation.completed", "image_edit.completed"),
        bulky=True,
    ),
    fold=_fold,
    input=_input,
    messages=_messages,
    output_type="image",
    estimated=False,
)
"""``POST …/images/generations``, ``…/images/edits``, ``…/images/variations``."""
