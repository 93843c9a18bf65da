"""Builds the programs once for each version, and says where they are."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Final

from stack import cache, toolchain
from stack.errors import BuildError, StackUnavailableError
from stack.recipes import RECIPES, Recipe, Work
from stack.toolchain import Go, Say

REMEDY: Final = "`make stack` builds it"


def build_all(say: Say) -> None:
    """Build what is not there yet; a second call does nothing.

    Args:
        say: Takes progress lines.

    Raises:
        StackUnavailableError: This machine lacks Go or the registry.
        BuildError: The sources do not build.
    """
    folder = cache.cache_folder()
    if not _missing(folder):
        return
    go = toolchain.find_go()
    with cache.locked(folder, lambda: say("waiting for another build to end")):
        for recipe in _missing(folder):
            _build(recipe, go, folder, say)


def find(program: str) -> Path:
    """Where a program is.

    Args:
        program: Its file name: ``otelcol-flowspan``, ``jaeger``, ``prometheus`` or ``promtool``.

    Raises:
        StackUnavailableError: It is not built yet.
    """
    here = cache.ready_made(program)
    if here is not None:
        return here
    recipe = next(recipe for recipe in RECIPES if program in recipe.programs)
    path = cache.cache_folder() / recipe.key / program
    if not path.is_file():
        raise StackUnavailableError(
            f"{program} ({recipe.name} {recipe.version}) is not in the cache "
            f"{cache.cache_folder()}: {REMEDY}"
        )
    return path


def _missing(folder: Path) -> list[Recipe]:
    return [
        recipe
        for recipe in RECIPES
        if not (folder / recipe.key).is_dir()
        and not all(cache.ready_made(program) for program in recipe.programs)
    ]


def _build(recipe: Recipe, go: Go, folder: Path, say: Say) -> None:
    """Build into a folder beside, which takes its name once everything is in it."""
    began = time.monotonic()
    say(f"{recipe.name} {recipe.version}: building with {go.version}")
    with tempfile.TemporaryDirectory(prefix="building-", dir=folder) as name:
        work = Work(go, Path(name) / "work", Path(name) / "out", say)
        work.folder.mkdir()
        work.out.mkdir()
        recipe.make(work)
        built = {path.name for path in work.out.iterdir()}
        if not set(recipe.programs) <= built:
            raise BuildError(f"{recipe.name}: {recipe.programs} expected, {sorted(built)} made")
        work.out.rename(folder / recipe.key)
        shutil.rmtree(work.folder)
    seconds = round(time.monotonic() - began)
    say(f"{recipe.name} {recipe.version}: built in {seconds // 60} min {seconds % 60} s")
