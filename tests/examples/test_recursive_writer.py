"""The example, as its users start it: a program that knows nothing of flowspan."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowspan.instrumentation.spanmap.loading import load_map
from flowspan.testing import Ledger

EXAMPLES = Path(__file__).parents[2] / "examples"
PAGE = Path(__file__).parents[2] / "docs" / "span-maps.md"
SCRIPTS = Path(sys.executable).parent
WRITER = ("python", "-m", "recursive_writer", "honey", "--output")


def start(*command: str | Path, **environment: str | Path) -> subprocess.Popen[str]:
    """Start ``command`` against the scripted models, which answer at once."""
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    return subprocess.Popen(
        [sys.executable, "-m", "recursive_writer.offline", "--pace", "0", *map(str, command)],
        cwd=EXAMPLES,
        env={**os.environ, "PATH": path, **{name: str(v) for name, v in environment.items()}},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def events(span: dict[str, Any]) -> list[str]:
    return [event["name"].removeprefix("flowspan.") for event in span["events"]]


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


class Outcome:
    """What the program wrote with and without flowspan, and what flowspan saw."""

    def __init__(self, folder: Path) -> None:
        store, ledger = folder / "store.db", folder / "ledger.json"
        plain = start("--", *WRITER, folder / "plain")
        watched = start(
            *("--ledger", ledger, "--", "opentelemetry-instrument", *WRITER, folder / "watched"),
            FLOWSPAN_STORE=store,
        )
        for program in (plain, watched):
            out, err = program.communicate(timeout=60)
            assert program.returncode == 0, err
            assert err == ""
            assert out.endswith("words\n")
        self.plain = files(folder / "plain")
        self.watched = files(folder / "watched")
        self.ledger = Ledger.from_json(ledger.read_bytes())
        shown = subprocess.run(
            [SCRIPTS / "flowspan", "show", "--json"],
            env={**os.environ, "FLOWSPAN_STORE": str(store)},
            stdout=subprocess.PIPE,
            check=True,
        )
        self.run: dict[str, Any] = json.loads(shown.stdout)

    @property
    def spans(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.run["spans"]
        return found


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    with pytest.MonkeyPatch.context() as patch:
        for name in tuple(os.environ):
            if name.startswith(("OTEL_", "FLOWSPAN_")):
                patch.delenv(name)
        yield Outcome(tmp_path_factory.mktemp("writer"))


def test_the_program_writes_the_same_bytes_with_flowspan_and_without(outcome: Outcome) -> None:
    assert len(outcome.plain) == 10
    assert outcome.watched == outcome.plain


def tree(spans: list[dict[str, Any]], parent: str | None = None, depth: int = 0) -> str:
    """The spans below a parent; those that run side by side in the order of their names."""
    below = [span for span in spans if span["parent_id"] == parent]
    if any(span["name"].startswith("summarize") for span in below):
        below.sort(key=lambda span: span["name"])
    lines = ""
    for span in below:
        node = span["attributes"].get("flowspan.node.id", "")
        failed = " !" if span["error"] else ""
        lines += f"{'  ' * depth}{span['name']} {node}".rstrip() + f"{failed}\n"
        lines += tree(spans, span["span_id"], depth + 1)
    return lines


def test_a_run_is_one_tree_of_steps_nodes_agents_and_model_calls(outcome: Outcome) -> None:
    documented = PAGE.read_text("utf-8").rpartition("```text\n")[2].partition("```")[0]

    assert tree(outcome.spans) == documented
    assert {span["attributes"].get("gen_ai.workflow.name") for span in outcome.spans} == {
        "write an article"
    }


def test_the_tokens_are_those_that_the_provider_charged(outcome: Outcome) -> None:
    charged = outcome.ledger.total()
    calls = [span["attributes"] for span in outcome.spans if span["kind"] == "llm"]

    def total(name: str) -> int:
        return sum(call.get(f"gen_ai.usage.{name}", 0) for call in calls)

    assert len(outcome.ledger) == len(calls) - 1  # one was refused
    assert total("input_tokens") == charged.input_tokens
    assert total("output_tokens") == charged.output_tokens
    assert total("cache_read.input_tokens") == charged.cache_read_tokens
    assert total("reasoning.output_tokens") == charged.reasoning_tokens
    assert outcome.run["totals"]["tokens"]["input"] == charged.input_tokens


def test_states_prompts_and_retries_are_seen(outcome: Outcome) -> None:
    nodes = [span for span in outcome.spans if span["kind"] == "node"]
    planner = next(span for span in outcome.spans if span["name"] == "invoke_agent Planner")
    prompts = {
        (event["attributes"]["gen_ai.prompt.name"], event["attributes"]["gen_ai.prompt.version"])
        for span in outcome.spans
        for event in span["events"]
        if event["name"] == "flowspan.prompt.selected"
    }

    assert [events(span) for span in nodes] == [["state.transition", "state.changed"]] * 9
    assert events(planner) == [
        *("prompt.selected", "prompt.constructed", "writer.answer.refused", "retry")
    ]
    assert prompts == {
        *(("plan", "outline"), ("plan", "refine"), ("summarize", "brief")),
        *(("write", "opening"), ("write", "continuation"), ("join", "sections")),
    }


def test_a_rate_limit_that_the_client_waits_out_is_a_retry_of_one_call(outcome: Outcome) -> None:
    first = next(span for span in outcome.spans if span["name"] == "invoke_agent Writer")
    (call,) = (span for span in outcome.spans if span["parent_id"] == first["span_id"])

    assert call["attributes"]["flowspan.retry.count"] == 1
    assert events(call).count("retry") == 1


def test_the_map_of_the_example_is_in_order() -> None:
    found, problems = load_map(EXAMPLES / "recursive_writer" / "flowspan.toml")

    assert problems == []
    assert found is not None
    assert found.engine == "recursive_writer"


def test_the_scripted_models_exit_as_the_command_does() -> None:
    program = start(
        "--", "python", "-c", "import os; raise SystemExit(len(os.environ['OPENAI_API_KEY']))"
    )

    out, err = program.communicate(timeout=60)

    assert (program.returncode, out, err) == (len("sk-test"), "", "")
