"""pflow: runs that stop until a human has answered, and runs that go on with them.

These run where pflow is installed, which is an environment of its own (``make test-engines``).
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Final

from pflow_kit import (
    SLOW,
    asked_provider,  # noqa: F401 - a fixture
    can_resume,
    run,
    watched,  # noqa: F401 - a fixture
)
from phases import known

from flowspan import semconv
from flowspan.testing import Recording

pytestmark = SLOW

GATED: Final = """\
# Gated

## Steps

### tell

Tell it.

- type: code
- approval: required

```python code
result: str = "told"
```
"""


def saved(folder: Path, text: str = GATED) -> str:
    """The file of a workflow: one that is resumed must have one."""
    file = folder / "gated.pflow.md"
    file.write_text(text, "utf-8")
    return str(file)


def answers(*, yes: bool) -> Any:
    """What answers gates in place of a human."""
    gates = importlib.import_module("pflow.core.gate")
    return lambda _request, **_: gates.GateResolution(approved=yes, resolved_via="flag")


def goes_on(file: str, result: Any) -> Any:
    """Go on with a run that stopped, its gates open."""
    resuming = importlib.import_module("pflow.runtime.resume_source")
    answer = {"approve": True} if result.status.value == "paused" else None
    source = resuming.load_resume_source(execution_id=result.trace.execution_id, gate_answer=answer)
    return run(file, source.inputs, resume_source=source, gate_resolver=answers(yes=True))


def test_a_human_who_is_asked_is_no_error(recording: Recording, tmp_path: Path) -> None:
    """A gate pauses the run on purpose: it goes on when somebody has answered."""
    result = run(saved(tmp_path))

    failed = " !" if result.status.value == "failed" else ""  # older ones cannot pause
    root, node = recording.spans
    assert recording.spans.tree() == f"invoke_workflow gated{failed}\n  run_step tell"
    assert known(node)[semconv.INTERRUPTION] == "GateNotInteractiveError"
    if not failed:
        assert known(root)[semconv.INTERRUPTION] == "GateNotInteractiveError"
        assert known(root)["pflow.status"] == "paused"


def test_a_human_who_says_no_is_no_error(recording: Recording, tmp_path: Path) -> None:
    run(saved(tmp_path), gate_resolver=answers(yes=False))

    assert recording.spans.tree() == "invoke_workflow gated\n  run_step tell"
    root, node = recording.spans
    assert known(node)[semconv.INTERRUPTION] == "GateDenied"
    assert semconv.INTERRUPTION not in known(root)  # nobody can go on with it
    assert known(root)["pflow.status"] == "denied"


@can_resume
def test_a_run_that_goes_on_is_linked_to_the_one_that_stopped(
    recording: Recording, tmp_path: Path
) -> None:
    """It is a trace of its own, and has the id by which pflow knows it."""
    file = saved(tmp_path)
    first = run(file)

    second = goes_on(file, first)

    assert second.success
    stopped, went_on = recording.spans.roots()
    assert stopped.links == ()
    assert [link.context.span_id for link in went_on.links] == [stopped.context.span_id]
    assert known(went_on)[semconv.RESUMED] is True
    assert semconv.RESUMED not in known(stopped)
    ids = [known(root)[semconv.CONVERSATION_ID] for root in (stopped, went_on)]
    assert ids == [first.trace.execution_id, second.trace.execution_id]


FLAKY: Final = """\
# Flaky

## Steps

### early

Comes first.

- type: code

```python code
result: int = 1
```

### late

Fails until there is a file, and once more until there is another.

- type: code

```python code
from pathlib import Path

for name in ("one", "two"):
    if not Path("FOLDER", name).exists():
        raise ValueError(name)
result: int = 2
```
"""


@can_resume
def test_each_attempt_is_linked_to_the_one_before(recording: Recording, tmp_path: Path) -> None:
    """Of a chain of them; what an earlier one has done is not done again."""
    file = saved(tmp_path, FLAKY.replace("FOLDER", str(tmp_path)))
    result = run(file)
    for name in ("one", "two"):
        (tmp_path / name).touch()
        result = goes_on(file, result)

    assert result.success
    first, second, third = recording.spans.roots()
    assert [link.context.span_id for link in second.links] == [first.context.span_id]
    assert [link.context.span_id for link in third.links] == [second.context.span_id]
    assert [span.name for span in recording.spans.of_kind("node")] == [
        "run_step early",
        *["run_step late"] * 3,
    ]


def test_a_node_alone_is_run_on_what_an_earlier_run_has_left(
    recording: Recording, tmp_path: Path
) -> None:
    """It does nothing twice, and is a run of one node."""
    (tmp_path / "one").touch()
    (tmp_path / "two").touch()
    file = saved(tmp_path, FLAKY.replace("FOLDER", str(tmp_path)))
    run(file)

    run(file, only="late")

    _, alone = recording.spans.roots()
    nodes = [span for span in recording.spans.of_kind("node") if span.parent == alone.context]
    assert [span.name for span in nodes] == ["run_step late"]
