"""What became of each integration: is its target here, in which version, do its rows apply?"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from packaging.requirements import InvalidRequirement, Requirement

from flowspan.config import Settings
from flowspan.foreign import disabled_integrations, owned
from flowspan.instrumentation import discovery
from flowspan.instrumentation.integration import Integration
from flowspan.instrumentation.mainwatch import MAIN
from flowspan.instrumentation.spanmap.loading import load_map
from flowspan.launcher import without_hook
from flowspan.report import amounts
from flowspan.report.findings import Finding

Rows = Sequence[Mapping[str, Any]]

_SECONDS: Final = 60.0
_AT_ONCE: Final = 2
_LOST_SHOWN: Final = 3


def known(map_path: str | None = None) -> list[Integration]:
    """All integrations: ours, those of other distributions, and the user's map."""
    published = [one for one in discovery.offered() if isinstance(one, Integration)]
    found = [*discovery.built_in(), *published]
    if map_path is not None:
        mapped, _problems = load_map(map_path)
        found += [mapped] if mapped is not None else []
    return found


def findings(environ: Mapping[str, str], wanted: Settings) -> list[Finding]:
    """One finding for each integration; what they patch is imported by other processes."""
    found = known(wanted.map_path)
    disabled = disabled_integrations(environ)
    aside = owned(wanted.clients, environ)
    here = {
        one.name: installed
        for one in found
        if one.name.lower() not in disabled | aside.keys()
        and (installed := installed_version(one)) is not None
    }
    answers = _ask_all(list(here), environ)
    judged = [
        _judged(one, here[one.name], answers[one.name])
        if one.name in here
        else _absent(one, disabled, aside)
        for one in found
    ]
    broken = (one for one in discovery.offered() if isinstance(one, discovery.Broken))
    return [*judged, *map(_unusable, broken)]


def _unusable(broken: discovery.Broken) -> Finding:
    return Finding(
        "problem",
        broken.name,
        f"left out: {broken.reason}",
        "update or remove the package that publishes it; everything else works without it",
        data={"state": "failed"},
    )


def _absent(
    integration: Integration, disabled: frozenset[str], aside: Mapping[str, str]
) -> Finding:
    if (owner := aside.get(integration.name)) is not None:
        text = f"steps aside for {owner} (FLOWSPAN_CLIENTS=foreign)"
        return Finding("note", integration.name, text, data={"state": "aside"})
    if integration.name.lower() in disabled:
        text = "disabled by OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
        return Finding("note", integration.name, text, data={"state": "disabled"})
    return Finding("absent", integration.name, "not here", data={"state": "absent"})


def installed_version(integration: Integration) -> str | None:
    """The version of what an integration is for; empty where it has none, ``None`` where absent."""
    try:
        return version(Requirement(integration.requires).name)
    except PackageNotFoundError:
        return None
    except InvalidRequirement:  # no distribution to ask: a program that is run from a checkout
        return "" if _is_here(integration) else None


def _is_here(integration: Integration) -> bool:
    path = [str(Path.cwd()), *sys.path]
    packages = {patch.module.partition(".")[0] for patch in integration.patches}
    if MAIN in packages or not packages:  # a script's own, or nothing but rules of outcomes
        return True
    return any(PathFinder.find_spec(package, path) is not None for package in packages)


def _ask_all(names: Sequence[str], environ: Mapping[str, str]) -> dict[str, Rows | str]:
    """The rows of each integration, or why they are not known."""
    if not names:
        return {}
    together = _ask(names, environ)
    if not isinstance(together, str):
        return {**together}
    if len(names) == 1:
        return {names[0]: together}
    # One of them ended the process of all: which one, each shows in a process of its own.
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        alone = pool.map(lambda name: _ask_all([name], environ), names)
        return {name: rows for answer in alone for name, rows in answer.items()}


def _ask(names: Sequence[str], environ: Mapping[str, str]) -> dict[str, Rows] | str:
    command = [sys.executable, "-m", "flowspan.doctor.rows", *names]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command,
            env=without_hook(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"importing what it patches takes more than {_SECONDS:.0f} s"
    try:
        rows: dict[str, Rows] = json.loads(done.stdout)
    except ValueError:
        reason = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        return f"importing what it patches ends the process ({reason or done.returncode})"
    return rows


def _judged(integration: Integration, installed: str, rows: Rows | str) -> Finding:
    if isinstance(rows, str):
        return Finding("problem", integration.name, rows, data={"state": "failed"})
    scripts = [row for row in rows if row["target"].startswith(f"{MAIN}:")]
    rows = [row for row in rows if row not in scripts]
    lost = [row for row in rows if row["state"] != "applied"]
    needed = [row for row in lost if not row["optional"] or row["state"] == "failed"]
    applied = len(rows) - len(lost)
    remarks = [f"{applied} of {len(rows)} rows apply"] if rows else []
    if scripts:
        remarks.append(f"{len(scripts)} wait for a script: ask flowspan map check --script")
    if integration.outcomes:
        remarks.append(
            amounts.count(len(integration.outcomes), "rule of outcomes", "rules of outcomes")
        )
    if len(lost) > len(needed):
        remarks.append(f"{len(lost) - len(needed)} optional: no such target in this version")
    untested = not _is_tested(integration, installed)
    if untested:
        remarks.append(f"untested: tests cover {integration.requires}")
    reasons = list(dict.fromkeys(row["detail"] for row in needed))
    remarks += reasons[:_LOST_SHOWN]
    if len(reasons) > _LOST_SHOWN:
        remarks.append(f"{len(reasons) - _LOST_SHOWN} more")
    is_lost = bool(needed) or (bool(rows) and not applied)
    is_odd = untested or applied < len(rows) / 2
    return Finding(
        "problem" if is_lost else "note" if is_odd else "ok",
        f"{integration.name} {installed}".strip(),
        "; ".join(remarks),
        _remedy(integration) if is_lost else "",
        data={
            "state": "lost" if is_lost else "applied",
            "version": installed or None,
            "requires": integration.requires or None,
            "tested": not untested,
            "rows": [*rows, *scripts],
        },
    )


def _is_tested(integration: Integration, installed: str) -> bool:
    if not integration.requires or not installed:
        return True
    return Requirement(integration.requires).specifier.contains(installed, prereleases=True)


def _remedy(integration: Integration) -> str:
    if not integration.requires:
        return ""
    return (
        f"the other rows work; install a version within {integration.requires}, "
        "or report this version to flowspan"
    )
