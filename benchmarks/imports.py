"""Which imports a start under flowspan pays for: ``python -m benchmarks --imports``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from benchmarks.sides import FLOWSPAN
from benchmarks.startup import BARE, output, ways

_LINE: Final = re.compile(r"^import time:\s*(\d+) \|\s*(\d+) \| ( *)(\S+)$")


class Import(NamedTuple):
    """One import: microseconds for itself, with what it imports, and its name."""

    own: int
    together: int
    module: str


def _imports(way_name: str) -> Iterator[Import]:
    with ways() as every:
        said = output(every[way_name], "pass", "-X", "importtime").stderr
    for line in said.splitlines():
        if (found := _LINE.match(line)) is not None:
            yield Import(int(found[1]), int(found[2]), found[4])


def more_than_bare() -> list[Import]:
    """What flowspan imports and a bare ``opentelemetry-instrument`` does not, the dearest first."""
    bare = {each.module for each in _imports(BARE)}
    more = [each for each in _imports(FLOWSPAN) if each.module not in bare]
    return sorted(more, key=lambda each: -each.own)
