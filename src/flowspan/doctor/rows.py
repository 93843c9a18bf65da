"""Applies integrations and tells what became of their rows: run as a process of its own.

``python -m flowspan.doctor.rows NAME…`` imports what they would patch, which is nothing that the
process of the doctor should do.  The answer is JSON on the standard output; what the imported
modules print goes nowhere.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider

from flowspan import config
from flowspan.instrumentation.events import EventOutlet
from flowspan.instrumentation.integration import Integration
from flowspan.instrumentation.machine import Machine
from flowspan.instrumentation.metrics import Instruments
from flowspan.instrumentation.patching import Patcher


def apply(integration: Integration) -> list[dict[str, Any]]:
    """What became of each row, once all modules that it names are imported.

    Returns:
        For each row its ``target``, ``state``, ``optional`` and ``detail``.
    """
    machine = Machine(
        tracer=NoOpTracerProvider().get_tracer("flowspan"),
        instruments=Instruments(NoOpMeterProvider().get_meter("flowspan")),
        outlet=EventOutlet("span", None),
    )
    patcher = Patcher(machine)
    patcher.install(integration)
    reasons = _import_all(
        dict.fromkeys(module for patch in integration.patches for module, _ in patch.places)
    )
    rows = []
    for status in patcher.statuses():
        module = status.target.partition(":")[0]
        state, detail = status.state, status.detail
        if state == "waiting" and module in reasons:
            state, detail = "missing", reasons[module]
        rows.append(
            {
                "target": status.target,
                "state": state,
                "optional": status.optional,
                "detail": detail,
            }
        )
    return rows


def _import_all(modules: dict[str, None]) -> dict[str, str]:
    """Import the modules; why it was not possible, for those for which it was not."""
    reasons = {}
    for module in modules:
        try:
            import_module(module)
        except BaseException as error:  # noqa: BLE001 - whatever a module does when it is imported
            reasons[module] = f"{module} cannot be imported: {type(error).__name__}: {error}"
    return reasons


def main(names: Sequence[str]) -> None:
    """Answer for the integrations of these names."""
    from flowspan.doctor.integrations import known  # noqa: PLC0415 - it starts this module

    answer = os.dup(1)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    integrations = [found for found in known(config.load().map_path) if found.name in names]
    rows = {integration.name: apply(integration) for integration in integrations}
    with os.fdopen(answer, "w", encoding="utf-8") as stream:
        json.dump(rows, stream)
        stream.flush()
    os._exit(0)  # not waiting for threads that an imported module has started


if __name__ == "__main__":
    main(sys.argv[1:])
