"""What starting an empty program costs: time, memory, and which modules are imported.

Three ways, in turns: the interpreter alone, a bare ``opentelemetry-instrument``, and flowspan's
distribution.  *Bare* means OpenTelemetry's own SDK configurator, no exporter and no instrumentor;
a distribution of ours for the time of the measurement names that configurator, because the SDK
itself registers none (the package opentelemetry-distro does).  It is the cheapest that
``opentelemetry-instrument`` can be, so that the difference is not made to look small.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.clock import Spread
from benchmarks.result import Report, Row, added
from benchmarks.sides import FLOWSPAN
from flowspan.instrumentation import discovery

ALONE: Final = "python alone"
BARE: Final = "bare opentelemetry-instrument"
_SUBJECT: Final = "start-up of an empty program"
_MEMORY: Final = "resident memory of an empty program"
_MOST_SECONDS: Final = 0.15
_UNWANTED: Final = (
    "sqlalchemy",
    "rich",
    "click",
    "genai_prices",
    "flowspan.cli",
    "flowspan.report",
)

_BARE_MODULE: Final = """
from opentelemetry.instrumentation.distro import BaseDistro
from opentelemetry.sdk._configuration import _OTelSDKConfigurator

class Distro(BaseDistro):
    def _configure(self, **kwargs):
        pass

class Configurator(_OTelSDKConfigurator):
    pass
"""
_BARE_ENTRIES: Final = """
[opentelemetry_distro]
bare = bare_distribution:Distro
[opentelemetry_configurator]
bare = bare_distribution:Configurator
"""
_EMPTY: Final = "pass"
_SILENT: Final = ((os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),)
_RESIDENT: Final = "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
"""The most KiB resident.  The parent cannot ask for it: its own counts for the child's start."""
_MODULES: Final = "import sys, json; print(json.dumps(sorted(sys.modules)))"


class Way(NamedTuple):
    """One way to start a program: what stands before it, and its environment."""

    prefix: tuple[str, ...]
    environment: dict[str, str]


class Cost(NamedTuple):
    """Of one start: seconds passed, and seconds of CPU."""

    wall: float
    cpu: float


@contextmanager
def ways() -> Iterator[dict[str, Way]]:
    """The ways to start a program; their files are there while the block runs."""
    with tempfile.TemporaryDirectory(prefix="flowspan-bench-") as folder:
        here = Path(folder)
        (here / "bare_distribution.py").write_text(_BARE_MODULE)
        about = here / "bare_distribution-0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: bare-distribution\nVersion: 0\n"
        )
        (about / "entry_points.txt").write_text(_BARE_ENTRIES)
        clean = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("OTEL_", "FLOWSPAN_", "PYTHON"))
        }
        none = dict.fromkeys(("TRACES", "METRICS", "LOGS"), "none")
        bare = {
            **clean,
            **{f"OTEL_{signal}_EXPORTER": value for signal, value in none.items()},
            "PYTHONPATH": folder,
            "OTEL_PYTHON_DISTRO": "bare",
            "OTEL_PYTHON_CONFIGURATOR": "bare",
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*",
        }
        ours = {
            **clean,
            "OTEL_PYTHON_DISTRO": "flowspan",
            "OTEL_PYTHON_CONFIGURATOR": "flowspan",
            "FLOWSPAN_STORE": str(here / "store.db"),
        }
        instrument = str(Path(sys.executable).with_name("opentelemetry-instrument"))
        yield {
            ALONE: Way((), clean),
            BARE: Way((instrument,), bare),
            FLOWSPAN: Way((instrument,), ours),
        }


def start(way: Way, code: str, *options: str) -> Cost:
    """Start a program, wait for its end, and say what it took."""
    command = [*way.prefix, sys.executable, *options, "-c", code]
    started = time.perf_counter()
    process = os.posix_spawnp(command[0], command, way.environment, file_actions=_SILENT)
    _, status, usage = os.wait4(process, 0)
    wall = time.perf_counter() - started
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return Cost(wall, usage.ru_utime + usage.ru_stime)


def output(way: Way, code: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a program and give what it said."""
    command = [*way.prefix, sys.executable, *options, "-c", code]
    return subprocess.run(  # noqa: S603 - our own interpreter
        command, check=True, env=way.environment, capture_output=True, text=True
    )


def targets() -> set[str]:
    """Top-level names of what flowspan patches: none may be imported by a start."""
    modules = {patch.module for each in discovery.built_in() for patch in each.patches}
    return {module.partition(".")[0] for module in modules} - set(sys.stdlib_module_names)


def measure(report: Report, *, quick: bool) -> None:
    """Add time, memory and imports of a start to a report."""
    costs: dict[str, list[Cost]] = {}
    with ways() as every:
        for way in every.values():  # byte code and page cache are there from the second start on
            start(way, _EMPTY)
        names = list(every)
        for turn in range(10 if quick else 21):
            shift = turn % len(names)
            for name in (*names[shift:], *names[:shift]):
                costs.setdefault(name, []).append(start(every[name], _EMPTY))
        resident = {name: _resident(way) for name, way in every.items()}
        loaded = set(json.loads(output(every[FLOWSPAN], _MODULES).stdout))
        loaded_bare = set(json.loads(output(every[BARE], _MODULES).stdout))
    report.rows += [*_times(costs), *_memory(resident)]
    found = sorted(
        name for name in {*targets(), *_UNWANTED} if name in loaded and name not in loaded_bare
    )
    report.rows.append(
        Row(
            subject="modules of targets imported",
            side=FLOWSPAN,
            value=Spread.of([float(len(found))]),
            unit="modules",
            aim="0",
            met=not found,
        )
    )
    report.facts["unwanted_modules"] = found
    report.facts["modules_more_than_bare"] = len(loaded - loaded_bare)


def _times(costs: dict[str, list[Cost]]) -> Iterator[Row]:
    for what, pick in (("CPU", 1), ("wall", 0)):
        values = {name: [cost[pick] * 1000 for cost in some] for name, some in costs.items()}
        for name, each in values.items():
            ours = name == FLOWSPAN
            extra = None if name == ALONE else added(values, name, BARE if ours else ALONE).median
            yield Row(
                subject=f"{_SUBJECT}, {what}",
                side=name,
                value=Spread.of(each),
                unit="ms",
                added=extra,
                aim=f"≤ {_MOST_SECONDS * 1000:.0f} ms over bare" if ours else "",
                met=extra <= _MOST_SECONDS * 1000 if ours and extra is not None else None,
            )


def _resident(way: Way) -> list[float]:
    """The most MiB resident, of a few starts; empty where the system does not tell."""
    if not Path("/proc/self/status").exists():
        return []
    return [float(output(way, _RESIDENT).stdout) / 1024 for _ in range(3)]


def _memory(values: dict[str, list[float]]) -> Iterator[Row]:
    for name in values if all(values.values()) else ():
        before = BARE if name == FLOWSPAN else ALONE
        yield Row(
            subject=_MEMORY,
            side=name,
            value=Spread.of(values[name]),
            unit="MiB",
            added=None if name == ALONE else added(values, name, before).median,
        )
