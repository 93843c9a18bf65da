"""The page of ``flowspan show``."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from rich.cells import cell_len

from flowspan.report.terminal import page

PAGE = """\
  10.0 s · 1 step · 1 node · 2 model calls · ~12,445 → 688 tokens · $0.0483 + 1 unpriced · 1 error
  1 retry
  gpt-5.4-mini ×1 $0.0483 · local ×1 ?

span                       0                       10.0 s    time    self tokens in→out      cost
run story                  ━━━━━━━━━━━━━━━━━━████████████  10.0 s  4.00 s Σ  ~12.4k→688   $0.0483 +?
└╴step loop #1             ━━━━━━━━━━━━━━━━━━              6.00 s    0 µs Σ  ~12.4k→688   $0.0483 +?
  └╴node plan 1            ███━━━━━━━━━━━━███              6.00 s  2.00 s Σ  ~12.4k→688   $0.0483 +?
    │ state ready → done · next write (ok)
    └╴agent planner           ━━━━━━━━━━━━                 4.00 s    0 µs Σ  ~12.4k→688   $0.0483 +?
      │ prompt plan@3
      ├╴llm gpt-5.4-mini      ██████                       2.00 s  2.00 s     12.3k→678   $0.0483
      │   1 retry
      ├╴llm local                   ███                    1.00 s  1.00 s       ~100→10            ?
      └╴✗ tool search                  ███                 1.00 s  1.00 s
          TimeoutError: too slow

