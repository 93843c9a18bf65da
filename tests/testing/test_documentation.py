"""The page about testing: its examples are tests, and pass; its failure is what one reads."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import flowspan
from flowspan.testing import SeenSpan, assert_run

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text("utf-8")
CONFTEST, *TESTS = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
(FAILURE,) = re.findall(r"^```text\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_the_examples_are_tests_that_pass(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_page.py").write_text("\n\n".join(TESTS))

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )

    assert done.returncode == 0, done.stdout
    assert re.search(r"^3 passed", done.stdout, re.MULTILINE)


def test_the_failure_on_the_page_is_what_one_reads() -> None:
    def span(at: int, parent: int | None, kind: str, name: str, **more: str) -> SeenSpan:
        names = {"flowspan.kind": kind, **more}
        return SeenSpan(
            name=name,
            trace_id="1" * 32,
            span_id=str(at),
            parent_id=None if parent is None else str(parent),
            start_ns=at,
            failed=False,
            attributes=names,
        )

    prompt = {"gen_ai.prompt.name": "outline", "gen_ai.prompt.version": "3"}
    run = [
        span(1, None, "run", "invoke_workflow article", **{"flowspan.run.id": "20b6…"}),
        span(2, 1, "node", "run_step outline", **{"gen_ai.step.name": "outline"}),
        span(3, 2, "llm", "chat gpt-4o-mini", **prompt),
        span(4, 1, "node", "run_step write", **{"gen_ai.step.name": "write"}),
        span(5, 4, "llm", "chat gpt-4o-mini"),
    ]
    tree = """
        invoke_workflow article
          run_step outline
            chat gpt-4o-mini
          run_step write
            chat gpt-4o
          run_step review
    """

    with pytest.raises(AssertionError) as refused:
        assert_run(
            run,
            route=["outline", "write", "review"],
            prompts={"outline": "4"},
            max_llm_calls=1,
            tree=tree,
        )

    assert f"AssertionError: {refused.value}" == textwrap.dedent(FAILURE).rstrip("\n")


def test_the_page_names_everything_that_can_be_asked() -> None:
    import inspect  # noqa: PLC0415 - used here alone

    asked = set(inspect.signature(assert_run).parameters) - {"source", "amounts"}

    assert {name for name in asked if f"`{name}`" not in PAGE} == set()
    assert flowspan.run
