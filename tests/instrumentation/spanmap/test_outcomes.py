"""Failures that a map declares for the spans of any engine: results that mean failure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flowspan import semconv
from flowspan.instrumentation.integration import Integration, Judged, Patch
from flowspan.instrumentation.spanmap.loading import load_map
from flowspan.testing import record

Mapped = Callable[[str], Integration]


class Pipeline:
    """Somebody's engine, whose nodes report failure in the state that they return."""

    def run(self, *states: Any) -> None:
        for state in states:
            self.node(state.get("name", "node"), state)

    def node(self, name: str, state: Any) -> Any:
        return self.work(state)

    def work(self, state: Any) -> Any:
        if "raise" in state:
            raise ValueError(state["raise"])
        return state


ENGINE = Integration(
    "pipelines",
    "",
    (
        Patch(target=f"{__name__}:Pipeline.run", kind="run", name="voice"),
        Patch(
            target=f"{__name__}:Pipeline.node",
            kind="node",
            name=lambda call: call.argument("name", 0),
        ),
        Patch(target=f"{__name__}:Pipeline.work", kind="internal"),
    ),
    engine="pipelines",
)

RULE = """
[[outcomes]]
engine = "pipe*"
name = "extract*"
when = { path = "result['current_stage']", equals = "error" }
error = "{result['error_type']}"
"""
BAD = {"name": "extract_facts", "current_stage": "error", "error_type": "no_facts"}


def errors(mapped: Integration, *states: Any, engine: Integration = ENGINE) -> list[Any]:
    """The ``error.type`` of each node."""
    with record(engine, mapped) as recording:
        Pipeline().run(*states)
    return [
        (span.attributes or {}).get(semconv.ERROR_TYPE) for span in recording.spans.of_kind("node")
    ]


def test_a_node_whose_result_means_failure_has_failed(mapped: Mapped) -> None:
    """The spans above stay as they are, and count the error once."""
    with record(ENGINE, mapped(RULE)) as recording:
        Pipeline().run(BAD, {"name": "extract_more", "current_stage": "done"})

    spans = recording.spans
    (run,) = spans.of_kind("run")
    assert spans.tree(semconv.ERROR_TYPE) == (
        "invoke_workflow voice\n"
        "  run_step extract_facts ! error.type='no_facts'\n"
        "    Pipeline.work\n"
        "  run_step extract_more\n"
        "    Pipeline.work"
    )
    assert (run.attributes or {})[semconv.ROLLUP_ERRORS] == 1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("", "no_facts"),
        ('engine = "pipe*"->', "no_facts"),
        ('name = "extract*"->', "no_facts"),
        ('engine = "pipe*"->engine = "langgraph"', None),
        ('name = "extract*"->name = "write"', None),
        ('name = "extract*"->kind = "step"', None),
        ('name = "extract*"->kind = ["step", "node"]', "no_facts"),
        ("error = \"{result['error_type']}\"->", "_OTHER"),
        ('equals = "error"->like = "err*"', "no_facts"),
        ('equals = "error"->not_like = "err*"', None),
        ("result['current_stage']->state['current_stage']", None),
        ("result['current_stage']->result.absent", None),
    ],
)
def test_a_rule_is_about_an_engine_kinds_and_names(
    mapped: Mapped, change: str, expected: str | None
) -> None:
    before, _, after = change.partition("->")

    assert errors(mapped(RULE.replace(before, after) if before else RULE), BAD) == [expected]


def test_the_first_rule_that_holds_decides(mapped: Mapped) -> None:
    rules = RULE + '[[outcomes]]\nwhen = { path = "result", exists = true }\nerror = "any"\n'

    assert errors(mapped(rules), BAD, {"name": "other"}) == ["no_facts", "any"]


