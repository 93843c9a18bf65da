"""What one asks of pipelines (time, tokens, cost, bottleneck), answered from their traces."""

from __future__ import annotations

import io
import json
from collections import Counter
from typing import Any

import pytest

from examples.breakdown import (
    BOTTLENECK,
    Part,
    by_agent,
    by_model,
    by_node,
    by_provider,
    by_tool,
    by_type,
    by_workflow,
    main,
    table,
    whole,
)
from examples.offline import Played, missing, play

pytestmark = pytest.mark.timeout(300)  # starts programs with three large SDKs


def played(name: str, factory: pytest.TempPathFactory) -> Played:
    if lacking := missing(name):
        pytest.skip(f"not installed: {', '.join(lacking)}")
    done = play(name, factory.mktemp(name) / "store.db")
    assert done.status == 0, done.errors
    return done


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Two runs of a pipeline whose stages never raise; the second one fails."""
    return played("voice_notes", tmp_path_factory)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """A run of agents of three providers."""
    return played("yaml_agents", tmp_path_factory)


def amounts(parts: list[Part]) -> dict[str, tuple[int, int, int]]:
    return {part.name: (part.calls, part.input_tokens, part.output_tokens) for part in parts}


def test_a_stage_that_says_that_it_failed_has_failed(pipeline: Played) -> None:
    """The pipeline never raises: only the declared rule knows, and names the error."""
    good, bad = pipeline.runs

    failed = [span for span in (*good, *bad) if span["status"] == "error"]

    assert [span["title"] for span in failed] == ["relate"]
    assert failed[0]["attributes"]["error.type"] == "JSONDecodeError"
    assert [span["title"] for span in good if span["kind"] == "node"] == [
        "segment",
        "relate",
        "decide",
        "extract",
    ]
    assert failed[0] in bad
    assert [route["action"] for route in failed[0]["routes"]] == ["error"]


def test_time_tokens_and_cost_of_each_stage_are_known(pipeline: Played) -> None:
    """Though the stages drop what the SDK tells of usage, and no callback sees the SDK."""
    nodes = by_node(pipeline.runs[0])

    assert amounts(nodes) == {
        "segment": (1, 420, 60),
        "relate": (1, 510, 60),
        "decide": (1, 480, 60),
        "extract": (1, 1650, 60),
    }
    charged = pipeline.ledger.total()
    read = sum(part.input_tokens for run in pipeline.runs for part in by_node(run))
    assert read == charged.input_tokens
    dearest = max(nodes, key=lambda part: part.usd)
    assert dearest.name == "extract"
    # The price lists may come too late for the first call of a program, never for its fourth.
    assert dearest.usd == pytest.approx((1650 * 1.25 + 60 * 10) / 1e6)
    assert all(0 < part.seconds < pipeline.runs[0][0]["duration_ns"] / 1e9 for part in nodes)


def test_cost_by_provider_and_node_of_a_graph_over_three_providers(graph: Played) -> None:
    """Tokens are right in LangGraph's worker threads too, and a repeated request is one call."""
    (run,) = graph.runs

    assert amounts(by_node(run)) == {
        "weather agent": (1, 40, 2),
        "sights agent": (1, 55, 70),
        "food agent": (1, 30, 25),
        "plan agent": (1, 300, 90),
    }
    providers = by_provider(run)
    assert amounts(providers) == {
        "openai": (2, 340, 92),
        "anthropic": (1, 55, 70),
        "gcp.gemini": (1, 30, 25),
    }
    charged: Counter[str] = Counter()
    for entry in graph.ledger:
        charged[entry.model] += entry.usage.input_tokens or 0
    assert {span["model"]: span["subtree"]["tokens"]["input"] for span in run if span["model"]} == (
        charged
    )
    assert sum(part.usd for part in providers) == pytest.approx(
        sum(part.usd for part in by_node(run))
    )
    whole = run[0]["subtree"]["cost"]
    if whole["status"] == "priced":  # the price lists were there when the first call ended
        assert whole["usd"] == pytest.approx(sum(part.usd for part in providers))
        assert providers[0].name == "openai"


def test_each_model_of_a_provider_has_its_own_bill(graph: Played) -> None:
    """A provider with two models is one row among the providers, and two among the models."""
    (run,) = graph.runs

    charged: Counter[str] = Counter()
    for entry in graph.ledger:
        charged[entry.model] += entry.usage.output_tokens or 0
    models = {part.name.partition("/")[2]: part.output_tokens for part in by_model(run)}
    assert models == charged
    assert {part.name.partition("/")[0] for part in by_model(run)} == {
        part.name for part in by_provider(run)
    }


