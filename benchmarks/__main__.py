"""``python -m benchmarks``: measures what flowspan costs and prints a table."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Final

from rich.console import Console

from benchmarks import clients, engines, maps, memory, nodes, startup, state, tracing
from benchmarks.imports import more_than_bare
from benchmarks.result import Report
from benchmarks.table import show, show_imports

PARTS: Final = {
    "tracing": tracing.measure,
    "state": state.measure,
    "nodes": nodes.measure,
    "engines": engines.measure,
    "maps": maps.measure,
    "startup": startup.measure,
    "memory": memory.measure,
    "clients": clients.measure,
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for CI")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--only", action="append", choices=PARTS, help="one part; may be repeated")
    parser.add_argument("--imports", action="store_true", help="what a start imports, and no more")
    return parser.parse_args()


def main() -> int:
    """Measure, print, and say by the exit code whether the sides emitted the same."""
    arguments = _arguments()
    console = Console(width=None if sys.stdout.isatty() else 170)
    if arguments.imports:
        show_imports(more_than_bare(), console)
        return 0
    started = time.perf_counter()
    report = Report()
    for name in arguments.only or PARTS:
        PARTS[name](report, quick=arguments.quick)
    seconds = time.perf_counter() - started
    report.facts["seconds"] = round(seconds, 1)
    if arguments.json:
        json.dump(report.as_json(), sys.stdout, indent=2, ensure_ascii=False)
    else:
        show(report, console)
        console.print(f"Measured in {seconds:.0f} s.")
    return 1 if report.differences else 0


if __name__ == "__main__":
    sys.exit(main())
