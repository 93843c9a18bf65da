"""``docs/cli.md`` says what the command line does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8")
RECORDED = {"attributes", "data"}
"""Keys below which stands what the program or a finding says."""


def _keys(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        for key, value in document.items():
            yield key
            if key not in RECORDED:
                yield from _keys(value)
    elif isinstance(document, list):
        for item in document:
            yield from _keys(item)


@pytest.mark.parametrize("verb", ["runs", "show", "doctor"])
def test_every_key_is_documented(cli: Any, store: Any, only: Any, verb: str) -> None:
    """No key is printed that the page does not name."""
    only("http.client")
    place = [] if verb == "doctor" else ["--store", store.path]
    documented = set(re.findall(r"[`.]([a-z_]+)(?=`)", PAGE))

    printed = set(_keys(cli(verb, "--json", *place).json))

    assert printed - documented == set()
