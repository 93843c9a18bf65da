"""What the headers of an answer tell: the provider's id of the request, and why it was refused.

Only the headers named here are read, and no value of another one is ever recorded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from flowspan import semconv
from flowspan.instrumentation.integration import AttributeValue

Getter = Callable[[str], Any]
_TOO_MANY: Final = 429

REQUEST_IDS: Final = (
    "x-request-id",  # OpenAI, Groq, DeepSeek, Hugging Face
    "request-id",  # Anthropic
    "mistral-correlation-id",
    "x-debug-trace-id",  # Cohere
    "x-amzn-requestid",  # Amazon
    "apim-request-id",  # Azure
)
"""By what name providers tell the id that their support asks for; the first that is there."""

_SUBJECTS: Final = ("requests", "tokens", "input-tokens", "output-tokens")
_MEASURES: Final = ("limit", "remaining", "reset")

RATE_LIMITS: Final[dict[str, str]] = {
    header: f"{semconv.RATE_LIMIT}.{subject.replace('-', '_')}.{measure}"
    for subject in _SUBJECTS
    for measure in _MEASURES
    for header in (
        f"x-ratelimit-{measure}-{subject}",  # OpenAI, Azure, Groq, Together, Fireworks
        f"x-ratelimit-{measure}-{subject}-minute",  # Mistral
        f"anthropic-ratelimit-{subject}-{measure}",
    )
}
"""The attribute of each header about limits: what is allowed, what is left, when it is more again.

OpenAI, "Rate limits in headers"; Anthropic, "Rate limits: response headers".
"""

_WHOLE: Final = re.compile(r"\d{1,15}")
_SECONDS: Final = re.compile(r"\d{1,9}(\.\d{1,6})?")
_MOST_CHARACTERS: Final = 128


def told_by(status: int | None, headers: Any) -> dict[str, AttributeValue | None]:
    """The id of a request, and where there were too many of them, the limits.

    Args:
        status: HTTP status.
        headers: Something with ``get`` that finds names in any case, as HTTP libraries have it.
    """
    if not callable(get := getattr(headers, "get", None)):
        return {}
    found: dict[str, AttributeValue | None] = {
        semconv.PROVIDER_REQUEST_ID: next(
            (value for name in REQUEST_IDS if (value := _text(get(name)))), None
        )
    }
    if status == _TOO_MANY:
        found |= _limits(get)
    return found


def _limits(get: Getter) -> dict[str, AttributeValue | None]:
    found: dict[str, AttributeValue | None] = {}
    for header, attribute in RATE_LIMITS.items():
        if (value := _text(get(header))) is not None:
            found[attribute] = int(value) if _is_count(attribute, value) else value
    found[semconv.RETRY_AFTER] = _seconds(get)
    return found


def _is_count(attribute: str, value: str) -> bool:
    """When a limit ends is told as a time or a duration in the provider's own way."""
    return not attribute.endswith(".reset") and _WHOLE.fullmatch(value) is not None


def _seconds(get: Getter) -> float | None:
    """How long to wait; a date instead of a number is left out."""
    for header, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = _text(get(header))
        if value is not None and _SECONDS.fullmatch(value):
            return float(value) / scale
    return None


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    return value[:_MOST_CHARACTERS] if isinstance(value, str) and value else None
