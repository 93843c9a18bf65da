"""What the words of ``assert_run`` may be given; a test that asks something else asks nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple


class _Word(NamedTuple):
    """Whether a value can be meant, and what is expected where it cannot."""

    fits: Callable[[Any], bool]
    expected: str


def check_words(given: Mapping[str, Any]) -> None:
    """Refuse what cannot be meant; ``None`` asks nothing.

    Raises:
        TypeError: A value is of a kind that its word does not take; the sentence says which.
    """
    for name, value in given.items():
        word = _WORDS.get(name, _AMOUNT)
        if value is not None and not word.fits(value):
            raise TypeError(f"{name}={value!r:.80} cannot be asked: expected {word.expected}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _is_route(value: Any) -> bool:
    return _is_list(value) and all(isinstance(name, str) or name is ... for name in value)


def _are_decisions(value: Any) -> bool:
    return _is_list(value) and all(_is_list(each) and len(each) in _PARTS for each in value)


def _is_amount(value: Any) -> bool:
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return is_number and not math.isnan(value)


_PARTS: Final = (2, 3)
_AMOUNT: Final = _Word(_is_amount, "a number")
_WORDS: Final[Mapping[str, _Word]] = {
    "run": _Word(_is_text, "the id of a run, its workflow, or 'last'"),
    "tree": _Word(_is_text, "a text with a line for each span, as recording.spans.tree() has it"),
    "route": _Word(_is_route, "a list of the names of nodes, or ... for any"),
    "decisions": _Word(_are_decisions, "a list of (from, to) or (from, to, action)"),
    "prompts": _Word(lambda value: isinstance(value, Mapping), "a dict of names and versions"),
    "failed": _Word(lambda value: isinstance(value, bool | str), "True, False or an error.type"),
    "loops": _Word(lambda value: isinstance(value, bool), "True or False"),
}
