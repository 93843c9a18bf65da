"""Estimates of token counts, for what a provider did not say: by bytes, or by a tokenizer.

Whoever uses one marks the usage as ``estimated``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

BYTES_PER_TOKEN: Final = 4
"""UTF-8 bytes per token.

OpenAI's help centre ("What are tokens and how to count them?") gives four characters per token of
English, where a character is one byte.  Counting bytes keeps the estimate sensible for scripts
whose characters take three bytes and about one token each.
"""

MOST_TOKENIZED: Final = 400_000
"""Characters of one text beyond which it is measured by its bytes: tokenizing takes time."""

Tokenizer = Callable[[str], int]
"""How many tokens a text has."""

_tokenizer_of: Callable[[str | None], Tokenizer | None] | None = None


def configure(tokenizer_of: Callable[[str | None], Tokenizer | None] | None = None) -> None:
    """Count with the tokenizer of the model; without arguments, by bytes again.

    Args:
        tokenizer_of: Gives the tokenizer of a model, or ``None`` while there is none.
    """
    global _tokenizer_of  # noqa: PLW0603 - a setting of the process, as the environment that it comes from
    _tokenizer_of = tokenizer_of


def needs_texts() -> bool:
    """Whether an estimate wants the texts themselves, and not only their lengths."""
    return _tokenizer_of is not None


def estimate_texts(model: str | None, texts: Iterable[str]) -> int | None:
    """About how many tokens texts have for a model, by its tokenizer; ``None`` without one."""
    tokenizer = None if _tokenizer_of is None else _tokenizer_of(model)
    if tokenizer is None:
        return None
    return sum(
        tokenizer(text) if len(text) <= MOST_TOKENIZED else estimate_tokens(text) for text in texts
    )


def estimate_tokens(text: str | int) -> int:
    """About how many tokens a text has.

    Args:
        text: The text, or its length in UTF-8 bytes.

    Returns:
        The length divided by :data:`BYTES_PER_TOKEN`, rounded up.
    """
    length = text if isinstance(text, int) else utf8_length(text)
    return max(0, -(-length // BYTES_PER_TOKEN))


def utf8_length(text: str) -> int:
    """Length in UTF-8 bytes; cheap for ASCII, so that it can be asked for each chunk."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
