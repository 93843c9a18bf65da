"""What became of each integration."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from flowspan import config
from flowspan.doctor import integrations
from flowspan.doctor.rows import apply
from flowspan.instrumentation.integration import Integration, OutcomeRule, Patch

PLUGIN = """
from flowspan.instrumentation.integration import Integration, OutcomeRule, Patch
INTEGRATION = Integration("toy", "toy-engine>=1.5,<2", (
    Patch(target="toy_engine:Engine.run", kind="run"),
    Patch(target="toy_engine:Engine.step", kind="step"),
    Patch(target="toy_engine:Engine.later", kind="node", optional=True),
))
"""
ENGINE = """
print("an engine that talks while it is imported")
class Engine:
    def run(self): ...
    def step(self): ...
"""


def _found(name: str = "toy", **environ: str) -> Any:
    environ = {**os.environ, **environ}
    return next(
        found
        for found in integrations.findings(environ, config.load(environ))
        if found.subject.split()[0] == name
    )


NEIGHBOUR = "http.client"
"""An integration of flowspan's own beside what is tested."""


@pytest.fixture
def toy(install: Any, only: Any) -> Any:
    """A plugin with an integration, whose engine is yet to be installed, and a neighbour."""
    only(NEIGHBOUR)
    install(
        "toy-plugin",
        entry_points=(("flowspan_integration", "toy", "toy_plugin:INTEGRATION"),),
        toy_plugin=PLUGIN,
    )

    def engine(version: str, source: str = ENGINE) -> None:
        install("toy-engine", version, toy_engine=source)

    return engine


def test_absent(toy: Any) -> None:
    """What is not installed is neither imported nor a problem."""
    found = _found()

    assert (found.level, found.text) == ("absent", "not here")


def test_applied(toy: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """Rows that apply are counted; the engine is imported elsewhere, and nobody hears it."""
    toy("1.6")

    found = _found()

    assert (found.level, found.subject) == ("ok", "toy 1.6")
    assert found.text == "2 of 3 rows apply; 1 optional: no such target in this version"
    assert found.data["tested"]
    assert [row["state"] for row in found.data["rows"]] == ["applied", "applied", "missing"]
    assert "toy_engine" not in sys.modules
    assert capfd.readouterr() == ("", "")


def test_untested_version(toy: Any) -> None:
    """A version outside of what tests cover is said to be untested, no more."""
    toy("2.1")

    found = _found()

    assert found.level == "note"
    assert found.text.endswith("; untested: tests cover toy-engine>=1.5,<2")
    assert not found.data["tested"]


def test_lost_row(toy: Any) -> None:
    """A row whose target is gone is named with what is missing."""
    toy("1.6", "class Engine:\n    def run(self): ...\n")

    found = _found()

    assert found.level == "problem"
    assert found.text.startswith("1 of 3 rows apply; 1 optional: no such target")
    assert "; toy_engine has no Engine.step" in found.text
    assert "install a version within toy-engine>=1.5,<2" in found.remedy


def test_engine_that_cannot_be_imported(toy: Any) -> None:
    """An engine that cannot be imported loses all rows, with its own words."""
    toy("1.6", "raise RuntimeError('no licence')\n")

    found = _found()

    assert found.level == "problem"
    assert "toy_engine cannot be imported: RuntimeError: no licence" in found.text


def test_engine_that_ends_the_process(toy: Any) -> None:
    """Even an engine that ends the process costs one finding."""
    toy("1.6", "import os, sys\nsys.stderr.write('core dumped')\nsys.stderr.flush()\nos._exit(9)\n")

    found = _found()

    assert found.level == "problem"
    assert found.text == "importing what it patches ends the process (core dumped)"
    assert _found(NEIGHBOUR).level == "ok"


def test_engine_that_takes_forever(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import that does not end is not waited for."""
    monkeypatch.setattr(integrations, "_SECONDS", 1.0)
    toy("1.6", "import threading\nthreading.Event().wait()\n")

    assert _found().text == "importing what it patches takes more than 1 s"


def test_disabled(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the user disabled is not imported."""
    name = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
    monkeypatch.setenv(name, f"{os.environ[name]},flowspan-toy")
    toy("1.6", "raise RuntimeError")

    found = _found()

    assert (found.level, found.data) == ("note", {"state": "disabled"})


def test_map_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, only: Any) -> None:
    """The rows of a span map are checked against the code in the folder, which has no version."""
    only(NEIGHBOUR)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "house.py").write_text("class Flow:\n    def run(self): ...\n")
    file = tmp_path / "map.toml"
    file.write_text(
        'engine = "house"\n[[rows]]\ntarget = "house:Flow.run"\nkind = "run"\n'
        '[[rows]]\ntarget = "house:Flow.stop"\nkind = "node"\n'
    )

    found = _found("map:house", FLOWSPAN_MAP=str(file))

    assert found.level == "problem"
    assert found.subject == "map:house"
    assert found.text.startswith("1 of 2 rows apply; house has no Flow.stop")
    assert found.remedy == ""


