"""``assert_run``: what holds passes in silence, and what does not is told with what differs."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

import flowspan
from flowspan.errors import ConfigurationError
from flowspan.store.exporter import StoreSpanExporter
from flowspan.testing import (
    FakeProvider,
    Recording,
    Reply,
    SeenRun,
    SeenSpan,
    all_integrations,
    assert_run,
    record,
)
from flowspan.usage import Usage

pytest_plugins = ["flowspan.testing.fixtures"]


@pytest.fixture(scope="module")
def article() -> Recording:
    """A run with everything that can be asked about."""
    reply = Reply("an article", usage=Usage(input_tokens=1000, output_tokens=200))
    with (
        FakeProvider(respond=lambda request: reply) as provider,
        record(*all_integrations(), priced=True) as recording,
        openai.OpenAI(api_key="none", base_url=f"{provider.url}/v1") as client,
    ):
        write(client)
    return recording


@flowspan.run("article")
def write(client: openai.OpenAI) -> None:
    with flowspan.node("outline") as span:
        with flowspan.prompt("outline", version="3"):
            ask(client)
        span.route("write", action="enough")
    for attempt in (1, 2):
        with flowspan.node("write", attempt=attempt) as span:
            ask(client)
            with flowspan.tool("search"):
                pass
            span.route("review")
    with flowspan.node("review") as span:
        span.route("END", action="ok")


def ask(client: openai.OpenAI) -> None:
    client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "x"}])


TREE = """
    invoke_workflow article
      run_step outline
        chat gpt-4o-mini
      run_step write
        chat gpt-4o-mini
        execute_tool search
      run_step write
        chat gpt-4o-mini
        execute_tool search
      run_step review
