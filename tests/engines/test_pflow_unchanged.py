"""pflow under watch: it does what it did, in however many threads, and keeps nothing.

These run where pflow is installed, which is an environment of its own (``make test-engines``).
"""

from __future__ import annotations

import gc
import json
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pflow_kit import (
    ALL,
    EXAMPLE,
    SLOW,
    TODAY,
    asked_provider,  # noqa: F401 - a fixture
    assert_charged,
    code,
    run,
    watched,  # noqa: F401 - a fixture
    workflow,
)

from flowspan.instrumentation.integration import Patch
from flowspan.testing import FakeProvider, Recording, record

pytestmark = SLOW


def _debugged(home: Path) -> list[Any]:
    """The traces of pflow's own, without what is different in each run."""
    found = []
    for file in sorted((home / ".pflow" / "debug").glob("*.json*")):
        for line in file.read_text("utf-8").splitlines():
            event = json.loads(line)
            if isinstance(event, dict):
                found.append((event.get("type") or event.get("event"), event.get("node_id")))
    return found


def test_its_own_trace_and_callbacks_are_left_alone(
    provider: FakeProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same lines in ``~/.pflow/debug``, the same calls of the callback, the same results."""

    def told(home: str, *, seen: bool) -> Any:
        (tmp_path / home).mkdir()
        monkeypatch.setenv("HOME", str(tmp_path / home))
        calls: list[Any] = []

        def callback(*args: Any, **_: Any) -> None:
            calls.append(args[:2])

        if seen:
            with record(*ALL):
                result = run(str(EXAMPLE), progress_callback=callback)
        else:
            result = run(str(EXAMPLE), progress_callback=callback)
        outputs = {key: value for key, value in result.shared_after.items() if key[0] != "_"}
        return result.status, sorted(outputs), sorted(calls, key=str), _debugged(tmp_path / home)

    expected = told("plain", seen=False)
    found = told("watched", seen=True)

    assert expected[3]
    assert found == expected


def test_runs_at_once_are_traces_of_their_own(recording: Recording, provider: FakeProvider) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: run(str(EXAMPLE)), range(8)))

    assert all(result.success for result in results)
    assert len(recording.spans.trace_ids()) == len(recording.spans.roots()) == 8
    assert_charged(recording, provider)


def test_nothing_is_kept_of_a_run_that_is_over(recording: Recording) -> None:
    result = run(workflow(code("one", "result: int = 1")))
    dropped = weakref.ref(result)

    del result
    gc.collect()

    assert dropped() is None


def _elsewhere(row: Patch) -> Patch:
    return replace(row, target=f"{row.target}_of_another", names=(), moved=())


@pytest.mark.parametrize("missing", sorted({row.target for row in TODAY.patches}))
def test_a_version_without_one_of_its_functions_costs_no_more_than_its_rows(
    missing: str, provider: FakeProvider
) -> None:
    lacking = tuple(_elsewhere(row) if row.target == missing else row for row in TODAY.patches)

    with record(replace(TODAY, patches=lacking)) as recording:
        result = run(workflow(code("one", "result: int = 1"), code("two", "result: int = 2")))

    assert result.success
    lost = {row.target for row in recording.statuses() if row.state == "missing"}
    assert lost == {f"{missing}_of_another"}
    assert len(recording.spans) > 0