def test_rows_for_a_script_and_rules_alone_are_no_loss() -> None:
    """What only a run can show is said, and is nothing to fix."""
    rule = OutcomeRule(judge=lambda judged: None)
    rows = [{"target": "__main__:run", "state": "waiting", "optional": False, "detail": ""}]

    found = integrations._judged(Integration("map:x", "", (), outcomes=(rule,)), "", rows)

    assert found.level == "ok"
    assert found.text == (
        "1 wait for a script: ask flowspan map check --script; 1 rule of outcomes"
    )


def test_a_reason_that_rows_share_is_told_once() -> None:
    """A module that cannot be imported is one thing to fix, whatever the number of its rows."""
    rows = [
        {"target": f"m:f{n}", "state": "missing", "optional": False, "detail": "m is broken"}
        for n in range(5)
    ]

    found = integrations._judged(Integration("map:x", "", ()), "", rows)

    assert found.text == "0 of 5 rows apply; m is broken"


def test_many_lost_rows() -> None:
    """Of many lost rows the first are named."""
    rows = [
        {"target": f"m:f{n}", "state": "missing", "optional": False, "detail": f"no f{n}"}
        for n in range(5)
    ]

    found = integrations._judged(Integration("toy", "", ()), "", rows)

    assert found.text == "0 of 5 rows apply; no f0; no f1; no f2; 2 more"


def test_nothing_applies_though_all_is_optional() -> None:
    """Rows may be optional one by one, but not all at once."""
    rows = [{"target": "m:f", "state": "missing", "optional": True, "detail": "no f"}]

    assert integrations._judged(Integration("toy", "toy>=1", ()), "1.0", rows).level == "problem"


def test_nothing_here_at_all() -> None:
    """Where there is nothing to patch no process is started."""
    assert integrations._ask_all([], {}) == {}


@pytest.mark.parametrize(
    ("states", "level"),
    [
        (["applied", "applied", "missing"], "ok"),
        (["applied", "missing", "missing"], "note"),
        (["applied", "applied", "failed"], "problem"),
    ],
)
def test_optional_rows(states: list[str], level: str) -> None:
    """Few optional rows may be missing; many are worth a look, and one that failed is a problem."""
    rows = [
        {"target": "m:f", "state": state, "optional": True, "detail": "why"} for state in states
    ]

    assert integrations._judged(Integration("toy", "toy>=1", ()), "1.0", rows).level == level


def test_rows_in_process(install: Any) -> None:
    """What became of each row, once their modules are imported."""
    install("rows-target", rows_target="def work(): ...\n")
    integration = Integration(
        "toy",
        "",
        (
            Patch(target="rows_target:work", kind="node"),
            Patch(target="rows_target:rest", kind="node"),
            Patch(target="rows_target_absent:work", kind="node"),
        ),
    )

    states = [row["state"] for row in apply(integration)]

    assert states == ["applied", "missing", "missing"]


@pytest.mark.timeout(600)
def test_what_comes_with_flowspan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every integration of flowspan's own applies to what is installed here, within its range."""
    monkeypatch.setattr(integrations, "_SECONDS", 600.0)  # it imports everything, once
    for found in integrations.findings(os.environ, config.load()):
        assert found.level in {"ok", "absent"}, found
