"""``flowspan show``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def test_last(cli: Any, store: Any) -> None:
    """Unless named it is the last run."""
    answer = cli("show", "--store", store.path)

    assert answer.code == 0
    assert answer.out.startswith("✗ poem error · writer · app · ")
    assert "  Boom: no \\x1b[31mmore\\x1b[0m" in answer.out
    assert "└╴node plan " in answer.out
    assert "  └╴llm gpt-5.4-mini" in answer.out
    assert answer.out == cli("show", "last", "--store", store.path).out


def test_by_id(cli: Any, recorder: Any) -> None:
    """A run is named by how its id begins."""
    made = recorder()
    first = made.run("story")
    made.run("poem")

    answer = cli("show", first[:8], "--store", made.path)

    assert answer.out.startswith("✓ story ok")
    assert "Σ    1,200→34     $0.25" in answer.out


def test_unknown(cli: Any, store: Any) -> None:
    """A run that is not there is said to be so, in one sentence."""
    answer = cli("show", "ffffffffffff", "--store", store.path)

    assert answer.code == 1
    assert answer.err.startswith("flowspan: ")
    assert "ffffffffffff" in answer.err


def test_no_store(cli: Any, tmp_path: Path) -> None:
    """Without a store there is nothing to show, and a sentence that says so."""
    answer = cli("show", "--store", tmp_path / "none.db")

    assert answer.code == 1
    assert str(tmp_path / "none.db") in answer.err


def test_options(cli: Any, store: Any) -> None:
    """Depth, width and events are as asked."""
    folded = cli("show", "--store", store.path, "--depth", "1", "--width", "60").out.splitlines()
    whole = cli("show", "--store", store.path, "--all", "--events").out

    assert any("… 1 more" in line for line in folded)
    assert max(map(len, folded)) <= 60
    assert "… 1 more" not in whole


def test_json(cli: Any, store: Any) -> None:
    """The same for machines."""
    document = cli("show", "--store", store.path, "--json").json

    assert document["run"]["workflow"] == "poem"
    assert document["run"]["error"] == {"type": "Boom", "message": "no \x1b[31mmore\x1b[0m"}
    assert [span["title"] for span in document["spans"]] == ["poem", "plan", "gpt-5.4-mini"]
    assert document["totals"]["cost"] == {"usd": None, "status": "unpriced", "unpriced_calls": 1}
    call = document["spans"][2]
    assert call["attributes"]["gen_ai.usage.input_tokens"] == 1200


def test_totals_are_those_of_the_list(cli: Any, store: Any) -> None:
    """The list's totals and the tree's are the same, though they are summed in different places."""
    run = cli("runs", "--store", store.path, "--json").json["runs"][0]
    totals = cli("show", "--store", store.path, "--json").json["totals"]

    assert {key: run[key] for key in ("llm_calls", "tokens", "cost", "errors", "open_spans")} == {
        key: totals[key] for key in ("llm_calls", "tokens", "cost", "errors", "open_spans")
    }


def test_svg(cli: Any, store: Any, tmp_path: Path) -> None:
    """The tree as a picture."""
    picture = tmp_path / "run.svg"

    answer = cli("show", "--store", store.path, "--svg", picture)

    assert answer.err == f"wrote {picture}\n"
    assert answer.out == ""
    assert picture.read_text(encoding="utf-8").startswith("<svg")


def test_svg_to_the_output(cli: Any, store: Any) -> None:
    """A picture can be piped."""
    answer = cli("show", "--store", store.path, "--svg", "-")

    assert answer.out.startswith("<svg")
    assert answer.out.rstrip().endswith("</svg>")


def test_svg_that_cannot_be_written(cli: Any, store: Any, tmp_path: Path) -> None:
    """A picture that cannot be written is named, with the reason."""
    answer = cli("show", "--store", store.path, "--svg", tmp_path / "none" / "run.svg")

    assert answer.code == 1
    assert str(tmp_path / "none" / "run.svg") in answer.err
    assert "No such file or directory" in answer.err


@pytest.mark.parametrize("width", ["39", "401", "wide"])
def test_width_out_of_range(cli: Any, store: Any, width: str) -> None:
    """A width that cannot be is refused with what can."""
    answer = cli("show", "--store", store.path, "--width", width)

    assert answer.code == 2
    assert "--width" in answer.err
