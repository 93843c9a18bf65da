"""The examples of the page about decorators do what it says."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import flowspan
from flowspan.instrumentation.decorators import targets
from flowspan.testing import record

PAGE = (Path(__file__).parents[3] / "docs" / "decorators.md").read_text("utf-8")
FIRST, SECOND = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def run(code: str, **names: Any) -> dict[str, Any]:
    known: dict[str, Any] = {"flowspan": flowspan, **names}
    exec(compile(code, "decorators.md", "exec"), known)  # noqa: S102 - the page's own code
    return known


def test_the_first_example_is_a_tree() -> None:
    task = SimpleNamespace(action="search", key="t1", goal="tea")
    program = run(FIRST, find=lambda goal: [goal])

    with record() as recording:
        program["act"](task)
        asyncio.run(program["Writer"]().run("tea"))
        program["article"]("tea")

    assert (
        recording.spans.tree("goal", "hits", "topic", events=True)
        == """\
run_step search goal='tea'
  · flowspan.route.taken
  execute_tool search hits=1
invoke_agent Writer
invoke_workflow article topic='tea'"""
    )


def test_the_second_example_selects_prompts() -> None:
    asked: list[Any] = []
    create = SimpleNamespace(create=lambda **given: asked.append(given))
    client = SimpleNamespace(chat=SimpleNamespace(completions=create))

    with record() as recording, flowspan.node("write"):
        program = run(SECOND, client=client, messages=[])
        template = type("Template", (str,), {"version": "3"})("Outline {topic}")
        assert program["outline"](template, "tea") == "Outline tea"

    assert asked
    assert [
        (event.attributes or {})["gen_ai.prompt.version"] for event in recording.spans.one().events
    ] == ["2", "3"]


def test_the_page_names_the_methods_that_work() -> None:
    assert ", ".join(f"`{name}`" for name in targets.METHODS) in PAGE
