"""Says what each row of a span map matches: run as a process of its own.

``python -m flowspan.mapping.matches FILE [SCRIPT]`` imports the modules that the map names, with
its rows waiting for them as they do in a traced program.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider

from flowspan.instrumentation import discovery
from flowspan.instrumentation.events import EventOutlet
from flowspan.instrumentation.integration import Integration, OutcomeRule
from flowspan.instrumentation.machine import Machine
from flowspan.instrumentation.mainwatch import MAIN
from flowspan.instrumentation.metrics import Instruments
from flowspan.instrumentation.patching import Patcher, RowStatus
from flowspan.instrumentation.spanmap.loading import MapFile, MappedRow
from flowspan.instrumentation.spanmap.paths import ROOTS, TABLES
from flowspan.instrumentation.wrapped import Wrapped
from flowspan.mapping.answering import answer, import_module, import_script, nearest
from flowspan.mapping.copies import copies_of

_OWN_NAMES: Final = ROOTS.keys() | {TABLES}
_OUTDONE: Final = (
    "all that fits it has a nearer row, or says its role itself by a decorator; "
    "leave the row out, or its kind"
)
_FORMS: Final = (
    (inspect.isasyncgenfunction, "async generator"),
    (inspect.iscoroutinefunction, "coroutine function"),
    (inspect.isgeneratorfunction, "generator"),
)


def look(file: str, script: str | None) -> dict[str, Any]:
    """What is wrong with a map, and what became of its rows."""
    read = MapFile(file)
    found: dict[str, Any] = {"problems": read.problems, "rows": [], "outcomes": []}
    if read.integration is not None:
        reasons = {} if script is None else {MAIN: import_script(Path(script))}
        patcher = _applied(read.integration, reasons)
        engines = _engines(read.integration)
        found["outcomes"] = [_outcome(line, rule, engines) for line, rule in read.outcomes()]
        found["rows"] = [
            _row(row, status, patcher, reasons, script)
            for row, status in zip(read.rows(), patcher.statuses(), strict=True)
        ]
    return found


def _engines(mapped: Integration) -> list[str]:
    """The engines whose rows make spans here."""
    known = [mapped, *discovery.built_in(), *discovery.published()]
    return sorted({one.engine or one.name for one in known if any(row.kind for row in one.patches)})


def _outcome(line: int, rule: OutcomeRule, engines: list[str]) -> dict[str, Any]:
    fitting = [engine for engine in engines if fnmatchcase(engine, rule.engine)]
    return {
        "line": line,
        "engine": rule.engine,
        "engines": fitting,
        "nearest": "" if fitting else nearest(rule.engine, engines),
    }


def _applied(integration: Integration, reasons: dict[str, str | None]) -> Patcher:
    machine = Machine(
        tracer=NoOpTracerProvider().get_tracer("flowspan"),
        instruments=Instruments(NoOpMeterProvider().get_meter("flowspan")),
        outlet=EventOutlet("span", None),
    )
    patcher = Patcher(machine)
    patcher.install(integration)
    for module in dict.fromkeys(name for patch in integration.patches for name, _ in patch.places):
        if module != MAIN:
            imported = import_module(module)
            reasons[module] = imported if isinstance(imported, str) else None
    return patcher


def _row(
    row: MappedRow,
    status: RowStatus,
    patcher: Patcher,
    reasons: dict[str, str | None],
    script: str | None,
) -> dict[str, Any]:
    places = [place[1:] for place in patcher.places() if place[0] == status.target]
    matches = [_match(*place) for place in places]
    state, detail = status.state, status.detail
    if state != "applied":
        state, detail = "missing", _why_not(status, reasons) or detail
    elif not matches:
        state, detail = "missing", _OUTDONE
    return {
        "target": status.target,
        "line": row.line,
        "kind": row.patch.kind,
        "optional": status.optional,
        "state": state,
        "detail": detail,
        "matches": sorted(matches, key=lambda match: str(match["place"])),
        "unknown": sorted(_unknown(row, places)),
        "started": _is_started(row, script),
        "absent": [
            _absent(name, reasons)
            for name in row.patch.names
            if not name.startswith(f"{MAIN}:") and name not in {match["place"] for match in matches}
        ],
        "twice": [_match(*place)["place"] for place in places if _has_two_spans(row, place[2])],
        "copies": sorted({copy for place in places for copy in copies_of(place[2])}),
    }


def _is_started(row: MappedRow, script: str | None) -> bool:
    """Whether its module is the script, which Python calls by another name when it starts it."""
    patch = row.patch
    named = any(name.startswith(f"{MAIN}:") for name in patch.names)
    same = script is not None and Path(script).stem == patch.module.rpartition(".")[2]
    return same and not patch.script and not named


def _has_two_spans(row: MappedRow, original: Any) -> bool:
    inner = original._self_site.kind if type(original) is Wrapped else None  # noqa: SLF001 - the door
    return row.patch.kind is not None and inner is not None


def _match(owner: Any, name: str, original: Any) -> dict[str, str]:
    module = owner.__name__ if isinstance(owner, ModuleType) else owner.__module__
    path = name if isinstance(owner, ModuleType) else f"{owner.__qualname__}.{name}"
    return {"place": f"{module}:{path}", "form": _form(owner, original)}


def _form(owner: Any, original: Any) -> str:
    function = getattr(original, "__func__", original)
    with contextlib.suppress(ValueError):  # it wraps itself, or answers to every name
        function = inspect.unwrap(function)
    form = next((form for test, form in _FORMS if test(function)), "")
    if isinstance(original, staticmethod | classmethod):
        return f"{form} {type(original).__name__}".strip()
    return form or ("function" if isinstance(owner, ModuleType) else "method")


def _unknown(row: MappedRow, places: list[Any]) -> Iterator[str]:
    """Names in the row's paths that are no arguments of what it matches, with the nearest."""
    named = row.names - _OWN_NAMES
    for _, _, original in places:
        try:
            parameters = inspect.signature(getattr(original, "__func__", original)).parameters
        except (TypeError, ValueError):  # written in C: nobody knows its parameters
            continue
        if not any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
            yield from (
                f"{name}{nearest(name, list(parameters))}" for name in named - parameters.keys()
            )
            return


def _why_not(status: RowStatus, reasons: dict[str, str | None]) -> str:
    if status.target.startswith(f"{MAIN}:") and MAIN not in reasons:
        return "is looked for in the script that is run: name it with --script"
    return "" if status.state == "failed" else _absent(status.target, reasons)


def _absent(target: str, reasons: dict[str, str | None]) -> str:
    """Why nothing is found under a target."""
    module, _, path = target.partition(":")
    if (reason := reasons.get(module)) is not None:
        return reason
    found = sys.modules.get(module)
    return "" if found is None else f"{module} has no {path}{nearest(path, list(_paths(found)))}"


def _paths(module: ModuleType) -> Iterator[str]:
    """The functions of a module and the methods of its classes."""
    for name, found in vars(module).items():
        if isinstance(found, type):
            yield from (f"{name}.{inner}" for inner, one in vars(found).items() if callable(one))
        elif callable(found):
            yield name


if __name__ == "__main__":
    answer(lambda: look(sys.argv[1], next(iter(sys.argv[2:]), None)))
