"""Tells spans that a receiver refuses from a receiver that refuses everything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

_Span = TypeVar("_Span")


def refused_ones(
    batch: Sequence[_Span], offer: Callable[[Sequence[_Span]], bool]
) -> list[_Span] | None:
    """The spans of a batch that are refused although others of it are taken.

    A prompt that is too large takes its whole batch along; and a receiver that is away, overloaded
    or not authorized refuses all.  An exporter does not say which, so parts are offered: three
    spans first, and what lies between them only where one of the three was taken.

    Args:
        batch: Refused as a whole.
        offer: Offers some of them; true if they were taken.

    Returns:
        ``None`` where nothing is taken, or there is one span only, which tells nothing: it is the
        receiver's trouble then, and no span's.  All but those that are returned were taken.
    """
    if len(batch) <= 1:
        return None
    tried = sorted({0, len(batch) // 2, len(batch) - 1})
    refused = [index for index in tried if not offer(batch[index : index + 1])]
    if refused == tried:
        return None
    found = [batch[index] for index in refused]
    for before, after in pairwise(tried):
        found += _refused_within(batch[before + 1 : after], offer)
    return found


def _refused_within(
    spans: Sequence[_Span], offer: Callable[[Sequence[_Span]], bool]
) -> Sequence[_Span]:
    if not spans or offer(spans):
        return ()
    if len(spans) == 1:
        return spans
    middle = len(spans) // 2
    return (*_refused_within(spans[:middle], offer), *_refused_within(spans[middle:], offer))
