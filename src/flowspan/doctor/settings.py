"""Which settings are in force, which cannot be used, and which are misspelt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from flowspan.config import VARIABLES, Settings
from flowspan.instrumentation.spanmap.loading import load_map
from flowspan.pricing import load_overrides, override_files
from flowspan.report.findings import Finding
from flowspan.store.clickhouse.address import without_password

_ALIKE: Final = 0.8
_PREFIX: Final = "FLOWSPAN_"


def findings(environ: Mapping[str, str], wanted: Settings) -> list[Finding]:
    """The settings of the environment, the map and the price files."""
    return [
        *_in_force(environ, wanted),
        *_misspelt(environ),
        *_estimates(wanted),
        *_map(wanted),
        *_prices(wanted),
    ]


def _in_force(environ: Mapping[str, str], wanted: Settings) -> Iterator[Finding]:
    wrong = {problem.partition("=")[0]: problem for problem in wanted.problems}
    for variable in VARIABLES:
        value = environ.get(variable.name, "").strip()
        if variable.name in wrong:
            yield Finding(
                "problem", variable.name, wrong[variable.name], f"correct {variable.name}"
            )
        elif value:
            value = without_password(value)
            yield Finding("ok", variable.name, value, data={"value": value})


def _misspelt(environ: Mapping[str, str]) -> Iterator[Finding]:
    names = [variable.name for variable in VARIABLES]
    for name in sorted(environ):
        if name.startswith(_PREFIX) and name not in names:
            alike = get_close_matches(name, names, n=1, cutoff=_ALIKE)
            remedy = f"did you mean {alike[0]}?" if alike else f"unset {name}"
            yield Finding("note", name, "is not a setting of flowspan and does nothing", remedy)


def _estimates(wanted: Settings) -> Iterator[Finding]:
    if wanted.estimates == "tiktoken" and find_spec("tiktoken") is None:
        yield Finding(
            "problem",
            "tiktoken",
            "is not installed, so tokens are estimated by bytes",
            "pip install 'flowspan[tiktoken]'",
        )


def _map(wanted: Settings) -> Iterator[Finding]:
    if wanted.map_path is None:
        return
    integration, wrong = load_map(wanted.map_path)
    remedy = "the other rows of the map work" if integration is not None else ""
    for problem in wrong:
        yield Finding("problem", "span map", problem, remedy)
    if integration is not None:
        rows = len(integration.patches)
        yield Finding("ok", "span map", f"{wanted.map_path}: {rows} rows", data={"rows": rows})


def _prices(wanted: Settings) -> Iterator[Finding]:
    files = override_files(wanted.prices_path)
    _overrides, wrong = load_overrides(files)
    for problem in wrong:
        yield Finding("problem", "prices", problem, "the other prices work")
    for file in map(Path, files):
        if file.exists() and not wrong:
            yield Finding("ok", "prices", str(file))
