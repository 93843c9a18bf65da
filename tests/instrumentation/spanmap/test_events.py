"""Events that the rows of a span map add to a program's spans."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from span_kit import RUN, events, seen

from flowspan import semconv
from flowspan.instrumentation.integration import Call


def test_a_state_that_moves_is_a_transition(program: Any, mapped: Any) -> None:
    integration = mapped(
        RUN
        + """
        [[rows]]
        target = "mapped_program:Node.work"
        [rows.transition]
        watch = "self.status"
        cause = "{action}: {result['why']}"
        id = "{self.key}"

        [[rows]]
        target = "mapped_program:Node.rest"
        transition = { watch = "self.status" }
        """
    )
    node = program.Node("0")

    spans = seen(integration, lambda: (program.run(node), program.run(node), node.rest()))

    moved, unmoved = spans
    assert events(moved) == [
        (
            semconv.EVENT_STATE_TRANSITION,
            {
                semconv.STATE_FROM: "NEW",
                semconv.STATE_TO: "DONE",
                semconv.STATE_CAUSE: "good: low_quality",
                semconv.NODE_ID: "0",
            },
        )
    ]
    assert events(unmoved) == []


def test_a_transition_takes_the_id_of_its_row(program: Any, mapped: Any) -> None:
    integration = mapped(
        """
        [[rows]]
        target = "mapped_program:Node.work"
        kind = "node"
        id = "{self.key}"
        transition = { watch = "self.status" }
        """
    )

    (span,) = seen(integration, lambda: program.Node(7).work("good"))

    assert events(span)[0][1][semconv.NODE_ID] == "7"


def test_a_state_that_comes_or_goes_is_a_transition_too(program: Any, mapped: Any) -> None:
    integration = mapped(
        """
        [[rows]]
        target = "mapped_program:Node.work"
        kind = "node"
        transition = { watch = "self.memory['notes'][0]" }

        [[rows]]
        target = "mapped_program:Node.rest"
        kind = "node"
        transition = { watch = "self.absent" }
        """
    )
    node = program.Node("0")

    came, never = seen(integration, lambda: (node.work("good"), node.rest()))

    assert events(came) == [(semconv.EVENT_STATE_TRANSITION, {semconv.STATE_TO: "good"})]
    assert events(never) == []
    node.memory["notes"].clear()
    went = seen(
        mapped(
            """
            [[rows]]
            target = "mapped_program:run"
            kind = "run"
            transition = { watch = "node.memory['article']" }
            """
        ),
        lambda: program.run(type("Forgetful", (), {"memory": {"article": "x"}, "work": _forget})()),
    )
    assert events(went[0]) == [(semconv.EVENT_STATE_TRANSITION, {semconv.STATE_FROM: "x"})]


def _forget(self: Any, action: str) -> None:
    self.memory.clear()


def test_keys_of_a_state_that_change_are_named(program: Any, mapped: Any) -> None:
    integration = mapped(
        RUN
        + """
        [[rows]]
        target = "mapped_program:Node.work"
        kind = "node"
        state = "self.memory"

        [[rows]]
        target = "mapped_program:Node.rest"
        kind = "node"
        state = "self.absent"
        """
    )
    node = program.Node("0")

    spans = seen(integration, lambda: (program.run(node), node.rest()))

    assert events(spans.of_kind("node")[0]) == [
        (semconv.EVENT_STATE_CHANGED, {semconv.STATE_CHANGED: ("notes",), semconv.STATE_SIZE: 2})
    ]
    assert events(spans.of_kind("node")[1]) == []


def test_events_may_go_to_the_span_around(program: Any, mapped: Any) -> None:
    integration = mapped(
        RUN
        + """
        [[rows]]
        target = "mapped_program:Node.work"
        kind = "node"
        state = { watch = "self.memory", span = "enclosing" }
        transition = { watch = "self.status", span = "enclosing" }
        route = { to = "{action}", span = "enclosing", at = "before" }
        """
    )

    spans = seen(integration, lambda: program.run(program.Node("0")))

    assert [name for name, _ in events(spans.of_kind("run")[0])] == [
        semconv.EVENT_ROUTE_TAKEN,
        semconv.EVENT_STATE_TRANSITION,
        semconv.EVENT_STATE_CHANGED,
    ]
    assert events(spans.of_kind("node")[0]) == []


SHORT = """
[[rows]]
target = "mapped_program:Node.work"

[rows.prompt]
name = "{action}"
version = 2
reason = "attempt {attempt}"
candidates = ["good", "bad"]

[rows.prompt_text]
text = "result['why']"
variables = "{keys(result)}"

[rows.route]
from = "{self.key}"
to = "{result['why']}"
action = "{self.absent}"

