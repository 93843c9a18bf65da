"""A picture beside the question, in the form in which each API takes one."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, Final

from conformance.vocabulary import QUESTION

ENCODED: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""A picture of one point, in the form in which most APIs take it."""

PICTURE: Final = base64.b64decode(ENCODED)
_KIND: Final = "image/png"
_LINK: Final = {"type": "image_url", "image_url": {"url": f"data:{_KIND};base64,{ENCODED}"}}
_TEXT: Final = {"type": "text", "text": QUESTION}
_SOURCE: Final = {"type": "base64", "media_type": _KIND, "data": ENCODED}


def _said(*parts: Any, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts), **more}]}


_RESPONSES: Final = {
    "input": [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": QUESTION},
                {"type": "input_image", "image_url": _LINK["image_url"]["url"]},  # type: ignore[index]
            ],
        }
    ]
}
_GEMINI: Final = {
    "contents": [
        {
            "role": "user",
            "parts": [{"text": QUESTION}, {"inline_data": {"mime_type": _KIND, "data": ENCODED}}],
        }
    ]
}

_MEMBERS: Final[Mapping[str, dict[str, Any]]] = {
    "openai.chat": _said(_TEXT, _LINK),
    "mistral.chat": _said(_TEXT, _LINK),
    "cohere.chat": _said(_TEXT, _LINK),
    "openai.responses": _RESPONSES,
    "anthropic.messages": _said(_TEXT, {"type": "image", "source": _SOURCE}),
    "bedrock.anthropic": _said(_TEXT, {"type": "image", "source": _SOURCE}),
    "bedrock.converse": _said(
        {"text": QUESTION}, {"image": {"format": "png", "source": {"bytes": PICTURE}}}
    ),
    "bedrock.nova": _said(
        {"text": QUESTION}, {"image": {"format": "png", "source": {"bytes": ENCODED}}}
    ),
    "gemini.generate_content": _GEMINI,
    "ollama.chat": {"messages": [{"role": "user", "content": QUESTION, "images": [ENCODED]}]},
    "ollama.generate": {"images": [ENCODED]},
}
"""By wire format: the members of a request that ask with the picture."""


def shown(form: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """A request that shows the picture too; ``None`` where its format has none."""
    members = _MEMBERS.get(form)
    return None if members is None else {**arguments, **members}


def shows(
    form: str, arguments: Mapping[str, Any], run: Callable[[dict[str, Any]], Any]
) -> Any | None:
    """What ``run`` makes of such a request, where its format has one."""
    members = shown(form, arguments)
    return None if members is None else run(members)
