"""How the run was started: mode, files, model and backend.

None of them is on the engine: they are parameters of ``story_writing`` or ``report_writing``,
which is running when the run begins, and options of ``engine.py``.
"""

from __future__ import annotations

import sys
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

    from flowspan.instrumentation.integration import Attributes

_MODE_OF: Final = {"story_writing": "story", "report_writing": "report"}
_DEEPEST: Final = 50


class _Parameter(NamedTuple):
    """One thing to know: where it goes, and what entry functions and options call it."""

    attribute: str
    variable: str
    option: str


_PARAMETERS: Final = (
    _Parameter("engine.input.filename", "input_filename", "--filename"),
    _Parameter("engine.output.filename", "output_filename", "--output-filename"),
    _Parameter("engine.llm.model", "global_use_model", "--model"),
    _Parameter("engine.backend", "engine_backend", "--engine-backend"),
)


def mode() -> str | None:
    """``story`` or ``report``; ``None`` where neither entry function started the run."""
    return _mode(_entry_frame())


def attributes() -> Attributes:
    """The ``engine.*`` attributes of the run; what nobody said is ``None``."""
    frame = _entry_frame()
    if frame is not None:
        known: Mapping[str, Any] = frame.f_locals
        found = {one.attribute: known.get(one.variable) for one in _PARAMETERS}
    else:
        found = {one.attribute: _option(one.option) for one in _PARAMETERS}
    return {"engine.mode": _mode(frame), **found}


def _mode(frame: FrameType | None) -> str | None:
    return _option("--mode") if frame is None else _MODE_OF[frame.f_code.co_name]


def _entry_frame() -> FrameType | None:
    return next((frame for frame in _callers() if frame.f_code.co_name in _MODE_OF), None)


def _callers() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the documented way to the callers
    for _ in range(_DEEPEST):
        if frame is None:
            return
        yield frame
        frame = frame.f_back


def _option(name: str) -> str | None:
    """The value of an option, if the program is ``engine.py``."""
    if not sys.argv or PurePath(sys.argv[0]).name != "engine.py":
        return None
    for position, word in enumerate(sys.argv):
        option, equals, value = word.partition("=")
        if option == name:
            return value if equals else next(iter(sys.argv[position + 1 :]), None)
    return None
