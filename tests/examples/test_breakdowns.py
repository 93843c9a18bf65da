"""What one asks of pipelines (time, tokens, cost, bottleneck), answered from their traces."""

from __future__ import annotations

import io
import json
from collections import Counter

import pytest

from examples.breakdown import BOTTLENECK, Part, by_node, by_provider, main, table
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


def test_the_bottleneck_is_a_share_of_the_time_on_the_wall(graph: Played) -> None:
    """Agents that run at once are each compared with the run, not with the sum of all."""
    (run,) = graph.runs
    whole = run[0]["duration_ns"] / 1e9
    nodes = {part.name: part for part in by_node(run)}
    at_once = [nodes[f"{name} agent"] for name in ("weather", "sights", "food")]

    steps = [span["duration_ns"] / 1e9 for span in run if span["kind"] == "step"]
    assert all(part.seconds <= steps[0] <= whole for part in at_once)
    assert nodes["sights agent"].seconds >= 0.4
    rows = table(by_node(run), whole).splitlines()[2:]
    for part, row in zip(by_node(run), rows, strict=True):
        assert ("bottleneck" in row) == (part.seconds / whole >= BOTTLENECK)


def test_the_breakdown_is_printed_from_what_show_says(
    graph: Played, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"spans": graph.runs[0]})))

    main()

    printed = capsys.readouterr().out
    assert all(name in printed for name in ("weather agent", "gcp.gemini", "| 340 | 92 |"))
