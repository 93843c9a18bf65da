"""Programs are built once, and what is missing is said in one sentence."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from stack import build, cache, recipes, toolchain
from stack.errors import BuildError, StackUnavailableError

ROOT = Path(__file__).parents[2]


def stack(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """``python -m stack …``, with nothing in its environment but what it is given."""
    return subprocess.run(
        [sys.executable, "-m", "stack", *words],
        cwd=ROOT,
        env={"PYTHONPATH": os.environ.get("PYTHONPATH", ""), **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def script(path: Path, says: str) -> None:
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.delenv(cache.READY_MADE_VARIABLE, raising=False)
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_without_go_there_is_one_sentence_with_the_remedy(tmp_path: Path) -> None:
    done = stack("build", PATH=str(tmp_path), FLOWSPAN_STACK_CACHE=str(tmp_path))

    assert done.returncode == 3
    assert done.stderr == (
        "there is no Go here, from which the stack's programs are built: install Go 1.26 or newer "
        "(https://go.dev/dl), or name a folder with ready-made programs in "
        "FLOWSPAN_STACK_BINARIES\n"
    )


def test_a_go_that_is_too_old_is_named(tmp_path: Path) -> None:
    script(tmp_path / "go", "go version go1.22.1 linux/amd64")

    done = stack("build", PATH=f"{tmp_path}:/bin", FLOWSPAN_STACK_CACHE=str(tmp_path))

    assert done.returncode == 3
    assert done.stderr.startswith(f"{tmp_path}/go is go1.22.1 linux/amd64: install Go 1.26")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(shutil.which("go") is None, reason="there is no Go here")
def test_without_the_registry_there_is_one_sentence_and_nothing_half_built(
    tmp_path: Path,
) -> None:
    done = stack(
        "build",
        PATH=os.environ["PATH"],
        HOME=str(tmp_path),
        FLOWSPAN_STACK_CACHE=str(tmp_path / "cache"),
        GOMODCACHE=str(tmp_path / "modules"),
        GOPROXY="http://127.0.0.1:9",
        GONOSUMDB="*",
        GOFLAGS="-modcacherw",
    )

    assert done.returncode == 3
    assert "the Go module registry (`go env GOPROXY`) does not answer" in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["lock"]


def test_what_is_built_is_not_built_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is Go needed any more."""
    monkeypatch.setenv("PATH", "")
    for recipe in recipes.RECIPES:
        (folder / recipe.key).mkdir(parents=True)
        for program in recipe.programs:
            (folder / recipe.key / program).touch()

    build.build_all(pytest.fail)

    for recipe in recipes.RECIPES:
        for program in recipe.programs:
            assert build.find(program) == folder / recipe.key / program


def test_what_is_not_built_is_named_with_the_remedy(folder: Path) -> None:
    with pytest.raises(
        StackUnavailableError, match=r"^jaeger .* `make stack` builds it$"
    ) as raised:
        build.find("jaeger")

    assert str(folder) in str(raised.value)


def test_programs_that_are_here_already_may_be_named_instead(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cache.READY_MADE_VARIABLE, str(tmp_path))
    for recipe in recipes.RECIPES:
        for program in recipe.programs:
            (tmp_path / program).touch()

    build.build_all(pytest.fail)

    assert build.find("promtool") == tmp_path / "promtool"


def test_a_new_version_is_another_folder() -> None:
    jaeger = recipes.JAEGER

    assert jaeger._replace(version="v9").key != jaeger.key
    assert jaeger._replace(ingredients=lambda: "tags").key != jaeger.key


def test_two_builds_do_not_meet(folder: Path) -> None:
    waiting, ended = threading.Event(), threading.Event()

    def second() -> None:
        with cache.locked(folder, waiting.set):
            assert ended.is_set()

    with cache.locked(folder, pytest.fail):
        other = threading.Thread(target=second)
        other.start()
        assert waiting.wait(10)
        ended.set()
    other.join(10)
    assert not other.is_alive()


def test_a_build_that_fails_shows_its_last_lines(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('go: downloading x\\nundefined: Y')"]

    with pytest.raises(BuildError) as raised:
        toolchain.run(command, tmp_path, what="jaeger: compiling", say=pytest.fail)

    assert str(raised.value) == "jaeger: compiling failed:\nundefined: Y"


def test_progress_is_said_while_it_lasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "LINE_EVERY_SECONDS", 0.0)
    said: list[str] = []
    wait_for_it = """
import os, sys, time
print("one\\ntwo", file=sys.stderr, flush=True)
while not os.path.exists("go on"):
    time.sleep(0.01)
"""

    def say(line: str) -> None:
        said.append(line)
        if "2 steps" in line:
            (tmp_path / "go on").touch()

    toolchain.run([sys.executable, "-c", wait_for_it], tmp_path, what="jaeger: compiling", say=say)

    assert said[-1] == "jaeger: compiling, 2 steps"