def test_the_bottleneck_is_a_share_of_the_time_on_the_wall(graph: Played) -> None:
    """Agents that run at once are each compared with the run, not with the sum of all."""
    (run,) = graph.runs
    all_of_it = whole(run)
    nodes = {part.name: part for part in by_node(run)}
    at_once = [nodes[f"{name} agent"] for name in ("weather", "sights", "food")]

    steps = [span["duration_ns"] / 1e9 for span in run if span["kind"] == "step"]
    assert all(part.seconds <= steps[0] <= all_of_it.seconds for part in at_once)
    assert nodes["sights agent"].seconds >= 0.4
    rows = table(by_node(run), all_of_it).splitlines()[2:-1]
    for part, row in zip(by_node(run), rows, strict=True):
        assert ("bottleneck" in row) == (part.share(all_of_it.seconds) >= BOTTLENECK)


def test_the_breakdown_is_printed_from_what_show_says(
    graph: Played, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Below each table stands the run; ways to look at it that show nothing are left out."""
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"spans": graph.runs[0]})))

    main()

    printed = capsys.readouterr().out
    assert all(name in printed for name in ("weather agent", "gcp.gemini", "openai/gpt-4o-mini"))
    tables = printed.split("\n\n")
    assert len(tables) == 3
    charged = graph.ledger.total()
    for each in tables:
        last = [cell.strip() for cell in each.rstrip().splitlines()[-1].strip("|").split("|")]
        assert last[0] == "the run"
        assert last[4:8] == ["100%", "4", str(charged.input_tokens), str(charged.output_tokens)]


# --- runs inside a run, types of nodes ------------------------------------------------------------


def _span(number: int, parent: int, kind: str, title: str, calls: int, **attributes: Any) -> Any:
    """A span as ``flowspan show --json`` has it; each call is of ten tokens."""
    return {
        "span_id": str(number),
        "parent_id": str(parent),
        "depth": 0 if not parent else 1,
        "kind": kind,
        "title": title,
        "provider": "openai",
        "model": "gpt-4o",
        "start_ns": 10**9 * number,
        "duration_ns": 10**9,
        "status": "ok",
        "attributes": attributes,
        "subtree": {
            "llm_calls": calls,
            "tokens": {"input": 10 * calls, "output": calls},
            "cost": {"usd": 0.5 * calls or None, "unpriced_calls": 0},
        },
    }


def _typed(number: int, parent: int, title: str, kind: str, calls: int, **more: Any) -> Any:
    return _span(number, parent, "node", title, calls, **{"pflow.node.type": kind}, **more)


NESTED = [
    _span(1, 0, "run", "pflow", 4),
    _span(2, 1, "run", "planner", 1),
    _typed(3, 2, "plan", "Planner", 1),
    _span(4, 3, "llm", "gpt-4o", 1),
    _span(5, 1, "run", "workflow", 3),
    _typed(6, 5, "write", "LLMNode", 1),
    _span(7, 6, "llm", "gpt-4o", 1),
    _typed(8, 5, "publish", "WorkflowExecutor", 2),
    _span(9, 8, "run", "publish", 2),
    _typed(10, 9, "entitle", "LLMNode", 2),
    _span(11, 10, "internal", "item", 1),
    _span(12, 11, "llm", "gpt-4o", 1),
    _span(13, 10, "llm", "gpt-4o", 1),
    _typed(14, 9, "shorten", "LLMNode", 0, **{"flowspan.replayed": True}),
]


def test_runs_inside_a_run_are_split() -> None:
    """What was planned cost so much, what was done so much, what is nested is part of it."""
    split = amounts(by_workflow(NESTED))

    assert split == {"planner": (1, 10, 1), "workflow": (3, 30, 3), "publish": (2, 20, 2)}


def test_types_of_nodes_have_the_calls_of_their_own_nodes() -> None:
    """A workflow in a workflow is not counted twice."""
    types = by_type(NESTED)

    assert amounts(types) == {
        "LLMNode": (3, 30, 3),
        "Planner": (1, 10, 1),
        "WorkflowExecutor": (0, 0, 0),
    }
    assert [part.usd for part in types] == [1.5, 0.5, 0.0]
    assert "1 replayed" in table(types, whole(NESTED))


# --- times ----------------------------------------------------------------------------------------


def _timed(number: int, parent: int, title: str, start: float, end: float, **more: Any) -> Any:
    """A span from one second to another, with one model call."""
    made = _span(number, parent, more.pop("kind", "node"), title, 1)
    times = {"start_ns": int(start * 1e9), "duration_ns": int((end - start) * 1e9)}
    return {**made, **times, **more}


def test_what_happens_at_once_is_no_bottleneck_by_its_number() -> None:
    """Ten workers at once have worked ten seconds, in one of the ten that the run took."""
    run = _timed(1, 0, "run", 0, 10, kind="run")
    workers = [_timed(number, 1, "worker", 2, 3) for number in range(2, 12)]
    slow = _timed(12, 1, "slow", 3, 9)

    nodes = {part.name: part for part in by_node([run, *workers, slow])}

    assert (nodes["worker"].seconds, nodes["worker"].times) == (10, 10)
    assert nodes["worker"].share(10) == pytest.approx(0.1)
    assert nodes["slow"].share(10) == pytest.approx(0.6)
    rows = table(nodes.values(), whole([run]))
    assert [row.split("|")[1].strip() for row in rows.splitlines() if "bottleneck" in row] == [
        "slow"
    ]
    assert "| worker | 10.000 | 10 | 1.000 | 10% | 10 |" in rows


def test_a_node_inside_another_of_its_name_is_counted_with_that_one() -> None:
    """A graph inside a node may have a node of the same name: time and money are spent once."""
    spans = [
        _timed(1, 0, "run", 0, 10, kind="run"),
        _timed(2, 1, "agent", 0, 8),
        _timed(3, 2, "inner", 0, 8, kind="run", depth=2),
        _timed(4, 3, "agent", 1, 7, status="error"),
        _timed(5, 4, "gpt-4o", 2, 3, kind="llm"),
    ]

    (node,) = by_node(spans)

    assert (node.times, node.seconds, node.calls, node.usd) == (2, 8, 1, 0.5)
    assert node.failed == 1


def test_agents_have_their_calls() -> None:
    """Where work is handed on, the one who hands it on is charged for it as well."""
    spans = [
        _timed(1, 0, "run", 0, 10, kind="run"),
        _timed(2, 1, "manager", 0, 8, kind="agent"),
        _timed(3, 2, "writer", 1, 7, kind="agent"),
        _timed(4, 3, "gpt-4o", 2, 3, kind="llm"),
    ]

    assert amounts(by_agent(spans)) == {"manager": (1, 10, 1), "writer": (1, 10, 1)}


def test_tools_have_their_time_and_what_was_asked_inside() -> None:
    """A tool may be an agent; how often each was used, and failed, is known."""
    spans = [
        _timed(1, 0, "run", 0, 10, kind="run"),
        _timed(2, 1, "search", 0, 2, kind="tool", status="error"),
        _timed(3, 1, "search", 2, 3, kind="tool"),
        _timed(4, 1, "ask", 3, 9, kind="tool"),
        _timed(5, 4, "gpt-4o", 4, 5, kind="llm"),
    ]

    tools = by_tool(spans)

    found = [(part.name, part.times, part.seconds, part.failed) for part in tools]
    assert found == [("ask", 1, 6, 0), ("search", 2, 3, 1)]


def test_a_run_that_took_no_time_has_parts() -> None:
    """Clocks are not always fine enough."""
    run = _timed(1, 0, "run", 0, 0, kind="run")

    assert "| node | 0.000 | 1 | 0.000 | 0% |" in table(
        by_node([_timed(2, 1, "node", 0, 0)]), whole([run])
    )


# --- money ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usd", "unpriced", "shown"),
    [(0.5, 0, "0.500000"), (0.0, 0, "0.000000"), (None, 1, "?"), (0.5, 2, "0.500000+?")],
    ids=["priced", "free", "unpriced", "partly"],
)
def test_a_price_that_is_not_known_is_not_nothing(
    usd: float | None, unpriced: int, shown: str
) -> None:
    """A local model costs nothing; one that no list knows costs something unknown."""
    call = _timed(1, 0, "model", 0, 1, kind="llm")
    call["subtree"]["cost"] = {"usd": usd, "unpriced_calls": unpriced}
    call["provider"] = None

    (part,) = by_provider([call])

    assert part.name == "unknown"
    assert f"| {shown} |" in table([part], whole([call]))
