"""Attribute values that the collector wrote as text, back to what they were.

The contract says what its own attributes are (``docs/telemetry.md``).  Any other one stays text:
nothing tells the number 3 from the text ``3``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from flowspan import semconv
from flowspan.instrumentation.clients.wire.headers import RATE_LIMITS

_REALS: Final = (
    semconv.REQUEST_TEMPERATURE,
    semconv.REQUEST_TOP_P,
    semconv.REQUEST_FREQUENCY_PENALTY,
    semconv.REQUEST_PRESENCE_PENALTY,
    semconv.RESPONSE_TIME_TO_FIRST_CHUNK,
    semconv.COST_USD,
    semconv.COST_REPORTED_USD,
    semconv.USAGE_AUDIO_SECONDS,
    semconv.RETRY_AFTER,
    semconv.ELAPSED_SECONDS,
    semconv.ROLLUP_COST_USD,
)
_INTEGERS: Final = (
    semconv.REQUEST_TOP_K,
    semconv.REQUEST_MAX_TOKENS,
    semconv.REQUEST_SEED,
    semconv.REQUEST_CHOICE_COUNT,
    semconv.EMBEDDINGS_DIMENSION_COUNT,
    semconv.USAGE_INPUT_TOKENS,
    semconv.USAGE_OUTPUT_TOKENS,
    semconv.USAGE_CACHE_READ,
    semconv.USAGE_CACHE_WRITE,
    semconv.USAGE_CACHE_CREATION,
    semconv.USAGE_REASONING,
    semconv.USAGE_AUDIO_INPUT,
    semconv.USAGE_AUDIO_OUTPUT,
    semconv.USAGE_AUDIO_CACHE_READ,
    semconv.USAGE_IMAGE_INPUT,
    semconv.USAGE_IMAGE_OUTPUT,
    semconv.USAGE_IMAGE_CACHE_READ,
    semconv.USAGE_CHARACTERS,
    *(name for name in RATE_LIMITS.values() if not name.endswith(".reset")),
    semconv.SERVER_PORT,
    semconv.HTTP_STATUS_CODE,
    semconv.STEP_INDEX,
    semconv.ATTEMPT,
    semconv.RETRY_COUNT,
    semconv.EVENTS_DROPPED,
    semconv.ROLLUP_LLM_CALLS,
    semconv.ROLLUP_INPUT_TOKENS,
    semconv.ROLLUP_OUTPUT_TOKENS,
    semconv.ROLLUP_ERRORS,
    semconv.ROLLUP_UNPRICED_CALLS,
    semconv.PROMPT_LENGTH,
    semconv.STATE_SIZE,
)
_FLAGS: Final = (
    semconv.REQUEST_STREAM,
    semconv.USAGE_ESTIMATED,
    semconv.RESUMED,
    semconv.STREAM_ABANDONED,
    semconv.REPLAYED,
    semconv.USAGE_ELSEWHERE,
    semconv.CACHE_HIT,
)
_LISTS: Final = (
    semconv.REQUEST_STOP_SEQUENCES,
    semconv.REQUEST_ENCODING_FORMATS,
    semconv.RESPONSE_FINISH_REASONS,
    semconv.PROMPT_CANDIDATES,
    semconv.PROMPT_VARIABLES,
    semconv.STATE_ADDED,
    semconv.STATE_CHANGED,
    semconv.STATE_REMOVED,
)


def _real(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)  # JSON has no form for it: the embedded store keeps a text as well
    return number


def _integer(text: str) -> float:
    try:
        return int(text)
    except ValueError:
        return _real(text)


def _flag(text: str) -> bool:
    return {"true": True, "false": False}[text]


def _list(text: str) -> list[Any]:
    value = json.loads(text)
    if not isinstance(value, list):
        raise TypeError(text)
    return value


_READ: Final[Mapping[str, Callable[[str], Any]]] = {
    **dict.fromkeys(_REALS, _real),
    **dict.fromkeys(_INTEGERS, _integer),
    **dict.fromkeys(_FLAGS, _flag),
    **dict.fromkeys(_LISTS, _list),
}


def restored(attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes with the types that the contract gives them.

    What is not of its type (another program's, or a text that was cut) stays as it is.
    """
    return {key: _restored(key, value) for key, value in attributes.items()}


def _restored(key: str, text: Any) -> Any:
    read = _READ.get(key)
    if read is None:
        return text
    try:
        return read(text)
    except (ValueError, TypeError, KeyError):
        return text
