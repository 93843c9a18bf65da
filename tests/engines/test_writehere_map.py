"""WriteHERE by a span map: what the integration says, said in a file that a user could write.

The map is ``examples/maps/writehere.toml``; what of the integration it cannot express is in
``docs/span-maps.md``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from traces import attributes, threaded
from writehere_kit.answers import GOALS, Writer
from writehere_kit.program import MODES, STANDIN, Job, MakeJob, Mode, run, standin

from flowspan import semconv
from flowspan.config import Detail
from flowspan.instrumentation.discovery import built_in
from flowspan.instrumentation.integration import Integration
from flowspan.instrumentation.spanmap.loading import load_map
from flowspan.store.queries import open_store
from flowspan.store.records import SpanRow
from flowspan.testing import FakeProvider

SCRIPTS: Final = Path(sys.executable).parent
MAP: Final = Path(__file__).parents[2] / "examples" / "maps" / "writehere.toml"
BEYOND: Final = frozenset(
    {
        *("engine.mode", "engine.input.filename", "engine.output.filename", "engine.backend"),
        *("engine.llm.model", "engine.step.number", "agent.config.llm", "agent.called"),
        *("plan.raw.summary", "llm.prompt.version", "llm.prompt.version.determined"),
        *("llm.model", "llm.temperature", semconv.CACHE_HIT),
    }
)
"""Attributes that come from callers' variables, from counting, or from serialising."""
DIFFERENT: Final = frozenset(
    {
        semconv.WORKFLOW_NAME,  # the mode is a variable of the engine's caller
        semconv.PROMPT_VERSION,  # the hash of one text instead of two
        *(semconv.RUN_ID, semconv.NODE_ID),  # of this run alone
        *(semconv.RESPONSE_ID, semconv.PROVIDER_REQUEST_ID),  # of one call alone
    }
)


def mapped() -> Integration:
    found, problems = load_map(MAP)
    assert problems == []
    assert found is not None
    return found


def tree(spans: Sequence[Any], parent: Any = None, depth: int = 0) -> list[str]:
    """A line for each span: its depth, name and main attributes; those below it follow."""
    here = {span.context.span_id for span in spans}
    blocks = []
    for span in spans:
        above = span.parent.span_id if span.parent and span.parent.span_id in here else None
        if above == parent:
            main = {
                key: str(value)
                for key, value in sorted(attributes(span).items())
                if key not in BEYOND | DIFFERENT and not key.startswith("flowspan.rollup")
            }
            line = f"{'  ' * depth}{span.name} {main}"
            blocks.append([line, *tree(spans, span.context.span_id, depth + 1)])
    if sum("chat" in block[0] for block in blocks) > 2:  # pages are read in a pool of threads
        blocks.sort()
    return [line for block in blocks for line in block]


def watched(job: Job, detail: Detail, *integrations: Integration) -> list[Any]:
    with standin(), threaded(*integrations, detail=detail) as recording:
        run(job, "imported")
    return list(recording.spans)


@pytest.mark.parametrize("detail", ["minimal", "normal", "full"])
@pytest.mark.parametrize("mode", MODES)
def test_a_map_gives_the_spans_of_the_integration(
    mode: Mode, detail: Detail, job: MakeJob, provider: FakeProvider
) -> None:
    """Names, kinds, nesting and main attributes are the same at every detail, failures included."""
    others = [one for one in built_in() if one.name != "writehere"]
    goals = (GOALS[mode], GOALS["broken"])
    expected = watched(job(mode, *goals), detail, *built_in())
    provider.respond = Writer()

    found = watched(job(mode, *goals), detail, mapped(), *others)

    assert len(expected) > 40
    assert tree(found) == tree(expected)
    assert [span.status.status_code for span in found] == [
        span.status.status_code for span in expected
    ]


@pytest.mark.parametrize("mode", MODES)
def test_a_map_tells_the_transitions_of_each_step(
    mode: Mode, job: MakeJob, provider: FakeProvider
) -> None:
    """All but the first, which the run itself makes between two of its calls."""
    others = [one for one in built_in() if one.name != "writehere"]
    expected = watched(job(mode), "normal", *built_in())
    provider.respond = Writer()

    found = watched(job(mode), "normal", mapped(), *others)

    assert [moves(span) for span in found if span.name == "Engine.Step"] == [
        moves(span) for span in expected if span.name == "Engine.Step"
    ]
    assert sum(len(moves(span)) for span in found) > 10


def moves(span: Any) -> list[tuple[Any, ...]]:
    keys = (semconv.STATE_FROM, semconv.STATE_TO, semconv.STATE_CAUSE)
    return [
        tuple(event.attributes[key] for key in keys)
        for event in span.events
        if event.name == semconv.EVENT_STATE_TRANSITION
    ]


# --- as a process ---------------------------------------------------------------------------------


def recorded(store: Path) -> Counter[tuple[str, str | None, Any, tuple[str, ...]]]:
    """Name, kind and step name of each recorded span, and the names above it."""
    with open_store(store) as opened:
        (one,) = opened.runs()
        spans = {span.span_id: span for span in opened.trace(one.trace_id)}
    return Counter(
        (span.name, span.kind, span.attrs.get(semconv.STEP_NAME), _above(span, spans))
        for span in spans.values()
    )


def _above(span: SpanRow, spans: dict[str, SpanRow]) -> tuple[str, ...]:
    names = []
    while span.parent_id is not None:
        span = spans[span.parent_id]
        names.append(span.name)
    return tuple(names)


def test_a_map_sees_the_script(job: MakeJob, provider: FakeProvider, tmp_path: Path) -> None:
    """``python engine.py`` has the engine's classes in its main module."""
    script = STANDIN / "recursive" / "engine.py"
    map_alone = {
        "FLOWSPAN_MAP": str(MAP),
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "writehere",
    }
    for store, more in (("integration.db", {}), ("map.db", map_alone)):
        one = job("story")
        provider.respond = Writer()
        subprocess.run(
            [SCRIPTS / "opentelemetry-instrument", sys.executable, script, *one.options()],
            cwd=one.folder,
            env={
                **os.environ,
                "PYTHONPATH": str(STANDIN),
                "FLOWSPAN_STORE": str(tmp_path / store),
                **more,
            },
            capture_output=True,
            check=True,
        )

    expected, found = recorded(tmp_path / "integration.db"), recorded(tmp_path / "map.db")

    assert expected.total() > 40
    assert found == expected