def test_what_a_row_says_itself_is_kept(mapped: Mapped) -> None:
    """An exception has its own type, and an engine's own word comes before the user's."""
    own = Patch(
        target=f"{__name__}:Pipeline.node",
        kind="node",
        name="extract",
        outcome=lambda call, result: "its own",
    )
    with record(Integration("pipelines", "", (own,)), mapped(RULE)) as recording:
        Pipeline().run(BAD)
        with pytest.raises(ValueError, match="no"):
            Pipeline().run(BAD | {"raise": "no"})

    found = [(span.attributes or {}).get(semconv.ERROR_TYPE) for span in recording.spans]
    assert found == ["its own", "ValueError"]


def test_an_engine_says_what_its_node_returned_and_worked_on(mapped: Mapped) -> None:
    """Where what is patched returns something else than the node's own function did."""
    row = Patch(
        target=f"{__name__}:Pipeline.node",
        kind="node",
        name="extract",
        judged=lambda call, result: Judged({"current_stage": "error"}, state=call.args[1]),
    )
    rule = RULE.replace("result['error_type']", "state['error_type']")

    assert errors(mapped(rule), BAD, engine=Integration("pipelines", "", (row,))) == ["no_facts"]


def test_a_row_that_knows_its_nodes_state_need_say_no_more(mapped: Mapped) -> None:
    """What the node gives back to the state is the result, and the state is the state."""
    row = Patch(
        target=f"{__name__}:Pipeline.node",
        kind="node",
        name="extract",
        state=lambda call: call.args[1],
        update=lambda call, result: {"current_stage": "error"},
    )
    rule = RULE.replace("result['error_type']", "state['error_type']")

    assert errors(mapped(rule), BAD, engine=Integration("pipelines", "", (row,))) == ["no_facts"]


def test_a_row_that_cannot_say_what_was_returned_has_not_failed(mapped: Mapped) -> None:
    def judged(call: Any, result: Any) -> Judged:
        raise LookupError

    row = Patch(target=f"{__name__}:Pipeline.node", kind="node", name="extract", judged=judged)
    with record(Integration("pipelines", "", (row,)), mapped(RULE), strict=False) as recording:
        Pipeline().run(BAD)

    assert recording.spans.tree() == "run_step extract"


def test_rules_hold_for_rows_of_the_same_map_and_whenever_they_are_declared(
    mapped: Mapped,
) -> None:
    """Also for functions that were patched before."""
    rows = f'[[rows]]\ntarget = "{__name__}:Pipeline.node"\nkind = "node"\nname = "{{name}}"\n'
    both = mapped('engine = "pipes"\n' + rows + RULE)
    with record(ENGINE) as recording:
        Pipeline().run(BAD)
        assert recording.patcher is not None
        recording.patcher.install(mapped('engine = "late"\n' + RULE))
        Pipeline().run(BAD)

    found = [(span.attributes or {}).get(semconv.ERROR_TYPE) for span in recording.spans]
    with record(both) as alone:
        Pipeline().run(BAD)
    assert [one for one in found if one is not None] == ["no_facts"]
    assert alone.spans.tree() == "run_step extract_facts !"


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ('error = "x"', 'line 2, outcomes[0]: a rule of outcomes needs the key "when"'),
        (
            'when = { path = "self.x", exists = true }',
            'outcomes[0].when.path: "self" is not known here: a rule of outcomes looks at result',
        ),
        (
            'when = { path = "result", exists = true }\nerror = "{topic}"',
            'line 4, outcomes[0].error: "topic" is not known here',
        ),
        ('when = { path = "result", exists = true }\nkind = "nod"', 'did you mean "node"?'),
        (
            'when = { path = "result", exists = true }\nkind = ["nod"]',
            "line 4, outcomes[0].kind[0]",
        ),
    ],
)
def test_a_wrong_rule_is_left_out_and_said_with_its_line(
    tmp_path: Path, rule: str, complaint: str
) -> None:
    file = tmp_path / "map.toml"
    file.write_text(f"# rules\n[[outcomes]]\n{rule}\n{RULE}")

    found, (problem,) = load_map(file)

    assert complaint in problem
    assert problem.endswith("(the rule is left out)")
    assert found is not None
    assert len(found.outcomes) == 1
