"""Rows of models that the program made itself: the engine's own call an SDK, which is seen."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any, Final

from flowspan.instrumentation.engines.crewai.places import MODEL
from flowspan.instrumentation.integration import NOTHING, Attributes, Call, Patch
from flowspan.semconv import PROVIDER_NAME, REQUEST_TEMPERATURE
from flowspan.usage import Usage

_BASE: Final = "crewai.llms.base_llm:BaseLLM"
_USAGE: Final = "usage"
_UNSAID: Final = (None, "", "openai")
_SHAPES: Final = ("openai.chat", "openai.responses", "gemini")


def _is_the_programs(model: Any, _args: tuple[Any, ...], _kwargs: Mapping[str, Any]) -> bool:
    """Whether no class of the engine's own sends the request."""
    return not any(
        kind.__module__.startswith("crewai.") and kind.__name__ != "BaseLLM"
        for kind in type(model).__mro__
    )


def _name(call: Call) -> str:
    return str(call.instance.model)


def _request(call: Call) -> Attributes:
    """The engine says "openai" of models of which it knows nothing."""
    provider = getattr(call.instance, "provider", None)
    return {
        PROVIDER_NAME: None if provider in _UNSAID else str(provider),
        REQUEST_TEMPERATURE: getattr(call.instance, "temperature", None),
    }


def _count(call: Call) -> Attributes:
    """A model may have the engine count its tokens, once for each request that it makes."""
    frame, counts = call.frame, call.argument("usage_data", 0)
    if frame is not None and frame.label == MODEL and isinstance(counts, Mapping):
        found = (Usage.of(shape, counts) for shape in _SHAPES)
        usage = next((usage for usage in found if usage is not None), None)
        if usage is not None:
            frame.notes.setdefault(_USAGE, []).append(usage)
    return NOTHING


def _usage(call: Call, _result: Any) -> Usage | None:
    counted: list[Usage] = [] if call.frame is None else call.frame.notes.get(_USAGE, [])
    return reduce(Usage.plus, counted) if counted else None


PATCHES: Final = (
    *(
        Patch(
            target=f"{_BASE}.{method}",
            label=MODEL,
            kind="llm",
            name=_name,
            glance=_is_the_programs,
            request=_request,
            usage=_usage,
            subclasses=True,
            defers=True,
            optional=method == "acall",
        )
        for method in ("call", "acall")
    ),
    Patch(target=f"{_BASE}._track_token_usage_internal", label="counted", request=_count),
)