? marks model calls without a price, which are in no sum: they ended before the price lists were
loaded, or no list has their price; a file named by FLOWSPAN_PRICES can give it"""  # noqa: RUF001 - multiplication signs

NOW = 1_795_151_574_000_000_000


def _view(**options: Any) -> page.View:
    return page.View(**{"now_ns": NOW, **options})


@pytest.fixture
def story(trace: Any) -> Any:
    """A run of two steps in which much happens."""
    run = trace.span(
        "invoke_workflow story", 0, 10, kind="run", operation="invoke_workflow", status="ok"
    )
    step = trace.span("run_step loop", 0, 6, run, kind="step", attrs={"flowspan.step.index": 1})
    node = trace.span(
        "run_step plan",
        0,
        6,
        step,
        kind="node",
        node_id="1",
        events=[
            (
                "flowspan.state.transition",
                0,
                {"flowspan.state.from": "ready", "flowspan.state.to": "done"},
            ),
            (
                "flowspan.route.taken",
                5,
                {"flowspan.route.to": "write", "flowspan.route.action": "ok"},
            ),
        ],
    )
    agent = trace.span(
        "invoke_agent planner",
        1,
        5,
        node,
        kind="agent",
        events=[
            (
                "flowspan.prompt.selected",
                1.5,
                {"gen_ai.prompt.name": "plan", "gen_ai.prompt.version": "3"},
            )
        ],
    )
    trace.llm(
        1,
        3,
        parent=agent,
        input_tokens=12_345,
        output_tokens=678,
        cost_usd=0.0483,
        prompt_name="plan",
        prompt_version="3",
        attrs={"gen_ai.request.model": "gpt-5.4-mini", "flowspan.retry.count": 1},
    )
    trace.llm(3, 4, parent=agent, model="local", input_tokens=100, output_tokens=10, estimated=True)
    trace.span(
        "execute_tool search",
        4,
        5,
        agent,
        kind="tool",
        status="error",
        error_type="TimeoutError",
        status_message="too slow",
    )
    return trace


def test_page(story: Any, run_row: Any, screen: Any) -> None:
    """The whole page: header, tree with bars, sums, states, prompts, errors, notes."""
    row = run_row(steps=1, nodes=1, service="writer")

    output = screen(100)
    shown = output.shows(page.lines(row, story.tree(), _view(), output.surface))

    assert shown[0].startswith("✓ story ok · writer · ")
    assert shown[0].endswith(" · trace 4f1c2a9e4f1c2a9e4f1c2a9e4f1c2a9e")
    assert "\n".join(shown[1:]) == PAGE


@pytest.mark.parametrize("width", [40, 50, 60, 72, 80, 100, 140, 180])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_width(story: Any, run_row: Any, screen: Any, width: int, encoding: str) -> None:
    """No line is wider than the surface, and none can be unprintable, at any width."""
    story.span(
        "run_step \x1b[31m語語語 [bold]" + "x" * 200, 6, 7, story.rows[0].span_id, kind="node"
    )
    output = screen(width, encoding=encoding)

    shown = output.shows(page.lines(run_row(), story.tree(), _view(events=True), output.surface))

    assert len(shown) > 12
    assert max(map(cell_len, shown)) <= width
    assert all(line.isprintable() for line in shown)
    assert all(encoding == "utf-8" or line.isascii() for line in shown)


def _shown(trace: Any, run_row: Any, screen: Any, *, width: int = 100, **options: Any) -> list[str]:
    output = screen(width)
    lines = page.lines(
        run_row(**options.pop("run", {})), trace.tree(now=9), _view(**options), output.surface
    )
    shown: list[str] = output.shows(lines)
    return shown


def test_without_model_calls(trace: Any, run_row: Any, screen: Any) -> None:
    """A run that called no model has neither columns nor notes for tokens and money."""
    trace.span("run", 0, 10, kind="run")

    shown = _shown(trace, run_row, screen)

    assert not any("tokens" in line or "cost" in line or "?" in line for line in shown)


def test_failed_run(trace: Any, run_row: Any, screen: Any) -> None:
    """The error of a run is told above its tree."""
    trace.span("run", 0, 10, kind="run", status="error")
    failed = {"status": "error", "error_type": "Boom", "error_message": "no\nmore"}

    shown = _shown(trace, run_row, screen, run=failed)

    assert shown[0].startswith("✗ story error")
    assert shown[2] == r"  Boom: no\nmore"


def test_class_of_an_error_is_told_once(trace: Any, run_row: Any, screen: Any) -> None:
    """A message that names the class needs no class before it."""
    trace.span("run", 0, 10, kind="run", status="error")
    failed = {"status": "error", "error_type": "Boom", "error_message": "Boom: no"}

    assert _shown(trace, run_row, screen, run=failed)[2] == "  Boom: no"


def test_interruption(trace: Any, run_row: Any, screen: Any) -> None:
    """A pause is told at the top and where it arose, and not on every span between."""
    paused = {"flowspan.interruption": "GraphInterrupt"}
    run = trace.span("run", 0, 10, kind="run", attrs={**paused, "flowspan.resumed": True})
    step = trace.span("step", 1, 10, run, kind="step", attrs=paused)
    trace.span("node", 2, 10, step, kind="node", attrs=paused)

    shown = _shown(trace, run_row, screen)

    assert [line.strip(" │") for line in shown if "Interrupt" in line] == [
        "resumed · ended by GraphInterrupt",
        "ended by GraphInterrupt",
    ]


def test_a_run_between_others(trace: Any, run_row: Any, screen: Any) -> None:
    """The header names the run before and the one after."""
    trace.span("invoke_workflow story", kind="run", attrs={"flowspan.resumed": True})
    row = run_row(
        interruption="GraphInterrupt", resumed=True, resumes="1" * 32, resumed_by="2" * 32
    )
    output = screen(100)

    shown = output.shows(page.lines(row, trace.tree(), _view(), output.surface))

    assert "  goes on with 11111111 · resumed by 22222222" in shown[:4]


def test_what_is_open(trace: Any, run_row: Any, screen: Any) -> None:
    """What is open or was cut off is marked at its name and its bar, the innermost below it too."""
    run = trace.span("run", 0, None, kind="run")
    trace.span("work", 1, None, run, state="interrupted")
    trace.span("more", 2, None, run)

    shown = _shown(trace, run_row, screen, run={"status": "running"})

    assert shown[0].startswith("▶ story running")
    assert shown[1] == "  9.00 s · 3 open"
    assert shown[4].startswith("▶ run run ")
    assert "▶  9.00 s" in shown[4]
    assert shown[5].startswith("├╴! work ")
    assert shown[6] == "│   interrupted"
    assert shown[7].startswith("└╴▶ more ")
    assert shown[8] == "    still open"


def test_marks(trace: Any, run_row: Any, screen: Any) -> None:
    """Why a span stands at the top though it has a parent is said below it."""
    trace.span("lost", 0, 1, "00000000000000ff")
    trace.span("called", 1, 2, "00000000000000fe", parent_is_remote=True)
    trace.span("circle", 2, 3, "0000000000000003")

    shown = _shown(trace, run_row, screen)

    assert [line.strip() for line in shown if "00000000000000" in line and "trace" not in line] == [
        "its parent 00000000000000ff is not in the store",
        "goes on from span 00000000000000fe of another process",
        "its parent 0000000000000003 is one of its own descendants",
    ]


def test_events(trace: Any, run_row: Any, screen: Any) -> None:
    """Every event is shown with its time if asked for, hostile values and all."""
    trace.span("run", 0, 2, events=[("flowspan.\x1b[2J", 0.5, {"a": "[red]", "b": 2})])

    shown = _shown(trace, run_row, screen, events=True)

    assert shown[-1] == r"  +500 ms flowspan.\x1b[2J a=[red] b=2"


def test_folds(trace: Any, run_row: Any, screen: Any) -> None:
    """A folded line says how many spans it stands for, what they used, and how to see them."""
    run = trace.span("run", 0, 10, kind="run")
    node = trace.span("node", 0, 5, run)
    trace.llm(0, 1, parent=node, input_tokens=1000, output_tokens=5, cost_usd=0.25)
    trace.span("tool", 1, 2, node, kind="tool", status="error")

    shown = _shown(trace, run_row, screen, depth=1)

    assert shown[7].split() == ["└╴…", "2", "more,", "1", "failed", "Σ", "1,000→5", "$0.25"]
    assert shown[-1] == "folded lines open with --depth N or --all"
    assert len(_shown(trace, run_row, screen, everything=True)) == 10


def test_fold_without_failures(trace: Any, run_row: Any, screen: Any) -> None:
    """A folded line in which nothing failed says no more than how many there are."""
    node = trace.span("node", 0, 5, trace.span("run", 0, 10))
    trace.span("tool", 1, 2, node)

    assert _shown(trace, run_row, screen, depth=1)[-3] == "  └╴… 1 more"


def test_depth_beyond_the_width(trace: Any, run_row: Any, screen: Any) -> None:
    """However deep a span is, its name can be read; an ellipsis stands for what leads to it."""
    parent = None
    for number in range(60):
        parent = trace.span(f"run_step number-{number}", 0, 60 - number, parent, kind="node")

    shown = _shown(trace, run_row, screen, width=80, everything=True)

    assert "number-59 " in shown[-1]
    assert shown[-1].startswith("… ")


def test_many_states_and_facts(trace: Any, run_row: Any, screen: Any) -> None:
    """Long paths of states are cut in the middle, and long lists of facts at the end."""
    names = "abcdefghij"
    events = [
        ("flowspan.state.transition", 0, {"flowspan.state.from": one, "flowspan.state.to": two})
        for one, two in pairwise(names)
    ]
    events += [("flowspan.route.taken", 0, {"flowspan.route.to": name}) for name in names]
    trace.span("run_step x", 0, 1, kind="node", events=events)

    shown = _shown(trace, run_row, screen)

    assert shown[-1].startswith("  state a → b → c → … → h → i → j · next a · next b")
    assert shown[-1].endswith(" · 5 more")


def test_replayed(trace: Any, run_row: Any, screen: Any) -> None:
    """A replayed answer costs nothing and says so."""
    trace.llm(cost_usd=0.0, cost_status="replayed", input_tokens=5, output_tokens=5)

    shown = _shown(trace, run_row, screen)

    assert shown[-2].endswith("$0")
    assert shown[-1] == "  replayed"


def test_many_models(trace: Any, run_row: Any, screen: Any) -> None:
    """The four dearest models are named."""
    for number in range(6):
        trace.llm(model=f"m{number}", cost_usd=0.1 * number)

    shown = _shown(trace, run_row, screen)

    assert shown[2] == "  m5 ×1 $0.50 · m4 ×1 $0.40 · m3 ×1 $0.30 · m2 ×1 $0.20 · 2 more models"  # noqa: RUF001


def test_name_is_empty(trace: Any, run_row: Any, screen: Any) -> None:
    """A span without a name is there all the same."""
    trace.span("", 0, 1)

    assert _shown(trace, run_row, screen)[-1].startswith("(no name) ")
