"""A fake provider in a process of its own, for benchmarks and programs that must not share one."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from flowspan.testing.address import ProviderAddress
from flowspan.testing.ledger import Ledger

_STOP_SECONDS = 5.0


class ProviderProcess(ProviderAddress):
    """A provider that runs elsewhere; its address and its ledger."""

    def ledger(self) -> Ledger:
        """What it has charged until now."""
        with urllib.request.urlopen(f"{self.url}/__ledger__") as answer:  # noqa: S310 - http, ours
            return Ledger.from_json(answer.read())


@contextmanager
def provider_process(*, respond: str | None = None) -> Iterator[ProviderProcess]:
    """Runs a fake provider in another process; it ends with the block, or with this process.

    Args:
        respond: ``MODULE:FUNCTION`` of a responder that the other process can import; None for
            echoes.
    """
    command = [sys.executable, "-m", "flowspan.testing.provider", "--until-input-ends"]
    if respond is not None:
        command += ["--respond", respond]
    with subprocess.Popen(  # noqa: S603 - this interpreter, this package
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield ProviderProcess(_address(process))
        finally:
            process.communicate(timeout=_STOP_SECONDS)


def _address(process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline() if process.stdout is not None else ""
    if not line:
        raise RuntimeError(
            f"the fake provider did not start: {process.args!r} ended with status "
            f"{process.wait(_STOP_SECONDS)} before it printed its address"
        )
    return line.strip()
