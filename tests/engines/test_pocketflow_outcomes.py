"""PocketFlow with rules of outcomes: failures that a program keeps in its shared state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pocketflow
import pytest

from flowspan import semconv
from flowspan.instrumentation.engines.pocketflow import INTEGRATION
from flowspan.instrumentation.spanmap.loading import load_map
from flowspan.testing import record

RULES = """
[[outcomes]]
engine = "pocketflow"
name = "Extract"
when = { path = "state['current_stage']", equals = "error" }
error = "{state['error_type']}"

[[outcomes]]
engine = "pocketflow"
name = "Store"
when = { path = "result", equals = "failed" }
"""


class Extract(pocketflow.Node):  # type: ignore[misc]
    def post(self, shared: dict[str, Any], prep_res: Any, exec_res: Any) -> str:
        shared.update(shared.pop("plan"))
        return "default"


class Store(pocketflow.Node):  # type: ignore[misc]
    def post(self, shared: dict[str, Any], prep_res: Any, exec_res: Any) -> str:
        return str(shared.get("action", "done"))


@pytest.mark.parametrize(
    ("plan", "errors"),
    [
        ({"current_stage": "done"}, [None, None]),
        ({"current_stage": "error", "error_type": "no_text"}, ["no_text", None]),
        ({"action": "failed"}, [None, "_OTHER"]),
    ],
)
def test_nodes_that_report_failure_in_their_state_have_failed(
    tmp_path: Path, plan: dict[str, Any], errors: list[str | None]
) -> None:
    """The program goes on as before; the run is no failure because of it."""
    file = tmp_path / "rules.toml"
    file.write_text(RULES)
    rules, problems = load_map(file)
    assert problems == []
    assert rules is not None
    first, last = Extract(), Store()
    first >> last
    with record(INTEGRATION, rules) as recording:
        pocketflow.Flow(start=first).run({"plan": dict(plan)})

    nodes = [
        span
        for name in ("Extract", "Store")
        for span in recording.spans.of_kind("node")
        if (span.attributes or {})[semconv.STEP_NAME] == name
    ]
    assert [(span.attributes or {}).get(semconv.ERROR_TYPE) for span in nodes] == errors
    assert recording.spans.of_kind("run")[0].status.is_unset


@pytest.mark.parametrize(
    ("plan", "error"),
    [({"current_stage": "done"}, None), ({"current_stage": "error", "error_type": "no"}, "no")],
)
def test_a_flow_whose_shared_state_means_failure_has_failed(
    tmp_path: Path, plan: dict[str, Any], error: str | None
) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(RULES.replace('name = "Extract"', 'kind = "run"'))
    rules, problems = load_map(file)
    assert problems == []
    assert rules is not None
    with record(INTEGRATION, rules) as recording:
        pocketflow.Flow(start=Extract()).run({"plan": dict(plan)})

    (run,) = recording.spans.of_kind("run")
    assert (run.attributes or {}).get(semconv.ERROR_TYPE) == error
