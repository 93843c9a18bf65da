"""The page about span maps says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flowspan.instrumentation.spanmap.loading import load_map
from flowspan.instrumentation.spanmap.paths import FUNCTIONS, ROOTS
from flowspan.instrumentation.spanmap.schema import schema
from flowspan.instrumentation.spanmap.values import TESTS

PAGE = (Path(__file__).parents[3] / "docs" / "span-maps.md").read_text("utf-8")
MAPS = re.findall(r"^```toml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("text", MAPS, ids=range(len(MAPS)))
def test_every_map_on_the_page_is_in_order(tmp_path: Path, text: str) -> None:
    file = tmp_path / "agent.toml"
    file.write_text(text, encoding="utf-8")

    found, problems = load_map(file)

    assert problems == []
    assert found is not None


def test_every_key_of_a_row_is_on_the_page() -> None:
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", PAGE, re.MULTILINE)
    named = {key for row in rows for key in re.findall(r"\w+", row)}

    assert schema()["$defs"]["row"]["properties"].keys() <= named


def test_every_test_function_and_root_is_on_the_page() -> None:
    assert all(f"`{test}`" in PAGE for test in TESTS)
    assert all(f"`{function}(path)`" in PAGE for function in FUNCTIONS)
    assert all(re.search(rf"^\|.*`{root}\b", PAGE, re.MULTILINE) for root in ROOTS)
