"""The rules that hold the tree together, beside those that the linters check."""

from __future__ import annotations

import ast
import json
import logging
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from importlinter.cli import lint_imports
from packaging.requirements import Requirement

import flowspan
from flowspan.instrumentation import clients, discovery, engines

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "flowspan"
MODULES = sorted(SOURCE.rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
SCRIPTS = Path(sys.executable).parent

MOST_LINES = 400
PRINT_MODULES = "import sys, json; print(json.dumps(sorted(sys.modules)))"


def names(files: list[Path]) -> list[str]:
    return [str(file.relative_to(SOURCE)) for file in files]


# --- files ----------------------------------------------------------------------------------------


def test_a_file_holds_one_idea_and_so_less_than_400_lines() -> None:
    long = [file for file in MODULES if len(file.read_text("utf-8").splitlines()) >= MOST_LINES]

    assert names(long) == []


def test_a_file_is_named_after_what_it_does() -> None:
    vague = re.compile(r"(utils?|helpers?|common|misc|tools)(\.py)?")
    found = [
        file
        for file in MODULES
        if any(vague.fullmatch(part) for part in file.relative_to(SOURCE).parts)
    ]

    assert names(found) == []


def test_every_module_opens_with_a_sentence() -> None:
    dumb = [file for file in MODULES if not ast.get_docstring(ast.parse(file.read_text("utf-8")))]

    assert names(dumb) == []


@pytest.mark.parametrize("package", [engines, clients], ids=["engines", "clients"])
def test_every_integration_that_makes_spans_has_a_test(package: ModuleType) -> None:
    modules = [found.name for found in pkgutil.iter_modules(package.__path__)]
    folder = ROOT / "tests" / package.__name__.rpartition(".")[2]
    tests = [file.stem for file in folder.rglob("test_*.py")]

    untested = [
        name
        for name in modules
        if makes_spans(import_module(f"{package.__name__}.{name}"))
        and not any(test.startswith(f"test_{name}") for test in tests)
    ]

    assert untested == []


def makes_spans(module: ModuleType) -> bool:
    one = getattr(module, "INTEGRATION", None)
    found = getattr(module, "INTEGRATIONS", () if one is None else (one,))
    return any(patch.kind for integration in found for patch in integration.patches)


# --- layers ---------------------------------------------------------------------------------------


@pytest.fixture
def _logging_as_it_was() -> Iterator[None]:
    """Import Linter configures logging anew, which switches every logger off that is there."""
    root, loggers = logging.root, logging.root.manager.loggerDict
    level = root.level
    disabled = {name: getattr(logger, "disabled", False) for name, logger in loggers.items()}
    yield
    root.setLevel(level)
    for name, was in disabled.items():
        logging.getLogger(name).disabled = was


@pytest.mark.usefixtures("_logging_as_it_was")
def test_nobody_imports_upwards_or_sideways(capsys: pytest.CaptureFixture[str]) -> None:
    failed = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)

    assert not failed, capsys.readouterr().out


# --- the one door ---------------------------------------------------------------------------------


def test_the_door_says_what_it_exports() -> None:
    listed = flowspan.__all__

    assert listed == sorted(listed)
    assert all(hasattr(flowspan, name) for name in listed)
    assert set(listed) <= set(dir(flowspan))
    assert not hasattr(flowspan, "nothing_of_the_kind")


def test_type_checkers_see_the_same_door() -> None:
    tree = ast.parse((SOURCE / "__init__.py").read_text("utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = [
        alias.name
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]

    assert {*imported, "__version__"} == set(flowspan.__all__)


def test_the_door_itself_imports_nothing() -> None:
    loaded = modules_after("import flowspan", PRINT_MODULES)

    assert {name for name in loaded if name.startswith(("flowspan", "opentelemetry"))} == {
        "flowspan"
    }


# --- what the watched process imports -------------------------------------------------------------


def modules_after(*lines: str, command: tuple[str | Path, ...] = (), **environ: str) -> set[str]:
    """The modules of a process that has run some lines and then prints them."""
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [*command, sys.executable, "-c", "\n".join(lines)],
        env={**os.environ, "PATH": path, **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    found: list[str] = json.loads(done.stdout)
    return set(found)


def test_an_empty_program_under_flowspan_imports_no_target_and_nothing_of_the_command_line(
    tmp_path: Path,
) -> None:
    targets = {
        package(patch.module)
        for integration in discovery.built_in()
        for patch in integration.patches
    }
    ours = {"flowspan.cli", "flowspan.doctor", "flowspan.report", "flowspan.testing"}
    forbidden = {"sqlalchemy", "rich", "click", "genai_prices", "yaml"} | targets

    loaded = modules_after(
        PRINT_MODULES,
        command=(SCRIPTS / "opentelemetry-instrument",),
        FLOWSPAN_STORE=str(tmp_path),
    )

    assert "flowspan.assembly" in loaded
    assert loaded & ours == set()
    assert {package(name) for name in loaded} & forbidden == set()


def package(module: str) -> str:
    """The package that a module belongs to; ``google`` is a name that many distributions share."""
    steps = module.split(".")
    return ".".join(steps[:2]) if steps[0] == "google" else steps[0]


# --- dependencies ---------------------------------------------------------------------------------


def requirements() -> list[Requirement]:
    project = PROJECT["project"]
    extras = project.get("optional-dependencies", {}).values()
    return [Requirement(text) for text in sum(extras, project["dependencies"])]


def test_dependencies_have_a_lower_bound_and_no_other() -> None:
    bounds = {
        str(one): [part.operator for part in one.specifier]
        for one in requirements()
        if [part.operator for part in one.specifier] != [">="]
    }

    assert bounds == {}


def test_python_has_a_lower_bound_and_no_other() -> None:
    assert re.fullmatch(r">=3\.\d+", PROJECT["project"]["requires-python"])
