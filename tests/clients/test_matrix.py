"""The environments of `make test-matrix`: none is left out in silence."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from conformance import matrix
from conformance.discovery import drivers

TABLE = matrix.environments()
ENGINES = matrix.environments(matrix.ENGINES)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A table of one environment, made by a uv that makes what is next to nothing."""
    monkeypatch.setattr(matrix, "TABLE", tmp_path / "environments.toml")
    monkeypatch.setattr(matrix, "FOLDER", tmp_path / "made")
    matrix.TABLE.write_text('[tools]\ninstall = []\n[lonely]\nabout = "a"\ninstall = ["no-such"]\n')
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    return tmp_path


def asked(environment: matrix.Environment) -> list[str]:
    """What stands behind ``pytest`` in an environment, wildcards filled in."""
    return [word for each in environment.tests for word in matrix.arguments(each)]


def uv(folder: Path, script: str) -> None:
    (folder / "uv").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "uv").chmod(0o755)


def test_what_cannot_be_installed_is_named_with_its_environment(
    table: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    uv(table, "echo 'no-such was not found in the package registry' >&2; exit 1")

    status = matrix.run(["lonely"])

    said = capfd.readouterr().out
    assert status == 1
    assert "environment lonely cannot be made:\nno-such was not found in the package reg" in said
    assert "lonely            CANNOT BE MADE" in said


def test_uv_is_told_what_pip_is_told(
    table: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.test/simple")
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)
    uv(table, 'echo "from $UV_DEFAULT_INDEX" >&2; exit 1')

    matrix.run(["lonely"])

    assert "cannot be made:\nfrom https://index.test/simple\n" in capfd.readouterr().out


def test_an_environment_whose_tests_fail_has_failed(
    table: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It keeps what it promises, and then its tests end with an error."""
    python = table / "made" / "lonely" / "bin" / "python"
    making = f"mkdir -p {python.parent} && ln -sf {table}/double {python}"
    (table / "double").write_text('#!/bin/sh\ntest "$2" = conformance\n')
    (table / "double").chmod(0o755)
    uv(table, making)

    status = matrix.run(["lonely"])

    assert status == 1
    assert "lonely            FAILED" in capfd.readouterr().out


def test_an_unknown_environment_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    assert matrix.run(["nowhere"]) == 2
    assert "no such environment: nowhere; there are earlier, " in capfd.readouterr().out


@pytest.mark.parametrize(
    ("names", "without", "made"),
    [
        ([], None, ["lonely", "lone-two", "third"]),
        (["lone*"], None, ["lonely", "lone-two"]),
        ([], "lone*", ["third"]),
        (["*l*"], "*two", ["lonely"]),
    ],
)
def test_environments_are_chosen_by_wildcards(
    table: Path,
    capfd: pytest.CaptureFixture[str],
    names: list[str],
    without: str | None,
    made: list[str],
) -> None:
    with matrix.TABLE.open("a") as file:
        file.writelines(f'[{name}]\nabout = "a"\ninstall = []\n' for name in ("lone-two", "third"))
    uv(table, "exit 1")

    matrix.run(names, matrix.TABLE, without=without)

    said = capfd.readouterr().out
    listed = said[said.index("environment by environment") :].splitlines()[1:]
    assert [line.split()[0] for line in listed] == made


def test_what_is_promised_and_is_not_here_is_told(
    table: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A driver that there is not, and an instrumentation that sees no call."""
    with matrix.TABLE.open("a") as file:
        file.write('promises = ["nobody"]\n[lonely.others]\nopenai = "somebody"\n')

    assert matrix.keeps("lonely") == 1
    assert capfd.readouterr().out == (
        "environment lonely: there is no driver nobody\n"
        "environment lonely: calls of openai are seen by None, not by somebody\n"
    )


@pytest.mark.parametrize("environment", [*TABLE, *ENGINES], ids=lambda each: each.name)
def test_an_environment_promises_what_it_is_tested_for(environment: matrix.Environment) -> None:
    """Tests that are there, of drivers that are there; without a promise they might ask nobody."""
    paths = [word for word in asked(environment) if "/" in word]

    assert all((matrix.ROOT / path).exists() for path in paths)
    assert set(environment.promises) <= set(drivers())
    assert bool(environment.promises) == any("conformance" in path for path in paths)
    assert bool(environment.programs) == any("ownership" in path for path in paths)


def test_every_file_of_tests_that_may_be_left_out_is_asked_somewhere() -> None:
    """A file that ``make test`` leaves out, for want of its engine, is one of an environment's."""
    files = (matrix.ROOT / "tests/engines").glob("test_*.py")
    lonely = {path.name for path in files if "importorskip(" in path.read_text("utf-8")}

    assert lonely
    assert lonely <= {Path(word).name for each in ENGINES for word in asked(each)}


def test_an_environment_of_engines_promises_a_module() -> None:
    """Tests of what is not there would be left out in silence."""
    assert [each.name for each in ENGINES if not each.modules] == []
    assert {each.name for each in TABLE}.isdisjoint(each.name for each in ENGINES)
