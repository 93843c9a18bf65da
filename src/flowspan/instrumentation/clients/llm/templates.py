"""Which template a prompt was made of.

A template gives texts, and whoever evaluates it (the command line, a program) builds the prompt
from them.  So the templates evaluated last are remembered, in the context where that happened, and
a prompt has the name of the newest whose own words it contains.
"""

from __future__ import annotations

import string
import weakref
from contextvars import ContextVar
from typing import Any, Final

from flowspan.instrumentation.clients.wire.reading import word

_MOST: Final = 8
_VARIABLE: Final = "$"
_NAME: Final = f"_{string.digits}{string.ascii_letters}"

_evaluated: ContextVar[tuple[weakref.ref[Any], ...]] = ContextVar("flowspan-llm", default=())


def evaluated(template: Any, _args: Any, _kwargs: Any) -> bool:
    """Remember a template that is being evaluated; the call is left alone."""
    newest = weakref.ref(template)
    known = [found for found in _evaluated.get() if found() is not template]
    _evaluated.set((newest, *known[: _MOST - 1]))
    return False


def name_for(prompt: Any) -> str | None:
    """The name of the template that a prompt contains, or ``None``."""
    known = _evaluated.get()
    if not known:
        return None
    said = word(getattr(prompt, "prompt", None)) or ""
    system = word(getattr(prompt, "system", None)) or ""
    for reference in known:
        template = reference()
        if template is not None and _made_of(template, said, system):
            return word(getattr(template, "name", None))
    return None


def _made_of(template: Any, said: str, system: str) -> bool:
    own = [
        (word(getattr(template, "prompt", None)), said),
        (word(getattr(template, "system", None)), system),
    ]
    found = [(words, text) for words, text in own if words and _longest(words)]
    return bool(found) and all(_longest(words) in text for words, text in found)


def _longest(words: str) -> str:
    """The longest piece of a template without a variable."""
    pieces = words.split(_VARIABLE)
    plain = [pieces[0], *(_after_name(piece) for piece in pieces[1:])]
    return max(plain, key=len).strip()


def _after_name(piece: str) -> str:
    if piece.startswith("{"):
        return piece.partition("}")[2]
    return piece.lstrip(_NAME)
