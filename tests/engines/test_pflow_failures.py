"""pflow: what is seen of failures, of attempts, and of what answers in their place.

These run where pflow is installed, which is an environment of its own (``make test-engines``).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import pytest
from pflow_kit import (
    SLOW,
    ask,
    asked_provider,  # noqa: F401 - a fixture
    code,
    divide,
    run,
    watched,  # noqa: F401 - a fixture
    workflow,
)
from phases import known

from flowspan import semconv
from flowspan.testing import FakeProvider, Fault, Gate, Recording, Reply

pytestmark = SLOW

ITEMS: Final[dict[str, Any]] = {"items": [1, 0, 2]}
"""Of a batch whose second item fails."""


def test_a_failing_node_fails_its_run(recording: Recording, provider: FakeProvider) -> None:
    """An engine that tells failures in results has spans that fail all the same."""
    result = run(workflow(code("broken", "result: int = 1 // 0"), ask("never")))

    assert not result.success
    root = recording.spans[0]
    assert not root.status.is_unset
    node = recording.spans.one("run_step broken")
    assert known(node)[semconv.ERROR_TYPE]
    assert known(root)[semconv.ERROR_TYPE]
    assert provider.requests == []


def test_a_failure_that_is_handled_is_the_nodes_alone(recording: Recording) -> None:
    result = run(
        workflow(
            code("broken", "result: int = 1 // 0"),
            code("handle", "result: str = 'handled'"),
            edges=(("broken", "handle", "error"),),
        )
    )

    assert result.success
    root, broken, handle = recording.spans
    assert root.status.is_unset
    assert not broken.status.is_unset
    assert handle.status.is_unset
    [route] = [e for e in broken.events if e.name == semconv.EVENT_ROUTE_TAKEN]
    assert known(route)[semconv.ROUTE_ACTION] == "error"


def test_items_that_fail_are_seen_where_the_batch_goes_on(recording: Recording) -> None:
    run(workflow(divide("divide", "${item}", batch={**ITEMS, "error_handling": "continue"})))

    [item] = recording.spans.named("item")
    assert known(item)[semconv.BATCH_INDEX] == 2
    assert not item.status.is_unset
    node = recording.spans.one("run_step divide")
    assert known(node)[semconv.BATCH_SIZE] == 3


def test_attempts_of_a_node_are_told(recording: Recording, provider: FakeProvider) -> None:
    """Each is a call of its own; where all fail, what the node makes of that is a fallback."""
    provider.respond = lambda request: Reply(fault=Fault.http(400))

    result = run(workflow(ask("asks")))

    assert not result.success
    node = recording.spans.one("run_step asks")
    assert not node.status.is_unset
    calls = recording.spans.of_kind("llm")
    assert calls
    assert all(not call.status.is_unset for call in calls)
    assert known(node)[semconv.ATTEMPT] == 1 + sum(
        event.name == semconv.EVENT_RETRY for event in node.events
    )


def test_a_call_that_outlives_its_node_is_still_below_it(
    recording: Recording, provider: FakeProvider
) -> None:
    """The engine gives up waiting, and leaves the thread of the call to itself."""
    gate = Gate()
    provider.reply(Reply("late", gate=gate))

    result = run(workflow(ask("asks", timeout=1)))

    gate.open()
    deadline = time.monotonic() + 60
    while not recording.spans.of_kind("llm") and time.monotonic() < deadline:
        time.sleep(0.01)  # the thread is the engine's, which knows it no more
    assert not result.success
    spans = recording.spans
    node = spans.one("run_step asks")
    assert not node.status.is_unset
    calls = spans.of_kind("llm")
    assert calls
    assert {call.parent.span_id for call in calls if call.parent} == {node.context.span_id}
    assert len(spans.trace_ids()) == len(spans.roots()) == 1


def test_a_workflow_that_is_not_valid_is_a_run_that_failed(recording: Recording) -> None:
    result = run(workflow({"id": "what", "type": "nobody-knows", "params": {}}))

    assert not result.success
    root = recording.spans.one()
    assert not root.status.is_unset


# --- why it failed --------------------------------------------------------------------------------


def errors(recording: Recording) -> dict[str, Any]:
    """What each span that failed says that it failed of."""
    spans = [span for span in recording.spans if not span.status.is_unset]
    return {span.name: known(span)[semconv.ERROR_TYPE] for span in spans}


def test_the_reason_is_told_all_the_way_up(recording: Recording) -> None:
    """The engine calls every failure of a node by one word; what was raised says more."""
    run(workflow(divide("broken", 0)))

    assert errors(recording) == {
        "invoke_workflow inline workflow": "ZeroDivisionError",
        "run_step broken": "ZeroDivisionError",
    }


BROKEN: Final = """\
# Broken

## Steps

### broken

Fails.

- type: code

```python code
result: float = 1 / 0
```
"""


def test_the_reason_is_told_through_workflows_in_workflows(
    recording: Recording, tmp_path: Path
) -> None:
    file = tmp_path / "child.pflow.md"
    file.write_text(BROKEN, "utf-8")

    run(workflow({"id": "nested", "type": "workflow", "params": {"workflow": str(file)}}))

    assert set(errors(recording).values()) == {"ZeroDivisionError"}
    assert len(errors(recording)) == 4


@pytest.mark.parametrize("parallel", [False, True])
def test_an_item_says_why_it_failed(recording: Recording, *, parallel: bool) -> None:
    batch = {**ITEMS, "error_handling": "continue", "parallel": parallel}

    run(workflow(divide("divide", "${item}", batch=batch)))

    assert errors(recording) == {"item": "ZeroDivisionError"}


def test_a_kind_of_failure_that_pflow_knows_is_called_as_it_calls_it(recording: Recording) -> None:
    run(workflow({"id": "broken", "type": "shell", "params": {"command": "exit 3"}}))

    assert errors(recording) == {
        "invoke_workflow inline workflow": "shell_failure",
        "run_step broken": "shell_failure",
    }


def test_a_way_that_leads_nowhere_is_the_failure_of_the_run(recording: Recording) -> None:
    """The node is over, and did well, when the engine finds no way from it."""
    lost = code("lost", "to: str\nresult: int = 1\nnext: str = to")
    lost["params"]["inputs"] = {"to": "nowhere"}

    result = run(
        workflow(lost, code("other", "result: int = 2"), edges=(("lost", "other", "there"),))
    )

    assert not result.success
    assert errors(recording) == {"invoke_workflow inline workflow": "routing_error"}


def test_what_only_words_a_failure_is_no_fallback(recording: Recording) -> None:
    """The engine's nodes make an error of what was raised: nothing has answered in its place."""
    run(workflow(divide("broken", 0)))

    told = [event.name for event in recording.spans.one("run_step broken").events]
    assert semconv.EVENT_FALLBACK not in told


def test_a_run_that_went_round_a_failure_says_so(recording: Recording) -> None:
    """Status of the run, in the engine's own word."""
    batch = {**ITEMS, "error_handling": "continue"}

    result = run(workflow(divide("divide", "${item}", batch=batch)))

    assert result.success
    assert known(recording.spans[0])["pflow.status"] == result.status.value == "degraded"


def test_a_node_that_fails_and_has_no_handler_goes_nowhere(recording: Recording) -> None:
    """The run ends there: no way was chosen."""
    run(workflow(divide("broken", 0), code("never", "result: int = 1")))

    told = [event.name for span in recording.spans for event in span.events]
    assert semconv.EVENT_ROUTE_TAKEN not in told
