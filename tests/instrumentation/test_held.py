"""Functions that objects hold: seen where the library calls them, and untouched for all others."""

from __future__ import annotations

import copy
import inspect
import pickle
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import pytest

from flowspan import semconv
from flowspan.instrumentation.integration import Integration, Patch
from flowspan.testing import Recording, record


@dataclass
class Tool:
    """A tool, as a library would define it."""

    name: str
    implementation: Callable[..., Any] | None = None


def run(tool: Tool, **arguments: Any) -> Any:
    """Runs a tool, as the library's own function does."""
    assert tool.implementation is not None
    return tool.implementation(**arguments)


def add(left: int, right: int) -> int:
    return left + right


HERE = __name__
ROWS = Integration(
    "tools",
    "",
    (
        Patch(
            target=f"{HERE}:Tool.implementation",
            role="held",
            within=("run",),
            kind="tool",
            name=lambda call: call.instance.name,
            request=lambda call: {"arguments": sorted(call.kwargs)},
        ),
    ),
)


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules.get(HERE) or types.ModuleType(HERE)
    vars(module).update(Tool=Tool, run=run, add=add)
    monkeypatch.setitem(sys.modules, HERE, module)


@pytest.fixture
def recording() -> Iterator[Recording]:
    with record(ROWS) as recording:
        yield recording


def test_a_call_by_the_library_is_seen(recording: Recording) -> None:
    """With the object that holds the function as its instance."""
    assert run(Tool("sum", add), left=1, right=2) == 3

    span = recording.spans.one()
    assert span.name == "execute_tool sum"
    assert (span.attributes or {})["arguments"] == ("left", "right")


def test_an_exception_is_seen_and_passes(recording: Recording) -> None:
    """Before the library makes something else of it."""
    with pytest.raises(TypeError):
        run(Tool("sum", add), left=1)

    assert (recording.spans.one().attributes or {})[semconv.ERROR_TYPE] == "TypeError"


def test_everybody_else_gets_what_was_put_there(recording: Recording) -> None:
    """Identity, equality, copies, pickles, fields and signatures are those of the object."""
    tool = Tool("sum", add)

    assert tool.implementation is add
    assert vars(tool) == {"name": "sum", "implementation": add}
    assert replace(tool, name="other").implementation is add
    assert copy.copy(tool) == tool
    assert pickle.loads(pickle.dumps(tool)) == tool
    assert repr(tool) == f"Tool(name='sum', implementation={add!r})"
    assert Tool("nothing").implementation is None
    assert Tool.implementation is None
    assert [field.name for field in fields(Tool)] == ["name", "implementation"]
    tool.implementation = None
    assert tool.implementation is None
    del tool.implementation
    assert tool.implementation is None
    assert recording.spans.tree() == ""


def test_what_the_library_gets_can_be_inspected(recording: Recording) -> None:
    """Coroutine functions are still told from others."""
    kinds: list[bool] = []

    async def wait() -> None: ...

    namespace: dict[str, Any] = {"__name__": HERE, "kinds": kinds, "inspect": inspect}
    source = "def run(tool): kinds.append(inspect.iscoroutinefunction(tool.implementation))"
    exec(source, namespace)  # noqa: S102 - a function of the library's module
    namespace["run"](Tool("wait", wait))
    namespace["run"](Tool("sum", add))

    assert kinds == [True, False]


def test_it_is_taken_back() -> None:
    """The class is as it was, and what somebody else put there since stays."""
    before = vars(Tool)["implementation"]
    with record(ROWS):
        assert vars(Tool)["implementation"] is not before
    assert vars(Tool)["implementation"] is before

    with record(ROWS):
        Tool.implementation = add
    assert vars(Tool)["implementation"] is add
    Tool.implementation = None


def test_a_class_without_such_an_attribute_loses_one_row() -> None:
    """And the status says so."""
    row = Patch(target=f"{HERE}:Tool.nothing", role="held", within=("run",), kind="tool")
    with record(Integration("tools", "", (row,))) as recording:
        (status,) = recording.statuses()

    assert status.state == "missing"
