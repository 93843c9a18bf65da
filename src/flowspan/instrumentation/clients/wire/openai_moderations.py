"""OpenAI moderations, which cost nothing."""

from __future__ import annotations

from typing import Any, Final

from flowspan import semconv
from flowspan.instrumentation.clients.wire.parts import message, parts_of
from flowspan.instrumentation.clients.wire.reading import read, word
from flowspan.instrumentation.clients.wire.shape import Body, Marks, Shape, newest
from flowspan.instrumentation.integration import AttributeValue


def _response(body: Any) -> dict[str, AttributeValue | None]:
    return {
        semconv.RESPONSE_ID: word(read(body, "id")),
        semconv.RESPONSE_MODEL: word(read(body, "model")),
    }


def _input(body: Body) -> tuple[Any, Any]:
    return None, [message("user", parts_of(body.get("input")))]


MODERATIONS: Final = Shape(
    name="openai.moderations",
    provider="openai",
    operation="moderation",
    paths=("/moderations",),
    matches=lambda body: isinstance(body.get("input"), str | list),
    request={},
    response=_response,
    usage=lambda _body: None,
    prompt=("input",),
    output=lambda _body: None,
    marks=Marks(text=()),
    fold=newest,
    input=_input,
    messages=lambda _body: None,
    generates=False,
    billed=False,
)
"""``POST …/moderations``."""
