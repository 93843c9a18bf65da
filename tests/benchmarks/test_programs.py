"""The programs of which the benchmark of engines says what a node costs."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from benchmarks.programs import NODES, PROGRAMS
from flowspan import semconv
from flowspan.instrumentation import discovery
from flowspan.testing import record

SEEN: dict[str, dict[str, int]] = {
    "openai-agents": {"run": 1, "agent": NODES, "tool": NODES - 1},
    "pydantic-ai": {"run": 1, "agent": 1, "tool": NODES},
    "smolagents": {"run": 1, "agent": 1, "step": NODES, "tool": NODES},
    "ag2": {"run": 1, "agent": 1, "tool": NODES},
    "llamaindex": {"run": 1, "node": NODES},
    "haystack": {"run": 1, "node": NODES},
    "dspy": {"run": 1, "node": NODES + 1},
    "autogen": {"run": 1},
    "google-adk": {},
}
"""Spans by kind, without those of the engine's own."""


@pytest.mark.filterwarnings("ignore")  # the engines' own
@pytest.mark.parametrize("engine", PROGRAMS)
def test_as_many_nodes_are_seen_as_are_measured(engine: str) -> None:
    program = PROGRAMS[engine]
    pytest.importorskip(program.module)
    state: dict[str, Any] = {"text": "some"}

    with asyncio.Runner() as runner, record(*discovery.built_in()) as recording:
        run = program.make(runner)
        run(state)
        run(state)

    kinds = Counter(str((span.attributes or {})[semconv.KIND]) for span in recording.spans)
    assert kinds == {kind: 2 * count for kind, count in SEEN[engine].items()}


def test_every_program_is_tested() -> None:
    assert SEEN.keys() == PROGRAMS.keys()