"""


def message(source: Any, **expected: Any) -> str:
    with pytest.raises(AssertionError) as refused:
        assert_run(source, **expected)
    return str(refused.value)


# --- what holds -----------------------------------------------------------------------------------


def test_everything_that_is_so_passes(article: Recording) -> None:
    run = assert_run(
        article,
        tree=TREE,
        route=["outline", "write", "write", "review"],
        decisions=[
            ("outline", "write", "enough"),
            ("write", "review"),
            ("write", "review", None),
            ("review", "END", "ok"),
        ],
        prompts={"outline": "3"},
        failed=False,
        loops=False,
        nodes=4,
        llm_calls=3,
        max_llm_calls=3,
        tokens=3600,
        max_tokens=4000,
        input_tokens=3000,
        output_tokens=600,
        cost_usd=3 * (1000 * 0.15 + 200 * 0.6) / 1e6,
        max_cost_usd=0.001,
    )

    assert isinstance(run, SeenRun)
    assert isinstance(run.root, SeenSpan)
    assert (run.workflow, run.llm_calls) == ("article", 3)


def test_the_tree_of_a_recording_is_what_can_be_expected_of_it(article: Recording) -> None:
    assert_run(article, tree=article.spans.tree())
    assert_run(article, tree=article.spans.tree("flowspan.attempt", "gen_ai.prompt.version"))
    assert_run(article, tree=article.spans.tree(events=True))


@pytest.mark.parametrize(
    "tree",
    [
        "*\n ...",
        "invoke_workflow *\n  ...",
        "invoke_workflow article\n  …\n  run_step review",
        "invoke_workflow article\n    run_step outline\n        ...\n    ...",
        """
        invoke_workflow article
          run_step outline
            · flowspan.prompt.selected
            ...
          run_step write flowspan.attempt=1
            chat * gen_ai.request.model='gpt-4o-mini' flowspan.cost.status='priced'
            ...
          ...
        """,
    ],
)
def test_what_does_not_matter_is_left_out_of_a_tree(article: Recording, tree: str) -> None:
    assert_run(article, tree=tree)


@pytest.mark.parametrize(
    "route",
    [["..."], ["outline", "..."], ["…", "review"], ["*", "w*", "...", "review"], ["outline", ...]],
)
def test_what_does_not_matter_is_left_out_of_a_route(article: Recording, route: list[Any]) -> None:
    assert_run(article, route=route)


def test_a_route_is_no_text(article: Recording) -> None:
    """Its letters would be taken for the names of nodes."""
    with pytest.raises(TypeError, match=r"^route='outline' cannot be asked: expected a list"):
        assert_run(article, route="outline")


def test_a_long_route_with_many_gaps_is_compared_at_once() -> None:
    with record() as recording, flowspan.run("long"):
        for at in range(1500):
            with flowspan.node(f"n{at % 2}"):
                pass

    gaps = [word for _ in range(20) for word in ("...", "n0", "...", "n1")]
    assert_run(recording, route=[*gaps, ...])
    assert_run(recording, route=["n0", "n1"] * 750)
    with pytest.raises(AssertionError, match="route: n0 → n1"):
        assert_run(recording, route=[*gaps, "n0"])


def test_siblings_may_have_begun_in_any_order(article: Recording) -> None:
    tree = """
        invoke_workflow article
          run_step review
          run_step write
            execute_tool search
            ...
          ...
    """

    assert_run(article, tree=tree, any_order=True)
    assert "tree: - was expected" in message(article, tree=tree)
    assert "tree: - was expected" in message(
        article, tree=tree.replace("review", "publish"), any_order=True
    )


# --- what does not --------------------------------------------------------------------------------


def test_everything_that_differs_is_told_at_once_with_the_tree(article: Recording) -> None:
    told = message(
        article,
        run="article",
        route=["outline", "write", "publish"],
        decisions=[("outline", "review")],
        prompts={"outline": "4", "summary": None},
        failed="LookupError",
        loops=True,
        max_llm_calls=2,
        tokens=3000,
        max_cost_usd=0.0001,
    )

    run_id = assert_run(article).run_id
    assert told == textwrap.dedent(
        f"""\
        invoke_workflow article ({run_id}) is not as expected:
          route: outline → write → write → review
            expected: outline → write → publish
          decisions: outline → write (enough), write → review, write → review, review → END (ok)
            expected: outline → review
          prompt 'outline': version '3' in chat gpt-4o-mini, expected '4'
          prompt 'summary': was not used; prompts of the run: 'outline' 3
          failed: the run ended with no error, expected LookupError
          loops: none was suspected, expected one
          llm_calls: 3, expected at most 2
          tokens: 3,600, expected 3,000
          cost_usd: 0.00081 USD, expected at most 0.0001 USD

          invoke_workflow article
            run_step outline
              chat gpt-4o-mini
            run_step write
              chat gpt-4o-mini
              execute_tool search
            run_step write
              chat gpt-4o-mini
              execute_tool search
            run_step review"""
    )


def test_a_tree_that_differs_is_shown_with_what_differs(article: Recording) -> None:
    told = message(
        article,
        tree="""
        invoke_workflow article
          run_step outline
            · flowspan.retry
            chat gpt-4o-mini
          run_step write flowspan.attempt=3
            chat gpt-4o
            execute_tool search
          run_step publish
            chat gpt-4o-mini
          run_step review !
        """,
    )

    assert told.partition("\n\n")[2] == textwrap.indent(
        textwrap.dedent(
            """\
              invoke_workflow article
            -   run_step outline
            -     · flowspan.retry
            +   run_step outline
            +     · flowspan.prompt.selected
            +     · flowspan.route.taken
                  chat gpt-4o-mini
            -   run_step write flowspan.attempt=3
            +   run_step write flowspan.attempt=1
            -     chat gpt-4o
            +     chat gpt-4o-mini
                  execute_tool search
            -   run_step publish
            -     chat gpt-4o-mini
            +   run_step write
            +     chat gpt-4o-mini
            +     execute_tool search
            -   run_step review !
            +   run_step review"""
        ),
        "  ",
    )


def test_what_a_tree_leaves_out_is_not_shown_as_a_difference(article: Recording) -> None:
    told = message(
        article,
        tree="""
        invoke_workflow article
          ...
          run_step write
            ...
          run_step publish
            ...
        """,
    )

    assert told.partition("\n\n")[2].splitlines() == [
        "    invoke_workflow article",
        "      run_step outline",
        "      run_step write",
        "        chat gpt-4o-mini",
        "        execute_tool search",
        "  -   run_step publish",
        "      run_step write",
        "      run_step review",
    ]


def test_a_failure_is_named_where_it_began() -> None:
    run, node, tool = flowspan.run("article"), flowspan.node("write"), flowspan.tool("search")
    with record() as recording, pytest.raises(LookupError), run, node, tool:
        raise LookupError

    assert "failed: execute_tool search (LookupError), expected no failure" in message(
        recording, failed=False
    )
    assert_run(recording, failed=True)
    assert_run(recording, failed="LookupError")


def test_a_run_in_which_nothing_failed_can_be_wrong_too(article: Recording) -> None:
    assert "failed: nothing failed, expected a failure" in message(article, failed=True)


def test_a_suspected_loop_is_named() -> None:
    with record(loop_rounds=2) as recording, flowspan.run("article"):
        for _ in range(2):
            with flowspan.node("write", inputs="x"):
                pass

    assert "loops: suspected at write, expected none" in message(recording, loops=False)
    assert_run(recording, loops=True)


def test_a_cost_that_nobody_knows_is_not_within_a_budget(
    recorded_run: Recording, fake_provider: FakeProvider
) -> None:
    def call(model: str) -> None:
        with openai.OpenAI(api_key="none", base_url=f"{fake_provider.url}/v1") as client:
            client.chat.completions.create(model=model, messages=[{"role": "user", "content": "x"}])

    with flowspan.run("article"):
        call("no-such-model")

    assert (
        "cost_usd: 1 model calls have no known price (no-such-model): add one by FLOWSPAN_PRICES"
        in message(recorded_run, max_cost_usd=1)
    )
    with record(*all_integrations()) as unpriced, flowspan.run("article"):
        call("gpt-4o-mini")
    assert "cost_usd: no model call was priced: record(…, priced=True) prices them" in message(
        unpriced, max_cost_usd=1
    )


def test_a_run_without_model_calls_costs_nothing() -> None:
    with record() as recording, flowspan.run("article"):
        pass

    assert_run(recording, cost_usd=0, max_tokens=0)


def test_a_long_tree_is_cut() -> None:
    with record(loop_rounds=0) as recording, flowspan.run("article"):
        for _ in range(100):
            with flowspan.node("write"):
                pass

    told = message(recording, nodes=1)

    assert told.endswith("… and 41 lines more")


# --- which run ------------------------------------------------------------------------------------


@pytest.fixture
def three() -> Iterator[Recording]:
    with record() as recording:
        for name in ("one", "two", "two"):
            with flowspan.run(name), flowspan.node(name):
                pass
        yield recording


def test_one_run_is_named_where_there_are_several(three: Recording) -> None:
    assert_run(three, run="one", route=["one"])
    assert_run(three, run="invoke_workflow one")
    last = assert_run(three, run="last")
    assert assert_run(three, run=str(last.run_id)[:12]).run_id == last.run_id
    assert assert_run(three, run=last.root.trace_id) == last


def test_a_run_that_is_not_named_well_is_told_with_all_there_are(three: Recording) -> None:
    assert message(three).startswith(
        "expected one run, found 3: name one by run=…\n  invoke_workflow one ("
    )
    assert message(three, run="two").startswith("expected one run 'two', found 2 of these among 3:")
    assert message(three, run="four").startswith("expected one run 'four', found none among 3:")


def test_no_spans_at_all_is_a_question_about_the_set_up() -> None:
    with record() as recording:
        pass

    assert message(recording) == "expected a run, found no spans at all: was flowspan on?"


def test_a_model_call_outside_any_run_counts_where_there_is_nothing_else(
    recorded_run: Recording, fake_provider: FakeProvider
) -> None:
    with openai.OpenAI(api_key="none", base_url=f"{fake_provider.url}/v1") as client:
        ask(client)
        assert_run(recorded_run, tree="chat gpt-4o-mini")
        with flowspan.run("article"):
            pass
        assert_run(recorded_run, tree="invoke_workflow article")


# --- where spans are kept -------------------------------------------------------------------------


def test_recorded_stored_and_received_runs_are_the_same(
    article: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flowspan.config import Settings  # noqa: PLC0415 - used here alone

    spans = list(article.spans)
    store = tmp_path / "runs.db"
    exporter = StoreSpanExporter(settings=Settings(store=str(store)))
    exporter.export(spans)
    exporter.shutdown()
    otlp = encode_spans(spans)
    data = otlp.SerializeToString()

    runs = [
        assert_run(source, tree=TREE, prompts={"outline": "3"}, llm_calls=3, max_cost_usd=0.001)
        for source in (
            article,
            article.spans,
            spans,
            store,
            str(store),
            otlp,
            data,
            gzip.compress(data),
            [data],
            otlp.resource_spans and [otlp],
        )
    ]

    assert len({json.dumps(shape(run), default=str) for run in runs}) == 1


def shape(run: SeenRun) -> Any:
    return [
        (
            span.name,
            span.trace_id,
            span.span_id,
            span.parent_id,
            sorted(span.attributes.items()),
            span.events,
        )
        for span in run.spans
    ]


@pytest.mark.parametrize("source", [5, None, [5], object()])
def test_what_holds_no_spans_is_refused(source: Any) -> None:
    with pytest.raises(TypeError, match=r"(holds no spans|is no span): expected a Recording"):
        assert_run(source)


# --- bad use --------------------------------------------------------------------------------------


def test_a_quantity_that_does_not_exist_is_refused(article: Recording) -> None:
    unchecked: Any = assert_run
    with pytest.raises(TypeError, match=r'no "max_calls": did you mean "max_llm_calls"\?'):
        unchecked(article, max_calls=3)
    with pytest.raises(TypeError, match=r'no "zzz": expected one of nodes, llm_calls, '):
        unchecked(article, zzz=3)


@pytest.mark.parametrize(
    ("word", "value", "expected"),
    [
        ("run", 3, "the id of a run"),
        ("tree", ["invoke_workflow article"], "a text with a line for each span"),
        ("route", [1], "a list of the names of nodes"),
        ("decisions", ["ab"], r"a list of \(from, to\) or \(from, to, action\)"),
        ("decisions", [("a",)], r"a list of \(from, to\)"),
        ("prompts", ["outline"], "a dict of names and versions"),
        ("failed", 3, r"True, False or an error\.type"),
        ("loops", "writer", "True or False"),
        ("max_nodes", "many", "a number"),
        ("max_cost_usd", True, "a number"),
        ("tokens", float("nan"), "a number"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    article: Recording, word: str, value: Any, expected: str
) -> None:
    """Some of it would have been taken for something that always holds."""
    unchecked: Any = assert_run
    with pytest.raises(TypeError, match=rf"^{word}=.* cannot be asked: expected {expected}"):
        unchecked(article, **{word: value})


def test_what_is_none_is_not_asked(article: Recording) -> None:
    unchecked: Any = assert_run
    unchecked(article, run=None, tree=None, failed=None, max_nodes=None, max_cost_usd=None)


@pytest.mark.parametrize(
    ("tree", "sentence"),
    [
        ("a\n  ...\n    b", r'line 3 of the expected tree, "b", stands below "\.\.\.": that means'),
        ("· event", r'line 1 of the expected tree, "· event", is an event without a span: indent'),
    ],
)
def test_a_tree_that_cannot_be_read_is_refused(
    article: Recording, tree: str, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        assert_run(article, tree=tree)


def test_a_wrong_span_map_is_refused_where_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    path.write_text('[[rows]]\ntarget = "a:b"\nkind = "nod"\n')

    with pytest.raises(ConfigurationError, match=r'line 3.*"nod" is not usable'):
        all_integrations(span_map=path)


def test_a_span_map_is_one_of_the_integrations(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text('[[rows]]\ntarget = "a:b"\nkind = "node"\n')

    assert [each.name for each in all_integrations(span_map=path)][-1] == "map:agent"


# --- trees drawn at random ------------------------------------------------------------------------

SHAPES = st.recursive(
    st.just(()), lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=12
)


def build(shape_: Any, name: str, spans: list[SeenSpan], parent: str | None) -> None:
    span_id = f"{len(spans):016x}"
    spans.append(
        SeenSpan(
            name=name,
            trace_id="1" * 32,
            span_id=span_id,
            parent_id=parent,
            start_ns=len(spans),
            failed=False,
            attributes={"flowspan.kind": "run"} if parent is None else {},
        )
    )
    for at, each in enumerate(shape_):
        build(each, f"n{at % 2}", spans, span_id)


@given(SHAPES, st.randoms(use_true_random=False))
def test_a_tree_is_as_itself_and_no_longer_where_a_line_is_gone(
    shape_: Any, draw: random.Random
) -> None:
    spans: list[SeenSpan] = []
    build(shape_, "root", spans, None)
    run = assert_run(spans)
    lines = message(spans, nodes=99).partition("\n\n")[2].splitlines()

    assert_run(spans, tree="\n".join(lines))
    assert_run(spans, tree="\n".join(lines), any_order=True)
    leaves = [
        at
        for at, line in enumerate(lines)
        if at and (at + 1 == len(lines) or indent(lines[at + 1]) <= indent(line))
    ]
    if leaves:
        gone = draw.choice(leaves)
        told = message(spans, tree="\n".join(lines[:gone] + lines[gone + 1 :]))
        assert sum(line.startswith("  + ") for line in told.splitlines()) == 1
        assert sum(line.startswith("  - ") for line in told.splitlines()) == 0
    assert len(run.spans) == len(lines)


def indent(line: str) -> int:
    return len(line) - len(line.lstrip())


# --- the plug-in ----------------------------------------------------------------------------------


def test_those_who_do_not_use_the_fixtures_pay_nothing() -> None:
    """Pytest starts without importing anything of flowspan's."""
    code = (
        "import sys, pytest; pytest.main(['--version']); "
        "print([name for name in sys.modules if name.startswith('flowspan')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"
