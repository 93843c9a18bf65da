"""The tutorial's engine: the same with its map as without, and the page says what is recorded."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from flowspan.mapping.drafting import draft
from flowspan.store.queries import open_store
from flowspan.store.records import SpanRow
from flowspan.testing import FakeProvider

ROOT: Final = Path(__file__).parents[2]
EXAMPLES: Final = ROOT / "examples"
PAGE: Final = (ROOT / "docs" / "in-house-engines.md").read_text("utf-8")
MAP: Final = EXAMPLES / "inhouse_engine" / "flowspan.toml"


class Outcome(NamedTuple):
    """What a program printed and asked, what was charged, and what was recorded of it."""

    output: str
    asked: list[str]
    tokens: tuple[int | None, int | None]
    runs: list[list[SpanRow]]


@pytest.fixture(name="respond")
def _respond(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module("inhouse_engine.answers").respond


def play(respond: Any, store: Path | None = None) -> Outcome:
    """Run the example, under its map if there is a store."""
    watched = ("-m", "flowspan", "run", "--map", str(MAP), sys.executable)
    with FakeProvider(respond=respond) as provider:
        done = subprocess.run(
            [sys.executable, *(watched if store else ()), "-m", "inhouse_engine"],
            cwd=EXAMPLES,
            env={**os.environ, **provider.environment, "FLOWSPAN_STORE": str(store or "off")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        asked = [json.dumps(request.body, sort_keys=True) for request in provider.requests]
        charged = provider.ledger.total()
    runs: list[list[SpanRow]] = []
    if store is not None:
        with open_store(store) as opened:
            runs = [opened.trace(run.trace_id) for run in reversed(opened.runs())]
    return Outcome(done.stdout, asked, (charged.input_tokens, charged.output_tokens), runs)


def lines(spans: list[SpanRow]) -> Iterator[str]:
    """The spans of a run as the page shows them."""
    here = {span.span_id: span for span in spans}
    for span in spans:
        depth, above = 0, span.parent_id
        while above in here:
            depth, above = depth + 1, here[above].parent_id
        failed = f" ! {span.error_type}" if span.error_type else ""
        told = ", ".join(_told(span)) if span.kind == "node" else ""
        yield f"{'  ' * depth}{span.name}{failed}{': ' * bool(told)}{told}\n"


def _told(span: SpanRow) -> list[str]:
    found = {event.name.removeprefix("flowspan."): event.attrs for event in span.events}
    told = []
    if prompt := found.get("prompt.selected"):
        told.append(f"prompt {prompt['gen_ai.prompt.name']} {prompt['gen_ai.prompt.version']}")
    if move := found.get("state.transition"):
        told.append(f"{move['flowspan.state.from']} → {move['flowspan.state.to']}")
    if change := found.get("state.changed"):
        told += change.get("flowspan.state.added", ())
        told += change.get("flowspan.state.changed", ())
    return told


def test_the_program_does_the_same_with_its_map_and_the_page_shows_its_runs(
    respond: Any, tmp_path: Path
) -> None:
    """Same output, same requests; tokens are the provider's; routes are on the run."""
    alone, seen = play(respond), play(respond, tmp_path / "store.db")

    documented = PAGE.rpartition("```text\n")[2].partition("```")[0]
    assert (seen.output, seen.asked) == (alone.output, alone.asked)
    assert "".join(line for run in seen.runs for line in lines(run)) == documented
    calls = [span for run in seen.runs for span in run if span.kind == "llm"]
    assert len(calls) == len(seen.asked)
    assert sum(call.input_tokens or 0 for call in calls) == seen.tokens[0]
    assert sum(call.output_tokens or 0 for call in calls) == seen.tokens[1]
    routes = [
        (event.attrs["flowspan.route.action"], event.attrs["flowspan.route.to"])
        for event in seen.runs[1][0].events
        if event.name == "flowspan.route.taken"
    ]
    assert routes == [("unknown", "give up"), ("failed", "end")]
    assert [run[0].attrs["helpdesk.ticket"] for run in seen.runs] == ["T-1", "T-2"]


def test_the_draft_on_the_page_is_the_one_that_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES)
    shown = PAGE.partition("```toml\n")[2].partition("```")[0]

    assert shown in draft(["inhouse_engine"])


def test_the_last_minutes_of_the_page_are_the_finished_map() -> None:
    finished = MAP.read_text("utf-8")
    blocks = [block.partition("```")[0] for block in PAGE.split("```toml\n")[2:]]

    parts = [part for block in blocks for part in block.split("\n\n")]
    assert len(parts) == 5
    assert [part for part in parts if part.strip() not in finished] == []
