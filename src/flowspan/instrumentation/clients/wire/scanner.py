"""Finds in the bytes of an event what matters about it, in one pass and without parsing it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Literal, NamedTuple

from flowspan.estimates import utf8_length
from flowspan.instrumentation.clients.wire.shape import Marks

Role = Literal["text", "each", "latest", "error", "flag"]


class Scanner(NamedTuple):
    """The marks of one format.

    Attributes:
        search: Finds the first member, from an index on, that may be a mark: name, colon and
            the first byte of its value.  Where the match ends, the text of a string begins.
        roles: What a match means; what is not in it means nothing.
        over: What the types of events that end a stream look like.
    """

    search: Callable[..., re.Match[bytes] | None]
    roles: dict[bytes, Role]
    over: tuple[bytes, ...]

    def role(self, found: re.Match[bytes]) -> Role | None:
        """What a match means."""
        return self.roles.get(found[0]) or self.roles.get(found[0].replace(b" ", b""))


@lru_cache(maxsize=64)
def scanner(marks: Marks) -> Scanner:
    """The scanner of a format's marks.

    A quotation mark inside a JSON string has a backslash before it, so that what a model writes is
    never taken for a mark.
    """
    roles: dict[bytes, Role] = {b'"error":{': "error", b'"error":"': "error"}
    roles |= {b'"%b":"' % name.encode(): "text" for name in marks.text}
    roles |= {b'"%b":"' % name.encode(): "each" for name in marks.each}
    roles |= {b'"%b":{' % name.encode(): "latest" for name in marks.latest}
    roles |= {b'"%b":t' % name.encode(): "flag" for name in marks.flags}
    names = sorted({re.escape(mark[1:-3]) for mark in roles})
    # One alternation of plain names: groups would make the search three times as slow.
    values = b'["{t]' if marks.flags else b'["{]'
    pattern = re.compile(rb'"(?:%b)": *%b' % (b"|".join(names), values))
    over = tuple(b'"%b"' % name.encode() for name in ("error", *marks.over))
    return Scanner(pattern.search, roles, over)


def size_of_text(data: bytes, start: int) -> int:
    """Length in UTF-8 bytes of the text of the JSON string that begins at ``start``."""
    line = data.find(b"\n", start)  # no string goes on behind its line
    if line < 0:
        line = len(data)
    end = data.find(b'"', start, line)
    if data.find(b"\\", start, end) < 0 <= end:
        return end - start
    while end > 0 and _is_escaped(data, start, end):
        end = data.find(b'"', end + 1, line)
    written = data[start:end] if end > 0 else data[start:line].rstrip()
    if b"\\u" not in written:  # what else is escaped takes two bytes and is one
        return len(written) - written.count(b"\\") + written.count(b"\\\\")
    try:
        return utf8_length(json.loads(b'"%b"' % written))
    except ValueError:
        return len(written)


def _is_escaped(data: bytes, start: int, at: int) -> bool:
    before = data[start:at]
    return (len(before) - len(before.rstrip(b"\\"))) % 2 == 1
