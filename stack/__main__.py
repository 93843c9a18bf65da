"""``python -m stack VERB``: builds the programs, proves that they start, or keeps them running."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

from stack.build import build_all
from stack.errors import StackError
from stack.run import Stack

_BEGAN = time.monotonic()


def say(line: str) -> None:
    """A progress line, with the time since the start."""
    seconds = round(time.monotonic() - _BEGAN)
    print(f"{seconds // 60:4}:{seconds % 60:02}  {line}", flush=True)


def check() -> None:
    """Build, start all programs with the shipped configuration, stop them."""
    build_all(say)
    with tempfile.TemporaryDirectory(prefix="flowspan-stack-") as folder, Stack(Path(folder)):
        say("collector, Jaeger and Prometheus start with the shipped configuration")
    say("and stop; `make test-stack` sends runs through them")


def run() -> None:
    """Build, start all programs, say where they are, stop them on Ctrl-C or SIGTERM."""
    build_all(say)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with tempfile.TemporaryDirectory(prefix="flowspan-stack-") as folder, Stack(Path(folder)) as up:
        say(f"programs send to   OTEL_EXPORTER_OTLP_ENDPOINT={up.endpoint}")
        say(f"Jaeger answers at  {up.jaeger_api.url}/api/v3/services")
        say(f"Prometheus at      {up.prometheus_api.url}/api/v1/query?query=flowspan_runs_active")
        say("until Ctrl-C")
        ended.wait()


VERBS = {"build": lambda: build_all(say), "check": check, "run": run}


def main() -> int:
    """Do what a verb says.

    Returns:
        0, or 3 where this machine lacks something, or 1 where something failed.
    """
    parser = argparse.ArgumentParser(prog="python -m stack", description=__doc__)
    parser.add_argument("verb", choices=VERBS)
    try:
        VERBS[parser.parse_args().verb]()
    except StackError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
