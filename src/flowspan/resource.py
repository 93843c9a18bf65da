"""What the process says of itself: a service name worth reading, and who traced it."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from flowspan import semconv

if TYPE_CHECKING:
    from flowspan.config import Settings

_OPTIONS_WITH_VALUE: Final = frozenset({"-W", "-X", "--check-hash-based-pycs"})


def flowspan_version() -> str:
    """The installed version of flowspan."""
    try:
        return version("flowspan")
    except PackageNotFoundError:  # put on the path without being installed
        return "0"


def resource_attributes(environ: Mapping[str, str], settings: Settings) -> dict[str, Any]:
    """Attributes of the resource that the environment does not say itself."""
    attributes: dict[str, Any] = {
        "telemetry.distro.name": "flowspan",
        "telemetry.distro.version": flowspan_version(),
    }
    said = environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    if f"{semconv.SERVICE_INSTANCE_ID}=" not in said:
        attributes[semconv.SERVICE_INSTANCE_ID] = str(uuid.uuid4())
    named = environ.get("OTEL_SERVICE_NAME") or f"{semconv.SERVICE_NAME}=" in said
    if not named and (name := program_name(sys.orig_argv)) is not None:
        # A file's name may hold bytes that are no text; no exporter could encode them.
        attributes[semconv.SERVICE_NAME] = name.encode("utf-8", "replace").decode()
    if settings.invocation is not None:
        attributes[semconv.INVOCATION] = settings.invocation
    return attributes


def program_name(arguments: Sequence[str]) -> str | None:
    """The name of the program that Python was started with: its module or its file.

    Args:
        arguments: As ``sys.orig_argv``; ``sys.argv`` is not there yet when we are loaded.
    """
    rest = iter(arguments[1:])
    for argument in rest:
        if argument == "-m":
            return next(rest, None)
        if argument in ("-c", "-"):
            return None
        if argument in _OPTIONS_WITH_VALUE:
            next(rest, None)
        elif not argument.startswith("-"):
            path = PurePath(argument)
            return path.parent.name if path.name == "__main__.py" else path.stem or None
    return None
