"""Rows that watch a state: the machine tells what each call changed in it."""

from __future__ import annotations

import contextlib
from types import ModuleType
from typing import Any

import pytest

from flowspan import semconv
from flowspan.instrumentation.integration import Integration, Patch
from flowspan.testing import record

STATE = {"count": 1, "notes": ["a"]}


def rows(**slots: Any) -> Integration:
    run = Patch(target="toyengine:Engine.run", kind="run", name="toy")
    return Integration(
        "toy", "", (run, Patch(target="toyengine:Engine.node", kind="node", name="node", **slots))
    )


def changes(span: Any) -> list[dict[str, Any]]:
    return [
        {key.removeprefix("flowspan.state."): value for key, value in event.attributes.items()}
        for event in span.events
        if event.name == semconv.EVENT_STATE_CHANGED
    ]


def node(toy: ModuleType, action: Any, detail: Any = "normal", **slots: Any) -> Any:
    with record(rows(**slots), detail=detail) as recording, contextlib.suppress(LookupError):
        toy.Engine().run(1, action)
    return recording.spans.named("run_step node")[0]


def test_what_a_call_changed_in_the_state_is_an_event_of_its_span(toy: ModuleType) -> None:
    state: dict[str, Any] = {"count": 1, "notes": [], "old": 0}

    def act(_: int) -> None:
        state.update(count=2, new="x")
        state["notes"].append("a")
        del state["old"]

    span = node(toy, act, state=lambda call: state)

    assert changes(span) == [
        {"added": ("new",), "changed": ("count", "notes"), "removed": ("old",), "size": 3}
    ]


def test_a_state_that_did_not_change_is_not_mentioned(toy: ModuleType) -> None:
    assert changes(node(toy, lambda _: None, state=lambda call: dict(STATE))) == []


def test_a_call_that_raises_has_changed_what_it_has_changed(toy: ModuleType) -> None:
    state = dict(STATE)

    def act(_: int) -> None:
        state["count"] = 2
        raise LookupError

    assert changes(node(toy, act, state=lambda call: state)) == [{"changed": ("count",), "size": 2}]


def test_a_node_that_returns_its_changes_is_compared_with_the_state_it_was_given(
    toy: ModuleType,
) -> None:
    span = node(
        toy,
        lambda _: {"count": 1, "notes": ["b", "c"], "new": True},
        state=lambda call: STATE,
        update=lambda call, result: result,
    )

    assert changes(span) == [{"added": ("new",), "changed": ("notes",), "size": 3}]


@pytest.mark.parametrize("returned", [None, {}, {"count": 1}])
def test_a_node_that_returns_nothing_new_has_changed_nothing(
    toy: ModuleType, returned: Any
) -> None:
    span = node(
        toy, lambda _: returned, state=lambda call: STATE, update=lambda call, result: result
    )

    assert changes(span) == []


def test_an_update_alone_names_its_keys(toy: ModuleType) -> None:
    span = node(toy, lambda _: {"count": 1}, update=lambda call, result: result)

    assert changes(span) == [{"added": ("count",), "size": 1}]


def test_an_update_is_lost_where_the_node_raises(toy: ModuleType) -> None:
    def act(_: int) -> None:
        raise LookupError

    span = node(toy, act, state=lambda call: STATE, update=lambda call, result: result)

    assert changes(span) == []


def test_a_state_that_appears_during_the_call_was_added(toy: ModuleType) -> None:
    """An engine may make its state in the first node."""
    holder: dict[str, Any] = {}

    span = node(
        toy, lambda _: holder.update(state={"a": 1}), state=lambda call: holder.get("state")
    )

    assert changes(span) == [{"added": ("a",), "size": 1}]


def test_at_minimal_detail_no_state_is_looked_at(toy: ModuleType) -> None:
    asked: list[Any] = []

    node(toy, lambda _: None, "minimal", state=asked.append)

    assert asked == []


def test_a_row_without_a_span_tells_the_span_around_it(toy: ModuleType) -> None:
    state: dict[str, int] = {}
    run = Patch(target="toyengine:Engine.run", kind="run", name="toy")
    aside = Patch(target="toyengine:Engine.node", state=lambda call: state)

    def act(index: int) -> None:
        state[str(index)] = 1
        if index:
            raise LookupError

    with record(Integration("toy", "", (run, aside))) as recording, pytest.raises(LookupError):
        toy.Engine().run(2, act)

    assert changes(recording.spans.one()) == [
        {"added": ("0",), "size": 1},
        {"added": ("1",), "size": 2},
    ]


def test_what_is_watched_is_not_kept(toy: ModuleType) -> None:
    """A thread of a pool may keep the frame of a node that is long over."""
    frames: list[Any] = []

    def state(call: Any) -> Any:
        frames.append(call.frame)
        return STATE

    node(toy, lambda _: None, state=state)

    assert frames[0].looked is None
