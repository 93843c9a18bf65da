"""The engines' examples: the same with flowspan as without, every call seen, each run connected."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from docs.trees import text
from examples.offline import Played, missing, names, play


def watched_and_not(name: str, folder: Path) -> tuple[Played, Played]:
    """An example as it is, and with flowspan around it."""
    for variable in tuple(os.environ):
        assert not variable.startswith("OTEL_")
    return play(name), play(name, folder / "store.db")


PAGES = Path(__file__).parents[2] / "docs" / "engines"


@pytest.mark.timeout(600)  # programs that import a lot, on a machine that does a lot
@pytest.mark.parametrize("name", names())
def test_the_program_does_the_same_and_is_seen(name: str, tmp_path: Path) -> None:
    """Output and requests are those of the program alone; tokens are what the provider charged.

    Every span is of a run, each run one trace, nothing is said of contexts, and the page of the
    engine shows what was recorded.
    """
    if lacking := missing(name):
        pytest.skip(f"not installed: {', '.join(lacking)}")

    alone, seen = watched_and_not(name, tmp_path)

    assert alone.status == seen.status == 0, seen.errors
    assert alone.output == seen.output
    assert alone.asked == seen.asked
    assert "ontext" not in seen.errors
    spans = [span for run in seen.runs for span in run]
    calls = [span["attributes"] for span in spans if span["kind"] == "llm"]
    total = seen.ledger.total()
    assert len(calls) == len(seen.ledger)
    assert sum(_tokens(calls, "input")) == total.input_tokens
    assert sum(_tokens(calls, "output")) == total.output_tokens
    for run in seen.runs:
        if run[0]["name"].startswith("create_agent"):
            continue  # AutoGen says when agents are made, before any run
        assert [span["kind"] for span in run if span["parent_id"] is None] == ["run"]
        assert len({span["attributes"]["flowspan.run.id"] for span in run}) == 1
    assert tree_of(name) in ("", text(seen.runs)), "run: make docs"


def tree_of(name: str) -> str:
    """The tree of an example on its page; empty where none shows it."""
    pages = "".join(path.read_text("utf-8") for path in sorted(PAGES.glob("*.md")))
    _, _, shown = pages.partition(f"<!-- begin tree of {name}: made by `make docs` -->\n")
    return shown.partition("<!-- end")[0]


def _tokens(calls: list[dict[str, Any]], side: str) -> list[int]:
    return [call.get(f"gen_ai.usage.{side}_tokens", 0) for call in calls]
