"""Whether memory stays flat over many runs."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks import ledger, nodes
from benchmarks.clock import Spread
from benchmarks.engineruns import ENGINE_RUNS, installed
from benchmarks.result import Report, Row
from benchmarks.sides import FLOWSPAN, PLAIN, Flowspan
from benchmarks.telemetry import Telemetry
from flowspan.instrumentation import streams

_RUNS: Final = 10_000
_QUICK_RUNS: Final = 2_000
_FLUSH_EVERY: Final = 100
_MOST_BLOCKS_A_RUN: Final = 0.05
_MOST_KIBIBYTES: Final = 2048


def _resident() -> float:
    """Resident memory of this process in KiB; 0 where the system does not tell (no /proc)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    text = status.read_text()
    return float(text.partition("VmRSS:")[2].split(maxsplit=1)[0])


def _runs(
    run: Callable[[], Any], telemetry: Telemetry, count: int, *, traced: bool
) -> tuple[int, float]:
    """Blocks of memory in use, and resident memory, after so many runs."""
    for number in range(1, count + 1):
        run()
        if number % _FLUSH_EVERY == 0:
            streams.settle()  # runs that were left
            telemetry.settle("runs", traced=traced)
    gc.collect()
    return sys.getallocatedblocks(), _resident()


def _work(side: Flowspan) -> None:
    """A step, and nodes that are decorated, watch a state and come again with the same inputs."""
    side.engine.step()
    state: nodes.State = {"parts": [1, 2]}
    for _ in range(6):
        nodes.decorated({"turn": 1})
        nodes.block(state)


def _measured(runs: int, engine: str, *, traced: bool) -> dict[str, float]:
    telemetry = Telemetry()
    side = Flowspan(telemetry, ledger.loaded_pricer())
    if traced:
        side.install()
    make = ENGINE_RUNS.get(engine)
    run = (lambda: side.engine.run(lambda: _work(side))) if make is None else make()
    try:
        blocks, resident = _runs(run, telemetry, runs // 10, traced=traced)
        blocks_after, resident_after = _runs(run, telemetry, runs, traced=traced)
    finally:
        side.uninstall()
    return {"blocks": (blocks_after - blocks) / runs, "resident": resident_after - resident}


def measure(report: Report, *, quick: bool) -> None:
    """Add what is left of each run once its spans are delivered.

    Each in a process of its own: memory that another part has freed would hide what grows.  Where
    an engine leaves more than little, it is measured without flowspan as well, if there is time.
    """
    runs = _QUICK_RUNS if quick else _RUNS
    for engine in ("", *installed()):
        what = f"{runs:,} runs of {engine}" if engine else f"{runs:,} runs"
        found = _alone_in_a_process(runs, engine, FLOWSPAN)
        if engine and not quick and not _is_little(found):
            own = _alone_in_a_process(runs, engine, PLAIN)
            found = {name: found[name] - own[name] for name in found}
            told = f"{own['blocks']:.2f} blocks a run and {own['resident']:,.0f} KiB"
            report.remarks.append(
                f"{what} leave {told} without flowspan: its rows are what is more"
            )
        report.rows += [
            _row(f"memory over {what}", found["blocks"], "blocks/run", _MOST_BLOCKS_A_RUN),
            _row(f"resident memory over {what}", found["resident"], "KiB", _MOST_KIBIBYTES),
        ]


def _alone_in_a_process(runs: int, engine: str, side: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.memory", str(runs), engine, side]
    done = subprocess.run(  # noqa: S603 - our own interpreter
        command, check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _is_little(found: dict[str, float]) -> bool:
    return found["blocks"] <= _MOST_BLOCKS_A_RUN and found["resident"] <= _MOST_KIBIBYTES


def _row(subject: str, value: float, unit: str, most: float) -> Row:
    return Row(
        subject=subject,
        side=FLOWSPAN,
        value=Spread.of([value]),
        unit=unit,
        aim=f"≤ {most} {unit}",
        met=value <= most,
    )


if __name__ == "__main__":
    print(
        "\n" + json.dumps(_measured(int(sys.argv[1]), sys.argv[2], traced=sys.argv[3] == FLOWSPAN))
    )
