"""What the events of a span tell."""

from typing import Any

import pytest

from flowspan.report.story import Loop, Prompt, Route, States, Story, tell


def _transition(before: str, after: str, node_id: str | None = None) -> tuple[str, float, Any]:
    attributes = {"flowspan.state.from": before, "flowspan.state.to": after}
    if node_id is not None:
        attributes["flowspan.node.id"] = node_id
    return "flowspan.state.transition", 0, attributes


def test_nothing(trace: Any) -> None:
    """A span without events has no story."""
    trace.span(events=[("Step started", 0, {})])

    assert tell(trace.rows[0]) == Story()


def test_states(trace: Any) -> None:
    """Transitions that follow each other are one path; those of other nodes are paths of theirs."""
    trace.span(
        node_id="n1",
        events=[
            _transition("ready", "doing", "n1"),
            _transition("ready", "skipped", "n2"),
            _transition("doing", "done"),
            _transition("ready", "doing"),
        ],
    )

    assert tell(trace.rows[0]).states == (
        States(node_id=None, path=("ready", "doing", "done")),
        States(node_id="n2", path=("ready", "skipped")),
        States(node_id=None, path=("ready", "doing")),
    )


def test_incomplete_transition(trace: Any) -> None:
    """A transition that does not say from where or to where is told all the same."""
    trace.span(events=[("flowspan.state.transition", 0, {"flowspan.state.to": "done"})])

    assert tell(trace.rows[0]).states == (States(node_id=None, path=("?", "done")),)


def test_prompts(trace: Any) -> None:
    """A prompt that is chosen twice, or named by the call as well, is told once."""
    chosen = {"gen_ai.prompt.name": "plan", "gen_ai.prompt.version": 3}
    trace.span(
        prompt_name="plan",
        prompt_version="3",
        events=[
            ("flowspan.prompt.selected", 0, {**chosen, "flowspan.prompt.reason": "depth > 1"}),
            ("flowspan.prompt.selected", 0, chosen),
            ("flowspan.prompt.selected", 0, {"gen_ai.prompt.name": "other"}),
            ("flowspan.prompt.selected", 0, {}),
        ],
    )

    assert tell(trace.rows[0]).prompts == (
        Prompt(name="plan", version="3", reason="depth > 1"),
        Prompt(name="other"),
    )


def test_prompt_of_the_call_alone(trace: Any) -> None:
    """A call that names its prompt needs no event."""
    trace.llm(prompt_name="plan", prompt_version="3")

    assert tell(trace.rows[0]).prompts == (Prompt(name="plan", version="3"),)


def test_routes(trace: Any) -> None:
    """A route says where to, and by which answer."""
    trace.span(
        events=[
            (
                "flowspan.route.taken",
                0,
                {"flowspan.route.to": "review", "flowspan.route.action": "ok"},
            ),
            ("flowspan.route.taken", 0, {}),
        ]
    )

    assert tell(trace.rows[0]).routes == (Route(to="review", action="ok"), Route(to="end"))


@pytest.mark.parametrize(
    ("columns", "error"),
    [
        ({"status": "ok", "error_type": "Odd"}, None),
        ({"status": "error"}, "failed"),
        ({"status": "error", "error_type": "TimeoutError"}, "TimeoutError"),
        ({"status": "error", "status_message": "too slow"}, "too slow"),
        (
            {"status": "error", "error_type": "TimeoutError", "status_message": "too slow"},
            "TimeoutError: too slow",
        ),
        (
            {"status": "error", "error_type": "Boom", "status_message": "Boom: no"},
            "Boom: no",
        ),
        ({"status": "error", "error_type": "529"}, "status 529"),
        ({"status": "error", "error_type": "529", "status_message": "529"}, "status 529"),
        (
            {
                "status": "error",
                "events": [
                    ("other", 0, {}),
                    ("exception", 0, {"exception.type": "Boom", "exception.message": "no"}),
                ],
            },
            "Boom: no",
        ),
        ({"status": "error", "events": [("exception", 0, {})]}, "failed"),
    ],
)
def test_error(trace: Any, columns: dict[str, Any], error: str | None) -> None:
    """An error is told by its type and its message, from wherever they are."""
    trace.span(**columns)

    assert error == tell(trace.rows[0]).error


def test_loops(trace: Any) -> None:
    """A suspected loop is told by its node, as far as that is known."""
    known = {"gen_ai.step.name": "review", "flowspan.loop.iterations": 5}
    trace.span(events=[("flowspan.loop.suspected", 0, known), ("flowspan.loop.suspected", 0, {})])

    assert tell(trace.rows[0]).loops == (
        Loop(node="review", rounds="5"),
        Loop(node="?", rounds="?"),
    )


@pytest.mark.parametrize(
    ("attributes", "remarks"),
    [
        ({"flowspan.resumed": True}, ("resumed",)),
        ({"flowspan.interruption": "GraphInterrupt"}, ("ended by GraphInterrupt",)),
        ({"flowspan.stream.abandoned": True}, ("stream not read to its end",)),
        ({"flowspan.resumed": False, "flowspan.stream.abandoned": False}, ()),
    ],
)
def test_remarks(trace: Any, attributes: dict[str, Any], remarks: tuple[str, ...]) -> None:
    """What went on from another run, or ended early without an error, says so."""
    trace.span(attrs=attributes)

    assert tell(trace.rows[0]).remarks == remarks
