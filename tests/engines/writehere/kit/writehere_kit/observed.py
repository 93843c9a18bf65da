"""Runs the real engine in a process of its own, watched or not; ``python -m`` of the tests.

Usage: ``observed OUT DETAIL ENTRY CHECKOUT OPTIONS...``; writes what was recorded to ``OUT``.
"""

from __future__ import annotations

import importlib
import json
import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowspan.testing.recording import Recording


def _run(entry: str, checkout: Path, options: list[str]) -> None:
    script = checkout / "recursive" / "engine.py"
    sys.argv = [str(script), *options]
    if entry == "script":
        runpy.run_path(str(script), run_name="__main__")
        return
    engine: Any = importlib.import_module("recursive.engine")
    args = engine.define_args().parse_args(options)
    sys.argv = ["a program of my own"]
    common = (args.filename, args.output_filename, args.start, args.end, args.done_flag_file)
    files = {"nodes_json_file": args.nodes_json_file}
    if args.mode == "story":
        engine.story_writing(*common, args.model, **files)
    else:
        backend = args.engine_backend
        engine.report_writing(*common, args.model, backend, **files, today_date=args.today_date)


def _as_json(recording: Recording) -> str:
    spans = recording.spans
    plain = [
        {
            "name": span.name,
            "parent": span.parent.span_id if span.parent else None,
            "id": span.context.span_id,
            "trace": span.context.trace_id,
            "attributes": dict(span.attributes or {}),
            "events": [(event.name, dict(event.attributes or {})) for event in span.events],
            "failed": not (span.status.is_unset or span.status.is_ok),
        }
        for span in spans
    ]
    states = [(one.integration, one.target, one.state, one.detail) for one in recording.statuses()]
    return json.dumps({"spans": plain, "rows": states, "tree": spans.tree()}, default=list)


def main() -> None:
    """Run what the command line says."""
    out, detail, entry, checkout, *options = sys.argv[1:]
    sys.path.insert(0, checkout)
    if detail == "off":
        _run(entry, Path(checkout), options)  # nothing of ours is imported
        return
    from flowspan.instrumentation.discovery import built_in  # noqa: PLC0415
    from flowspan.testing.recording import record  # noqa: PLC0415

    with record(*built_in(), detail=detail) as recording:  # type: ignore[arg-type]
        _run(entry, Path(checkout), options)
        Path(out).write_text(_as_json(recording), "utf-8")


if __name__ == "__main__":
    main()
