"""What may be recorded of prompts and answers: off, hash, redacted or full.

Secrets are taken out of every text that is recorded, exception messages included, whatever the
setting.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Final

from flowspan import semconv

if TYPE_CHECKING:
    from flowspan.config import ContentMode
    from flowspan.instrumentation.integration import Content

MOST_CHARACTERS: Final = 65_536
"""Longest text recorded for one attribute."""

_MARK: Final = "[redacted]"
_SECRETS: Final = re.compile(
    r"""
    \b(?:sk|pk|rk|xai|gsk|hf|ghp|gho|ghs|glpat|xox[abprs])[-_][A-Za-z0-9_\-]{16,}  # keys by prefix
    | \bAIza[0-9A-Za-z_\-]{30,}                                         # Google
    | \b(?:AKIA|ASIA)[0-9A-Z]{16}\b                                     # AWS
    | \beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}   # JSON web tokens
    | -----BEGIN[ A-Z]*PRIVATE\ KEY-----[\s\S]*?-----END[ A-Z]*PRIVATE\ KEY-----
    | (?<=://)[^/\s:@]+:[^/\s@]+(?=@)                                   # user:password in an URL
    """,
    re.VERBOSE,
)
_NAMED_SECRETS: Final = re.compile(
    r"(?i)\b((?:api[_-]?key|authorization|secret|password|passwd|access[_-]?token|bearer)"
    r"\b\\*[\"']?\s*(?:[:=]|\s)\s*\\*[\"']?(?:bearer\s+)?)([A-Za-z0-9_\-./+=]{8,})"
)
_PERSONAL: Final = re.compile(
    r"[\w.+-]+@[\w-]+\.[\w.-]+"  # mail addresses
    r"|(?<!\d)(?:\d[ -]?){13,19}(?!\d)"  # card numbers
    r"|(?<!\w)\+\d[\d ()-]{7,}\d"  # telephone numbers
)


def without_secrets(text: str) -> str:
    """The text with keys, tokens and passwords replaced by ``[redacted]``."""
    return _NAMED_SECRETS.sub(rf"\1{_MARK}", _SECRETS.sub(_MARK, text))


def redacted(text: str) -> str:
    """The text without secrets and without what identifies persons by its form."""
    return _PERSONAL.sub(_MARK, without_secrets(text))


def bounded(text: str, most: int = MOST_CHARACTERS) -> str:
    """The text, cut with a mark that says how much is missing."""
    if len(text) <= most:
        return text
    return f"{text[:most]}… [{len(text) - most} characters more]"


def attributes(content: Content, mode: ContentMode) -> dict[str, Any]:
    """Attributes for messages under a policy.

    Args:
        content: Messages in the conventions' format.
        mode: The policy.

    Returns:
        JSON strings (``redacted``, ``full``), hashes (``hash``), or nothing (``off``).
    """
    if mode == "off":
        return {}
    parts = (
        (semconv.INPUT_MESSAGES, content.input),
        (semconv.OUTPUT_MESSAGES, content.output),
        (semconv.SYSTEM_INSTRUCTIONS, content.system),
    )
    return dict(_recorded(key, value, mode) for key, value in parts if value)


def _recorded(key: str, value: Any, mode: ContentMode) -> tuple[str, str]:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
    if mode == "hash":
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return f"{semconv.CONTENT_SHA256}.{key.removeprefix('gen_ai.')}", digest
    clean = redacted(text) if mode == "redacted" else without_secrets(text)
    return key, bounded(clean)
