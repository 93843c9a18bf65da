"""All inspections, in the order in which a user would ask."""

from __future__ import annotations

import os
from collections.abc import Mapping

from flowspan import config
from flowspan.doctor import exporters, integrations, neighbours, settings, start, storage
from flowspan.report.findings import Section


def inspect(environ: Mapping[str, str] | None = None) -> list[Section]:
    """Inspect the Python environment that this process runs in.

    Args:
        environ: The environment variables; the process's own unless given.
    """
    environ = os.environ if environ is None else environ
    wanted = config.load(environ)
    return [
        Section("start", start.findings(environ)),
        Section("integrations", integrations.findings(environ, wanted)),
        Section("neighbours", neighbours.findings(environ, wanted)),
        Section("exporters", exporters.findings(environ, wanted)),
        Section("settings", settings.findings(environ, wanted)),
        Section("store", storage.findings(wanted)),
    ]
