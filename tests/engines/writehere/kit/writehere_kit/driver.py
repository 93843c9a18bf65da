"""A program of somebody's own that imports the real engine; it knows nothing of flowspan.

Usage: ``driver.py CHECKOUT COUNTS OPTIONS...``.  ``COUNTS`` names a file for what a plain counter
sees, or is ``-``.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any


def _run(options: list[str]) -> None:
    engine: Any = importlib.import_module("recursive.engine")
    args = engine.define_args().parse_args(options)
    common = (args.filename, args.output_filename, args.start, args.end, args.done_flag_file)
    files = {"nodes_json_file": args.nodes_json_file}
    if args.mode == "story":
        engine.story_writing(*common, args.model, **files)
    else:
        backend = args.engine_backend
        engine.report_writing(*common, args.model, backend, **files, today_date=args.today_date)


def _run_counted(file: Path, options: list[str]) -> None:
    counting: Any = importlib.import_module("writehere_kit.counting")
    node_class = importlib.import_module("recursive.graph").AbstractNode
    with counting.transitions_of(node_class) as transitions, counting.counted() as tally:
        _run(options)
    moves = [[before, after, times] for (before, after), times in transitions.items()]
    file.write_text(json.dumps({"counts": tally.counts, "transitions": moves}), "utf-8")


if __name__ == "__main__":
    checkout, counts, *rest = sys.argv[1:]
    sys.path.insert(0, checkout)
    if counts == "-":
        _run(rest)
    else:
        _run_counted(Path(counts), rest)
