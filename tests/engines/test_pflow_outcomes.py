"""pflow with rules of outcomes: workflows that keep their failures in what they share."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowspan import semconv
from flowspan.instrumentation.engines import pflow as rows
from flowspan.instrumentation.spanmap.loading import load_map
from flowspan.testing import record

pytest.importorskip("pflow.runtime.engine")

from pflow.execution.runner import RunnerConfig, WorkflowRunner

RULES = """
[[outcomes]]
engine = "pflow"
kind = "run"
when = { path = "state['read']['result']", equals = "no text" }
error = "{state['read']['result']}"
"""


@pytest.mark.parametrize(("found", "error"), [("much text", None), ("no text", "no text")])
def test_a_workflow_whose_shared_state_means_failure_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: str, error: str | None
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / "rules.toml"
    file.write_text(RULES)
    rules, problems = load_map(file)
    assert problems == []
    assert rules is not None
    node = {"id": "read", "type": "code", "params": {"code": f"result: str = {found!r}"}}
    workflow = {"ir_version": "0.1.0", "nodes": [node], "edges": []}

    with record(rows.INTEGRATIONS[0], rules) as recording:
        assert WorkflowRunner().run(workflow, {}, RunnerConfig(cache_enabled=False)).success

    (run,) = recording.spans.of_kind("run")
    assert (run.attributes or {}).get(semconv.ERROR_TYPE) == error
    assert all(span.status.is_unset for span in recording.spans.of_kind("node"))
