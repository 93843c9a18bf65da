"""Which distribution and which configurator OpenTelemetry would choose."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import Final

from flowspan.report.findings import Finding
from flowspan.resource import flowspan_version

_OURS: Final = "flowspan"
_CHOICES: Final = (
    ("distro", "opentelemetry_distro", "OTEL_PYTHON_DISTRO"),
    ("configurator", "opentelemetry_configurator", "OTEL_PYTHON_CONFIGURATOR"),
)


def findings(environ: Mapping[str, str]) -> list[Finding]:
    """What would happen at the start of a program."""
    found = [_versions(), *_disabled(environ)]
    for subject, group, variable in _CHOICES:
        names = [entry_point.name for entry_point in entry_points(group=group)]
        found.append(_choice(subject, names, variable, environ.get(variable)))
    return found


def _versions() -> Finding:
    python = ".".join(map(str, sys.version_info[:3]))
    telemetry = _version("opentelemetry-sdk")
    return Finding(
        "ok",
        "flowspan",
        f"{flowspan_version()} with OpenTelemetry {telemetry} in Python {python}, {sys.prefix}",
        data={
            "flowspan": flowspan_version(),
            "opentelemetry": telemetry,
            "python": python,
            "prefix": sys.prefix,
        },
    )


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:  # pragma: no cover - flowspan requires it
        return "none"


def _disabled(environ: Mapping[str, str]) -> Iterator[Finding]:
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        yield Finding(
            "problem",
            "OTEL_SDK_DISABLED",
            "OpenTelemetry is switched off, so nothing is recorded",
            "unset OTEL_SDK_DISABLED",
        )


def _choice(subject: str, names: list[str], variable: str, wanted: str | None) -> Finding:
    data = {"installed": names, "named": wanted}
    if _OURS not in names:
        return Finding(
            "problem",
            subject,
            "flowspan's entry points are not installed here",
            "install flowspan in this environment (an unpacked source folder is not enough)",
            data,
        )
    if wanted is not None and wanted != _OURS:
        return Finding(
            "note",
            subject,
            f"{variable}={wanted}: opentelemetry-instrument starts that one; "
            "flowspan run starts flowspan all the same",
            f"unset {variable}, or set it to flowspan",
            data,
        )
    others = [name for name in names if name != _OURS]
    if others and wanted is None:
        return Finding(
            "note",
            subject,
            f"flowspan run starts flowspan; opentelemetry-instrument may as well start "
            f"{', '.join(others)}, which is installed too",
            f"set {variable}=flowspan for opentelemetry-instrument",
            data,
        )
    return Finding("ok", subject, "flowspan", data=data)
