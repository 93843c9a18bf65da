"""The roles, names and attributes that the rows of a span map give to a program's calls."""

from __future__ import annotations

from typing import Any

import pytest
from span_kit import RUN, attributes, seen

from flowspan import semconv
from flowspan.instrumentation.integration import Call


def test_a_row_gives_a_call_its_role_name_and_attributes(program: Any, mapped: Any) -> None:
    integration = mapped(
        RUN
        + """
        [[rows]]
        target = "mapped_program:Node.work"
        kind = "node"
        name = "{action}"
        id = "{self.key}"
        attempt = "{attempt}"
        attributes = { "node.status" = "{self.status}", "node.of" = "{type(self)} {self.key}" }
        result_attributes = { "node.status.after" = "{self.status}", "ok" = "{result['ok']}" }
        """
    )

    spans = seen(integration, lambda: program.run(program.Node("0.1")))

    assert spans.tree() == "invoke_workflow a run\n  run_step good"
    found = attributes(spans.of_kind("node")[0])
    assert found[semconv.NODE_ID] == "0.1"
    assert found[semconv.ATTEMPT] == 1
    assert found["node.status"] == "NEW"
    assert found["node.status.after"] == "DONE"
    assert found["node.of"] == "Node 0.1"
    assert found["ok"] is True
    assert attributes(spans.of_kind("run")[0])[semconv.ENGINE] == "agent"


def test_a_span_may_have_a_name_of_its_own(program: Any, mapped: Any) -> None:
    integration = mapped(
        """
        [[rows]]
        target = "mapped_program:run"
        kind = "internal"
        span_name = "Run.{action}"

        [[rows]]
        target = "mapped_program:Node.work"
        kind = "internal"
        label = "the work"
        span_name = "{self.absent}"
        operation = "toil"

        [[rows]]
        target = "mapped_program:Node.rest"
        kind = "internal"
        span_name = "{self.absent}"
        """
    )

    def both() -> None:
        program.run(program.Node("1"))
        program.Node("1").rest()

    spans = seen(integration, both)

    assert spans.tree(semconv.OPERATION_NAME) == (
        "Run.good\n  the work gen_ai.operation.name='toil'\nNode.rest"
    )


def test_the_remembered_is_known_after_the_call(program: Any, mapped: Any) -> None:
    integration = mapped(
        """
        [[rows]]
        target = "mapped_program:Node.work"
        kind = "node"
        remember = { notes = "{len(self.memory['notes'])}" }
        result_attributes = { notes = "{before.notes} to {len(self.memory['notes'])}" }
        """
    )

    (span,) = seen(integration, lambda: program.Node("0").work("good"))

    assert attributes(span)["notes"] == "0 to 1"


def test_a_result_may_mean_failure(program: Any, mapped: Any) -> None:
    integration = mapped(
        """
        [[rows]]
        target = "mapped_program:Node.work"
        kind = "node"
        name = "{action}"

        [[rows.failed]]
        when = { path = "result['absent']", exists = true }

        [[rows.failed]]
        when = [
          { path = "result['ok']", equals = false },
          { path = "attempt", below = 3 },
        ]
        error = "{result['why']}"

        [[rows.failed]]
        when = { path = "attempt", equals = 9 }
        error = "{result['absent']}"
        """
    )
    node = program.Node("0")

    spans = seen(
        integration,
        lambda: (node.work("good"), node.work("bad"), node.work("bad", 5), node.work("good", 9)),
    )

    assert spans.tree(semconv.ERROR_TYPE) == (
        "run_step good\n"
        "run_step bad ! error.type='low_quality'\n"
        "run_step bad\n"
        "run_step good ! error.type='_OTHER'"
    )


def test_a_call_that_does_not_fulfil_the_conditions_is_left_alone(
    program: Any, mapped: Any
) -> None:
    integration = mapped(
        """
        [[rows]]
        target = "mapped_program:Node.work"
        kind = "node"
        name = "{action}"
        when = [{ path = "action", in = ["good", "bad"] }, { path = "attempt", equals = 1 }]
        """
    )
    node = program.Node("0")

    spans = seen(
        integration, lambda: (node.work("good"), node.work("idle"), node.work("good", attempt=2))
    )

    assert spans.tree() == "run_step good"


def test_a_model_call_has_tokens(program: Any, mapped: Any) -> None:
    integration = mapped(
        """
        [[rows]]
        target = "mapped_program:ask"
        kind = "llm"
        name = "{model}"
        attributes = { "gen_ai.provider.name" = "acme" }
        [rows.usage]
        input_tokens = "result['usage']['in']"
        output_tokens = "result['usage']['out']"
        reasoning_tokens = "result['usage']['bad']"
        service_tier = "result['usage']['tier']"
        """
    )
    (patch,) = integration.patches
    call = Call(None, ("m", "p"), {})
    assert patch.usage is not None

    (span,) = seen(integration, lambda: program.ask("m", "p"))
    usage = patch.usage(call, program.ask("m", "p"))

    assert span.name == "chat m"
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.service_tier) == (7, None, "batch")
    assert usage.reasoning_tokens is None
    assert patch.usage(call, {}) is None


def test_an_answer_without_tokens_says_nothing_of_them(program: Any, mapped: Any) -> None:
    integration = mapped(
        """
        [[rows]]
        target = "mapped_program:ask"
        kind = "llm"
        [rows.usage]
        input_tokens = "result.absent"
        """
    )

    (span,) = seen(integration, lambda: program.ask("m", "p"))

    assert semconv.USAGE_INPUT_TOKENS not in attributes(span)


def test_every_subclass_counts_if_the_row_says_so(program: Any, mapped: Any) -> None:
    class Writer(program.Node):  # type: ignore[misc]
        def rest(self) -> None: ...

    integration = mapped(
        """
        [[rows]]
        target = "mapped_program:Node.rest"
        kind = "agent"
        name = "{type(self)}"
        subclasses = true
        """
    )

    assert seen(integration, lambda: Writer("0").rest()).tree() == "invoke_agent Writer"


def test_control_flow_exceptions_are_no_errors_if_the_row_says_so(
    program: Any, mapped: Any
) -> None:
    integration = mapped(
        """
        [[rows]]
        target = "mapped_program:Node.crash"
        kind = "node"
        name = "crash"
        quiet = ["ValueError"]
        """
    )

    def crash() -> None:
        with pytest.raises(ValueError, match="no"):
            program.Node("0").crash()

    assert seen(integration, crash).tree() == "run_step crash"


def test_rows_have_the_detail_of_their_kind_unless_they_say_one(mapped: Any) -> None:
    integration = mapped(
        "".join(
            f'[[rows]]\ntarget = "p:{kind}"\nkind = "{kind}"\n'
            for kind in ("run", "step", "node", "agent", "plan", "tool", "llm", "internal")
        )
        + '[[rows]]\ntarget = "p:none"\n'
        + '[[rows]]\ntarget = "p:full"\nkind = "run"\ndetail = "full"\n'
        + '[[rows]]\ntarget = "p:plain"\nkind = "run"\noptional = true\nscript = true\n'
    )

    found = {patch.path: patch.detail for patch in integration.patches}

    assert {path for path, detail in found.items() if detail == "minimal"} == {
        *("run", "node", "agent", "llm", "plain")
    }
    assert found["full"] == "full"
    plain = integration.patches[-1]
    assert (plain.optional, plain.script, plain.subclasses) == (True, True, False)
    assert plain.request is plain.after is plain.snapshot is plain.failure is None