[rows.retry]
attempt = "{attempt}"
error = "again"
when = { path = "attempt", above = 1 }
"""


def test_prompts_routes_and_retries_are_events_of_the_contract(program: Any, mapped: Any) -> None:
    spans = seen(mapped(RUN + SHORT), lambda: program.run(program.Node("0")))

    assert events(spans[0]) == [
        (
            semconv.EVENT_PROMPT_SELECTED,
            {
                semconv.PROMPT_NAME: "good",
                semconv.PROMPT_VERSION: 2,
                semconv.PROMPT_REASON: "attempt 1",
                semconv.PROMPT_CANDIDATES: ("good", "bad"),
            },
        ),
        (
            semconv.EVENT_PROMPT_CONSTRUCTED,
            {
                semconv.PROMPT_VARIABLES: ("ok", "why", "tokens"),
                semconv.PROMPT_SHA256: hashlib.sha256(b"low_quality").hexdigest(),
                semconv.PROMPT_LENGTH: 11,
            },
        ),
        (
            semconv.EVENT_ROUTE_TAKEN,
            {semconv.ROUTE_FROM: "0", semconv.ROUTE_TO: "low_quality"},
        ),
    ]


def test_a_retry_is_told_before_the_call(program: Any, mapped: Any) -> None:
    integration = mapped(SHORT.replace("[rows.prompt]", 'kind = "node"\n\n[rows.prompt]', 1))

    (span,) = seen(integration, lambda: program.Node("0").work("good", attempt=3))

    assert events(span)[0] == (
        semconv.EVENT_RETRY,
        {semconv.ATTEMPT: 3, semconv.ERROR_TYPE: "again"},
    )


def test_further_events_happen_before_after_and_at_failure(program: Any, mapped: Any) -> None:
    integration = mapped(
        """
        [[rows]]
        target = "mapped_program:crash"
        kind = "run"
        [[rows.events]]
        name = "began"
        at = "before"
        [[rows.events]]
        name = "ended"

        [[rows]]
        target = "mapped_program:Node.crash"
        state = "self.memory"
        remember = { size = "{len(self.memory['article'])}" }
        [[rows.events]]
        name = "failed"
        at = "failure"
        attributes = { why = "{type(error)}", code = "{error.args[1]}", size = "{before.size}" }
        [[rows.events]]
        name = "failed differently"
        at = "failure"
        when = { path = "type(error)", equals = "KeyError" }
        [[rows.events]]
        name = "failed around"
        at = "failure"
        span = "enclosing"
        """
    )

    def crash() -> None:
        with pytest.raises(ValueError, match="no"):
            program.crash(program.Node("0"))

    (span,) = seen(integration, crash)

    assert events(span)[:3] == [
        ("began", {}),
        (semconv.EVENT_STATE_CHANGED, {semconv.STATE_CHANGED: ("article",), semconv.STATE_SIZE: 2}),
        ("failed", {"why": "ValueError", "code": 7, "size": 0}),
    ]
    assert [name for name, _ in events(span)[3:]] == ["exception"]


def test_what_an_exception_tells_is_kept_though_the_program_swallows_it(
    program: Any, mapped: Any
) -> None:
    integration = mapped(
        """
        [[rows]]
        target = "mapped_program:swallow"
        kind = "run"

        [[rows]]
        target = "mapped_program:Node.crash"
        kind = "node"
        name = "crash"
        transition = { watch = "self.status", span = "enclosing" }
        error_attributes = { code = "{error.args[1]}" }
        """
    )

    spans = seen(integration, lambda: program.swallow(program.Node("0")))

    assert spans.tree("code") == "invoke_workflow agent\n  run_step crash ! code=7"
    assert [name for name, _ in events(spans[0])] == [semconv.EVENT_STATE_TRANSITION]


def test_minimal_detail_shows_runs_and_nodes_without_events(program: Any, mapped: Any) -> None:
    integration = mapped(
        RUN
        + SHORT
        + """
        [[rows]]
        target = "mapped_program:Node.rest"
        kind = "step"
        """
        + """
        [[rows]]
        target = "mapped_program:Node.crash"
        kind = "node"
        name = "crash"
        state = "self.memory"
        transition = { watch = "self.status" }
        [[rows.events]]
        name = "failed"
        at = "failure"
        """
    )
    node = program.Node("0")

    def everything() -> None:
        program.run(node)
        node.rest()
        with pytest.raises(ValueError, match="no"):
            node.crash()

    spans = seen(integration, everything, detail="minimal")

    assert spans.tree(events=True) == "invoke_workflow a run\nrun_step crash !\n  · exception"


def test_a_row_at_work_survives_a_machine_that_took_no_snapshot(mapped: Any) -> None:
    integration = mapped(
        """
        [[rows]]
        target = "p:C.f"
        kind = "node"
        transition = { watch = "self" }
        """
    )
    (patch,) = integration.patches
    assert patch.failure is not None
    assert patch.after is not None

    assert list(patch.after(Call(1, (), {}), 2)) == []
    assert patch.failure(Call(1, (), {}), ValueError()) == {}


def test_a_node_that_comes_again_with_the_same_inputs_is_a_loop(program: Any, mapped: Any) -> None:
    """Its arguments are its inputs, and so is the object that it belongs to."""
    integration = mapped(
        """
        [[rows]]
        target = "mapped_program:run"
        kind = "run"

        [[rows]]
        target = "mapped_program:Node.rest"
        kind = "node"
        """
    )
    node = program.Node("0")
    node.work = lambda action: [node.rest() for _ in range(6)]
    moving = program.Node("1")
    moving.work = lambda action: [
        (moving.rest(), moving.memory["notes"].append("x")) for _ in "123456"
    ]

    resting = seen(integration, lambda: program.run(node))[0]
    working = seen(integration, lambda: program.run(moving))[0]

    ((name, found),) = events(resting)
    assert (name, found[semconv.LOOP_ITERATIONS]) == (semconv.EVENT_LOOP_SUSPECTED, 5)
    assert events(working) == []
